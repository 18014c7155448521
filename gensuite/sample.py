"""``python -m gensuite.sample BUNDLE``: draw images from a bundle, into one picture or a folder."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gensuite.console import Parser, command, progress_bar
from gensuite.errors import ConfigError

MAX_PICTURE = 10_000
"""Most images in one picture: at 28 x 28 pixels it is 3,000 pixels wide."""


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        "python -m gensuite.sample",
        "Draw images from a bundle: into one picture, or, with --format, any number into a folder.",
    )
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument(
        "--count", type=int, default=64, help="images to draw, such as 1_000_000 (default: 64)"
    )
    parser.add_argument("--seed", type=int, default=0, help="0 to 2^32 - 1 (default: 0)")
    parser.add_argument(
        "--spread", type=float, default=1.0, help="factor on the prior's deviation (default: 1)"
    )
    parser.add_argument("--prior", help="standard, gaussian or fitted (default: the model's own)")
    parser.add_argument(
        "--label", type=int, help="class of all images, for a conditional model (default: drawn)"
    )
    parser.add_argument("--threads", type=int, help="CPU threads, for one picture (default: 1)")
    parser.add_argument(
        "--out", type=Path, help="PNG to write (default: grid.png); with --format, the folder"
    )
    parser.add_argument(
        "--format",
        choices=("npz", "png"),
        help="write a folder of shards, not one picture; the same command goes on after a kill",
    )
    parser.add_argument(
        "--shard", type=int, help="images in a shard (default: 1024 for npz, 1000 for png)"
    )
    parser.add_argument(
        "--workers", type=int, help="processes that write shards, of one thread each (default: 1)"
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        help="whose processes write shards: this machine's, or those of Ray Data (default: local)",
    )
    args = parser.parse_args(argv)
    foreign = ("threads",) if args.format else ("shard", "workers", "engine")
    for name in foreign:
        if getattr(args, name) is not None:
            raise ConfigError(
                f"--{name}: is for {'one picture' if args.format else 'shards'}; "
                + ("use --workers" if args.format else "give --format npz or png with it")
            )
    if args.format and args.out is None:
        raise ConfigError("--out: none given; --format needs the folder to write")
    return args


def draw_picture(args: argparse.Namespace) -> None:
    """Draw and write one picture."""
    from gensuite.inference.generator import load
    from gensuite.inference.images import grid, png
    from gensuite.storage import write_file

    out = args.out or Path("grid.png")
    if out.suffix.lower() != ".png":
        raise ConfigError(
            f"--out: {out} given; allowed is a path that ends in .png, or, with --format, a folder"
        )
    if not out.parent.is_dir():
        raise ConfigError(f"--out: {out} given, but there is no folder {out.parent}")
    if out.parent.resolve() == args.bundle.resolve():
        raise ConfigError(f"--out: {out} lies in the bundle, which an extra file would break")
    if args.count > MAX_PICTURE:
        raise ConfigError(
            f"--count: {args.count} given; one picture takes 1 to {MAX_PICTURE}, and a folder "
            "(--format) any number"
        )
    generator = load(args.bundle, threads=1 if args.threads is None else args.threads)
    images = generator.sample(
        args.count, seed=args.seed, spread=args.spread, prior=args.prior, label=args.label
    )
    write_file(out, png(grid(images)))
    print(f"{out}: {args.count} images, seed {args.seed}, {generator.bundle.identity}")


def write_folder(args: argparse.Namespace) -> None:
    """Draw any number of images into a folder of shards."""
    from gensuite.inference import bundle as bundles
    from gensuite.inference.shards import write_shards

    with progress_bar(args.count, "images") as bar:
        sampling = write_shards(
            bundles.read(args.bundle),
            args.out,
            args.count,
            format=args.format,
            seed=args.seed,
            spread=args.spread,
            prior=args.prior,
            label=args.label,
            shard=args.shard,
            workers=1 if args.workers is None else args.workers,
            engine=args.engine or "local",
            report=bar,
        )
    print(
        f"{args.out}: {sampling.count} images in {len(sampling.firsts)} shards of "
        f"{sampling.shard} ({sampling.format}), seed {sampling.seed}, {sampling.bundle}"
    )


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    args = parse_args(argv)
    (write_folder if args.format else draw_picture)(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
