"""Samples of code, one module for each area; `SAMPLES` of each is checked by `test_table`."""
