"""Scores as a run's ``scores.json`` and a manifest hold them: their check, and how they are shown.

``gensuite.evaluate`` measures them; this module only reads, and belongs to the light wing.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

SCHEMA = 1
GROUPS = ("likelihood", "reconstruction", "samples", "holes")
"""Groups of scores: score → ``value``, ``low``, ``high``, ``protocol`` and perhaps ``floor``."""

_NAMES = {
    "log_likelihood": "log-likelihood, nats",
    "elbo": "ELBO, nats",
    "reconstruction": "reconstruction term, nats",
    "kl": "KL term, nats",
    "rmse": "RMSE per pixel",
    "mse": "MSE per pixel",
    "ssim": "SSIM",
    "frechet": "Fréchet distance",
    "kid": "KID",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "nearest_median": "nearest training image, median",
    "nearest_p01": "nearest training image, 1st percentile",
    "nearest_share": "nearer than 99% of test images",
    "entropy": "classifier's entropy, nats",
    "unsure": "classifier unsure",
    "class_shares": "share of a class",
    "agreement": "classifier agrees with the asked class",
}


def check_scores(scores: Any) -> None:
    """See that a value is what :func:`groups` can read.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(scores, dict):
        raise ValueError("scores are not an object")
    for name in ("not_measured", "other_priors"):
        if not isinstance(scores.get(name, {}), dict):
            raise ValueError(f"{name} is not an object")
    for title, group in groups(scores):
        if not isinstance(group, dict):
            raise ValueError(f"{title} is not an object")
        for name, score in group.items():
            if not isinstance(score, dict) or not isinstance(score.get("protocol"), dict):
                raise ValueError(f"{title}: {name} has no protocol")
            for estimate in (score, score.get("floor", score)):
                if not isinstance(estimate, dict) or not _are_alike(
                    [score.get("value"), *(estimate.get(side) for side in ("value", "low", "high"))]
                ):
                    raise ValueError(f"{title}: {name} is not a number with its interval")


def groups(scores: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Title and scores of every group there is, the model's own prior first."""
    for name in GROUPS:
        if name in scores:
            yield name, scores[name]
    for prior, group in scores.get("other_priors", {}).items():
        yield f"samples, prior {prior}", group


def rows(group: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """A group as lines of a table: name, value, interval and floor; ``—`` where there is none.

    A score of every class gives two lines, of the lowest and of the highest class.
    """
    lines = []
    for name, score in group.items():
        label, values = _NAMES.get(name, name), score["value"]
        if not isinstance(values, list):
            lines.append(_row(label, score))
            continue
        for word, end in (("lowest", min), ("highest", max)):
            place = values.index(end(values))
            sides = {side: score[side][place] for side in ("value", "low", "high")}
            if "floor" in score:
                sides["floor"] = {"value": score["floor"]["value"][place]}
            lines.append(_row(f"{label}, {word}", sides))
    return lines


def _row(label: str, score: Mapping[str, Any]) -> tuple[str, str, str, str]:
    value, low, high = (f"{score[side]:.4g}" for side in ("value", "low", "high"))
    floor = f"{score['floor']['value']:.4g}" if "floor" in score else "—"
    return label, value, f"{low} to {high}", floor


def table(scores: Mapping[str, Any]) -> str:
    """Scores as text with aligned columns, for a terminal."""
    lines = []
    for title, group in groups(scores):
        cells = [(title, "", "95% interval", "floor"), *rows(group)]
        widths = [max(len(line[column]) for line in cells) for column in range(4)]
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in cells
        ]
    lines += [
        f"not measured: {what}: {why}" for what, why in scores.get("not_measured", {}).items()
    ]
    return "\n".join(lines)


def protocol_sentences(scores: Mapping[str, Any]) -> list[str]:
    """How every score was measured: for each group what its scores share, then each score's own."""
    sentences = []
    for title, group in groups(scores):
        protocols = {name: score["protocol"] for name, score in group.items()}
        first: Mapping[str, Any] = next(iter(protocols.values()), {})
        shared = {
            key: value
            for key, value in first.items()
            if all(other.get(key) == value for other in protocols.values())
        }
        sentences.append(f"**{title}**: {_words(shared)}.")
        own: dict[str, list[str]] = {}
        for name, protocol in protocols.items():
            rest = {k: v for k, v in protocol.items() if k not in shared and k != "measure"}
            label, measure = _NAMES.get(name, name), protocol.get("measure")
            own.setdefault(_words(rest), []).append(f"{label}, {measure}" if measure else label)
        sentences += [f"{'; '.join(names)}. {words}." for words, names in own.items() if words]
    return sentences


def _words(facts: Mapping[str, Any]) -> str:
    return "; ".join(f"{key.replace('_', ' ')} {value}" for key, value in facts.items())


def _are_alike(values: list[Any]) -> bool:
    """Whether all are finite numbers, or all are lists of as many of them."""
    if not isinstance(values[0], list):
        return all(_is_finite(value) for value in values)
    sizes = {len(value) if isinstance(value, list) else 0 for value in values}
    return (
        len(sizes) == 1 and 0 not in sizes and all(_is_finite(n) for value in values for n in value)
    )


def _is_finite(value: Any) -> bool:
    """Whether it is a number that a float can hold; JSON has integers that none can."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max
