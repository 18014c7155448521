"""The one training loop: exact to the bit after any interruption, on CPU.

Keras' ``fit`` can neither resume inside an epoch nor run on several machines. This loop can,
because nothing in it depends on the past but the checkpoint: the data order is a function of
(seed, epoch), noise of (seed, step), and everything else is in the model's and the optimizers'
variables.
"""

import csv
import io
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from gensuite.data.resident import keep_on_gpu
from gensuite.data.splits import ImageData
from gensuite.errors import DivergedError, OutOfMemoryError
from gensuite.inference.images import grid, png
from gensuite.inference.latents import standard_normal
from gensuite.inference.priors import GaussianPrior
from gensuite.models import GenerativeModel, halve_learning_rates
from gensuite.storage import write_file
from gensuite.training import checkpoints, state
from gensuite.training.distribution import compile_steps
from gensuite.training.diversity import diversity
from gensuite.training.doctor import Remark, diagnose, to_json
from gensuite.training.encodings import compile_encoder, encode
from gensuite.training.finite import FiniteGuard, NotFiniteError
from gensuite.training.runs import Run
from gensuite.training.signals import StopRequest
from gensuite.training.state import Progress, training_variables
from gensuite.training.workers import Workers

_CALL_SECONDS = 0.25
"""About how long the graph runs before Python looks up: for the bar, checkpoints and signals."""
_MOST_STEPS = 50
"""Steps within which a number that is not finite is noticed, and so the most in one call."""
_GRID_IMAGES = 25
_DIVERSITY_IMAGES = 100
"""Samples and real images whose distances are compared; fewer where there are fewer images."""
_PRIOR_IMAGES = 1000


