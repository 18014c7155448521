"""The bundle: a folder of data that holds a trained generative model and its proof.

How one is written whole, and read once with every byte checked against the manifest.
``docs/bundle-format.md`` describes it for readers in other languages.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from gensuite.arrays import unpack
from gensuite.errors import BundleError, BundleNotFoundError
from gensuite.inference.manifest import (
    ENCODER_OUTPUTS,
    MANIFEST,
    SCHEMA,
    canonical,
    check_manifest,
    expected_ports,
    parse_json,
    sha256,
)
from gensuite.inference.priors import GaussianPrior, MixturePrior
from gensuite.inference.training_history import check_training
from gensuite.storage import write_directory

_MAX_MANIFEST = 8 * 2**20
_MAX_FILE = 512 * 2**20


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files have been read once and found to be what the manifest says."""

    path: Path
    manifest: dict[str, Any]
    files: dict[str, bytes]
    """File name → content, the manifest's own file included."""

    @property
    def identity(self) -> str:
        """``sha256:`` and the digest of the file ``manifest.json``, which covers all the others."""
        return f"sha256:{sha256(self.files[MANIFEST])}"

    @property
    def family(self) -> str:
        """``ae``, ``vae`` or ``gan``."""
        return str(self.manifest["family"])

    @property
    def latent_size(self) -> int:
        """Numbers in a latent code."""
        return int(self.manifest["latent"]["size"])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """``(height, width, channels)``."""
        image = self.manifest["image"]
        return int(image["height"]), int(image["width"]), int(image["channels"])

    @property
    def default_prior(self) -> str:
        """The prior that the model was trained for: ``standard`` or ``gaussian``."""
        return str(self.manifest["latent"]["prior"])

    @cached_property
    def gaussian_prior(self) -> GaussianPrior | None:
        """The Gaussian of the training codes, where the bundle holds one."""
        values = self.manifest["latent"].get("gaussian")
        return None if values is None else GaussianPrior.from_dict(values)

    @property
    def own_prior(self) -> GaussianPrior:
        """The prior that :attr:`default_prior` names."""
        if self.default_prior == "gaussian" and self.gaussian_prior:
            return self.gaussian_prior
        return GaussianPrior.standard(self.latent_size)

    @cached_property
    def mixture_prior(self) -> MixturePrior | None:
        """The mixture fitted to the codes, where the bundle holds one.

        Raises:
            BundleError: ``prior.npz`` does not hold a mixture of this model's codes.
        """
        if "prior.npz" not in self.files:
            return None
        try:
            prior = MixturePrior.from_arrays(self.arrays("prior.npz"))
            if prior.size != self.latent_size:
                raise ValueError(f"codes of {prior.size} numbers, not {self.latent_size}")
        except ValueError as error:
            raise BundleError("model", f"prior.npz: {error}") from None
        return prior

    @cached_property
    def codes(self) -> dict[str, NDArray[Any]]:
        """The arrays of ``codes.npz``: ``labels``, and the encoder's outputs for test images.

        Empty for a GAN.

        Raises:
            BundleError: ``codes.npz`` does not hold codes of this model and their labels.
        """
        if "codes.npz" not in self.files:
            return {}
        arrays = self.arrays("codes.npz")
        outputs = ENCODER_OUTPUTS[self.family]
        if missing := {"labels", *outputs} - arrays.keys():
            raise BundleError("model", f"codes.npz: no array {', '.join(sorted(missing))}")
        labels = arrays["labels"]
        for name in outputs:
            shape, kind = arrays[name].shape, arrays[name].dtype
            if shape != (labels.size, self.latent_size) or not np.issubdtype(kind, np.floating):
                raise BundleError(
                    "model",
                    f"codes.npz: {name} is {kind} of shape {shape} beside {labels.size} labels, "
                    f"and codes of this model have {self.latent_size} numbers",
                )
        if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
            raise BundleError(
                "model",
                f"codes.npz: labels are {labels.dtype} of shape {labels.shape}; one whole number "
                "for each code is allowed",
            )
        return arrays

    @cached_property
    def training(self) -> dict[str, NDArray[Any]]:
        """The arrays of ``training.npz``.

        ``history.NAME``, ``(epochs,)``, for every column of the run's history; ``grid_epochs``,
        ``(grids,)``, rising; and ``grids``, ``(grids, height, width)``, in colour with 3 channels,
        uint8: the samples after those epochs.

        Raises:
            BundleError: ``training.npz`` does not hold such arrays.
        """
        arrays = self.arrays("training.npz")
        try:
            check_training(arrays, self.image_shape)
        except ValueError as error:
            raise BundleError("model", f"training.npz: {error}") from None
        return arrays

    @cached_property
    def remarks(self) -> list[dict[str, Any]]:
        """What the doctor said of the run: ``code``, ``epoch``, ``seen``, ``cause``, ``remedy``.

        Raises:
            BundleError: ``remarks.json`` does not hold such remarks.
        """
        kinds = {"code": str, "epoch": int, "seen": str, "cause": str, "remedy": str}
        try:
            remarks = parse_json(self.files["remarks.json"])
            good = all(
                type(remark[key]) is kind for remark in remarks for key, kind in kinds.items()
            )
        except (ValueError, TypeError, KeyError):
            good = False
        if not good or not isinstance(remarks, list):
            raise BundleError("model", "remarks.json: not a list of the doctor's remarks")
        return remarks

    @property
    def priors(self) -> tuple[str, ...]:
        """Names of the priors it can be sampled from; see :meth:`Generator.draw`."""
        own = {
            "standard": True,
            "gaussian": self.gaussian_prior is not None,
            "fitted": "prior.npz" in self.files,
        }
        return tuple(name for name, there in own.items() if there)

    @property
    def classes(self) -> int:
        """Class labels that a conditional model takes; 0 for one that is not conditional."""
        return int(self.manifest["latent"]["classes"])

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the data set's classes; empty where it has no labels."""
        return tuple(self.manifest["dataset"].get("class_names", ()))

    @property
    def ports(self) -> dict[str, Any]:
        """Model name → its ``inputs`` and ``outputs``: port → shape."""
        return dict(self.manifest["ports"])

    @property
    def models(self) -> dict[str, bytes]:
        """ONNX bytes of ``decoder`` or ``generator``, and of ``encoder`` where there is one."""
        return {name: self.files[f"{name}.onnx"] for name in self.ports}

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """The arrays of ``golden.npz``, ``codes.npz`` or ``training.npz``.

        Raises:
            BundleError: the file does not hold plain arrays.
        """
        try:
            return unpack(self.files[name], limit=_MAX_FILE)
        except ValueError as error:
            raise BundleError("model", f"{name}: {error}") from None


