"""Datasets: images with labels, however they are stored, and the identity of every example."""

from tinyedge.data.dataset import Dataset
from tinyedge.data.load import load_dataset

__all__ = ["Dataset", "load_dataset"]
