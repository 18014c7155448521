"""Latent codes: counter-based draws that any language can repeat, and paths between codes.

Random numbers come from Threefry 2x32 with 20 rounds (Salmon, Moraes, Dror & Shaw, "Parallel
random numbers: as easy as 1, 2, 3", SC 2011): a pure function of (seed, stream, image, pair), so
the code of image 7 is the same in every batch, shard and worker. ``docs/bundle-format.md`` writes
the recipe up for other languages.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gensuite.errors import InputError

Codes = NDArray[np.float32]
Words = NDArray[np.uint32]

CODE_STREAM, LABEL_STREAM, COMPONENT_STREAM = 0, 1, 2
PRIOR_STREAM, POSTERIOR_STREAM = 16, 17
"""Streams of a seed: those of sampling; then prior and posterior draws that measure a model."""
MAX_SEED = 2**32 - 1
MAX_COUNT = 2**32
MAX_STEPS = 10_000

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_WORD = 0xFFFFFFFF


def threefry2x32(key: tuple[int, int], counter: tuple[Words, Words]) -> tuple[Words, Words]:
    """Threefry 2x32-20: two words of random bits for every counter.

    Args:
        key: two words below 2^32.
        counter: two uint32 arrays of one shape.

    Returns:
        Two uint32 arrays of that shape.
    """
    seed, stream = int(key[0]), int(key[1])  # numpy's narrow integers would overflow
    keys = (seed, stream, seed ^ stream ^ _PARITY)
    x0 = counter[0] + np.uint32(keys[0])
    x1 = counter[1] + np.uint32(keys[1])
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = (x1 << np.uint32(rotation)) | (x1 >> np.uint32(32 - rotation))
            x1 = x1 ^ x0
        x0 = x0 + np.uint32(keys[(group + 1) % 3])
        x1 = x1 + np.uint32((keys[(group + 2) % 3] + group + 1) & _WORD)
    return x0, x1


def standard_normal(
    count: int, size: int, *, seed: int, first: int = 0, stream: int = CODE_STREAM
) -> Codes:
    """Draw N(0, I) codes of the images ``first`` to ``first + count - 1``.

    Args:
        count: number of codes.
        size: numbers in a code.
        seed: from 0 to 2^32 - 1.
        first: index of the first image.
        stream: which of a seed's independent streams.

    Returns:
        ``(count, size)`` float32. Row i depends on seed, stream and ``first + i`` alone.
    """
    pairs = (size + 1) // 2
    image = np.repeat(np.arange(first, first + count, dtype=np.uint32), pairs)
    pair = np.tile(np.arange(pairs, dtype=np.uint32), count)
    words = threefry2x32((seed, stream), (image, pair))
    u_radius, u_angle = ((word.astype(np.float64) + 0.5) / 2.0**32 for word in words)
    # Box and Muller (1958): two independent normal numbers from two uniform ones.
    radius = np.sqrt(-2.0 * np.log(u_radius))
    angle = 2.0 * np.pi * u_angle
    normal = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    return normal.reshape(count, 2 * pairs)[:, :size].astype(np.float32)


def categorical(
    shares: NDArray[np.float64], count: int, *, seed: int, stream: int, first: int = 0
) -> NDArray[np.int32]:
    """Draw a number from 0 on for each of the images ``first`` to ``first + count - 1``.

    Args:
        shares: probability of each number; their sum is 1.
        count: number of draws.
        seed: from 0 to 2^32 - 1.
        stream: ``LABEL_STREAM`` or ``COMPONENT_STREAM``.
        first: index of the first image.

    Returns:
        ``(count,)`` int32. Draw i depends on seed, stream, shares and ``first + i`` alone: it is
        the first number whose cumulative share is above a uniform number.
    """
    image = np.arange(first, first + count, dtype=np.uint32)
    word, _ = threefry2x32((seed, stream), (image, np.zeros_like(image)))
    uniform = (word.astype(np.float64) + 0.5) / 2.0**32
    # The last cumulative share is 1 but for rounding.
    return np.searchsorted(np.cumsum(shares)[:-1], uniform, side="right").astype(np.int32)


def draw_codes(ports: Mapping[str, NDArray[Any]], seed: int) -> NDArray[np.float64]:
    """One code for each image: of a VAE a draw from its posterior, on stream 17 of the seed.

    Args:
        ports: what the encoder gave: ``z``, or ``mean`` and ``log_variance``, ``(count, size)``.
        seed: from 0 to 2^32 - 1.

    Returns:
        ``(count, size)``.
    """
    if "z" in ports:
        return np.asarray(ports["z"], np.float64)
    mean, log_variance = (np.asarray(ports[key], float) for key in ("mean", "log_variance"))
    noise = standard_normal(*mean.shape, seed=seed, stream=POSTERIOR_STREAM)
    return np.asarray(mean + np.exp(log_variance / 2) * noise)


def is_whole(value: Any) -> bool:
    """Whether an argument is a whole number of Python or numpy; true and false are not."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def interpolate(start: Codes, end: Codes, steps: int, path: str = "linear") -> Codes:
    """Codes on the way from one code to another, both included.

    Args:
        start: ``(size,)``.
        end: ``(size,)``.
        steps: number of codes, at least 2.
        path: ``"linear"`` for the straight line; ``"spherical"`` for the great arc between the
            two directions with the length going evenly from one to the other (Shoemake 1985),
            which stays where a Gaussian prior in many dimensions has its mass.

    Returns:
        ``(steps, size)`` float32.

    Raises:
        InputError: ``path`` is unknown or ``steps`` is not a whole number from 2 to 10,000.
    """
    if path not in ("linear", "spherical"):
        raise InputError(f"path: {path!r} given; allowed are 'linear' and 'spherical'")
    if not is_whole(steps) or not 2 <= steps <= MAX_STEPS:  # both ends are part of the path
        raise InputError(f"steps: {steps!r} given; allowed is a whole number from 2 to {MAX_STEPS}")
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    t = np.linspace(0.0, 1.0, steps)[:, None]
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    if path == "linear" or min(lengths) == 0:
        return np.asarray((1 - t) * a + t * b, np.float32)
    unit_a, unit_b = a / lengths[0], b / lengths[1]
    angle = np.arctan2(np.linalg.norm(unit_a - unit_b), np.linalg.norm(unit_a + unit_b)) * 2
    if np.sin(angle) < 1e-6:  # same or opposite directions: no arc, or no one arc, between them
        return np.asarray((1 - t) * a + t * b, np.float32)
    direction = (np.sin((1 - t) * angle) * unit_a + np.sin(t * angle) * unit_b) / np.sin(angle)
    return np.asarray(direction * ((1 - t) * lengths[0] + t * lengths[1]), np.float32)
