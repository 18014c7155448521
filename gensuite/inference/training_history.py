"""What ``training.npz`` holds: the columns of a run's history, and sample grids of some epochs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMN = "history."
"""Before a column's name."""

_LAST_EPOCH = 2**31
_NONE: NDArray[Any] = np.empty(0)


def check_training(arrays: Mapping[str, NDArray[Any]], image_shape: tuple[int, int, int]) -> None:
    """See that arrays are a history and sample grids, as whoever draws them takes for granted.

    Args:
        arrays: those of ``training.npz``.
        image_shape: ``(height, width, channels)`` of the model's images.

    Raises:
        ValueError: the columns are not numbers, whole ones for the epochs, of one length; or the
            grids are not pictures of at least one image, one for each of some rising epochs.
    """
    columns = [array for name, array in arrays.items() if name.startswith(COLUMN)]
    lengths = {array.shape for array in columns}
    kinds = {array.dtype.kind for array in columns}
    if len(lengths) > 1 or any(len(each) != 1 for each in lengths) or kinds - set("fiu"):
        raise ValueError("its history is not columns of numbers of one length")
    if arrays.get(f"{COLUMN}epoch", np.arange(0)).dtype.kind not in "iu":
        raise ValueError("the epochs of its history are not whole numbers")
    epochs, grids = arrays.get("grid_epochs", _NONE), arrays.get("grids", _NONE)
    if epochs.dtype.kind not in "iu" or epochs.ndim != 1 or epochs.shape != grids.shape[:1]:
        raise ValueError("its sample grids are not one for each of some epochs")
    if (epochs[1:] <= epochs[:-1]).any() or (epochs < 0).any() or (epochs > _LAST_EPOCH).any():
        raise ValueError(f"the epochs of its sample grids do not rise from 0 to {_LAST_EPOCH}")
    if grids.dtype != np.uint8 or (len(grids) and not _are_pictures(grids.shape[1:], image_shape)):
        raise ValueError("its sample grids are not pictures of the model's images")


def _are_pictures(shape: tuple[int, ...], image_shape: tuple[int, int, int]) -> bool:
    """Whether arrays of a shape are grey or RGB pictures with room for an image of the model."""
    height, width, channels = image_shape
    colours = () if channels == 1 else (3,)
    return shape[2:] == colours and len(shape) > 1 and shape[0] >= height and shape[1] >= width
