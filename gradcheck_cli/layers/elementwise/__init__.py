"""Functions of each element by itself, and dropout."""
