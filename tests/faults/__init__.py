"""Planted faults: pairs of functions that are wrong in a known way."""
