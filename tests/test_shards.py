"""Bulk sampling: the same bytes whatever the shards, workers and kills; one line for a bad word."""

import contextlib
import fcntl
import json
import os
import pickle
import pty
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gensuite
from gensuite import sample
from gensuite.errors import BundleError, InputError
from gensuite.inference import bundle as bundles
from gensuite.inference import shards
from gensuite.inference.images import to_uint8
from gensuite.inference.runtime import OnnxBackend
from tests.conftest import python

DEADLINE = 120
"""Seconds until a process that must do something is taken for stuck."""


@pytest.fixture(scope="module")
def bundle(toy_bundle):
    return bundles.read(toy_bundle)


@pytest.fixture(scope="module")
def conditional(toy_bundle):
    return bundles.read(toy_bundle.parent / "toy-cgan")


def expected(path, count, **arguments):
    """The images of the library, decoded in whole chunks, and rounded to bytes."""
    generator = gensuite.load(path)
    return to_uint8(generator.sample(-(-count // 32) * 32, **arguments))[:count]


def read(folder):
    """All images of a folder of shards, in the order of the names."""
    places = sorted(path for path in folder.iterdir() if path.name != shards.RECORD)
    if places[0].is_dir():
        files = [file for place in places for file in sorted(place.glob("*.png"))]
        assert [int(file.stem) for file in files] == list(range(len(files)))
        return np.stack([np.asarray(Image.open(file)) for file in files])[..., None]
    assert [int(place.stem) for place in places] == list(
        np.cumsum([0, *(len(np.load(place)["images"]) for place in places[:-1])])
    )
    return np.concatenate([np.load(place)["images"] for place in places])


@pytest.mark.parametrize("kind", ["npz", "png"])
@pytest.mark.parametrize("shard", [1, 50, 64, 100, 1000])
def test_the_images_are_the_samples_whatever_the_shard(bundle, tmp_path, kind, shard):
    shards.write_shards(bundle, tmp_path, 210, format=kind, seed=7, shard=shard)

    places = [path for path in tmp_path.iterdir() if path.name != shards.RECORD]
    assert len(places) == -(-210 // shard)
    images = read(tmp_path)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, expected(bundle.path, 210, seed=7))


def test_every_image_is_decoded_in_a_whole_chunk(bundle, tmp_path, monkeypatch):
    """A runtime may round otherwise in a batch of another size."""
    rows = []
    run = OnnxBackend.run

    def spy(self, model, inputs):
        rows.append(len(inputs["z"]))
        return run(self, model, inputs)

    monkeypatch.setattr(OnnxBackend, "run", spy)
    shards.write_shards(bundle, tmp_path, 210, format="npz", shard=50)

    assert set(rows) == {32}


def test_shards_are_of_the_stated_sizes(bundle, tmp_path):
    shards.write_shards(bundle, tmp_path / "npz", 2100, format="npz")
    shards.write_shards(bundle, tmp_path / "png", 2100, format="png")

    sizes = [len(np.load(path)["images"]) for path in sorted((tmp_path / "npz").glob("*.npz"))]
    assert sizes == [1024, 1024, 52]
    folders = sorted(path for path in (tmp_path / "png").iterdir() if path.is_dir())
    assert [len(list(path.iterdir())) for path in folders] == [1000, 1000, 100]
    np.testing.assert_array_equal(read(tmp_path / "npz"), read(tmp_path / "png"))


def test_three_workers_write_the_files_of_one(bundle, tmp_path):
    done = []
    for workers in (1, 3):
        shards.write_shards(
            bundle,
            tmp_path / str(workers),
            1000,
            format="npz",
            shard=90,
            workers=workers,
            report=done.append,
        )

    one, three = (
        {path.name: path.read_bytes() for path in (tmp_path / str(workers)).iterdir()}
        for workers in (1, 3)
    )
    assert one == three
    assert len(one) == 13
    assert done[0] == 0
    assert done[12] == done[-1] == 1000


@pytest.mark.parametrize("label", [None, 3])
def test_a_conditional_models_labels_lie_beside_its_images(conditional, tmp_path, label):
    for kind in ("npz", "png"):
        shards.write_shards(
            conditional, tmp_path / kind, 150, format=kind, shard=70, seed=5, label=label
        )

    generator = gensuite.load(conditional.path)
    labels = generator.labels(150, seed=5) if label is None else np.full(150, label)
    paths = sorted((tmp_path / "npz").glob("*.npz"))
    found = np.concatenate([np.load(path)["labels"] for path in paths])
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, labels)
    lines = [
        line.split(",")
        for place in sorted((tmp_path / "png").glob("0*"))
        for line in (place / "labels.csv").read_text().splitlines()[1:]
    ]
    assert [(name, int(number)) for name, number in lines] == [
        (f"{index:010}.png", number) for index, number in enumerate(labels)
    ]
    images = expected(conditional.path, 150, seed=5, label=label)
    np.testing.assert_array_equal(read(tmp_path / "npz"), images)
    np.testing.assert_array_equal(read(tmp_path / "png"), images)


def test_prior_and_spread_are_those_of_sample(bundle, tmp_path):
    shards.write_shards(bundle, tmp_path, 100, format="npz", prior="fitted", spread=0.5)

    images = expected(bundle.path, 100, prior="fitted", spread=0.5)
    np.testing.assert_array_equal(read(tmp_path), images)


def wait_until(condition, process):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, process.stderr.read() if process.stderr else "stuck"
        time.sleep(0.002)


@contextlib.contextmanager
def start(bundle, folder, count, *flags):
    words = ["-m", "gensuite.sample", str(bundle.path), "--count", str(count), "--seed", "3"]
    process = subprocess.Popen(
        python(*words, "--out", str(folder), *flags),
        cwd=Path(__file__).parents[1],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def finished(folder):
    return {path.name for path in folder.glob("0*")}


@pytest.mark.parametrize(("kind", "workers"), [("npz", "1"), ("png", "1"), ("npz", "3")])
def test_after_a_kill_no_image_is_lost_or_double(bundle, tmp_path, kind, workers):
    folder, count = tmp_path / "out", 20_000
    flags = ["--format", kind, "--shard", "50", "--workers", workers]
    for _ in range(2):
        before = len(finished(folder))
        with start(bundle, folder, count, *flags) as process:
            wait_until(lambda: len(finished(folder)) > before + 3, process)  # noqa: B023
            process.kill()
        assert before < len(finished(folder)) < count // 50
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("0*")}
    with start(bundle, folder, count, *flags) as process:
        assert process.wait(DEADLINE) == 0, process.stderr.read()

    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert not list(folder.glob(".partial-*"))
    np.testing.assert_array_equal(read(folder), expected(bundle.path, count, seed=3))


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_do_not_outlive_a_killed_parent(bundle, tmp_path):
    flags = ["--format", "npz", "--shard", "10", "--workers", "2"]
    with start(bundle, tmp_path, 10_000_000, *flags) as process:
        wait_until(lambda: finished(tmp_path), process)
        workers = children(process.pid)
        process.kill()
    assert len(workers) >= 2
    wait_until(lambda: not any(map(alive, workers)), process)


def test_a_worker_that_is_ended_from_outside_ends_the_command_in_one_line(bundle, tmp_path):
    flags = ["--format", "npz", "--shard", "10", "--workers", "2"]
    with start(bundle, tmp_path, 10_000_000, *flags) as process:
        wait_until(lambda: finished(tmp_path), process)
        spawned = [
            pid
            for pid in children(process.pid)
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        os.kill(spawned[0], signal.SIGKILL)
        assert process.wait(DEADLINE) == 2
        (line,) = process.stderr.read().splitlines()
    assert "a worker process was ended from outside" in line
    assert "give the same command again" in line


def test_ctrl_c_keeps_what_is_finished(bundle, tmp_path):
    flags = ["--format", "npz", "--shard", "10", "--workers", "2"]
    with start(bundle, tmp_path, 10_000_000, *flags) as process:
        wait_until(lambda: finished(tmp_path), process)
        for pid in (process.pid, *children(process.pid)):  # as a terminal does
            os.kill(pid, signal.SIGINT)
        assert process.wait(DEADLINE) == 130
        assert process.stderr.read().splitlines() == ["interrupted"]
    assert not list(tmp_path.glob(".partial-*"))


def test_a_finished_folder_is_left_as_it_is(bundle, tmp_path):
    flags = {"format": "npz", "shard": 50, "prior": "standard"}
    first = shards.write_shards(bundle, tmp_path, 120, **flags)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    done = []
    again = shards.write_shards(
        bundle, tmp_path, 120, **flags | {"prior": None}, report=done.append
    )

    assert again == first
    assert done == [120]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"count": 121}, "count 120 there, 121 given"),
        ({"seed": 1}, "seed 0 there, 1 given"),
        ({"shard": 60}, "shard 50 there, 60 given"),
        ({"format": "png"}, "format 'npz' there, 'png' given"),
        ({"prior": "fitted"}, "prior 'standard' there, 'fitted' given"),
        ({"spread": 0.5}, "spread 1.0 there, 0.5 given"),
    ],
)
def test_a_folder_of_other_settings_is_refused(bundle, tmp_path, change, said):
    settings = {"count": 120, "format": "npz", "shard": 50}
    shards.write_shards(bundle, tmp_path, **settings)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    with pytest.raises(InputError, match=r"to go on with it give its settings") as caught:
        shards.write_shards(bundle, tmp_path, **settings | change)
    assert said in str(caught.value)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_of_another_bundle_is_refused(bundle, conditional, tmp_path):
    shards.write_shards(bundle, tmp_path, 10, format="npz")
    with pytest.raises(InputError, match="bundle 'sha256:"):
        shards.write_shards(conditional, tmp_path, 10, format="npz")


