"""Ray: shards of the same bytes, and sweeps that are drawn, trained, killed and gone on with."""

import json
import os
import re
import shlex
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from gensuite import sample, sweep
from gensuite.config import TrainingConfig
from gensuite.errors import RunError
from gensuite.inference import bundle as bundles
from gensuite.inference.shards import write_shards
from gensuite.training.sweeping import (
    DIVERGED,
    DONE,
    STOPPED,
    best,
    claimed,
    load_sweep,
    results,
    settle,
    table,
)
from tests.conftest import python

ROOT = Path(__file__).parents[1]
DEADLINE = 300
"""Seconds until a process that must do something is taken for stuck."""
EXAMPLE = json.loads(
    re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "sweeps.md").read_text(), re.DOTALL)[0]
)
HEAD = ["trial", "latent_dim", "learning_rate", "epochs", "val_loss", "state"]
RANGE = {"low": 1e-4, "high": 1e-2, "log": True}

needs_ray = pytest.mark.skipif(not find_spec("ray"), reason="ray is not installed")


def test_the_example_draws_what_it_says():
    swept = load_sweep(EXAMPLE)

    assert len(swept.configs) == len(swept.drawn) == 12
    for drawn, config in zip(swept.drawn, swept.configs, strict=True):
        assert drawn["latent_dim"] in (2, 8, 32)
        assert 1e-4 <= drawn["learning_rate"] <= 1e-2
        assert (config.latent_dim, config.learning_rate) == tuple(drawn.values())
        assert (config.family, config.network, config.epochs) == ("vae", "dense", 27)
    assert len({drawn["learning_rate"] for drawn in swept.drawn}) > 6
    assert (swept.metric, swept.mode, swept.grace, swept.reduction) == ("val_loss", "min", 3, 3)


def test_draws_are_a_function_of_the_settings_and_the_seed_whatever_the_order_of_the_keys():
    turned = EXAMPLE | {"search": dict(reversed(EXAMPLE["search"].items()))}

    assert load_sweep(EXAMPLE).drawn == load_sweep(turned).drawn
    assert load_sweep(EXAMPLE).drawn != load_sweep(EXAMPLE | {"seed": 1}).drawn


def test_as_many_trials_as_combinations_are_the_whole_grid():
    search = {"latent_dim": [2, 4], "network": ["dense", "conv"], "seed": [0, 1, 2]}
    swept = load_sweep({"search": search, "trials": 12})

    assert len({tuple(drawn.values()) for drawn in swept.drawn}) == 12
    assert swept.grace == 6  # a tenth of 60 epochs


