"""Latent health and scores of several models side by side, each number explained."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import altair as alt
import streamlit as st

from gensuite.inference.bundle import Bundle
from gensuite.inference.manifest import LIMITS
from gensuite.scores import groups, rows
from studio import charts
from studio.language import plain, t
from studio.parts import table, teach_scores

HEALTH = {
    "uneven": ("Uneven", "How differently wide the classes lie; 1 when all are equally wide."),
    "off_centre": ("Off-centre", "How far the codes' middle is from 0; 0 when they lie around it."),
    "empty": (
        "Empty",
        "Share of the prior's draws that land far from every code; N(0, I) itself has about 5%.",
    ),
    "discontinuous": (
        "Discontinuous",
        "The largest step of an image on the way from one code to another, in median steps; 1 "
        "when it changes evenly.",
    ),
}
"""Limit → its title and what its number says."""

SCORES = {
    "log-likelihood": "How probable the model finds test images; higher is better.",
    "ELBO": "The bound on the log-likelihood that a VAE maximizes; higher is better.",
    "reconstruction term": "The ELBO's first half: how well an image is drawn again from its code.",
    "KL term": "The ELBO's second half: how far posteriors are from N(0, I).",
    "RMSE per pixel": "Error of a reconstruction, on the images' scale of 0 to 1; lower is better.",
    "MSE per pixel": "Squared error of a reconstruction; lower is better.",
    "SSIM": "Likeness of image and reconstruction in structure; 1 is equal.",
    "Fréchet distance": "Distance of samples from test images in a classifier's features; lower "
    "is better.",
    "KID": "The same question asked with a kernel; lower is better.",
    "precision": "Share of samples that look like real images.",
    "recall": "Share of real images that samples come near to.",
    "density": "How densely real images lie around the samples; 1 is as among real ones.",
    "coverage": "Share of real images that have a sample nearby.",
    "nearest training image": "Distance to the nearest training image; below the floor, the model "
    "has memorized.",
    "nearer than 99% of test images": "Share of samples that are suspiciously near to a training "
    "image.",
    "classifier's entropy": "How undecided a classifier is about the images; lower is clearer.",
    "classifier unsure": "Share of images whose class a classifier cannot tell.",
    "share of a class": "How often a class is drawn; a collapsed model leaves some out.",
    "classifier agrees with the asked class": "How often a conditional model draws what was asked "
    "for.",
}
"""Name of a score, without its unit → what it says."""

LOWER_IS_BETTER = {
    "mse": True,
    "rmse": True,
    "ssim": False,
    "frechet": True,
    "kid": True,
    "precision": False,
    "recall": False,
    "coverage": False,
    "entropy": True,
    "unsure": True,
    "log_likelihood": False,
    "elbo": False,
    "agreement": False,
}
"""Key of a score by which one model can be better than another → which way."""

OF_THE_MODEL = {"prior", "code"}
"""What a protocol says of the model itself; the rest must agree where two are compared."""


@dataclass
class Line:
    """One score of several models."""

    key: str
    cells: dict[str, str] = field(default_factory=dict)
    """Family → value and interval."""

    floors: dict[str, str] = field(default_factory=dict)
    """Family → what real images score."""

    scores: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Family → the score itself."""


def show_health(models: Mapping[str, Bundle]) -> None:
    """Draw the four limits of AE and VAE beside each other, and who is better.

    Args:
        models: family → bundle.
    """
    measured = {
        family: model.manifest["health"]
        for family, model in models.items()
        if "health" in model.manifest
    }
    st.header(t("Latent health"))
    if not measured:
        st.info(t("Neither an AE nor a VAE with latent health is here."))
        return
    st.caption(
        t(
            "The lecture's four limits as numbers, the lower the better: value (dot) with its 95% "
            "interval (line), before what N(0, I) draws give (grey). An AE is held against the "
            "Gaussian of its own codes, from which it is sampled. A GAN has no codes to measure."
        )
    )
    for limit, column in zip(LIMITS, st.columns(len(LIMITS), gap="medium"), strict=True):
        title, meaning = HEALTH[limit]
        numbers = {family: health[limit]["headline"] for family, health in measured.items()}
        there = {family: number for family, number in numbers.items() if number}
        with column:
            st.markdown(f"**{t(title)}**")
            if there:
                st.altair_chart(ranges(there), alt=f"{t(title)}: {in_words(there)}")
                st.caption(plain(in_words(there)))
            st.caption(t(meaning))
            st.markdown(verdict(there))


def in_words(numbers: Mapping[str, Mapping[str, Any]]) -> str:
    """Value, interval and band of each family."""
    return "; ".join(
        t(
            "{family} {value:.3g} ({low:.3g} to {high:.3g}), N(0, I) {floor:.3g} to {ceiling:.3g}",
            family=family.upper(),
            value=number["value"],
            low=number["interval"][0],
            high=number["interval"][1],
            floor=number["band"][0],
            ceiling=number["band"][1],
        )
        for family, number in numbers.items()
    )