def test_a_folder_in_use_is_refused(bundle, tmp_path):
    lock = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(InputError, match="another sampling is writing here; wait"):
        shards.write_shards(bundle, tmp_path, 10, format="npz")
    os.close(lock)
    shards.write_shards(bundle, tmp_path, 10, format="npz")


def test_a_folder_of_other_files_is_refused_and_what_a_kill_left_is_not(bundle, tmp_path):
    (tmp_path / f".partial-{shards.RECORD}").write_text("{")
    shards.write_shards(bundle, tmp_path, 10, format="npz")
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")

    with pytest.raises(InputError, match="holds other files; name a new or an empty folder"):
        shards.write_shards(bundle, other, 10, format="npz")
    assert [path.name for path in other.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("content", ["{", "[1]", "null", "\x00"])
def test_a_damaged_record_is_refused(bundle, tmp_path, content):
    (tmp_path / shards.RECORD).write_text(content)
    with pytest.raises(InputError, match=r"sampling.json: is damaged; remove the folder"):
        shards.write_shards(bundle, tmp_path, 10, format="npz")


def test_the_record_holds_the_settings(bundle, tmp_path):
    shards.write_shards(bundle, tmp_path, 10, format="png", seed=np.int64(4))

    assert json.loads((tmp_path / shards.RECORD).read_bytes()) == {
        "bundle": bundle.identity,
        "count": 10,
        "format": "png",
        "shard": 1000,
        "seed": 4,
        "spread": 1.0,
        "prior": "standard",
        "label": None,
        "schema": 1,
    }


def test_a_bundle_error_crosses_from_a_worker_to_its_parent():
    error = pickle.loads(pickle.dumps(BundleError("hash", "decoder.onnx: altered")))  # noqa: S301

    assert (error.code, str(error)) == ("hash", "decoder.onnx: altered")


def test_a_full_disk_keeps_what_is_finished(bundle, tmp_path, monkeypatch):
    written = []

    def write_file(path, content):
        if len(written) == 3:
            raise OSError(28, "No space left on device", str(path))
        written.append(path)
        path.write_bytes(content)

    with monkeypatch.context() as patch:
        patch.setattr(shards, "write_file", write_file)
        with pytest.raises(OSError, match="No space left"):
            shards.write_shards(bundle, tmp_path, 210, format="npz", shard=50)
    shards.write_shards(bundle, tmp_path, 210, format="npz", shard=50)

    np.testing.assert_array_equal(read(tmp_path), expected(bundle.path, 210))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--count", "0"], "count: 0 given"),
        (["--count", str(2**32 + 1)], "from 1 to 2^32"),
        (["--seed", "-1"], "seed: -1 given"),
        (["--prior", "gaussian"], "this model has standard and fitted"),
        (["--label", "3"], "trained without labels"),
        (["--spread", "nan"], "spread: nan given"),
        (["--shard", "0"], "shard: 0 given; allowed is a whole number from 1 to 100000"),
        (["--workers", "257"], "workers: 257 given; allowed is a whole number from 1 to 256"),
        (["--threads", "2"], "--threads: is for one picture; use --workers"),
        (["--format", "jpg"], "invalid choice: 'jpg'"),
    ],
)
def test_bad_words_are_one_line_and_exit_2_and_write_nothing(
    toy_bundle, tmp_path, flags, said, capsys
):
    out = tmp_path / "out"
    words = [str(toy_bundle), "--format", "npz", "--out", str(out), *flags]
    assert sample.main(words) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not out.exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--format", "npz"], "--out: none given; --format needs the folder"),
        (["--workers", "2"], "--workers: is for shards; give --format npz or png with it"),
        (["--shard", "2"], "--shard: is for shards; give --format npz or png with it"),
    ],
)
def test_words_for_shards_and_for_a_picture_are_kept_apart(toy_bundle, flags, said, capsys):
    assert sample.main([str(toy_bundle), *flags]) == 2
    assert said in capsys.readouterr().err


