"""How samples lie among real images: precision, recall, density, coverage, and nearest images."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gensuite.data.disk import Images
from gensuite.metrics.intervals import Estimate, mean

PRECISION_NEIGHBOURS = 3
DENSITY_NEIGHBOURS = 5
_CHUNK, _CHUNK_NUMBERS = 1024, 2**23
"""The most rows, and the most numbers, of a strip: 2^23 take 33 MB in float32."""


def manifold_scores(real: NDArray[Any], generated: NDArray[Any], seed: int) -> dict[str, Estimate]:
    """Precision, recall, density and coverage of samples.

    The ball of an image reaches to its k-th nearest neighbour among its own kind, itself not
    counted. Kynkäänniemi et al., "Improved precision and recall metric for assessing generative
    models", 2019, k = 3: *precision* is the share of samples in any real image's ball, *recall*
    the share of real images in any sample's ball. Naeem et al., "Reliable fidelity and diversity
    metrics for generative models", 2020, k = 5: *density* is the mean number of real balls that
    a sample lies in, divided by k (it can be above 1), *coverage* the share of real images with a
    sample in their ball.

    The intervals resample the images that are averaged over, the balls being as they are: samples
    for precision and density, real images for recall and coverage. They hold for the images of the
    other side as they are, and are too narrow for others.

    Args:
        real: features ``(count, size)``, more than 5.
        generated: features ``(count, size)``, more than 3.
        seed: of the resampling.
    """
    real_narrow, real_wide = _radii(real, (PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS))
    (sample_narrow,) = _radii(generated, (PRECISION_NEIGHBOURS,))
    precise, dense = np.zeros(len(generated)), np.zeros(len(generated))
    recalled, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for rows, squared in _squared_distances(generated, real):
        precise[rows] = (squared <= real_narrow).any(axis=1)
        recalled |= (squared <= sample_narrow[rows, None]).any(axis=0)
        inside = squared <= real_wide
        dense[rows] = inside.sum(axis=1) / DENSITY_NEIGHBOURS
        covered |= inside.any(axis=0)
    values = {"precision": precise, "recall": recalled, "density": dense, "coverage": covered}
    return {name: mean(each, seed) for name, each in values.items()}


def nearest_distances(images: NDArray[np.uint8], training: Images) -> NDArray[Any]:
    """Root mean square difference of pixels between each image and its nearest training image.

    Args:
        images: ``(count, height, width, channels)`` uint8.
        training: the same shape, another count; an array or :class:`DiskImages`.

    Returns:
        ``(count,)`` float64 in [0, 1]: 0 for a copy, 1 for black against white.
    """
    flat = images.reshape(len(images), -1)
    nearest, smallest = np.zeros(len(images), int), np.full(len(images), np.inf)
    chunk = _rows(flat.shape[1])
    for first in range(0, len(training), chunk):
        others = training[first : first + chunk]
        others = others.reshape(len(others), -1)
        for rows, squared in _squared_distances(flat, others, np.float32):
            best = squared.argmin(axis=1)
            found = np.take_along_axis(squared, best[:, None], axis=1)[:, 0]
            closer = found < smallest[rows]
            nearest[rows] = np.where(closer, first + best, nearest[rows])
            smallest[rows] = np.minimum(found, smallest[rows])
    # Found in float32, which would blur the distance of a copy, and measured exactly.
    pairs = zip(images, training[nearest], strict=True)
    gaps = ((image.astype(np.int32) - other) / 255 for image, other in pairs)
    return np.sqrt([np.square(gap).mean() for gap in gaps])


def _radii(points: NDArray[Any], neighbours: tuple[int, ...]) -> list[NDArray[Any]]:
    """Squared distance of every point to its k-th nearest other, for each k."""
    radii = [np.zeros(len(points)) for _ in neighbours]
    for rows, squared in _squared_distances(points, points):
        # The point itself is the nearest, at 0.
        nearest = np.partition(squared, neighbours, axis=1)
        for radius, k in zip(radii, neighbours, strict=True):
            radius[rows] = nearest[:, k]
    return radii


def _squared_distances(
    points: NDArray[Any], others: NDArray[Any], kind: type = np.float64
) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Strips of the matrix of squared distances: rows, and ``(rows, len(others))`` of them."""
    others = np.asarray(others, kind)
    lengths = np.square(others).sum(axis=1)
    chunk = _rows(points.shape[1])
    for first in range(0, len(points), chunk):
        rows = slice(first, first + chunk)
        strip: NDArray[Any] = np.asarray(points[rows], kind)
        squared = np.square(strip).sum(axis=1)[:, None] + lengths - 2 * (strip @ others.T)
        yield rows, np.maximum(squared, 0)


def _rows(size: int) -> int:
    """Rows of so many numbers that a strip has."""
    return max(1, min(_CHUNK, _CHUNK_NUMBERS // size))
