"""Images in a file instead of in memory, behind what is asked of an array of them."""

import os
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gensuite.errors import DataError


class ImageFile:
    """Room on disk for images of one shape, in a file that has no name.

    Nothing is left of it when this object, or the process in whatever way, has ended.

    Args:
        folder: on the disk that is to hold it.
        count: number of images that will come.
        image_shape: ``(height, width, channels)``.

    Raises:
        DataError: the disk has no room for them, or cannot be written.
    """

    def __init__(self, folder: Path, count: int, image_shape: tuple[int, int, int]):
        self.image_shape = image_shape
        self.written = 0
        size = count * int(np.prod(image_shape))
        try:
            self.stream = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (it lives as long as this)
            weakref.finalize(self, self.stream.close).atexit = False
            # Taken at once, so that a full disk is found before the first image is decoded.
            os.posix_fallocate(self.stream.fileno(), 0, size)
        except OSError as error:
            raise DataError(
                f"{folder}: no room for {size / 1e6:,.0f} MB of images, which are more than "
                f"--memory-limit keeps in memory ({error.strerror}); make room, name a folder on "
                "another disk with --data-dir, or raise --memory-limit"
            ) from None

    def append(self, batches: Iterable[NDArray[np.uint8]]) -> "DiskImages":
        """Write images behind those that are there.

        Args:
            batches: ``(any, height, width, channels)`` uint8 each.

        Returns:
            All of these, and no others.

        Raises:
            OSError: the disk fails.
        """
        first = self.written
        for batch in batches:
            self.stream.write(batch.tobytes())
            self.written += len(batch)
        self.stream.flush()
        return DiskImages(self, np.arange(first, self.written))

    def read(self, row: int, image: NDArray[np.uint8]) -> None:
        """Read one image into an array ``(height, width, channels)``."""
        # Not mapped: pages of a mapped file would count as this process's memory.
        os.preadv(self.stream.fileno(), [image.data], row * image.nbytes)


class DiskImages:
    """Images in a file, ``(count, height, width, channels)`` uint8, read when they are indexed.

    Args:
        file: where they lie.
        rows: ``(count,)``, their places among the images of the file.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, file: ImageFile, rows: NDArray[np.int64]):
        self.file = file
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(count, height, width, channels)``."""
        return (len(self), *self.file.image_shape)

    def __getitem__(self, places: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        """The bytes that an array of all images would give at a slice or at an array of places."""
        rows = self.rows[places]
        images = np.empty((len(rows), *self.file.image_shape), np.uint8)
        for row, image in zip(rows.tolist(), images, strict=True):
            self.file.read(row, image)
        return images


Images = NDArray[np.uint8] | DiskImages


def select(images: Images, places: NDArray[np.int64]) -> Images:
    """Some of the images: of an array a copy of them, of a file no more than where they lie."""
    if isinstance(images, DiskImages):
        return DiskImages(images.file, images.rows[places])
    return images[places]
