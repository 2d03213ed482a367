"""WHOSE code is checked: finding it, loading it, calling it."""
