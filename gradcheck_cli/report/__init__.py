"""HOW it is told: one file a format, each a function of the results alone."""
