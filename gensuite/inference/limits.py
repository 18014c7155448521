"""The four limits of a latent space, each with its number, its ranges and a sentence.

``health.py`` puts them together; the formulas are in ``latent_statistics.py``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gensuite.inference import latent_statistics as statistics
from gensuite.inference.holes import Array, Whitening, nearest
from gensuite.inference.inputs import Images
from gensuite.inference.latent_statistics import Labels, Range
from gensuite.inference.latents import PRIOR_STREAM, standard_normal

Decode = Callable[[NDArray[Any]], Images]


@dataclass(frozen=True)
class Number:
    """One number with its ranges."""

    value: float
    interval: Range
    """95% interval over test images."""
    band: Range
    """95% band of N(0, I) draws."""
    p: float | None = None
    """p of the test that there is nothing to find, where there is one."""

    @property
    def place(self) -> str:
        """``below``, ``inside`` or ``above`` the band."""
        if self.value < self.band[0]:
            return "below"
        return "above" if self.value > self.band[1] else "inside"

    def __str__(self) -> str:
        ranges = ((*self.interval, "interval"), (*self.band, "N(0, I) draws"))
        text = ", ".join(f"{what} {low:.3g} to {high:.3g}" for low, high, what in ranges)
        return f"{self.value:.3g} ({text})" + ("" if self.p is None else f", p {self.p:.3g}")

    def to_dict(self) -> dict[str, Any]:
        """For JSON, to 6 digits."""
        rounded = {
            "value": _rounded(self.value),
            "interval": [_rounded(end) for end in self.interval],
            "band": [_rounded(end) for end in self.band],
        }
        return rounded if self.p is None else rounded | {"p": _rounded(self.p)}


@dataclass(frozen=True)
class Limit:
    """One of the four complaints, measured."""

    headline: Number | None
    """The lower the better; ``None`` where it is not available."""
    sentence: str
    details: Mapping[str, Number] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "headline": self.headline and self.headline.to_dict(),
            "sentence": self.sentence,
            "details": {name: number.to_dict() for name, number in self.details.items()},
        }


class Sample:
    """Codes with what all four limits need: halves of them, and N(0, I) draws of their size."""

    def __init__(self, codes: Array, standard: bool, seed: int):
        self.codes = codes
        self.standard = standard
        self.whitening = Whitening.fit(codes)
        self.white = self.whitening.whiten(codes)
        self.prior = standard_normal(
            statistics.PRIOR_DRAWS, codes.shape[1], seed=seed, stream=PRIOR_STREAM
        ).astype(np.float64)
        self.rng = np.random.default_rng(seed)
        self.halves = statistics.half_samples(self.rng, len(codes))
        self._null_seed = int(self.rng.integers(2**63))

    def nulls(self) -> Iterator[Array]:
        """The same 39 sets of N(0, I) draws at every call."""
        rng = np.random.default_rng(self._null_seed)
        return (rng.standard_normal(self.codes.shape) for _ in range(statistics.NULL_DRAWS))

    @property
    def prior_name(self) -> str:
        """The prior that the model samples from, in a sentence."""
        return "N(0, I)" if self.standard else "the codes' own Gaussian"

    def both(self, raw: Number, whitened: Number) -> tuple[Number, dict[str, Number]]:
        """The headline of the model's own prior, and both by name."""
        return raw if self.standard else whitened, {"raw": raw, "whitened": whitened}


