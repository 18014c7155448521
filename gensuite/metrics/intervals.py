"""Scores with their sampling noise: the bootstrap (Efron & Tibshirani, 1993), seeded.

Every interval is of 95%. It tells how far a score of other images of the same number would lie,
and not how another training would do. Each score's protocol says
which images were resampled: for recall and coverage the real ones alone, for precision and density
the samples alone. Other images on both sides would move these more, by about √2 where both sides
count alike.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
"""Of means and quantiles, which are cheap."""
IMAGES_BOOTSTRAP = f"95% percentile interval of {RESAMPLES} resamples of the images"
"""What a protocol says of :func:`mean` and :func:`statistic` over images."""
_TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class Estimate:
    """A score and its interval; lists where it is one number for each class."""

    value: float | list[float]
    low: float | list[float]
    high: float | list[float]

    def to_dict(self) -> dict[str, Any]:
        """``value``, ``low`` and ``high``, for JSON."""
        return asdict(self)


def mean(values: NDArray[Any], seed: int) -> Estimate:
    """Mean of one number, or of one row, for each image, with its percentile interval.

    Args:
        values: ``(count,)`` or ``(count, columns)``.
        seed: of the resampling.
    """
    return statistic(values, lambda rows: rows.mean(axis=0), seed)


def statistic(
    values: NDArray[Any], of: Callable[[NDArray[Any]], Any], seed: int, resamples: int = RESAMPLES
) -> Estimate:
    """Any statistic of the rows, with its percentile interval.

    Args:
        values: ``(count, ...)``.
        of: the rows → a number, or an array of them.
        seed: of the resampling.
        resamples: how many.
    """
    random = np.random.default_rng(seed)
    rows = np.asarray(values, np.float64)
    again = [of(rows[random.integers(len(rows), size=len(rows))]) for _ in range(resamples)]
    low, high = np.quantile(again, _TAILS, axis=0)
    return Estimate(np.asarray(of(rows)).tolist(), low.tolist(), high.tolist())


def around(value: float, resampled: NDArray[Any]) -> Estimate:
    """A score with the spread of its resampled values, moved so that their median is the score.

    For scores that resampling pushes up: a resample repeats images, so that a distance between
    two resamples is on average larger than that between the two samples, by about as much again
    as a sample's is above that of infinitely many images. The plain percentile interval would lie
    above the score, and the reversed one below it. This one holds the noise alone; the bias, which
    depends on the counts, is in score and floor alike.
    """
    low, high = value + np.quantile(resampled, _TAILS) - np.median(resampled)
    return Estimate(value, float(low), float(high))
