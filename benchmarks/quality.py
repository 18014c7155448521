"""``python -m benchmarks.quality``: train the presets and compare them with published neighbours.

One row and seed is trained, measured and appended to ``benchmarks/results/quality.jsonl``; runs lie
in ``runs/quality`` and an interrupted one goes on where it stopped. Without ``--row`` every row and
seed that has no result yet is measured. ``python -m benchmarks.report`` writes the tables of
``docs/benchmarks.md`` from the results.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import gensuite
from benchmarks.bench import (
    PICTURED,
    RESULTS_FOLDER,
    Bench,
    append_record,
    machine,
    parse_shared,
    read_records,
    side_by_side,
)
from gensuite.console import Parser, command
from gensuite.errors import ConfigError
from gensuite.inference.images import png
from gensuite.settings import suggestion
from gensuite.storage import write_file

RESULTS = RESULTS_FOLDER / "quality.jsonl"
IMAGE_SETS = ("mnist", "fashion_mnist")

Measured = tuple[dict[str, Any], list[Any]]
"""A row's record, and the images that its picture shows, ``(64, 28, 28, 1)`` each."""


def likelihood(bench: Bench, dataset: str, seed: int) -> Measured:
    """Test log-likelihood of a VAE on images binarized anew in every step."""
    training = replace(bench.train("likelihood", dataset, seed), likelihood_flags=())
    record = {"training": training.describe(), "likelihood": training.scores["likelihood"]}
    return record, [training.samples()]


def health(bench: Bench, dataset: str, seed: int) -> Measured:
    """The four health numbers of an AE and a VAE with 2-D codes."""
    trainings = {name: bench.train(f"{name}-2d", dataset, seed) for name in ("ae", "vae")}
    record = {
        name: {
            "training": training.describe(),
            "health": gensuite.health(training.generator).to_dict(),
        }
        for name, training in trainings.items()
    }
    return record, [training.samples(prior="standard") for training in trainings.values()]


def density(bench: Bench, dataset: str, seed: int) -> Measured:
    """An AE sampled from one Gaussian fitted to its codes, and from a mixture of ten."""
    training = bench.train("ae", dataset, seed)
    scores = training.scores
    record = {
        "training": training.describe(),
        "gaussian": scores["samples"],
        "fitted": scores["other_priors"]["fitted"],
        "reconstruction": scores["reconstruction"],
    }
    return record, [training.samples(prior=prior) for prior in ("gaussian", "fitted")]


def vae_samples(bench: Bench, dataset: str, seed: int) -> Measured:
    """A VAE sampled from its fitted mixture, and the VAE of keras.io after the same time."""
    training = bench.train("vae", dataset, seed)
    scores = training.scores
    neighbour, images = bench.baseline("example_vae", dataset, seed, training.seconds)
    record = {
        "training": training.describe(),
        "fitted": scores["other_priors"]["fitted"],
        "standard": scores["samples"],
        "neighbour": neighbour,
    }
    return record, [training.samples(prior="fitted"), images]


def gan_samples(bench: Bench, dataset: str, seed: int) -> Measured:
    """A GAN, and the GAN of Keras' guide after the same time."""
    training = bench.train("gan", dataset, seed)
    samples = training.scores["samples"]
    neighbour, images = bench.baseline("guide_gan", dataset, seed, training.seconds)
    record = {"training": training.describe(), "samples": samples, "neighbour": neighbour}
    return record, [training.samples(), images]


def conditional(bench: Bench, dataset: str, seed: int) -> Measured:
    """How often a classifier sees the class that a VAE and a GAN were asked for."""
    trainings = {
        "vae": bench.train("vae-conditional", dataset, seed),
        "gan": bench.train("gan", dataset, seed, conditional=True),
    }
    record = {
        name: {"training": training.describe(), "samples": training.scores["samples"]}
        for name, training in trainings.items()
    }
    in_turn = np.arange(PICTURED) % 8
    return record, [training.samples(label=in_turn) for training in trainings.values()]


@dataclass(frozen=True)
class Row:
    """A row of the table: what is measured, on what, with which seeds."""

    measure: Callable[[Bench, str, int], Measured]
    dataset: str
    seeds: tuple[int, ...]


ROWS: dict[str, Row] = {
    "likelihood": Row(likelihood, "mnist", (0,)),
    **{f"health-{name}": Row(health, name, (0, 1, 2, 3, 4)) for name in IMAGE_SETS},
    **{f"ae-{name}": Row(density, name, (0,)) for name in IMAGE_SETS},
    **{f"vae-{name}": Row(vae_samples, name, (0,)) for name in IMAGE_SETS},
    **{f"gan-{name}": Row(gan_samples, name, (0, 1, 2)) for name in IMAGE_SETS},
    **{f"conditional-{name}": Row(conditional, name, (0,)) for name in IMAGE_SETS},
}


def measure(name: str, seed: int, bench: Bench, pictures: Path) -> dict[str, Any]:
    """Measure one row with one seed.

    Args:
        name: of the row.
        seed: of its trainings.
        bench: where and how.
        pictures: folder for the row's picture, which is that of its first seed.

    Returns:
        The record that is kept of it.
    """
    row = ROWS[name]
    before = os.getloadavg()[0]
    result, panels = row.measure(bench, row.dataset, seed)
    if seed == row.seeds[0]:
        write_file(pictures / f"{name}.png", png(side_by_side(panels)))
    return {
        "row": name,
        "seed": seed,
        "dataset": row.dataset,
        "quick": bench.quick,
        "machine": machine() | {"load_before": before},
        **result,
    }


def read_results(path: Path = RESULTS) -> list[dict[str, Any]]:
    """All records; of a row and seed measured twice, the newest."""
    return list({(record["row"], record["seed"]): record for record in read_records(path)}.values())


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line.

    Raises:
        ConfigError: an argument is not allowed.
    """
    parser = Parser("python -m benchmarks.quality", "Train the presets and measure them.")
    parser.add_argument("--row", help=f"{', '.join(ROWS)} (default: all that are missing)")
    parser.add_argument("--seed", type=int, help="one seed (default: the row's own)")
    args = parse_shared(parser, argv, "quality")
    if args.row is not None and args.row not in ROWS:
        raise ConfigError(
            f"--row: {args.row!r} given; {suggestion(args.row, list(ROWS))}"
            f"allowed are {', '.join(ROWS)}"
        )
    return args


def run(args: argparse.Namespace) -> None:
    """Measure what is asked for, a record at a time."""
    bench = Bench(args.runs, args.raw_dir, args.quick)
    done = {(record["row"], record["seed"]) for record in read_results(args.results)}
    for name in [args.row] if args.row else ROWS:
        seeds = ROWS[name].seeds if args.seed is None else (args.seed,)
        for seed in seeds[:1] if args.quick else seeds:
            if args.row is None and (name, seed) in done:
                continue
            print(f"row {name}, seed {seed}", flush=True)
            args.results.parent.mkdir(parents=True, exist_ok=True)
            append_record(args.results, measure(name, seed, bench, args.results.parent))


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    run(parse_args(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
