"""Statistics of latent codes behind latent health, as pure functions; ``limits.py`` reports them.

Intervals come from half-samples: the number of a random half of the codes varies as the number of
all codes does (the variance of a half drawn without replacement is σ²/(n/2) · (1 - 1/2) = σ²/n;
McCarthy, "Pseudo-replication: half samples", 1969). Unlike the bootstrap with replacement, a half
holds no code twice, which would give it a neighbour at distance zero. The 2.5% and 97.5% quantiles
of the halves, moved so that their median is the number itself, are the interval. Occupancy and the
share in holes do not vary quite as all do, for half the codes lie half as densely: moving them
takes that shift away, and their intervals' width is approximate.

Bands come from 39 sets of N(0, I) draws: with the number itself that makes 40, and their lowest
and highest are the 2.5% and 97.5% points (Besag & Diggle, "Simple Monte Carlo tests for spatial
pattern", 1977).
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gensuite.inference.holes import QUANTILE, Array, Nearest
from gensuite.inference.inputs import Images

Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]
Range = tuple[float, float]

HALVES = 200
NULL_DRAWS = 39
PATHS = 64
STEPS = 63
"""So that the images of a path are whole runs of the model."""

FLIPS = 199
ENERGY_CODES = 500
PRIOR_DRAWS = 2000

NEIGHBOURS = 16
_LEAST_OF_CLASS = 16
_CLASS_FLOOR = 1e-6
_PER_CELL = 5


def interval(value: float, halves: Iterable[float], low: float, high: float) -> Range:
    """The 95% interval of a number, from its values on half-samples.

    Args:
        value: the number of all codes.
        halves: the number of each half.
        low: the smallest value it can have.
        high: the largest value it can have.
    """
    values = np.fromiter(halves, float)
    ends = np.quantile(values - np.median(values), (0.025, 0.975)) + value
    start, end = np.clip(ends, low, high)
    return float(start), float(end)


def band(values: Iterable[float]) -> Range:
    """The 2.5% and 97.5% points of a number's values on N(0, I) draws."""
    # Of 39 values, Weibull's rule p = rank / (n + 1) makes these the lowest and the highest.
    low, high = np.quantile(np.fromiter(values, float), (0.025, 0.975), method="weibull")
    return float(low), float(high)


