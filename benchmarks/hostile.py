"""``python -m benchmarks.hostile --count 200000``: hostile bundles by the hundred thousand.

Half are damaged at random, half are attacks with every hash right (``tests/hostile.py``). Each has
to end in a :class:`BundleError` within the deadline. A record is appended to
``benchmarks/results/hostile.jsonl``; cases that pass are named by their number.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

from tqdm import trange

from benchmarks.bench import RESULTS_FOLDER, append_record, machine
from gensuite.console import Parser, command
from gensuite.errors import BundleError
from gensuite.inference.quarantine import Quarantine

RESULTS = RESULTS_FOLDER / "hostile.jsonl"


def measure(first: int, count: int) -> dict[str, Any]:
    """Try the cases ``first`` to ``first + count - 1``.

    Returns:
        How often each code came, the numbers of the cases that were let pass, and the longest
        time in seconds that one took.
    """
    from tests.hostile import make_case

    codes: Counter[str] = Counter()
    passed, longest = [], 0.0
    with tempfile.TemporaryDirectory() as folder, Quarantine() as quarantine:
        path = Path(folder) / "case"
        for index in trange(first, first + count, unit="bundle", disable=None):
            make_case(index, path)
            start = time.monotonic()
            try:
                quarantine.try_bundle(path)
                passed.append(index)
            except BundleError as error:
                codes[error.code] += 1
            longest = max(longest, time.monotonic() - start)
            rmtree(path)
    return {
        "cases": count,
        "codes": dict(sorted(codes.items())),
        "passed": passed,
        "longest": round(longest, 2),
    }


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser("python -m benchmarks.hostile", "Try hostile bundles, every one another.")
    parser.add_argument("--count", type=int, default=200_000, help="cases (default: 200000)")
    parser.add_argument("--first", type=int, default=0, help="number of the first (default: 0)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON lines to append to")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Try them all and append one record."""
    start = time.monotonic()
    found = measure(args.first, args.count)
    minutes = (time.monotonic() - start) / 60
    facts = machine() | {"minutes": round(minutes, 1)}
    append_record(args.results, found | {"machine": facts})
    print(f"{found['cases']:,} cases in {minutes:.1f} min; let pass: {len(found['passed'])}")
    print(f"longest: {found['longest']} s; {found['codes']}")


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    run(parse_args(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