def ranges(numbers: Mapping[str, Mapping[str, Any]]) -> alt.LayerChart:
    """Values with their intervals before the bands of N(0, I) draws, one column a family."""
    lines = [
        {
            "family": family.upper(),
            "value": number["value"],
            "low": number["interval"][0],
            "high": number["interval"][1],
            "floor": number["band"][0],
            "ceiling": number["band"][1],
        }
        for family, number in numbers.items()
    ]
    base = charts.marks(lines).encode(
        x=alt.X("family:N", title=None, axis=alt.Axis(labelAngle=0)),
        tooltip=[alt.Tooltip(f"{name}:Q", format=".3g") for name in ("value", "low", "high")],
    )
    band = base.mark_bar(size=36, color="#8d949c", opacity=0.45).encode(
        y=alt.Y("floor:Q", title=None, scale=alt.Scale(zero=False)), y2="ceiling:Q"
    )
    interval = base.mark_rule(strokeWidth=3, color="#0072b2").encode(y="low:Q", y2="high:Q")
    value = base.mark_point(filled=True, size=90, opacity=1, color=charts.ACCENT)
    layers = alt.layer(band, interval, value.encode(y="value:Q"))
    return cast("alt.LayerChart", layers.properties(height=200))


def verdict(numbers: Mapping[str, Mapping[str, Any]]) -> str:
    """Who is better, where the intervals tell."""
    if len(numbers) < 2:
        return t("One of the two was not measured.")
    better = best({family: number["interval"] for family, number in numbers.items()}, lower=True)
    if better:
        return t("**The {family} is better**; the intervals lie apart.", family=better.upper())
    return t("**No winner**: the intervals overlap.")


def best(intervals: Mapping[str, Sequence[float]], *, lower: bool) -> str | None:
    """The one whose interval lies on the better side of every other; none where two overlap.

    Args:
        intervals: name → low and high end.
        lower: whether lower is better.
    """
    sign = 1 if lower else -1
    ends = {name: sorted((sign * low, sign * high)) for name, (low, high) in intervals.items()}
    first, *others = sorted(ends, key=lambda name: ends[name][1])
    return first if all(ends[first][1] < ends[other][0] for other in others) else None


def show_scores(models: Mapping[str, Bundle]) -> None:
    """Draw the scores of all models in one table, each explained, and say who is best.

    Args:
        models: family → bundle.
    """
    st.header(t("Scores"))
    found = collect(models)
    if not found:
        teach_scores()
        return
    st.caption(
        t(
            "Value and 95% interval over images: another training would differ too. Floor: what "
            "real images score. Best: the model whose interval lies apart from all others'. The "
            "page Model card has the protocol of each."
        )
    )
    winners = {name: winner(line) for name, line in found.items()}
    st.markdown(count_winners(models, list(winners.values())))
    lines = [
        (
            name,
            *(line.cells.get(family, "—") for family in models),
            " · ".join(sorted(set(line.floors.values()))),
            winners[name],
            t(SCORES[said]) if (said := name.split(": ", 1)[1].split(",")[0]) in SCORES else "",
        )
        for name, line in found.items()
    ]
    families = [family.upper() for family in models]
    table((t("score"), *families, t("floor"), t("best"), t("what it says")), lines)


def collect(models: Mapping[str, Bundle]) -> dict[str, Line]:
    """Group and name of every score → the score of each model."""
    found: dict[str, Line] = {}
    for family, model in models.items():
        for title, group in groups(model.manifest.get("scores", {})):
            for key, score in group.items():
                for name, value, interval, floor in rows({key: score}):
                    line = found.setdefault(f"{title}: {name}", Line(key))
                    line.cells[family] = f"{value} ({interval})"
                    line.floors[family] = floor
                    line.scores[family] = score
    return found


def winner(line: Line) -> str:
    """The best model in capitals; a word where there is none, and nothing to compare is ``—``."""
    scores = line.scores.values()
    lists = any(isinstance(score["value"], list) for score in scores)
    if line.key not in LOWER_IS_BETTER or len(scores) < 2 or lists:
        return "—"
    first, *others = (
        {k: v for k, v in s["protocol"].items() if k not in OF_THE_MODEL} for s in scores
    )
    if any(other != first for other in others):
        return t("measured differently")
    intervals = {family: (score["low"], score["high"]) for family, score in line.scores.items()}
    found = best(intervals, lower=LOWER_IS_BETTER[line.key])
    return found.upper() if found else t("no winner")


def count_winners(models: Mapping[str, Bundle], winners: Sequence[str]) -> str:
    """One sentence on how often each model is best."""
    wins = Counter(winners)
    each = ", ".join(f"**{family.upper()}** {wins[family.upper()]}" for family in models)
    compared = sum(wins.values()) - wins["—"] - wins[t("measured differently")]
    return t(
        "How often best, of {count} scores that can be compared: {each}.", count=compared, each=each
    )
