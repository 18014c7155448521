"""A sweep: one training with many settings, drawn, trained and compared. Here without Ray.

runs/NAME/
    sweep.json        the sweep, as it was given
    settled.json      trials that are not trained again: done, stopped by ASHA, or diverged
    trial-00000/ ...  an ordinary run folder each
    .ray/             what Ray notes for itself; nothing here reads it
"""

import contextlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np

from gensuite.config import (
    CONFIGS,
    DEFAULT_FAMILY,
    TrainingConfig,
    load_config,
    with_absolute_paths,
)
from gensuite.errors import ConfigError, RunError
from gensuite.settings import check, field_type, setting, suggestion
from gensuite.storage import is_partial, locked, write_file
from gensuite.training.runs import Run

METRICS: dict[str, dict[str, str]] = {
    "ae": {"val_loss": "min"},
    "vae": {"val_loss": "min", "val_reconstruction": "min"},
    "gan": {"sample_spread": "max", "sample_nearest": "max"},
}
"""Family → columns of its ``history.csv`` by which trials can be ordered, and what is better. The
losses of a GAN's two networks are of each against the other, and order nothing."""

FIXED = (
    *("model", "dataset", "data_dir", "raw_dir", "image_size", "channels", "epochs"),
    *("beta", "likelihood", "importance_samples", "binarize"),
)
"""Settings that change what a metric measures, so that trials must agree in them."""

DONE, STOPPED, DIVERGED, UNFINISHED = "done", "stopped", "diverged", "unfinished"
"""States of a trial; all but the last are settled."""
_SETTLED = "settled.json"


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The settings of a sweep beside those of its trainings and ``search``. Making one checks it.

    Raises:
        ConfigError: a value is of the wrong type or outside its limits.
    """

    metric: str | None = setting(None, "column of history.csv (default: val_loss; a GAN has none)")
    trials: int = setting(20, "settings that are drawn and trained", low=2, high=10_000)
    grace: int | None = setting(
        None,
        "epochs that ASHA lets every trial train (default: a tenth of them)",
        low=1,
        high=100_000,
    )
    reduction: int = setting(
        3, "at each look ASHA lets one trial in so many go on", low=2, high=100
    )

    def __post_init__(self) -> None:
        hints = get_type_hints(Schedule)
        for item in fields(self):
            check(item.name, getattr(self, item.name), hints[item.name], item.metadata)


@dataclass(frozen=True)
class Sweep:
    """A sweep whose every trial has been drawn and checked."""

    values: dict[str, Any]
    """The file, as it was given."""
    drawn: list[dict[str, Any]]
    """Of every trial the settings that were searched."""
    configs: list[TrainingConfig]
    """Of every trial all settings."""
    metric: str
    mode: str
    """``"min"`` or ``"max"``: which values of the metric are better."""
    grace: int
    reduction: int

    @property
    def names(self) -> list[str]:
        """The trials' names, which are those of their folders."""
        return [f"trial-{index:05}" for index in range(len(self.configs))]

    def score(self, rows: list[dict[str, float]]) -> float:
        """The metric in the epoch whose weights are exported: of lowest ``val_loss``, or the last.

        Args:
            rows: a trial's history, one row at least.
        """
        exported = min(rows, key=lambda row: row["val_loss"]) if "val_loss" in rows[0] else rows[-1]
        return exported[self.metric]


