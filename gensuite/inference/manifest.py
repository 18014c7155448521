"""The manifest: what a bundle says of itself, in one spelling, and how that is checked.

``docs/bundle-format.md`` describes it for readers in other languages.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gensuite.errors import BundleError
from gensuite.scores import check_scores

SCHEMA = 2
MANIFEST = "manifest.json"
GENERATING_HALF = {"ae": "decoder", "vae": "decoder", "gan": "generator"}
"""Family → the half that makes images."""

NAMES = {"ae": "an AE", "vae": "a VAE", "gan": "a GAN"}
"""Family → its name in a sentence."""

ENCODER_OUTPUTS = {"ae": ("z",), "vae": ("mean", "log_variance")}
"""Family → the ports of its encoder; a GAN has none."""

LIMITS = ("uneven", "off_centre", "empty", "discontinuous")
"""The four limits of a latent space in the section ``health``, in the lecture's order."""

_MAX_DEPTH = 32
"""Of lists and objects in each other; our own manifests have 7."""

_COMMON_FILES = frozenset(
    {"golden.npz", "training.npz", "remarks.json", "preview.png", "README.md"}
)
_SECTIONS = {
    "schema": int,
    "family": str,
    "name": str,
    "latent": dict,
    "image": dict,
    "ports": dict,
    "files": dict,
    "dataset": dict,
    "training": dict,
    "seed": int,
    "tools": dict,
    "parity": dict,
    "sha256": str,
}
"""Top-level fields of a manifest and their JSON types."""


