"""The run folder: everything that training leaves behind, and all that a resume needs.

runs/vae-digits/
    config.json       the settings; `--config` takes them back
    record.json       versions, device, data set identity
    history.csv       one row per epoch, without a clock
    remarks.json      what the doctor says of them
    timings.csv       the clock
    samples/          a grid of the same codes after every epoch
    checkpoints/      the newest few
    encodings.npz     test codes and the prior, once training has ended
    scores.json       what `evaluate` measured
    tensorboard/
"""

import csv
import fcntl
import json
import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import numpy as np

from gensuite.arrays import pack, unpack
from gensuite.config import TrainingConfig, load_config, run_name
from gensuite.errors import ConfigError, RunError, RunNotFoundError
from gensuite.scores import check_scores
from gensuite.storage import write_file
from gensuite.version import __version__

SCHEMA = 2
_SCORES = "scores.json"
RUNS = Path("runs")
TOOLS = ("tensorflow", "keras", "tensorflow-datasets", "numpy")


class Run:
    """A run folder, locked against a second training while this object lives.

    Args:
        path: the folder.
        config: its settings.
        record: what ``record.json`` holds.
    """

    def __init__(self, path: Path, config: TrainingConfig, record: dict[str, Any]):
        self.path = path
        self.config = config
        self.record = record
        self._lock: IO[bytes] | None = None

    @classmethod
    def create(cls, config: TrainingConfig, path: Path | None) -> "Run":
        """Make a new, locked run folder.

        Args:
            config: its settings.
            path: the folder, absent or empty; ``runs/MODEL-DATASET`` with the first free number
                when not given.

        Raises:
            RunError: the folder is not empty.
        """
        if path is None:
            path = _make_numbered(RUNS / run_name(config.family, config.dataset))
        else:
            check_free(path)
            path.mkdir(parents=True, exist_ok=True)
        run = cls(path, config, {})
        run.lock()
        run.write_config()
        return run

    @classmethod
    def open(cls, path: Path) -> "Run":
        """Open the folder of an earlier run.

        Raises:
            RunNotFoundError: there is no folder, or it is not a run's.
            RunError: it is damaged or from another version of gensuite.
        """
        if not (path / "config.json").is_file():
            raise RunNotFoundError(f"{path}: no run here; python -m gensuite.train makes one")
        if not (path / "record.json").is_file():
            raise RunError(f"{path}: was stopped before it began; remove it and train again")
        values, record = _read_object(path / "config.json"), _read_object(path / "record.json")
        if record.get("schema") != SCHEMA:
            made = (
                f"of run format {record.get('schema')}, made by gensuite {record.get('gensuite')}"
            )
            raise RunError(
                f"{path}: {made}; this version reads format {SCHEMA}, so use the version that made "
                "it or train again"
            )
        dataset = record.get("dataset")
        if not isinstance(dataset, dict) or not {"sha256", "image_shape"} <= dataset.keys():
            raise RunError(f"{path}: damaged: record.json does not name its data set; train again")
        try:
            return cls(path, load_config(values), record)
        except ConfigError as error:
            raise RunError(f"{path}: config.json has been altered: {error}") from None

    def lock(self) -> None:
        """Keep other trainings out until :meth:`close`, or until this process ends.

        Raises:
            RunError: another training holds the run.
        """
        lock = (self.path / ".lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise RunError(
                f"{self.path}: is in use by another process; wait for it or name another run"
            ) from None
        self._lock = lock

    def close(self) -> None:
        """Let others train or export this run."""
        if self._lock:
            self._lock.close()

    def write_config(self) -> None:
        """Keep the settings; a resume may have raised the number of epochs."""
        self._write_json("config.json", self.config.to_dict())

    def write_record(self, dataset: Mapping[str, Any], device: str) -> None:
        """Keep the versions, the device and the data set's identity."""
        self.record = environment(dataset, device)
        self._write_json("record.json", self.record)

    def check_data(self, dataset: Mapping[str, Any]) -> None:
        """See that a data set is the one this run was trained on.

        Args:
            dataset: as :meth:`ImageData.describe` gives it.

        Raises:
            RunError: it is another.
        """
        if dataset["sha256"] != self.record["dataset"]["sha256"]:
            raise RunError(
                f"{self.path}: its data set {dataset['name']} has changed since it began; "
                "restore the images or train anew"
            )

    def changes(self, dataset: Mapping[str, Any], device: str) -> list[str]:
        """What differs between this run's record and now, a phrase each."""
        now = environment(dataset, device)
        return [
            f"{key} was {self.record.get(key)} and is {now[key]}"
            for key in now
            if key != "dataset" and self.record.get(key) != now[key]
        ]

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def history(self) -> Path:
        """File of the epochs' rows."""
        return self.path / "history.csv"

    def read_history(self) -> list[dict[str, float]]:
        """The rows of ``history.csv``, none before the first epoch's end.

        Raises:
            RunError: the file is damaged.
        """
        try:
            with self.history.open(newline="") as stream:
                rows = list(csv.DictReader(stream, strict=True))
            history = [{name: float(value) for name, value in row.items()} for row in rows]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, csv.Error):
            history = [{}]
        if not all({"epoch", "step"} <= row.keys() for row in history):
            raise RunError(f"{self.history}: damaged; --resume writes it again")
        return history

    @property
    def samples(self) -> Path:
        """Folder of the epochs' sample grids."""
        return self.path / "samples"

    def write_encodings(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep what :func:`gensuite.training.encodings.encode_splits` found."""
        write_file(self._encodings, pack(arrays))

    def read_encodings(self) -> dict[str, np.ndarray] | None:
        """What :meth:`write_encodings` kept, or None while training has not ended."""
        try:
            return unpack(self._encodings.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            raise RunError(
                f"{self._encodings}: damaged; remove it, and export makes it again"
            ) from None

    def write_scores(self, scores: Mapping[str, Any]) -> None:
        """Keep what ``gensuite.evaluate`` measured."""
        self._write_json(_SCORES, scores)

    def read_scores(self) -> dict[str, Any] | None:
        """What :meth:`write_scores` kept, or None where nothing was measured.

        Raises:
            RunError: the file is damaged.
        """
        path = self.path / _SCORES
        if not path.is_file():
            return None
        try:
            scores: dict[str, Any] = json.loads(path.read_bytes())
            check_scores(scores)
        except (ValueError, RecursionError) as error:
            raise RunError(f"{path}: damaged ({error}); remove it, and evaluate again") from None
        return scores

    def drop_results(self) -> None:
        """Forget encodings and scores, because training goes on and changes the model."""
        self._encodings.unlink(missing_ok=True)
        (self.path / _SCORES).unlink(missing_ok=True)

    @property
    def _encodings(self) -> Path:
        return self.path / "encodings.npz"

    def _write_json(self, name: str, values: Mapping[str, Any]) -> None:
        text = json.dumps(values, indent=2, allow_nan=False)
        write_file(self.path / name, (text + "\n").encode())


def environment(dataset: Mapping[str, Any], device: str) -> dict[str, Any]:
    """The facts on which the same weights depend."""
    return {
        "schema": SCHEMA,
        "gensuite": __version__,
        "python": platform.python_version(),
        **{tool: version(tool) for tool in TOOLS},
        "device": device,
        "dataset": dict(dataset),
    }


def check_free(path: Path) -> None:
    """See that a new run may use the folder ``path``.

    Raises:
        RunError: something is there.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise RunError(f"--run-dir {path}: is not empty; name another folder")


def check_disk(path: Path, needed: int) -> None:
    """See that ``needed`` bytes are free where ``path`` is or will be.

    Raises:
        RunError: they are not.
    """
    while not path.exists():
        path = path.parent
    free = shutil.disk_usage(path).free
    print(f"disk: this run needs about {needed / 1e6:.0f} MB; {free / 1e9:.1f} GB are free")
    if free < needed:
        raise RunError(f"{path}: the disk has {free / 1e6:.0f} MB free; make room or move the run")


def _read_object(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: damaged: {error}; train again") from None
    if not isinstance(values, dict):
        raise RunError(f"{path}: damaged: not a JSON object; train again")
    return values


def _make_numbered(path: Path) -> Path:
    """Make ``path``, or the first free of ``path-2``, ``path-3``, ..."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        candidate = path if number == 1 else path.with_name(f"{path.name}-{number}")
        try:
            candidate.mkdir()
        except FileExistsError:
            number += 1
        else:
            return candidate
