"""The generative adversarial network: two networks, two losses, updates in turn."""

import keras
import tensorflow as tf

from gensuite.models.base import GenerativeModel, images_of, mean_trackers
from gensuite.models.losses import discriminator_cross_entropy, generator_non_saturating


@keras.saving.register_keras_serializable(package="gensuite")
class GAN(GenerativeModel):
    """A generative adversarial network (Goodfellow et al. 2014).

    The discriminator learns to tell real images from generated ones by cross-entropy; the
    generator learns from -E[ln D(G(z))] to be taken for real.

    Args:
        generator: built ``keras.Model``, ``(batch, latent_dim)`` → logits ``(batch, h, w, c)``,
            whose sigmoid is the image.
        discriminator: built ``keras.Model``, ``(batch, h, w, c)`` in [0, 1] → the logit of
            "real", ``(batch, 1)``.
        seed: see :class:`GenerativeModel`.
    """

    network_names = ("generator", "discriminator")
    optimizer_names = ("optimizer", "discriminator_optimizer")
    prior = "standard"

    def __init__(self, generator, discriminator, **kwargs):
        super().__init__(**kwargs)
        self.generator = generator
        self.discriminator = discriminator
        self.trackers = mean_trackers(
            "discriminator_loss", "generator_loss", "real_score", "generated_score"
        )

    def compile(self, optimizer="adam", discriminator_optimizer=None, **kwargs):
        """Set the two optimizers.

        Args:
            optimizer: the generator's.
            discriminator_optimizer: the discriminator's; with the generator's settings when not
                given. The two never share state.
            **kwargs: passed to ``keras.Model.compile``.
        """
        optimizer = keras.optimizers.get(optimizer)
        self.discriminator_optimizer = keras.optimizers.get(
            discriminator_optimizer or type(optimizer).from_config(optimizer.get_config())
        )
        super().compile(optimizer=optimizer, **kwargs)

    def updates(self):
        """The generator's optimizer with its variables, and the discriminator's with its own."""
        return [
            (self.optimizer, self.generator.trainable_variables),
            (self.discriminator_optimizer, self.discriminator.trainable_variables),
        ]

    def decoding_network(self):
        """The generator."""
        return self.generator

    def call(self, z, training=False):
        """Generated images of noise."""
        return tf.sigmoid(self.generator(z, training=training))

    def train_step(self, data):
        """One update of the discriminator, then one of the generator.

        Each update applies its gradient to its own network's variables alone, so the other's
        weights stay fixed while it learns.
        """
        image = images_of(data)
        noise = self.training_noise(tf.shape(image)[0], draws=2)

        generated = self(noise[0], training=True)
        with tf.GradientTape() as tape:
            real_logits = self.discriminator(image, training=True)
            generated_logits = self.discriminator(generated, training=True)
            discriminator_loss = discriminator_cross_entropy(real_logits, generated_logits)
        self.minimize(
            tape,
            discriminator_loss,
            self.discriminator.trainable_variables,
            self.discriminator_optimizer,
        )

        with tf.GradientTape() as tape:
            logits = self.discriminator(self(noise[1], training=True), training=True)
            generator_loss = generator_non_saturating(logits)
        self.minimize(tape, generator_loss, self.generator.trainable_variables, self.optimizer)

        self.step.assign_add(1)
        return self._track(image, discriminator_loss, generator_loss, real_logits, generated_logits)

    def test_step(self, data):
        """The two losses of a batch, without an update."""
        image = images_of(data)
        real_logits = self.discriminator(image)
        generated_logits = self.discriminator(self(self.validation_noise(tf.shape(image)[0])))
        return self._track(
            image,
            discriminator_cross_entropy(real_logits, generated_logits),
            generator_non_saturating(generated_logits),
            real_logits,
            generated_logits,
        )

    def _track(self, image, discriminator_loss, generator_loss, real_logits, generated_logits):
        """Log both losses and the mean D(x) and D(G(z)), probabilities of "real"."""
        return self.track(
            image,
            discriminator_loss=discriminator_loss,
            generator_loss=generator_loss,
            real_score=tf.reduce_mean(tf.sigmoid(real_logits)),
            generated_score=tf.reduce_mean(tf.sigmoid(generated_logits)),
        )
