"""``python -m benchmarks.features NAME``: train the classifier whose features the metrics compare.

A convolutional network of 28,410 weights learns the training split alone, for a fixed number of
epochs: nothing is chosen by looking at validation or test images, whose accuracies are only
printed. The same seed gives the same bytes on one machine. What ships was made with the
defaults, and ``gensuite/metrics/features.py`` pins its hash.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gensuite.config import VAEConfig
from gensuite.console import Parser, command, quiet_start
from gensuite.metrics.features import FOLDER, PINNED, PORTS, SIDE

if TYPE_CHECKING:
    import keras

    from gensuite.data.splits import ImageData

FEATURES = 48
EPOCHS = {"digits": 100, "mnist": 8, "fashion_mnist": 16}
_BATCH_SIZE = {"digits": 32, "mnist": 128, "fashion_mnist": 128}
_LEARNING_RATE = 2e-3


def build_classifier() -> "keras.Model":
    """``(batch, 28, 28, 1)`` → ``features`` ``(batch, 48)`` and ``logits`` ``(batch, 10)``."""
    import keras
    from keras import layers

    image = keras.Input((SIDE, SIDE, 1), name="image")
    x = image
    for width in (16, 32, 32):
        x = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.2)(layers.Flatten()(x))
    features = layers.Dense(FEATURES, activation="relu", name="features")(x)
    logits = layers.Dense(10, name="logits")(features)
    return keras.Model(image, {"features": features, "logits": logits})


def train_classifier(data: "ImageData", seed: int) -> "keras.Model":
    """Train on the training split for a fixed number of epochs, with a cosine decay (Adam)."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    model = build_classifier()
    epochs, batch_size = EPOCHS[data.name], _BATCH_SIZE[data.name]
    steps = epochs * -(-len(data.images["train"]) // batch_size)
    model.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, steps)
        ),
        loss={"logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True)},
    )
    labels = {"logits": data.labels["train"]}
    images = data.floats("train")
    model.fit(images, labels, batch_size=batch_size, epochs=epochs, verbose=2)
    _give_unit_features(model, images)
    return model


def _give_unit_features(model: "keras.Model", images) -> None:
    """Scale the features of the training images to a mean square of 1; the logits stay the same.

    KID's kernel wants features of that size. A ReLU layer divided by a number and the layer after
    it multiplied by the same are together what they were.
    """
    import numpy as np

    scale = np.sqrt(np.square(model.predict(images, verbose=0)["features"]).mean())
    features, logits = model.get_layer("features"), model.get_layer("logits")
    features.set_weights([weight / scale for weight in features.get_weights()])
    kernel, bias = logits.get_weights()
    logits.set_weights([kernel * scale, bias])


def to_bytes(model: "keras.Model", data: "ImageData") -> bytes:
    """The classifier as ONNX with the ports of :data:`PORTS`."""
    import tensorflow as tf

    from export.to_onnx import to_onnx

    signature = [tf.TensorSpec((None, SIDE, SIDE, 1), tf.float32, name="image")]
    endpoint = tf.function(lambda image: model(image, training=False), input_signature=signature)
    facts = {
        "description": f"classifier of {data.name} whose penultimate layer the metrics compare",
        "dataset": data.name,
        "dataset_licence": data.licence,
    }
    return to_onnx(endpoint, "classifier", PORTS, facts)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser("python -m benchmarks.features", "Train the classifier behind the metrics.")
    parser.add_argument("name", choices=sorted(EPOCHS), help="the data set")
    parser.add_argument("--data-dir", help="folder of prepared tfds data sets")
    parser.add_argument("--raw-dir", help="folder of downloaded files to prepare the data set from")
    parser.add_argument("--seed", type=int, default=0, help="of weights and order (default: 0)")
    parser.add_argument("--to", type=Path, help="file to write (default: the one that ships)")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Train, convert, report accuracies and write the file."""
    config = VAEConfig(dataset=args.name, data_dir=args.data_dir, raw_dir=args.raw_dir)
    with quiet_start():
        from gensuite.data.reading import open_dataset
        from gensuite.training import devices

        devices.prepare(deterministic=True)
    from gensuite.inference.manifest import sha256
    from gensuite.metrics.features import Classifier
    from gensuite.storage import write_file

    data = open_dataset(config)
    content = to_bytes(train_classifier(data, args.seed), data)
    classifier = Classifier(args.name, content)
    for split, images in data.images.items():
        _, probabilities = classifier(images[:])
        accuracy = (probabilities.argmax(axis=1) == data.labels[split]).mean()
        print(f"{split}: {accuracy:.2%} of {len(images)} images")
    path = args.to or FOLDER / f"{args.name}.onnx"
    write_file(path, content)
    same = "" if sha256(content) == PINNED[args.name] else ", not the pinned one"
    print(f"{path}: {len(content):,} bytes, sha256 {sha256(content)}{same}")


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    run(parse_args(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
