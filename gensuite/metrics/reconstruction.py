"""How near an AE's or a VAE's reconstructions come to the images."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gensuite.data.disk import Images
from gensuite.metrics.intervals import Estimate, mean

_SMALLEST_FOR_11 = 11
_CHUNK = 100


def reconstruction_scores(
    images: Images,
    reconstruct: Callable[[NDArray[Any], Any], NDArray[Any]],
    labels: NDArray[Any] | None,
    seed: int,
) -> dict[str, Estimate]:
    """Error per pixel and structural similarity, averaged over images.

    *mse* is the mean of (x - x̂)² over pixels and images, *rmse* its root. *ssim* is Wang et al.,
    "Image quality assessment: from error visibility to structural similarity", 2004: a Gaussian
    window of :func:`window` pixels and a deviation of 1.5, K1 0.01, K2 0.03, over every place
    where the whole window fits.

    Args:
        images: ``(count, height, width, channels)`` uint8, an array or :class:`DiskImages`.
        reconstruct: float images in [0, 1], and their labels → reconstructions, of the same shape.
        labels: ``(count,)`` for a conditional model, else None.
        seed: of the resampling of images.
    """
    squared, similar = [], []
    for first in range(0, len(images), _CHUNK):
        rows = images[first : first + _CHUNK] / np.float32(255)
        label = None if labels is None else labels[first : first + _CHUNK]
        again = np.asarray(reconstruct(rows, label))
        squared.append(np.square(rows - again).mean(axis=(1, 2, 3), dtype=np.float64))
        size = window(images.shape[1:3])
        similar.append(tf.image.ssim(rows, again, max_val=1.0, filter_size=size).numpy())
    mse = mean(np.concatenate(squared), seed)
    rmse = Estimate(*(float(np.sqrt(side)) for side in (mse.value, mse.low, mse.high)))
    return {"rmse": rmse, "mse": mse, "ssim": mean(np.concatenate(similar), seed)}


def window(size: tuple[int, ...]) -> int:
    """Side of SSIM's window: 11 pixels as in the paper, 7 for images smaller than that."""
    return 11 if min(size) >= _SMALLEST_FOR_11 else 7
