"""``python -m benchmarks.steady BUNDLE``: one generator under many threads, and for a long time.

Threads that share a generator have to get the bytes that one alone gets; memory has to stay where
it is after warm-up. A record is appended to ``benchmarks/results/steady.jsonl``.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench import RESULTS_FOLDER, append_record, machine, memory
from gensuite.console import Parser, command
from gensuite.inference.generator import Generator, load
from gensuite.inference.inputs import Images

RESULTS = RESULTS_FOLDER / "steady.jsonl"
SEEDS = 50
"""Requests that differ from each other; threads ask for them again and again, in another order."""


def request(generator: Generator, seed: int) -> Images:
    """What a visitor may ask for: 1 to 130 images, or a picture encoded and decoded again."""
    images = generator.sample(1 + seed * 37 % 130, seed=seed, spread=seed % 3)
    if "encoder" not in generator.bundle.ports or seed % 2:
        return images
    label = 0 if generator.bundle.classes else None
    return generator.reconstruct(images[:3], label=label)


def mismatches(generator: Generator, threads: int, calls: int) -> int:
    """Requests whose bytes differ from those that one thread alone gets.

    Args:
        generator: shared by all threads.
        threads: that ask at the same time.
        calls: of each thread.
    """
    alone = [request(generator, seed).tobytes() for seed in range(SEEDS)]

    def ask(thread: int) -> int:
        seeds = np.random.default_rng(thread).integers(SEEDS, size=calls)
        return sum(request(generator, int(seed)).tobytes() != alone[seed] for seed in seeds)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(ask, range(threads)))


def stream_peak(generator: Generator, images: int) -> float:
    """Megabytes over what was held before, at the most, in one stream of ``images``."""
    before = peak = memory(os.getpid())
    for _ in generator.stream(images, seed=1):
        peak = max(peak, memory(os.getpid()))
    return peak - before


def growth(generator: Generator, requests: int) -> float:
    """Megabytes that mixed requests leave behind, after as many as there are kinds of them."""
    for seed in range(2 * SEEDS):
        request(generator, seed % SEEDS)
    before = memory(os.getpid())
    for seed in np.random.default_rng(0).integers(SEEDS, size=requests):
        request(generator, int(seed))
    return memory(os.getpid()) - before


def measure(
    path: Path, *, threads: int, calls: int, images: int, requests: int
) -> dict[str, int | float]:
    """All of it, of a bundle in this process; the memory first, before threads leave theirs.

    Returns:
        ``peak`` and ``growth`` in megabytes, and ``mismatches``, beside what was asked for.
    """
    generator = load(path)
    generator.sample(64)
    return {
        "images": images,
        "peak": round(stream_peak(generator, images), 1),
        "requests": requests,
        "growth": round(growth(generator, requests), 1),
        "threads": threads,
        "calls": calls,
        "mismatches": mismatches(generator, threads, calls),
    }


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser("python -m benchmarks.steady", "Hold one generator to its bytes and memory.")
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument("--images", type=int, default=1_000_000, help="of one stream")
    parser.add_argument("--requests", type=int, default=100_000, help="one after the other")
    parser.add_argument("--threads", type=int, default=64, help="that share the generator")
    parser.add_argument("--calls", type=int, default=1_000, help="of each thread")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON lines to append to")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Measure and append one record."""
    found: dict[str, Any] = measure(
        args.bundle,
        threads=args.threads,
        calls=args.calls,
        images=args.images,
        requests=args.requests,
    )
    append_record(args.results, {"bundle": args.bundle.name} | found | {"machine": machine()})
    print(f"one stream of {found['images']:,} images: at most {found['peak']} MB over idle")
    print(f"{found['requests']:,} mixed requests: {found['growth']} MB more than after warm-up")
    print(
        f"{found['threads']} threads, {found['calls']:,} calls each: "
        f"{found['mismatches']} differ from serial"
    )


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    run(parse_args(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
