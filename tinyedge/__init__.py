"""tinyedge: validate a tiny classifier on the deployed artifact, on the deployed arithmetic, at the deployed size."""

__version__ = "0.1.0"
