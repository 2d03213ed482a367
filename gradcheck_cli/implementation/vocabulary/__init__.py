"""The names that people use for the parts of each layer."""
