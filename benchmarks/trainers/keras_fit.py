"""A task's networks trained as keras.io's recipes do: ``fit`` over arrays in memory.

The steps are those of the example "Variational AutoEncoder" and of the guide "Customizing what
happens in fit() with TensorFlow"; the AE is compiled with a loss, as in the example "Convolutional
autoencoder for image denoising". Networks, losses, batches and Adam are the task's: the guide's
noisy labels are left out. Also the guide's own GAN as it stands, with its own networks.
"""

import contextlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from benchmarks.baselines import GUIDE_BATCH, guide_gan
from benchmarks.trainers.task import SAMPLES, Task, Window, WindowOverError
from gensuite.config import load_config
from gensuite.inference.latents import standard_normal
from gensuite.models import build_model
from gensuite.models.networks import silu

_EVALUATION_BATCH = 500


class _Clock(keras.callbacks.Callback):
    def __init__(self, window: Window):
        super().__init__()
        self._window = window

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002  (Keras' signature)
        self._window.count()


def _fit(model: keras.Model, seconds: float, step: int, **data: Any) -> tuple[int, float]:
    """Go on with ``fit``, so many images a step; images and seconds."""
    window = Window(seconds)
    with contextlib.suppress(WindowOverError):
        model.fit(**data, epochs=10_000, verbose=0, callbacks=[_Clock(window)])
    return window.steps * step, window.seconds


def make(task: Task) -> "_Way":
    """The way of the task's family."""
    ways: dict[str, type[_Way]] = {"ae": AE, "vae": VAE, "gan": GAN}
    return ways[task.settings["run"]["model"]](task)


class _Way:
    def __init__(self, task: Task):
        self.task = task
        config = load_config(task.settings["run"])
        self.batch_size = config.batch_size
        self.images = task.floats("train")
        ours = build_model(config, self.images.shape[1:])
        for name in ours.network_names:
            use_keras_activation(getattr(ours, name))
        self.model = self._compiled(ours, lambda: keras.optimizers.Adam(**_adam(task)))

    def _compiled(self, ours: Any, optimizer: Any) -> keras.Model:
        raise NotImplementedError

    def first_steps(self) -> list[dict[str, float]]:
        """With the given noise, by the same update that ``train_step`` makes."""
        update = tf.function(self.model.update)
        found = []
        for images, noise in zip(*self.task.first_batches(), strict=True):
            self.model.reset_metrics()
            values = update(images, noise)
            found.append({name: float(value) for name, value in values.items()})
        return found

    def train(self, seconds: float) -> tuple[int, float]:
        """Images and seconds of ``fit``, which shuffles an array as it takes it."""
        data = {"x": self.images, "batch_size": self.batch_size}
        return _fit(self.model, seconds, self.batch_size, **data)


class AE(_Way):
    """``compile`` with a loss, and ``fit``."""

    def _compiled(self, ours, optimizer):
        model = keras.Sequential([ours.encoder, ours.decoder, layers.Activation("sigmoid")])

        def squared_error(image, again):
            return ops.sum(ops.square(image - again), axis=(1, 2, 3))

        model.compile(optimizer=optimizer(), loss=squared_error)
        return model

    def first_steps(self) -> list[dict[str, float]]:
        """By ``train_on_batch``."""
        batches = self.task.first_batches()[0]
        return [{"loss": float(self.model.train_on_batch(each, each))} for each in batches]

    def train(self, seconds: float) -> tuple[int, float]:
        """Images and seconds of ``fit``."""
        data = {"x": self.images, "y": self.images, "batch_size": self.batch_size}
        return _fit(self.model, seconds, self.batch_size, **data)

    def loss(self) -> float:
        """The validation loss."""
        images = self.task.floats("validation")
        return self.model.evaluate(images, images, batch_size=_EVALUATION_BATCH, verbose=0)


class VAE(_Way):
    """The example's step."""

    def _compiled(self, ours, optimizer):
        model = _VAE(ours.encoder, keras.Sequential([ours.decoder, layers.Activation("sigmoid")]))
        model.compile(optimizer=optimizer())
        model.optimizer.build(model.trainable_variables)
        return model

    def loss(self) -> float:
        """The validation loss, with noise of its own."""
        images = self.task.floats("validation")
        found = self.model.evaluate(
            images, batch_size=_EVALUATION_BATCH, verbose=0, return_dict=True
        )
        return found["loss"]


class GAN(_Way):
    """The guide's step, over the guide's kind of data set."""

    def _compiled(self, ours, optimizer):
        generator = keras.Sequential([ours.generator, layers.Activation("sigmoid")])
        model = _GAN(generator, ours.discriminator)
        model.compile(
            optimizer=optimizer(),
            discriminator_optimizer=optimizer(),
            loss=keras.losses.BinaryCrossentropy(from_logits=True),
        )
        model.optimizer.build(generator.trainable_variables)
        model.discriminator_optimizer.build(ours.discriminator.trainable_variables)
        data = tf.data.Dataset.from_tensor_slices(self.images)
        self.dataset = data.shuffle(1024).batch(self.batch_size)
        return model

    def train(self, seconds: float) -> tuple[int, float]:
        """Images and seconds of ``fit``."""
        return _fit(self.model, seconds, self.batch_size, x=self.dataset)

    def samples(self, path: str) -> None:
        """Images in [0, 1] of the same codes each time."""
        _save_samples(self.model.generator, path)


class OwnGAN:
    """The guide's own GAN, networks and all; it has no first steps in common with the others."""

    def __init__(self, task: Task):
        self.model = guide_gan(task.settings["run"]["seed"])
        self.images = task.floats("train")

    def first_steps(self) -> list[dict[str, float]]:
        """One step, so that what compiles has compiled."""
        self.train(0)
        return []

    def train(self, seconds: float) -> tuple[int, float]:
        """Images and seconds of ``fit``."""
        return _fit(self.model, seconds, GUIDE_BATCH, x=self.images, batch_size=GUIDE_BATCH)

    def samples(self, path: str) -> None:
        """Images in [0, 1] of the same codes each time."""
        _save_samples(self.model.generator, path)


def use_keras_activation(network: keras.Model) -> None:
    """The same values by the function that a recipe names."""
    for layer in network.layers:
        if getattr(layer, "activation", None) is silu:
            layer.activation = keras.activations.silu


def _save_samples(generator: keras.Model, path: str) -> None:
    codes = standard_normal(SAMPLES, generator.input_shape[-1], seed=0)
    np.save(path, generator.predict(codes, batch_size=_EVALUATION_BATCH, verbose=0))


def _adam(task: Task) -> dict[str, float]:
    settings = task.settings
    return {
        "learning_rate": settings["run"]["learning_rate"],
        "beta_1": settings["beta_1"],
        "epsilon": settings["epsilon"],
    }


class _VAE(keras.Model):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.noise = keras.random.SeedGenerator()
        names = ("loss", "reconstruction", "kl")
        self.trackers = [keras.metrics.Mean(name=name) for name in names]

    @property
    def metrics(self):
        return self.trackers

    def losses_of(self, image, epsilon):
        mean, log_variance = self.encoder(image)
        again = self.decoder(mean + ops.exp(0.5 * log_variance) * epsilon[0])
        cross_entropy = keras.losses.binary_crossentropy(image, again)
        reconstruction = ops.mean(ops.sum(cross_entropy, axis=(1, 2)))
        kl = -0.5 * (1 + log_variance - ops.square(mean) - ops.exp(log_variance))
        kl = ops.mean(ops.sum(kl, axis=1))
        return reconstruction + kl, reconstruction, kl

    def draw(self, image):
        shape = (1, ops.shape(image)[0], self.decoder.input_shape[-1])
        return keras.random.normal(shape, seed=self.noise)

    def update(self, image, epsilon):
        with tf.GradientTape() as tape:
            losses = self.losses_of(image, epsilon)
        gradients = tape.gradient(losses[0], self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        return self.track(losses)

    def track(self, losses):
        for tracker, loss in zip(self.trackers, losses, strict=True):
            tracker.update_state(loss)
        return {tracker.name: tracker.result() for tracker in self.trackers}

    def train_step(self, image):
        return self.update(image, self.draw(image))

    def test_step(self, image):
        return self.track(self.losses_of(image, self.draw(image)))


class _GAN(keras.Model):
    def __init__(self, generator, discriminator):
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator
        self.noise = keras.random.SeedGenerator()
        names = ("discriminator_loss", "generator_loss")
        self.trackers = [keras.metrics.Mean(name=name) for name in names]

    @property
    def metrics(self):
        return self.trackers

    def compile(self, optimizer, discriminator_optimizer, loss):
        super().compile(optimizer=optimizer)
        self.discriminator_optimizer = discriminator_optimizer
        self.loss_of = loss

    def update(self, real, noise):
        count = ops.shape(real)[0]
        both = ops.concatenate([self.generator(noise[0]), real], axis=0)
        labels = ops.concatenate([ops.zeros((count, 1)), ops.ones((count, 1))], axis=0)
        with tf.GradientTape() as tape:
            # The mean over twice as many images is half of the task's loss.
            loss = 2 * self.loss_of(labels, self.discriminator(both))
        variables = self.discriminator.trainable_weights
        self.discriminator_optimizer.apply_gradients(
            zip(tape.gradient(loss, variables), variables, strict=True)
        )
        with tf.GradientTape() as tape:
            judged = self.discriminator(self.generator(noise[1]))
            generator_loss = self.loss_of(ops.ones((count, 1)), judged)
        variables = self.generator.trainable_weights
        self.optimizer.apply_gradients(
            zip(tape.gradient(generator_loss, variables), variables, strict=True)
        )
        for tracker, value in zip(self.trackers, (loss, generator_loss), strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}

    def train_step(self, real):
        shape = (2, ops.shape(real)[0], self.generator.input_shape[-1])
        return self.update(real, keras.random.normal(shape, seed=self.noise))
