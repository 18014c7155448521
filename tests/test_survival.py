"""What training survives: kills, signals, faults of every system call, too little memory."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks import survive
from benchmarks.faults import bundle_target, checkpoint_target
from gensuite.train import main
from tests.conftest import python

needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")


def survived(what: str, cases: int, folder: Path) -> dict:
    """The record of a survival run, in a process of its own because it forks."""
    results = folder / "results.jsonl"
    command = python("-m", "benchmarks.survive", what)
    subprocess.run([*command, "--cases", str(cases), "--results", str(results)], check=False)
    record: dict = json.loads(results.read_text())
    return record


@needs_strace
def test_every_fault_of_a_checkpoint_leaves_a_good_one_and_nothing_partial(tmp_path):
    cases = list(survive.faults(checkpoint_target(tmp_path), None, seed=0, folder=tmp_path))

    assert len(cases) >= 3 * 16
    assert {"write", "fsync", "rename", "unlinkat"} <= {case["call"] for case in cases}
    assert [case for case in cases if not case["held"]] == []


@needs_strace
@pytest.mark.slow
def test_every_fault_of_a_bundle_leaves_the_old_one_or_the_new_one(tmp_path):
    cases = list(survive.faults(bundle_target(tmp_path), None, seed=0, folder=tmp_path))

    assert {"write", "fsync", "renameat2", "unlinkat"} <= {case["call"] for case in cases}
    assert [case for case in cases if not case["held"]] == []


def test_what_writes_checkpoints_and_bundles_imports_no_tensorflow():
    script = "import benchmarks.faults, sys; print('tensorflow' in sys.modules)"
    done = subprocess.run(python("-c", script), capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


@pytest.mark.slow
def test_runs_killed_twenty_times_end_in_the_bytes_of_one_left_alone(tmp_path):
    record = survived("kill", 20, tmp_path)

    assert record["held"] == record["cases"] == 20, record["broken"]


@pytest.mark.slow
def test_runs_stopped_ten_times_end_soon_and_resume_to_the_same_bytes(tmp_path):
    record = survived("stop", 10, tmp_path)

    assert record["held"] == record["cases"] == 10, record["broken"]
    assert record["slowest_stop"] <= 3 * survive.STOP_SECONDS


def test_too_little_memory_names_the_batch_size(tmp_path):
    """Where it ends in an activation; in oneDNN's own work space TensorFlow crashes instead."""
    script = (
        "import resource, sys\n"
        "from gensuite.train import main\n"
        "from gensuite.training.loop import Trainer\n"
        "fit = Trainer.fit\n"
        "def fit_in_little(self, stop):\n"
        "    pages = int(open('/proc/self/statm').read().split()[0])\n"
        "    limit = pages * resource.getpagesize() + 575 * 2**20\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "    fit(self, stop)\n"
        "Trainer.fit = fit_in_little\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    flags = ["--model", "ae", "--batch-size", "1350", "--image-size", "64"]
    done = subprocess.run(
        python("-c", script, *flags, "--run-dir", str(tmp_path / "run")),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2, done.stderr
    assert "out of memory in a step of batch_size 1350" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_run_that_goes_on_without_onednn_says_so(runs, tmp_path, monkeypatch, capsys):
    run = shutil.copytree(runs["ae"], tmp_path / "moved")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert main(["--resume", str(run)]) == 0

    assert "cores, without oneDNN)" in capsys.readouterr().err


def test_another_process_exports_the_same_bytes(runs, exported, tmp_path):
    path = tmp_path / exported["gan"].name
    command = python("-m", "export", str(runs["gan"]), "--to", str(path))
    subprocess.run(command, check=True, capture_output=True)

    assert {item.name: item.read_bytes() for item in path.iterdir()} == {
        item.name: item.read_bytes() for item in exported["gan"].iterdir()
    }
