"""The lecture's losses as pure functions of float32 tensors.

Every loss is summed over pixels or latent dimensions and averaged over the batch, so that a
VAE's two terms stand in the units of the ELBO (nats per image) and neither the image size nor the
batch size changes their balance. The log-likelihoods and log-densities are not averaged, because
importance weights need them for each image.
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


def bernoulli_log_likelihood(image, logits):
    """Ln p(x|z) of Bernoulli pixels: Σ [x ln σ(l) + (1 - x) ln(1 - σ(l))].

    Kingma & Welling, "Auto-encoding variational Bayes", 2014, appendix C.1. Computed as
    Σ [x l - ln(1 + exp l)], which stays exact where σ(l) rounds to 0 or 1. Pixels between 0 and 1
    are taken as probabilities.

    Args:
        image: ``(..., height, width, channels)`` in [0, 1].
        logits: the same shape, or one that it broadcasts to.

    Returns:
        ``(...)``, in nats; summed over pixels, one number for each image.
    """
    return _sum_per_image(image * logits - tf.nn.softplus(logits))


def gaussian_log_likelihood(image, mean, log_variance):
    """Ln p(x|z) of Gaussian pixels: -½ Σ [ln 2π + ln σ² + (x - μ)² / σ²].

    Args:
        image: ``(..., height, width, channels)``.
        mean: the same shape, or one that it broadcasts to.
        log_variance: ln σ², scalar: one variance for all pixels (Rybkin et al., "Simple and
            effective VAE training with calibrated decoders", 2021).

    Returns:
        ``(...)``, in nats (of a density, so it can be positive); summed over pixels, one number
        for each image.
    """
    squared = tf.square(image - mean) * tf.exp(-log_variance)
    return -0.5 * _sum_per_image(math.log(2 * math.pi) + log_variance + squared)


def gaussian_log_density(z, mean, log_variance):
    """Ln N(z; μ, σ²) of a diagonal Gaussian: -½ Σ [ln 2π + ln σ² + (z - μ)² / σ²].

    Args:
        z: ``(..., latent_dim)``.
        mean: the same shape, or one that broadcasts to it.
        log_variance: ln σ², likewise.

    Returns:
        ``(...)``, in nats; summed over latent dimensions, one number for each code.
    """
    squared = tf.square(z - mean) * tf.exp(-log_variance)
    return -0.5 * tf.reduce_sum(math.log(2 * math.pi) + log_variance + squared, axis=-1)


def importance_weighted_loss(log_weights):
    """The negative IWAE bound: -E[ln 1/k Σ w], with w = p(x|z) p(z) / q(z|x).

    Burda, Grosse & Salakhutdinov, "Importance weighted autoencoders", 2016, equation 8. At k = 1
    the negative ELBO; it falls towards -ln p(x) as k grows.

    Args:
        log_weights: ln w, ``(k, batch)``.

    Returns:
        Scalar, in nats; averaged over the batch.
    """
    bound = tf.reduce_logsumexp(log_weights, axis=0) - math.log(log_weights.shape[0])
    return -tf.reduce_mean(bound)


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


def discriminator_hinge(real_logits, generated_logits):
    """The discriminator's hinge loss: E[max(0, 1 - l(x))] + E[max(0, 1 + l(G(z)))].

    Lim & Ye, "Geometric GAN", 2017; l are the logits.

    Args:
        real_logits: ``(batch, 1)``.
        generated_logits: ``(batch, 1)``.

    Returns:
        Scalar; averaged over the batch.
    """
    return tf.reduce_mean(tf.nn.relu(1.0 - real_logits)) + tf.reduce_mean(
        tf.nn.relu(1.0 + generated_logits)
    )


def discriminator_wasserstein(real_logits, generated_logits):
    """The critic's loss: E[l(G(z))] - E[l(x)].

    Arjovsky, Chintala & Bottou, "Wasserstein generative adversarial networks", 2017.

    Args:
        real_logits: ``(batch, 1)``.
        generated_logits: ``(batch, 1)``.

    Returns:
        Scalar; averaged over the batch.
    """
    return tf.reduce_mean(generated_logits) - tf.reduce_mean(real_logits)


def generator_linear(generated_logits):
    """The generator's loss of hinge and Wasserstein GANs: -E[l(G(z))].

    Args:
        generated_logits: ``(batch, 1)``.

    Returns:
        Scalar; averaged over the batch.
    """
    return -tf.reduce_mean(generated_logits)


def _sum_per_image(values):
    return tf.reduce_sum(values, axis=[-3, -2, -1])
