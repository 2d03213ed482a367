"""From what a user types to the code that is meant, and what a file or folder has to offer."""
