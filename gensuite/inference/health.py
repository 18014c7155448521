"""Latent health: the four limits of an autoencoder's latent space, as four numbers.

The lecture's complaints are that the codes of an AE are uneven (some classes lie narrow, others
wide), off-centre, empty in parts, and that what they decode to changes by leaps. Each becomes one
number, the lower the better, with two ranges beside it:

- its 95% **interval**: how far it would move with other test images;
- its **band**: where 95% of the numbers fall that N(0, I) draws give, as many and as long as the
  codes, with the same labels and the same decoder. In its band, the codes cannot be told from
  N(0, I) by this number.

Where the place and scale of the codes matter, a number is given twice: **raw**, held against
N(0, I), and **whitened**, held against the Gaussian with the codes' own mean and covariance. The
headline is the one of the prior that the model samples from: raw for a VAE, whitened for an AE,
which is thus not blamed for a scale that it was never asked to have. ``docs/latent-health.md``
explains all of it with pictures; the formulas are in
``latent_statistics.py`` and ``holes.py``.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gensuite.errors import InputError
from gensuite.inference import limits
from gensuite.inference.bundle import Bundle
from gensuite.inference.generator import Generator, load
from gensuite.inference.latents import MAX_SEED, draw_codes, is_whole
from gensuite.inference.limits import Decode, Limit, Sample
from gensuite.inference.manifest import ENCODER_OUTPUTS, LIMITS, NAMES

MIN_CODES = 20


@dataclass(frozen=True)
class HealthReport:
    """Latent health of one model; see the module."""

    protocol: Mapping[str, Any]
    """What was measured: ``codes``, ``drawn``, ``latent_size``, ``used`` dimensions, ``prior`` and
    ``seed``."""
    uneven: Limit
    off_centre: Limit
    empty: Limit
    discontinuous: Limit

    @property
    def limits(self) -> dict[str, Limit]:
        """The four by name, in the lecture's order."""
        return {name: getattr(self, name) for name in LIMITS}

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the protocol and the four limits."""
        return {
            "protocol": dict(self.protocol),
            **{name: limit.to_dict() for name, limit in self.limits.items()},
        }


def health(model: Bundle | Generator | str | Path, *, seed: int = 0) -> HealthReport:
    """Measure the four limits of a model's latent space on the codes in its bundle.

    Takes 1 to 5 seconds. For a VAE, one code is drawn from each test image's
    posterior (stream 17 of ``seed``): its means lie closer together than the codes that the
    decoder was trained on.

    Args:
        model: a bundle, a generator, or the path of a bundle.
        seed: from 0 to 2^32 - 1; the same seed gives the same report.

    Raises:
        BundleNotFoundError: there is no bundle at the path.
        BundleError: the bundle is not what its manifest says.
        InputError: the model is a GAN, has fewer than 20 codes or codes that are all the same, or
            the seed is not allowed.
    """
    if isinstance(model, str | Path):
        model = load(model)
    elif isinstance(model, Bundle):
        model = Generator.of(model)
    bundle = model.bundle
    if bundle.family not in ENCODER_OUTPUTS:
        raise InputError(
            f"health: {NAMES[bundle.family]} has no codes: its generator was trained from noise "
            "alone, and no encoder gives an image a place in latent space; use an AE or a VAE"
        )
    decode: Decode = model.decode
    if bundle.classes:
        decode = classes_in_turn(lambda z, label: model.decode(z, label=label), bundle.classes)
    return measure(
        bundle.codes,
        decode,
        prior=bundle.default_prior,
        class_names=bundle.manifest["dataset"].get("class_names", ()),
        seed=seed,
    )


def measure(
    arrays: Mapping[str, NDArray[Any]],
    decode: Decode,
    *,
    prior: str,
    class_names: Sequence[str] = (),
    seed: int = 0,
) -> HealthReport:
    """Measure the four limits; see :func:`health`.

    Args:
        arrays: those of ``codes.npz``: ``labels`` with ``z``, or with ``mean`` and
            ``log_variance``.
        decode: ``(count, size)`` float32 codes to ``(count, height, width, channels)`` images;
            called once for each path.
        prior: ``"standard"`` if the model samples from N(0, I).
        class_names: what the labels are called.
        seed: from 0 to 2^32 - 1.

    Raises:
        InputError: there are fewer than 20 codes, or all are the same, or the seed is not allowed.
    """
    if not is_whole(seed) or not 0 <= seed <= MAX_SEED:
        raise InputError(f"seed: {seed!r} given; allowed is a whole number from 0 to 2^32 - 1")
    codes = draw_codes(arrays, seed)
    if len(codes) < MIN_CODES:
        raise InputError(f"health: {len(codes)} codes given; allowed are {MIN_CODES} or more")
    sample = Sample(codes, prior == "standard", seed)
    return HealthReport(
        protocol={
            "codes": len(codes),
            "drawn": "z" if "z" in arrays else "one posterior draw per image",
            "latent_size": codes.shape[1],
            "used": sample.whitening.used,
            "prior": "raw" if sample.standard else "whitened",
            "seed": int(seed),
        },
        uneven=limits.uneven(sample, np.asarray(arrays["labels"]), class_names),
        off_centre=limits.off_centre(sample),
        empty=limits.empty(sample),
        discontinuous=limits.discontinuous(sample, decode),
    )


def classes_in_turn(decode: Callable[[Any, int], Any], classes: int) -> Decode:
    """A conditional decoder as :func:`measure` takes it: each path is of the next class.

    Args:
        decode: codes and the class of them all → images.
        classes: number of classes.
    """
    labels = itertools.cycle(range(classes))
    return lambda z: decode(z, next(labels))
