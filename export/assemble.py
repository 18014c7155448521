"""From a trained model to a bundle and a SavedModel in their places."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from export import parity
from export.card import model_card
from export.saved_model import signatures, write_saved_model
from export.to_onnx import to_onnx
from export.trained import Trained, from_model, from_run
from gensuite.arrays import pack, unpack
from gensuite.data.splits import ImageData
from gensuite.errors import ConfigError, InputError
from gensuite.inference import bundle as bundles
from gensuite.inference import health
from gensuite.inference.images import grid, png
from gensuite.inference.inputs import check_images
from gensuite.inference.latents import LABEL_STREAM, categorical, standard_normal
from gensuite.inference.manifest import (
    ENCODER_OUTPUTS,
    GENERATING_HALF,
    MANIFEST,
    NAMES,
    SCHEMA,
    expected_files,
    expected_ports,
)
from gensuite.inference.priors import GaussianPrior
from gensuite.inference.runtime import OnnxBackend
from gensuite.inference.saved_model import BUNDLE_NOTE, SIGNATURES, saved_model_place
from gensuite.info import ARTIFACTS
from gensuite.models import GenerativeModel
from gensuite.storage import partial_path, put_in_place
from gensuite.training import devices
from gensuite.training.doctor import to_json
from gensuite.training.encodings import MIXTURE

_PREVIEW_IMAGES = 64
_HEALTH_ROWS = 16
"""Codes decoded at once: the layers of larger images would take more memory than the proof does."""
_GOLDEN_ROWS = 32
_GOLDEN_BYTES = 2_000_000
_FLOAT16_MAX = float(np.finfo(np.float16).max)


def export_run(run: str | Path, to: str | Path | None = None, *, force: bool = False) -> str:
    """Export a run.

    Args:
        run: the run's folder.
        to: the bundle's folder; ``artifacts/`` and the run's name when not given.
        force: replace a bundle that is there.

    Returns:
        The bundle's identity.

    Raises:
        RunNotFoundError: there is no run.
        RunError: the run is damaged or in use.
        ConfigError: ``to`` is taken.
        InputError: a weight is not finite.
        ParityError: Keras, SavedModel and ONNX disagree, or a file is not valid ONNX.
    """
    path = Path(to) if to else ARTIFACTS / Path(run).resolve().name
    check_place(path, force=force)
    return _export(from_run(Path(run)), path)


def export_model(
    model: GenerativeModel,
    data: ImageData,
    to: str | Path,
    *,
    history: Mapping[str, Any] | None = None,
    force: bool = False,
) -> str:
    """Export a model from memory, with networks of any kind.

    Args:
        model: a trained AE, VAE or GAN.
        data: the splits it was trained with.
        to: the bundle's folder.
        history: ``model.fit(...).history``, if there is one.
        force: replace a bundle that is there.

    Returns:
        The bundle's identity.

    Raises:
        ConfigError: ``to`` is taken.
        InputError: a weight is not finite.
        ParityError: Keras, SavedModel and ONNX disagree, or a file is not valid ONNX.
    """
    path = Path(to)
    check_place(path, force=force)
    return _export(from_model(model, data, path.resolve().name, history), path)


def check_place(path: Path, *, force: bool) -> None:
    """See that a bundle may be written to ``path``.

    Raises:
        ConfigError: something is there that we did not write, or a bundle and not ``force``.
    """
    if path.name in ("", "saved_model"):
        raise ConfigError(f"--to: {path} is not a bundle's name; name another folder")
    if path.is_symlink():
        raise ConfigError(f"--to: {path} is a link; name the folder that it leads to")
    saved_model = saved_model_place(path)
    if saved_model.exists() and not (saved_model / BUNDLE_NOTE).is_file():
        raise ConfigError(f"--to: {saved_model} is there and is not ours; name another folder")
    if not path.exists():
        return
    if not _may_be_bundle(path):
        raise ConfigError(f"--to: {path} is there and is not a bundle; name another folder")
    if not force:
        raise ConfigError(f"--to: {path} is there; --force replaces it, --to names another folder")


def _may_be_bundle(path: Path) -> bool:
    """Whether a folder is a bundle, though perhaps a damaged one, and nothing but a bundle."""
    if not (path / MANIFEST).is_file():
        return False
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
    except (ValueError, RecursionError):
        return False
    ours = {MANIFEST}.union(*map(expected_files, NAMES))
    return (
        isinstance(manifest, dict)
        and {"schema", "family", "ports"} <= manifest.keys()
        and {item.name for item in path.iterdir()} <= ours
    )


def _export(trained: Trained, path: Path) -> str:
    model = trained.model
    for weight in model.weights:
        if not np.isfinite(weight.numpy()).all():
            raise InputError(
                f"{trained.name}: its weight {weight.path} holds a number that is not finite, so "
                "nothing was exported; train again"
            )
    facts = _facts(trained)
    devices.use_exact_float32()
    ports = expected_ports(trained.family, model.latent_dim, model.image_shape, model.classes)
    endpoints = signatures(model)
    print("writing ONNX")
    models = {
        name: to_onnx(endpoints[SIGNATURES[name]], name, ports[name], _metadata(facts, name))
        for name in ports
    }
    backend = OnnxBackend(models, ports)
    inputs = _parity_inputs(trained, facts)
    with _saved_model_beside(path) as folder:
        print("writing the SavedModel")
        write_saved_model(model, endpoints, folder)
        facts["parity"] = parity.measure(endpoints, folder, backend, inputs)
        for what, found in parity.largest(facts["parity"]).items():
            print(f"parity of Keras, SavedModel and ONNX: {what} {found:.2g}")
        files = {f"{name}.onnx": content for name, content in models.items()}
        files |= _data_files(trained, endpoints, inputs)
        if "codes.npz" in files:
            facts |= _health(facts, unpack(files["codes.npz"]), backend)
        files["README.md"] = model_card(facts, trained.remarks).encode()
        identity = bundles.write(path, facts, files, replace=True)
        # So that a SavedModel which a killed export left behind is not taken for this bundle's.
        note = folder / BUNDLE_NOTE
        note.parent.mkdir()
        note.write_text(identity)
    print(f"{path}: {identity}")
    return identity


def _facts(trained: Trained) -> dict[str, Any]:
    """The manifest's sections that are known before the proof."""
    height, width, channels = trained.model.image_shape
    latent: dict[str, Any] = {
        "size": trained.model.latent_dim,
        "prior": trained.model.prior,
        "classes": trained.model.classes,
    }
    if trained.model.prior == "gaussian":
        mean, covariance = (trained.encodings[f"prior_{key}"] for key in ("mean", "covariance"))
        latent["gaussian"] = GaussianPrior(mean, covariance).to_dict()
    facts = {
        "family": trained.family,
        "name": trained.name,
        "seed": trained.seed,
        "latent": latent,
        "image": {"height": height, "width": width, "channels": channels, "range": [0, 1]},
        "dataset": dict(trained.dataset),
        "training": dict(trained.training),
        "tools": dict(trained.tools),
    }
    return facts | ({"scores": dict(trained.scores)} if trained.scores else {})


