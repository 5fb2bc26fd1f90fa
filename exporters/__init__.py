"""Exporters: a PyTorch or Keras model in, an artifact out. One file a format."""