def write(
    path: Path, facts: Mapping[str, Any], files: Mapping[str, bytes], *, replace: bool
) -> str:
    """Write a bundle whole: the files and the manifest over them.

    Args:
        path: the bundle's folder.
        facts: the manifest's sections but ``schema``, ``files``, ``ports`` and ``sha256``.
        files: file name → content; exactly :func:`expected_files` of the family.
        replace: exchange an existing bundle for this one.

    Returns:
        The bundle's identity.

    Raises:
        BundleError: the facts or files are not those of a bundle.
        FileExistsError: ``path`` exists and ``replace`` is false.
    """
    image = facts["image"]
    manifest = dict(facts) | {
        "schema": SCHEMA,
        "ports": expected_ports(
            facts["family"],
            facts["latent"]["size"],
            (image["height"], image["width"], image["channels"]),
            facts["latent"]["classes"],
        ),
        "files": {
            name: {"bytes": len(content), "sha256": sha256(content)}
            for name, content in files.items()
        },
    }
    manifest["sha256"] = sha256(canonical(manifest))
    content = canonical(manifest)
    check_manifest(content)
    whole = dict(files) | {MANIFEST: content}
    for name, data in whole.items():
        if len(data) > (limit := _limit(name)):
            raise BundleError(
                "size", f"{name} would have {len(data)} bytes; at most {limit} allowed"
            )
    write_directory(path, whole, replace=replace)
    return f"sha256:{sha256(content)}"


def read(path: str | Path) -> Bundle:
    """Read a bundle's files once and check every one against the manifest.

    Raises:
        BundleNotFoundError: there is no bundle at ``path``.
        BundleError: a file is missing, extra, a link, or not what the manifest says.
    """
    path = Path(path)
    if not path.is_dir() or not (path / MANIFEST).exists():
        raise BundleNotFoundError(
            "missing",
            f"{path}: no bundle here ({MANIFEST} is missing); make one with python -m export RUN",
        )
    content = _read_file(path, MANIFEST)
    manifest = check_manifest(content)
    try:
        present = set(os.listdir(path)) - {MANIFEST}
    except OSError as error:
        raise BundleError("link", f"{path}: cannot be listed: {error.strerror}") from None
    listed = set(manifest["files"])
    for name in sorted(listed - present):
        _refuse("missing", path, name, "is missing")
    for name in sorted(present - listed):
        _refuse("extra", path, name, "is not in the manifest")
    files = {MANIFEST: content}
    for name in sorted(listed):
        entry = manifest["files"][name]
        files[name] = _read_file(path, name)
        if len(files[name]) != entry["bytes"]:
            _refuse("size", path, name, f"has {len(files[name])} bytes, not {entry['bytes']}")
        if sha256(files[name]) != entry["sha256"]:
            _refuse("hash", path, name, "has been altered: its sha256 is not the manifest's")
    return Bundle(path, manifest, files)


def _limit(name: str) -> int:
    """The most bytes that a file of a bundle may have."""
    return _MAX_MANIFEST if name == MANIFEST else _MAX_FILE


def _read_file(directory: Path, name: str) -> bytes:
    """Read a regular file of the folder itself, never what a link or a pipe leads to."""
    limit = _limit(name)
    try:
        descriptor = os.open(directory / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        _refuse("link", directory, name, "is a link or cannot be opened")
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        _refuse("link", directory, name, "is not a regular file")
    with os.fdopen(descriptor, "rb") as stream:
        if status.st_size > limit:
            _refuse("size", directory, name, f"has {status.st_size} bytes; at most {limit} allowed")
        return stream.read(limit)


def _refuse(code: str, path: Path, name: str, what: str) -> NoReturn:
    raise BundleError(code, f"{path}: {name} {what}; get the bundle again or export it again")
