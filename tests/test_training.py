"""Training: run folders, and resumes that end in the very weights of an uninterrupted run."""

import csv
import functools
import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gensuite
from gensuite.arrays import unpack
from gensuite.data.reading import open_dataset
from gensuite.errors import RunError, RunNotFoundError
from gensuite.inference.images import grid
from gensuite.inference.latents import standard_normal
from gensuite.inference.priors import MixturePrior
from gensuite.models import build_model
from gensuite.train import main
from gensuite.training.encodings import fit_mixture
from gensuite.training.loop import Trainer
from gensuite.training.runs import Run
from gensuite.training.state import restore
from tests.conftest import FAMILIES, python

QUICK = ["--network", "dense", "--epochs", "2"]


def newest(run: Path) -> dict[str, bytes]:
    folder = max((run / "checkpoints").glob("[0-9]" * 9))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def same_training(one: Path, other: Path) -> bool:
    """Whether weights, optimizers, history, codes and pictures of two runs are the same bytes."""
    files = ["history.csv", "remarks.json", "encodings.npz"]
    files += [f"samples/{path.name}" for path in (one / "samples").iterdir()]
    return newest(one) == newest(other) and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in files
    )


def start(*flags: str) -> subprocess.Popen:
    command = python("-m", "gensuite.train", *flags)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_step(run: Path, step: int, process: subprocess.Popen) -> None:
    """Wait until a checkpoint of at least ``step`` is there."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        steps = [int(p.name) for p in run.glob("checkpoints/[0-9]*")]
        if steps and max(steps) >= step:
            return
        time.sleep(0.01)
    raise AssertionError(f"no checkpoint of step {step}: {process.communicate()}")


def test_a_run_keeps_what_a_resume_and_a_reader_need(runs):
    run = runs["vae"]
    with (run / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    record = json.loads((run / "record.json").read_bytes())

    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["val_loss"]) < float(rows[0]["val_loss"])
    assert {"loss", "reconstruction", "kl", "val_kl", "sample_spread", "sample_nearest"} <= (
        rows[0].keys()
    )
    assert not {"seconds", "time", "date"} & rows[0].keys()
    assert (run / "timings.csv").read_text().count("\n") == 3
    assert sorted(p.name for p in (run / "samples").iterdir()) == [
        "epoch-00001.png",
        "epoch-00002.png",
    ]
    assert record["dataset"]["name"] == "digits"
    assert {"gensuite", "tensorflow", "keras", "device"} <= record.keys()
    assert json.loads((run / "config.json").read_bytes())["seed"] == 0
    assert list((run / "tensorboard").iterdir())
    assert len(list((run / "checkpoints").iterdir())) == 2


def test_the_encodings_are_those_of_the_test_split(runs):
    codes = unpack((runs["vae"] / "encodings.npz").read_bytes())
    own = unpack((runs["ae"] / "encodings.npz").read_bytes())

    assert codes["mean"].shape == codes["log_variance"].shape == (297, 8)
    assert own["z"].shape == (297, 8)
    assert own["prior_covariance"].shape == (8, 8)
    assert codes["labels"].shape == (297,)
    assert codes["images"].shape == (64, 28, 28, 1)
    assert unpack((runs["gan"] / "encodings.npz").read_bytes()) == {}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_weights(family, runs, tmp_path):
    assert main(["--model", family, *QUICK, "--run-dir", str(tmp_path / "twin")]) == 0

    assert same_training(runs[family], tmp_path / "twin")


def test_another_seed_gives_other_weights(runs, tmp_path):
    assert main(["--model", "ae", *QUICK, "--seed", "1", "--run-dir", str(tmp_path / "other")]) == 0

    assert newest(runs["ae"]) != newest(tmp_path / "other")


STOPS = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
"""Each family meets one of them in the quick tests and the others in the slow ones."""
LONG = ["--network", "dense", "--epochs", "12"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The run of a family that is long enough to be stopped in its middle, made when asked for."""

    @functools.cache
    def make(family):
        path = tmp_path_factory.mktemp("uninterrupted") / family
        assert main(["--model", family, *LONG, "--run-dir", str(path)]) == 0
        return path

    return make


