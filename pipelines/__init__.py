"""padron: nightly identity resolution on Spark."""

__version__ = "0.1.0"
