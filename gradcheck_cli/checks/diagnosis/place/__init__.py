"""Where in the user's file a failure comes from: the function, and the statement if exactly one fits the cause."""