@pytest.mark.parametrize(
    ("family", "stop"),
    [
        pytest.param(family, stop, marks=() if index == number else pytest.mark.slow)
        for index, family in enumerate(FAMILIES)
        for number, stop in enumerate(STOPS)
    ],
)
def test_a_run_stopped_inside_an_epoch_resumes_to_the_same_bits(
    family, stop, uninterrupted, tmp_path
):
    """Ctrl-C and SIGTERM save first and say how to resume; after kill -9 an older save serves."""
    run = tmp_path / "cut"
    process = start("--model", family, *LONG, "--save-seconds", "0", "--run-dir", str(run))
    wait_for_step(run, 2, process)
    process.send_signal(stop)
    output, errors = process.communicate(timeout=300)

    if stop == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 128 + stop
        assert f"--resume {run}" in output
        assert "Traceback" not in errors
    # How often a run saves does not change what it becomes.
    assert main(["--resume", str(run)]) == 0
    assert same_training(uninterrupted(family), run)


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once(second):
    """However long the step or the save takes that the first one announced."""
    script = (
        "import time\n"
        "from gensuite.training.signals import StopRequest\n"
        "with StopRequest():\n"
        "    print('entered', flush=True)\n"
        "    time.sleep(600)\n"
    )
    process = subprocess.Popen(
        python("-c", script), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "entered\n"
    process.send_signal(signal.SIGTERM)
    while "stopping: " not in (line := process.stderr.readline()):
        assert line, "the process ended before it said that it was stopping"
    process.send_signal(second)

    process.communicate(timeout=300)
    assert process.returncode == 128 + second


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_training_begins_ends_with_its_code(stop, tmp_path):
    run = tmp_path / "early"
    process = start("--model", "ae", "--run-dir", str(run))
    while not process.stdout.readline().startswith("data: "):
        assert process.poll() is None
    process.send_signal(stop)
    _, errors = process.communicate(timeout=300)

    assert process.returncode == 128 + stop
    assert "Traceback" not in errors


def test_more_epochs_on_resume_end_where_one_long_run_does(runs, tmp_path):
    run = shutil.copytree(runs["vae"], tmp_path / "longer")
    flags = ["--model", "vae", "--network", "dense", "--epochs", "4"]
    assert main(["--resume", str(run), "--epochs", "4"]) == 0
    assert main([*flags, "--run-dir", str(tmp_path / "whole")]) == 0

    assert same_training(tmp_path / "whole", run)


def test_a_resume_takes_nothing_but_more_epochs(runs, capsys):
    for flags in (["--seed", "3"], ["--model", "vae"], ["--epochs", "2"], ["--epochs", "1"]):
        assert main(["--resume", str(runs["vae"]), *flags]) == 2
    errors = capsys.readouterr().err.splitlines()

    assert "drop ['seed']" in errors[0]
    assert "drop ['model']" in errors[1]
    assert "epochs: 2 given; --resume allows more than the run's 2" in errors[2]


def test_resuming_a_finished_run_changes_nothing(runs, tmp_path):
    run = shutil.copytree(runs["ae"], tmp_path / "again")
    assert main(["--resume", str(run)]) == 0

    assert same_training(runs["ae"], run)


def test_a_damaged_checkpoint_costs_steps_and_not_the_run(runs, tmp_path, capsys):
    run = shutil.copytree(runs["ae"], tmp_path / "hurt")
    variables = max((run / "checkpoints").iterdir()) / "variables.npz"
    content = bytearray(variables.read_bytes())
    content[1000] ^= 1
    variables.write_bytes(content)
    assert main(["--resume", str(run)]) == 0

    assert "going back to step 0: 42 steps are lost" in capsys.readouterr().err
    assert same_training(runs["ae"], run)


def test_two_trainings_of_one_run_are_refused(runs, tmp_path, capsys):
    run = shutil.copytree(runs["ae"], tmp_path / "busy")
    with closing(Run.open(run)) as held:
        held.lock()
        assert main(["--resume", str(run)]) == 2

    assert "in use by another process" in capsys.readouterr().err


def test_a_changed_data_set_is_refused_and_a_changed_version_named(runs, tmp_path, capsys):
    run = shutil.copytree(runs["ae"], tmp_path / "moved")
    record = json.loads((run / "record.json").read_bytes())
    record["keras"] = "3.0.0"
    (run / "record.json").write_text(json.dumps(record))
    assert main(["--resume", str(run)]) == 0
    assert "keras was 3.0.0 and is" in capsys.readouterr().err

    record["dataset"]["sha256"] = "0" * 64
    (run / "record.json").write_text(json.dumps(record))
    assert main(["--resume", str(run)]) == 2
    assert "its data set digits has changed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("record.json", "{"),
        ("record.json", "[1]"),
        ("record.json", '{"schema": 2}'),
        ("record.json", '{"schema": 2, "dataset": []}'),
        ("config.json", "[]"),
        ("config.json", '"vae"'),
    ],
)
def test_a_damaged_run_is_one_clear_error(name, content, runs, tmp_path):
    run = shutil.copytree(runs["ae"], tmp_path / "damaged")
    (run / name).write_text(content)

    with pytest.raises(RunError, match="damaged"):
        Run.open(run)


