"""``python -m export.contact_sheet BUNDLE ...``: samples and reconstructions of several bundles."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gensuite.console import Parser, command
from gensuite.inference.generator import Generator, load
from gensuite.inference.images import grid, png
from gensuite.inference.manifest import ENCODER_OUTPUTS
from gensuite.storage import write_file

COUNT = 20
_SCALE = 2
_CAPTION_HEIGHT = 28
_MARGIN = 12


def rows_of(generator: Generator) -> list[tuple[str, np.ndarray]]:
    """The captioned rows of one bundle: 20 samples; with an encoder, 20 test images and theirs."""
    facts = generator.bundle
    title = f"{facts.family.upper()} of {facts.manifest['dataset']['name']}"
    rows = [(f"{title}: {COUNT} samples, seed 0", generator.sample(COUNT, seed=0))]
    if facts.family in ENCODER_OUTPUTS:
        images = facts.arrays("golden.npz")["encoder.image"][:COUNT]
        rows.append((f"{title}: test images", images))
        rows.append((f"{title}: their reconstructions", generator.reconstruct(images)))
    return rows


def contact_sheet(generators: Sequence[Generator]) -> Image.Image:
    """One picture with the rows of all bundles, each row under its caption."""
    rows = [row for generator in generators for row in rows_of(generator)]
    strips = [(text, grid(images, columns=COUNT, scale=_SCALE)) for text, images in rows]
    width = max(strip.width for _, strip in strips) + 2 * _MARGIN
    height = sum(strip.height + _CAPTION_HEIGHT for _, strip in strips) + 2 * _MARGIN
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=16)
    top = _MARGIN
    for text, strip in strips:
        draw.text((_MARGIN + 2 * _SCALE, top + 4), text, fill="black", font=font)
        sheet.paste(strip, (_MARGIN, top + _CAPTION_HEIGHT))
        top += strip.height + _CAPTION_HEIGHT
    return sheet


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser("python -m export.contact_sheet", "Show several bundles in one picture.")
    parser.add_argument("bundles", type=Path, nargs="+", help="folders of bundles")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("artifacts/contact_sheet.png"),
        help="PNG to write (default: artifacts/contact_sheet.png)",
    )
    return parser.parse_args(argv)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    args = parse_args(argv)
    write_file(args.out, png(contact_sheet([load(path) for path in args.bundles])))
    print(f"{args.out}: {len(args.bundles)} bundles")
    return 0


if __name__ == "__main__":
    sys.exit(main())
