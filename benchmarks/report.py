"""``python -m benchmarks.report``: write the tables of ``docs/benchmarks.md`` from the results.

The document holds marked places, ``<!-- NAME -->`` to ``<!-- /NAME -->``; what stands between the
marks is replaced. A bar that is missed is reported as missed.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks import ablation, bulk, inference, larger_images, quality, training, training_tables
from benchmarks.bench import read_records
from gensuite.console import Parser, command
from gensuite.inference.manifest import LIMITS

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
LIKELIHOOD_BAR, LIKELIHOOD_AIM = 84.0, 83.0
GAN_BAR, VAE_BAR, DENSITY_BAR = 1 / 12, 1 / 4, 3.0
CLASS_SHARES = (0.06, 0.14)
BUDGETS = {"likelihood": 40, "ae": 15, "vae": 15, "gan": 10}
"""Minutes of a training."""
AGREEMENT = {"mnist": 0.95, "fashion_mnist": 0.85}
Record = dict[str, Any]


def likelihood_table(records: Sequence[Record]) -> str:
    """Negative log-likelihoods and ELBOs."""

    def cells(record: Record) -> Iterator[tuple[str, ...]]:
        scores = record["likelihood"]
        found = -scores["log_likelihood"]["value"]
        yield (
            str(record["seed"]),
            _estimate(scores["log_likelihood"], sign=-1),
            _estimate(scores["elbo"], sign=-1),
            _minutes(record["training"], BUDGETS["likelihood"]),
            "; ".join(
                _verdict(found <= bar, f"{what} ≤ {bar}", found - bar)
                for what, bar in (("bar", LIKELIHOOD_BAR), ("aim", LIKELIHOOD_AIM))
            ),
        )

    head = ("seed", "-ln p(x), nats", "-ELBO, nats", "training", "bar")
    return _table(head, _rows(records, "likelihood", cells))


def health_table(records: Sequence[Record]) -> str:
    """The four limits of AE against VAE, every seed, and how often the AE is worse."""

    def cells(record: Record) -> Iterator[tuple[str, ...]]:
        sides = {name: record[name]["health"] for name in ("ae", "vae")}
        pairs = [[sides[n][limit]["headline"] for n in ("ae", "vae")] for limit in LIMITS]
        worse = [ae["interval"][0] > vae["interval"][1] for ae, vae in pairs]
        yield (
            record["dataset"],
            str(record["seed"]),
            *(
                f"{_interval(ae)} / {_interval(vae)}{'' if apart else ' ✗'}"
                for (ae, vae), apart in zip(pairs, worse, strict=True)
            ),
            _verdict(sum(worse) >= 3, "≥ 3 of 4", 3 - sum(worse)) + f" ({sum(worse)})",
        )

    head = ("data", "seed", *(f"{name.replace('_', '-')}, AE / VAE" for name in LIMITS), "bar")
    return _table(head, _rows(records, "health", cells))


def density_table(records: Sequence[Record]) -> str:
    """AE: one Gaussian against the mixture."""

    def cells(record: Record) -> Iterator[tuple[str, ...]]:
        gaussian, fitted = (record[name]["frechet"] for name in ("gaussian", "fitted"))
        ratio = gaussian["value"] / fitted["value"]
        yield (
            record["dataset"],
            str(record["seed"]),
            _estimate(gaussian),
            _estimate(fitted),
            f"{ratio:.1f}",
            _minutes(record["training"], BUDGETS["ae"]),
            _verdict(ratio >= DENSITY_BAR, f"≥ {DENSITY_BAR:g} times", DENSITY_BAR - ratio),
        )

    head = ("data", "seed", "fitted Gaussian", "fitted mixture", "ratio", "training", "bar")
    return _table(head, _rows(records, "ae", cells))


def neighbour_table(records: Sequence[Record], row: str, samples: str, bar: float) -> str:
    """Fréchet distances beside those of a neighbour after the same time."""

    def cells(record: Record) -> Iterator[tuple[str, ...]]:
        ours, other = record[samples], record["neighbour"]["samples"]
        share = ours["frechet"]["value"] / other["frechet"]["value"]
        classes = ours["class_shares"]["value"]
        verdicts = [_verdict(share <= bar, f"≤ 1/{1 / bar:g}", share - bar)]
        if row == "gan":
            outside = max(CLASS_SHARES[0] - min(classes), max(classes) - CLASS_SHARES[1])
            verdicts.append(_verdict(outside <= 0, "classes 6% to 14%", outside))
        yield (
            record["dataset"],
            str(record["seed"]),
            _estimate(ours["frechet"]),
            f"{ours['frechet']['floor']['value']:.3f}",
            _estimate(other["frechet"]),
            f"1/{1 / share:.1f}",
            f"{min(classes):.1%} to {max(classes):.1%}",
            _minutes(record["training"], BUDGETS[row]),
            "; ".join(verdicts),
        )

    head = ("data", "seed", "ours", "floor", "neighbour", "share", "classes", "training", "bar")
    return _table(head, _rows(records, row, cells))


def conditional_table(records: Sequence[Record]) -> str:
    """Agreement of the classifier with the asked class."""

    def cells(record: Record) -> Iterator[tuple[str, ...]]:
        bar = AGREEMENT[record["dataset"]]
        for name in ("vae", "gan"):
            samples = record[name]["samples"]
            found = samples["agreement"]["value"]
            yield (
                record["dataset"],
                str(record["seed"]),
                name.upper(),
                _estimate(samples["agreement"]),
                _estimate(samples["frechet"]),
                _minutes(record[name]["training"], BUDGETS[name]),
                _verdict(found >= bar, f"≥ {bar:.0%}", bar - found),
            )

    head = ("data", "seed", "model", "agreement", "Fréchet", "training", "bar")
    return _table(head, _rows(records, "conditional", cells))


def ablation_table(records: Sequence[Record]) -> str:
    """Every technique's metric without and with it, all seeds, and whether it helped in each."""
    rows = []
    for name, technique in ablation.TECHNIQUES.items():
        found = [record for record in records if record["technique"] == name]
        if not found:
            continue
        without, with_ = ([record[side] for record in found] for side in ("without", "with"))
        sign = 1 if technique.metric == ablation.LIKELIHOOD else -1
        better = sum(sign * (b - a) > 0 for a, b in zip(without, with_, strict=True))
        rows.append(
            (
                name,
                technique.metric.split(".")[1].replace("_", "-"),
                f"{mean(without):.4g} ({', '.join(f'{v:.4g}' for v in without)})",
                f"{mean(with_):.4g} ({', '.join(f'{v:.4g}' for v in with_)})",
                f"{better} of {len(found)}",
            )
        )
    return _table(("technique", "metric", "without", "with", "better"), rows)


