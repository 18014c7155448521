"""What the three families share: noise that depends on (seed, step), and one gradient update."""

import keras
import tensorflow as tf

_TRAINING_STREAM, _VALIDATION_STREAM = 0, 1


class GenerativeModel(keras.Model):
    """Base of AE, VAE and GAN.

    A subclass names its networks in ``network_names``; its constructor takes them under these
    names, so that ``get_config`` is complete and a ``.keras`` file loads without its source.

    Args:
        seed: of all noise in training, from 0 to 2^32 - 1.
    """

    network_names: tuple[str, ...]
    optimizer_names: tuple[str, ...] = ("optimizer",)
    """Arguments of ``compile``."""
    prior: str
    """Distribution of codes to sample from: ``standard`` or ``gaussian``."""

    def __init__(self, *, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
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

    def decode(self, z):
        """Turn codes ``(batch, latent_dim)`` into images ``(batch, h, w, c)`` in [0, 1]."""
        return tf.sigmoid(self.decoding_network()(z))

    def decoding_network(self) -> keras.Model:
        """The network from codes to logits of images: a decoder or a generator."""
        raise NotImplementedError(f"{type(self).__name__} must name its decoding network")

    @property
    def latent_dim(self) -> int:
        """Numbers in a latent code."""
        return self.decoding_network().input_shape[-1]

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

    def updates(self) -> list[tuple[keras.optimizers.Optimizer, list]]:
        """Every optimizer with the variables that it, and no other, changes."""
        return [(self.optimizer, self.trainable_variables)]

    def training_noise(self, batch, draws: int = 1):
        """N(0, I) noise of the current step, ``(draws, batch, latent_dim)`` float32.

        It is drawn for the whole global batch from (seed, step), of which each replica takes its
        own rows: several workers see the noise that one worker would.
        """
        context = tf.distribute.get_replica_context()
        everyone = self._noise(
            _TRAINING_STREAM, self.step, [draws, batch * context.num_replicas_in_sync]
        )
        first = batch * context.replica_id_in_sync_group
        return everyone[:, first : first + batch]

    def validation_noise(self, batch):
        """N(0, I) noise ``(batch, latent_dim)``, the same in every batch of every epoch.

        Two validation losses then differ by the model alone.
        """
        return self._noise(_VALIDATION_STREAM, tf.constant(0, tf.int64), [batch])

    def _noise(self, stream: int, step, shape):
        seed = tf.stack(
            [tf.constant(self.seed + (stream << 32), tf.int64), tf.cast(step, tf.int64)]
        )
        return tf.random.stateless_normal([*shape, self.latent_dim], seed, alg="philox")

    def minimize(self, tape, loss, variables, optimizer) -> None:
        """Take one optimizer step on ``variables`` and no others.

        The gradient is divided by the number of replicas, because applying it sums over them.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        gradients = tape.gradient(loss, variables)
        optimizer.apply([gradient / replicas for gradient in gradients], variables)

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
        return {**super().get_config(), "seed": self.seed, **networks}

    @classmethod
    def from_config(cls, config):
        """Rebuild a model from :meth:`get_config`."""
        networks = {
            name: keras.saving.deserialize_keras_object(config[name]) for name in cls.network_names
        }
        return cls(**config | networks)


def images_of(data):
    """The images of what ``fit`` or the training loop hands to a step: a tensor or a tuple."""
    return keras.utils.unpack_x_y_sample_weight(data)[0]


def mean_trackers(*names: str) -> list[keras.metrics.Mean]:
    """Running means of the named values."""
    return [keras.metrics.Mean(name=name) for name in names]