class Trainer:
    """Trains one model in one run folder.

    Args:
        run: the folder, locked.
        model: compiled.
        data: the splits.
        workers: who trains this model, each in a run folder of its own; just this process when
            not given.
    """

    def __init__(
        self, run: Run, model: GenerativeModel, data: ImageData, workers: Workers | None = None
    ):
        self.run = run
        self.config = run.config
        self.model = model
        self.data = keep_on_gpu(data)
        self.workers = workers or Workers()
        self.stop_signal = 0
        """Number of the signal for which all workers stop, or 0."""
        self.progress = Progress()
        self.steps_per_epoch = len(data.images["train"]) // self.config.batch_size
        self._batches: Iterator[Any] | None = None
        """What comes after the steps done; opened anew where training goes back."""
        self._best: list[np.ndarray] | None = None
        self._saved_at = time.monotonic()
        self._steps_per_call = 1
        self._told: set[str] = set()
        train = data.images["train"]
        # Evenly over the split, which may be ordered by class.
        chosen = np.linspace(0, len(train) - 1, min(_DIVERSITY_IMAGES, len(train))).astype(int)
        self._real = train[chosen] / np.float32(255)
        self._noise = standard_normal(_DIVERSITY_IMAGES, model.latent_dim, seed=self.config.seed)
        self._run_steps, self._validate_batch = compile_steps(model, self.config, self.data)
        self._guard = FiniteGuard(model)
        self._encode: Any = compile_encoder(model) if model.prior == "gaussian" else None
        # Built once: what TensorFlow builds for a data set it keeps, and memory would grow.
        self._validation = data.batches(
            "validation", self.config.batch_size, labels=model.classes > 0
        )
        self._board = tf.summary.create_file_writer(str(run.path / "tensorboard"))

    @property
    def step(self) -> int:
        """Training steps done."""
        return self.progress.epoch * self.steps_per_epoch + self.progress.batch

    @property
    def done(self) -> bool:
        """Whether there is nothing left to train."""
        return self.progress.stopped_early or self.progress.epoch >= self.config.epochs

    def fit(self, stop: StopRequest, until: float = math.inf) -> None:
        """Train until done, asked to stop or ``until`` epochs are complete; leave a checkpoint.

        Where a loss, a gradient's norm or a weight is no longer finite, training goes back to the
        newest checkpoint and on at half the learning rate; this is done once.

        Raises:
            DivergedError: a number is not finite for the second time.
            OutOfMemoryError: a step does not fit the device.
        """
        self.stop_signal = 0
        total = self.config.epochs * self.steps_per_epoch
        # A log file wants a line now and then; a terminal wants a bar that moves.
        interval = 0.2 if sys.stderr.isatty() else 15
        with tqdm(total=total, initial=self.step, unit="step", mininterval=interval) as bar:
            if self.step == 0:
                self.save()
            while not self.done and self.progress.epoch < until:
                try:
                    self._train_epoch(bar, stop)
                    if self.stop_signal:
                        break
                    self._end_epoch()
                    self._look_up(stop)
                except NotFiniteError as found:
                    self._roll_back(found)
                    bar.n = self.step
                except tf.errors.ResourceExhaustedError:
                    size = self.config.batch_size
                    raise OutOfMemoryError(
                        f"{self.run.path}: out of memory in a step of batch_size {size}, after "
                        f"step {self.step}; train anew with a smaller one, such as --batch-size "
                        f"{max(1, size // 2)}, or on a device with more memory"
                    ) from None
            self.save()

    def save(self) -> None:
        """Write a checkpoint, of weights that were found finite after their last step."""
        variables = [variable.numpy() for variable in training_variables(self.model)]
        files = state.to_files(variables, self._best, self.progress)
        checkpoints.save(self.run.checkpoints, self.step, files, self.config.keep)
        self._saved_at = time.monotonic()

    def restore(self) -> None:
        """Take up the newest whole checkpoint of the run.

        Raises:
            RunError: there is none, or it is not of this model.
            ConfigError: another worker has found another one.
        """
        files = checkpoints.load_newest(self.run.checkpoints)
        self._best, self.progress = state.restore(self.model, files)
        self._batches = None
        self.workers.check_same({"step of the newest checkpoint": self.step})
        write_file(self.run.history, _csv(self.progress.history).encode())
        self._examine(self.progress.history)

    def _train_epoch(self, bar: tqdm, stop: StopRequest) -> None:
        progress, started = self.progress, time.monotonic()
        first = progress.batch
        if first == 0:
            self._reset_metrics()
        self._batches = batches = self._batches or self._open_batches()
        while progress.batch < self.steps_per_epoch and not self.stop_signal:
            count = min(self._steps_per_call, self.steps_per_epoch - progress.batch)
            called = time.monotonic()
            self._run_steps(batches, tf.constant(count))
            progress.batch += count
            self._adapt(count, time.monotonic() - called)
            bar.update(count)
            values = self._metrics()
            self._guard.check(values)
            text = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
            bar.set_postfix_str(text, refresh=False)
            self._look_up(stop)
        seconds = time.monotonic() - started
        self._append(
            self.run.path / "timings.csv",
            {
                "epoch": progress.epoch + 1,
                "steps": progress.batch - first,
                "seconds": round(seconds, 3),
                "images_per_second": round(
                    (progress.batch - first) * self.config.batch_size / max(seconds, 1e-9), 1
                ),
            },
        )

    def _open_batches(self) -> Iterator[Any]:
        """This worker's share of the batches from here on."""
        distributed = tf.distribute.get_strategy().distribute_datasets_from_function(
            lambda share: self.data.training_batches(
                self.config.batch_size,
                self.config.seed,
                epoch=self.progress.epoch,
                skip=self.progress.batch,
                labels=self.model.classes > 0,
                share=share,
            )
        )
        return iter(distributed)

    def _look_up(self, stop: StopRequest) -> None:
        """Do what the chief's clock and anyone's signal ask for; all workers do, at one step."""
        due = time.monotonic() - self._saved_at >= self.config.save_seconds
        said = self.workers.exchange([stop.signal, due, self._steps_per_call])
        self.stop_signal = max(signal for signal, _, _ in said)
        _, due, self._steps_per_call = said[0]
        if due:
            self.save()

    def _end_epoch(self) -> None:
        progress = self.progress
        row: dict[str, float] = {"epoch": progress.epoch + 1, "step": self.step}
        row |= self._metrics()
        progress.epoch += 1
        progress.batch = 0
        with self.model.averaged_weights():
            row |= {f"val_{name}": value for name, value in self._validate().items()}
            self._guard.check(row)
            samples = self._sample()
            self._keep_best(row)
        row |= diversity(samples[: len(self._real)], self._real)
        self._guard.check(row)
        progress.history.append(row)
        self._append(self.run.history, row)
        self._examine(progress.history)
        with self._board.as_default(step=progress.epoch):
            for name, value in row.items():
                tf.summary.scalar(name, value)
        self._write_grid(samples[:_GRID_IMAGES])

    def _validate(self) -> dict[str, float]:
        self._reset_metrics()
        for batch in self._validation:
            self._validate_batch(args=(batch,))
        return self._metrics()

    def _keep_best(self, row: dict[str, float]) -> None:
        """Remember the best weights and stop when patience is at its end (AE, VAE)."""
        if "val_loss" not in row:
            return
        progress = self.progress
        if row["val_loss"] < progress.best_loss:
            progress.best_loss, progress.best_epoch = row["val_loss"], progress.epoch
            self._best = [variable.numpy() for variable in self.model.weights]
        patience = getattr(self.config, "patience", None)
        if patience and progress.epoch - progress.best_epoch >= patience:
            progress.stopped_early = True

    def _sample(self) -> np.ndarray:
        """Images of the same noises after every epoch, which no step of the training sees."""
        noise = self._noise
        if self.model.prior == "gaussian":
            codes = encode(self._encode, self.data, "validation", _PRIOR_IMAGES)["z"]
            noise = GaussianPrior.fit(codes).codes(noise)
        # A conditional model shows its classes in turn.
        label = np.arange(len(noise)) % self.model.classes if self.model.classes else None
        # Few at a time: the layers of large images would take more memory than a step does.
        parts = [slice(first, first + _GRID_IMAGES) for first in range(0, len(noise), _GRID_IMAGES)]
        decoded = [self.model.decode(noise[p], None if label is None else label[p]) for p in parts]
        return np.concatenate(decoded)

    def _write_grid(self, samples: np.ndarray) -> None:
        self.run.samples.mkdir(exist_ok=True)
        path = self.run.samples / f"epoch-{self.progress.epoch:05d}.png"
        write_file(path, png(grid(samples)))

    def _metrics(self) -> dict[str, float]:
        return {metric.name: float(metric.result()) for metric in self.model.metrics}

    def _reset_metrics(self) -> None:
        for metric in self.model.metrics:
            metric.reset_state()

    def _roll_back(self, found: NotFiniteError) -> None:
        """Go back to the newest checkpoint and on at half the learning rate.

        Raises:
            DivergedError: that has been done before.
        """
        if self.progress.rollback:
            raise self._diverged(found)
        found_at = self.step
        self.restore()
        facts = {"what": found.what, "found_at": found_at, "back_to": self.step}
        self.progress.rollback = facts
        halve_learning_rates(self.model)
        self._run_steps, self._validate_batch = compile_steps(self.model, self.config, self.data)
        self.save()
        tqdm.write(
            f"{found.what} is not finite by step {found_at}: back to step {self.step}, and on at "
            "half the learning rate"
        )

    def _diverged(self, found: NotFiniteError) -> DivergedError:
        """The error, once the history has the row of the epoch that ended so."""
        history = self.progress.history
        # What the epoch did not reach is as unknown as what it broke.
        columns = history[-1] if history else [*found.row, "val_loss"]
        epoch = (self.step - 1) // self.steps_per_epoch + 1
        row: dict[str, float] = {"epoch": epoch, "step": self.step}
        row |= dict.fromkeys([name for name in columns if name not in row], math.nan)
        row |= found.row
        self._append(self.run.history, row)
        (remark,) = self._examine([*history, row])
        return DivergedError(
            f"{self.run.path}: training diverged before step {self.step}, at half the learning "
            f"rate too: {found.what} is not finite. "
            f"Cause: {remark.cause}. Remedy: train anew with {remark.remedy}"
        )

    def _examine(self, rows: list[dict[str, float]]) -> list[Remark]:
        """Ask the doctor, keep the remarks in the run, and print those that are new."""
        remarks = diagnose(self.config, rows)
        write_file(self.run.path / "remarks.json", to_json(remarks))
        for remark in remarks:
            if remark.code not in self._told:
                tqdm.write(f"doctor: {remark}")
        self._told = {remark.code for remark in remarks}
        return remarks

    def _adapt(self, count: int, seconds: float) -> None:
        """Choose how many steps the next call takes; the result does not depend on it."""
        if count == self._steps_per_call:
            factor = min(max(_CALL_SECONDS / max(seconds, 1e-6), 0.5), 2.0)
            self._steps_per_call = min(max(1, round(self._steps_per_call * factor)), _MOST_STEPS)

    def _append(self, path: Path, row: dict[str, float]) -> None:
        text = _csv([row])
        if path.exists() and path.stat().st_size:
            text = text.split("\n", 1)[1]
        with path.open("a") as stream:
            stream.write(text)


def _csv(rows: list[dict[str, float]]) -> str:
    if not rows:
        return ""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