def uneven(sample: Sample, labels: Labels, class_names: Sequence[str]) -> Limit:
    """Narrow and wide: how much the classes differ in spread.

    Headline: :func:`statistics.unevenness`; beside it the widest class over the narrowest. Raw and
    whitened codes have the same, so there is one of each.

    Args:
        sample: the codes.
        labels: ``(count,)``, -1 where there is none.
        class_names: what the labels are called.
    """
    classes, size = statistics.measurable_classes(labels, sample.whitening.used)
    if not classes:
        return Limit(None, "Uneven: not available; it needs labels, 2 classes or more of 16 codes.")
    white = sample.white[:, :size]
    spreads = statistics.class_spreads(white, labels, classes)
    # A generator of its own, so that the other limits do not depend on the labels.
    masks = statistics.half_samples_of_classes(sample.rng.spawn(1)[0], labels)
    halves = [statistics.class_spreads(white[kept], labels[kept], classes) for kept in masks]
    nulls = [statistics.class_spreads(draws[:, :size], labels, classes) for draws in sample.nulls()]

    def number(of: Callable[[Array], float]) -> Number:
        value = of(spreads)
        return Number(
            value,
            statistics.interval(value, map(of, halves), 1.0, np.inf),
            statistics.band(map(of, nulls)),
        )

    def name(index: np.intp) -> str:
        label = classes[int(index)]
        return class_names[label] if label < len(class_names) else str(label)

    headline, ratio = number(statistics.unevenness), number(lambda s: float(s.max() / s.min()))
    sentence = (
        f"Uneven: classes typically differ in spread by a factor of {headline.value:.3g}; the "
        f"widest, {name(spreads.argmax())}, spreads {ratio.value:.3g} times as far as the "
        f"narrowest, {name(spreads.argmin())}. {_compared(headline)}"
    )
    return Limit(headline, sentence, {"widest_to_narrowest": ratio})


def off_centre(sample: Sample) -> Limit:
    """Off-centre: how far from 0 the mean of the codes is, and how asymmetric about 0 they are.

    Headline: :func:`statistics.mean_to_radius` of raw codes; whitening would remove just what is
    asked for. The asymmetry of whitened codes is that of their shape, with the mean at 0; it has
    no p, for a flip of signs would take their mean away from 0, where whitening has put it. Both
    are taken over the pairs of at most 500 codes.
    """
    value = statistics.mean_to_radius(sample.codes)
    headline = Number(
        value,
        statistics.interval(
            value, (statistics.mean_to_radius(sample.codes[k]) for k in sample.halves), 0, 1
        ),
        statistics.band(map(statistics.mean_to_radius, sample.nulls())),
    )
    chosen = sample.rng.permutation(len(sample.codes))[: statistics.ENERGY_CODES]
    raw, whitened = _asymmetry(sample, chosen, white=False), _asymmetry(sample, chosen, white=True)
    sentence = (
        f"Off-centre: the mean of the codes is {headline.value:.3g} of their distance from 0 away "
        f"from 0. {_compared(headline)} z and -z differ by {raw.value:.3g} of the distance "
        f"between codes (p {raw.p:.3g} that chance does it)."
    )
    return Limit(headline, sentence, {"asymmetry_raw": raw, "asymmetry_whitened": whitened})


def _asymmetry(sample: Sample, chosen: NDArray[np.intp], *, white: bool) -> Number:
    codes = (sample.white if white else sample.codes)[chosen]
    nulls = (Whitening.fit(draws).whiten(draws) if white else draws for draws in sample.nulls())
    value = statistics.asymmetry(codes)
    halves = statistics.asymmetry_halves(codes, statistics.half_samples(sample.rng, len(codes)))
    return Number(
        value,
        statistics.interval(value, halves, -1, 1),
        statistics.band(statistics.asymmetry(draws[chosen]) for draws in nulls),
        None if white else statistics.symmetry_p(codes, sample.rng),
    )


