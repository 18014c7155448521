"""One training on one device or on several: the strategy, and the steps that it runs."""

import functools
from collections.abc import Callable

import tensorflow as tf

from gensuite.config import TrainingConfig
from gensuite.data.splits import ImageData
from gensuite.errors import ConfigError
from gensuite.models import GenerativeModel
from gensuite.training.cores import batch_parts
from gensuite.training.workers import Workers


def make_strategy(
    distribute: str | None, batch_size: int, workers: Workers
) -> tf.distribute.Strategy:
    """The strategy in whose scope a model is built and trained.

    Args:
        distribute: ``mirrored`` for all GPUs of this machine (all its logical CPUs, where it has
            none), ``multiworker`` for those of all workers, or None for one device.
        batch_size: images in a global batch.
        workers: who takes part.

    Raises:
        ConfigError: the replicas cannot have equal parts of a batch.
    """
    if distribute is None:
        return tf.distribute.get_strategy()
    if distribute == "mirrored":
        strategy = tf.distribute.MirroredStrategy()
    else:
        # While TensorFlow waits for the others it holds Python's lock, and so this worker's
        # heartbeat: it is asked once all of them are this far.
        workers.exchange(None)
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    # An epoch's batches are all whole; workers need not ask each other in every step.
    strategy.extended.experimental_enable_get_next_as_optional = False
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise ConfigError(
            f"batch_size: {batch_size} given for {replicas} replicas; allowed is a multiple of "
            f"{replicas}, because each takes as many of a step's images"
        )
    return strategy


def compile_steps(
    model: GenerativeModel, config: TrainingConfig, data: ImageData
) -> tuple[Callable, Callable]:
    """The training and the validation of a model as graphs, in the strategy of this scope.

    Args:
        model: compiled.
        config: its settings.
        data: whose training batches the steps take.

    Returns:
        ``(iterator, count)``: take ``count`` steps on the iterator's next training batches; and
        ``(args=(batch,))``: add the losses of a batch of images to the running means.
    """
    strategy = tf.distribute.get_strategy()
    # Replicas are parts already, and one operation fills a GPU.
    whole = tf.distribute.has_strategy() or tf.config.list_physical_devices("GPU")
    model.parts = 1 if whole else batch_parts(config.batch_size)
    compiled = _compile_alone(deterministic=config.deterministic)
    step = compiled(lambda batch: model.train_step(data.step_input(batch)))
    every = getattr(config, "discriminator_steps", 1)

    @tf.function
    def run_steps(iterator, count):
        for _ in tf.range(count):
            strategy.run(step, args=(next(iterator),))

    @tf.function
    def run_mostly_discriminator_steps(iterator, count):
        discriminator_step = compiled(
            lambda batch: model.discriminator_step(data.step_input(batch))
        )
        for _ in tf.range(count):
            if (model.step + 1) % every == 0:
                strategy.run(step, args=(next(iterator),))
            else:
                strategy.run(discriminator_step, args=(next(iterator),))

    # The whole batch on every replica, because a last one may have fewer rows than there are those.
    validate = tf.function(functools.partial(strategy.run, model.test_step))
    return (run_steps if every == 1 else run_mostly_discriminator_steps), validate


def _compile_alone(*, deterministic: bool) -> Callable[[Callable], Callable]:
    """How a step becomes a graph of its own, with XLA on a GPU."""
    if tf.distribute.has_strategy():
        # Replicas meet in the graph that runs them, and cannot in one within it.
        return lambda step: step
    xla = bool(tf.config.list_physical_devices("GPU")) and not deterministic
    return functools.partial(tf.function, jit_compile=xla)
