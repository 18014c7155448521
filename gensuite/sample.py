"""``python -m gensuite.sample BUNDLE``: draw images from a bundle into one picture."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gensuite.console import Parser, command
from gensuite.errors import ConfigError

MAX_PICTURE = 10_000
"""Most images in one picture: at 28 x 28 pixels it is 3,000 pixels wide."""


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser("python -m gensuite.sample", "Draw images from a bundle into one picture.")
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument("--count", type=int, default=64, help="images to draw (default: 64)")
    parser.add_argument("--seed", type=int, default=0, help="0 to 2^32 - 1 (default: 0)")
    parser.add_argument(
        "--spread", type=float, default=1.0, help="factor on the prior's deviation (default: 1)"
    )
    parser.add_argument("--prior", help="standard, gaussian or fitted (default: the model's own)")
    parser.add_argument(
        "--label", type=int, help="class of all images, for a conditional model (default: drawn)"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument(
        "--out", type=Path, default=Path("grid.png"), help="PNG to write (default: grid.png)"
    )
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Draw and write the picture."""
    from gensuite.inference.generator import load
    from gensuite.inference.images import grid, png
    from gensuite.storage import write_file

    if args.out.suffix.lower() != ".png":
        raise ConfigError(f"--out: {args.out} given; allowed is a path that ends in .png")
    if not args.out.parent.is_dir():
        raise ConfigError(f"--out: {args.out} given, but there is no folder {args.out.parent}")
    if args.out.parent.resolve() == args.bundle.resolve():
        raise ConfigError(f"--out: {args.out} lies in the bundle, which an extra file would break")
    if args.count > MAX_PICTURE:
        raise ConfigError(f"--count: {args.count} given; one picture takes 1 to {MAX_PICTURE}")
    generator = load(args.bundle, threads=args.threads)
    images = generator.sample(
        args.count, seed=args.seed, spread=args.spread, prior=args.prior, label=args.label
    )
    write_file(args.out, png(grid(images)))
    print(f"{args.out}: {args.count} images, seed {args.seed}, {generator.bundle.identity}")


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    run(parse_args(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
