"""What the three families share: noise that depends on (seed, step), and one gradient update."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

_TRAINING_STREAM, _VALIDATION_STREAM, _UNIFORM_STREAM, _VALIDATION_UNIFORM_STREAM = range(4)


class GenerativeModel(keras.Model):
    """Base of AE, VAE and GAN.

    A subclass names its networks in ``network_names``; its constructor takes them under these
    names, so that ``get_config`` is complete and a ``.keras`` file loads without its source.

    Args:
        seed: of all noise in training, from 0 to 2^32 - 1.
        classes: of a model that is conditional on a class label; 0 for one that is not.
    """

    network_names: tuple[str, ...]
    optimizer_names: tuple[str, ...] = ("optimizer",)
    """Arguments of ``compile``."""
    prior: str
    """Distribution of codes to sample from: ``standard`` or ``gaussian``."""

    def __init__(self, *, seed: int = 0, classes: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.classes = classes
        self.parts = 1
        """Equal parts of a batch whose gradients are found side by side, and summed."""
        self.built = True  # the networks come built
        # Kept as a weight, so that noise goes on where a restored checkpoint left it.
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )

    def decode(self, z, label=None, training=False):
        """Turn codes ``(batch, latent_dim)`` into images ``(batch, h, w, c)`` in [0, 1].

        A conditional model also takes class numbers, ``(batch,)`` int32.
        """
        return tf.sigmoid(self.logits(z, label, training))

    def logits(self, z, label=None, training=False):
        """The logits of :meth:`decode`."""
        return self.decoding_network()(with_label(z, label), training=training)

    def decoding_network(self) -> keras.Model:
        """The network from codes to logits of images: a decoder or a generator."""
        raise NotImplementedError(f"{type(self).__name__} must name its decoding network")

    @property
    def latent_dim(self) -> int:
        """Numbers in a latent code."""
        return self.decoding_network().inputs[0].shape[-1]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """``(height, width, channels)``."""
        return tuple(self.decoding_network().output_shape[1:])

    def compile(self, optimizer="adam", **kwargs):
        """Set the optimizer and make its state, so that a checkpoint can be restored into it.

        Args:
            optimizer: as ``keras.Model.compile`` takes it.
            **kwargs: passed to ``keras.Model.compile``.
        """
        super().compile(optimizer=optimizer, **kwargs)
        for each, variables in self.updates():
            each.build(variables)

    def get_compile_config(self):
        """Every optimizer, so that a ``.keras`` file goes on training where it stopped."""
        return {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in self.optimizer_names
        }

    def compile_from_config(self, config):
        """Compile with what :meth:`get_compile_config` gave."""
        self.compile(
            **{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()}
        )

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Within, weights of which an optimizer keeps an average (``use_ema``) are that average.

        Polyak & Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
        """
        averaged = [v for optimizer, group in self.updates() if optimizer.use_ema for v in group]
        last = [variable.numpy() for variable in averaged]
        self.finalize()
        try:
            yield
        finally:
            for variable, value in zip(averaged, last, strict=True):
                variable.assign(value)

    def finalize(self) -> None:
        """Set the weights of which an optimizer keeps an average to that average, for good."""
        for optimizer, variables in self.updates():
            if optimizer.use_ema and optimizer.iterations.numpy():
                optimizer.finalize_variable_values(variables)

    def updates(self) -> list[tuple[keras.optimizers.Optimizer, list]]:
        """Every optimizer with the variables that it, and no other, changes."""
        return [(self.optimizer, self.trainable_variables)]

    def images_and_labels(self, data) -> tuple:
        """Take apart what ``fit`` or the training loop hands to a step.

        Args:
            data: images, or images and class numbers.

        Returns:
            Images ``(batch, h, w, c)`` and labels ``(batch,)``; None, whatever the data hold, for a
            model that is not conditional.
        """
        image, label, _ = keras.utils.unpack_x_y_sample_weight(data)
        return image, label if self.classes else None

    def training_noise(self, batch, draws: int = 1):
        """N(0, I) noise of the current step, ``(draws, batch, latent_dim)`` float32.

        It is drawn for the whole global batch from (seed, step), of which each replica takes its
        own rows: several workers see the noise that one worker would.
        """
        everyone, rows = replica_rows(batch)
        seed = self._noise_seed(_TRAINING_STREAM, self.step)
        shape = [draws, everyone, self.latent_dim]
        return tf.random.stateless_normal(shape, seed, alg="philox")[:, rows]

    def validation_noise(self, batch, draws: int = 1):
        """N(0, I) noise like :meth:`training_noise`, the same in every batch of every epoch.

        Two validation losses then differ by the model alone.
        """
        seed = self._noise_seed(_VALIDATION_STREAM, 0)
        return tf.random.stateless_normal([draws, batch, self.latent_dim], seed, alg="philox")

    def training_uniform(self, batch, shape):
        """U(0, 1) numbers of the current step, ``(batch, *shape)`` float32, drawn likewise."""
        everyone, rows = replica_rows(batch)
        seed = self._noise_seed(_UNIFORM_STREAM, self.step)
        return tf.random.stateless_uniform([everyone, *shape], seed, alg="philox")[rows]

    def validation_uniform(self, batch, shape):
        """U(0, 1) numbers, ``(batch, *shape)`` float32, the same in every batch."""
        seed = self._noise_seed(_VALIDATION_UNIFORM_STREAM, 0)
        return tf.random.stateless_uniform([batch, *shape], seed, alg="philox")

    def _noise_seed(self, stream: int, step):
        high = tf.constant(self.seed + (stream << 32), tf.int64)
        return tf.stack([high, tf.cast(step, tf.int64)])

    def minimize(self, losses_of, batch, variables, optimizer) -> dict:
        """Take one optimizer step on ``variables`` and no others.

        Every gradient is divided by the number of replicas, because applying it sums over them, and
        by the number of parts.

        Args:
            losses_of: ``(*batch)`` → name → scalar, averaged over the batch; the first of these is
                minimized.
            batch: tensors with a row for each image, or None; cut into :attr:`parts`.
            variables: those that ``optimizer`` was built for.
            optimizer: of Keras.

        Returns:
            The scalars, averaged over the parts.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        share = tf.constant(1 / (replicas * self.parts))
        found, gradients = [], []
        for part in zip(*(_cut(rows, self.parts) for rows in batch), strict=True):
            with tf.GradientTape() as tape:
                values = losses_of(*part)
                loss = next(iter(values.values()))
            found.append(values)
            gradients.append(tape.gradient(loss, variables, share, "zero"))
        optimizer.apply([tf.add_n(each) for each in zip(*gradients, strict=True)], variables)
        return {name: tf.reduce_mean([each[name] for each in found]) for name in found[0]}

    def track(self, images, **values) -> dict:
        """Add a batch's values to the running means over the epoch's images; return the means.

        Args:
            images: the batch, whose length is the weight of its values.
            **values: scalars, one for each tracker.
        """
        for tracker in self.trackers:
            tracker.update_state(values[tracker.name], sample_weight=tf.shape(images)[0])
        return {tracker.name: tracker.result() for tracker in self.trackers}

    @property
    def metrics(self):
        """The running means, which Keras resets before every epoch."""
        return self.trackers

    def get_config(self):
        """Constructor arguments, the networks included."""
        networks = {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in self.network_names
        }
        return {**super().get_config(), "seed": self.seed, "classes": self.classes, **networks}

    @classmethod
    def from_config(cls, config):
        """Rebuild a model from :meth:`get_config`."""
        networks = {
            name: keras.saving.deserialize_keras_object(config[name]) for name in cls.network_names
        }
        return cls(**config | networks)


def with_label(inputs, label):
    """What a network takes: its input alone, or with a label where one is given."""
    if label is None:
        return inputs
    return [tf.convert_to_tensor(inputs), tf.cast(label, tf.int32)]


def _cut(rows, parts: int) -> list:
    """Equal parts of a tensor's rows; of None, as many of it."""
    return [rows] * parts if rows is None or parts == 1 else tf.split(rows, parts)


def replica_rows(batch):
    """The size of the global batch, and the rows of it that are this replica's.

    Args:
        batch: images that this replica has; the others have as many.
    """
    context = tf.distribute.get_replica_context()
    first = batch * context.replica_id_in_sync_group
    return batch * context.num_replicas_in_sync, slice(first, first + batch)


def mean_trackers(*names: str) -> list[keras.metrics.Mean]:
    """Running means of the named values."""
    return [keras.metrics.Mean(name=name) for name in names]
