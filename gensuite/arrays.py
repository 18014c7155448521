"""Arrays as bytes: the npz files of bundles, runs and checkpoints."""

import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_MAX_HEADER = 512
"""Characters of an array's header, which Python's parser reads; ours have about 100."""

_KINDS = "biuf"
"""Kinds of numbers that are kept: truth values, integers and floats."""


def pack(arrays: Mapping[str, NDArray[Any]], *, compress: bool = True) -> bytes:
    """Arrays as the bytes of an npz file; the same arrays always give the same bytes."""
    stream = io.BytesIO()
    save = np.savez_compressed if compress else np.savez
    save(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def unpack(content: bytes, *, limit: float = math.inf) -> dict[str, NDArray[Any]]:
    """The arrays of :func:`pack`: numbers in this machine's byte order.

    No memory is taken for what the file only promises: each array has as many bytes as its header
    says, and is no pickle.

    Args:
        content: of the npz file.
        limit: the most bytes of all its arrays.

    Raises:
        ValueError: the bytes are not an npz file of plain arrays, or have more than ``limit``.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            size = sum(entry.file_size for entry in entries)
            if size > limit:
                raise ValueError(f"{size} bytes when unpacked; at most {limit} allowed")
            if len({entry.filename for entry in entries}) < len(entries):
                raise ValueError("two arrays of one name")
            return {entry.filename.removesuffix(".npy"): _read(archive, entry) for entry in entries}
    except (
        ValueError,
        TypeError,
        RuntimeError,  # of zipfile: encrypted, or of a later version; of a header: too deep
        OSError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"not an npz file of plain arrays ({reason})") from None


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{entry.filename}: compressed in another way than deflate")
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"{entry.filename}: version {version} of the npy format")
        shape, fortran, kind = _HEADERS[version](stream, max_header_size=_MAX_HEADER)
        if kind.kind not in _KINDS or not kind.isnative:
            raise ValueError(f"{entry.filename}: values of type {kind}")
        promised, there = math.prod(shape) * kind.itemsize, entry.file_size - stream.tell()
        if promised != there:
            raise ValueError(f"{entry.filename}: {there} bytes where its header says {promised}")
        values = np.frombuffer(bytearray(stream.read()), kind)
        return values.reshape(shape, order="F" if fortran else "C")
