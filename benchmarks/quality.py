"""``python -m benchmarks.quality``: train the presets and compare them with published neighbours.

One row and seed is trained, measured and appended to ``benchmarks/results/quality.jsonl``; runs lie
in ``runs/quality`` and an interrupted one goes on where it stopped. Without ``--row`` every row and
seed that has no result yet is measured. ``python -m benchmarks.report`` writes the tables of
``docs/benchmarks.md`` from the results.
"""

import argparse
import functools
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gensuite import evaluate, train
from gensuite.config import load_config, read_config_file
from gensuite.console import Main, Parser, command
from gensuite.errors import ConfigError, GensuiteError
from gensuite.settings import suggestion

PRESETS = Path(__file__).parent / "presets"
RESULTS = Path(__file__).parent / "results" / "quality.jsonl"
IMAGE_SETS = ("mnist", "fashion_mnist")
QUICK = {"epochs": 1, "batch_size": 512, "importance_samples": 1}
QUICK_SAMPLES = 500


@dataclass(frozen=True)
class Bench:
    """Where and how thoroughly a row is measured."""

    runs: Path
    """Folder of the trainings."""
    raw_dir: Path | None
    """Folder of downloaded files, one folder for each data set."""
    quick: bool
    """Fewer steps and samples: shows that everything works, and no figure that counts."""

    def train(self, preset: str, dataset: str, seed: int, **changes: Any) -> "Training":
        """Train a preset, or go on with it.

        Args:
            preset: name of a file in ``benchmarks/presets``.
            dataset: its data set.
            seed: of the training.
            **changes: settings that differ from the preset's.
        """
        values = read_config_file(PRESETS / f"{preset}.json") | changes
        values |= {"dataset": dataset, "seed": seed}
        if self.raw_dir:
            values["raw_dir"] = str(self.raw_dir / dataset)
        if self.quick:
            values |= {name: value for name, value in QUICK.items() if name in values}
        suffix = "".join(f"-{name}" for name in changes)
        path = self.runs / f"{preset}-{dataset}{suffix}-{seed}"
        train_run(values, path)
        return Training(path, self)

    def baseline(self, name: str, dataset: str, seed: int, seconds: float) -> dict[str, Any]:
        """Train a neighbour of :mod:`benchmarks.baselines` for some seconds and score it."""
        from benchmarks import baselines
        from gensuite.data.splits import open_dataset
        from gensuite.inference.images import to_uint8
        from gensuite.inference.latents import standard_normal
        from gensuite.metrics.features import Classifier
        from gensuite.metrics.samples import SampleJudge

        raw_dir = str(self.raw_dir / dataset) if self.raw_dir else None
        data = open_dataset(load_config({"dataset": dataset, "raw_dir": raw_dir}))
        train = getattr(baselines, f"train_{name}")
        decode, latent_dim, steps = train(data.floats("train"), seconds, seed)
        count = QUICK_SAMPLES if self.quick else 10_000
        images = to_uint8(decode(standard_normal(count, latent_dim, seed=seed)))
        scores = SampleJudge(data, Classifier.load(dataset), count, seed=0).score(images)
        return {"name": name, "seconds": round(seconds, 1), "steps": steps, "samples": scores}


@dataclass(frozen=True)
class Training:
    """A finished run of a preset."""

    path: Path
    bench: Bench

    @functools.cached_property
    def seconds(self) -> float:
        """Time in training steps, without validation and saving."""
        lines = (self.path / "timings.csv").read_text().splitlines()[1:]
        return sum(float(line.split(",")[2]) for line in lines)

    @functools.cached_property
    def scores(self) -> dict[str, Any]:
        """What ``gensuite.evaluate`` makes of it; also left in the run."""
        flags = ["--samples", str(QUICK_SAMPLES), "--images", "200"] if self.bench.quick else []
        call(evaluate.main, str(self.path), *flags)
        return json.loads((self.path / "scores.json").read_text())

    def health(self) -> dict[str, Any]:
        """The latent health of its bundle."""
        import gensuite
        from export.__main__ import main as export

        bundle = self.bench.runs / "bundles" / self.path.name
        call(export, str(self.path), "--to", str(bundle), "--force")
        return gensuite.health(bundle).to_dict()

    def describe(self) -> dict[str, Any]:
        """Its settings and its time."""
        config = json.loads((self.path / "config.json").read_text())
        local = ("data_dir", "raw_dir", "keep", "save_seconds")
        settings = {name: value for name, value in config.items() if name not in local}
        return {"settings": settings, "seconds": round(self.seconds, 1)}


def likelihood(bench: Bench, dataset: str, seed: int) -> dict[str, Any]:
    """Test log-likelihood of a VAE on images binarized anew in every step."""
    training = bench.train("likelihood", dataset, seed)
    return {"training": training.describe(), "likelihood": training.scores["likelihood"]}


def health(bench: Bench, dataset: str, seed: int) -> dict[str, Any]:
    """The four health numbers of an AE and a VAE with 2-D codes."""
    trainings = {name: bench.train(f"{name}-2d", dataset, seed) for name in ("ae", "vae")}
    return {
        name: {"training": training.describe(), "health": training.health()}
        for name, training in trainings.items()
    }


