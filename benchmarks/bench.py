"""What the benchmarks share: training a preset, scoring it, exporting it, and its neighbours."""

import argparse
import functools
import json
import os
import platform
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image

import gensuite
from gensuite import evaluate, train
from gensuite.config import load_config, read_config_file
from gensuite.console import Main, Parser
from gensuite.errors import ConfigError, GensuiteError
from gensuite.inference.generator import Generator
from gensuite.inference.images import grid
from gensuite.storage import write_file

PRESETS = Path(__file__).parent / "presets"
RESULTS_FOLDER = Path(__file__).parent / "results"
QUICK: dict[str, Any] = {"epochs": 2, "dataset": "digits"}
QUICK_SAMPLES = 500
PICTURED = 64
"""Samples of a model in a picture."""

Neighbour = tuple[dict[str, Any], Any]
"""A neighbour's record, and its first samples ``(64, 28, 28, 1)`` uint8."""


@dataclass(frozen=True)
class Bench:
    """Where and how thoroughly a row is measured."""

    runs: Path
    """Folder of the trainings."""
    raw_dir: Path | None
    """Folder of downloaded files, one folder for each data set."""
    quick: bool
    """Few steps on digits: shows that everything works, and gives no figure that counts."""

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
        if self.quick:
            values |= QUICK
        elif self.raw_dir:
            values["raw_dir"] = str(self.raw_dir / dataset)
        suffix = "".join(f"-{name}" for name in changes)
        path = self.runs / f"{preset}-{dataset}{suffix}-{seed}"
        train_run(values, path)
        return Training(path, self)

    def baseline(
        self, name: str, dataset: str, seed: int, seconds: float
    ) -> tuple[dict[str, Any], Any]:
        """Train a neighbour of :mod:`benchmarks.baselines` for some seconds, and score it."""
        from benchmarks import baselines
        from gensuite.data.reading import open_dataset
        from gensuite.inference.images import to_uint8
        from gensuite.inference.latents import standard_normal
        from gensuite.metrics.features import Classifier
        from gensuite.metrics.samples import SampleJudge

        if self.quick:
            dataset = QUICK["dataset"]
        raw_dir = str(self.raw_dir / dataset) if self.raw_dir else None
        data = open_dataset(load_config({"dataset": dataset, "raw_dir": raw_dir}))
        train = getattr(baselines, f"train_{name}")
        decode, latent_dim, steps = train(data.floats("train"), seconds, seed)
        count = QUICK_SAMPLES if self.quick else 10_000
        images = to_uint8(decode(standard_normal(count, latent_dim, seed=seed)))
        scores = SampleJudge(data, Classifier.load(dataset), count, seed=0).score(images)
        found = {"name": name, "seconds": round(seconds, 1), "steps": steps, "samples": scores}
        return found, images[:PICTURED]


@dataclass(frozen=True)
class Training:
    """A finished run of a preset."""

    path: Path
    bench: Bench
    likelihood_flags: tuple[str, ...] = ("--importance-samples", "100", "--images", "1000")
    """Of ``gensuite.evaluate``, where the likelihood is not what the row is about."""

    @functools.cached_property
    def seconds(self) -> float:
        """Time in training steps and checkpoints, without validation."""
        lines = (self.path / "timings.csv").read_text().splitlines()[1:]
        return sum(float(line.split(",")[2]) for line in lines)

    @functools.cached_property
    def scores(self) -> dict[str, Any]:
        """What ``gensuite.evaluate`` makes of it; also left in the run."""
        flags = list(self.likelihood_flags)
        if self.bench.quick:
            flags = ["--samples", str(QUICK_SAMPLES), "--importance-samples", "10"]
        call(evaluate.main, str(self.path), *flags)
        return json.loads((self.path / "scores.json").read_text())

    @functools.cached_property
    def generator(self) -> Generator:
        """Its bundle, exported to ``bundles`` beside the runs."""
        from export.__main__ import main as export

        bundle = self.bench.runs / "bundles" / self.path.name
        call(export, str(self.path), "--to", str(bundle), "--force")
        return gensuite.load(bundle)

    def samples(self, **arguments: Any) -> Any:
        """The samples that a picture shows, ``(64, 28, 28, 1)``."""
        return self.generator.sample(PICTURED, seed=0, **arguments)

    def describe(self) -> dict[str, Any]:
        """Its settings and its time."""
        config = load_config(read_config_file(self.path / "config.json"))
        return {"settings": config.public_dict(), "seconds": round(self.seconds, 1)}


