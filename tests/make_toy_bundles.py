"""Make the committed toy bundles: ``python -m tests.make_toy_bundles`` from the checkout.

One for each family and a conditional GAN, of 8x8 digits, with networks small enough to commit. They
let the tests of
inference and page run in seconds and without TensorFlow.
"""

import shutil
from pathlib import Path

import keras
from keras import layers

from export import export_model
from gensuite.config import VAEConfig
from gensuite.data.reading import open_dataset
from gensuite.models import AE, GAN, VAE

BUNDLES = Path(__file__).parent / "bundles"
SHAPE = (8, 8, 1)
LATENT = 2


def encoder(*outputs: str) -> keras.Model:
    """8x8 image → one code, or one for each name."""
    image = keras.Input(SHAPE)
    features = layers.Dense(24, activation="silu")(layers.Flatten()(image))
    heads = [layers.Dense(LATENT, name=name)(features) for name in outputs]
    return keras.Model(image, heads if len(heads) > 1 else heads[0])


def decoder(classes: int = 0) -> keras.Model:
    """Code, and with classes a label → logits of an 8x8 image."""
    z = keras.Input((LATENT,))
    inputs, x = _with_label(z, z, classes)
    features = layers.Dense(24, activation="silu")(x)
    return keras.Model(inputs, layers.Reshape(SHAPE)(layers.Dense(64)(features)))


def discriminator(classes: int = 0) -> keras.Model:
    """8x8 image, and with classes a label → the logit of "real"."""
    image = keras.Input(SHAPE)
    inputs, x = _with_label(image, layers.Flatten()(image), classes)
    return keras.Model(inputs, layers.Dense(1)(layers.Dense(24, activation="silu")(x)))


def _with_label(first, features, classes: int):
    if not classes:
        return first, features
    label = keras.Input((), dtype="int32", name="label")
    one_hot = keras.ops.one_hot(label, classes)
    return [first, label], layers.Concatenate()([features, one_hot])


TOYS = {
    "toy-ae": lambda: AE(encoder("z"), decoder()),
    "toy-vae": lambda: VAE(encoder("mean", "log_variance"), decoder()),
    "toy-gan": lambda: GAN(decoder(), discriminator()),
    "toy-cgan": lambda: GAN(decoder(10), discriminator(10), classes=10),
}


def main() -> None:
    """Train and export all of them, each as if it were the only one."""
    data = open_dataset(VAEConfig(dataset="digits", image_size=8))
    images, labels = data.floats("train"), data.labels["train"]
    for name, build in TOYS.items():
        keras.utils.set_random_seed(0)
        model = build()
        model.compile(optimizer=keras.optimizers.Adam(3e-3))
        history = model.fit(images, labels, batch_size=64, epochs=30, verbose=0).history
        export_model(model, data, BUNDLES / name, history=history, force=True)
    shutil.rmtree(BUNDLES / "saved_model")  # beside the bundles, and too large to commit


if __name__ == "__main__":
    main()
