"""NaN and infinity in a training: noticed soon, rolled back once, never saved or exported."""

import math
from contextlib import closing

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import survive
from export import export_model
from gensuite.data.reading import open_dataset
from gensuite.errors import InputError
from gensuite.models import build_model, halve_learning_rates
from gensuite.train import main, make_config, parse_args
from gensuite.training.finite import FiniteGuard, NotFiniteError
from gensuite.training.loop import Trainer
from gensuite.training.runs import Run
from gensuite.training.signals import StopRequest
from gensuite.training.state import Progress, restore, to_files, training_variables

SMALL = ["--network", "dense", "--image-size", "8", "--batch-size", "256"]


def config_of(*flags):
    return make_config(parse_args([*SMALL, *flags]))


@pytest.mark.slow
@pytest.mark.parametrize(("family", "places"), [("ae", 3), ("vae", 3), ("gan", 4)])
def test_what_is_not_finite_is_noticed_rolled_back_and_never_saved(family, places, tmp_path):
    """Weights, optimizers, gradients and logged scalars at random steps."""
    cases = list(survive.nonfinite(family, places, seed=0, folder=tmp_path))

    assert len(cases) == places
    assert [case for case in cases if not case["held"]] == []


@pytest.mark.parametrize("harmed", ["train", "test"])
def test_a_training_that_is_harmed_once_ends_well_at_half_the_rate(harmed, tmp_path, capsys):
    """In the middle of an epoch, or in what is measured at its end."""
    config = config_of("--model", "vae", "--epochs", "3", "--save-seconds", "0")
    data = open_dataset(config)
    model = build_model(config, data.image_shape)
    once = tf.Variable(True, trainable=False)
    real = getattr(model, f"{harmed}_step")

    def step(images):
        logs = real(images)
        if tf.logical_and(once, model.step >= 5):
            model.trackers[0].total.assign(math.nan)
            once.assign(False)
        return logs

    setattr(model, f"{harmed}_step", step)
    with closing(Run.create(config, tmp_path / "run")) as run:
        trainer = Trainer(run, model, data)
        trainer.fit(StopRequest())

    assert trainer.progress.rollback is not None
    assert [row["epoch"] for row in trainer.progress.history] == [1, 2, 3]
    assert run.read_history() == trainer.progress.history
    assert float(model.optimizer.learning_rate) == np.float32(0.0005)
    assert "and on at half the learning rate" in capsys.readouterr().out


@pytest.mark.parametrize("slope", [1e19, 1e20])
def test_a_gradient_whose_norm_overflows_is_seen(slope):
    """Its squares may each be finite: Adam alone would stop learning and say nothing."""
    model = build_model(config_of("--model", "ae"), (8, 8, 1))
    variables = model.trainable_variables
    model.optimizer.apply([tf.fill(v.shape, slope) for v in variables], variables)

    assert all(np.isfinite(variable.numpy()).all() for variable in variables)
    with pytest.raises(NotFiniteError, match="velocity"):
        FiniteGuard(model).check({})


@pytest.mark.parametrize("decay", ["0", "0.5"])
def test_half_the_learning_rate_is_that_of_every_optimizer_and_outlives_a_resume(decay):
    flags = ["--model", "gan", "--discriminator-learning-rate", "0.004", "--decay", decay]
    model, resumed = (
        build_model(config_of(*flags), (8, 8, 1), steps_per_epoch=9) for _ in range(2)
    )
    halve_learning_rates(model)
    progress = Progress(rollback={"what": "loss", "found_at": 3, "back_to": 1})
    variables = [variable.numpy() for variable in training_variables(model)]
    restore(resumed, to_files(variables, None, progress))

    for one in (model, resumed):
        assert float(one.optimizer.learning_rate) == np.float32(0.0005)
        assert float(one.discriminator_optimizer.learning_rate) == np.float32(0.002)


def test_a_model_with_an_infinite_weight_is_not_exported(tmp_path):
    """Its images may all be finite, because a sigmoid of infinity is 1."""
    config = config_of("--model", "ae")
    data = open_dataset(config)
    model = build_model(config, data.image_shape)
    bias = model.decoder.weights[-1]
    bias.assign(tf.fill(bias.shape, math.inf))

    with pytest.raises(InputError, match="not finite, so nothing was exported"):
        export_model(model, data, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_a_rollback_is_told_before_a_training_ends_diverged(tmp_path, capsys):
    flags = ["--model", "vae", "--network", "dense", "--learning-rate", "1.0"]
    assert main([*flags, "--likelihood", "gaussian", "--run-dir", str(tmp_path / "wild")]) == 1

    output = capsys.readouterr()
    assert "and on at half the learning rate" in output.out
    assert "at half the learning rate too" in output.err.splitlines()[-1]
