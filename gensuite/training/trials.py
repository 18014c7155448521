"""The trials of a sweep on Ray Tune: each an ordinary run, in a process of its own.

Nothing is resumed by Ray. A sweep that goes on is a new one to it, in which every trial first
reports the epochs that its run has: ASHA learns again what it knew, and a settled trial says
nothing more. So the run folders and ``settled.json`` are all that there is to keep.
"""

import logging
import math
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler

from gensuite.config import TrainingConfig, load_config
from gensuite.errors import DivergedError
from gensuite.train import begin, finish, resume
from gensuite.training.runs import Run
from gensuite.training.signals import StopRequest
from gensuite.training.sweeping import (
    DIVERGED,
    DONE,
    STOPPED,
    Sweep,
    read_settled,
    settle,
)

_KNOWN, _TRAINING = _GOING_ON = "known", "training"
"""States of a trial that goes on: after an epoch that its run had, and after a new one."""
_TELL_SECONDS = 10
"""Least time between two lines on one trial that goes on."""

Epochs = Iterator[tuple[dict[str, float], str]]
"""Rows of a history, each with the state of the trial after it."""


def run_trials(folder: Path, sweep: Sweep, workers: int) -> None:
    """Train what is not settled, so many trials at a time, on the cluster that is connected.

    Args:
        folder: the sweep's, claimed; on a cluster of several machines at the same path on all.
        sweep: the sweep.
        workers: trials at a time, each with one CPU and its share of the GPUs.
    """
    # Ray's own tables, its copies of our histories, and its way with Ctrl-C.
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    # The last epoch of a trial that diverged has no metric.
    os.environ["TUNE_DISABLE_STRICT_METRIC_CHECKING"] = "1"
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    shutil.rmtree(folder / ".ray", ignore_errors=True)
    settled = read_settled(folder)
    trials = [
        {
            "path": str((folder / name).resolve()),
            "settings": config.to_dict(),
            "settled": settled.get(name),
        }
        for name, config in zip(sweep.names, sweep.configs, strict=True)
    ]
    # What is settled first, so that ASHA knows it when it judges the others.
    trials.sort(key=lambda trial: trial["settled"] is None)
    gpus = min(1.0, ray.cluster_resources().get("GPU", 0) / workers)
    results = tune.Tuner(
        tune.with_resources(Trial, {"cpu": 1, "gpu": gpus}),
        param_space={"trial": tune.grid_search(trials)},
        tune_config=tune.TuneConfig(
            metric=sweep.metric,
            mode=sweep.mode,
            scheduler=ASHAScheduler(
                time_attr="epoch",
                max_t=sweep.configs[0].epochs,
                grace_period=sweep.grace,
                reduction_factor=sweep.reduction,
            ),
            max_concurrent_trials=workers,
        ),
        run_config=tune.RunConfig(
            name=".ray",
            storage_path=str(folder.resolve()),
            callbacks=[_Teller(folder, sweep)],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    ).fit()
    for result in results:
        if result.error:
            name = Path(result.config["trial"]["path"]).name
            print(f"{name}: failed: {str(result.error).strip().splitlines()[-1]}", file=sys.stderr)


class Trial(tune.Trainable):
    """One trial, an epoch in each step."""

    def setup(self, config: dict[str, Any]) -> None:
        """Open the run or make it; a settled one is read and not trained."""
        trial = config["trial"]
        path = Path(trial["path"])
        self._held = ExitStack()
        if trial["settled"]:
            self._epochs = _known(Run.open(path).read_history(), trial["settled"])
        else:
            taken_up = _take_up(path, load_config(trial["settings"]))
            self._epochs = _train(self._held.enter_context(taken_up))

    def step(self) -> dict[str, Any]:
        """The row of an epoch, with the ``state`` of the trial after it."""
        row, state = next(self._epochs)
        # ASHA would order trials by what is not a number; it passes over what is not there.
        row = {name: value for name, value in row.items() if math.isfinite(value)}
        return row | {"state": state, "done": state not in _GOING_ON}

    def cleanup(self) -> None:
        """Leave the run, which has a checkpoint of its last epoch."""
        self._held.close()


def _known(rows: list[dict[str, float]], state: str) -> Epochs:
    """Epochs that a run has, and the state after the last of them."""
    for left, row in zip(reversed(range(len(rows))), rows, strict=True):
        yield row, _KNOWN if left else state


def _train(trainer: Any) -> Epochs:
    """Epochs that a run has, then new ones."""
    history = list(trainer.progress.history)
    if trainer.done:  # killed before the driver had noted it
        finish(trainer)
    yield from _known(history, DONE if trainer.done else _KNOWN)
    while not trainer.done:
        try:
            trainer.fit(StopRequest(), until=trainer.progress.epoch + 1)
        except DivergedError:
            yield trainer.run.read_history()[-1], DIVERGED
            return
        if trainer.done:
            finish(trainer)
        yield trainer.progress.history[-1], DONE if trainer.done else _TRAINING


@contextmanager
def _take_up(path: Path, config: TrainingConfig) -> Iterator[Any]:
    """The trainer of a trial's run, which is made where training has left no checkpoint yet."""
    if any(path.glob("checkpoints/[0-9]*")):
        with closing(Run.open(path)) as run:
            run.lock()
            with resume(run) as trainer:
                yield trainer
        return
    shutil.rmtree(path, ignore_errors=True)
    with begin(config, path) as trainer:
        yield trainer


class _Teller(tune.Callback):
    """Says where each trial stands, and notes those that are settled."""

    def __init__(self, folder: Path, sweep: Sweep):
        self._folder = folder
        self._sweep = sweep
        self._told: dict[str, float] = {}

    def on_trial_result(self, trial: Any, result: dict[str, Any], **_: Any) -> None:
        """Tell of an epoch, at times; settle a trial that has ended."""
        name = Path(trial.config["trial"]["path"]).name
        where = (
            f"{name}: epoch {result['epoch']:.0f} of {self._sweep.configs[0].epochs}, "
            f"{self._sweep.metric} {result.get(self._sweep.metric, math.nan):.5g}"
        )
        if result["done"] and not trial.config["trial"]["settled"]:
            # Of a trial that could go on, it is ASHA that says so.
            state = STOPPED if result["state"] in _GOING_ON else result["state"]
            settled = settle(self._folder, name, state)
            print(f"{where}, {state}; {len(settled)} of {len(self._sweep.configs)} settled")
        elif result["state"] == _TRAINING and self._is_time(name):
            print(where)

    def _is_time(self, name: str) -> bool:
        now = time.monotonic()
        if now - self._told.get(name, -_TELL_SECONDS) < _TELL_SECONDS:
            return False
        self._told[name] = now
        return True
