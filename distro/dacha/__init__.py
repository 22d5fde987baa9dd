"""dacha: a shell of any distribution, as yourself, in an instant."""

__version__ = "0.1.0"
