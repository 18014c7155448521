"""What is measured: the model of a run or of a bundle, behind the same few calls."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gensuite.config import TrainingConfig, VAEConfig
from gensuite.data.reading import open_dataset
from gensuite.data.splits import ImageData
from gensuite.errors import DataError
from gensuite.inference.generator import Generator, load
from gensuite.inference.images import to_uint8
from gensuite.inference.latents import LABEL_STREAM, Codes, categorical, standard_normal
from gensuite.inference.priors import GaussianPrior, MixturePrior
from gensuite.models import build_model
from gensuite.training.encodings import MIXTURE, encode_splits
from gensuite.training.runs import Run
from gensuite.training.state import load_model

_CHUNK = 100


class Subject(Protocol):
    """A trained model whose scores are wanted."""

    family: str
    name: str
    priors: tuple[str, ...]
    """What its codes can be drawn from; its own comes first."""
    classes: int
    """Class labels that a conditional model takes; 0 for one that is not conditional."""
    data: ImageData
    """The splits it was trained with."""
    encodings: dict[str, NDArray[Any]]
    """Port of the encoder → its outputs for test images, and more; empty for a GAN."""

    def draw(self, count: int, seed: int, prior: str) -> Codes:
        """Codes ``(count, latent_dim)``, the same of a run and of its bundle."""

    def labels(self, count: int, seed: int) -> NDArray[np.int32] | None:
        """Classes ``(count,)`` to ask a conditional model for; None of another model."""

    def decode(self, z: Codes, label: NDArray[np.int32] | None) -> NDArray[np.float32]:
        """Images ``(count, h, w, c)`` in [0, 1] of codes, and of classes if conditional."""

    def reconstruct(self, images: NDArray[np.float32], label: Any) -> NDArray[np.float32]:
        """Reconstructions of images ``(count, h, w, c)`` in [0, 1]; not of a GAN."""


def sample(
    subject: Subject, count: int, *, seed: int, prior: str
) -> tuple[NDArray[np.uint8], NDArray[np.int32] | None]:
    """Draw images, rounded to 8 bits as the real ones are, and the classes asked for, if any."""
    label = subject.labels(count, seed)
    return decode(subject, subject.draw(count, seed, prior), label), label


def decode(subject: Subject, z: Codes, label: Any = None) -> NDArray[np.uint8]:
    """Decode codes in chunks to ``(count, h, w, c)`` uint8."""
    parts = []
    for first in range(0, len(z), _CHUNK):
        rows = slice(first, first + _CHUNK)
        parts.append(to_uint8(subject.decode(z[rows], None if label is None else label[rows])))
    return np.concatenate(parts)


class RunSubject:
    """The model of a run, in Keras.

    Args:
        run: the run, locked.
        data_dir: where the data set lies on this machine; as the run says when not given.
        raw_dir: likewise.

    Raises:
        RunError: no checkpoint is whole, or the data set has changed.
        DataError: the data set cannot be had.
    """

    def __init__(self, run: Run, data_dir: str | None = None, raw_dir: str | None = None):
        config, facts = run.config, run.record["dataset"]
        self.family = config.family
        self.name = run.path.resolve().name
        self.model = build_model(
            dataclasses.replace(config, mixed_precision=False),
            tuple(facts["image_shape"]),
            classes=len(facts.get("class_names", ())),
        )
        self.classes = self.model.classes
        self._class_shares = np.array(facts.get("class_shares", ()), np.float64)
        load_model(run, self.model)
        self.data = open_dataset(_with_places(config, data_dir, raw_dir))
        run.check_data(self.data.describe())
        encodings = run.read_encodings()
        self.encodings = encode_splits(self.model, self.data) if encodings is None else encodings
        self._codes = _priors(self.encodings)
        self.priors = _own_first(self.model.prior, self._codes)
        self._decode = tf.function(self.model.decode, reduce_retracing=True)
        self._reconstruct = tf.function(self._reconstruction, reduce_retracing=True)

    def draw(self, count: int, seed: int, prior: str) -> Codes:
        """See :class:`Subject`."""
        noise = standard_normal(count, self.model.latent_dim, seed=seed)
        return self._codes[prior](noise, seed)

    def labels(self, count: int, seed: int) -> NDArray[np.int32] | None:
        """See :class:`Subject`."""
        if not self.classes:
            return None
        return categorical(self._class_shares, count, seed=seed, stream=LABEL_STREAM)

    def decode(self, z: Codes, label: Any) -> NDArray[np.float32]:
        """See :class:`Subject`."""
        return self._decode(tf.constant(z), label).numpy()

    def reconstruct(self, images: NDArray[np.float32], label: Any) -> NDArray[np.float32]:
        """See :class:`Subject`."""
        return self._reconstruct(tf.constant(images), label).numpy()

    def _reconstruction(self, image, label):
        # Without its name an AE, which knows no label, would take it for ``training``.
        return self.model(image) if label is None else self.model(image, label=label)


class BundleSubject:
    """The model of a bundle, in onnxruntime.

    Args:
        path: the bundle's folder.
        data_dir: folder of prepared tfds data sets.
        raw_dir: folder of files to prepare the data set from.

    Raises:
        BundleError: the bundle is not what its manifest says.
        DataError: the data set cannot be had, or is not the one of the manifest.
    """

    def __init__(self, path: Path, data_dir: str | None = None, raw_dir: str | None = None):
        self.generator: Generator = load(path, threads=2)
        bundle = self.generator.bundle
        self.family = bundle.family
        self.classes = bundle.classes
        self.name = str(bundle.manifest["name"])
        self.priors = _own_first(bundle.default_prior, bundle.priors)
        self.encodings = bundle.codes
        self.data = open_dataset(_data_config(bundle.manifest, data_dir, raw_dir))
        stated = bundle.manifest["dataset"]["sha256"]
        if (found := self.data.describe()["sha256"]) != stated:
            raise DataError(
                f"{path}: was trained on images with sha256 {stated}; {self.data.name} has {found} "
                "here; evaluate it where its data set is"
            )

    def draw(self, count: int, seed: int, prior: str) -> Codes:
        """See :class:`Subject`."""
        return self.generator.draw(count, seed=seed, prior=prior)

    def labels(self, count: int, seed: int) -> NDArray[np.int32] | None:
        """See :class:`Subject`."""
        return self.generator.labels(count, seed=seed) if self.classes else None

    def decode(self, z: Codes, label: Any) -> NDArray[np.float32]:
        """See :class:`Subject`."""
        return self.generator.decode(z, label=label)

    def reconstruct(self, images: NDArray[np.float32], label: Any) -> NDArray[np.float32]:
        """See :class:`Subject`."""
        return self.generator.reconstruct(images, label=label)


def _priors(encodings: Mapping[str, Any]) -> dict[str, Callable[[Codes, int], Codes]]:
    """The priors that a bundle of these encodings would have: name → noise and seed to codes."""
    priors: dict[str, Callable[[Codes, int], Codes]] = {"standard": lambda noise, _: noise}
    if "prior_mean" in encodings:
        gaussian = GaussianPrior(encodings["prior_mean"], encodings["prior_covariance"])
        priors["gaussian"] = lambda noise, _: gaussian.codes(noise)
    fitted = {k.removeprefix(MIXTURE): v for k, v in encodings.items() if k.startswith(MIXTURE)}
    if fitted:
        mixture = MixturePrior.from_arrays(fitted)
        priors["fitted"] = lambda noise, seed: mixture.codes(noise, seed=seed)
    return priors


def _own_first(own: str, names: Iterable[str]) -> tuple[str, ...]:
    return (own, *(name for name in names if name != own))


def _data_config(
    manifest: Mapping[str, Any], data_dir: str | None, raw_dir: str | None
) -> TrainingConfig:
    """The settings that give a bundle's data set again: its name, size, colours and split seed."""
    trained = manifest["training"]["config"]
    wanted = {name: trained.get(name) for name in ("dataset", "image_size", "channels")}
    config = VAEConfig(**wanted, seed=manifest["seed"], batch_size=1)
    return _with_places(config, data_dir, raw_dir)


def _with_places(
    config: TrainingConfig, data_dir: str | None, raw_dir: str | None
) -> TrainingConfig:
    return dataclasses.replace(
        config, data_dir=data_dir or config.data_dir, raw_dir=raw_dir or config.raw_dir
    )
