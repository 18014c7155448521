"""The variational autoencoder: codes are distributions, drawn towards N(0, I)."""

import keras
import tensorflow as tf

from gensuite.models.base import GenerativeModel, images_of, mean_trackers
from gensuite.models.losses import (
    bernoulli_negative_log_likelihood,
    gaussian_negative_log_likelihood,
    kl_divergence,
)


@keras.saving.register_keras_serializable(package="gensuite")
class VAE(GenerativeModel):
    """A variational autoencoder (Kingma & Welling 2014).

    loss = reconstruction + beta · KL(q(z|x) ‖ N(0, I)), with reconstruction = -ln p(x|z) at one
    draw z = μ + σ·ε; at beta 1 it is the negative ELBO, an upper bound of -ln p(x).

    Args:
        encoder: built ``keras.Model``, ``(batch, h, w, c)`` in [0, 1] → mean and log-variance of
            q(z|x), each ``(batch, latent_dim)``.
        decoder: built ``keras.Model``, ``(batch, latent_dim)`` → logits ``(batch, h, w, c)``,
            whose sigmoid is the image (the mean of p(x|z)).
        beta: weight of the KL divergence (Higgins et al., "beta-VAE", 2017).
        likelihood: of a pixel: ``bernoulli``, or ``gaussian`` with one learned variance.
        seed: see :class:`GenerativeModel`.
    """

    network_names = ("encoder", "decoder")
    prior = "standard"

    def __init__(self, encoder, decoder, *, beta=1.0, likelihood="bernoulli", **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.beta = beta
        self.likelihood = likelihood
        if likelihood == "gaussian":
            # A deviation of 0.37: that of pixels about which nothing is known yet.
            self.pixel_log_variance = self.add_weight(
                name="pixel_log_variance", shape=(), initializer=keras.initializers.Constant(-2.0)
            )
        self.trackers = mean_trackers("loss", "reconstruction", "kl")

    def decoding_network(self):
        """The decoder."""
        return self.decoder

    def encode(self, image) -> dict:
        """``mean`` and ``log_variance`` of q(z|x), each ``(batch, latent_dim)``; never a draw."""
        mean, log_variance = self.encoder(image)
        return {"mean": mean, "log_variance": log_variance}

    def call(self, image, training=False):
        """Reconstructions of images, from the means of their posteriors."""
        mean, _ = self.encoder(image, training=training)
        return tf.sigmoid(self.decoder(mean, training=training))

    def train_step(self, data):
        """One update of encoder and decoder together."""
        image = images_of(data)
        noise = self.training_noise(tf.shape(image)[0])[0]
        with tf.GradientTape() as tape:
            terms = self.loss_terms(image, noise, training=True)
        self.minimize(tape, terms["loss"], self.trainable_variables, self.optimizer)
        self.step.assign_add(1)
        return self.track(image, **terms)

    def test_step(self, data):
        """The loss of a batch and its two terms, without an update."""
        image = images_of(data)
        noise = self.validation_noise(tf.shape(image)[0])
        return self.track(image, **self.loss_terms(image, noise))

    def loss_terms(self, image, noise, training=False) -> dict:
        """``loss``, ``reconstruction`` and ``kl`` of a batch, in nats per image.

        Args:
            image: ``(batch, h, w, c)`` in [0, 1].
            noise: ε, ``(batch, latent_dim)`` from N(0, I).
            training: passed on to the networks.
        """
        mean, log_variance = self.encoder(image, training=training)
        z = reparameterize(mean, log_variance, noise)
        reconstruction = self._negative_log_likelihood(image, self.decoder(z, training=training))
        kl = kl_divergence(mean, log_variance)
        return {
            "loss": reconstruction + self.beta * kl,
            "reconstruction": reconstruction,
            "kl": kl,
        }

    def _negative_log_likelihood(self, image, logits):
        if self.likelihood == "bernoulli":
            return bernoulli_negative_log_likelihood(image, logits)
        return gaussian_negative_log_likelihood(
            image, tf.sigmoid(logits), tf.convert_to_tensor(self.pixel_log_variance)
        )

    def get_config(self):
        """Constructor arguments, the networks included."""
        return {**super().get_config(), "beta": self.beta, "likelihood": self.likelihood}


def reparameterize(mean, log_variance, noise):
    """A draw from q(z|x) that gradients flow through: z = μ + σ·ε (Kingma & Welling 2014, 2.4).

    Args:
        mean: ``(batch, latent_dim)``.
        log_variance: ln σ², the same shape.
        noise: ε from N(0, I), the same shape.
    """
    return mean + tf.exp(0.5 * log_variance) * noise
