"""A data set's train, validation and test, of one size, as bytes in memory or in a file.

One path for all: tfds builder → splits → one size → uint8. Batches of an epoch are a function of
(seed, epoch), so that training can be interrupted and resumed inside an epoch.
"""

import functools
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from gensuite.config import TrainingConfig, VAEConfig, dataset_label
from gensuite.data.catalogue import find_builder, licence
from gensuite.data.disk import DiskImages, ImageFile, Images, select
from gensuite.errors import DataError

SPLITS = ("train", "validation", "test")
_ALIASES = {"valid": "validation", "val": "validation"}
_CUT_SHARE, _CUT_MOST = 0.1, 5000
_CUT_KEY, _ORDER_KEY = 1, 2  # streams of the data's random numbers
_WHOLE = tf.distribute.InputContext()
_LARGEST_NATIVE = 128
_DEFAULT_SIDE = 64
_READ = 1024
"""Images read at once: a call from a graph to Python costs more than to read one batch."""


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
            Batches ``(batch_size / replicas, height, width, channels)`` uint8, for
            :func:`to_floats` on the device; with labels, pairs of these and
            ``(batch_size / replicas,)`` int32. A worker's replicas take them in turn.
        """
        steps = len(self.images["train"]) // batch_size
        own = batch_size // share.num_input_pipelines
        size = share.get_per_replica_batch_size(batch_size)

        @functools.lru_cache(maxsize=1)
        def order(number):
            rows = _generator(seed, _ORDER_KEY, number).permutation(len(self.images["train"]))
            batches = rows[: steps * batch_size].reshape(steps, share.num_input_pipelines, own)
            return batches[:, share.input_pipeline_id].reshape(-1)

        def reads(number):
            first = tf.where(number == epoch, skip * own, 0)
            firsts = tf.data.Dataset.range(tf.cast(first, tf.int64), steps * own, _read_size(size))
            return firsts.map(lambda first: (number, first))

        return self._load(
            "train",
            tf.data.Dataset.counter(epoch).flat_map(reads),
            lambda number, first: order(number)[first : first + _read_size(size)],
            size,
            drop_remainder=True,
            labels=labels,
        )

    def batches(self, split: str, batch_size: int, *, labels: bool = False) -> tf.data.Dataset:
        """All images of a split, in their order; the last batch may be smaller."""
        batches = self._load(
            split,
            tf.data.Dataset.range(0, len(self.images[split]), _read_size(batch_size)),
            lambda first: slice(first, first + _read_size(batch_size)),
            batch_size,
            drop_remainder=False,
            labels=labels,
        )
        return batches.map(lambda *batch: to_floats(batch if labels else batch[0]))

    def _load(self, split, reads, rows, batch_size, *, drop_remainder, labels) -> tf.data.Dataset:
        """Batches of what is read, images as bytes.

        Args:
            split: where.
            reads: data set of the arguments of ``rows``, an element for each read.
            rows: places of the images of a read, a multiple of ``batch_size`` but for the last.
            batch_size: images in a batch.
            drop_remainder: whether every batch is whole.
            labels: whether class numbers come along.
        """
        columns: list[Any] = [self.images[split]]
        if labels:
            columns.append(self.labels[split].astype(np.int32))

        # By numpy, so that the whole split never becomes a graph constant.
        def gather(*place):
            return [column[rows(*place)] for column in columns]

        def read(*place):
            found = tf.numpy_function(gather, place, [tf.uint8, tf.int32][: len(columns)])
            shapes = [(None, *column.shape[1:]) for column in columns]
            shaped = tuple(map(tf.ensure_shape, found, shapes))
            return shaped if labels else shaped[0]

        return reads.map(read).prefetch(1).rebatch(batch_size, drop_remainder).prefetch(2)

    def describe(self) -> dict[str, Any]:
        """Facts for runs and bundles: identity, counts, classes, licence; no path."""
        digest = hashlib.sha256()
        for split in SPLITS:
            images = self.images[split]
            for first in range(0, len(images), _READ):
                digest.update(images[first : first + _READ].tobytes())
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


def _read_size(batch_size: int) -> int:
    """Images in one read: whole batches."""
    return max(1, _READ // batch_size) * batch_size


def open_dataset(config: TrainingConfig | str) -> ImageData:
    """Find, prepare where needed, split, size and read a data set.

    Args:
        config: a run's settings, or just the name of a data set.

    Raises:
        DataError: it cannot be had, or its images cannot be used.
    """
    if isinstance(config, str):
        config = VAEConfig(dataset=config)
    return read_splits(find_builder(config), config)


def read_splits(builder: tfds.core.DatasetBuilder, config: TrainingConfig) -> ImageData:
    """Read a prepared builder: into memory, or past ``memory_limit`` into a file beside its data.

    Raises:
        DataError: its images cannot be used, or the disk has no room for them.
    """
    image_key, label_key = _feature_keys(builder)
    source = _Source(builder, image_key, label_key)
    prepare, shape, resized = _sizing(source, config)
    names = {_ALIASES.get(name, name): name for name in builder.info.splits}
    names = {split: name for split, name in names.items() if split in SPLITS}
    if "train" not in names:
        raise DataError(f"{builder.name}: has splits {', '.join(builder.info.splits)}; needs train")
    count = sum(builder.info.splits[name].num_examples for name in names.values())
    keep = _keeper(Path(builder.data_dir), count, shape, config.memory_limit)
    images, labels = {}, {}
    for split, name in names.items():
        images[split], labels[split] = source.read(name, prepare, keep)
    _cut_missing(images, labels, config.seed)
    if len(images["train"]) < config.batch_size:
        raise DataError(
            f"batch_size: {config.batch_size} given, but {config.dataset} has only "
            f"{len(images['train'])} training images; allowed is at most that"
        )
    label_feature = builder.info.features[label_key] if label_key else None
    return ImageData(
        name=dataset_label(config.dataset),
        version=str(builder.info.version),
        licence=licence(builder),
        class_names=tuple(label_feature.names) if label_feature else (),
        images=images,
        labels=labels if label_feature else {},
        resized=resized,
    )


def _keeper(
    folder: Path, count: int, image_shape: tuple[int, int, int], limit: int
) -> Callable[[Iterable[np.ndarray]], Images]:
    """What to do with the batches of a split, to have all its images as one."""
    if count * math.prod(image_shape) > limit * 1e6:
        return ImageFile(folder, count, image_shape).append
    return lambda batches: np.concatenate(list(batches))


@dataclass(frozen=True)
class _Source:
    """A builder's examples as (image, label) pairs; the label is -1 where there is none."""

    builder: tfds.core.DatasetBuilder
    image_key: str
    label_key: str | None

    def pairs(self, split: str) -> tf.data.Dataset:
        # A look at sizes may stop early, of which a cached data set complains.
        options = tfds.ReadConfig(try_autocache=False)
        dataset = self.builder.as_dataset(split=split, shuffle_files=False, read_config=options)

        def pair(example):
            label = example[self.label_key] if self.label_key else tf.constant(-1, tf.int64)
            return example[self.image_key], label

        return dataset.map(pair, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def read(self, split: str, prepare, keep) -> tuple[Images, np.ndarray]:
        pairs = self.pairs(split).map(
            lambda image, label: (prepare(image), label),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        classes = []

        def batches():
            for images, labels in tfds.as_numpy(pairs.batch(_READ)):
                classes.append(labels)
                yield images

        images = keep(batches())
        return images, np.concatenate(classes).astype(np.int64)

    def sizes(self) -> Iterator[tuple[int, ...]]:
        for split in self.builder.info.splits:
            for image, _ in tfds.as_numpy(self.pairs(split)):
                yield image.shape[:2]


def _feature_keys(builder: tfds.core.DatasetBuilder) -> tuple[str, str | None]:
    features = builder.info.features
    images = [k for k, v in features.items() if isinstance(v, tfds.features.Image)]
    labels: list[Any] = [k for k, v in features.items() if isinstance(v, tfds.features.ClassLabel)]
    if len(images) != 1 or features[images[0]].np_dtype != np.uint8:
        raise DataError(
            f"{builder.name}: has {len(images)} image features "
            f"({', '.join(images) or 'none'}); allowed is exactly one, of 8 bits"
        )
    if features[images[0]].shape[-1] not in (1, 3, 4):
        raise DataError(f"{builder.name}: its images do not have one of 1, 3 or 4 channels")
    supervised = (builder.info.supervised_keys or (None, None))[1]
    preferred = [name for name in (supervised, "label", *labels) if name in labels]
    return images[0], preferred[0] if preferred else None


def _sizing(source: _Source, config: TrainingConfig):
    """Decide the size of all images: a function of one image, the shape, and its description."""
    channels = config.channels or min(source.builder.info.features[source.image_key].shape[-1], 3)
    common = None if config.image_size else _common_size(source)
    if common:
        height, width = (max(8, -(-side // 4) * 4) for side in common)
        resized = f"padded from {common[0]}x{common[1]} to {height}x{width}"
        if (height, width) == common:
            resized = f"kept at {height}x{width}"

        def fit(image):
            return tf.image.resize_with_crop_or_pad(image, height, width)
    else:
        height = width = side = config.image_size or _DEFAULT_SIDE
        resized = f"centre-cropped to a square and resized to {side}x{side}"

        def fit(image):
            shape = tf.shape(image)
            shorter = tf.minimum(shape[0], shape[1])
            square = tf.image.resize_with_crop_or_pad(image, shorter, shorter)
            # Antialiased, so that a large photograph does not turn into noise.
            small = tf.image.resize(square, (side, side), method="bicubic", antialias=True)
            return tf.cast(tf.round(tf.clip_by_value(small, 0.0, 255.0)), tf.uint8)

    return lambda image: _to_channels(fit(image), channels), (height, width, channels), resized


def _to_channels(image, channels: int):
    if image.shape[-1] == 4:
        image = image[..., :3]
    if image.shape[-1] == channels:
        return image
    convert = tf.image.rgb_to_grayscale if channels == 1 else tf.image.grayscale_to_rgb
    return convert(image)


def _common_size(source: _Source) -> tuple[int, int] | None:
    """The (height, width) of all images, if it is one and at most 128."""
    height, width = source.builder.info.features[source.image_key].shape[:2]
    sizes = iter([(height, width)]) if height and width else source.sizes()
    first = next(sizes)
    if max(first) > _LARGEST_NATIVE or any(size != first for size in sizes):
        return None
    return first


def _cut_missing(images: dict, labels: dict, seed: int) -> None:
    """Cut absent splits from train, by seed."""
    for salt, split in enumerate(("test", "validation")):
        if split in images:
            continue
        count = len(images["train"])
        size = min(_CUT_MOST, round(_CUT_SHARE * count))
        if size == 0:
            raise DataError(f"{count} training images leave no {split} split; add images")
        order = _generator(seed, _CUT_KEY, salt).permutation(count)
        cut, rest = np.sort(order[:size]), np.sort(order[size:])
        train = images["train"]
        images[split], images["train"] = select(train, cut), select(train, rest)
        labels[split], labels["train"] = labels["train"][cut], labels["train"][rest]


def _generator(seed: int, stream: int, index: int) -> np.random.Generator:
    """Independent random numbers for every (seed, stream, index)."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, (stream << 32) + index], "u8")))