def speed_of_training() -> dict[str, str]:
    """The tables of the training benchmark, its machine, and the choices of the loop."""
    records = [record for record in read_records(training.RESULTS) if not record["quick"]]
    missing = "Not measured yet."
    return {
        "training": training_tables.races(records) or missing,
        "settings": training_tables.settings(records) or missing,
        "training-machine": training_tables.machines(records) or missing,
    }


def machine_line(records: Sequence[Record]) -> str:
    """The machines that the records were measured on."""
    facts = {
        f"{m['processor']}, {m['cores']} cores, Python {m['python']}, TensorFlow "
        f"{m['tensorflow']}, Keras {m['keras']}, onnxruntime {m['onnxruntime']}"
        for m in (record["machine"] for record in records)
    }
    return "; ".join(sorted(facts)) or "nothing measured yet"


def _rows(
    records: Sequence[Record], row: str, cells: Callable[[Record], Iterable[tuple[str, ...]]]
) -> list[tuple[str, ...]]:
    chosen = [record for record in records if record["row"].split("-")[0] == row]
    ordered = sorted(chosen, key=lambda r: (quality.IMAGE_SETS.index(r["dataset"]), r["seed"]))
    return [line for record in ordered for line in cells(record)]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _estimate(score: Record, sign: int = 1) -> str:
    low, high = sorted(sign * score[side] for side in ("low", "high"))
    return f"{sign * score['value']:.4g} [{low:.4g}, {high:.4g}]"


def _interval(number: Record) -> str:
    return f"{number['value']:.3g} [{number['interval'][0]:.3g}, {number['interval'][1]:.3g}]"


def _minutes(training: Record, budget: int) -> str:
    """The time of a training, and by how much it is beyond its budget, both in minutes."""
    taken = training["seconds"] / 60
    return f"{taken:.1f} min" + (f", {taken - budget:.1f} over {budget}" if taken > budget else "")


def _verdict(good: bool, bar: str, missed_by: float) -> str:
    return f"{bar}: met" if good else f"{bar}: missed ({missed_by:.3g})"


def tables() -> dict[str, str]:
    """The content of every marked place."""
    records = [record for record in quality.read_results() if not record["quick"]]
    trials = read_records(ablation.RESULTS)
    return {
        "machine": machine_line([*records, *trials]),
        "likelihood": likelihood_table(records),
        "health": health_table(records),
        "density": density_table(records),
        "gan": neighbour_table(records, "gan", "samples", GAN_BAR),
        "vae": neighbour_table(records, "vae", "fitted", VAE_BAR),
        "conditional": conditional_table(records),
        "ablation": ablation_table(trials),
        "inference": inference.newest_table(),
        **speed_of_training(),
        "bulk": bulk.newest_table(),
        "larger-images": larger_images.newest_table(),
    }


def fill(text: str, content: dict[str, str]) -> str:
    """Replace what stands between the marks of a document."""
    for name, body in content.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, rest = text.split(start)
        _, after = rest.split(end)
        text = f"{before}{start}\n\n{body}\n\n{end}{after}"
    return text


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    Parser("python -m benchmarks.report", "Write the tables of docs/benchmarks.md.").parse_args(
        argv
    )
    DOCUMENT.write_text(fill(DOCUMENT.read_text(encoding="utf-8"), tables()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