def density(bench: Bench, dataset: str, seed: int) -> dict[str, Any]:
    """An AE sampled from one Gaussian fitted to its codes, and from a mixture of ten."""
    training = bench.train("ae", dataset, seed)
    scores = training.scores
    return {
        "training": training.describe(),
        "gaussian": scores["samples"],
        "fitted": scores["other_priors"]["fitted"],
        "reconstruction": scores["reconstruction"],
    }


def vae_samples(bench: Bench, dataset: str, seed: int) -> dict[str, Any]:
    """A VAE sampled from its fitted mixture, and the VAE of keras.io after the same time."""
    training = bench.train("vae", dataset, seed)
    scores = training.scores
    return {
        "training": training.describe(),
        "fitted": scores["other_priors"]["fitted"],
        "standard": scores["samples"],
        "neighbour": bench.baseline("example_vae", dataset, seed, training.seconds),
    }


def gan_samples(bench: Bench, dataset: str, seed: int) -> dict[str, Any]:
    """A GAN, and the GAN of Keras' guide after the same time."""
    training = bench.train("gan", dataset, seed)
    return {
        "training": training.describe(),
        "samples": training.scores["samples"],
        "neighbour": bench.baseline("guide_gan", dataset, seed, training.seconds),
    }


def conditional(bench: Bench, dataset: str, seed: int) -> dict[str, Any]:
    """How often a classifier sees the class that a VAE and a GAN were asked for."""
    found = {}
    for preset in ("vae", "gan"):
        training = bench.train(preset, dataset, seed, conditional=True)
        samples = training.scores["samples"]
        found[preset] = {"training": training.describe(), "samples": samples}
    return found


@dataclass(frozen=True)
class Row:
    """A row of the table: what is measured, on what, with which seeds."""

    measure: Callable[[Bench, str, int], dict[str, Any]]
    dataset: str
    seeds: tuple[int, ...]


ROWS: dict[str, Row] = {
    "likelihood": Row(likelihood, "mnist", (0,)),
    **{f"health-{name}": Row(health, name, (0, 1, 2, 3, 4)) for name in IMAGE_SETS},
    **{f"ae-{name}": Row(density, name, (0, 1, 2)) for name in IMAGE_SETS},
    **{f"vae-{name}": Row(vae_samples, name, (0, 1, 2)) for name in IMAGE_SETS},
    **{f"gan-{name}": Row(gan_samples, name, (0, 1, 2)) for name in IMAGE_SETS},
    **{f"conditional-{name}": Row(conditional, name, (0,)) for name in IMAGE_SETS},
}


def measure(name: str, seed: int, bench: Bench) -> dict[str, Any]:
    """Measure one row with one seed: the record that is kept of it."""
    row = ROWS[name]
    before = os.getloadavg()[0]
    result = row.measure(bench, row.dataset, seed)
    return {
        "row": name,
        "seed": seed,
        "dataset": row.dataset,
        "quick": bench.quick,
        "machine": machine() | {"load_before": before, "load_after": os.getloadavg()[0]},
        **result,
    }


def machine() -> dict[str, Any]:
    """Processor, cores and versions: what a figure depends on besides the code."""
    models = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    tools = ("tensorflow", "keras", "numpy", "onnxruntime", "scikit-learn")
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        **{tool: version(tool) for tool in tools},
    }


def read_results(path: Path = RESULTS) -> list[dict[str, Any]]:
    """All records; of a row and seed measured twice, the newest."""
    lines = path.read_text().splitlines() if path.is_file() else []
    records = [json.loads(line) for line in lines]
    return list({(record["row"], record["seed"]): record for record in records}.values())


def train_run(values: Mapping[str, Any], path: Path) -> None:
    """Train a run with these settings, or go on with it if it is there."""
    if (path / "record.json").is_file():
        call(train.main, "--resume", str(path))
        return
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        call(train.main, "--config", file.name, "--run-dir", str(path))


def call(main: Main, *arguments: str) -> None:
    """Run a command of the suite in this process.

    Raises:
        GensuiteError: it failed; it has said why.
    """
    import keras

    keras.utils.clear_session()
    if code := main(arguments):
        raise GensuiteError(f"{main.__module__} {' '.join(arguments)}: exit code {code}")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line.

    Raises:
        ConfigError: an argument is not allowed.
    """
    parser = Parser("python -m benchmarks.quality", "Train the presets and measure them.")
    parser.add_argument("--row", help=f"{', '.join(ROWS)} (default: all that are missing)")
    parser.add_argument("--seed", type=int, help="one seed (default: the row's own)")
    parser.add_argument("--raw-dir", type=Path, help="folder with mnist/ and fashion_mnist/")
    parser.add_argument("--runs", type=Path, default=Path("runs/quality"), help="of the trainings")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON lines to append to")
    parser.add_argument("--quick", action="store_true", help="few steps, to see that it works")
    args = parser.parse_args(argv)
    if args.row is not None and args.row not in ROWS:
        raise ConfigError(
            f"--row: {args.row!r} given; {suggestion(args.row, list(ROWS))}"
            f"allowed are {', '.join(ROWS)}"
        )
    if args.quick and args.results == RESULTS:
        raise ConfigError("--quick: its figures do not count; name another file with --results")
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
            record = measure(name, seed, bench)
            args.results.parent.mkdir(parents=True, exist_ok=True)
            with args.results.open("a") as stream:
                stream.write(json.dumps(record, allow_nan=False) + "\n")


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    run(parse_args(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
