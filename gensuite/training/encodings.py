"""What a trained encoder makes of the data: kept in the run, so that export needs no data set."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from gensuite.data.splits import ImageData
from gensuite.inference.latents import GaussianPrior
from gensuite.models import GenerativeModel

MAX_CODES = 2000
TEST_IMAGES = 64
_BATCH = 256
Encoder = Callable[[tf.Tensor], dict[str, tf.Tensor]]


def encode_splits(model: GenerativeModel, data: ImageData) -> dict[str, np.ndarray]:
    """Encode the test split and, for a model with a Gaussian prior, fit it to the training codes.

    Args:
        model: trained; a model without ``encode`` (a GAN) has no encodings.
        data: the splits it was trained with.

    Returns:
        ``images`` (uint8, the first 64 of the test split), ``labels`` (int64, -1 where there are
        none) and the encoder's ports (float32) for at most 2,000 test images; ``prior_mean`` and
        ``prior_covariance`` (float64) for a Gaussian prior. Empty for a GAN.
    """
    if not hasattr(model, "encode"):
        return {}
    test = data.images["test"][:MAX_CODES]
    encoder = compile_encoder(model)
    labels = data.labels["test"] if data.class_names else np.full(len(test), -1, np.int64)
    arrays = {
        "images": test[:TEST_IMAGES],
        "labels": labels[:MAX_CODES],
        **encode(encoder, data, "test", MAX_CODES),
    }
    if model.prior == "gaussian":
        codes = encode(encoder, data, "train", len(data.images["train"]))["z"]
        prior = GaussianPrior.fit(codes)
        arrays |= {"prior_mean": prior.mean, "prior_covariance": prior.covariance}
    return arrays


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
    batches = data.batches(split, _BATCH).take(-(-count // _BATCH))
    outputs = [encoder(batch) for batch in batches]
    return {
        name: np.concatenate([output[name].numpy() for output in outputs])[:count]
        for name in outputs[0]
    }
