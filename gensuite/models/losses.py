"""The lecture's losses as pure functions of float32 tensors.

Every loss is summed over pixels or latent dimensions and averaged over the batch, so that a
VAE's two terms stand in the units of the ELBO (nats per image) and neither the image size nor the
batch size changes their balance.
"""

import math

import tensorflow as tf


def squared_error(image, reconstruction):
    """Reconstruction error of an autoencoder: Σ (x - x̂)².

    Args:
        image: ``(batch, height, width, channels)``.
        reconstruction: the same shape.

    Returns:
        Scalar; summed over pixels, averaged over the batch.
    """
    return tf.reduce_mean(_sum_per_image(tf.square(image - reconstruction)))


def bernoulli_negative_log_likelihood(image, logits):
    """-ln p(x|z) of Bernoulli pixels: -Σ [x ln σ(l) + (1 - x) ln(1 - σ(l))].

    Kingma & Welling, "Auto-encoding variational Bayes", 2014, appendix C.1. Computed from the
    logits l, which stays exact where σ(l) rounds to 0 or 1. Pixels between 0 and 1 are taken as
    probabilities.

    Args:
        image: ``(batch, height, width, channels)`` in [0, 1].
        logits: the same shape.

    Returns:
        Scalar, in nats; summed over pixels, averaged over the batch.
    """
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=image, logits=logits)
    return tf.reduce_mean(_sum_per_image(cross_entropy))


def gaussian_negative_log_likelihood(image, mean, log_variance):
    """-ln p(x|z) of Gaussian pixels: ½ Σ [ln 2π + ln σ² + (x - μ)² / σ²].

    Args:
        image: ``(batch, height, width, channels)``.
        mean: the same shape.
        log_variance: ln σ², scalar: one variance for all pixels (Rybkin et al., "Simple and
            effective VAE training with calibrated decoders", 2021).

    Returns:
        Scalar, in nats (of a density, so it can be negative); summed over pixels, averaged over
        the batch.
    """
    squared = tf.square(image - mean) * tf.exp(-log_variance)
    return tf.reduce_mean(_sum_per_image(0.5 * (math.log(2 * math.pi) + log_variance + squared)))


def kl_divergence(mean, log_variance):
    """KL(q(z|x) ‖ N(0, I)) of a diagonal Gaussian: ½ Σ [μ² + σ² - 1 - ln σ²].

    Kingma & Welling 2014, appendix B.

    Args:
        mean: ``(batch, latent_dim)``.
        log_variance: ln σ², the same shape.

    Returns:
        Scalar, in nats; summed over latent dimensions, averaged over the batch.
    """
    terms = tf.square(mean) + tf.exp(log_variance) - 1.0 - log_variance
    return tf.reduce_mean(0.5 * tf.reduce_sum(terms, axis=-1))


def discriminator_cross_entropy(real_logits, generated_logits):
    """The discriminator's loss: -E[ln D(x)] - E[ln(1 - D(G(z)))].

    Goodfellow et al., "Generative adversarial nets", 2014, equation 1, with D = σ(logits).

    Args:
        real_logits: ``(batch, 1)``.
        generated_logits: ``(batch, 1)``.

    Returns:
        Scalar, in nats; averaged over the batch. 2 ln 2 when D cannot tell the two apart.
    """
    # -ln σ(l) = softplus(-l) and -ln(1 - σ(l)) = softplus(l)
    return tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(
        tf.nn.softplus(generated_logits)
    )


def generator_non_saturating(generated_logits):
    """The generator's loss: -E[ln D(G(z))].

    Goodfellow et al. 2014, section 3: unlike ln(1 - D(G(z))) it keeps its gradient when the
    discriminator is winning.

    Args:
        generated_logits: ``(batch, 1)``.

    Returns:
        Scalar, in nats; averaged over the batch.
    """
    return tf.reduce_mean(tf.nn.softplus(-generated_logits))


def _sum_per_image(values):
    return tf.reduce_sum(values, axis=[1, 2, 3])