def load_sweep(values: dict[str, Any]) -> Sweep:
    """Draw and check the trials of a sweep.

    Args:
        values: settings of a training, those of :class:`Schedule`, and ``search``: setting → a list
            of choices, or ``{"low": a, "high": b}``, drawn evenly, with ``"log": true`` in the
            logarithm. Draws are a function of the settings and of ``seed``.

    Raises:
        ConfigError: a key is unknown, or a value or a combination of values is not allowed.
    """
    own = [item.name for item in fields(Schedule)]
    schedule = Schedule(**{name: values[name] for name in own if name in values})
    training = {name: value for name, value in values.items() if name not in (*own, "search")}
    family = CONFIGS.get(str(training.get("model", DEFAULT_FAMILY)), TrainingConfig)
    for name in sorted(training.keys() - {"model", *(item.name for item in fields(family))}):
        if close := suggestion(name, [*own, "search"]):
            raise ConfigError(f"{name}: a sweep has no such setting; {close.strip()}")
    base = load_config(training)
    metric = schedule.metric or ("val_loss" if "val_loss" in METRICS[base.family] else "")
    if metric not in METRICS[base.family]:
        raise ConfigError(
            f"metric: {metric or 'none'} given; allowed for {base.family} is "
            f"{' or '.join(METRICS[base.family])}"
        )
    grace = schedule.grace or max(1, base.epochs // 10)
    if grace > base.epochs:
        raise ConfigError(
            f"grace: {grace} given with {base.epochs} epochs; allowed is at most that"
        )
    search = _checked_search(values.get("search"), training, type(base))
    drawn = _draw(search, type(base), schedule.trials, np.random.default_rng(base.seed))
    configs = []
    for index, chosen in enumerate(drawn):
        try:
            configs.append(with_absolute_paths(load_config(training | chosen)))
        except ConfigError as error:
            raise ConfigError(f"search: trial {index} would have {chosen}: {error}") from None
    mode = METRICS[base.family][metric]
    return Sweep(values, drawn, configs, metric, mode, grace, schedule.reduction)


def _checked_search(search: Any, training: dict[str, Any], family: type[TrainingConfig]) -> Any:
    """``search``, once its form and every choice and end of a range have been found allowed."""
    if not isinstance(search, dict) or not search:
        raise ConfigError(
            f"search: {search!r} given; allowed is an object of one setting or more, such as "
            '{"latent_dim": [2, 8, 32], "learning_rate": {"low": 1e-4, "high": 1e-2, "log": true}}'
        )
    known = [item.name for item in fields(family) if item.name not in FIXED]
    for name, space in search.items():
        if name in FIXED:
            raise ConfigError(
                f"search: {name} given; trials that differ in it cannot be compared; fix it"
            )
        if name in training:
            raise ConfigError(f"search: {name} given, and fixed too; drop one of the two")
        if name not in known:
            raise ConfigError(
                f"search: {name} given; {family.family} has no such setting; "
                f"{suggestion(name, known)}allowed are {', '.join(known)}"
            )
        _check_space(name, space, family)
    return dict(sorted(search.items()))


def _check_space(name: str, space: Any, family: type[TrainingConfig]) -> None:
    """See that a setting's choices or range are allowed ones."""
    if isinstance(space, list) and space:
        values = space
    elif (
        isinstance(space, dict)
        and {"low", "high"} <= space.keys() <= {"low", "high", "log"}
        and field_type(family, name) in (int, float)
    ):
        values = [space["low"], space["high"]]
    else:
        raise ConfigError(
            f"search: {name}: {space!r} given; allowed is a list of choices, or, of numbers, "
            '{"low": a, "high": b} with or without "log": true'
        )
    hint = get_type_hints(family)[name]
    for value in values:
        check(f"search: {name}", value, hint, family.__dataclass_fields__[name].metadata)
    if isinstance(space, dict):
        low, high, log = space["low"], space["high"], space.get("log", False)
        if None in (low, high) or low >= high or not isinstance(log, bool) or (log and low <= 0):
            raise ConfigError(
                f"search: {name}: {space!r} given; allowed is a low below the high, above 0 where "
                "log is true, and true or false for log"
            )


def _draw(
    search: dict[str, Any], family: type[TrainingConfig], trials: int, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """The searched settings of every trial; of choices alone, no combination comes twice."""
    if all(isinstance(space, list) for space in search.values()):
        shape = [len(space) for space in search.values()]
        if trials > math.prod(shape):
            raise ConfigError(
                f"trials: {trials} given; the search has {math.prod(shape)} combinations; allowed "
                "is at most that"
            )
        combinations = rng.choice(math.prod(shape), trials, replace=False)
        indices = np.transpose(np.unravel_index(combinations, shape))
        return [
            {name: space[i] for (name, space), i in zip(search.items(), row, strict=True)}
            for row in indices
        ]
    return [
        {name: _one(space, field_type(family, name), rng) for name, space in search.items()}
        for _ in range(trials)
    ]


def _one(space: Any, kind: type, rng: np.random.Generator) -> Any:
    if isinstance(space, list):
        return space[rng.integers(len(space))]
    low, high = space["low"], space["high"]
    if space.get("log"):
        value = math.exp(rng.uniform(math.log(low), math.log(high)))
    else:
        value = rng.uniform(low, high)
    # Three digits: a number that can be read in a table and typed again.
    rounded = round(value) if kind is int else float(f"{value:.3g}")
    return min(max(rounded, low), high)


@contextlib.contextmanager
def claimed(folder: Path, sweep: Sweep) -> Iterator[None]:
    """Hold a folder alone that is this sweep's: by its record, or because it is empty.

    Raises:
        RunError: it is in use, or holds something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    in_use = RunError(f"{folder}: another sweep is at work here; wait, or name another --run-dir")
    with locked(folder, in_use):
        record = folder / "sweep.json"
        if record.exists():
            if json.loads(record.read_bytes()) != sweep.values:
                raise RunError(
                    f"{folder}: holds a sweep of other settings ({record}); to go on with it give "
                    "them, to start another name another --run-dir"
                )
        elif any(not is_partial(path) for path in folder.iterdir()):
            raise RunError(f"{folder}: holds other files; name a new or an empty --run-dir")
        else:
            write_file(record, (json.dumps(sweep.values, indent=2) + "\n").encode())
        yield


def read_settled(folder: Path) -> dict[str, str]:
    """The trials that are not trained again: name → ``done``, ``stopped`` or ``diverged``."""
    try:
        settled: dict[str, str] = json.loads((folder / _SETTLED).read_bytes())
    except FileNotFoundError:
        return {}
    return settled


def settle(folder: Path, name: str, how: str) -> dict[str, str]:
    """Note that a trial is not trained again; all that are settled now."""
    settled = read_settled(folder) | {name: how}
    write_file(folder / _SETTLED, (json.dumps(settled, indent=1) + "\n").encode())
    return settled


@dataclass(frozen=True)
class Result:
    """What has come of a trial."""

    name: str
    searched: dict[str, Any]
    epochs: int
    score: float
    """See :meth:`Sweep.score`; not a number where it has no epoch, or diverged."""
    state: str


def results(folder: Path, sweep: Sweep) -> list[Result]:
    """What has come of every trial, the best score first."""
    settled = read_settled(folder)
    found = []
    for name, searched, config in zip(sweep.names, sweep.drawn, sweep.configs, strict=True):
        rows = Run(folder / name, config, {}).read_history()
        state = settled.get(name, UNFINISHED)
        score = sweep.score(rows) if rows and state != DIVERGED else math.nan
        found.append(Result(name, searched, len(rows), score, state))
    sign = 1 if sweep.mode == "min" else -1
    return sorted(found, key=lambda each: (math.isnan(each.score), sign * each.score))


def best(found: list[Result]) -> Result | None:
    """The best of those that ASHA let train to the end; None where there is none."""
    return next((each for each in found if each.state == DONE), None)


def table(found: list[Result], metric: str) -> str:
    """The results in lines of aligned columns."""
    lines = [["trial", *found[0].searched, "epochs", metric, "state"]]
    lines += [
        [
            each.name,
            *map(str, each.searched.values()),
            str(each.epochs),
            f"{each.score:.5g}",
            each.state,
        ]
        for each in found
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
