"""``python -m benchmarks.bulk BUNDLE``: what ten thousand to a million images in a folder cost.

``python -m gensuite.sample`` writes each number of images as a user would, in a process of its own,
whose memory is looked at all the while. Every number is a record in
``benchmarks/results/bulk.jsonl``.
"""

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.bench import RESULTS_FOLDER, append_record, machine, memory, read_records
from gensuite.console import Parser, command
from gensuite.errors import GensuiteError

RESULTS = RESULTS_FOLDER / "bulk.jsonl"
COUNTS = (10_000, 100_000, 1_000_000)
QUICK_COUNTS = (1_000, 2_000)
LEVEL = 1.1
"""What an image of the largest number costs, at most, in terms of one of the smallest."""


def measure(bundle: Path, count: int, *, kind: str, workers: int) -> dict[str, Any]:
    """Write so many images into a new folder, and remove it.

    Args:
        bundle: its folder.
        count: of images.
        kind: of shards, ``npz`` or ``png``.
        workers: processes.

    Returns:
        Seconds from the start of the process to its end, and its memory with that of its workers
        in MB: the medians of the first and of the last quarter of the time, and the most.

    Raises:
        GensuiteError: the command failed; it has said why.
    """
    with tempfile.TemporaryDirectory(prefix="bulk-") as folder:
        words = ["-m", "gensuite.sample", str(bundle), "--count", str(count), "--format", kind]
        words += ["--workers", str(workers), "--seed", "7", "--out", f"{folder}/images"]
        start, looks = time.perf_counter(), []
        process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL)
        while process.poll() is None:
            looks.append(memory_of_all(process.pid))
            time.sleep(0.05)
        seconds = time.perf_counter() - start
    if process.returncode:
        raise GensuiteError(f"{' '.join(words)}: exit code {process.returncode}")
    quarter = max(1, len(looks) // 4)
    return {
        "bundle": bundle.name,
        "count": count,
        "format": kind,
        "workers": workers,
        "seconds": round(seconds, 2),
        "memory": [
            round(statistics.median(looks[:quarter])),
            round(statistics.median(looks[-quarter:])),
            round(max(looks)),
        ],
    }


def memory_of_all(pid: int) -> float:
    """Resident memory of a process and its children, in MB; one that has ended has none."""
    total = 0.0
    children = Path(f"/proc/{pid}/task/{pid}/children")
    with contextlib.suppress(OSError):
        for each in (pid, *map(int, children.read_text().split())):
            with contextlib.suppress(OSError, ValueError):
                total += memory(each)
    return total


def table(records: Sequence[dict[str, Any]]) -> str:
    """A row for each record, and whether an image costs the same in all numbers of images."""
    lines = [
        "| bundle | format | workers | images | seconds | images/s | MB: early, late, most |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    costs: dict[str, dict[int, float]] = {}
    for found in records:
        what = "{bundle} | {format} | {workers}".format(**found)
        count, seconds = found["count"], found["seconds"]
        megabytes = ", ".join(map(str, found["memory"]))
        lines.append(
            f"| {what} | {count:,} | {seconds:.1f} | {count / seconds:,.0f} | {megabytes} |"
        )
        costs.setdefault(what.replace(" |", ","), {})[count] = seconds / count
    lines.append("")
    for what, cost in costs.items():
        least, most = min(cost), max(cost)
        share = cost[most] / cost[least]
        verdict = "met" if share <= LEVEL else "missed"
        lines.append(
            f"- {what}: an image of {most:,} costs {share:.2f} times one of {least:,}, at most "
            f"{LEVEL}: {verdict}"
        )
    return "\n".join(lines)


def newest_table() -> str:
    """The table of the newest record of every bundle, format, number of workers and of images."""
    newest = {
        (found["bundle"], found["format"], found["workers"], found["count"]): found
        for found in read_records(RESULTS)
    }
    return table([newest[key] for key in sorted(newest)]) if newest else "Not measured yet."


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser("python -m benchmarks.bulk", "Write ten thousand to a million images.")
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument("--format", choices=("npz", "png"), default="npz", help="(default: npz)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON lines to append to")
    parser.add_argument(
        "--quick", action="store_true", help="few images, to see that all comes out; no record"
    )
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Measure every number of images, and append a record of each."""
    found = []
    for count in QUICK_COUNTS if args.quick else COUNTS:
        found.append(measure(args.bundle, count, kind=args.format, workers=args.workers))
        if not args.quick:
            append_record(args.results, found[-1] | {"machine": machine()})
    print(table(found))


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    run(parse_args(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
