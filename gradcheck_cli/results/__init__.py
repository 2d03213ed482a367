"""What a check found, as frozen data."""
