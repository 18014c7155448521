"""``python -m benchmarks.publish``: the best run of every sample row becomes a committed bundle.

Best is the lowest Fréchet distance of what the row samples from. The run's scores go into the
bundle's card with it.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality import IMAGE_SETS, read_results
from export import export_run
from gensuite.console import Parser, command
from gensuite.errors import ConfigError
from gensuite.info import ARTIFACTS

SAMPLES = {"ae": "fitted", "vae": "fitted", "gan": "samples"}
"""Family → the samples of its row that are compared."""
MOST_BYTES = 8_000_000
"""Of all six: every clone carries them."""


def best_seed(family: str, dataset: str, records: Sequence[dict[str, Any]]) -> int:
    """The seed of the row's lowest Fréchet distance.

    Raises:
        ConfigError: the row has not been measured.
    """
    found = {
        record["seed"]: record[SAMPLES[family]]["frechet"]["value"]
        for record in records
        if record["row"] == f"{family}-{dataset}" and not record["quick"]
    }
    if not found:
        raise ConfigError(
            f"{family}-{dataset}: not measured yet; run python -m benchmarks.quality --row "
            f"{family}-{dataset}"
        )
    return int(min(found, key=lambda seed: found[seed]))


def publish(family: str, dataset: str, runs: Path) -> None:
    """Export the best run of a family's row under the row's name."""
    seed = best_seed(family, dataset, read_results())
    name = f"{family}-{dataset}"
    # A bundle is called as its run is, so the run is given the bundle's name.
    with tempfile.TemporaryDirectory() as folder:
        run = shutil.copytree(runs / f"{name}-{seed}", Path(folder) / name)
        export_run(run, ARTIFACTS / name, force=True)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser("python -m benchmarks.publish", "Export the best run of every sample row.")
    parser.add_argument("--runs", type=Path, default=Path("runs/quality"), help="the trainings")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Export all six and say what they weigh."""
    for dataset in IMAGE_SETS:
        for family in SAMPLES:
            publish(family, dataset, args.runs)
    names = [f"{family}-{dataset}" for family in SAMPLES for dataset in IMAGE_SETS]
    size = sum(p.stat().st_size for name in names for p in (ARTIFACTS / name).iterdir())
    print(f"{len(names)} bundles, {size / 1e6:.2f} MB (at most {MOST_BYTES / 1e6:g})")


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    run(parse_args(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
