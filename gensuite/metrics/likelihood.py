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
from gensuite.models.losses import gaussian_log_density
from gensuite.models.vae import reparameterize

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
    model: VAE, images: NDArray[Any], labels: NDArray[Any] | None, *, samples: int, seed: int
) -> dict[str, Estimate]:
    """Likelihood and ELBO of images, in nats per image, averaged over images.

    *log_likelihood* is ln 1/k Σ w_i, w_i = p(x|z_i) p(z_i) / q(z_i|x), over k draws z_i from
    q(z|x) (Burda et al., "Importance weighted autoencoders", 2016): a lower bound of ln p(x) that
    rises to it with k. *elbo* is -(*reconstruction* + *kl*): -ln p(x|z), averaged over the
    same draws, and the closed KL(q(z|x) ‖ N(0, I)). Of Gaussian pixels they are logarithms of
    densities; of a conditional model, of p(x | class).

    The weights are summed as they come (streaming log-sum-exp): memory does not grow with k.

    Args:
        model: a VAE; p(x|z) comes from its logits.
        images: ``(count, height, width, channels)`` float32 in [0, 1]; for a Bernoulli likelihood
            zeros and ones, see :func:`binarize`.
        labels: ``(count,)`` for a conditional model, else None.
        samples: k.
        seed: of the draws; they are a function of (seed, image batch, draw) alone.
    """
    add_draws = tf.function(_add_draws, reduce_retracing=True)
    rows = [slice(first, first + _IMAGES) for first in range(0, len(images), _IMAGES)]
    sizes = [min(_DRAWS, samples - first) for first in range(0, samples, _DRAWS)]
    found = []
    with tqdm(total=len(rows) * len(sizes), desc="likelihood", mininterval=1) as bar:
        for batch, row in enumerate(rows):
            image = tf.constant(images[row], tf.float32)
            label = None if labels is None else tf.constant(labels[row], tf.int32)
            sums = [tf.fill([len(image)], value) for value in (-math.inf, 0.0, 0.0)]
            for call, draws in enumerate(sizes):
                key = tf.constant([seed, (batch << 32) + call], tf.int64)
                *sums, kl = add_draws(model, image, label, draws, key, *sums)
                bar.update()
            largest, total, reconstruction = (each.numpy().astype(np.float64) for each in sums)
            found.append([largest + np.log(total / samples), reconstruction / samples, kl.numpy()])
    log_likelihood, reconstruction, kl = np.concatenate(found, axis=1)
    values = {
        "log_likelihood": log_likelihood,
        "elbo": -(reconstruction + kl),
        "reconstruction": reconstruction,
        "kl": kl,
    }
    return {name: intervals.mean(each, seed) for name, each in values.items()}


def _add_draws(model, image, label, draws: int, key, largest, total, reconstruction):  # noqa: PLR0917
    """Add draws to the running sums of a batch of images.

    The sums, ``(batch,)`` each, are the largest ln w so far, Σ w / exp(largest), and -Σ ln p(x|z).

    Returns:
        The three sums anew, and the KL divergence of each image.
    """
    posterior = model.encode(image)
    mean, log_variance = posterior["mean"], posterior["log_variance"]
    shape = [draws, tf.shape(image)[0], model.latent_dim]
    z = reparameterize(mean, log_variance, tf.random.stateless_normal(shape, key, alg="philox"))
    log_likelihood = model.log_likelihood(image, z, label)
    prior = gaussian_log_density(z, 0.0, 0.0)
    log_weights = log_likelihood + prior - gaussian_log_density(z, mean, log_variance)
    new = tf.maximum(largest, tf.reduce_max(log_weights, axis=0))
    total = total * tf.exp(largest - new) + tf.reduce_sum(tf.exp(log_weights - new), axis=0)
    kl = 0.5 * tf.reduce_sum(mean**2 + tf.exp(log_variance) - 1.0 - log_variance, axis=-1)
    return new, total, reconstruction - tf.reduce_sum(log_likelihood, axis=0), kl
