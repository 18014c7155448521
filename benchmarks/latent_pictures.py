"""``python -m benchmarks.latent_pictures AE VAE --out PNG``: two latent spaces side by side.

For bundles with codes of two numbers: where the codes lie, what the decoder makes of the prior,
and a path across a hole. ``docs/latent-health.md`` shows the result.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gensuite.console import Parser, command
from gensuite.errors import InputError
from gensuite.inference.generator import Generator, load
from gensuite.inference.health import health
from gensuite.inference.holes import Cloud, Whitening
from gensuite.inference.images import png, to_uint8
from gensuite.inference.latents import draw_codes
from gensuite.inference.manifest import ENCODER_OUTPUTS
from gensuite.storage import write_file

PANEL = 600
MARGIN = 28
CELLS = 20
"""Images in a row and in a column of the decoded prior."""
STRIP = 14
"""Images of a path."""
SMOOTH = 3
"""Dots are drawn so many times larger and then reduced, which makes their edges smooth."""
RADIUS = float(np.sqrt(-2 * np.log(0.05)))
"""95% of N(0, I) in two dimensions lies within this distance of 0."""

# Paul Tol's "muted" scheme and black: told apart with any colour vision.
COLOURS = (
    "#332288",
    "#88CCEE",
    "#44AA99",
    "#117733",
    "#999933",
    "#DDCC77",
    "#CC6677",
    "#882255",
    "#AA4499",
    "#222222",
)
INK, PALE, HOLE = "#1a1a1a", "#8a8a8a", "#ffdfb8"


class Space:
    """A bundle's latent space: its codes and the plane's part that the picture shows."""

    def __init__(self, generator: Generator):
        if generator.bundle.family not in ENCODER_OUTPUTS or generator.bundle.latent_size != 2:
            raise InputError(
                f"{generator.bundle.path}: {generator.bundle.family} with codes of "
                f"{generator.bundle.latent_size} numbers; allowed is an AE or a VAE with 2"
            )
        self.generator = generator
        arrays = generator.bundle.codes
        self.codes, self.labels = draw_codes(arrays, seed=0), arrays["labels"]
        self.gaussian = Whitening.fit(self.codes)
        self.standard = generator.bundle.default_prior == "standard"
        ends = np.concatenate(
            [np.quantile(self.codes, [0.002, 0.998], axis=0), self.ring(True), self.ring(False)]
        )
        self.centre = (ends.min(axis=0) + ends.max(axis=0)) / 2
        self.half = 1.06 * float(np.ptp(ends, axis=0).max()) / 2

    def from_prior(self, noise: np.ndarray) -> np.ndarray:
        """N(0, I) draws to draws of the prior that the model samples from."""
        if self.standard:
            return noise
        # The symmetric root of the covariance, so that up stays up and left stays left.
        axes = self.gaussian.scaled_axes / np.linalg.norm(self.gaussian.scaled_axes, axis=0)
        return self.gaussian.colour(noise @ axes)

    def ring(self, standard: bool) -> np.ndarray:
        """The line around 95% of N(0, I), or of the codes' own Gaussian: ``(points, 2)``."""
        angle = np.linspace(0, 2 * np.pi, 181)
        ring = RADIUS * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return ring if standard else self.gaussian.colour(ring)

    def pixels(self, codes: np.ndarray, size: int) -> np.ndarray:
        """Where codes lie in a square picture of ``size`` pixels, second number upwards."""
        place = (codes - self.centre) / self.half
        return (np.stack([1 + place[:, 0], 1 - place[:, 1]], axis=1)) * size / 2

    def holes(self, size: int) -> np.ndarray:
        """Which pixels of a square picture are holes in 95% of the prior: ``(size, size)``."""
        steps = (np.arange(size) + 0.5) * 2 / size - 1
        x, y = np.meshgrid(steps, -steps)
        points = self.centre + self.half * np.stack([x.ravel(), y.ravel()], axis=1)
        noise = points if self.standard else self.gaussian.whiten(points)
        inside = np.linalg.norm(noise, axis=1) < RADIUS
        return (inside & Cloud.of(self.codes).in_hole(points)).reshape(size, size)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own typeface, which every installation has."""
    return ImageFont.load_default(size=size)


def scatter(space: Space, path: np.ndarray) -> Image.Image:
    """The codes coloured by class over the holes, the two 95% rings, and a path."""
    size = PANEL * SMOOTH
    shade = Image.fromarray((space.holes(PANEL // 2) * 255).astype(np.uint8)).resize((size, size))
    picture = Image.new("RGB", (size, size), "white")
    picture.paste(HOLE, mask=shade)
    draw = ImageDraw.Draw(picture)
    dot = 2.3 * SMOOTH
    for (x, y), label in zip(space.pixels(space.codes, size), space.labels, strict=True):
        draw.ellipse((x - dot, y - dot, x + dot, y + dot), fill=COLOURS[label % len(COLOURS)])
    for standard, colour in ((False, PALE), (True, INK)):
        ring = [tuple(point) for point in space.pixels(space.ring(standard), size)]
        draw.line(ring, fill=colour, width=2 * SMOOTH, joint="curve")
    ends = [tuple(point) for point in space.pixels(path[[0, -1]], size)]
    draw.line(ends, fill="white", width=6 * SMOOTH)
    draw.line(ends, fill=INK, width=3 * SMOOTH)
    for x, y in ends:
        draw.ellipse(
            (x - 3 * dot, y - 3 * dot, x + 3 * dot, y + 3 * dot), fill=INK, outline="white"
        )
    draw.rectangle((0, 0, size - 1, size - 1), outline=PALE, width=SMOOTH)
    return picture.resize((PANEL, PANEL), Image.Resampling.LANCZOS)


def decoded_prior(space: Space) -> Image.Image:
    """What the decoder makes of a square lattice over 95% of the prior; holes on orange."""
    steps = np.linspace(-RADIUS, RADIUS, CELLS)
    x, y = np.meshgrid(steps, -steps)
    noise = np.stack([x.ravel(), y.ravel()], axis=1)
    codes = space.from_prior(noise)
    images, holes = as_rgb(space.generator.decode(codes)), Cloud.of(space.codes).in_hole(codes)
    side = PANEL // CELLS
    picture = Image.new("RGB", (PANEL, PANEL), "white")
    draw = ImageDraw.Draw(picture)
    for index in np.flatnonzero(np.linalg.norm(noise, axis=1) < RADIUS + 0.1).tolist():
        left, top = side * (index % CELLS), side * (index // CELLS)
        if holes[index]:
            draw.rectangle((left, top, left + side - 1, top + side - 1), fill="#ff9f2e")
        tile = Image.fromarray(images[index]).resize((side - 4, side - 4))
        picture.paste(tile, (left + 2, top + 2))
    return picture


def path_across_a_hole(space: Space) -> np.ndarray:
    """Of 300 straight paths between codes of two classes, the one most in holes: (14, 2)."""
    rng = np.random.default_rng(0)
    pairs = rng.integers(len(space.codes), size=(300, 2))
    pairs = pairs[space.labels[pairs[:, 0]] != space.labels[pairs[:, 1]]]
    at = np.linspace(0, 1, STRIP)[None, :, None]
    starts, ends = space.codes[pairs[:, 0]][:, None], space.codes[pairs[:, 1]][:, None]
    paths = (1 - at) * starts + at * ends
    holes = Cloud.of(space.codes).in_hole(paths.reshape(-1, 2)).reshape(-1, STRIP)
    # Only paths inside the prior's 95%, or a walk around the codes would win.
    points = paths if space.standard else space.gaussian.whiten(paths)
    inside = (np.linalg.norm(points, axis=2) < RADIUS).all(axis=1)
    return paths[np.where(inside, holes.sum(axis=1), -1).argmax()]


def strip(space: Space, path: np.ndarray) -> Image.Image:
    """The images of a path, those in holes on orange."""
    images, holes = as_rgb(space.generator.decode(path)), Cloud.of(space.codes).in_hole(path)
    side = PANEL // STRIP
    picture = Image.new("RGB", (PANEL, side), "white")
    draw = ImageDraw.Draw(picture)
    for index, (image, hole) in enumerate(zip(images, holes, strict=True)):
        left = index * side + (PANEL - side * STRIP) // 2
        if hole:
            draw.rectangle((left, 0, left + side - 1, side - 1), fill="#ff9f2e")
        picture.paste(Image.fromarray(image).resize((side - 6, side - 6)), (left + 3, 3))
    return picture


def as_rgb(images: np.ndarray) -> np.ndarray:
    """``(count, height, width, 3)`` uint8."""
    return np.broadcast_to(to_uint8(images), (*images.shape[:3], 3))


def column(space: Space) -> list[tuple[str, Image.Image]]:
    """The captioned pictures of one bundle."""
    report = health(space.generator)
    numbers = " · ".join(
        f"{name.replace('_', '-')} {limit.headline.value:.2g}"
        for name, limit in report.limits.items()
        if limit.headline
    )
    path = path_across_a_hole(space)
    prior = "N(0, I)" if space.standard else "the codes' own Gaussian"
    return [
        (numbers, scatter(space, path)),
        (f"What the decoder makes of 95% of {prior}", decoded_prior(space)),
        ("From one end of the line to the other", strip(space, path)),
    ]


def picture_of(generators: Sequence[Generator]) -> Image.Image:
    """One column for each bundle, under a legend of the classes."""
    spaces = [Space(generator) for generator in generators]
    columns = [column(space) for space in spaces]
    rows = [row[1].height for row in columns[0]]
    width = len(columns) * (PANEL + MARGIN) + MARGIN
    height = 116 + sum(rows) + 46 * len(rows) + 40
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    _legend(draw, spaces[0])
    for number, (space, parts) in enumerate(zip(spaces, columns, strict=True)):
        left, top = MARGIN + number * (PANEL + MARGIN), 56
        facts = space.generator.bundle
        title = f"{facts.family.upper()} of {facts.manifest['dataset']['name']}"
        draw.text((left, top), title, fill=INK, font=font(26))
        top += 40
        for text, part in parts:
            draw.text((left, top + 10), text, fill=INK, font=font(18))
            sheet.paste(part, (left, top + 40))
            top += part.height + 46
    foot = (
        "Rings: 95% of N(0, I), black, and of the codes' own Gaussian, grey. "
        "Orange: holes, where no code is near."
    )
    draw.text((MARGIN, height - 34), foot, fill=INK, font=font(18))
    # 256 colours are enough, and make the file a third.
    return sheet.quantize(256, dither=Image.Dither.NONE)


def _legend(draw: ImageDraw.ImageDraw, space: Space) -> None:
    left = MARGIN
    for index, name in enumerate(space.generator.manifest["dataset"].get("class_names", ())):
        colour = COLOURS[index % len(COLOURS)]
        draw.ellipse((left, 22, left + 16, 38), fill=colour)
        draw.text((left + 22, 19), name, fill=INK, font=font(17))
        left += 44 + int(draw.textlength(name, font=font(17)))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser("python -m benchmarks.latent_pictures", "Show latent spaces side by side.")
    parser.add_argument("bundles", type=Path, nargs="+", help="bundles with codes of 2 numbers")
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")
    return parser.parse_args(argv)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    args = parse_args(argv)
    write_file(args.out, png(picture_of([load(path) for path in args.bundles])))
    print(f"{args.out}: {len(args.bundles)} bundles")
    return 0


if __name__ == "__main__":
    sys.exit(main())
