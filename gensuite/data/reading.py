"""From a prepared builder to three splits of one size, in memory or in a file.

One path for all: tfds builder → splits → one size → uint8.
"""

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
from gensuite.data.disk import ImageFile, Images, select
from gensuite.data.splits import CUT_STREAM, READ_SIZE, SPLITS, ImageData, random_generator
from gensuite.errors import DataError

_ALIASES = {"valid": "validation", "val": "validation"}
_CUT_SHARE, _CUT_MOST = 0.1, 5000
_LARGEST_NATIVE = 128
_DEFAULT_SIDE = 64


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
            for images, labels in tfds.as_numpy(pairs.batch(READ_SIZE)):
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
        order = random_generator(seed, CUT_STREAM, salt).permutation(count)
        cut, rest = np.sort(order[:size]), np.sort(order[size:])
        train = images["train"]
        images[split], images["train"] = select(train, cut), select(train, rest)
        labels[split], labels["train"] = labels["train"][cut], labels["train"][rest]
