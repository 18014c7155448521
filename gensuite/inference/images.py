"""Images as pictures: bytes, the contact grid, the mosaic, PNG."""

import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_BACKGROUND = 255


def to_uint8(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Round images in [0, 1] to bytes in [0, 255]; uint8 images pass through."""
    if images.dtype == np.uint8:
        return images
    return np.asarray(np.rint(np.clip(images, 0.0, 1.0) * 255.0), np.uint8)


def grid(images: NDArray[Any], *, columns: int | None = None, scale: int = 1) -> Image.Image:
    """Lay images out in rows, left to right, on white.

    Args:
        images: ``(count, height, width, channels)`` in [0, 1] or uint8, count at least 1.
        columns: images in a row; as square a grid as possible when not given.
        scale: each pixel becomes a square of this side; gaps grow by as many pixels.

    Returns:
        A grey or RGB picture.
    """
    pixels = to_uint8(images).repeat(scale, axis=1).repeat(scale, axis=2)
    count, height, width, channels = pixels.shape
    gap = scale + 1
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = math.ceil(count / columns)
    cell_height, cell_width = height + gap, width + gap
    canvas = np.full(
        (rows * cell_height + gap, columns * cell_width + gap, channels), _BACKGROUND, np.uint8
    )
    for index, image in enumerate(pixels):
        top = (index // columns) * cell_height + gap
        left = (index % columns) * cell_width + gap
        canvas[top : top + height, left : left + width] = image
    return picture(canvas)


def picture(image: NDArray[np.uint8]) -> Image.Image:
    """One image, ``(height, width, channels)`` uint8, as a grey or RGB picture."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def mosaic(images: NDArray[Any], columns: int, *, scale: int = 1) -> Image.Image:
    """Lay images edge to edge in full rows, left to right.

    Args:
        images: ``(count, height, width, channels)`` in [0, 1] or uint8, count a multiple of
            ``columns``.
        columns: images in a row.
        scale: each pixel becomes a square of this side.

    Returns:
        A grey or RGB picture.
    """
    pixels = to_uint8(images).repeat(scale, axis=1).repeat(scale, axis=2)
    _, height, width, channels = pixels.shape
    rows = pixels.reshape(-1, columns, height, width, channels).swapaxes(1, 2)
    canvas = rows.reshape(-1, columns * width, channels)
    return picture(canvas)


def png(picture: Image.Image) -> bytes:
    """Encode a picture as PNG; the same picture always gives the same bytes."""
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    return stream.getvalue()
