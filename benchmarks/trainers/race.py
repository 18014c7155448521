"""The race of a row: all ways in turns; and what gensuite alone is measured by."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import Any, cast

import numpy as np

from benchmarks.inference import matrix_peak
from benchmarks.processes import Contender
from benchmarks.trainers.rows import (
    FEW_IMAGES,
    FOLLOWED,
    OURS,
    ROWS,
    SETTINGS,
    SETTINGS_WAY,
    Plan,
    Row,
    Setting,
)
from benchmarks.trainers.task import SAMPLES
from gensuite.console import progress_bar
from gensuite.errors import GensuiteError

AGREEMENT, LATER_AGREEMENT = 1e-3, 1e-2
"""Largest difference of the losses of two ways, as a share: in the first step, and of the mean of
all first steps, where it shows that the Adams of Keras and PyTorch add epsilon in other places."""
PROFILE_SECONDS = 0.5
Record = dict[str, Any]
FirstSteps = list[dict[str, float]]
"""Of each step, loss → its value."""
Pythons = Mapping[str, Path | str]
"""Way → its interpreter, or the reason why there is none."""


class Entrant:
    """A way in the race: its process, and what has been found of it.

    Args:
        name: of the way.
        row: the row's name.
        folder: what :func:`prepare` wrote.
        python: its interpreter.
    """

    def __init__(self, name: str, row: str, folder: Path, python: Path):
        began = perf_counter()
        words = ("-m", "benchmarks.trainers", name, str(folder), row)
        self.name = name
        self.process = Contender(python, *words, log=folder / row / f"{name}.log")
        self.first: FirstSteps = self.process.ask("first_steps")
        self.start_up = perf_counter() - began
        self.process.ask("train", 0)  # what else compiles, compiles here
        self.seconds = 0.0
        self.rates: list[float] = []
        self.curve: list[tuple[float, float]] = []

    def train(self, seconds: float) -> None:
        """Take a turn."""
        images, spent = self.process.ask("train", seconds)
        self.seconds += spent
        self.rates.append(images / spent)

    def is_late(self, target: float, most: float) -> bool:
        """Whether it has not reached the target and has time left."""
        return self.seconds < most and time_to(self.curve, target) is None

    def describe(self, target: float) -> Record:
        """What is kept of it."""
        return {
            "start_up": self.start_up,
            "first_steps": self.first,
            "images_per_second": self.rates,
            "peak_mb": self.process.ask("peak_mb"),
            "curve": self.curve,
            "reached": time_to(self.curve, target),
        }


def time_to(curve: Sequence[tuple[float, float]], target: float) -> float | None:
    """Seconds until a curve of (seconds, score) falls to the target; None where it never does.

    Between two points it is taken for a straight line.
    """
    if curve and curve[0][1] <= target:
        return curve[0][0]
    for (before, high), (after, low) in pairwise(curve):
        if low <= target:
            return before + (after - before) * (high - target) / (high - low)
    return None


def check_agreement(first: Mapping[str, FirstSteps]) -> None:
    """See that all ways have trained the same model.

    Args:
        first: way → what it found in the first steps; nothing for a model of its own.

    Raises:
        GensuiteError: a loss differs from gensuite's by more than :data:`AGREEMENT` says.
    """
    for way, steps in first.items():
        for name in steps[0] if steps else ():
            ours, theirs = ([step[name] for step in each] for each in (first[OURS], steps))
            for what, a, b, allowed in (
                ("in the first step", ours[0], theirs[0], AGREEMENT),
                (f"over {len(steps)} steps", mean(ours), mean(theirs), LATER_AGREEMENT),
            ):
                if abs(a - b) > allowed * abs(a):
                    raise GensuiteError(
                        f"{way}: its {name} {what} is {b:.6g}, where {OURS}'s is {a:.6g}: they do "
                        "not train the same"
                    )


def scorer(row: Row, folder: Path, dataset: str) -> Callable[[Entrant], float]:
    """What measures an entrant: its validation loss, or of a GAN the Fréchet distance.

    The latter is that of 2,000 samples, always of the same codes, and as many test images in the
    features of the data set's classifier, as in :mod:`gensuite.metrics`.
    """
    if row.family != "gan":
        return lambda entrant: entrant.process.ask("loss")
    from gensuite.metrics.features import Classifier
    from gensuite.metrics.frechet import frechet_distance

    classifier = cast(Classifier, Classifier.load(dataset))
    path = folder / "samples.npy"

    def moments(images: Any) -> tuple[Any, Any]:
        features = classifier(images)[0].astype(np.float64)
        return features.mean(axis=0), np.cov(features, rowvar=False)

    real = moments(np.load(folder / "test.npy", allow_pickle=False)[:SAMPLES])

    def distance(entrant: Entrant) -> float:
        entrant.process.ask("samples", str(path))
        return frechet_distance(*real, *moments(np.load(path, allow_pickle=False)))

    return distance


def race(name: str, folder: Path, dataset: str, pythons: Pythons, plan: Plan) -> Record:
    """All ways of a row, in turns; those that are followed go on until they reach the target."""
    row, entrants, skipped = ROWS[name], [], {}
    with ExitStack() as stack, progress_bar(len(row.ways) * (1 + plan.turns), "turns") as show:
        for number, way in enumerate(row.ways):
            show(number)
            python = pythons[way]
            if isinstance(python, str):
                skipped[way] = python
                continue
            entrant = Entrant(way, name, folder, python)
            stack.enter_context(entrant.process)
            entrants.append(entrant)
        check_agreement({entrant.name: entrant.first for entrant in entrants})
        score = scorer(row, folder, dataset)
        followed = [entrant for entrant in entrants if entrant.name in FOLLOWED]

        def follow(entrant: Entrant) -> None:
            entrant.curve.append((entrant.seconds, score(entrant)))

        for entrant in followed:
            follow(entrant)
        peaks = []
        for turn in range(plan.turns):
            peaks.append(matrix_peak(plan.seconds / 5))
            for entrant in entrants:
                entrant.train(plan.seconds)
                if entrant in followed:
                    follow(entrant)
            show(len(row.ways) * (2 + turn))
        while late := [each for each in followed if each.is_late(row.target, plan.most)]:
            for entrant in late:
                entrant.train(plan.seconds)
                follow(entrant)
        found = {entrant.name: entrant.describe(row.target) for entrant in entrants}
        ours = entrants[0].process
        pipeline = [ours.ask("pipeline", plan.seconds) for _ in range(plan.turns)]
        profile = ours.ask("profile", PROFILE_SECONDS)
        flops = ours.ask("flops")
    return {
        "ways": found,
        "skipped": skipped,
        "target": row.target,
        "pipeline": pipeline,
        "profile": profile,
        "flops": flops,
        "peak_gflops": max(peaks),
    }


def held_memory(name: str, folder: Path, epochs: tuple[int, int]) -> Record:
    """Megabytes that a training of few images holds after so many epochs."""
    words = ("-m", "benchmarks.trainers", FEW_IMAGES, str(folder), name)
    with Contender(sys.executable, *words, log=folder / name / "memory.log") as process:
        return {"epochs": epochs, "mb": [process.ask("memory_after", each) for each in epochs]}


def try_settings(name: str, folder: Path, plan: Plan) -> Record:
    """Images per second with the loop's choices made otherwise, a line for each in every turn."""
    found: dict[Setting, list[float]] = {setting: [] for setting in SETTINGS}
    with ExitStack() as stack:
        processes = {}
        for threads in {setting.threads for setting in SETTINGS}:
            words = ("-m", "benchmarks.trainers", SETTINGS_WAY, str(folder), name)
            environment = {"TF_NUM_INTRAOP_THREADS": str(threads)}
            log = folder / name / f"settings-{threads}.log"
            process = Contender(sys.executable, *words, log=log, environment=environment)
            processes[threads] = stack.enter_context(process)
        for turn in range(1 + plan.turns):
            for setting in SETTINGS:
                seconds = plan.seconds / 2 if turn else 0.0  # the first time they compile
                process = processes[setting.threads]
                rate = process.ask(
                    "rate", setting.steps_per_call, setting.xla, setting.parts, seconds
                )
                found[setting] += [rate] if turn else []
    return {"settings": [asdict(s) | {"images_per_second": r} for s, r in found.items()]}
