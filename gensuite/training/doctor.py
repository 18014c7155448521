"""The doctor: what ails a training, told from its settings and its history.

Pure functions of rows as ``history.csv`` has them. An illness is named when its sign has stood in
each of the last few epochs of a training that has had time to move, and is taken back when the
sign goes away: remarks speak of the run as it is. ``docs/doctor.md`` gives the reason of every
threshold.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from gensuite.config import GANConfig, TrainingConfig, VAEConfig

Row = Mapping[str, float]

EPOCHS = 5
"""A sign must stand in so many last epochs."""
STEPS = 200
"""Training steps before which networks are still on their way from their random start."""
ONE_BIT = math.log(2)
"""Nats of KL below which codes cannot even tell two halves of the images apart."""
NATS_PER_NUMBER = 9.0
"""Nats of KL for each number of a code above which posteriors are needles in the prior."""
SURE = 0.98
"""Difference of D(x) and D(G(z)), both means, above which the discriminator has won."""
WAY = 1.0
"""A generator's own steps times its learning rate, which is about how far Adam has moved a weight,
before which it may still be showing one kind of image on its way to many."""
SPREAD = 0.5
"""Spread of samples, relative to real images, below which they are of one kind."""
NEAREST = 0.06
"""Distance to the nearest sample, as a share of the spread and relative to real images, below
which it is the same again."""
WARMUP = 20
"""Epochs of KL warm-up for a training that had none."""
ROOM = 8
"""Numbers in a code that leave room for images of many kinds."""
LEARNING_RATE = 1e-3
"""Adam's own default, at which every network of the suite trains."""


@dataclass(frozen=True)
class Finding:
    """What one row shows of an illness."""

    seen: str
    """The sign with its figures."""
    cause: str
    remedy: str
    """Flags of ``gensuite.train`` that replace or join those of the run."""


@dataclass(frozen=True)
class Remark:
    """One illness of a run; what is seen is of the newest epoch."""

    code: str
    """Stable, for programs: ``posterior_collapse``, ``kl_scale``, ``saturated_discriminator``,
    ``mode_collapse``, ``duplicate_samples`` or ``nan``."""
    epoch: int
    """The first of the epochs in a row that show it."""
    seen: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        return (
            f"{self.code.replace('_', ' ')} since epoch {self.epoch}: {self.seen}. "
            f"Cause: {self.cause}. Remedy: train anew with {self.remedy}"
        )


def diagnose(config: TrainingConfig, rows: Sequence[Row]) -> list[Remark]:
    """Name what ails a run.

    Args:
        config: the run's settings.
        rows: one for each epoch so far, as ``history.csv`` has them, with ``epoch`` and ``step``.
            A sign whose column is missing is not looked for.

    Returns:
        At most one remark, empty for a healthy run: where an illness brings others with it (the
        samples of a collapsed posterior are duplicates too), the cause is named, not they.
    """
    for code, look in _ILLNESSES.items():
        found: list[Finding] = []
        for row in reversed(rows):
            finding = look(config, row)
            if finding is None:
                break
            found.append(finding)
        if len(found) >= (1 if look is _nan else EPOCHS):
            return [Remark(code, int(rows[-len(found)]["epoch"]), **asdict(found[0]))]
    return []


def to_json(remarks: Sequence[Remark]) -> bytes:
    """``remarks.json``: a list with one object for each remark."""
    return (json.dumps([asdict(remark) for remark in remarks], indent=2) + "\n").encode()


def _nan(config: TrainingConfig, row: Row) -> Finding | None:
    broken = [name for name, value in row.items() if not math.isfinite(value)]
    if not broken:
        return None
    rate = config.learning_rate
    return Finding(
        f"{', '.join(broken[:3])} not finite",
        f"steps of {rate:g} are too long, so that weights ran away",
        _gentler(rate),
    )


def _posterior_collapse(config: TrainingConfig, row: Row) -> Finding | None:
    """KL(q(z|x) ‖ p(z)), averaged over x, is no less than what a code tells of its image."""
    if not (isinstance(config, VAEConfig) and _settled(config, row)):
        return None
    kl = row.get("kl", math.nan)
    if not kl < ONE_BIT:
        return None
    seen = f"kl {kl:.2g} nats, less than one bit: codes tell nothing of the images"
    if config.beta > 1:
        return Finding(
            seen,
            f"beta {config.beta:g} makes every nat of a code cost more than it saves",
            "--beta 1",
        )
    warmup = 2 * config.kl_warmup or WARMUP
    longer = f" --epochs {2 * warmup}" if warmup >= config.epochs else ""
    return Finding(
        seen,
        "the KL divergence was at full weight before the decoder had learned to use codes",
        f"--kl-warmup {warmup}{longer}",
    )


