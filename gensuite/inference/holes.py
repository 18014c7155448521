"""Holes in a cloud of codes: places where the prior has mass and no code is near.

A point lies in a hole when its nearest code is farther away than codes are from each other. The
page asks this of a point, ``gensuite.health`` of many draws, ``gensuite.evaluate`` decodes such
draws. All of it is pure numpy on ``(count, size)`` arrays, with distances taken in chunks.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gensuite.errors import InputError
from gensuite.inference.latents import PRIOR_STREAM, Codes, standard_normal

Array = NDArray[np.float64]
Nearest = tuple[Array, NDArray[np.intp]]
"""Distances and indices of nearest codes, both ``(points, count)``, nearest first."""

QUANTILE = 0.95
"""A hole begins where 95% of the codes have had a neighbour: N(0, I) draws lie in holes of other
N(0, I) draws 5% of the time."""

_DRAWS = 512
_CHUNK = 64
"""Points whose distances are taken at once: 2,000 codes then fit a core's cache, which is ten
times faster than not."""

_ONE_THREAD = 2**18
"""Multiplications of a product that OpenBLAS does not spread over threads. Waiting for each other,
threads made products as small as these a hundred times slower on a busy machine."""

_UNUSED = 1e-6
_MAX_DRAWS = 1_000_000


@dataclass(frozen=True)
class Whitening:
    """The affine map that gives codes mean zero and covariance I, and the way back.

    Principal components, widest first, each divided by its standard deviation. A direction with
    less than a millionth of the widest one's variance is unused by the model and left out, so
    that whitening does not blow its rounding errors up.
    """

    mean: Array
    """``(size,)``."""

    scaled_axes: Array
    """``(size, used)``: principal axes times their standard deviations."""

    @property
    def used(self) -> int:
        """Directions that are used: numbers in a whitened code."""
        return int(self.scaled_axes.shape[1])

    @classmethod
    def fit(cls, codes: NDArray[Any]) -> "Whitening":
        """Of ``codes``, ``(count, size)``.

        Raises:
            InputError: a code is not finite, or all codes are the same.
        """
        codes = np.asarray(codes, np.float64)
        if codes.ndim != 2 or len(codes) < 2 or not np.isfinite(codes).all():
            raise InputError(
                f"codes: shape {codes.shape} given, or a number that is not finite; allowed is "
                "(count, size) with at least 2 finite codes"
            )
        mean = codes.mean(axis=0)
        variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(codes, rowvar=False)))
        variances, axes = variances[::-1], axes[:, ::-1]
        used = variances > _UNUSED * variances[0]
        if not variances[0] > 0:
            raise InputError("codes: all the same; the encoder tells no two images apart")
        return cls(mean, axes[:, used] * np.sqrt(variances[used]))

    def whiten(self, codes: NDArray[Any]) -> Array:
        """``(count, size)`` codes to ``(count, used)`` ones of mean zero and covariance I."""
        axes = self.scaled_axes / np.square(self.scaled_axes).sum(axis=0)
        return np.asarray((np.asarray(codes, np.float64) - self.mean) @ axes)

    def colour(self, white: NDArray[Any]) -> Array:
        """The way back: N(0, I) draws, ``(count, used)``, become draws of the codes' Gaussian."""
        return np.asarray(self.mean + np.asarray(white, np.float64) @ self.scaled_axes.T)