def empty(sample: Sample) -> Limit:
    """Empty: how much of the prior lies in holes, and how much of its 95% disc holds codes.

    Headline: :func:`statistics.share_in_holes` of 2,000 draws of the prior that the model samples
    from. Distances are always those of whitened codes; ``raw`` and ``whitened`` say where the
    draws come from: N(0, I), or the codes' own Gaussian. Beside it :func:`statistics.occupancy` of
    raw and of whitened codes on their first two principal axes.
    """

    def points(whitening: Whitening) -> tuple[Array, Array]:
        """The prior in whitened coordinates: N(0, I), and the codes' own Gaussian."""
        return whitening.whiten(sample.prior), sample.prior[:, : whitening.used]

    nulls = []
    for draws in sample.nulls():
        whitening = Whitening.fit(draws)
        white = whitening.whiten(draws)
        among = nearest(white, white)
        nulls.append(
            [statistics.share_in_holes(among, nearest(p, white)) for p in points(whitening)]
        )
    among = nearest(sample.white, sample.white, statistics.NEIGHBOURS)
    some = statistics.half_samples(sample.rng, len(sample.prior))
    numbers = []
    for prior, null in zip(points(sample.whitening), zip(*nulls, strict=True), strict=True):
        around = nearest(prior, sample.white, statistics.NEIGHBOURS)
        value = statistics.share_in_holes(among, around)
        halves = (
            statistics.share_in_holes(among, around, *pair)
            for pair in zip(sample.halves, some, strict=True)
        )
        numbers.append(
            Number(value, statistics.interval(value, halves, 0, 1), statistics.band(null))
        )
    headline, details = sample.both(*numbers)
    if sample.whitening.used > 1:
        details |= _occupancies(sample)
    sentence = (
        f"Empty: {headline.value:.1%} of {sample.prior_name} lies farther from any code than codes "
        f"are from each other. {_compared(headline, '.1%')}"
    )
    return Limit(headline, sentence, details)


def _occupancies(sample: Sample) -> dict[str, Number]:
    axes = sample.whitening.scaled_axes[:, :2]
    axes = axes / np.linalg.norm(axes, axis=0)
    places = {"raw": sample.codes @ axes, "whitened": sample.white[:, :2]}
    found = {}
    for name, codes in places.items():
        value = statistics.occupancy(codes)
        halves = [statistics.occupancy(codes, kept) for kept in sample.halves]
        nulls = [statistics.occupancy(draws[:, :2]) for draws in sample.nulls()]
        found[f"occupancy_{name}"] = Number(
            value, statistics.interval(value, halves, 0, 1), statistics.band(nulls)
        )
    return found


def discontinuous(sample: Sample, decode: Decode) -> Limit:
    """Discontinuous: by how much the largest step of a path exceeds its median step.

    Headline: the median of :func:`statistics.leaps` over paths between codes. A straight path
    between two codes is the same raw and whitened, so there is one number; its floor is 1. The
    bands are of paths between N(0, I) draws (``raw``) and between draws of the codes' own Gaussian
    (``whitened``) through the same decoder. That null holds the decoder fixed: above the band, it
    is between the codes that the decoder leaps; a decoder that leaps everywhere is in its band, and
    only the number itself tells.
    """
    ratios = statistics.leaps(sample.codes, decode, sample.rng)
    value = float(np.median(ratios))
    halves = statistics.half_samples(sample.rng, len(ratios))
    interval = statistics.interval(value, (np.median(ratios[kept]) for kept in halves), 1, np.inf)

    def number(prior: Array) -> Number:
        return Number(
            value, interval, _leap_band(statistics.leaps(prior, decode, sample.rng), sample)
        )

    whitened = sample.whitening.colour(sample.prior[:, : sample.whitening.used])
    headline, details = sample.both(number(sample.prior), number(whitened))
    low, high = headline.band
    sentence = (
        f"Discontinuous: on the straight way from one code to another, the image's largest step is "
        f"{value:.3g} times its median step; a decoder without leaps has 1. In the same decoder, "
        f"ways between draws of {sample.prior_name} give {low:.3g} to {high:.3g}."
    )
    return Limit(headline, sentence, details)


def _leap_band(ratios: Array, sample: Sample) -> Range:
    """Where medians of as many paths fall, by the bootstrap of paths between prior draws."""
    chosen = sample.rng.integers(len(ratios), size=(statistics.HALVES, len(ratios)))
    return statistics.band(np.median(ratios[chosen], axis=1))


def _compared(number: Number, form: str = ".3g") -> str:
    low, high = (format(end, form) for end in number.band)
    verdict = {"above": "worse than that", "inside": "as good", "below": "better than that"}
    return f"N(0, I) draws give {low} to {high}: {verdict[number.place]}."


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
