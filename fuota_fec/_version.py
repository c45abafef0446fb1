"""Version of this library, for all floors: it is known without an installation too."""

__version__ = "0.3.0"
