"""``python -m export RUN``: export a run to a bundle and a SavedModel."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gensuite.console import Parser, command, quiet_start


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        "python -m export", "Export a run to a bundle (ONNX with proof) and a SavedModel."
    )
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument(
        "--to", type=Path, help="the bundle's folder (default: artifacts/ and the run's name)"
    )
    parser.add_argument("--force", action="store_true", help="replace a bundle that is there")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Export."""
    from gensuite.training.runs import Run

    Run.open(args.run)  # refuses what is no run before TensorFlow loads
    with quiet_start():
        import tensorflow as tf

        from export.assemble import export_run

        # On the CPU everywhere, where float32 is exact and a bundle comes out in the same bytes.
        tf.config.set_visible_devices([], "GPU")
    export_run(args.run, args.to, force=args.force)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    run(parse_args(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
