"""ln p(x) of a VAE by importance sampling, and the ELBO with its two terms."""

import math
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from gensuite.metrics import intervals
from gensuite.metrics.intervals import Estimate
from gensuite.models import VAE

BINARIZATION_SEED = 0
_IMAGES, _DRAWS = 100, 10
"""Images and draws in one call: what is in memory at a time, whatever k is."""


def binarize(images: NDArray[np.uint8], seed: int = BINARIZATION_SEED) -> NDArray[np.float32]:
    """Images of zeros and ones, every pixel drawn once with its grey value as probability.

    Salakhutdinov & Murray, "On the quantitative analysis of deep belief networks", 2008. The
    random numbers are numpy's Philox with the seed for a key: the same images give the same bits.

    Args:
        images: ``(count, height, width, channels)`` uint8.
        seed: of the draws.
    """
    random = np.random.Generator(np.random.Philox(key=seed))
    # Below the grey value, so that black is always 0 and white always 1.
    return (random.integers(0, 255, size=images.shape) < images).astype(np.float32)


def likelihood_scores(
    model: VAE, images: NDArray[Any], *, samples: int, seed: int
) -> dict[str, Estimate]:
    """Likelihood and ELBO of images, in nats per image, averaged over images.

    *log_likelihood* is ln 1/k Σ w_i, w_i = p(x|z_i) p(z_i) / q(z_i|x), over k draws z_i from
    q(z|x) (Burda et al., "Importance weighted autoencoders", 2016): a lower bound of ln p(x) that
    rises to it with k. *elbo* is -(*reconstruction* + *kl*): -ln p(x|z), averaged over the
    same draws, and the closed KL(q(z|x) ‖ N(0, I)). Of Gaussian pixels they are logarithms of densities.

    The weights are summed as they come (streaming log-sum-exp): memory does not grow with k.

    Args:
        model: a VAE; p(x|z) comes from its logits.
        images: ``(count, height, width, channels)`` float32 in [0, 1]; for a Bernoulli likelihood
            zeros and ones, see :func:`binarize`.
        samples: k.
        seed: of the draws; they are a function of (seed, image batch, draw) alone.
    """
    add_draws = _compile(model)
    found = []
    calls = -(-samples // _DRAWS)
    with tqdm(total=-(-len(images) // _IMAGES) * calls, desc="likelihood", mininterval=1) as bar:
        for batch, first in enumerate(range(0, len(images), _IMAGES)):
            rows = tf.constant(images[first : first + _IMAGES], tf.float32)
            state = [tf.fill([len(rows)], -math.inf), tf.zeros(len(rows)), tf.zeros(len(rows))]
            for call in range(calls):
                draws = tf.constant(min(_DRAWS, samples - call * _DRAWS))
                key = tf.constant([seed, (batch << 32) + call], tf.int64)
                *state, kl = add_draws(rows, draws, key, *state)
                bar.update()
            largest, total, reconstruction = (values.numpy().astype(np.float64) for values in state)
            found.append([largest + np.log(total / samples), reconstruction / samples, kl.numpy()])
    log_likelihood, reconstruction, kl = np.concatenate(found, axis=1)
    columns = np.stack([log_likelihood, -(reconstruction + kl), reconstruction, kl], axis=1)
    names = ("log_likelihood", "elbo", "reconstruction", "kl")
    return {
        name: intervals.mean(values, seed) for name, values in zip(names, columns.T, strict=True)
    }


def _compile(model: VAE):
    """A graph that adds draws to the running sums of a batch of images.

    It takes ``(images, draws, key, largest, total, reconstruction)`` and returns the last three
    anew, and the KL divergence: the largest ln w so far, Σ w / exp(largest), and -Σ ln p(x|z).
    """
    per_image = tf.TensorSpec((None,), tf.float32)
    images = tf.TensorSpec((None, *model.image_shape), tf.float32)
    whole, key = tf.TensorSpec((), tf.int32), tf.TensorSpec((2,), tf.int64)

    @tf.function(input_signature=[images, whole, key, per_image, per_image, per_image])
    def add_draws(image, draws, key, largest, total, reconstruction):  # noqa: PLR0917
        posterior = model.encode(image)
        mean, log_variance = posterior["mean"], posterior["log_variance"]
        shape = [draws, tf.shape(image)[0], model.latent_dim]
        noise = tf.random.stateless_normal(shape, key, alg="philox")
        z = mean + tf.exp(0.5 * log_variance) * noise
        logits = model.decoding_network()(tf.reshape(z, [-1, model.latent_dim]))
        logits = tf.reshape(logits, tf.concat([shape[:2], model.image_shape], axis=0))
        log_p = log_likelihood(model, image, logits)
        # ln p(z) - ln q(z|x), in which ln 2π cancels
        log_prior_ratio = 0.5 * tf.reduce_sum(noise**2 + log_variance - z**2, axis=-1)
        log_weights = log_p + log_prior_ratio
        new = tf.maximum(largest, tf.reduce_max(log_weights, axis=0))
        total = total * tf.exp(largest - new) + tf.reduce_sum(tf.exp(log_weights - new), axis=0)
        kl = 0.5 * tf.reduce_sum(mean**2 + tf.exp(log_variance) - 1.0 - log_variance, axis=-1)
        return new, total, reconstruction - tf.reduce_sum(log_p, axis=0), kl

    return add_draws


def log_likelihood(model: VAE, image, logits):
    """The logarithm ln p(x|z) of every image, summed over pixels.

    Args:
        model: whose ``likelihood`` of a pixel it is.
        image: ``(batch, height, width, channels)``.
        logits: ``(draws, batch, height, width, channels)``.

    Returns:
        ``(draws, batch)``, in nats.
    """
    if model.likelihood == "bernoulli":
        image = tf.broadcast_to(image, tf.shape(logits))
        terms = -tf.nn.sigmoid_cross_entropy_with_logits(labels=image, logits=logits)
    else:
        log_variance = tf.convert_to_tensor(model.pixel_log_variance)
        squared = tf.square(image - tf.sigmoid(logits)) * tf.exp(-log_variance)
        terms = -0.5 * (math.log(2 * math.pi) + log_variance + squared)
    return tf.reduce_sum(terms, axis=[2, 3, 4])
