"""``python -m gensuite.sweep``: train many settings, stop bad ones early, name the best."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gensuite.config import read_config_file
from gensuite.console import Parser, command
from gensuite.errors import ConfigError
from gensuite.ray_cluster import cluster, require_ray


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        "python -m gensuite.sweep",
        "Train many settings on Ray Tune, which stops bad ones early. The same command goes on "
        "after a kill.",
    )
    parser.add_argument(
        "--config",
        type=Path,
        required=True,
        help="JSON file of settings as for gensuite.train, and a search (docs/sweeps.md)",
    )
    parser.add_argument(
        "--run-dir", type=Path, help="the sweep's folder (default: runs/ and the file's name)"
    )
    parser.add_argument("--workers", type=int, default=2, help="trials at a time (default: 2)")
    args = parser.parse_args(argv)
    if args.workers < 1:
        raise ConfigError(f"--workers: {args.workers} given; allowed is a whole number from 1 on")
    return args


def run(args: argparse.Namespace) -> int:
    """Train what is not settled and show the table; 1 where trials failed or none was finished."""
    from gensuite.training import sweeping
    from gensuite.training.runs import RUNS

    sweep = sweeping.load_sweep(read_config_file(args.config))
    folder = args.run_dir or RUNS / args.config.stem
    require_ray()
    from gensuite.data.catalogue import find_builder

    # Prepares the data set, which several trials must not do at once.
    find_builder(sweep.configs[0])
    with sweeping.claimed(folder, sweep):
        if len(sweeping.read_settled(folder)) < len(sweep.configs):
            print(f"sweep: {folder}, {len(sweep.configs)} trials, {args.workers} at a time")
            with cluster(args.workers):
                from gensuite.training.trials import run_trials

                run_trials(folder, sweep, args.workers)
        found = sweeping.results(folder, sweep)
    print(sweeping.table(found, sweep.metric))
    if best := sweeping.best(found):
        print(f"best: {best.name}; export: python -m export {folder / best.name}")
    if unfinished := sum(each.state == sweeping.UNFINISHED for each in found):
        print(f"{unfinished} trials failed; the same command tries them again", file=sys.stderr)
    return 0 if best and not unfinished else 1


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    return run(parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
