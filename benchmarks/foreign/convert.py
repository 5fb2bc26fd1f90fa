"""The Keras model to TFLite by TensorFlow's own converter, as its post-training quantization guide has it.

    python benchmarks/foreign/convert.py --data-dir FOLDER --out FOLDER

Reads ``model.keras`` of ``train.py`` from ``--out`` and writes beside it: ``float.tflite``, ``uint8.tflite`` (full
integer, uint8 in and out), ``int8.tflite`` (the same with int8), ``uint8-logits.tflite`` (without the softmax at the
end), and ``labels.txt``. Nothing of tinyedge is used but its reader of CIFAR-100; no file gets a side-car.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinyedge.data import load_dataset

REPRESENTATIVE = 500


def convert(model: keras.Model, images: NDArray[np.uint8], stored: Any) -> bytes:
    """``stored`` is the type of input and output; ``tf.float32`` for no quantization."""

    def feed() -> Iterator[list[NDArray[np.float32]]]:
        for i in range(len(images)):
            yield [images[i : i + 1].astype(np.float32)]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if stored is not tf.float32:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = feed
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = stored
    return bytes(converter.convert())


def without_softmax(model: keras.Model) -> keras.Model:
    """The same layers, the last one linear: its outputs are logits."""
    bare = keras.models.clone_model(model)
    bare.set_weights(model.get_weights())
    bare.layers[-1].activation = keras.activations.linear
    return bare


def main() -> None:
    """Read, convert, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    training = load_dataset("cifar100", "train", data_dir=asked.data_dir)
    drawn = np.random.default_rng(asked.seed).choice(len(training), REPRESENTATIVE, replace=False)
    images = training.images[drawn]
    model = keras.saving.load_model(asked.out / "model.keras")
    for name, stored in (("float", tf.float32), ("int8", tf.int8), ("uint8", tf.uint8)):
        (asked.out / f"{name}.tflite").write_bytes(convert(model, images, stored))
    (asked.out / "uint8-logits.tflite").write_bytes(convert(without_softmax(model), images, tf.uint8))
    (asked.out / "labels.txt").write_text("\n".join(training.class_names) + "\n")


if __name__ == "__main__":
    main()