def canonical(values: Mapping[str, Any]) -> bytes:
    """JSON in its one spelling: sorted keys, no spaces, UTF-8, no NaN, a final newline."""
    text = json.dumps(
        values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8") + b"\n"


def parse_json(content: bytes) -> Any:
    """The value of a JSON text whose lists and objects lie at most 32 in each other.

    Raises:
        ValueError: it is no JSON, or is nested deeper than code that walks it can follow.
    """
    try:
        value = json.loads(content)
    except RecursionError:
        raise ValueError(f"nested deeper than {_MAX_DEPTH}") from None
    level = [value]
    for _ in range(_MAX_DEPTH + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return value
    raise ValueError(f"nested deeper than {_MAX_DEPTH}")


def sha256(content: bytes) -> str:
    """SHA-256 in lower-case hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def expected_files(family: str) -> frozenset[str]:
    """Names of all files of a family's bundle, the manifest aside."""
    files = _COMMON_FILES | {f"{GENERATING_HALF[family]}.onnx"}
    with_encoder = {"encoder.onnx", "codes.npz", "prior.npz"}
    return files | with_encoder if family in ENCODER_OUTPUTS else files


def expected_ports(
    family: str, latent_size: int, image_shape: Iterable[int], classes: int
) -> dict[str, dict[str, dict[str, list[str | int]]]]:
    """The ports of a family's models: model → ``inputs`` and ``outputs`` → name → shape.

    The first dimension is ``"batch"``. ``label``, which a conditional model (``classes`` above 0)
    has, is int32; all others are float32.
    """
    code: list[str | int] = ["batch", latent_size]
    image: list[str | int] = ["batch", *image_shape]
    half = GENERATING_HALF[family]
    inputs: dict[str, list[str | int]] = {"z": code}
    if classes:
        inputs["label"] = ["batch"]
    ports = {half: {"inputs": inputs, "outputs": {"image": image}}}
    if family in ENCODER_OUTPUTS:
        outputs = dict.fromkeys(ENCODER_OUTPUTS[family], code)
        ports["encoder"] = {"inputs": {"image": image}, "outputs": outputs}
    return ports


def check_manifest(content: bytes) -> dict[str, Any]:
    """Parse a manifest strictly.

    Raises:
        BundleError: not canonical JSON, not its own sha256, another schema, or not a description
            of one of the families.
    """
    try:
        manifest: dict[str, Any] = parse_json(content)
        spelled_canonically = canonical(manifest) == content
    except ValueError:
        spelled_canonically = False
    if not spelled_canonically or not isinstance(manifest, dict):
        raise BundleError("manifest", f"{MANIFEST}: not canonical JSON; export the bundle again")
    if manifest.get("schema") != SCHEMA:
        raise BundleError(
            "schema",
            f"{MANIFEST}: schema {manifest.get('schema')!r}; this version of gensuite reads "
            f"schema {SCHEMA}, so use the version that made it, or train and export again",
        )
    for key, kind in _SECTIONS.items():
        if type(manifest.get(key)) is not kind:
            raise BundleError("manifest", f"{MANIFEST}: {key} is missing or not {kind.__name__}")
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    if sha256(canonical(rest)) != manifest["sha256"]:
        raise BundleError("hash", f"{MANIFEST}: has been altered: it does not carry its own sha256")
    try:
        _check_model(manifest)
        check_scores(manifest.get("scores", {}))
        _check_health(manifest)
        _check_parity(manifest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(
            "manifest", f"{MANIFEST}: a field is missing or wrong ({error})"
        ) from None
    return manifest


def _check_model(manifest: dict[str, Any]) -> None:
    family, latent, image = manifest["family"], manifest["latent"], manifest["image"]
    if family not in GENERATING_HALF:
        raise BundleError("manifest", f"{MANIFEST}: unknown family {family!r}")
    shape = (image["height"], image["width"], image["channels"])
    if not all(type(size) is int and 0 < size <= 4096 for size in (latent["size"], *shape)):
        raise BundleError("manifest", f"{MANIFEST}: sizes {latent['size']!r} and {shape!r}")
    if image["range"] != [0, 1]:
        raise BundleError("manifest", f"{MANIFEST}: image range {image['range']!r} is not [0, 1]")
    _check_classes(manifest)
    if manifest["ports"] != expected_ports(family, latent["size"], shape, latent["classes"]):
        raise BundleError("ports", f"{MANIFEST}: its ports are not those of a {family}")
    if manifest["files"].keys() != expected_files(family):
        raise BundleError("manifest", f"{MANIFEST}: its files are not those of a {family}")
    for entry in manifest["files"].values():
        if type(entry["bytes"]) is not int or not isinstance(entry["sha256"], str):
            raise BundleError("manifest", f"{MANIFEST}: a file's size or sha256 is missing")
    _check_prior(latent)
    texts = (manifest["dataset"]["name"], manifest["dataset"]["licence"])
    if not all(isinstance(text, str) for text in texts):
        raise BundleError("manifest", f"{MANIFEST}: the data set's name or licence is missing")
    if not isinstance(manifest["training"]["config"], dict):
        raise BundleError("manifest", f"{MANIFEST}: the training's settings are missing")


def _check_classes(manifest: dict[str, Any]) -> None:
    """A conditional model's classes are those of its data set, with a share for each."""
    classes, dataset = manifest["latent"]["classes"], manifest["dataset"]
    names = dataset.get("class_names", [])
    if type(names) is not list or not all(isinstance(name, str) for name in names):
        raise BundleError("manifest", f"{MANIFEST}: class names that are not a list of texts")
    if type(classes) is not int or not 0 <= classes <= 4096:
        raise BundleError("manifest", f"{MANIFEST}: {classes!r} classes")
    if not classes:
        return
    shares = _numbers(dataset["class_shares"])
    given = len(names) == classes and shares.shape == (classes,)
    if not given or (shares < 0).any() or not np.isclose(shares.sum(), 1):
        raise BundleError("manifest", f"{MANIFEST}: its class names and shares are not {classes}")


def _check_health(manifest: dict[str, Any]) -> None:
    if "health" not in manifest:  # a GAN has no codes, and some data sets have too few
        return
    if manifest["family"] not in ENCODER_OUTPUTS:
        raise BundleError("manifest", f"{MANIFEST}: latent health of a model without codes")
    for limit in (manifest["health"][name] for name in LIMITS):
        if not isinstance(limit["sentence"], str):
            raise BundleError("manifest", f"{MANIFEST}: a sentence of latent health is missing")
        if limit["headline"] is not None:  # without labels there is none of unevenness
            _check_number(limit["headline"])


def _check_number(number: dict[str, Any]) -> None:
    """A number of latent health has an interval and a band; a TypeError where one is no number."""
    values = np.array([[number["value"]] * 2, number["interval"], number["band"]])
    if values.shape != (3, 2) or not np.isfinite(values).all():
        raise BundleError("manifest", f"{MANIFEST}: a number of latent health without its ranges")


def _check_parity(manifest: dict[str, Any]) -> None:
    """For every output port, its largest difference by runtime and batch size."""
    for model, ports in manifest["ports"].items():
        for port in ports["outputs"]:
            for batches in manifest["parity"][model][port].values():
                if not all(type(each) is float and 0 <= each < np.inf for each in batches.values()):
                    raise BundleError("manifest", f"{MANIFEST}: a parity that is not a number")
    if not all(isinstance(version, str) for version in manifest["tools"].values()):
        raise BundleError("manifest", f"{MANIFEST}: a tool's version that is not a text")


def _numbers(values: Any) -> NDArray[np.float64]:
    """A list of finite numbers, or of such lists, else a ValueError or TypeError.

    A conversion at once would take the text "nan" for a number.
    """
    array = np.array(values)
    if not np.isfinite(array).all():
        raise ValueError("a number that is not finite")
    return array.astype(np.float64)


def _check_prior(latent: dict[str, Any]) -> None:
    if latent["prior"] not in ("standard", "gaussian"):
        raise BundleError("manifest", f"{MANIFEST}: unknown prior {latent['prior']!r}")
    if latent["prior"] == "gaussian" or "gaussian" in latent:
        mean, covariance = (_numbers(latent["gaussian"][name]) for name in ("mean", "covariance"))
        size = latent["size"]
        np.linalg.cholesky(covariance)  # a ValueError if it is no covariance
        if mean.shape != (size,) or covariance.shape != (size, size):
            raise BundleError("manifest", f"{MANIFEST}: the prior's shape is not the code's")
