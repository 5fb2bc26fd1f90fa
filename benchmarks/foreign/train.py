"""A model that tinyedge did not make: Keras by the tutorial, softmax output, 0..255 input, no family of tinyedge's.

    python benchmarks/foreign/train.py --data-dir FOLDER --out FOLDER [--epochs 12]

Nothing of tinyedge is used but its reader of CIFAR-100. The input rescaling is a layer of the model, as Keras' own
guides have it. Written to ``--out``: ``model.keras``, and ``made.json``, which says what Keras itself measures on the
test images. Next: ``convert.py``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tinyedge.data import Dataset, load_dataset


def network(classes: int) -> keras.Model:
    """Four convolutions, batch norm, global average pooling, softmax; 0..255 in."""
    image = keras.Input((32, 32, 3), name="image")
    x = layers.Rescaling(1.0 / 255)(image)
    for width, stride in ((32, 2), (64, 1), (96, 2), (128, 2)):
        x = layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(classes, activation="softmax")(x), name="foreign")


def train(data: Dataset, epochs: int, seed: int) -> keras.Model:
    """Adam under a cosine schedule; mirrored images are the only augmentation."""
    keras.utils.set_random_seed(seed)
    batch = 128
    steps = len(data) // batch * epochs
    model = network(data.num_classes)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    feed = tf.data.Dataset.from_tensor_slices((data.images, data.labels)).shuffle(len(data), seed=seed)
    feed = feed.batch(batch, drop_remainder=True).map(
        lambda images, labels: (tf.image.random_flip_left_right(tf.cast(images, tf.float32)), labels)
    )
    model.fit(feed, epochs=epochs, verbose=2)
    return model


def main() -> None:
    """Train, measure, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    training, test = (load_dataset("cifar100", split, data_dir=asked.data_dir) for split in ("train", "test"))
    model = train(training, asked.epochs, asked.seed)
    _, accuracy = model.evaluate(test.images.astype(np.float32), test.labels, batch_size=500, verbose=0)
    model.save(asked.out / "model.keras")
    made = {
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "epochs": asked.epochs,
        "seed": asked.seed,
        "parameters": model.count_params(),
        "test_accuracy_in_keras": round(float(accuracy), 4),
    }
    (asked.out / "made.json").write_text(json.dumps(made, indent=1) + "\n")
    print(json.dumps(made))


if __name__ == "__main__":
    main()