def test_a_refused_start_leaves_no_run_behind(tmp_path, capsys):
    run = tmp_path / "mine"
    assert main(["--batch-size", "2000", "--run-dir", str(run), *QUICK]) == 2
    assert "only 1350 training images" in capsys.readouterr().err
    assert not run.exists()


def test_what_a_killed_save_left_is_removed_by_the_next(runs, tmp_path):
    run = shutil.copytree(runs["ae"], tmp_path / "left")
    (run / "checkpoints" / ".partial-000000005").mkdir()
    assert main(["--resume", str(run), "--epochs", "3"]) == 0

    assert not list((run / "checkpoints").glob(".partial-*"))


def test_a_folder_that_is_no_run_is_refused(tmp_path, runs):
    with pytest.raises(RunNotFoundError) as caught:
        Run.open(tmp_path)
    assert isinstance(caught.value, FileNotFoundError)

    run = shutil.copytree(runs["ae"], tmp_path / "future")
    record = json.loads((run / "record.json").read_bytes())
    (run / "record.json").write_text(json.dumps(record | {"schema": 3, "gensuite": "9.0"}))
    with pytest.raises(RunError, match="of run format 3, made by gensuite 9.0"):
        Run.open(run)
    (run / "config.json").write_text('{"model": "vae", "latent_dim": 0}')
    (run / "record.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match="has been altered: latent_dim"):
        Run.open(run)


def test_runs_are_numbered_and_never_overwritten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = ["--model", "ae", "--network", "dense", "--epochs", "1"]
    assert main(flags) == 0
    before = newest(tmp_path / "runs" / "ae-digits")
    assert main([*flags, "--seed", "5"]) == 0
    assert sorted(os.listdir("runs")) == ["ae-digits", "ae-digits-2"]
    assert newest(tmp_path / "runs" / "ae-digits") == before


def test_a_run_folder_that_is_not_empty_is_refused(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("three years of work")
    assert main(["--run-dir", str(tmp_path), *QUICK]) == 2

    assert "is not empty" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_config_file_is_taken_and_flags_go_before_it(runs, tmp_path):
    config = str(runs["gan"] / "config.json")
    flags = ["--config", config, "--epochs", "1", "--run-dir", str(tmp_path / "again")]
    assert main(flags) == 0
    taken = json.loads((tmp_path / "again" / "config.json").read_bytes())

    assert taken == json.loads((runs["gan"] / "config.json").read_bytes()) | {"epochs": 1}


def test_patience_stops_a_training_that_no_longer_improves(tmp_path, capsys):
    run = tmp_path / "patient"
    flags = ["--model", "ae", "--network", "dense", "--epochs", "60", "--patience", "1"]
    assert main([*flags, "--learning-rate", "0.02", "--run-dir", str(run)]) == 0
    progress = json.loads(newest(run)["progress.json"])

    assert progress["stopped_early"]
    assert progress["epoch"] == progress["best_epoch"] + 1 < 60
    losses = [row["val_loss"] for row in progress["history"]]
    assert progress["best_loss"] == min(losses) == losses[progress["best_epoch"] - 1]

    assert main(["--resume", str(run), "--epochs", "80"]) == 0
    assert "more epochs change nothing" in capsys.readouterr().out
    assert json.loads((run / "config.json").read_bytes())["epochs"] == 60


def test_best_weights_are_those_of_the_lowest_validation_loss(tmp_path):
    """A run that is stopped at its best and one that went on export the same codes."""
    flags = ["--model", "ae", "--network", "dense", "--learning-rate", "0.02"]
    long, short = tmp_path / "long", tmp_path / "short"
    assert main([*flags, "--epochs", "60", "--patience", "1", "--run-dir", str(long)]) == 0
    best = json.loads(newest(long)["progress.json"])["best_epoch"]
    assert main([*flags, "--epochs", str(best), "--run-dir", str(short)]) == 0

    assert (long / "encodings.npz").read_bytes() == (short / "encodings.npz").read_bytes()


def test_a_training_that_diverges_says_so_and_saves_no_broken_weights(tmp_path, capsys):
    run = tmp_path / "wild"
    flags = ["--model", "vae", "--learning-rate", "1.0", "--save-seconds", "0"]
    assert main([*flags, "--run-dir", str(run)]) == 1

    error = capsys.readouterr().err.splitlines()[-1]
    assert "training diverged before step" in error
    assert "train anew with --learning-rate 0.001" in error
    for value in unpack(newest(run)["variables.npz"]).values():
        assert np.isfinite(value).all()


def test_disk_need_is_said_before_training_and_a_full_disk_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    assert main([*QUICK, "--run-dir", str(tmp_path / "full")]) == 2

    output = capsys.readouterr()
    assert "this run needs about" in output.out
    assert "make room" in output.err


def checkpoint_steps(run: Path) -> list[int]:
    return sorted(int(path.name) for path in (run / "checkpoints").iterdir())


def restored(run: Path, step: int | None = None):
    """The model of a run at a checkpoint, its newest, in training's own weights; and its data."""
    with closing(Run.open(run)) as opened:
        data = open_dataset(opened.config)
        model = build_model(
            opened.config,
            data.image_shape,
            steps_per_epoch=len(data.images["train"]) // opened.config.batch_size,
            classes=len(data.class_names),
        )
        folder = run / "checkpoints" / f"{step or max(checkpoint_steps(run)):09d}"
        restore(model, {path.name: path.read_bytes() for path in folder.iterdir()})
        return model, data


class StopAfter:
    """A request to stop that comes after so many looks at it."""

    def __init__(self, looks: int):
        self.looks = looks

    @property
    def signal(self) -> int:
        """SIGTERM once it is asked for, and 0 until then."""
        self.looks -= 1
        return signal.SIGTERM if self.looks < 0 else 0


@pytest.mark.parametrize("start", [0, 42])
def test_averages_decay_labels_and_discriminator_steps_resume_to_the_same_bits(
    start, conditional_run, tmp_path
):
    """Stopped a few steps into an epoch, before and while the learning rate falls."""
    run = shutil.copytree(conditional_run, tmp_path / "cut")
    for later in (step for step in checkpoint_steps(run) if step > start):
        shutil.rmtree(run / "checkpoints" / f"{later:09d}")
    (run / "encodings.npz").unlink()
    model, data = restored(run)
    with closing(Run.open(run)) as opened:
        trainer = Trainer(opened, model, data)
        trainer.restore()
        trainer.fit(StopAfter(2))
    assert start < max(checkpoint_steps(run)) < start + 21
    assert main(["--resume", str(run)]) == 0

    assert same_training(conditional_run, run)


def test_the_generator_takes_every_second_step_also_where_an_epoch_is_odd(conditional_run):
    model, _ = restored(conditional_run)

    assert int(model.step) == int(model.discriminator_optimizer.iterations) == 4 * 21
    assert int(model.optimizer.iterations) == 4 * 21 // 2
    assert float(model.optimizer.learning_rate) == pytest.approx(0, abs=1e-9)
    assert int(restored(conditional_run, 63)[0].optimizer.iterations) == 31


def test_validation_samples_and_export_use_the_averages(conditional_run, conditional_bundle):
    model, data = restored(conditional_run)
    progress = json.loads(newest(conditional_run)["progress.json"])
    noise = standard_normal(25, model.latent_dim, seed=0)
    label = np.arange(25) % 10

    def look():
        for metric in model.metrics:
            metric.reset_state()
        for batch in data.batches("validation", 64, labels=True):
            logs = model.test_step(batch)
        return float(logs["generator_loss"]), model.decode(noise, label).numpy()

    own_loss, own_images = look()
    with model.averaged_weights():
        loss, images = look()
    expected = progress["history"][-1]["val_generator_loss"]
    assert loss == pytest.approx(expected, rel=1e-4)
    assert own_loss != pytest.approx(expected, rel=1e-4)

    shown = np.asarray(Image.open(conditional_run / "samples" / "epoch-00004.png")).astype(int)
    assert np.abs(shown - np.asarray(grid(images))).max() <= 1
    assert np.abs(shown - np.asarray(grid(own_images))).max() > 1
    exported = gensuite.load(conditional_bundle).decode(noise, label=label)
    np.testing.assert_allclose(exported, images, atol=1e-5)


def test_the_best_weights_of_a_vae_are_averages(tmp_path):
    run = tmp_path / "best"
    flags = ["--model", "vae", "--conditional", "--binarize", "--importance-samples", "3"]
    flags += ["--kl-warmup", "1", "--image-size", "8", "--batch-size", "256", "--epochs", "2"]
    assert main([*flags, "--ema", "0.5", "--network", "dense", "--run-dir", str(run)]) == 0
    model, _ = restored(run)
    best = list(unpack(newest(run)["best.npz"]).values())

    with model.averaged_weights():
        averaged = [variable.numpy() for variable in model.weights]
    assert all(np.array_equal(a, b) for a, b in zip(averaged, best, strict=True))
    assert not all(np.array_equal(w, b) for w, b in zip(model.weights, best, strict=True))


def test_a_run_whose_learning_rate_falls_to_0_takes_no_more_epochs(conditional_run, capsys):
    assert main(["--resume", str(conditional_run), "--epochs", "6"]) == 2

    assert "the learning rate of this run falls to 0 by epoch 4" in capsys.readouterr().err


def test_more_discriminator_steps_than_an_epoch_has_are_refused(tmp_path, capsys):
    run = tmp_path / "run"
    flags = ["--model", "gan", "--discriminator-steps", "22", *QUICK]
    assert main([*flags, "--run-dir", str(run)]) == 2

    assert "an epoch has 21 steps" in capsys.readouterr().err
    assert not run.exists()


@pytest.mark.parametrize(("size", "full"), [(3, True), (32, True), (33, False)])
def test_a_mixture_has_the_moments_of_the_codes(size, full):
    """Each round of EM ends with the mean and (co)variances of the data, of whatever components."""
    mix = np.random.default_rng(1).standard_normal((size, size))
    codes = standard_normal(1500, size, seed=0) @ mix
    codes[::3] += 4
    mixture = fit_mixture(codes.astype(np.float32), seed=0)
    covariances = mixture.factors @ mixture.factors.transpose(0, 2, 1)
    second = covariances + mixture.means[:, :, None] * mixture.means[:, None, :]
    mean = mixture.weights @ mixture.means
    found = np.einsum("k,kij->ij", mixture.weights, second) - np.outer(mean, mean)
    expected = np.cov(codes, rowvar=False, ddof=0)
    scale = np.diag(expected).mean()

    np.testing.assert_allclose(mean, codes.mean(axis=0), atol=1e-3 * np.sqrt(scale))
    if full:
        np.testing.assert_allclose(found, expected, atol=1e-4 * scale)
    else:
        np.testing.assert_allclose(np.diag(found), np.diag(expected), atol=1e-4 * scale)
        assert (mixture.factors == mixture.factors * np.eye(size)).all()
    assert MixturePrior.from_arrays(mixture.to_arrays()).size == size
