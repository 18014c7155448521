"""The generative adversarial network: two networks, two losses, updates in turn."""

import keras
import tensorflow as tf

from gensuite.models.adversarial import ADVERSARIAL_LOSSES, mixture_shares
from gensuite.models.augmentation import DRAWS, diff_augment
from gensuite.models.base import GenerativeModel, mean_trackers, with_label


@keras.saving.register_keras_serializable(package="gensuite")
class GAN(GenerativeModel):
    """A generative adversarial network (Goodfellow et al. 2014).

    The discriminator learns to tell real images from generated ones by cross-entropy; the
    generator learns from -E[ln D(G(z))] to be taken for real. Other losses can be chosen.

    Args:
        generator: built ``keras.Model``, ``(batch, latent_dim)`` → logits ``(batch, h, w, c)``,
            whose sigmoid is the image.
        discriminator: built ``keras.Model``, ``(batch, h, w, c)`` in [0, 1] → the logit of
            "real", ``(batch, 1)``.
        loss: a row of :data:`gensuite.models.adversarial.ADVERSARIAL_LOSSES`.
        penalty_weight: of its penalty, if it has one.
        augment: show the discriminator images changed at random (DiffAugment).
        seed: see :class:`GenerativeModel`.
        classes: see :class:`GenerativeModel`; above 0, both networks also take labels
            ``(batch,)``, and generated images get those of the real batch.
    """

    network_names = ("generator", "discriminator")
    optimizer_names = ("optimizer", "discriminator_optimizer")
    prior = "standard"

    def __init__(
        self,
        generator,
        discriminator,
        *,
        loss="non_saturating",
        penalty_weight=10.0,
        augment=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.generator = generator
        self.discriminator = discriminator
        self.adversarial_loss = loss
        self.penalty_weight = penalty_weight
        self.augment = augment
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

    def call(self, z, label=None, training=False):
        """Generated images of noise."""
        return self.decode(z, label, training)

    def train_step(self, data):
        """One update of the discriminator, then one of the generator.

        Each update applies its gradient to its own network's variables alone, so the other's
        weights stay fixed while it learns.
        """
        image, label = self.images_and_labels(data)
        noise = self.training_noise(tf.shape(image)[0], draws=2)
        values = self._update_discriminator(image, label, noise[0])
        values |= self._update_generator(label, noise[1])
        self.step.assign_add(1)
        return self.track(image, **values)

    def discriminator_step(self, data):
        """One update of the discriminator alone; a loop may take several for each of both."""
        image, label = self.images_and_labels(data)
        noise = self.training_noise(tf.shape(image)[0])
        self._update_discriminator(image, label, noise[0])
        self.step.assign_add(1)

    def test_step(self, data):
        """The two losses of a batch, without an update and without a penalty."""
        image, label = self.images_and_labels(data)
        generated = self(self.validation_noise(tf.shape(image)[0])[0], label)
        real_logits = self.discriminator(with_label(image, label))
        generated_logits = self.discriminator(with_label(generated, label))
        loss = ADVERSARIAL_LOSSES[self.adversarial_loss]
        return self.track(
            image,
            discriminator_loss=loss.discriminator(real_logits, generated_logits),
            generator_loss=loss.generator(generated_logits),
            **_scores(real_logits, generated_logits),
        )

    def _update_discriminator(self, image, label, noise) -> dict:
        loss = ADVERSARIAL_LOSSES[self.adversarial_loss]
        batch = tf.shape(image)[0]

        def losses_of(image, label, noise, changes, shares):
            def judge(images):
                return self._judge(images, label, changes)

            generated = tf.stop_gradient(self(noise, label, training=True))
            real_logits, generated_logits = judge(image), judge(generated)
            value = loss.discriminator(real_logits, generated_logits)
            if loss.penalty:
                value += self.penalty_weight * loss.penalty(judge, image, generated, shares)
            return {"discriminator_loss": value, **_scores(real_logits, generated_logits)}

        rows = (image, label, noise, self._changes(batch), mixture_shares(batch))
        variables = self.discriminator.trainable_variables
        return self.minimize(losses_of, rows, variables, self.discriminator_optimizer)

    def _update_generator(self, label, noise) -> dict:
        loss = ADVERSARIAL_LOSSES[self.adversarial_loss]

        def losses_of(label, noise, changes):
            generated = self(noise, label, training=True)
            return {"generator_loss": loss.generator(self._judge(generated, label, changes))}

        rows = (label, noise, self._changes(tf.shape(noise)[0]))
        variables = self.generator.trainable_variables
        return self.minimize(losses_of, rows, variables, self.optimizer)

    def _changes(self, batch):
        """The numbers by which this step changes each image; None where nothing is changed."""
        return self.training_uniform(batch, (DRAWS,)) if self.augment else None

    def _judge(self, images, label, changes):
        """The discriminator's logits ``(batch, 1)`` in training."""
        if changes is not None:
            images = diff_augment(images, changes)
        return self.discriminator(with_label(images, label), training=True)

    def get_config(self):
        """Constructor arguments, the networks included."""
        return {
            **super().get_config(),
            "loss": self.adversarial_loss,
            "penalty_weight": self.penalty_weight,
            "augment": self.augment,
        }


def _scores(real_logits, generated_logits) -> dict:
    """The mean D(x) and D(G(z)): probabilities of "real"."""
    return {
        "real_score": tf.reduce_mean(tf.sigmoid(real_logits)),
        "generated_score": tf.reduce_mean(tf.sigmoid(generated_logits)),
    }
