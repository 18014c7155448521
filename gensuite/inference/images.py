"""Images as arrays and as pictures: checking, the contact grid, the mosaic, PNG."""

import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gensuite.errors import InputError

Images = NDArray[np.float32]

_BACKGROUND = 255


def check_images(images: Any, shape: tuple[int, int, int]) -> Images:
    """Take images as every encoder of the suite wants them.

    Args:
        images: ``(count, height, width, channels)``; floats in [0, 1], or uint8 in [0, 255].
        shape: ``(height, width, channels)`` of the model.

    Returns:
        ``(count, height, width, channels)`` float32 in [0, 1].

    Raises:
        InputError: another shape or kind, no image at all, or values out of range.
    """
    array = as_array("images", images)
    expected = f"(count, {', '.join(map(str, shape))})"
    if array.ndim != 4 or array.shape[1:] != shape or len(array) == 0:
        raise InputError(f"images: shape {array.shape} given; this model takes {expected}")
    if array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(255)
    if array.dtype.kind != "f":
        raise InputError(f"images: {array.dtype} given; allowed are floats in [0, 1] and uint8")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0.0 and high <= 1.0):  # also true of NaN
        raise InputError(f"images: values from {low:g} to {high:g} given; allowed is [0, 1]")
    return np.ascontiguousarray(array, np.float32)


def as_array(name: str, value: Any) -> NDArray[Any]:
    """Any argument as an array.

    Raises:
        InputError: it is ragged.
    """
    try:
        return np.asarray(value)
    except ValueError:
        raise InputError(f"{name}: rows of different lengths given; allowed is one array") from None


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
