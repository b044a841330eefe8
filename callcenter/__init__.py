"""A city's public hotline: Asterisk answers, Python decides, Postgres remembers."""

__version__ = "0.1.0"
