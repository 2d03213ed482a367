"""WHICH cases are tried."""
