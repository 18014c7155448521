"""The neighbours that the suite is measured against, rebuilt from what their pages describe.

Networks and settings are those of two pages of keras.io, read in 2026: the guide "Customizing what
happens in fit() with TensorFlow" (its GAN) and the example "Variational AutoEncoder" (its VAE).
They train on the training split alone and stop after a given time, whatever the epoch.
"""

import contextlib
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers

GUIDE_BATCH = 64
Decoder = Callable[[np.ndarray], np.ndarray]
"""Codes ``(count, latent_dim)`` → images ``(count, 28, 28, 1)`` in [0, 1]."""


class _Deadline(keras.callbacks.Callback):
    """Stops ``fit`` after so many seconds."""

    def __init__(self, seconds: float):
        super().__init__()
        self._end = time.monotonic() + seconds
        self.steps = 0

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002  (Keras' signature)
        self.steps += 1
        if time.monotonic() >= self._end:
            raise _TimeIsUpError


class _TimeIsUpError(Exception):
    """Ends ``fit`` inside an epoch."""


def train_guide_gan(images: np.ndarray, seconds: float, seed: int) -> tuple[Decoder, int, int]:
    """Train the GAN of the guide.

    Args:
        images: ``(count, 28, 28, 1)`` float32 in [0, 1].
        seconds: time for ``fit``.
        seed: of weights, noise and order.

    Returns:
        The generator, its latent size, and the steps taken.
    """
    model = guide_gan(seed)
    steps = _fit(model, images, GUIDE_BATCH, seconds)
    return _decoder(model.generator), model.latent_dim, steps


def guide_gan(seed: int) -> "GuideGAN":
    """The GAN of the guide, compiled, its weights drawn from a seed."""
    keras.utils.set_random_seed(seed)
    model = GuideGAN()
    model.compile(
        optimizer=keras.optimizers.Adam(3e-4),
        discriminator_optimizer=keras.optimizers.Adam(3e-4),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    return model


def train_example_vae(images: np.ndarray, seconds: float, seed: int) -> tuple[Decoder, int, int]:
    """Train the VAE of the example; arguments and result as in :func:`train_guide_gan`."""
    keras.utils.set_random_seed(seed)
    model = _ExampleVAE()
    model.compile(optimizer=keras.optimizers.Adam())
    steps = _fit(model, images, 128, seconds)
    return _decoder(model.decoder), _ExampleVAE.latent_dim, steps


def _fit(model: keras.Model, images: np.ndarray, batch_size: int, seconds: float) -> int:
    deadline = _Deadline(seconds)
    with contextlib.suppress(_TimeIsUpError):
        model.fit(images, batch_size=batch_size, epochs=10_000, verbose=0, callbacks=[deadline])
    return deadline.steps


def _decoder(network: keras.Model) -> Decoder:
    return lambda z: network.predict(z, batch_size=500, verbose=0)


class GuideGAN(keras.Model):
    """The GAN of the guide: ``generator`` takes codes ``(batch, 128)``, gives images in [0, 1]."""

    latent_dim = 128

    def __init__(self):
        super().__init__()
        self.discriminator = keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                layers.Conv2D(64, 3, strides=2, padding="same"),
                layers.LeakyReLU(negative_slope=0.2),
                layers.Conv2D(128, 3, strides=2, padding="same"),
                layers.LeakyReLU(negative_slope=0.2),
                layers.GlobalMaxPooling2D(),
                layers.Dense(1),
            ]
        )
        self.generator = keras.Sequential(
            [
                keras.Input((self.latent_dim,)),
                layers.Dense(7 * 7 * 128),
                layers.LeakyReLU(negative_slope=0.2),
                layers.Reshape((7, 7, 128)),
                layers.Conv2DTranspose(128, 4, strides=2, padding="same"),
                layers.LeakyReLU(negative_slope=0.2),
                layers.Conv2DTranspose(128, 4, strides=2, padding="same"),
                layers.LeakyReLU(negative_slope=0.2),
                layers.Conv2D(1, 7, padding="same", activation="sigmoid"),
            ]
        )
        self.noise = keras.random.SeedGenerator()

    def compile(self, optimizer, discriminator_optimizer, loss):
        """Set the two optimizers and the loss."""
        super().compile(optimizer=optimizer, loss=loss)
        self.discriminator_optimizer = discriminator_optimizer

    def train_step(self, real):
        """The guide's: both kinds of images judged together, labels with noise."""
        count = tf.shape(real)[0]
        generated = self.generator(keras.random.normal((count, self.latent_dim), seed=self.noise))
        both = tf.concat([generated, real], axis=0)
        # The guide's labels: 1 for generated, 0 for real, both with noise.
        labels = tf.concat([tf.ones((count, 1)), tf.zeros((count, 1))], axis=0)
        labels += 0.05 * keras.random.uniform(tf.shape(labels), seed=self.noise)
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=labels, y_pred=self.discriminator(both))
        variables = self.discriminator.trainable_weights
        self.discriminator_optimizer.apply(tape.gradient(loss, variables), variables)

        noise = keras.random.normal((count, self.latent_dim), seed=self.noise)
        with tf.GradientTape() as tape:
            judged = self.discriminator(self.generator(noise))
            loss = self.compute_loss(y=tf.zeros((count, 1)), y_pred=judged)
        variables = self.generator.trainable_weights
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {"generator_loss": loss}


class _ExampleVAE(keras.Model):
    latent_dim = 2

    def __init__(self):
        super().__init__()
        image = keras.Input((28, 28, 1))
        x = layers.Conv2D(32, 3, activation="relu", strides=2, padding="same")(image)
        x = layers.Conv2D(64, 3, activation="relu", strides=2, padding="same")(x)
        x = layers.Dense(16, activation="relu")(layers.Flatten()(x))
        self.encoder = keras.Model(
            image, [layers.Dense(self.latent_dim)(x), layers.Dense(self.latent_dim)(x)]
        )
        self.decoder = keras.Sequential(
            [
                keras.Input((self.latent_dim,)),
                layers.Dense(7 * 7 * 64, activation="relu"),
                layers.Reshape((7, 7, 64)),
                layers.Conv2DTranspose(64, 3, activation="relu", strides=2, padding="same"),
                layers.Conv2DTranspose(32, 3, activation="relu", strides=2, padding="same"),
                layers.Conv2DTranspose(1, 3, activation="sigmoid", padding="same"),
            ]
        )
        self.noise = keras.random.SeedGenerator()

    def train_step(self, image):
        with tf.GradientTape() as tape:
            mean, log_variance = self.encoder(image)
            epsilon = keras.random.normal(tf.shape(mean), seed=self.noise)
            again = self.decoder(mean + tf.exp(0.5 * log_variance) * epsilon)
            cross_entropy = keras.losses.binary_crossentropy(image, again)
            reconstruction = tf.reduce_mean(tf.reduce_sum(cross_entropy, axis=(1, 2)))
            terms = 1 + log_variance - tf.square(mean) - tf.exp(log_variance)
            loss = reconstruction - tf.reduce_mean(0.5 * tf.reduce_sum(terms, axis=1))
        variables = self.trainable_weights
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss}
