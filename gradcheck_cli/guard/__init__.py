"""A process of its own for code that may hang, crash, print or meddle. What runs in it is no matter here."""