def side_by_side(panels: Sequence[Any]) -> Image.Image:
    """Grids of images beside each other, on white."""
    grids = [grid(images, scale=2) for images in panels]
    gap = grids[0].width // 16
    canvas = Image.new("L", (sum(g.width + gap for g in grids) - gap, grids[0].height), "white")
    left = 0
    for picture in grids:
        canvas.paste(picture, (left, 0))
        left += picture.width + gap
    return canvas


def machine() -> dict[str, Any]:
    """Processor, cores, load and versions: what a figure depends on besides the code."""
    models = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    tools = ("tensorflow", "keras", "numpy", "onnxruntime", "scikit-learn")
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{tool: version(tool) for tool in tools},
    }


def measured_with(facts: Iterable[Mapping[str, Any]]) -> str:
    """A sentence for each of the different machines, with the versions that were measured."""
    machines = {", ".join(f"{name} {value}" for name, value in each.items()) for each in facts}
    return "\n\n".join(f"Measured with {each}." for each in sorted(machines))


def train_run(values: Mapping[str, Any], path: Path) -> None:
    """Train a run with these settings, or go on with it if it is there.

    Raises:
        ConfigError: a run of other settings is there.
    """
    wanted = load_config(dict(values)).public_dict()
    if (path / "record.json").is_file():
        there = load_config(read_config_file(path / "config.json")).public_dict()
        if there != wanted:
            differing = sorted(name for name in wanted if wanted[name] != there.get(name))
            raise ConfigError(
                f"{path}: is a run of other settings ({', '.join(differing)}); remove it, or name "
                "another folder with --runs"
            )
        call(train.main, "--resume", str(path))
        return
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        call(train.main, "--config", file.name, "--run-dir", str(path))


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a file of JSON lines; none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def memory(pid: int, kind: str = "VmRSS") -> float:
    """Resident memory of a process in MB; its peak with ``VmHWM``."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (each for each in status.splitlines() if each.startswith(f"{kind}:"))
    return int(line.split()[1]) * 1024 / 1e6  # what the kernel calls kB is 1,024 bytes


def append_record(path: Path, record: Mapping[str, Any]) -> None:
    """Add a line to a file of JSON lines, which a kill leaves with the line or without it."""
    before = path.read_bytes() if path.is_file() else b""
    write_file(path, before + json.dumps(record, allow_nan=False).encode() + b"\n")


def parse_shared(parser: Parser, argv: Sequence[str] | None, name: str) -> argparse.Namespace:
    """Read a benchmark's command line, with the flags that all share.

    ``runs`` and ``results`` are ``runs/NAME`` and ``benchmarks/results/NAME.jsonl`` when not given,
    and lie in ``runs/quick`` of a quick call, whose figures do not count.
    """
    parser.add_argument("--raw-dir", type=Path, help="folder with mnist/ and fashion_mnist/")
    parser.add_argument("--runs", type=Path, help=f"of the trainings (default: runs/{name})")
    parser.add_argument("--results", type=Path, help=f"JSON lines to append to ({name}.jsonl)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="few steps on digits, to see that all comes out; runs and results in runs/quick",
    )
    args = parser.parse_args(argv)
    scratch = Path("runs/quick")
    args.runs = args.runs or (scratch if args.quick else Path("runs") / name)
    args.results = args.results or (scratch if args.quick else RESULTS_FOLDER) / f"{name}.jsonl"
    return args


def call(main: Main, *arguments: str) -> None:
    """Run a command of the suite in this process.

    Raises:
        GensuiteError: it failed; it has said why.
    """
    import keras

    keras.utils.clear_session()
    if code := main(arguments):
        raise GensuiteError(f"{main.__module__} {' '.join(arguments)}: exit code {code}")
