"""How far samples lie from each other, measured against real images: two of the doctor's signs."""

import numpy as np

_GREY_LEVEL = 1 / 255


def diversity(samples: np.ndarray, images: np.ndarray) -> dict[str, float]:
    """Compare the distances among samples with those among as many real images.

    The distance of two images is the root of their mean squared difference over pixels. Of real
    images a distance below one grey level counts as one grey level, so that a data set of copies
    divides by no zero.

    Args:
        samples: ``(count, height, width, channels)`` in [0, 1], count at least 2.
        images: real images, the same shape and range.

    Returns:
        ``sample_spread``: mean distance over all pairs of samples, divided by that of the images;
        0 when all samples are one picture, about 1 when they differ as much as the data do.
        ``sample_nearest``: median distance of a sample to its nearest other sample, divided
        likewise; near 0 when most samples have a double.
    """
    spread, nearest = _distances(samples)
    real_spread, real_nearest = np.maximum(_distances(images), _GREY_LEVEL)
    return {
        "sample_spread": float(spread / real_spread),
        "sample_nearest": float(nearest / real_nearest),
    }


def _distances(images: np.ndarray) -> tuple[float, float]:
    """Mean distance over pairs, and median distance to the nearest other image."""
    flat = images.reshape(len(images), -1).astype(np.float64)
    squares = np.mean(flat**2, axis=1)
    products = flat @ flat.T / flat.shape[1]
    # The difference of nearly equal numbers may come out below 0.
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * products, 0.0))
    others = ~np.eye(len(images), dtype=bool)
    nearest = np.where(others, distances, np.inf).min(axis=1)
    return float(distances[others].mean()), float(np.median(nearest))
