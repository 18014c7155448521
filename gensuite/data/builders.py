"""Two tfds builders of our own: the offline ``digits``, and a folder of the user's images."""

import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image, ImageOps
from tqdm import tqdm

from gensuite.errors import DataError
from gensuite.inference.pictures import convert

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_DIGITS_SIDE = 28
_DIGITS_TEST_FROM = 1500
_MAX_PIXELS = 50_000_000


class Digits(tfds.core.GeneratorBasedBuilder):
    """Scikit-learn's 1,797 handwritten digits, 8x8 upsampled to 28x28: 1,500 train, 297 test.

    The test part of the UCI set "Optical recognition of handwritten digits" (Alpaydin & Kaynak,
    1998). It comes with scikit-learn, so no network is needed.
    """

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(_DIGITS_SIDE, _DIGITS_SIDE, 1)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            description=self.__doc__,
            homepage="https://archive.ics.uci.edu/dataset/80",
        )

    def _split_generators(self, dl_manager):  # noqa: ARG002  (nothing to download)
        return {
            "train": self._examples(0, _DIGITS_TEST_FROM),
            "test": self._examples(_DIGITS_TEST_FROM, None),
        }

    def _generate_examples(self):
        raise NotImplementedError("the splits bring their own examples")

    def _examples(self, first: int, end: int | None) -> Iterator[tuple[int, dict]]:
        from sklearn.datasets import load_digits

        digits = load_digits()
        for index in range(len(digits.images))[first:end]:
            grey = np.rint(digits.images[index] * (255 / 16)).astype(np.uint8)
            size = (_DIGITS_SIDE, _DIGITS_SIDE)
            image = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC))
            yield index, {"image": image[..., None], "label": int(digits.target[index])}


@dataclass(frozen=True)
class FolderScan:
    """What a look at every file of an image folder found."""

    root: Path
    files: tuple[tuple[Path, str], ...]
    """Each file and the sha256 of its bytes."""
    classes: tuple[str, ...]
    """Names of the class folders; none for a flat folder."""
    channels: int
    """Of the images as they will be stored: 1 or 3."""
    size: tuple[int, int] | None
    """The one (height, width) that all share, if they do."""
    converted: int
    """Images that change between grey and colour."""

    @property
    def digest(self) -> str:
        """Changes when a file is added, removed, changed or moved to another class."""
        lines = [f"{_class_of(self.root, path)} {digest}" for path, digest in self.files]
        return hashlib.sha256("\n".join([*sorted(lines), str(self.channels)]).encode()).hexdigest()


def scan_folder(root: Path, channels: int | None = None) -> FolderScan:
    """Open every image of a folder.

    PNG, JPEG and WebP files, either directly in the folder or in one folder per class. Links are
    followed; other files, and what is hidden by a leading dot, are passed over.

    Args:
        root: the folder.
        channels: 1 or 3; that of most images when not given.

    Raises:
        DataError: no folder, no image in it, images beside class folders, or a file that is not
            the image its name says.
    """
    if not root.is_dir():
        raise DataError(f"folder:{root}: there is no such folder")
    paths = sorted(_find_images(root))
    if not paths:
        raise DataError(f"folder:{root}: holds no image; allowed are {', '.join(IMAGE_SUFFIXES)}")
    classes = {_class_of(root, path) for path in paths}
    if "" in classes and len(classes) > 1:
        loose = next(path for path in paths if not _class_of(root, path))
        raise DataError(
            f"{loose}: lies beside class folders; move it into one, or give --dataset one folder"
        )
    kinds: Counter[int] = Counter()
    sizes = set()
    files = []
    for path in tqdm(paths, desc=f"looking at {root.name}", unit="image"):
        image = read_image(path)
        kinds[1 if _is_grey(image) else 3] += 1
        sizes.add((image.height, image.width))
        files.append((path, hashlib.sha256(path.read_bytes()).hexdigest()))
    channels = channels or kinds.most_common(1)[0][0]
    return FolderScan(
        root=root,
        files=tuple(files),
        classes=tuple(sorted(classes - {""})),
        channels=channels,
        size=next(iter(sizes)) if len(sizes) == 1 else None,
        converted=len(files) - kinds[channels],
    )


def read_image(path: Path) -> Image.Image:
    """Decode an image file, upright as its EXIF says.

    Raises:
        DataError: the file is not a whole PNG, JPEG or WebP image of at most 50 megapixels.
    """
    try:
        with Image.open(path, formats=["PNG", "JPEG", "WEBP"]) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise DataError(f"{path}: {image.width}x{image.height} pixels; at most 50 million")
            image.load()
            return ImageOps.exif_transpose(image)
    except DataError:
        raise
    except Exception:  # a damaged file makes Pillow's readers raise whatever they like
        raise DataError(f"{path}: not a readable PNG, JPEG or WebP image; remove it") from None


class ImageFolder(tfds.core.GeneratorBasedBuilder):
    """A folder of the user's images, split 80/10/10 by the hash of each file.

    The split of a file never changes when others come or go, and copies of one file land in one
    split.
    """

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, *, scan: FolderScan, **kwargs):
        self._scan = scan
        name = f"{scan.digest[:16]}"
        super().__init__(config=tfds.core.BuilderConfig(name=name, version="1.0.0"), **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        scan = self._scan
        features = {
            "image": tfds.features.Image(shape=(*(scan.size or (None, None)), scan.channels))
        }
        if scan.classes:
            features["label"] = tfds.features.ClassLabel(names=list(scan.classes))
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features), description=self.__doc__
        )

    def _split_generators(self, dl_manager):  # noqa: ARG002  (nothing to download)
        splits: dict[str, list] = {"train": [], "validation": [], "test": []}
        for path, digest in self._scan.files:
            splits[split_of(digest)].append((path, digest))
        for split, files in splits.items():
            if not files:
                raise DataError(
                    f"folder:{self._scan.root}: {len(self._scan.files)} images leave the {split} "
                    "split (a tenth, by file hash) empty; add images"
                )
        return {split: self._examples(files) for split, files in splits.items()}

    def _generate_examples(self):
        raise NotImplementedError("the splits bring their own examples")

    def _examples(self, files) -> Iterator[tuple[str, dict]]:
        for path, digest in files:
            stream = io.BytesIO()
            convert(read_image(path), self._scan.channels).save(stream, format="PNG")
            example: dict[str, Any] = {"image": stream}
            if self._scan.classes:
                example["label"] = _class_of(self._scan.root, path)
            stream.seek(0)
            yield f"{digest} {path.relative_to(self._scan.root)}", example


def split_of(digest: str) -> str:
    """``train``, ``validation`` or ``test`` of a file, from its sha256 in hexadecimal."""
    tenth = int(digest[:8], 16) * 10 >> 32
    return {8: "validation", 9: "test"}.get(tenth, "train")


def _find_images(root: Path) -> Iterator[Path]:
    """Image files below a folder, links followed (a folder once), hidden ones passed over."""
    seen = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        if os.path.realpath(folder) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(folder))
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and name.lower().endswith(IMAGE_SUFFIXES):
                yield Path(folder, name)


def _is_grey(image: Image.Image) -> bool:
    if image.mode == "P":
        red, green, blue = (band.tobytes() for band in image.convert("RGB").split())
        return red == green == blue
    return image.mode.startswith(("1", "L", "I"))


def _class_of(root: Path, path: Path) -> str:
    """The first folder on the way from the root to a file; empty for a file of the root itself."""
    inner = path.relative_to(root).parts
    return inner[0] if len(inner) > 1 else ""
