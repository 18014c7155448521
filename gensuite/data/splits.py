"""A data set's train, validation and test, and their batches.

Batches of an epoch are a function of (seed, epoch), so that training can be interrupted and resumed
inside an epoch.
"""

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gensuite.data.disk import DiskImages, Images

SPLITS = ("train", "validation", "test")
CUT_STREAM, ORDER_STREAM = 1, 2
"""Of the data's random numbers."""
READ_SIZE = 1024
"""Images read at once: a call from a graph to Python costs more than to read one batch."""
_WHOLE = tf.distribute.InputContext()


@dataclass(frozen=True)
class ImageData:
    """Three splits of images, apart from each other."""

    name: str
    """``digits``, a tfds name, or ``folder:NAME``."""
    version: str
    licence: str
    class_names: tuple[str, ...]
    """Empty where the data set has no labels."""
    images: dict[str, Images]
    """Split → ``(count, height, width, channels)`` uint8, an array or :class:`DiskImages`."""
    labels: dict[str, np.ndarray]
    """Split → ``(count,)`` int64; empty where the data set has no labels."""
    resized: str
    """How the images got their size, in words."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """``(height, width, channels)``."""
        return tuple(self.images["train"].shape[1:])

    @property
    def on_disk(self) -> bool:
        """Whether images are read from a file as they are needed, and not kept in memory."""
        return isinstance(self.images["train"], DiskImages)

    def floats(self, split: str) -> np.ndarray:
        """A split in memory, ``(count, height, width, channels)`` float32 in [0, 1]."""
        return self.images[split][:] / np.float32(255)

    def training_batches(
        self,
        batch_size: int,
        seed: int,
        *,
        epoch: int = 0,
        skip: int = 0,
        labels: bool = False,
        share: tf.distribute.InputContext = _WHOLE,
    ) -> tf.data.Dataset:
        """Training batches from a place on, epoch after epoch without end.

        An image comes at most once in an epoch. Nothing is built anew where one ends, and the next
        is read ahead.

        Args:
            batch_size: images in a global batch, no more than there are; what is left over at the
                end of an epoch waits for another.
            seed: of the order.
            epoch: number of the first epoch; the order in one is a function of (seed, epoch).
            skip: batches of it already taken.
            labels: whether class numbers come along.
            share: which worker's rows of each global batch, cut into how many replicas' batches;
                all of them in one batch when not given.

        Returns:
            Batches for :meth:`step_input`, ``(batch_size / replicas, height, width, channels)``
            uint8; with labels, pairs of these and ``(batch_size / replicas,)`` int32. A worker's
            replicas take them in turn.
        """
        columns = self._columns("train", labels=labels)
        return shuffled_batches(columns, batch_size, seed, epoch=epoch, skip=skip, share=share)

    def step_input(self, batch):
        """What a training step takes of a batch; called in its graph, for work on the device.

        Args:
            batch: one of :meth:`training_batches`.

        Returns:
            Images as float32 in [0, 1], and the labels if the batch has them.
        """
        return to_floats(batch)

    def batches(self, split: str, batch_size: int, *, labels: bool = False) -> tf.data.Dataset:
        """All images of a split as float32, in their order; the last batch may be smaller."""
        batches = _load(
            self._columns(split, labels=labels),
            tf.data.Dataset.range(0, len(self.images[split]), _read_size(batch_size)),
            lambda first: slice(first, first + _read_size(batch_size)),
            batch_size,
            drop_remainder=False,
        )
        return batches.map(lambda *batch: to_floats(batch if labels else batch[0]))

    def _columns(self, split: str, *, labels: bool) -> list[Any]:
        columns: list[Any] = [self.images[split]]
        return [*columns, self.labels[split].astype(np.int32)] if labels else columns

    def describe(self) -> dict[str, Any]:
        """Facts for runs and bundles: identity, counts, classes, licence; no path."""
        digest = hashlib.sha256()
        for split in SPLITS:
            images = self.images[split]
            for first in range(0, len(images), READ_SIZE):
                digest.update(images[first : first + READ_SIZE].tobytes())
        facts: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "licence": self.licence,
            "image_shape": list(self.image_shape),
            "counts": {split: len(self.images[split]) for split in SPLITS},
            "preparation": self.resized,
            "sha256": digest.hexdigest(),
        }
        if self.class_names:
            known = self.labels["train"][self.labels["train"] >= 0]
            counts = np.bincount(known, minlength=len(self.class_names))
            facts["class_names"] = list(self.class_names)
            facts["class_shares"] = (counts / max(counts.sum(), 1)).tolist()
        return facts


def to_floats(batch):
    """A batch of images as float32 in [0, 1], its labels, if it has them, left alone.

    Args:
        batch: ``(batch, h, w, c)`` uint8, or a pair of it and ``(batch,)`` int32.
    """
    if isinstance(batch, tuple):
        return (to_floats(batch[0]), *batch[1:])
    return tf.cast(batch, tf.float32) / 255.0


def shuffled_batches(
    columns: Sequence[Any],
    batch_size: int,
    seed: int,
    *,
    epoch: int = 0,
    skip: int = 0,
    share: tf.distribute.InputContext = _WHOLE,
) -> tf.data.Dataset:
    """Batches in the order of training; see :meth:`ImageData.training_batches`.

    Args:
        columns: what a batch has rows of, each as long as the training split.
        batch_size: rows in a global batch.
        seed: of the order.
        epoch: number of the first epoch.
        skip: batches of it already taken.
        share: which worker's rows, cut into how many replicas' batches.

    Returns:
        Rows of the one column, or tuples with rows of each.
    """
    count = len(columns[0])
    steps = count // batch_size
    own = batch_size // share.num_input_pipelines
    size = share.get_per_replica_batch_size(batch_size)

    @functools.lru_cache(maxsize=1)
    def order(number):
        rows = random_generator(seed, ORDER_STREAM, number).permutation(count)
        batches = rows[: steps * batch_size].reshape(steps, share.num_input_pipelines, own)
        return batches[:, share.input_pipeline_id].reshape(-1)

    def reads(number):
        first = tf.where(number == epoch, skip * own, 0)
        firsts = tf.data.Dataset.range(tf.cast(first, tf.int64), steps * own, _read_size(size))
        return firsts.map(lambda first: (number, first))

    return _load(
        columns,
        tf.data.Dataset.counter(epoch).flat_map(reads),
        lambda number, first: order(number)[first : first + _read_size(size)],
        size,
        drop_remainder=True,
    )


def _load(
    columns: Sequence[Any],
    reads: tf.data.Dataset,
    rows: Callable[..., slice | NDArray[np.int64]],
    batch_size: int,
    *,
    drop_remainder: bool,
) -> tf.data.Dataset:
    """Batches of the rows of some columns.

    Args:
        columns: arrays, or what is read like one.
        reads: data set of the arguments of ``rows``, an element for each read.
        rows: places of the rows of a read, a multiple of ``batch_size`` but for the last.
        batch_size: rows in a batch.
        drop_remainder: whether every batch is whole.
    """
    types = [column.dtype for column in columns]

    # By numpy, so that the whole split never becomes a graph constant.
    def gather(*place):
        return [column[rows(*place)] for column in columns]

    def read(*place):
        found = tf.numpy_function(gather, place, types)
        shapes = [(None, *column.shape[1:]) for column in columns]
        shaped = tuple(map(tf.ensure_shape, found, shapes))
        return shaped if len(shaped) > 1 else shaped[0]

    return reads.map(read).prefetch(1).rebatch(batch_size, drop_remainder).prefetch(2)


def _read_size(batch_size: int) -> int:
    """Rows in one read: whole batches."""
    return max(1, READ_SIZE // batch_size) * batch_size


def random_generator(seed: int, stream: int, index: int) -> np.random.Generator:
    """Independent random numbers for every (seed, stream, index)."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, (stream << 32) + index], "u8")))
