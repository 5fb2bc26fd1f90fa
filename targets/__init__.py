"""Targets: an artifact and images in, predictions out. One file a runtime."""
