"""The variational autoencoder: codes are distributions, drawn towards N(0, I)."""

import keras
import tensorflow as tf

from gensuite.models.base import GenerativeModel, mean_trackers
from gensuite.models.losses import (
    bernoulli_log_likelihood,
    gaussian_log_density,
    gaussian_log_likelihood,
    importance_weighted_loss,
    kl_divergence,
)


@keras.saving.register_keras_serializable(package="gensuite")
class VAE(GenerativeModel):
    """A variational autoencoder (Kingma & Welling 2014).

    loss = reconstruction + beta · KL(q(z|x) ‖ N(0, I)), with reconstruction = -ln p(x|z) at one
    draw z = μ + σ·ε; at beta 1 it is the negative ELBO, an upper bound of -ln p(x). With several
    draws it is, at beta 1, the negative IWAE bound, which is tighter (Burda, Grosse & Salakhutdinov
    2016). With beta other than 1, and so during a warm-up, it is a weighted IWAE objective, with
    p(x|z) · (p(z) / q(z|x))^beta in place of the importance weights, and in general no bound.

    Args:
        encoder: built ``keras.Model``, ``(batch, h, w, c)`` in [0, 1] → mean and log-variance of
            q(z|x), each ``(batch, latent_dim)``.
        decoder: built ``keras.Model``, ``(batch, latent_dim)`` → logits ``(batch, h, w, c)``,
            whose sigmoid is the image (the mean of p(x|z)); with ``classes`` above 0, it also
            takes labels ``(batch,)``. The encoder never sees them.
        beta: weight of the KL divergence (Higgins et al., "beta-VAE", 2017).
        kl_warmup: steps in which the weight of the KL divergence rises evenly from 0 to ``beta``
            (Bowman et al., "Generating sentences from a continuous space", 2016).
        likelihood: of a pixel: ``bernoulli``, or ``gaussian`` with one learned variance.
        importance_samples: draws from q(z|x) for each image.
        binarize: replace every pixel by a draw of 0 or 1 with the pixel as the probability of 1,
            anew in every step (Salakhutdinov & Murray, "On the quantitative analysis of deep belief
            networks", 2008).
        seed: see :class:`GenerativeModel`.
        classes: see :class:`GenerativeModel`.
    """

    network_names = ("encoder", "decoder")
    prior = "standard"

    def __init__(
        self,
        encoder,
        decoder,
        *,
        beta=1.0,
        kl_warmup=0,
        likelihood="bernoulli",
        importance_samples=1,
        binarize=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.beta = beta
        self.kl_warmup = kl_warmup
        self.likelihood = likelihood
        self.importance_samples = importance_samples
        self.binarize = binarize
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

    def call(self, image, label=None, training=False):
        """Reconstructions of images, from the means of their posteriors."""
        mean, _ = self.encoder(image, training=training)
        return self.decode(mean, label, training)

    def train_step(self, data):
        """One update of encoder and decoder together."""
        image, label = self.images_and_labels(data)
        batch = tf.shape(image)[0]
        noise = self.training_noise(batch, self.importance_samples)
        if self.binarize:
            image = draw_binary(image, self.training_uniform(batch, self.image_shape))
        beta = self._current_beta()

        def losses_of(image, label, *draws):
            return self.loss_terms(image, tf.stack(draws), label, beta=beta, training=True)

        rows = (image, label, *tf.unstack(noise))
        terms = self.minimize(losses_of, rows, self.trainable_variables, self.optimizer)
        self.step.assign_add(1)
        return self.track(image, **terms)

    def test_step(self, data):
        """The loss of a batch and its two terms, without an update."""
        image, label = self.images_and_labels(data)
        batch = tf.shape(image)[0]
        noise = self.validation_noise(batch, self.importance_samples)
        if self.binarize:
            image = draw_binary(image, self.validation_uniform(batch, self.image_shape))
        return self.track(image, **self.loss_terms(image, noise, label, beta=self.beta))

    def loss_terms(self, image, noise, label=None, *, beta, training=False) -> dict:
        """``loss``, ``reconstruction`` and ``kl`` of a batch, in nats per image.

        Args:
            image: ``(batch, h, w, c)`` in [0, 1].
            noise: ε, ``(draws, batch, latent_dim)`` from N(0, I).
            label: ``(batch,)``, for a conditional model.
            beta: weight of the KL divergence.
            training: passed on to the networks.
        """
        mean, log_variance = self.encoder(image, training=training)
        z = reparameterize(mean, log_variance, noise)
        log_likelihood = self.log_likelihood(image, z, label, training=training)
        reconstruction = -tf.reduce_mean(log_likelihood)
        kl = kl_divergence(mean, log_variance)
        if noise.shape[0] == 1:
            loss = reconstruction + beta * kl
        else:
            prior = gaussian_log_density(z, 0.0, 0.0)
            posterior = gaussian_log_density(z, mean, log_variance)
            loss = importance_weighted_loss(log_likelihood + beta * (prior - posterior))
        return {"loss": loss, "reconstruction": reconstruction, "kl": kl}

    def log_likelihood(self, image, z, label=None, training=False):
        """Ln p(x|z) of every image for every one of its codes.

        Args:
            image: ``(batch, h, w, c)``.
            z: ``(draws, batch, latent_dim)``.
            label: ``(batch,)``, for a conditional model.
            training: passed on to the decoder.

        Returns:
            ``(draws, batch)``, in nats.
        """
        draws = z.shape[0]
        flat = tf.reshape(z, (-1, self.latent_dim))
        labels = None if label is None else tf.tile(label, [draws])
        logits = tf.reshape(self.logits(flat, labels, training), (draws, -1, *self.image_shape))
        if self.likelihood == "bernoulli":
            return bernoulli_log_likelihood(image, logits)
        return gaussian_log_likelihood(
            image, tf.sigmoid(logits), tf.convert_to_tensor(self.pixel_log_variance)
        )

    def _current_beta(self):
        """The weight of the KL divergence in this step."""
        if not self.kl_warmup:
            return self.beta
        return self.beta * tf.minimum(tf.cast(self.step, tf.float32) / self.kl_warmup, 1.0)

    def get_config(self):
        """Constructor arguments, the networks included."""
        names = ("beta", "kl_warmup", "likelihood", "importance_samples", "binarize")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def reparameterize(mean, log_variance, noise):
    """A draw from q(z|x) that gradients flow through: z = μ + σ·ε (Kingma & Welling 2014, 2.4).

    Args:
        mean: ``(batch, latent_dim)``.
        log_variance: ln σ², the same shape.
        noise: ε from N(0, I), ``(..., batch, latent_dim)``.
    """
    return mean + tf.exp(0.5 * log_variance) * noise


def draw_binary(image, uniform):
    """1 where a U(0, 1) number lies below the pixel, else 0; both ``(batch, h, w, c)``."""
    return tf.cast(uniform < image, tf.float32)
