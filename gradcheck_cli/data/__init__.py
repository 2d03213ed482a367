"""How data is held: in frozen dataclasses."""
