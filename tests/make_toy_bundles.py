"""Make the committed toy bundles: ``python -m tests.make_toy_bundles`` from the checkout.

One for each family, of 8x8 digits, with networks small enough to commit. They let the tests of
inference and page run in seconds and without TensorFlow.
"""

import shutil
from pathlib import Path

import keras
from keras import layers

from export import export_model
from gensuite.config import VAEConfig
from gensuite.data.splits import open_dataset
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


def decoder() -> keras.Model:
    """Code → logits of an 8x8 image."""
    z = keras.Input((LATENT,))
    features = layers.Dense(24, activation="silu")(z)
    return keras.Model(z, layers.Reshape(SHAPE)(layers.Dense(64)(features)))


def discriminator() -> keras.Model:
    """8x8 image → the logit of "real"."""
    image = keras.Input(SHAPE)
    features = layers.Dense(24, activation="silu")(layers.Flatten()(image))
    return keras.Model(image, layers.Dense(1)(features))


def main() -> None:
    """Train and export all three."""
    data = open_dataset(VAEConfig(dataset="digits", image_size=8))
    keras.utils.set_random_seed(0)
    models = {
        "toy-ae": AE(encoder("z"), decoder()),
        "toy-vae": VAE(encoder("mean", "log_variance"), decoder()),
        "toy-gan": GAN(decoder(), discriminator()),
    }
    for name, model in models.items():
        model.compile(optimizer=keras.optimizers.Adam(3e-3))
        history = model.fit(data.floats("train"), batch_size=64, epochs=30, verbose=0).history
        export_model(model, data, BUNDLES / name, history=history, force=True)
    shutil.rmtree(BUNDLES / "saved_model")  # beside the bundles, and too large to commit


if __name__ == "__main__":
    main()
