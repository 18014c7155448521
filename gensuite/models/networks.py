"""The networks: encoders, decoders (generators) and discriminators, in four kinds.

``conv`` and ``dense`` are small and quick; ``residual_conv`` and ``residual_dense`` (He et al.,
"Deep residual learning for image recognition", 2016) take longer and go further.

Plain ``keras.Model`` objects with a fixed image shape. Output layers are float32 under any
precision policy, because losses and exports are. No layer draws random numbers or keeps state
from call to call, so that a network is a pure function of its weights and its input.

A conditional network takes a second input, ``label``: ``(batch,)`` int32 class numbers.
"""

import math

import keras
from keras import layers, ops

_BASE_WIDTH = 32
_MAX_WIDTH = 256
_HIDDEN_WIDTH = 128
# Narrower, so that a residual block at the lowest resolution does not make the network slower.
_RESIDUAL_BASE_WIDTH = 16
_RESIDUAL_HIDDEN_WIDTH = 450
_DENSE_WIDTH = 512
_BLOCKS = 2
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
        network: ``conv``, ``dense``, ``residual_conv`` or ``residual_dense``.
        outputs: names of the outputs; one gives a tensor, several a list.
    """
    image = keras.Input(image_shape, name="image")
    features = _image_features(image, network, activation="silu")
    heads = [layers.Dense(latent_dim, dtype="float32", name=name)(features) for name in outputs]
    return keras.Model(image, heads[0] if len(heads) == 1 else heads, name="encoder")


def discriminator(
    image_shape, network: str, *, classes: int = 0, spectral_norm: bool = False
) -> keras.Model:
    """A discriminator: ``(batch, h, w, c)`` → the logit of "real", ``(batch, 1)``.

    Args:
        image_shape: ``(height, width, channels)``.
        network: see :func:`encoder`.
        classes: above 0, a second input ``label`` ``(batch,)`` int32; the logit then also takes
            the product of the features with a learned vector of the class (Miyato & Koyama,
            "cGANs with projection discriminator", 2018).
        spectral_norm: hold every kernel at a largest singular value of 1; see
            :class:`SpectralNorm`.
    """
    image = keras.Input(image_shape, name="image")
    constraint = SpectralNorm() if spectral_norm else None
    features = _image_features(image, network, "leaky_relu", constraint)
    logit = layers.Dense(1, dtype="float32", name="logit", kernel_constraint=constraint)(features)
    if not classes:
        return keras.Model(image, logit, name="discriminator")
    label = keras.Input((), dtype="int32", name="label")
    embed = layers.Dense(features.shape[-1], use_bias=False, kernel_constraint=constraint)
    wanted = embed(ops.one_hot(label, classes))
    match = layers.Dot(axes=1, dtype="float32")([features, wanted])
    return keras.Model([image, label], logit + match, name="discriminator")


def decoder(
    image_shape, latent_dim: int, network: str, *, classes: int = 0, name: str = "decoder"
) -> keras.Model:
    """A decoder, or a generator: ``(batch, latent_dim)`` → logits ``(batch, h, w, c)``.

    Args:
        image_shape: ``(height, width, channels)``.
        latent_dim: numbers in a code.
        network: see :func:`encoder`.
        classes: above 0, a second input ``label`` ``(batch,)`` int32, joined to the code as a
            one-hot vector.
        name: of the model.
    """
    z = keras.Input((latent_dim,), name="z")
    inputs, x = z, z
    if classes:
        label = keras.Input((), dtype="int32", name="label")
        inputs, x = [z, label], layers.Concatenate()([z, ops.one_hot(label, classes)])
    kind, residual = network.removeprefix("residual_"), network.startswith("residual_")
    make = _conv_logits if kind == "conv" else _dense_logits
    return keras.Model(inputs, make(x, image_shape, residual), name=name)


@keras.saving.register_keras_serializable(package="gensuite")
class SpectralNorm(keras.constraints.Constraint):
    """Divides a kernel by its largest singular value after every update.

    Miyato et al., "Spectral normalization for generative adversarial networks", 2018. The value is
    that of the kernel as a matrix ``(inputs, outputs)``, found by power iteration from a fixed
    vector, so that nothing has to be kept between updates. What it finds can be a few hundredths
    too small where the largest values lie close together.
    """

    iterations = 20

    def __call__(self, kernel):
        """The kernel, of any rank, at a largest singular value of 1."""
        matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
        right = ops.ones((matrix.shape[1], 1)) + 0.1 * ops.cos(
            ops.reshape(ops.arange(matrix.shape[1], dtype="float32"), (-1, 1))
        )
        for _ in range(self.iterations):
            left = ops.normalize(matrix @ right, axis=0)
            right = ops.normalize(ops.transpose(matrix) @ left, axis=0)
        return kernel / ops.maximum(ops.norm(matrix @ right), 1e-12)


def _image_features(image, network: str, activation: str, constraint=None):
    kind, residual = network.removeprefix("residual_"), network.startswith("residual_")
    x = layers.Rescaling(2.0, offset=-1.0)(image)  # [0, 1] → [-1, 1]: centred inputs
    if kind == "dense":
        return _dense_features(layers.Flatten()(x), activation, residual, constraint)
    height, width, _ = image.shape[1:]
    for level in range(halvings(height, width)):
        x = layers.Conv2D(
            _width(level, residual),
            _KERNEL,
            strides=2,
            padding="same",
            kernel_constraint=constraint,
        )(x)
        x = layers.Activation(activation)(x)
    if residual:
        x = _conv_block(x, activation, constraint)
    hidden = _RESIDUAL_HIDDEN_WIDTH if residual else _HIDDEN_WIDTH
    return layers.Dense(hidden, activation=activation, kernel_constraint=constraint)(
        layers.Flatten()(x)
    )


def _conv_logits(x, image_shape, residual: bool):
    height, width, channels = image_shape
    count = halvings(height, width)
    scale = 2**count
    lowest = _width(count - 1, residual)
    hidden = _RESIDUAL_HIDDEN_WIDTH if residual else _HIDDEN_WIDTH
    x = layers.Dense(hidden, activation="silu")(x)
    x = layers.Dense((height // scale) * (width // scale) * lowest, activation="silu")(x)
    x = layers.Reshape((height // scale, width // scale, lowest))(x)
    if residual:
        x = _conv_block(x, "silu")
    for level in reversed(range(count - 1)):
        x = layers.Conv2DTranspose(_width(level, residual), _KERNEL, strides=2, padding="same")(x)
        x = layers.Activation("silu")(x)
    return layers.Conv2DTranspose(
        channels,
        _KERNEL + 2 if residual else _KERNEL,
        strides=2,
        padding="same",
        dtype="float32",
        name="logits",
    )(x)


def _dense_logits(x, image_shape, residual: bool):
    x = _dense_features(x, "silu", residual)
    x = layers.Dense(math.prod(image_shape), dtype="float32")(x)
    return layers.Reshape(image_shape, dtype="float32", name="logits")(x)


def _dense_features(x, activation: str, residual: bool, constraint=None):
    def dense():
        return layers.Dense(_DENSE_WIDTH, kernel_constraint=constraint)

    x = layers.Activation(activation)(dense()(x))
    if not residual:
        return layers.Activation(activation)(dense()(x))
    for _ in range(_BLOCKS):
        x = _block(x, activation, dense)
    return x


def _conv_block(x, activation: str, constraint=None):
    """A residual block at the lowest resolution, where a convolution costs least."""

    def convolution():
        return layers.Conv2D(x.shape[-1], 3, padding="same", kernel_constraint=constraint)

    return _block(x, activation, convolution)


def _block(x, activation: str, make_layer):
    """f(x + W' f(W x)), with the activation f and two layers W and W' (biases understood)."""
    inner = layers.Activation(activation)(make_layer()(x))
    return layers.Activation(activation)(layers.Add()([x, make_layer()(inner)]))


def _width(level: int, residual: bool) -> int:
    """Channels after ``level + 1`` halvings."""
    return min((_RESIDUAL_BASE_WIDTH if residual else _BASE_WIDTH) * 2**level, _MAX_WIDTH)
