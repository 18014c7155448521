"""The suite's own training: the loop of ``gensuite.train``, given time in place of epochs."""

import csv
import functools
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from signal import SIGTERM
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.bench import memory
from benchmarks.trainers.task import SAMPLES, Task
from gensuite.config import load_config
from gensuite.data.splits import ImageData
from gensuite.inference.latents import standard_normal
from gensuite.models import build_model
from gensuite.training import devices
from gensuite.training.cores import batch_parts, share_cores
from gensuite.training.loop import Trainer
from gensuite.training.runs import Run
from gensuite.training.signals import StopRequest

_FEW_IMAGES = 2_000
_PROFILED = 8


class _Deadline(StopRequest):
    """Asks training to stop so many seconds after it is first looked at."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._end = 0.0

    @property
    def signal(self) -> int:  # type: ignore[override]  # nobody sets it
        now = time.perf_counter()
        self._end = self._end or now + self._seconds
        return SIGTERM if now > self._end else 0


class Gensuite:
    """A run in a folder that goes with the process; see :mod:`benchmarks.trainers.__main__`."""

    images: int | None = None
    """Training images; all when not given."""

    def __init__(self, task: Task):
        self.task = task
        self.config = load_config(task.settings["run"])
        share_cores(batch_parts(self.config.batch_size))
        devices.prepare(deterministic=False)
        self.data = ImageData(
            name=self.config.dataset,
            version="",
            licence="",
            class_names=(),
            images={split: task.images(split)[: self.images] for split in ("train", "validation")},
            labels={},
            resized="",
        )
        self.model = build_model(self.config, self.data.image_shape)
        self._folder = tempfile.TemporaryDirectory(prefix="gensuite-training-")
        self.run = Run.create(self.config, Path(self._folder.name) / "run")
        self.trainer = Trainer(self.run, self.model, self.data)
        self._read = 0

    def first_steps(self) -> list[dict[str, float]]:
        """By the very graph that the loop runs."""
        batches = self.trainer._open_batches()
        found = []
        for _ in self.task.first_batches()[0]:
            self.trainer._reset_metrics()
            self.trainer._run_steps(batches, tf.constant(1))
            found.append(self.trainer._metrics())
        return found

    def train(self, seconds: float) -> tuple[int, float]:
        """Images and seconds as the run's own ``timings.csv`` has them."""
        self.trainer.fit(_Deadline(seconds))
        with (self.run.path / "timings.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        new, self._read = rows[self._read :], len(rows)
        images = sum(int(row["steps"]) for row in new) * self.config.batch_size
        return images, sum(float(row["seconds"]) for row in new)

    def pipeline(self, seconds: float) -> tuple[float, float]:
        """Images per second with the run's batches, and with one that is held in memory.

        In one process, because two of them differ by as much as is looked for.
        """
        own = self.train(seconds)
        batches = self.trainer._batches
        one = self.trainer.data.training_batches(self.config.batch_size, 0).take(1)
        self.trainer._batches = iter(one.cache().repeat())
        held = self.train(seconds)
        self.trainer._batches = batches
        return own[0] / own[1], held[0] / held[1]

    def loss(self) -> float:
        """The validation loss."""
        return self.trainer._validate()["loss"]

    def samples(self, path: str) -> None:
        """Images in [0, 1] of the same codes each time."""
        codes = standard_normal(SAMPLES, self.model.latent_dim, seed=0)
        np.save(path, self.model.decode(codes).numpy())

    def flops(self) -> float:
        """Floating-point operations of a step, by TensorFlow's count in its graph, for an image."""
        count = self.config.batch_size
        batch = tf.TensorSpec((count, *self.data.image_shape))
        graph = tf.function(self.model.train_step).get_concrete_function(batch).graph
        builder = tf.compat.v1.profiler.ProfileOptionBuilder
        options = builder(builder.float_operation()).with_empty_output().build()
        return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops / count

    def profile(self, seconds: float) -> dict[str, float]:
        """Operation → its share of the time spent in operations, the largest and ``other``."""
        from tensorflow.tsl.profiler.protobuf import xplane_pb2

        folder = Path(self._folder.name) / "profile"
        with tf.profiler.experimental.Profile(str(folder)):
            self.train(seconds)
        (path,) = folder.rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
        spent: Counter[str] = Counter()
        for plane in space.planes:
            for line in plane.lines:
                for event in line.events:
                    name = plane.event_metadata[event.metadata_id].name
                    # Operations are "path:Conv2D"; what the runtime does is "Class::Method".
                    if line.name.startswith("tf_Compute") and ":" in name and "::" not in name:
                        operation = name.rpartition(":")[2]
                        spent[operation.removeprefix("_MklNative")] += event.duration_ps
        total = spent.total()
        largest = {name: part / total for name, part in spent.most_common(_PROFILED)}
        return largest | {"other": 1 - sum(largest.values())}


class FewImages(Gensuite):
    """The same with few images, so that epochs are short."""

    images = _FEW_IMAGES

    def memory_after(self, epochs: int) -> float:
        """Megabytes held when so many epochs are done."""
        self.trainer.fit(StopRequest(), until=epochs)
        return memory(os.getpid())


class Settings(Gensuite):
    """The loop's graph with choices that the loop makes made otherwise."""

    def __init__(self, task: Task):
        super().__init__(task)
        self._batches = iter(self.data.training_batches(self.config.batch_size, 0))
        self._compile = functools.cache(self._compile_anew)

    def _compile_anew(self, xla: bool, parts: int) -> Any:
        self.model.parts = parts  # looked at as the graph is made, which the first call does
        step = tf.function(
            lambda images: self.model.train_step(self.data.step_input(images)), jit_compile=xla
        )

        @tf.function
        def run_steps(iterator, count):
            for _ in tf.range(count):
                step(next(iterator))

        return run_steps

    def rate(self, steps: int, xla: bool, parts: int, seconds: float) -> float:
        """Images per second with so many steps per call; 0 seconds compile."""
        call, count, done = self._compile(xla, parts), tf.constant(steps), 0
        call(self._batches, count)
        began = time.perf_counter()
        while (spent := time.perf_counter() - began) < seconds:
            call(self._batches, count)
            done += steps
        return done * self.config.batch_size / spent if done else 0.0
