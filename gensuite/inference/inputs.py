"""What callers give as arrays, taken or refused; Pillow is not needed for it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gensuite.errors import InputError

Images = NDArray[np.float32]


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
