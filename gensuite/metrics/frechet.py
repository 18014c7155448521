"""Two distances between sets of features: Fréchet's between Gaussians, and the kernel's."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gensuite.metrics.intervals import Estimate, around

RESAMPLES = 100
_CHUNK = 1024


def frechet_distance(
    mean_a: NDArray[Any],
    covariance_a: NDArray[Any],
    mean_b: NDArray[Any],
    covariance_b: NDArray[Any],
) -> float:
    """Squared Fréchet distance of two Gaussians: |μ_a - μ_b|² + tr(A + B - 2 (A^½ B A^½)^½).

    Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash
    equilibrium", 2017. The trace of the root is the sum of the roots of the eigenvalues of a
    symmetric matrix, so that no root of a matrix that is not symmetric is needed.

    Args:
        mean_a: ``(size,)``.
        covariance_a: ``(size, size)``.
        mean_b: ``(size,)``.
        covariance_b: ``(size, size)``.

    Returns:
        At least 0, in squared units of the features.
    """
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.linalg.eigvalsh(root @ covariance_b @ root)
    traces = np.trace(covariance_a) + np.trace(covariance_b)
    spread = traces - 2 * np.sqrt(np.maximum(shared, 0)).sum()
    return max(float(np.sum((mean_a - mean_b) ** 2) + spread), 0.0)


def frechet(real: NDArray[Any], generated: NDArray[Any], seed: int) -> Estimate:
    """Fréchet distance of two sets of features, each taken for a Gaussian.

    It is above that of infinitely many images, the more so the fewer there are: compare scores of
    equal counts, and with the floor. The interval is that of :func:`intervals.around`, both sets
    resampled.

    Args:
        real: ``(count, size)``.
        generated: ``(count, size)``.
        seed: of the resampling.
    """
    a, b = np.asarray(real, np.float64), np.asarray(generated, np.float64)
    random = np.random.default_rng(seed)
    again = [
        _frechet_of_rows(*(rows[random.integers(len(rows), size=len(rows))] for rows in (a, b)))
        for _ in range(RESAMPLES)
    ]
    estimate = around(_frechet_of_rows(a, b), np.array(again))
    return Estimate(estimate.value, max(estimate.low, 0.0), estimate.high)


def kernel_distance(real: NDArray[Any], generated: NDArray[Any], seed: int) -> Estimate:
    """KID: the unbiased squared maximum mean discrepancy, kernel (x·y / size + 1)³.

    Bińkowski et al., "Demystifying MMD GANs", 2018, over all pairs. Its expectation is 0 for
    equal distributions, so it can be negative. A resample gives every image a weight, how often it
    was drawn; pairs of an image with itself stay out, so that resampling adds no bias, and
    the interval is the plain percentile one.

    Args:
        real: ``(count, size)``.
        generated: ``(count, size)``.
        seed: of the resampling.
    """
    a, b = np.asarray(real, np.float64), np.asarray(generated, np.float64)
    random = np.random.default_rng(seed)
    weights_a, weights_b = _weights(len(a), random), _weights(len(b), random)
    values = (
        _pair_means(a, a, weights_a, weights_a, apart=True)
        + _pair_means(b, b, weights_b, weights_b, apart=True)
        - 2 * _pair_means(a, b, weights_a, weights_b, apart=False)
    )
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return Estimate(float(values[0]), float(low), float(high))


def _frechet_of_rows(a: NDArray[Any], b: NDArray[Any]) -> float:
    moments = [(rows.mean(axis=0), np.cov(rows, rowvar=False)) for rows in (a, b)]
    return frechet_distance(*moments[0], *moments[1])


def _weights(count: int, random: np.random.Generator) -> NDArray[np.float64]:
    """How often each row is taken: once in the first line, as drawn in the others."""
    drawn = [
        np.bincount(random.integers(count, size=count), minlength=count) for _ in range(RESAMPLES)
    ]
    return np.array([np.ones(count), *drawn], np.float64)


def _pair_means(
    a: NDArray[Any],
    b: NDArray[Any],
    weights_a: NDArray[Any],
    weights_b: NDArray[Any],
    *,
    apart: bool,
) -> NDArray[np.float64]:
    """Weighted means of the kernel over pairs, without an image and itself where ``apart``.

    The matrix of all pairs is made in strips and never whole.
    """
    sums = np.zeros(len(weights_a))
    for first in range(0, len(a), _CHUNK):
        rows = slice(first, first + _CHUNK)
        base = a[rows] @ b.T / a.shape[1] + 1
        kernel = base * base * base  # a power of an array is ten times slower
        sums += np.einsum("bi,ib->b", weights_a[:, rows], kernel @ weights_b.T)
    pairs = weights_a.sum(axis=1) * weights_b.sum(axis=1)
    if apart:
        diagonal = (np.square(a).sum(axis=1) / a.shape[1] + 1) ** 3
        sums -= np.square(weights_a) @ diagonal
        pairs -= np.square(weights_a).sum(axis=1)
    return sums / pairs
