"""Colour images that are drawn and not collected: ``shapes64`` and ``shapes128``.

One shape on a smooth background, whole and anti-aliased. An image is a function of 20 numbers, and
so a data set that an autoencoder can learn, at any size and with no network.
"""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds
from numpy.typing import NDArray

OUTLINES = {
    "circle": (60, np.cos(np.pi / 60)),
    "triangle": (3, np.cos(np.pi / 3)),
    "square": (4, np.cos(np.pi / 4)),
    "hexagon": (6, np.cos(np.pi / 6)),
    "star": (5, 0.45),
}
"""Class → tips, and how near the corners between them come to the centre, as a share of the tips'
distance; the cosine makes the edge from tip to tip straight."""
_NUMBERS = 20
_COUNTS = {"train": 5000, "test": 1000}
_CHUNK = 50


def draw(side: int, count: int, key: int) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Draw images: the same ones at every size, and the first of more are the same as of fewer.

    Args:
        side: of the images, in pixels.
        count: number of images.
        key: of numpy's Philox, from which the 20 numbers of every image come.

    Yields:
        At most 50 images ``(rows, side, side, 3)`` uint8 and their classes ``(rows,)``, which are
        places in :data:`OUTLINES`.
    """
    numbers = np.random.Generator(np.random.Philox(key=key)).random((count, _NUMBERS))
    # Pixel centres, in units of the side.
    across = (np.arange(side) + 0.5) / side
    for first in range(0, count, _CHUNK):
        rows = numbers[first : first + _CHUNK]
        labels = (rows[:, 0] * len(OUTLINES)).astype(np.int64)
        background, inside = _background(rows[:, 1:13], across), _inside(rows, labels, across)
        # At least 0.3 away from the background's mean in every colour.
        colour = (background.mean(axis=(1, 2)) + 0.3 + 0.4 * rows[:, 13:16]) % 1.0
        image = background + inside[..., None] * (colour[:, None, None] - background)
        yield np.rint(image * 255).astype(np.uint8), labels


def _background(rows: NDArray[np.float64], across: NDArray[np.float64]) -> NDArray[np.float64]:
    """The colours of four corners, blended: ``(count, 12)`` → ``(count, side, side, 3)``."""
    corners = 0.1 + 0.8 * rows.reshape(-1, 2, 2, 3)
    blend = np.stack([1 - across, across], axis=1)
    return np.einsum("yj,xk,njkc->nyxc", blend, blend, corners, optimize=True)


def _inside(
    rows: NDArray[np.float64], labels: NDArray[np.int64], across: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share of every pixel that lies in the shape, ``(count, side, side)``."""
    tips, inner = (each[:, None, None] for each in np.array(list(OUTLINES.values())).T[:, labels])
    radius = 0.15 + 0.2 * rows[:, 16, None, None]
    left, top = (radius + (1 - 2 * radius) * rows[:, i, None, None] for i in (17, 18))
    x, y = across[None, None, :] - left, across[None, :, None] - top
    sector = 2 * np.pi / tips
    # The angle from the nearest tip: all edges of the outline fall on half of one.
    angle = np.arctan2(y, x) + sector * rows[:, 19, None, None]
    angle = np.abs((angle + sector / 2) % sector - sector / 2)
    # The normal of the edge from the tip (1, 0) to the corner after it.
    normal = np.stack([inner * np.sin(sector / 2), 1 - inner * np.cos(sector / 2)])
    normal /= np.sqrt(np.square(normal).sum(axis=0))
    distance = np.hypot(x, y)
    beyond = distance * (np.cos(angle) * normal[0] + np.sin(angle) * normal[1]) - radius * normal[0]
    return np.clip(0.5 - beyond * len(across), 0.0, 1.0)


# mypy does not see into tfds, which has this argument.
class _Shapes(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    VERSION = tfds.core.Version("1.0.0")
    side: ClassVar[int]

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(self.side, self.side, 3)),
                    "label": tfds.features.ClassLabel(names=list(OUTLINES)),
                }
            ),
            description=self.__doc__,
        )

    def _split_generators(self, dl_manager):  # noqa: ARG002  (nothing to download)
        return {
            split: self._examples(count, key) for key, (split, count) in enumerate(_COUNTS.items())
        }

    def _generate_examples(self):
        raise NotImplementedError("the splits bring their own examples")

    def _examples(self, count: int, key: int) -> Iterator[tuple[int, dict]]:
        index = 0
        for images, labels in draw(self.side, count, key):
            for image, label in zip(images, labels.tolist(), strict=True):
                yield index, {"image": image, "label": label}
                index += 1


class Shapes64(_Shapes):
    """Circles, triangles, squares, hexagons and stars, 64x64: 5,000 train, 1,000 test."""

    side = 64


class Shapes128(_Shapes):
    """The images of ``shapes64``, drawn at 128x128."""

    side = 128
