"""``python -m benchmarks.training``: one training, in every way that a user would pick.

For each row, a family and a kind of network, the ways of :mod:`benchmarks.trainers` train the same
networks from the same weights on the same images, each in a process of its own. They start one
after another, agree on the losses of their first steps, and then take turns of a few seconds, so
that a busy moment of the machine meets all of them. Every ratio is the median of the ratios within
a turn. A figure counts only from a machine that does nothing else.

A row is a record in ``benchmarks/results/training.jsonl``; a run that was stopped goes on with the
rows that this version of gensuite has no record of.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import training_tables
from benchmarks.bench import RESULTS_FOLDER, append_record, machine, parse_shared, read_records
from benchmarks.processes import TORCH, torch_python
from benchmarks.trainers import rows
from gensuite.console import Parser, command, quiet_start
from gensuite.errors import ConfigError
from gensuite.settings import suggestion
from gensuite.version import __version__

RESULTS = RESULTS_FOLDER / "training.jsonl"
PYTHAE = "pythae==0.1.2"


def find_pythons(*, install: bool) -> dict[str, Path | str]:
    """The interpreter of every way, or the reason why there is none.

    Args:
        install: whether an environment with PyTorch and pythae may be made.
    """
    torch = torch_python(install=install)
    return {
        **dict.fromkeys((rows.OURS, rows.KERAS, rows.OWN_GAN), Path(sys.executable)),
        rows.EAGER: torch,
        rows.COMPILED: torch,
        rows.PYTHAE: torch_python(PYTHAE, install=install),
    }


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line.

    Raises:
        ConfigError: an argument is not allowed.
    """
    parser = Parser("python -m benchmarks.training", "Measure every way to train a model.")
    parser.add_argument("--row", help=f"{', '.join(rows.ROWS)} (default: all that are missing)")
    parser.add_argument(
        "--settings",
        action="store_true",
        help="measure the choices of the training loop in place of its neighbours",
    )
    args = parse_shared(parser, argv, "training")
    if args.row is not None and args.row not in rows.ROWS:
        raise ConfigError(
            f"--row: {args.row!r} given; {suggestion(args.row, list(rows.ROWS))}"
            f"allowed are {', '.join(rows.ROWS)}"
        )
    return args


def missing(args: argparse.Namespace) -> list[str]:
    """Rows to be measured."""
    if args.row or args.quick:
        return [args.row] if args.row else list(rows.QUICK_ROWS)
    done = {
        record["row"]
        for record in read_records(args.results)
        if record["gensuite"] == __version__ and ("settings" in record) == args.settings
    }
    return [name for name in rows.ROWS if name not in done]


def run(args: argparse.Namespace) -> None:
    """Measure what is asked for, a record at a time."""
    with quiet_start():
        from benchmarks.trainers.prepare import prepare
        from gensuite.training import devices

        devices.prepare(deterministic=False)
    from benchmarks.trainers.race import held_memory, race, try_settings

    folder = args.runs / "training" if args.quick else args.runs
    dataset, plan = ("digits", rows.QUICK_PLAN) if args.quick else ("mnist", rows.PLAN)
    for name in missing(args):
        print(f"row {name}{', settings' if args.settings else ''}", flush=True)
        facts = machine()
        prepare(name, folder, dataset, args.raw_dir)
        if args.settings:
            found = try_settings(name, folder, plan)
        else:
            found = race(name, folder, dataset, find_pythons(install=not args.quick), plan)
            found["memory"] = held_memory(name, folder, plan.epochs)
        record = {"row": name, "quick": args.quick, "dataset": dataset, "gensuite": __version__}
        record |= {"torch": TORCH, "pythae": PYTHAE, "machine": facts}
        args.results.parent.mkdir(parents=True, exist_ok=True)
        append_record(args.results, record | found)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    args = parse_args(argv)
    run(args)
    print(training_tables.text(read_records(args.results)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
