"""Layers that multiply by a matrix, or look its rows up."""
