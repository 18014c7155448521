"""``python -m gensuite.doctor RUN``: say what ails a run, its cause and its remedy."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gensuite.console import Parser, command
from gensuite.training.doctor import diagnose
from gensuite.training.runs import Run


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        "python -m gensuite.doctor",
        "Say what ails a run, finished or not; exit with 1 if something does.",
    )
    parser.add_argument("run", type=Path, help="the run's folder")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    """Print the remarks; 0 if there are none, else 1."""
    run_ = Run.open(args.run)
    rows = run_.read_history()
    remarks = diagnose(run_.config, rows)
    for remark in remarks:
        print(remark)
    if not remarks:
        print(f"{args.run}: no remarks after {len(rows)} epochs")
    return 1 if remarks else 0


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    return run(parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
