"""``python -m benchmarks.studio_load``: the studio under many visitors at once.

Each visitor draws a first page, then seed after seed with a pause to think, and checks that every
picture is the one of its own seed. A record is appended to
``benchmarks/results/studio_load.jsonl``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import gensuite
from benchmarks.bench import RESULTS_FOLDER, append_record, machine, memory
from benchmarks.visitors import Diary, run_visits, visit_all
from gensuite.console import Parser, command

RESULTS = RESULTS_FOLDER / "studio_load.jsonl"


def measure(path: Path, *, users: int, seconds: float, think: float) -> dict[str, Any]:
    """Serve a bundle's folder and let visitors come.

    Args:
        path: of the bundle.
        users: at once.
        seconds: that they stay.
        think: seconds between a picture and the next seed.

    Returns:
        Counts, times in seconds, and the server's memory in MB before and after.
    """
    from tests.browser.driver import serve

    own = gensuite.load(path)

    def stay(users: int, seconds: float) -> Diary:
        visits = visit_all(
            server.address, path.name, own, users=users, seconds=seconds, think=think
        )
        return run_visits(visits)

    with serve(path.parent) as server:
        stay(users, 2 * think)  # what the first visitors bring into memory stays there
        before = memory(server.pid)
        diary = stay(users, seconds)
        after = memory(server.pid)
    return {
        "users": users,
        "seconds": seconds,
        "think": think,
        "pictures": len(diary.first) + len(diary.moves),
        "first_p99": float(np.quantile(diary.first, 0.99)),
        "move_p50": float(np.quantile(diary.moves, 0.5)),
        "move_p99": float(np.quantile(diary.moves, 0.99)),
        "errors": diary.errors,
        "mixed_up": diary.mixed_up,
        "memory": [before, after],
    }


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser("python -m benchmarks.studio_load", "Visit the studio, many at once.")
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument("--users", type=int, default=50, help="at once (default: 50)")
    parser.add_argument("--seconds", type=float, default=600, help="they stay (default: 600)")
    parser.add_argument("--think", type=float, default=5, help="seconds of pause (default: 5)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON lines to append to")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Measure and append one record."""
    found = measure(args.bundle, users=args.users, seconds=args.seconds, think=args.think)
    append_record(args.results, found | {"machine": machine()})
    print(f"{found['pictures']} pictures for {found['users']} visitors in {found['seconds']:g} s")
    print(f"a new seed: p50 {found['move_p50']:.3f} s, p99 {found['move_p99']:.3f} s")
    print(f"a first page: p99 {found['first_p99']:.3f} s")
    print(f"errors: {len(found['errors'])}; pictures of another seed: {found['mixed_up']}")
    print("memory: {:.0f} MB before, {:.0f} MB after".format(*found["memory"]))


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    run(parse_args(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
