"""The version of the program: workers on other machines must have the same one."""

__version__ = "0.2.0"
