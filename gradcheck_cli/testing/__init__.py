"""The pytest plugin: gradient checks as tests."""