@contextmanager
def _saved_model_beside(path: Path) -> Iterator[Path]:
    """A folder for the SavedModel, put in its place if what is done with it succeeds."""
    final = saved_model_place(path)
    partial = partial_path(final)
    partial.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield partial
        put_in_place(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _metadata(facts: Mapping[str, Any], role: str) -> dict[str, str]:
    """What an ONNX file says of itself when it is found alone."""
    image, latent = facts["image"], facts["latent"]
    dataset = facts["dataset"]
    shape = f"{image['height']}x{image['width']}x{image['channels']}"
    return {
        "description": f"{role} of {NAMES[facts['family']]} trained on {dataset['name']}",
        "schema": str(SCHEMA),
        "family": facts["family"],
        "role": role,
        "latent_size": str(latent["size"]),
        "prior": latent["prior"],
        "image": f"{shape} NHWC float32 in [0, 1]",
        "dataset": dataset["name"],
        "dataset_licence": dataset["licence"],
    }


def _prior_codes(facts: Mapping[str, Any], count: int) -> np.ndarray:
    latent = facts["latent"]
    noise = standard_normal(count, latent["size"], seed=0)
    if latent["prior"] == "standard":
        return noise
    return GaussianPrior.from_dict(latent["gaussian"]).codes(noise)


def _parity_inputs(trained: Trained, facts: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    rows = max(parity.BATCHES)
    decoding = {"z": _prior_codes(facts, rows)}
    if trained.model.classes:
        shares = np.array(trained.dataset["class_shares"], np.float64)
        decoding["label"] = categorical(shares, rows, seed=0, stream=LABEL_STREAM)
    inputs = {GENERATING_HALF[trained.family]: decoding}
    if "images" in trained.encodings:
        images = check_images(trained.encodings["images"], trained.model.image_shape)
        # A small test split is repeated until there are 64 rows.
        inputs["encoder"] = {"image": np.resize(images, (rows, *images.shape[1:]))}
    return inputs


def _data_files(trained: Trained, endpoints, inputs) -> dict[str, bytes]:
    """The files that hold neither a model nor the card."""
    decoding = inputs[GENERATING_HALF[trained.family]].values()
    images = endpoints["decode"](*(rows[:_PREVIEW_IMAGES] for rows in decoding))["image"].numpy()
    grids = trained.grids
    training = {f"history.{name}": values for name, values in trained.history.items()}
    training["grid_epochs"] = np.array(list(grids), np.int64)
    training["grids"] = np.stack(list(grids.values())) if grids else np.zeros((0, 0, 0), np.uint8)
    files = {
        "golden.npz": pack(_golden(endpoints, inputs, images[0].nbytes)),
        "preview.png": png(grid(images)),
        "training.npz": pack(training),
        "remarks.json": to_json(trained.remarks),
    }
    if "encoder" in inputs:
        codes = {"labels": trained.encodings["labels"]}
        for name in ENCODER_OUTPUTS[trained.family]:
            clipped = np.clip(trained.encodings[name], -_FLOAT16_MAX, _FLOAT16_MAX)
            codes[name] = clipped.astype(np.float16)
        files["codes.npz"] = pack(codes)
        files["prior.npz"] = pack(
            {
                name.removeprefix(MIXTURE): array
                for name, array in trained.encodings.items()
                if name.startswith(MIXTURE)
            }
        )
    return files


def _health(
    facts: Mapping[str, Any], codes: Mapping[str, np.ndarray], backend: OnnxBackend
) -> dict[str, Any]:
    """The manifest's section ``health``; none where there are too few codes to measure."""
    print("measuring latent health")

    def decode(z, label=None):
        images = []
        for first in range(0, len(z), _HEALTH_ROWS):
            rows = z[first : first + _HEALTH_ROWS]
            labels = {} if label is None else {"label": np.full(len(rows), label, np.int32)}
            images.append(backend.run("decoder", {"z": rows} | labels)["image"])
        return np.concatenate(images)

    classes = facts["latent"]["classes"]
    try:
        report = health.measure(
            codes,
            health.classes_in_turn(decode, classes) if classes else decode,
            prior=facts["latent"]["prior"],
            class_names=facts["dataset"].get("class_names", ()),
        )
    except InputError as error:
        print(f"latent health: not measured: {error}")
        return {}
    return {"health": report.to_dict()}


def _golden(endpoints, inputs, image_bytes: int) -> dict[str, np.ndarray]:
    """Inputs with the outputs that Keras gives for them, ``model.port`` → rows.

    32 rows, fewer for large images, so that the proof does not outweigh the model.
    """
    count = max(4, min(_GOLDEN_ROWS, _GOLDEN_BYTES // image_bytes))
    golden: dict[str, np.ndarray] = {}
    for model, ports in inputs.items():
        feed = {port: rows[:count] for port, rows in ports.items()}
        outputs = endpoints[SIGNATURES[model]](*feed.values())
        values = feed | {port: output.numpy() for port, output in outputs.items()}
        golden |= {f"{model}.{port}": value for port, value in values.items()}
    return golden
