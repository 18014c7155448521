"""Trainings into which one number that is not finite is put, and what must follow."""

import contextlib
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from gensuite import train
from gensuite.arrays import unpack
from gensuite.data.reading import open_dataset
from gensuite.data.splits import ImageData
from gensuite.errors import DivergedError
from gensuite.models import GenerativeModel, build_model
from gensuite.training.loop import Trainer
from gensuite.training.runs import Run
from gensuite.training.signals import StopRequest
from gensuite.training.state import training_variables

FLAGS = ["--network", "dense", "--image-size", "8", "--batch-size", "128", "--epochs", "8"]
FLAGS += ["--save-seconds", "0", "--keep", "100"]
NOTICED = 50
"""Steps within which it must be noticed."""


def poisoned_training(family: str, seed: tuple[int, ...], folder: Path) -> dict[str, Any]:
    """Train with a number that is not finite at a random place and step.

    The place is a weight, an optimizer's variable or the sum behind a logged scalar, or a gradient.
    The same step harms again after the rollback, so that the training must end.
    """
    random = np.random.default_rng(seed)
    value = float(random.choice([math.nan, math.inf, -math.inf]))
    step = int(random.integers(1, 70))
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        config = train.make_config(train.parse_args(["--model", family, *FLAGS]))
        data = open_dataset(config)
        model = build_model(config, data.image_shape, steps_per_epoch=10)
        if random.integers(3):
            where = _poison_variable(model, step, value, random)
        else:
            where = _poison_gradient(model, step, value, random)
        complaint, after = _train(config, folder, model, data, step)
    facts = {"family": family, "where": where, "value": str(value), "step": step}
    return facts | {"noticed_after": after, "held": not complaint, "complaint": complaint}


def _train(
    config: Any, folder: Path, model: GenerativeModel, data: ImageData, step: int
) -> tuple[str, int]:
    """What is wrong with how the training ended, or nothing; steps until the harm was noticed."""
    rates = [float(optimizer.learning_rate) for optimizer, _ in model.updates()]
    with contextlib.closing(Run.create(config, folder)) as run:
        run.write_record(data.describe(), "CPU")
        trainer = Trainer(run, model, data)
        try:
            trainer.fit(StopRequest())
        except DivergedError as error:
            words = str(error)
        else:
            return "not noticed", -1
    rollback = trainer.progress.rollback
    if rollback is None:
        return "no rollback", -1
    after = rollback["found_at"] - step
    # The second harm may have come to a rate itself.
    halved = np.array([float(optimizer.learning_rate) for optimizer, _ in model.updates()])
    sound = np.isfinite(halved)
    broken = [path.parent.name for path in folder.rglob("*.npz") if not _finite(path)]
    complaints = {
        "noticed too late": not 0 <= after < NOTICED,
        "went back to a step after the harm": rollback["back_to"] > step,
        "the rate is not half": not np.allclose(halved[sound], np.array(rates)[sound] / 2),
        "the doctor said nothing": "Cause: " not in words or "Remedy: " not in words,
        f"not finite in checkpoints {broken}": bool(broken),
    }
    return "; ".join(text for text, true in complaints.items() if true), after


def _finite(path: Path) -> bool:
    return all(np.isfinite(value).all() for value in unpack(path.read_bytes()).values())


def _poison_variable(model: GenerativeModel, step: int, value: float, random: Any) -> str:
    """Put the value into one number of a variable as the step ends."""
    floats = [v for v in training_variables(model) if "float" in v.dtype]
    variable = floats[random.integers(len(floats))]
    index = int(random.integers(max(1, math.prod(variable.shape))))
    real = model.train_step

    def train_step(images):
        logs = real(images)
        bad = tf.equal(model.step, step)
        variable.assign(_with(tf.convert_to_tensor(variable), index, value, bad))
        return logs

    setattr(model, "train_step", train_step)  # noqa: B010 (mypy refuses a method's assignment)
    return str(variable.path)


def _poison_gradient(model: GenerativeModel, step: int, value: float, random: Any) -> str:
    """Put the value into one number of one network's gradient in the step."""
    optimizer, variables = model.updates()[random.integers(len(model.updates()))]
    which = int(random.integers(len(variables)))
    index = int(random.integers(math.prod(variables[which].shape)))
    real = optimizer.apply

    def apply(gradients, sources):
        bad = tf.equal(model.step + 1, step)
        gradients[which] = _with(gradients[which], index, value, bad)
        real(gradients, sources)

    setattr(optimizer, "apply", apply)  # noqa: B010
    return f"gradient of {variables[which].path}"


def _with(tensor, index: int, value: float, bad):
    """The tensor, with ``value`` as the number at a flat index where ``bad`` is true."""
    hit = tf.reshape(tf.equal(tf.range(tf.size(tensor)), index), tf.shape(tensor))
    return tf.where(hit & bad, tf.cast(value, tensor.dtype), tensor)