def _kl_scale(config: TrainingConfig, row: Row) -> Finding | None:
    if not (isinstance(config, VAEConfig) and _settled(config, row)):
        return None
    kl = row.get("kl", math.nan)
    each = kl / config.latent_dim
    if not each > NATS_PER_NUMBER:
        return None
    return Finding(
        f"kl {kl:.3g} nats, {each:.3g} for each of {config.latent_dim} numbers: posteriors "
        "are needles outside of the prior, and samples from it are none of the data",
        f"beta {config.beta:g} counts the KL divergence less than the likelihood, as averaging one "
        "over pixels and summing the other does",
        f"--beta {1.0 if config.beta < 1 else 4 * config.beta:g}",
    )


def _saturated_discriminator(config: TrainingConfig, row: Row) -> Finding | None:
    if not (isinstance(config, GANConfig) and _settled(config, row)):
        return None
    if config.loss == "wgan_gp":  # its critic gives no probability
        return None
    real, generated = (row.get(f"{name}_score", math.nan) for name in ("real", "generated"))
    if not real - generated > SURE:
        return None
    rate, judge = config.learning_rate, config.discriminator_learning_rate or config.learning_rate
    if judge > rate and rate < LEARNING_RATE / 10:
        cause = f"the generator learns at {rate:g}, too slowly to follow"
        remedy = f"--learning-rate {LEARNING_RATE:g}"
    elif judge > rate:
        cause = f"the discriminator learns at {judge:g}, the generator slower, at {rate:g}"
        remedy = f"--discriminator-learning-rate {rate:g}"
    elif rate > LEARNING_RATE:
        cause = f"steps of {rate:g} are too long, and the generator could not come back"
        remedy = _gentler(rate)
    else:
        cause = "the discriminator is too strong, or has learned the images by heart"
        remedy = f"--discriminator-learning-rate {judge / 4:g}"
    return Finding(
        f"D(x) {real:.3f} and D(G(z)) {generated:.3f}, apart by more than {SURE:g}",
        cause,
        remedy,
    )


def _mode_collapse(config: TrainingConfig, row: Row) -> Finding | None:
    if not (isinstance(config, GANConfig) and _settled(config, row)):
        return None
    moved = row["step"] // config.discriminator_steps * config.learning_rate
    if not (moved >= WAY and row.get("sample_spread", math.nan) < SPREAD):
        return None
    return Finding(
        f"samples differ from each other by {row['sample_spread']:.2g} of what images do",
        *_calm(config),
    )


def _duplicate_samples(config: TrainingConfig, row: Row) -> Finding | None:
    if not _settled(config, row):
        return None
    spread, nearest = (row.get(f"sample_{name}", math.nan) for name in ("spread", "nearest"))
    if not nearest < NEAREST * spread:
        return None
    seen = (
        f"the nearest other sample is at {nearest:.2g} of the distance between nearest images, "
        f"where samples differ by {spread:.2g} of what images do"
    )
    if config.latent_dim >= ROOM:
        return Finding(seen, *_calm(config))
    return Finding(
        seen,
        f"codes of length {config.latent_dim} leave little room",
        f"--latent-dim {ROOM}",
    )


def _calm(config: TrainingConfig) -> tuple[str, str]:
    """Cause and remedy where a network has run into giving the same images for all codes."""
    rate = config.learning_rate
    judge = getattr(config, "discriminator_learning_rate", None) or rate
    if judge != rate:
        return (
            f"the discriminator learns at {judge:g} and the generator at {rate:g}, so that one "
            "runs ahead of the other",
            f"--discriminator-learning-rate {rate:g}",
        )
    return f"steps of {rate:g} are too long", _gentler(rate)


def _gentler(rate: float) -> str:
    return f"--learning-rate {LEARNING_RATE if rate > LEARNING_RATE else rate / 5:g}"


def _settled(config: TrainingConfig, row: Row) -> bool:
    """Whether the training has had time to move, and its loss is what it will stay."""
    warmup = config.kl_warmup if isinstance(config, VAEConfig) else 0
    return row["step"] >= STEPS and row["epoch"] > warmup


_ILLNESSES: dict[str, Callable[[TrainingConfig, Row], Finding | None]] = {
    "nan": _nan,
    "posterior_collapse": _posterior_collapse,
    "kl_scale": _kl_scale,
    "saturated_discriminator": _saturated_discriminator,
    "duplicate_samples": _duplicate_samples,
    "mode_collapse": _mode_collapse,
}
"""In an order in which an earlier one can be the cause of a later."""
