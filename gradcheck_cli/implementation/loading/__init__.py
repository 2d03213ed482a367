"""Loads files and modules of users, and says which files they are made of."""