def half_samples(rng: np.random.Generator, count: int) -> Mask:
    """``(HALVES, count)`` masks, each with half of ``count`` true."""
    order = rng.random((HALVES, count)).argsort(axis=1)
    return np.asarray(order < count // 2)


def half_samples_of_classes(rng: np.random.Generator, labels: Labels) -> Mask:
    """``(HALVES, count)`` masks, each with half of every class true, so that none runs out."""
    masks = np.zeros((HALVES, len(labels)), bool)
    for each in np.unique(labels):
        members = np.flatnonzero(labels == each)
        masks[:, members] = half_samples(rng, len(members))
    return masks


# Uneven


def class_spreads(codes: Array, labels: Labels, classes: Iterable[int]) -> Array:
    """How far each class spreads: the generalized variance det Σ (Wilks 1932) as a length.

    det(Σ)^(1/2d) is the standard deviation per dimension of a ball with the volume of the class'
    ellipsoid, so sizes of latent space can be compared.

    Args:
        codes: ``(count, size)``, whitened.
        labels: ``(count,)``.
        classes: those to measure.

    Returns:
        ``(classes,)``, in standard deviations of all codes. A millionth is added to each class'
        variances, so that a class of one point is very narrow, and not infinitely so.
    """
    size = codes.shape[1]
    covariances = []
    for each in classes:
        members = codes[labels == each]
        centred = members - members.mean(axis=0)
        product = np.einsum("ni,nj->ij", centred, centred)  # see holes._ONE_THREAD
        covariances.append(product / (len(members) - 1) + _CLASS_FLOOR * np.eye(size))
    return np.asarray(np.exp(np.linalg.slogdet(np.stack(covariances))[1] / (2 * size)))


def unevenness(spreads: Array) -> float:
    """The factor by which classes typically differ in spread: their geometric standard deviation.

    exp(√(mean of (ln s - mean ln s)²)); 1 when all classes spread equally. As an affine map of all
    codes multiplies every spread by the same factor, it changes nothing here, and raw and whitened
    codes have the same number.
    """
    return float(np.exp(np.log(spreads).std()))


def measurable_classes(labels: Labels, size: int) -> tuple[list[int], int]:
    """The classes that have codes enough, and how many principal components that is enough for.

    A covariance needs several codes per dimension, also that of half a class: classes with fewer
    than 16 codes are left out, and the first ``smallest class // 4`` components are looked at
    where there are more.
    """
    values, counts = np.unique(labels[labels >= 0], return_counts=True)
    enough = counts >= _LEAST_OF_CLASS
    if enough.sum() < 2:
        return [], 0
    return [int(each) for each in values[enough]], min(size, int(counts[enough].min()) // 4)


# Off-centre


def mean_to_radius(codes: Array) -> float:
    """How far the codes' mean is from 0, as a share of how far the codes are: ‖E z‖ / √(E‖z‖²).

    0 when they lie around 0, 1 when all are at one place elsewhere. Scale does not matter.
    """
    return float(np.linalg.norm(codes.mean(axis=0)) / np.sqrt(np.square(codes).sum(axis=1).mean()))


def pair_distances(codes: Array) -> tuple[Array, Array]:
    """‖z - z'‖ and ‖z + z'‖ for all pairs, both ``(count, count)``."""
    lengths = np.square(codes).sum(axis=1)
    product = np.einsum("ik,jk->ij", codes, codes)  # see holes._ONE_THREAD
    squares = lengths[:, None] + lengths
    apart = np.sqrt(np.maximum(squares - 2 * product, 0.0))
    across = np.sqrt(np.maximum(squares + 2 * product, 0.0))
    np.fill_diagonal(apart, 0.0)  # a code is not a pair
    np.fill_diagonal(across, 0.0)
    return apart, across


def asymmetry(codes: Array) -> float:
    """The energy distance between z and -z as a share: 1 - E‖z - z'‖ / E‖z + z'‖ over pairs.

    Székely & Rizzo, "Energy statistics", 2013: E = 2 E‖z + z'‖ - 2 E‖z - z'‖ is 0 for codes that
    are symmetric about 0, and otherwise positive; divided by 2 E‖z + z'‖ it is their coefficient of
    inhomogeneity, from 0 to 1. Over pairs of different codes, so that by chance it may fall
    slightly below 0.
    """
    apart, across = pair_distances(codes)
    return float(1 - apart.sum() / across.sum())


def asymmetry_halves(codes: Array, halves: Mask) -> Array:
    """:func:`asymmetry` of each half: ``(HALVES,)``."""
    apart, across = pair_distances(codes)
    chosen = halves.T.astype(float)
    sums = [(chosen * (matrix @ chosen)).sum(axis=0) for matrix in (apart, across)]
    return np.asarray(1 - sums[0] / sums[1])


def symmetry_p(codes: Array, rng: np.random.Generator) -> float:
    """The p of the sign-flip test of symmetry about 0: how often chance is as asymmetric.

    If z and -z have the same distribution, the codes' signs may be flipped at random and nothing
    changes. Flipping the sign of one of a pair exchanges ‖z - z'‖ and ‖z + z'‖, so with signs s and
    A = ‖z + z'‖ - ‖z - z'‖ every flip's energy distance is s'As.
    """
    apart, across = pair_distances(codes)
    difference = across - apart
    signs = rng.choice([-1.0, 1.0], (len(codes), FLIPS))
    flipped = (signs * (difference @ signs)).sum(axis=0)
    return float((1 + (flipped >= difference.sum()).sum()) / (1 + FLIPS))


# Empty


def share_in_holes(
    among: Nearest, around: Nearest, kept: Mask | None = None, points: Mask | None = None
) -> float:
    """The share of points that are farther from any code than 95% of codes are from their nearest.

    Args:
        among: the codes' own :func:`nearest`, 16 of them for half-samples and otherwise 1.
        around: the points'.
        kept: ``(codes,)``, the codes to go by; all when not given.
        points: ``(points,)``, the points to count; all when not given.
    """
    if kept is None or points is None:
        return float((around[0][:, 0] > np.quantile(among[0][:, 0], QUANTILE)).mean())
    limit = np.quantile(_first_kept(among, kept)[kept], QUANTILE)
    return float((_first_kept(around, kept)[points] > limit).mean())


def _first_kept(found: Nearest, kept: Mask) -> Array:
    """Distance to the nearest kept code. That none of 16 is kept hardly happens (2^-16)."""
    distances, indices = found
    first = kept[indices].argmax(axis=1)
    return np.asarray(distances[np.arange(len(first)), first])


def cells(codes: Array, count: int) -> NDArray[np.intp]:
    """Which cell of a polar grid each code lies in; -1 outside of the prior's 95% disc.

    The grid's rings and sectors cut the disc of N(0, I) in two dimensions into about ``count``
    cells, each with the same share of the prior: r² of N(0, I) is exponential, so ring k of n ends
    at r = √(-2 ln(1 - 0.95 k/n)).

    Args:
        codes: ``(count, 2 or more)``; the first two numbers are looked at.
        count: cells wished for.

    Returns:
        ``(count,)`` from 0 to one less than the number of cells, or -1.
    """
    sectors, rings = _grid(count)
    x, y = codes[:, 0], codes[:, 1]
    mass = -np.expm1(-(x**2 + y**2) / 2) / 0.95
    ring = np.floor(mass * rings).astype(np.intp)
    sector = np.floor((np.arctan2(y, x) / (2 * np.pi) + 0.5) * sectors).astype(np.intp) % sectors
    return np.where(mass < 1, ring * sectors + sector, -1)


def _grid(count: int) -> tuple[int, int]:
    """Sectors and rings; twice as many sectors, which makes cells about as long as wide."""
    rings = max(1, round(float(np.sqrt(count / 2))))
    return max(1, round(count / rings)), rings


def occupancy(codes: Array, kept: Mask | None = None) -> float:
    """The share of the cells of the prior's 95% disc that hold a code.

    There is a cell for every 5 codes, so N(0, I) draws leave about e^-5 = 1% of them empty.

    Args:
        codes: ``(count, 2 or more)``; the first two numbers are looked at.
        kept: ``(count,)``, the codes to go by, in the cells of all; all when not given.
    """
    sectors, rings = _grid(max(1, len(codes) // _PER_CELL))
    cell = cells(codes, max(1, len(codes) // _PER_CELL))
    if kept is not None:
        cell = cell[kept]
    return len(np.unique(cell[cell >= 0])) / (sectors * rings)


# Discontinuous


def leaps(
    codes: Array, decode: Callable[[NDArray[Any]], Images], rng: np.random.Generator
) -> Array:
    """How much larger the largest step of a path is than its median step, of 64 paths.

    A path leads straight from one code to another in 63 equal steps; a step's length is the
    root of the mean squared change of the pixels. A decoder that is linear along the path has 1;
    one that stands still and leaps once has 63, and that is where the ratio is cut off, because
    its median step may be zero.

    Args:
        codes: ``(count, size)``.
        decode: codes to images.
        rng: chooses the pairs.

    Returns:
        ``(paths,)``, fewer than 64 where there are not twice as many codes.
    """
    pairs = rng.permutation(len(codes))[: 2 * min(PATHS, len(codes) // 2)].reshape(2, -1)
    at = np.linspace(0.0, 1.0, STEPS + 1)[:, None]
    ratios = []
    for start, end in zip(codes[pairs[0]], codes[pairs[1]], strict=True):
        images = decode(((1 - at) * start + at * end).astype(np.float32))
        steps = np.sqrt(np.square(np.diff(images, axis=0)).mean(axis=(1, 2, 3), dtype=float))
        largest = steps.max()
        ratios.append(largest / max(np.median(steps), largest / STEPS) if largest > 0 else 1.0)
    return np.array(ratios)
