"""Attention: outputs are means of values, weighted by how queries match keys."""
