"""The report as one HTML file, and its parts for notebooks."""
