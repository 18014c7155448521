"""What every way trains: read from the folders that :func:`benchmarks.training.prepare` wrote.

It needs numpy alone, so that PyTorch's ways read it in their own environment.
"""

import functools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLES = 2_000
"""Images that a GAN's Fréchet distance is taken of."""


class Task:
    """A model, its start, its data, and its first batches.

    Args:
        folder: holds ``train.npy``, ``validation.npy`` and ``test.npy``, uint8, and a folder for
            each row.
        row: which of them.
    """

    def __init__(self, folder: Path, row: str):
        self.folder = folder
        self.row_folder = folder / row

    @functools.cached_property
    def settings(self) -> dict[str, Any]:
        """The run's settings, and what its model makes of them: ``beta_1``, ``epsilon``."""
        return json.loads((self.row_folder / "settings.json").read_text())

    def images(self, split: str) -> NDArray[np.uint8]:
        """A split, ``(count, height, width, channels)``."""
        return np.load(self.folder / f"{split}.npy", allow_pickle=False)

    def floats(self, split: str) -> NDArray[np.float32]:
        """The same in [0, 1]."""
        return self.images(split).astype(np.float32) / np.float32(255)

    def first_batches(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Batches and their noise, the same for every way.

        Returns:
            ``(steps, batch, height, width, channels)`` in [0, 1], and
            ``(steps, draws, batch, latent_dim)``; an AE has no draws.
        """
        with np.load(self.row_folder / "first.npz", allow_pickle=False) as arrays:
            return arrays["images"] / np.float32(255), arrays["noise"]

    def weights(self, network: str) -> list[NDArray[np.float32]]:
        """A network's first weights in Keras' order and layout."""
        with np.load(self.row_folder / f"{network}.npz", allow_pickle=False) as arrays:
            return [arrays[f"{index}"] for index in range(len(arrays.files))]


class WindowOverError(Exception):
    """Ends a library's own loop inside an epoch."""


class Window:
    """A stretch of training whose steps are counted.

    The first step starts the clock and is not counted, so that what a library does before it,
    such as turning arrays into tensors, is not held against it.

    Args:
        seconds: length; 0 lets one step pass.
    """

    def __init__(self, seconds: float):
        self._limit = seconds
        self._began = 0.0
        self.steps = -1
        self.seconds = 0.0

    def count(self) -> None:
        """Note that a step has ended.

        Raises:
            WindowOverError: it was the last.
        """
        now = time.perf_counter()
        self.steps += 1
        self._began = self._began or now
        self.seconds = now - self._began
        if self.seconds >= self._limit:
            raise WindowOverError