@pytest.mark.parametrize(
    ("name", "space"),
    [
        ("learning_rate", RANGE),
        ("ema", {"low": 0.9, "high": 0.99999}),
        ("latent_dim", {"low": 2, "high": 5}),
        ("batch_size", {"low": 1, "high": 512, "log": True}),
    ],
)
def test_numbers_of_a_range_fill_it_and_stay_inside(name, space):
    drawn = [d[name] for d in load_sweep({"search": {name: space}, "trials": 300}).drawn]

    assert all(space["low"] <= value <= space["high"] for value in drawn)
    kind = type(getattr(TrainingConfig(), name))
    assert {type(value) for value in drawn} == {kind}
    middle = (
        (space["low"] * space["high"]) ** 0.5
        if space.get("log")
        else (space["low"] + space["high"]) / 2
    )
    assert 100 < sum(value < middle for value in drawn) < 200


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"search": {}}, "search: {} given; allowed is an object"),
        ({"search": [1]}, "search: [1] given"),
        ({"search": {"latent": [2]}}, "did you mean 'latent_dim'? allowed are "),
        ({"search": {"network": ["dense"]}}, "search: network given, and fixed too"),
        ({"search": {"beta": [1, 2]}}, "search: beta given; trials that differ in it cannot be"),
        ({"search": {"epochs": [1, 2]}}, "search: epochs given; trials that differ"),
        ({"search": {"latent_dim": []}}, "search: latent_dim: [] given; allowed is a list"),
        ({"search": {"latent_dim": 2}}, "search: latent_dim: 2 given; allowed is a list"),
        ({"search": {"latent_dim": [2, 0]}}, "search: latent_dim: 0 given; allowed is a whole"),
        ({"search": {"latent_dim": {"low": 2, "high": 8.5}}}, "latent_dim: 8.5 given"),
        ({"search": {"latent_dim": {"low": 8, "high": 2}}}, "a low below the high"),
        ({"search": {"ema": {"low": 0, "high": 0.5, "log": True}}}, "above 0 where log is true"),
        ({"search": {"ema": {"low": 0, "high": 0.5, "log": 1}}}, "true or false for log"),
        ({"search": {"patience": {"low": None, "high": 5}}}, "a low below the high"),
        ({"search": {"latent_dim": {"low": 2, "hihg": 8}}}, '"low": a, "high": b'),
        ({"search": {"conditional": {"low": 0, "high": 1}}}, "allowed is a list of choices"),
        ({"search": {"kl_warmup": [0, 27]}, "trials": 2}, "kl_warmup: 27 given with 27 epochs"),
        ({"search": {"latent_dim": [2, 4]}}, "trials: 12 given; the search has 2 combinations"),
        ({"trials": 1}, "trials: 1 given; allowed is a whole number from 2 to 10000"),
        ({"trails": 3}, "trails: a sweep has no such setting; did you mean 'trials'?"),
        ({"latent": 3}, "latent: vae has no such setting"),
        ({"batch_size": 0}, "batch_size: 0 given"),
        ({"model": "gam"}, "model: 'gam' given; did you mean 'gan'?"),
        ({"model": "gan"}, "metric: none given; allowed for gan is sample_spread or"),
        ({"metric": "kl"}, "metric: kl given; allowed for vae is val_loss or val_recons"),
        ({"grace": 28}, "grace: 28 given with 27 epochs"),
        ({"reduction": 1}, "reduction: 1 given; allowed is a whole number from 2 to 100"),
    ],
)
def test_a_sweep_that_is_not_allowed_is_one_line_and_leaves_nothing(
    change, said, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.json").write_text(json.dumps(EXAMPLE | change))
    assert sweep.main(["--config", "sweep.json"]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.json"]


def test_a_refusal_loads_neither_tensorflow_nor_ray(tmp_path):
    (tmp_path / "sweep.json").write_text(json.dumps(EXAMPLE | {"trials": 0}))
    script = (
        "import sys; from gensuite import sweep\n"
        f"assert sweep.main(['--config', {str(tmp_path / 'sweep.json')!r}]) == 2\n"
        "print(sorted({'tensorflow', 'keras', 'ray'} & set(sys.modules)))"
    )
    done = subprocess.run(python("-c", script), capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("workers", ["0", "-1", "many"])
def test_workers_of_a_sweep_are_one_or_more(workers, capsys):
    assert sweep.main(["--config", "sweep.json", "--workers", workers]) == 2
    assert "--workers" in capsys.readouterr().err


WITHOUT_RAY = """
import sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "ray":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Nothing())
from gensuite import sample, sweep
"""


def test_without_ray_both_commands_say_what_to_install_and_write_nothing(toy_bundle, tmp_path):
    (tmp_path / "sweep.json").write_text(json.dumps(EXAMPLE))
    out, run_dir = str(tmp_path / "out"), str(tmp_path / "run")
    words = [str(toy_bundle), "--format", "npz", "--engine", "ray", "--out", out]
    script = WITHOUT_RAY + (
        f"assert sample.main({words!r}) == 2\n"
        f"assert sweep.main(['--config', {str(tmp_path / 'sweep.json')!r}, "
        f"'--run-dir', {run_dir!r}]) == 2\n"
    )
    done = subprocess.run(python("-c", script), capture_output=True, text=True, check=True)

    line = "error: ray is not installed; pip install 'gensuite[ray]'"
    assert done.stderr.splitlines() == [line, line]
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.json"]


def test_the_engine_is_for_shards_and_one_of_two(toy_bundle, tmp_path, capsys):
    assert sample.main([str(toy_bundle), "--engine", "ray"]) == 2
    assert "--engine: is for shards; give --format npz or png with it" in capsys.readouterr().err
    with pytest.raises(ValueError, match="engine: 'dask' given; allowed are 'local' and 'ray'"):
        write_shards(bundles.read(toy_bundle), tmp_path, 5, format="npz", engine="dask")


def history(folder, name, losses):
    (folder / name).mkdir()
    rows = "".join(f"{epoch},{epoch * 10},{loss}\n" for epoch, loss in enumerate(losses, 1))
    (folder / name / "history.csv").write_text(f"epoch,step,val_loss\n{rows}")


def test_the_table_puts_the_best_first_and_names_one_that_was_trained_to_the_end(tmp_path):
    swept = load_sweep(EXAMPLE | {"trials": 5})
    for name, losses, how in (
        ("trial-00000", [9, 7, 8], DONE),
        ("trial-00001", [6], STOPPED),
        ("trial-00002", [5, "nan"], DIVERGED),
        ("trial-00003", [9, 9, 9], DONE),
    ):
        history(tmp_path, name, losses)
        settle(tmp_path, name, how)
    found = results(tmp_path, swept)

    assert [(each.name, each.epochs, each.state) for each in found] == [
        ("trial-00001", 1, "stopped"),
        ("trial-00000", 3, "done"),
        ("trial-00003", 3, "done"),
        ("trial-00002", 2, "diverged"),
        ("trial-00004", 0, "unfinished"),
    ]
    assert [each.score for each in found[:3]] == [6, 7, 9]
    assert best(found).name == "trial-00000"
    head, first, *_ = table(found, swept.metric).splitlines()
    assert head.split() == HEAD
    assert first.split() == ["trial-00001", *map(str, swept.drawn[1].values()), "1", "6", "stopped"]


def refuses(folder, values, said):
    with pytest.raises(RunError, match=said), claimed(folder, load_sweep(values)):
        pass


def test_a_folder_of_another_sweep_or_of_other_files_is_refused(tmp_path):
    folder = tmp_path / "sweep"
    with claimed(folder, load_sweep(EXAMPLE)):
        refuses(folder, EXAMPLE, "another sweep is at work here")
    with claimed(folder, load_sweep(dict(reversed(EXAMPLE.items())))):
        pass
    refuses(folder, EXAMPLE | {"seed": 1}, "holds a sweep of other settings")
    (tmp_path / "notes.txt").write_text("mine")
    refuses(tmp_path, EXAMPLE, "holds other files")


def call(*words, folder, code=0):
    """Run a command in a folder; what it printed."""
    done = subprocess.run(
        python("-m", *words),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert done.returncode == code, (words, done.stdout[-2000:], done.stderr[-2000:])
    return done


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@needs_ray
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["npz", "png"])
def test_two_workers_of_ray_write_the_bytes_of_one_process(toy_bundle, tmp_path, kind):
    words = ["gensuite.sample", str(toy_bundle), "--format", kind, "--count", "1000"]
    words += ["--shard", "90", "--seed", "7"]
    call(*words, "--out", "local", folder=tmp_path)
    said = call(*words, "--out", "ray", "--engine", "ray", "--workers", "2", folder=tmp_path)

    assert files(tmp_path / "ray") == files(tmp_path / "local")
    assert "1000 images in 12 shards of 90" in said.stdout
    assert said.stderr == ""


@needs_ray
@pytest.mark.slow
def test_ray_goes_on_where_shards_are_missing_and_leaves_the_others(toy_bundle, tmp_path):
    words = ["gensuite.sample", str(toy_bundle), "--format", "npz", "--count", "1000"]
    words += ["--shard", "90", "--out", "out"]
    call(*words, folder=tmp_path)
    whole = files(tmp_path / "out")
    for first in (0, 450, 990):
        (tmp_path / "out" / f"{first:010}.npz").unlink()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("0*.npz")}
    in_the_way = tmp_path / "out" / ".partial-0000000450.npz"
    in_the_way.mkdir()
    words += ["--engine", "ray", "--workers", "2"]
    said = call(*words, folder=tmp_path, code=2)
    assert said.stderr == f"error: {in_the_way}: Is a directory\n"
    in_the_way.rmdir()
    call(*words, folder=tmp_path)

    assert files(tmp_path / "out") == whole
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


SMALL = EXAMPLE | {"epochs": 4, "trials": 4, "grace": 1, "reduction": 2, "save_seconds": 0}


def wait_until(condition, process):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "stuck"
        time.sleep(0.05)


@needs_ray
@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on_and_ends_in_a_table_and_a_command_that_works(tmp_path):
    (tmp_path / "sweep.json").write_text(json.dumps(SMALL))
    words = ("gensuite.sweep", "--config", "sweep.json", "--workers", "2")
    folder = tmp_path / "runs" / "sweep"
    process = subprocess.Popen(
        python("-m", *words),
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        wait_until((folder / "settled.json").exists, process)
        process.kill()
    before = json.loads((folder / "settled.json").read_bytes())
    kept = {name: files(folder / name) for name in before}
    assert 1 <= len(before) < 4
    said = call(*words, folder=tmp_path).stdout

    settled = json.loads((folder / "settled.json").read_bytes())
    assert sorted(settled) == [f"trial-{index:05}" for index in range(4)]
    assert before.items() <= settled.items()
    assert {name: files(folder / name) for name in kept} == kept
    assert "settled" in said
    *_, head, _, _, _, _, last = said.splitlines()
    assert head.split() == HEAD

    name, command = re.fullmatch(r"best: (trial-\d{5}); export: python -m (.*)", last).groups()
    assert settled[name] == DONE
    call(*shlex.split(command), folder=tmp_path)
    call("gensuite.verify", f"artifacts/{name}", folder=tmp_path)

    config = str(folder / name / "config.json")
    call("gensuite.train", "--config", config, "--run-dir", "alone", folder=tmp_path)
    for file in ("history.csv", "encodings.npz"):
        assert (tmp_path / "alone" / file).read_bytes() == (folder / name / file).read_bytes()

    again = call(*words, folder=tmp_path).stdout
    assert again.splitlines() == said.splitlines()[-6:]  # nothing is left to train
