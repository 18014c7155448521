"""``python -m benchmarks.larger_images``: colour images of 64 and 128 pixels, read from disk.

First an AE on ``shapes64`` and, for fewer epochs, one on ``shapes128``, whose images are held to be
too many for memory: trained, evaluated, exported and verified by the commands of the suite, each in
a process of its own whose peak is taken. Then the same training steps on images in a file and in
memory, in turn; the file is larger than the limit that a training has by default, and is also read
with none of it in the system's cache. A record of each part is appended to
``benchmarks/results/larger_images.jsonl``.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.bench import (
    RESULTS_FOLDER,
    append_record,
    machine,
    measured_with,
    memory,
    read_records,
)
from gensuite.config import AEConfig
from gensuite.console import Parser, command
from gensuite.errors import ConfigError, GensuiteError

RESULTS = RESULTS_FOLDER / "larger_images.jsonl"
RUNS = Path("runs") / "larger_images"
EPOCHS = {"shapes64": 12, "shapes128": 1}
SETTINGS: dict[str, Any] = {
    "network": "dcgan",
    "latent_dim": 64,
    "batch_size": 32,
    "learning_rate": 0.002,
    "decay": 0.5,
}
LIMIT = 32
"""MB of images in memory, of which ``shapes64`` has 74 and ``shapes128`` 295."""
PARTS = (*EPOCHS, "steps")
SIDE = 64
DRAWN = 20_000
"""Images that are drawn; a larger file holds them again and again, at other places."""
STEPS = 20
SSIM_BAR, MEMORY_BAR, STEP_BAR = 0.8, 2000, 1.1
WAYS = ("in memory", "on disk", "on disk, not cached")


def run_alone(module: str, *words: str) -> float:
    """Run a command of the suite in a process of its own.

    Returns:
        Its peak of resident memory, in MB.

    Raises:
        GensuiteError: it failed; it has said why.
    """
    process, peak = subprocess.Popen([sys.executable, "-m", module, *words]), 0.0
    while process.poll() is None:
        # Not of ``wait4``, which also counts the program that started it.
        with contextlib.suppress(ValueError):  # of one that has just ended, no peak is told
            peak = memory(process.pid, "VmHWM")
        time.sleep(0.05)
    if process.returncode:
        raise GensuiteError(f"python -m {module} {' '.join(words)}: failed")
    return round(peak, 1)


def whole_way(dataset: str, runs: Path, epochs: int) -> dict[str, Any]:
    """Train, evaluate, export, verify and sample an AE, its images on disk.

    Returns:
        Its quality, and ``peak_mb`` of every command.
    """
    run, bundle = runs / f"ae-{dataset}", runs / "bundles" / f"ae-{dataset}"
    shutil.rmtree(run, ignore_errors=True)
    settings = SETTINGS | {"dataset": dataset, "epochs": epochs, "memory_limit": LIMIT}
    flags = (f"--{name.replace('_', '-')}={value}" for name, value in settings.items())
    peaks = {
        "train": run_alone("gensuite.train", "--model", "ae", *flags, "--run-dir", str(run)),
        "evaluate": run_alone("gensuite.evaluate", str(run), "--samples", "500"),
        "export": run_alone("export", str(run), "--to", str(bundle), "--force"),
        "verify": run_alone("gensuite.verify", str(bundle)),
        "sample": run_alone("gensuite.sample", str(bundle), "--out", str(runs / f"{dataset}.png")),
    }
    scores = json.loads((run / "scores.json").read_text())["reconstruction"]
    timings = [line.split(",") for line in (run / "timings.csv").read_text().splitlines()[1:]]
    return {
        "settings": settings,
        "seconds": round(sum(float(line[2]) for line in timings), 1),
        **{name: {key: scores[name][key] for key in ("value", "low", "high")} for name in scores},
        "peak_mb": peaks,
        "bundle_mb": round(sum(item.stat().st_size for item in bundle.iterdir()) / 1e6, 2),
    }


def compare_steps(folder: Path, count: int, rounds: int) -> dict[str, Any]:
    """Time the same steps on images in a file and in memory, in turn.

    Args:
        folder: on the disk that is to hold the file.
        count: images ``(64, 64, 3)`` of the data set.
        rounds: of 20 steps in every way.

    Returns:
        ``step_ms``, way → median over the rounds; ``ratio``, way → median over the rounds of its
        time divided by that of the same round in memory; and ``peak_mb`` of this process before
        the images came into memory.
    """
    import tensorflow as tf

    from gensuite.data.disk import ImageFile
    from gensuite.models import build_model
    from gensuite.training.cores import batch_parts, share_cores
    from gensuite.training.distribution import compile_steps

    file = ImageFile(folder, count, (SIDE, SIDE, 3))
    on_disk = file.append(_batches(count))
    config = AEConfig(**SETTINGS)
    share_cores(batch_parts(config.batch_size))
    model = build_model(config, (SIDE, SIDE, 3))
    run_steps, _ = compile_steps(model, config, _data(on_disk))

    def steps(iterator: Any, count: int) -> None:
        run_steps(iterator, tf.constant(count))

    iterators = {way: _batches_of(on_disk, config) for way in WAYS[1:]}
    for iterator in iterators.values():
        steps(iterator, 2 * STEPS)
    peak = memory(os.getpid(), "VmHWM")
    iterators[WAYS[0]] = _batches_of(on_disk[:], config)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    steps(iterators[WAYS[0]], STEPS)
    for number in range(rounds):
        for way in WAYS[number % 3 :] + WAYS[: number % 3]:
            if way == WAYS[2]:
                os.fsync(file.stream.fileno())
                os.posix_fadvise(file.stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            began = time.perf_counter()
            steps(iterators[way], STEPS)
            seconds[way].append((time.perf_counter() - began) / STEPS)
    return {
        "images": count,
        "megabytes": round(count * SIDE * SIDE * 3 / 1e6),
        "memory_limit": config.memory_limit,
        "peak_mb": round(peak, 1),
        "step_ms": {way: round(1000 * statistics.median(each), 2) for way, each in seconds.items()},
        "ratio": _ratios(seconds),
        "rounds": rounds,
    }


def _batches(count: int) -> Iterator[NDArray[np.uint8]]:
    from gensuite.data.shapes import draw

    left = count
    while left:
        for images, _ in draw(SIDE, min(DRAWN, left), 0):
            yield images
        left -= min(DRAWN, left)


def _data(images: Any) -> Any:
    from gensuite.data.splits import ImageData

    return ImageData("shapes64", "", "", (), {"train": images}, {}, "")


def _batches_of(images: Any, config: AEConfig) -> Iterator[Any]:
    return iter(_data(images).training_batches(config.batch_size, seed=0))


def _ratios(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    pairs = {way: zip(seconds[way], seconds[WAYS[0]], strict=True) for way in WAYS[1:]}
    return {way: round(statistics.median(a / b for a, b in each), 4) for way, each in pairs.items()}


def newest_table() -> str:
    """A row for each data set, the steps, and the bars, of the newest record of each part."""
    records = {record["part"]: record for record in read_records(RESULTS)}
    whole = {name: records[name] for name in EPOCHS if name in records}
    head = ("data", "epochs", "training", "test SSIM", "MB: train", "evaluate", "export", "verify")
    lines = [head, ("---",) * len(head)]
    bars = []
    for name, found in whole.items():
        ssim, peaks = found["ssim"], found["peak_mb"]
        lines.append(
            (
                name,
                str(found["settings"]["epochs"]),
                f"{found['seconds'] / 60:.1f} min",
                f"{ssim['value']:.3f} [{ssim['low']:.3f}, {ssim['high']:.3f}]",
                *(
                    f"{peaks[command]:,.0f}"
                    for command in ("train", "evaluate", "export", "verify")
                ),
            )
        )
        if name == "shapes64":
            bars.append(_verdict("test SSIM at 64x64", ssim["value"], SSIM_BAR, at_most=False))
        bars.append(_verdict(f"{name}, most memory in MB", max(peaks.values()), MEMORY_BAR))
    if "steps" in records:
        ratios = records["steps"]["ratio"]
        bars += [
            _verdict(f"step beside one in memory, {way}", ratios[way], STEP_BAR) for way in ratios
        ]
    table = ["| " + " | ".join(line) + " |" for line in lines] if whole else []
    measured = measured_with(record["machine"] for record in records.values())
    return "\n".join([*table, "", *bars, "", measured]).strip() or "Not measured yet."


def _verdict(what: str, value: float, limit: float, *, at_most: bool = True) -> str:
    met = value <= limit if at_most else value >= limit
    return (
        f"- {what}: {value:,.4g}, at {'most' if at_most else 'least'} {limit:,.4g}: "
        f"{'met' if met else 'missed'}"
    )


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser("python -m benchmarks.larger_images", "Train on larger images, from disk.")
    parser.add_argument(
        "what", nargs="*", metavar="WHAT", help=f"of {', '.join(PARTS)} (default: all)"
    )
    parser.add_argument("--images", type=int, default=180_000, help="in the file of timed steps")
    parser.add_argument("--rounds", type=int, default=7, help="of timed steps in every way")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of runs and of the file")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON lines to append to")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="time few steps on few images, to see that figures come out; they do not count",
    )
    args = parser.parse_args(argv)
    if args.quick:
        args.what, args.images, args.rounds = ["steps"], 5_000, 1
        args.results = args.runs / "quick.jsonl"
    if unknown := set(args.what) - set(PARTS):
        raise ConfigError(f"{', '.join(sorted(unknown))}: given; allowed are {', '.join(PARTS)}")
    return args


def run(args: argparse.Namespace) -> None:
    """Measure, and append and print a record for every part."""
    args.runs.mkdir(parents=True, exist_ok=True)
    # Steps come last, when this process grows: a child's peak counts what its parent had.
    for part in [each for each in PARTS if each in args.what or not args.what]:
        if part == "steps":
            found = compare_steps(args.runs, args.images, args.rounds)
        else:
            found = whole_way(part, args.runs, EPOCHS[part])
        append_record(args.results, {"part": part, **found, "machine": machine()})
        print(json.dumps({"part": part, **found}, indent=2))


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    run(parse_args(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
