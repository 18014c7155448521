"""The networks: encoders, decoders (generators) and discriminators, in five kinds.

``conv`` and ``dense`` are small and quick; ``residual_conv`` and ``residual_dense`` (He et al.,
"Deep residual learning for image recognition", 2016) take longer and go further; ``dcgan`` has no
hidden dense layer, which keeps a GAN's discriminator from winning (Radford, Metz & Chintala,
"Unsupervised representation learning with deep convolutional generative adversarial networks",
2016).

Plain ``keras.Model`` objects with a fixed image shape. Output layers are float32 under any
precision policy, because losses and exports are. No layer draws random numbers or keeps state
from call to call, so that a network is a pure function of its weights and its input.

A conditional network takes a second input, ``label``: ``(batch,)`` int32 class numbers.
"""

import math
from dataclasses import dataclass

import keras
from keras import layers, ops

_MAX_WIDTH = 256
_DENSE_WIDTH = 512
_BLOCKS = 2
_KERNEL = 4
"""Even, and a multiple of the stride: every output pixel sees as many inputs (Odena et al.,
"Deconvolution and checkerboard artifacts", 2016)."""


@dataclass(frozen=True)
class _Convolutions:
    """What tells the convolutional kinds apart."""

    width: int
    """Channels after the first halving; each further one doubles them."""
    hidden: int
    """Width of the dense layer between the code and the lowest resolution; 0 for none."""
    residual: bool = False
    """A residual block at the lowest resolution, where a convolution costs least."""
    last_kernel: int = _KERNEL
    """Side of the kernel that draws the decoder's pixels."""
    smooth: bool = False
    """One more strided convolution of an image's features, and one of stride 1 to the pixels."""

    def channels(self, level: int) -> int:
        """Channels after ``level + 1`` halvings."""
        return min(self.width * 2**level, _MAX_WIDTH)


_CONVOLUTIONS = {
    "conv": _Convolutions(width=32, hidden=128),
    "residual_conv": _Convolutions(width=16, hidden=450, residual=True, last_kernel=6),
    "dcgan": _Convolutions(width=24, hidden=0, last_kernel=5, smooth=True),
}


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
        network: ``conv``, ``dense``, ``residual_conv``, ``residual_dense`` or ``dcgan``.
        outputs: names of the outputs; one gives a tensor, several a list.
    """
    image = keras.Input(image_shape, name="image")
    features = _image_features(image, network, silu)
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
    features = _image_features(image, network, keras.activations.leaky_relu, constraint)
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
    make = _conv_logits if network in _CONVOLUTIONS else _dense_logits
    return keras.Model(inputs, make(x, image_shape, network), name=name)


@keras.saving.register_keras_serializable(package="gensuite")
def silu(x):
    """The activation x σ(x) of encoders and decoders, of any shape.

    Elfwing, Uchibe & Doya, "Sigmoid-weighted linear units for neural network function
    approximation in reinforcement learning", 2018. Keras keeps x alone and makes σ(x) anew for the
    gradient, which takes a CPU ten passes over the values in place of six.
    """
    return x * ops.sigmoid(x)


@keras.saving.register_keras_serializable(package="gensuite")
class SpectralNorm(keras.constraints.Constraint):
    """Divides a kernel by its largest singular value after every update.

    Miyato et al., "Spectral normalization for generative adversarial networks", 2018, as a
    projection: they divide inside the network and differentiate through the value. It is that of
    the kernel as a matrix ``(inputs, outputs)``, found by power iteration from a fixed vector, so
    that nothing has to be kept between updates; what it finds can be a few hundredths too small
    where the largest values lie close together.
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


def _image_features(image, network: str, activation, constraint=None):
    x = layers.Rescaling(2.0, offset=-1.0)(image)  # [0, 1] → [-1, 1]: centred inputs
    if network not in _CONVOLUTIONS:
        return _dense_features(layers.Flatten()(x), activation, network, constraint)
    kind = _CONVOLUTIONS[network]
    height, width, _ = image.shape[1:]
    for level in range(halvings(height, width) + kind.smooth):
        x = layers.Conv2D(
            kind.channels(level), _KERNEL, strides=2, padding="same", kernel_constraint=constraint
        )(x)
        x = layers.Activation(activation)(x)
    if kind.residual:
        x = _conv_block(x, activation, constraint)
    x = layers.Flatten()(x)
    if kind.hidden:
        x = layers.Dense(kind.hidden, activation=activation, kernel_constraint=constraint)(x)
    return x


def _conv_logits(x, image_shape, network: str):
    height, width, channels = image_shape
    kind = _CONVOLUTIONS[network]
    count = halvings(height, width)
    scale, lowest = 2**count, kind.channels(count - 1)
    if kind.hidden:
        x = layers.Dense(kind.hidden, activation=silu)(x)
    x = layers.Dense((height // scale) * (width // scale) * lowest, activation=silu)(x)
    x = layers.Reshape((height // scale, width // scale, lowest))(x)
    if kind.residual:
        x = _conv_block(x, silu)
    widths = [kind.channels(level) for level in reversed(range(count - 1 + kind.smooth))]
    for channels_here in widths:
        x = layers.Conv2DTranspose(channels_here, _KERNEL, strides=2, padding="same")(x)
        x = layers.Activation(silu)(x)
    if kind.smooth:
        return layers.Conv2D(
            channels, kind.last_kernel, padding="same", dtype="float32", name="logits"
        )(x)
    return layers.Conv2DTranspose(
        channels, kind.last_kernel, strides=2, padding="same", dtype="float32", name="logits"
    )(x)


def _dense_logits(x, image_shape, network: str):
    x = _dense_features(x, silu, network)
    x = layers.Dense(math.prod(image_shape), dtype="float32")(x)
    return layers.Reshape(image_shape, dtype="float32", name="logits")(x)


def _dense_features(x, activation, network: str, constraint=None):
    def dense():
        return layers.Dense(_DENSE_WIDTH, kernel_constraint=constraint)

    x = layers.Activation(activation)(dense()(x))
    if network == "dense":
        return layers.Activation(activation)(dense()(x))
    for _ in range(_BLOCKS):
        x = _block(x, activation, dense)
    return x


def _conv_block(x, activation, constraint=None):
    def convolution():
        return layers.Conv2D(x.shape[-1], 3, padding="same", kernel_constraint=constraint)

    return _block(x, activation, convolution)


def _block(x, activation, make_layer):
    """f(x + W' f(W x)), with the activation f and two layers W and W' (biases understood)."""
    inner = layers.Activation(activation)(make_layer()(x))
    return layers.Activation(activation)(layers.Add()([x, make_layer()(inner)]))
