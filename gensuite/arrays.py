"""Arrays as bytes: the npz files of bundles, runs and checkpoints."""

import io
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def pack(arrays: Mapping[str, NDArray[Any]], *, compress: bool = True) -> bytes:
    """Arrays as the bytes of an npz file; the same arrays always give the same bytes."""
    stream = io.BytesIO()
    save = np.savez_compressed if compress else np.savez
    save(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def unpack(content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of :func:`pack`.

    Raises:
        ValueError: the bytes are not an npz file of plain arrays.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"not an npz file of plain arrays ({error})") from None
