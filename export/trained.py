"""What export starts from: a trained model and the facts around it, out of a run or of memory."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gensuite.data.reading import open_dataset
from gensuite.data.splits import ImageData
from gensuite.errors import ConfigError, RunError
from gensuite.models import FAMILIES, GenerativeModel, build_model
from gensuite.training.doctor import Remark, diagnose
from gensuite.training.encodings import encode_splits
from gensuite.training.runs import Run, environment
from gensuite.training.state import Progress, load_model

MAX_GRIDS, _GRID_BYTES = 24, 300_000
"""Grids of a bundle at the most, and bytes of one image in all of them: 6 grids of 128x128x3."""
_TOOLS = ("tf2onnx", "onnx", "onnxruntime")


@dataclass(frozen=True)
class Trained:
    """A trained model with all that a bundle tells of it."""

    name: str
    """Of the run; the bundle keeps it when its folder is renamed."""
    model: GenerativeModel
    family: str
    seed: int
    dataset: Mapping[str, Any]
    """As :meth:`ImageData.describe` gives it."""
    tools: Mapping[str, str]
    """Tool → version."""
    training: Mapping[str, Any]
    """``config``, and what is known of how long the training was."""
    encodings: Mapping[str, np.ndarray]
    """As :func:`encode_splits` gives it."""
    history: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Column → ``(epochs,)`` float64."""
    grids: Mapping[int, np.ndarray] = field(default_factory=dict)
    """Epoch → sample grid, ``(height, width)`` or ``(height, width, 3)`` uint8."""
    scores: Mapping[str, Any] | None = None
    """What ``gensuite.evaluate`` found, if it has measured the run."""
    remarks: Sequence[Remark] = ()
    """What the doctor says of the run; nothing of a training that it has not seen."""


def from_run(path: Path) -> Trained:
    """Read a run folder. A run that has not reached its end is taken as far as it went.

    Raises:
        RunNotFoundError: there is no run.
        RunError: the run is damaged, in use, has no whole checkpoint, or its data have changed.
        DataError: the data set cannot be had. It is needed for an AE or a VAE that has not reached
            its end.
    """
    with closing(Run.open(path)) as run:
        run.lock()
        image_shape = tuple(run.record["dataset"]["image_shape"])
        # Exported in float32: bfloat16 does not convert, and the weights are float32 in any case.
        model = build_model(
            dataclasses.replace(run.config, mixed_precision=False),
            image_shape,
            classes=len(run.record["dataset"].get("class_names", ())),
        )
        progress = load_model(run, model)
        encodings = run.read_encodings()
        if hasattr(model, "encode") and encodings is None:
            data = open_dataset(run.config)
            run.check_data(data.describe())
            encodings = encode_splits(model, data)
        rows = progress.history
        return Trained(
            name=path.resolve().name,
            model=model,
            family=run.config.family,
            seed=run.config.seed,
            dataset=run.record["dataset"],
            tools=_tools(run.record),
            training={"config": run.config.public_dict(), **_extent(progress)},
            encodings=encodings or {},
            history={
                key: np.array([row[key] for row in rows]) for key in (rows[0] if rows else ())
            },
            grids=_read_grids(run.samples, progress.epoch, math.prod(image_shape)),
            scores=run.read_scores(),
            remarks=diagnose(run.config, run.read_history()),
        )


def from_model(
    model: GenerativeModel, data: ImageData, name: str, history: Mapping[str, Any] | None = None
) -> Trained:
    """Take a model that was trained with ``fit`` or in any other way.

    Args:
        model: an AE, a VAE or a GAN.
        data: the splits it was trained with.
        name: what the bundle calls it.
        history: ``model.fit(...).history``, if there is one.

    Raises:
        ConfigError: the data do not have the classes of a conditional model.
    """
    if model.classes not in (0, len(data.class_names)):
        raise ConfigError(
            f"model: takes {model.classes} classes, but {data.name} has {len(data.class_names)}; "
            "give the data that it was trained with"
        )
    family = next(key for key, row in FAMILIES.items() if isinstance(model, row.model))
    facts = data.describe()
    config = {
        "model": family,
        "dataset": data.name,
        "latent_dim": model.latent_dim,
        "network": "the user's own",
        "seed": model.seed,
    }
    return Trained(
        name=name,
        model=model,
        family=family,
        seed=model.seed,
        dataset=facts,
        tools=_tools(environment(facts, device="")),
        training={"config": config},
        encodings=encode_splits(model, data),
        history={key: np.array(values, float) for key, values in (history or {}).items()},
    )


def _tools(record: Mapping[str, Any]) -> dict[str, str]:
    trained_with = {k: v for k, v in record.items() if k not in ("schema", "device", "dataset")}
    return trained_with | {tool: version(tool) for tool in _TOOLS}


def _extent(progress: Progress) -> dict[str, int]:
    extent = {"epochs": progress.epoch}
    if progress.best_epoch:
        extent["best_epoch"] = progress.best_epoch
    return extent


def _read_grids(folder: Path, epochs: int, image_bytes: int) -> dict[int, np.ndarray]:
    """At most 24 grids, fewer of large images, evenly over the epochs, the last included."""
    count = min(MAX_GRIDS, _GRID_BYTES // image_bytes)
    chosen = sorted({round(epoch) for epoch in np.linspace(1, epochs, count)} if epochs else ())
    paths = {epoch: folder / f"epoch-{epoch:05d}.png" for epoch in chosen}
    return {epoch: _read_picture(path) for epoch, path in paths.items() if path.is_file()}


def _read_picture(path: Path) -> np.ndarray:
    try:
        return np.asarray(Image.open(path))
    except (OSError, SyntaxError):
        raise RunError(f"{path}: damaged; remove it, and export goes without it") from None
