"""What a trained encoder makes of the data: kept in the run, so that export needs no data set."""

import warnings
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from gensuite.data.splits import ImageData
from gensuite.inference.latents import draw_codes
from gensuite.inference.priors import GaussianPrior, MixturePrior
from gensuite.models import GenerativeModel

MAX_CODES = 2000
TEST_IMAGES = 64
_BATCH = 256
MIXTURE = "mixture_"
"""Before the names of the fitted mixture's arrays."""
_COMPONENTS = 10
_MIXTURE_CODES = 20_000
_FULL_SIZE = 32
Encoder = Callable[[tf.Tensor], dict[str, tf.Tensor]]


def encode_splits(model: GenerativeModel, data: ImageData) -> dict[str, np.ndarray]:
    """Encode the test split, and fit priors to the codes of the training split.

    Args:
        model: trained; a model without ``encode`` (a GAN) has no encodings.
        data: the splits it was trained with.

    Returns:
        ``images`` (uint8, the first 64 of the test split), ``labels`` (int64, -1 where there are
        none) and the encoder's ports (float32) for at most 2,000 test images; ``prior_mean`` and
        ``prior_covariance`` (float64) for a Gaussian prior; ``mixture_weights``,
        ``mixture_means`` and ``mixture_factors`` of the fitted one. Empty for a GAN.
    """
    if not hasattr(model, "encode"):
        return {}
    test = data.images["test"]
    encoder = compile_encoder(model)
    labels = data.labels["test"] if data.class_names else np.full(len(test), -1, np.int64)
    arrays = {
        "images": test[:TEST_IMAGES],
        "labels": labels[:MAX_CODES],
        **encode(encoder, data, "test", MAX_CODES),
    }
    codes = draw_codes(encode(encoder, data, "train", len(data.images["train"])), model.seed)
    if model.prior == "gaussian":
        prior = GaussianPrior.fit(codes)
        arrays |= {"prior_mean": prior.mean, "prior_covariance": prior.covariance}
    mixture = fit_mixture(codes, model.seed).to_arrays()
    return arrays | {f"{MIXTURE}{name}": array for name, array in mixture.items()}


def fit_mixture(codes: np.ndarray, seed: int) -> MixturePrior:
    """Fit a mixture of 10 Gaussians to codes, by EM from k-means.

    Their covariances are full for codes of at most 32 numbers, and diagonal for longer ones: ten
    full ones of 512 numbers are more than 20,000 codes can tell, and take minutes and megabytes.

    Args:
        codes: ``(count, size)``; of more than 20,000 every second, third, and so on is taken.
        seed: of the start.
    """
    # Evenly from all of them, because a data set can be sorted by class.
    codes = codes[:: -(-len(codes) // _MIXTURE_CODES)].astype(np.float64)
    # Like GaussianPrior.fit: a latent dimension that is never used leaves covariances invertible.
    ridge = 1e-6 * max(float(codes.var(axis=0).mean()), 1e-6)
    full = codes.shape[1] <= _FULL_SIZE
    mixture = GaussianMixture(
        min(_COMPONENTS, len(codes)),
        covariance_type="full" if full else "diag",
        reg_covar=ridge,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # The likelihood may still be rising after 100 rounds, by amounts that no sample shows.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(codes)
    covariances = mixture.covariances_
    factors = (
        np.linalg.cholesky(covariances)
        if full
        else np.sqrt(covariances)[:, :, None] * np.eye(codes.shape[1])
    )
    return MixturePrior(mixture.weights_, mixture.means_, factors)


def compile_encoder(model: GenerativeModel) -> Encoder:
    """The model's ``encode`` as one graph for batches of any size."""
    image = tf.TensorSpec((None, *model.image_shape), tf.float32)
    return tf.function(model.encode, input_signature=[image])


def encode(encoder: Encoder, data: ImageData, split: str, count: int) -> dict[str, np.ndarray]:
    """Encode the first images of a split in batches.

    Args:
        encoder: see :func:`compile_encoder`.
        data: the splits.
        split: which of them.
        count: number of images at most.

    Returns:
        Port → ``(count, latent_dim)`` float32.
    """
    images = data.images[split]
    count = min(count, len(images))
    outputs = []
    for first in range(0, count, _BATCH):
        batch = images[first : min(first + _BATCH, count)] / np.float32(255)
        outputs.append(encoder(tf.constant(batch)))
    return {
        name: np.concatenate([output[name].numpy() for output in outputs]) for name in outputs[0]
    }
