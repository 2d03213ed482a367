"""HOW results are shown: one file for each format, each a function of the results alone."""
