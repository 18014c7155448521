"""The state of a training: what a checkpoint holds and how it comes back."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from gensuite.arrays import pack, unpack
from gensuite.errors import RunError
from gensuite.models import GenerativeModel, halve_learning_rates
from gensuite.training import checkpoints
from gensuite.training.runs import Run

_VARIABLES, _BEST, _PROGRESS = "variables.npz", "best.npz", "progress.json"


@dataclass
class Progress:
    """Where a training stands; with the variables, all that a resume needs."""

    epoch: int = 0
    """Epochs completed."""
    batch: int = 0
    """Batches done in the epoch under way."""
    best_loss: float = math.inf
    best_epoch: int = 0
    """Epoch of the lowest validation loss; 0 for families that have none to compare."""
    stopped_early: bool = False
    history: list[dict[str, float]] = field(default_factory=list)
    """A row for every completed epoch."""
    rollback: dict[str, Any] | None = None
    """Of the one time that training went back and halved its learning rates: ``what`` was not
    finite, ``found_at`` which step, and the step ``back_to``."""


def to_files(
    variables: list[np.ndarray], best: list[np.ndarray] | None, progress: Progress
) -> dict[str, bytes]:
    """The files of a checkpoint.

    Args:
        variables: values of :func:`training_variables`.
        best: values of the model's weights at the lowest validation loss, if it has one.
        progress: where the training stands.
    """
    files = {_VARIABLES: _pack_list(variables), _PROGRESS: json.dumps(asdict(progress)).encode()}
    return files if best is None else files | {_BEST: _pack_list(best)}


def restore(
    model: GenerativeModel, files: Mapping[str, bytes]
) -> tuple[list[np.ndarray] | None, Progress]:
    """Set a model and its optimizers to a checkpoint.

    Returns:
        The best weights and the progress that :func:`to_files` was given.

    Raises:
        RunError: the checkpoint is of another model.
    """
    progress = Progress(**json.loads(files[_PROGRESS]))
    if progress.rollback:
        # A schedule is no variable; a constant rate is, and comes back halved with the others.
        halve_learning_rates(model)
    _assign(training_variables(model), files[_VARIABLES])
    best = list(unpack(files[_BEST]).values()) if _BEST in files else None
    return best, progress


def load_model(run: Run, model: GenerativeModel) -> Progress:
    """Set a model's weights to what a run's training has come to.

    That is the weights of the lowest validation loss, for a GAN the newest; their averages, where
    the run averages weights.

    Args:
        run: the run.
        model: built from the run's config.

    Returns:
        How far the training has come.

    Raises:
        RunError: no checkpoint is whole, or it is of another model.
    """
    files = checkpoints.load_newest(run.checkpoints)
    _, progress = restore(model, files)
    if _BEST in files:
        _assign(model.weights, files[_BEST])
    else:
        model.finalize()
    return progress


def checkpoint_bytes(model: GenerativeModel) -> int:
    """Size of one checkpoint of a model, in bytes."""
    everything = [*training_variables(model), *model.weights]  # the best weights come on top
    return sum(variable.numpy().nbytes for variable in everything)


def training_variables(model: GenerativeModel) -> list:
    """Everything that training changes: weights, running means and all optimizers' state."""
    found = [*model.variables, *(m for metric in model.metrics for m in metric.variables)]
    for optimizer, _ in model.updates():
        found += optimizer.variables
    return list({id(variable): variable for variable in found}.values())


def _assign(variables: list, content: bytes) -> None:
    """Set variables to the arrays of an npz file, in order."""
    values = list(unpack(content).values())
    if [v.shape for v in values] != [tuple(v.shape) for v in variables]:
        raise RunError("the checkpoint is of another model: config.json has been altered")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _pack_list(values: list[np.ndarray]) -> bytes:
    """Arrays in their order; not compressed, because a save should not take long."""
    return pack({f"{index:04d}": value for index, value in enumerate(values)}, compress=False)