def test_a_sampling_is_not_written_into_the_bundle(toy_bundle, tmp_path, capsys):
    path = shutil.copytree(toy_bundle, tmp_path / "bundle")
    for out in (path, path / "samples"):
        assert sample.main([str(path), "--format", "npz", "--out", str(out)]) == 2
        assert "lies in the bundle" in capsys.readouterr().err
    assert bundles.read(path)


def test_the_command_takes_numbers_with_underscores_and_says_what_is_there(
    toy_bundle, tmp_path, capsys
):
    words = [str(toy_bundle), "--count", "1_100", "--seed", "7", "--format", "npz"]
    assert sample.main([*words, "--out", str(tmp_path / "out")]) == 0

    out, err = capsys.readouterr()
    assert "1100 images in 2 shards of 1024 (npz), seed 7, sha256:" in out
    assert err == ""  # no bar where there is no terminal


def test_a_terminal_shows_a_bar(toy_bundle, tmp_path):
    ours, theirs = pty.openpty()
    words = [str(toy_bundle), "--count", "300", "--format", "npz", "--shard", "100"]
    subprocess.run(
        python("-m", "gensuite.sample", *words, "--out", str(tmp_path / "out")),
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)

    assert f"[{' ' * 30}] 0 of 300 images" in shown
    assert f"[{'#' * 10}{' ' * 20}] 100 of 300 images" in shown
    assert f"[{'#' * 30}] 300 of 300 images" in shown
    assert shown.endswith("\n")
