"""The networks: encoders, decoders (generators) and discriminators, convolutional or dense.

Plain ``keras.Model`` objects with a fixed image shape. Output layers are float32 under any
precision policy, because losses and exports are. No layer draws random numbers or keeps state
from call to call, so that a network is a pure function of its weights and its input.
"""

import math

import keras
from keras import layers

_BASE_WIDTH = 32
_MAX_WIDTH = 256
_HIDDEN_WIDTH = 128
_DENSE_WIDTH = 512
_KERNEL = 4
"""Even, and a multiple of the stride: every output pixel sees as many inputs (Odena et al.,
"Deconvolution and checkerboard artifacts", 2016)."""


def halvings(height: int, width: int) -> int:
    """How often an image is halved: while both sides are even and the shorter is above 7.

    28 → 14 → 7 is 2 halvings, 64 → 32 → 16 → 8 → 4 is 4.
    """
    count = 0
    while height % 2 == width % 2 == 0 and min(height, width) > 7:
        height, width, count = height // 2, width // 2, count + 1
    return count


def encoder(image_shape, latent_dim: int, network: str, *, outputs=("z",)) -> keras.Model:
    """An encoder: ``(batch, h, w, c)`` → one ``(batch, latent_dim)`` for each name of ``outputs``.

    Args:
        image_shape: ``(height, width, channels)``, sides multiples of 4 from 8 to 128.
        latent_dim: numbers in a code.
        network: ``conv`` or ``dense``.
        outputs: names of the outputs; one gives a tensor, several a list.
    """
    image = keras.Input(image_shape, name="image")
    features = _image_features(image, network, activation="silu")
    heads = [layers.Dense(latent_dim, dtype="float32", name=name)(features) for name in outputs]
    return keras.Model(image, heads[0] if len(heads) == 1 else heads, name="encoder")


def discriminator(image_shape, network: str) -> keras.Model:
    """A discriminator: ``(batch, h, w, c)`` → the logit of "real", ``(batch, 1)``."""
    image = keras.Input(image_shape, name="image")
    features = _image_features(image, network, activation="leaky_relu")
    logit = layers.Dense(1, dtype="float32", name="logit")(features)
    return keras.Model(image, logit, name="discriminator")


def decoder(image_shape, latent_dim: int, network: str, *, name: str = "decoder") -> keras.Model:
    """A decoder, or a generator: ``(batch, latent_dim)`` → logits ``(batch, h, w, c)``."""
    z = keras.Input((latent_dim,), name="z")
    make = _conv_logits if network == "conv" else _dense_logits
    return keras.Model(z, make(z, image_shape), name=name)


def _image_features(image, network: str, activation: str):
    x = layers.Rescaling(2.0, offset=-1.0)(image)  # [0, 1] → [-1, 1]: centred inputs
    if network == "dense":
        x = layers.Flatten()(x)
        for _ in range(2):
            x = layers.Dense(_DENSE_WIDTH, activation=activation)(x)
        return x
    height, width, _ = image.shape[1:]
    for level in range(halvings(height, width)):
        x = layers.Conv2D(_width(level), _KERNEL, strides=2, padding="same")(x)
        x = layers.Activation(activation)(x)
    return layers.Dense(_HIDDEN_WIDTH, activation=activation)(layers.Flatten()(x))


def _conv_logits(z, image_shape):
    height, width, channels = image_shape
    count = halvings(height, width)
    scale = 2**count
    x = layers.Dense(_HIDDEN_WIDTH, activation="silu")(z)
    x = layers.Dense((height // scale) * (width // scale) * _width(count - 1), activation="silu")(x)
    x = layers.Reshape((height // scale, width // scale, _width(count - 1)))(x)
    for level in reversed(range(count - 1)):
        x = layers.Conv2DTranspose(_width(level), _KERNEL, strides=2, padding="same")(x)
        x = layers.Activation("silu")(x)
    return layers.Conv2DTranspose(
        channels, _KERNEL, strides=2, padding="same", dtype="float32", name="logits"
    )(x)


def _dense_logits(z, image_shape):
    x = z
    for _ in range(2):
        x = layers.Dense(_DENSE_WIDTH, activation="silu")(x)
    x = layers.Dense(math.prod(image_shape), dtype="float32")(x)
    return layers.Reshape(image_shape, dtype="float32", name="logits")(x)


def _width(level: int) -> int:
    """Channels after ``level + 1`` halvings."""
    return min(_BASE_WIDTH * 2**level, _MAX_WIDTH)