def nearest(points: Array, codes: Array, count: int = 1) -> Nearest:
    """The nearest codes of each point, nearest first.

    Args:
        points: ``(points, size)``; pass the very array ``codes`` to leave each code itself out.
        codes: ``(codes, size)``.
        count: how many, at most the number of codes (less one, of codes among themselves).

    Returns:
        Euclidean distances and indices, both ``(points, count)``.
    """
    distances = np.empty((len(points), count))
    indices = np.empty((len(points), count), np.intp)
    centre = codes.mean(axis=0)  # distances do not change, and their rounding errors shrink
    moved = codes - centre
    # ‖c‖² - 2 p·c as one product; the point's own ‖p‖² would change no order.
    right = np.concatenate([-2.0 * moved, np.square(moved).sum(axis=1, keepdims=True)], axis=1).T
    width = max(1, _ONE_THREAD // (_CHUNK * len(right)))
    for first in range(0, len(points), _CHUNK):
        rows = slice(first, min(first + _CHUNK, len(points)))
        block = points[rows] - centre
        left = np.concatenate([block, np.ones((len(block), 1))], axis=1)
        squared = np.empty((len(block), len(codes)))
        for start in range(0, len(codes), width):
            np.matmul(left, right[:, start : start + width], out=squared[:, start : start + width])
        if points is codes:
            squared[np.arange(len(block)), np.arange(rows.start, rows.stop)] = np.inf
        if count == 1:
            found = squared.argmin(axis=1)[:, None]
        else:
            found = np.argpartition(squared, count - 1, axis=1)[:, :count]
        # The few that are left are measured without the cancellation of the formula above.
        exact = np.sqrt(np.square(block[:, None, :] - moved[found]).sum(axis=2))
        order = np.argsort(exact, axis=1, kind="stable")
        indices[rows] = np.take_along_axis(found, order, axis=1)
        distances[rows] = np.take_along_axis(exact, order, axis=1)
    return distances, indices


def threshold(codes: Array) -> float:
    """How far codes are from each other: 95% have another one at most this far away."""
    return float(np.quantile(nearest(codes, codes)[0], QUANTILE))


@dataclass(frozen=True)
class Cloud:
    """Codes prepared for many questions: which are near a point, and does it lie in a hole.

    Distances are taken after whitening by the codes' mean and covariance, so answers do not change
    when codes and points are scaled, turned or moved together.
    """

    whitening: Whitening
    white: Array
    """``(count, used)``, the whitened codes."""

    limit: float
    """Where a hole begins: see :func:`threshold`."""

    @classmethod
    def of(cls, codes: NDArray[Any]) -> "Cloud":
        """Of ``codes``, ``(count, size)``, of an encoder.

        Raises:
            InputError: a code is not finite, or all codes are the same.
        """
        whitening = Whitening.fit(codes)
        white = whitening.whiten(codes)
        return cls(whitening, white, threshold(white))

    def near(self, points: NDArray[Any], count: int = 1) -> Nearest:
        """Distances and indices of the nearest codes of ``(points, size)`` points.

        Args:
            points: ``(points, size)``.
            count: how many, at most the number of codes.

        Returns:
            Whitened distances and indices, both ``(points, count)``, nearest first.
        """
        return nearest(self.whitening.whiten(points), self.white, count)

    def in_hole(self, points: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether each of ``(points, size)`` points lies in a hole: ``(points,)``."""
        return np.asarray(self.near(points)[0][:, 0] > self.limit)


def hole_codes(codes: NDArray[Any], count: int, seed: int, *, prior: str = "gaussian") -> Codes:
    """Draw codes from the holes: from a prior, kept where :meth:`Cloud.in_hole`.

    Args:
        codes: ``(number, size)``, of an encoder.
        count: how many to give.
        seed: from 0 to 2^32 - 1.
        prior: ``"standard"`` for N(0, I), and otherwise the Gaussian of ``codes``: those that
            ``gensuite.health`` reports as empty are the holes of the model's own prior.

    Returns:
        ``(count, size)`` float32.

    Raises:
        InputError: a code is not finite, all are the same, or in a million draws there are
            fewer than ``count`` in holes.
    """
    cloud = Cloud.of(codes)
    whitening = cloud.whitening
    size = len(whitening.mean) if prior == "standard" else whitening.used
    found = np.empty((0, size))
    for first in range(0, _MAX_DRAWS, _DRAWS):
        draws = standard_normal(_DRAWS, size, seed=seed, first=first, stream=PRIOR_STREAM)
        points = draws.astype(np.float64)
        white_points = whitening.whiten(points) if prior == "standard" else points
        found = np.concatenate(
            [found, points[nearest(white_points, cloud.white)[0][:, 0] > cloud.limit]]
        )
        if len(found) >= count:
            drawn = found[:count] if prior == "standard" else whitening.colour(found[:count])
            return np.asarray(drawn, np.float32)
    raise InputError(
        f"count: {count} codes in holes asked for; {len(found)} found in {_MAX_DRAWS:,} draws"
    )
