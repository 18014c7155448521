"""The features that sample metrics compare: small classifiers, one per data set, pinned by hash.

Inception's features, trained on photographs, say little about digits of 28x28 pixels. So each
known data set has a classifier of its own (``python -m benchmarks.features`` trains it on the
training split alone), and its penultimate layer is the space in which samples and test images are
compared. Scores of different feature hashes must not be compared.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gensuite.errors import MetricError
from gensuite.inference.images import to_uint8
from gensuite.inference.manifest import sha256
from gensuite.inference.runtime import OnnxBackend

FOLDER = Path(__file__).with_suffix("")
SIDE = 28
FEATURES = 48
"""Numbers in a feature vector."""
PORTS: dict[str, dict[str, list[str | int]]] = {
    "inputs": {"image": ["batch", SIDE, SIDE, 1]},
    "outputs": {"features": ["batch", FEATURES], "logits": ["batch", 10]},
}
PINNED = {
    "digits": "5092ff229a341c3d9f20c285f691bb397dfa81b8a73e0e34129f65520b1b83c7",
    "mnist": "7145a158025bf4c83cff875f3a3ec992e7f482984fb4f58fa3cab1450ad4d97f",
    "fashion_mnist": "e006c646af7af8d92e1407cad5f971d6f622b54135fc4e7cae97c421460db99e",
}
"""Data set → SHA-256 of its classifier."""
_CHUNK = 256


class Classifier:
    """A data set's classifier in onnxruntime.

    Args:
        name: of the data set.
        content: its ONNX file.
    """

    def __init__(self, name: str, content: bytes):
        self.name = name
        self.sha256 = sha256(content)
        self._backend = OnnxBackend({"classifier": content}, {"classifier": PORTS})

    @classmethod
    def load(cls, name: str) -> "Classifier | None":
        """The classifier that ships for a data set, or None where none does.

        Raises:
            MetricError: the file is missing, or is not the pinned one.
        """
        if name not in PINNED:
            return None
        path = FOLDER / f"{name}.onnx"
        try:
            content = path.read_bytes()
        except OSError as error:
            raise MetricError(f"{path}: {error.strerror}; install gensuite again") from None
        if sha256(content) != PINNED[name]:
            raise MetricError(
                f"{path}: its sha256 is {sha256(content)}, not the pinned {PINNED[name]}; "
                "install gensuite again, or scores would not be comparable"
            )
        return cls(name, content)

    def __call__(self, images: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features and class probabilities of images.

        Args:
            images: ``(count, height, width, channels)`` uint8 or float in [0, 1]; of any size and
                1 or 3 channels, see :func:`preparation`.

        Returns:
            ``(count, 48)`` and ``(count, 10)`` float32; the rows of the latter sum to 1.
        """
        parts = [
            self._backend.run("classifier", {"image": fit(images[first : first + _CHUNK])})
            for first in range(0, len(images), _CHUNK)
        ]
        features, logits = (np.concatenate([part[port] for part in parts]) for port in parts[0])
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return features, powers / powers.sum(axis=1, keepdims=True)


def preparation(image_shape: Iterable[int]) -> str:
    """How :func:`fit` gets images of a shape to a classifier, in words, for a protocol."""
    height, width, channels = image_shape
    colour = "grey" if channels == 1 else "colour made grey (ITU-R 601 luma)"
    if (height, width) == (SIDE, SIDE):
        return f"{colour}, {SIDE}x{SIDE} as they are"
    return f"{colour}, resized from {height}x{width} to {SIDE}x{SIDE} (Pillow, bilinear)"


def fit(images: NDArray[Any]) -> NDArray[np.float32]:
    """Images as a classifier takes them: grey, 28x28.

    Args:
        images: ``(count, height, width, channels)`` uint8 or float in [0, 1], 1 or 3 channels.

    Returns:
        ``(count, 28, 28, 1)`` float32 in [0, 1]. Images that have this shape keep their values;
        others are rounded to 8 bits on the way, as Pillow asks.
    """
    if images.shape[1:] != (SIDE, SIDE, 1):
        images = np.stack([_small_grey(image) for image in to_uint8(images)])
    if images.dtype == np.uint8:
        return images.astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(images, np.float32)


def _small_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("L")
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR))[..., None]
