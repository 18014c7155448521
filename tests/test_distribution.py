"""Several replicas and several workers train as one does, and none waits for a lost one."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from gensuite.arrays import unpack
from gensuite.data.reading import open_dataset
from gensuite.errors import ConfigError, WorkerLostError
from gensuite.train import main
from gensuite.training.workers import Cluster, meet, read_cluster
from tests.conftest import python

TWO = {"worker": ["host0:2222", "host1:2222"]}


def tf_config(cluster: object, kind: str = "worker", index: object = 0) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


def free_ports(count: int) -> list[int]:
    """Below those that the kernel gives to outgoing connections."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as probe:
            port = random.randrange(20_000, 32_000)  # noqa: S311  (no secret)
            if probe.connect_ex(("127.0.0.1", port)) and port not in found:
                found.append(port)
    return found


def local(count: int) -> tuple[str, ...]:
    return tuple(f"127.0.0.1:{port}" for port in free_ports(count))


def test_the_chief_is_the_first_of_the_cluster():
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}

    assert read_cluster(tf_config(TWO, index=1)) == Cluster(("host0:2222", "host1:2222"), 1)
    assert read_cluster(tf_config(cluster, "chief")) == Cluster(("a:1", "b:1", "c:1"), 0)
    assert read_cluster(tf_config(cluster, "worker", "1")).index == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "worker 0",
        "[]",
        json.dumps({"cluster": TWO}),
        tf_config(TWO, index=2),
        tf_config(TWO, index=-1),
        tf_config(TWO, "ps"),
        tf_config(TWO | {"ps": ["host2:2222"]}),
        tf_config({"worker": ["host0", "host1"]}),
        tf_config({"worker": [1, 2]}),
        tf_config({"worker": 2}),
        tf_config("host0:2222"),
    ],
)
def test_a_tf_config_that_names_no_workers_is_one_line_and_exit_2(
    text, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("TF_CONFIG", text)
    assert main(["--distribute", "multiworker", "--run-dir", str(tmp_path / "run")]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: TF_CONFIG: {text!r} given; allowed are the host:port")
    assert not (tmp_path / "run").exists()


def test_no_tf_config_is_refused_before_tensorflow_is_loaded():
    script = (
        "import sys; from gensuite.train import main\n"
        "print(main(['--distribute', 'multiworker']), 'tensorflow' in sys.modules)"
    )
    environment = {key: value for key, value in os.environ.items() if key != "TF_CONFIG"}
    done = subprocess.run(
        python("-c", script), env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout == "2 False\n"
    assert "TF_CONFIG: not set; --distribute multiworker needs it" in done.stderr


def together(addresses: tuple[str, ...], work, seconds: float = 20):
    """What ``work`` gives for each worker of a cluster, or the error that it ended with."""

    def one(index):
        try:
            with meet(Cluster(addresses, index), seconds) as workers:
                return work(workers)
        except (ConfigError, WorkerLostError) as error:
            return error

    with ThreadPoolExecutor() as pool:
        return list(pool.map(one, range(len(addresses))))


def test_workers_exchange_what_each_has():
    def work(workers):
        index = workers.cluster.index
        return [workers.exchange(index), workers.exchange({"step": [index, None]})]

    expected = [[0, 1, 2], [{"step": [index, None]} for index in range(3)]]
    assert together(local(3), work) == [expected] * 3


def test_a_cluster_may_have_one_worker():
    assert together(local(1), lambda workers: workers.exchange("alone")) == [["alone"]]


def test_the_chief_goes_first():
    order = []

    def work(workers):
        with workers.chief_first():
            time.sleep(0.2 if workers.chief else 0)
            order.append(workers.cluster.index)

    together(local(2), work)
    assert order == [0, 1]


def test_workers_that_would_train_different_things_all_refuse():
    facts = [{"seed": 1, "epochs": 3}, {"seed": 2, "epochs": 3}]
    errors = together(local(2), lambda workers: workers.check_same(facts[workers.cluster.index]))

    for error in errors:
        assert isinstance(error, ConfigError)
        assert str(error).startswith("seed: 1 on worker 0, but 2 on worker 1; give all the same")


def test_workers_hear_why_another_has_ended():
    def work(workers):
        if workers.cluster.index == 1:
            raise ConfigError("seed: this worker does not like it")
        workers.exchange("waits for all")

    chief, _, third = together(local(3), work)
    for error in (chief, third):
        assert isinstance(error, WorkerLostError)
        assert str(error) == "worker 1 has ended: seed: this worker does not like it"


def test_a_worker_that_never_comes_is_named():
    addresses = local(3)
    errors = []

    def come(index):
        with pytest.raises(WorkerLostError) as info:
            meet(Cluster(addresses, index), seconds=1)
        errors.append(str(info.value))

    threads = [threading.Thread(target=come, args=(index,)) for index in (0, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert any(f"within 1 s, missing: 1 at {addresses[1]}" in error for error in errors)
    assert any("has closed the line: another worker has not come" in error for error in errors)


def test_no_chief_is_said():
    addresses = local(2)
    with pytest.raises(WorkerLostError, match=f"worker 0 at {addresses[0]} has not answered"):
        meet(Cluster(addresses, 1), seconds=0.5)


def test_strangers_at_the_chiefs_door_are_left_alone():
    addresses = local(2)
    place = ("127.0.0.1", int(addresses[0].rsplit(":", 1)[1]))
    with ThreadPoolExecutor() as pool:
        chief = pool.submit(meet, Cluster(addresses, 0), 20)
        sent = [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\2[]", b"\0\0\0\3nix", b"\0\0\0\4null", b""]
        sent.append(b"\0\0\0\x20" + json.dumps([["other:1", "other:2"], 1]).encode().ljust(32))
        for words in sent:
            while True:
                try:
                    stranger = socket.create_connection(place)
                    break
                except ConnectionRefusedError:
                    time.sleep(0.05)
            with stranger:
                stranger.sendall(words)
        other = meet(Cluster(addresses, 1), 20)
        both = [chief.result(), other]
        said = list(pool.map(enter_and_exchange, both))

    assert said == [[0, 1], [0, 1]]


def enter_and_exchange(workers):
    with workers:
        return workers.exchange(workers.cluster.index)


def test_an_address_that_is_taken_is_refused():
    (address,) = local(1)
    with (
        socket.create_server(("127.0.0.1", int(address.rsplit(":", 1)[1]))),
        pytest.raises(ConfigError, match=f"TF_CONFIG: {address} given for this worker"),
    ):
        meet(Cluster((address, "127.0.0.1:1"), 0))


def test_workers_and_their_replicas_share_the_rows_of_one_batch():
    """In the order in which a model deals the rows of its noise."""
    data = open_dataset("digits")
    (whole,) = data.training_batches(12, seed=5, epoch=1, skip=3).take(1)
    shares = [tf.distribute.InputContext(3, worker, 6) for worker in range(3)]
    parts = [
        part
        for share in shares
        for part in data.training_batches(12, seed=5, epoch=1, skip=3, share=share).take(2)
    ]

    assert [part.shape[0] for part in parts] == [2] * 6
    assert np.array_equal(np.concatenate(parts), whole)
    share = tf.distribute.InputContext(2, 1, 4)
    steps = len(data.images["train"]) // 100 * 2
    *_, after = data.training_batches(100, seed=0, share=share).take(steps + 1)
    (first,) = data.training_batches(100, seed=0, epoch=1, share=share).take(1)
    assert np.array_equal(after, first)


TWO_DEVICES = """
import sys
import tensorflow as tf
from gensuite.train import main

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
sys.exit(main([*sys.argv[1:], "--distribute", "mirrored"]))
"""


def mirrored(*flags: str) -> subprocess.CompletedProcess:
    """A training where TensorFlow sees two CPUs."""
    return subprocess.run(
        python("-c", TWO_DEVICES, *flags),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path):
    done = mirrored("--batch-size", "33", "--run-dir", str(tmp_path / "run"))

    assert done.returncode == 2
    # After what TensorFlow says at its start.
    assert done.stderr.splitlines()[-1] == (
        "error: batch_size: 33 given for 2 replicas; allowed is a multiple of 2, because each "
        "takes as many of a step's images"
    )
    assert not (tmp_path / "run").exists()


SMALL = ["--image-size", "8", "--batch-size", "64", "--epochs", "2"]
TRAININGS = {
    "ae": ["--network", "conv"],
    "vae": [*("--network", "residual_conv", "--binarize"), *("--importance-samples", "2")],
    "gan": [
        *("--network", "dcgan", "--conditional", "--augment", "--loss", "wgan_gp"),
        *("--spectral-norm", "--discriminator-steps", "2", "--ema", "0.9", "--decay", "0.5"),
    ],
}
"""Between them, all that draws noise, weighs rows or changes weights in a way of its own."""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each of TRAININGS on one device."""
    folder = tmp_path_factory.mktemp("alone")
    for family, flags in TRAININGS.items():
        line = ["--model", family, *flags, *SMALL, "--run-dir", str(folder / family)]
        assert main(line) == 0
    return {family: folder / family for family in TRAININGS}


def start_workers(*flags: str) -> list[subprocess.Popen]:
    """Two workers of one training."""
    cluster = {"worker": local(2)}
    return [
        subprocess.Popen(
            python("-m", "gensuite.train", "--distribute", "multiworker", *flags),
            env=os.environ | {"TF_CONFIG": tf_config(cluster, index=index)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]


def outcome(workers: list[subprocess.Popen], seconds: float = 300) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of each; none outlives the test."""
    try:
        return [
            (worker.returncode, *said)
            for worker in workers
            for said in [worker.communicate(timeout=seconds)]
        ]
    finally:
        for worker in workers:
            worker.kill()


def newest_step(run: Path) -> int:
    return max((int(path.name) for path in run.glob("checkpoints/[0-9]*")), default=-1)


def wait_for_step(run: Path, step: int, workers: list[subprocess.Popen]) -> None:
    deadline = time.monotonic() + 240
    while newest_step(run) < step and time.monotonic() < deadline:
        if any(worker.poll() is not None for worker in workers):
            break
        time.sleep(0.01)
    if newest_step(run) < step:
        raise AssertionError(f"no checkpoint of step {step}: {outcome(workers, 1)}")


def assert_same_training(one: Path, other: Path) -> None:
    """The weights and their optimizers' moments agree to 1e-5, and so does what was logged."""
    assert newest_step(one) == newest_step(other)
    first, second = (
        unpack((run / "checkpoints" / f"{newest_step(run):09d}" / "variables.npz").read_bytes())
        for run in (one, other)
    )
    # Scalars are steps, rates and running sums, to which each replica adds in validation.
    for name in [name for name, value in first.items() if value.ndim]:
        np.testing.assert_allclose(second[name], first[name], rtol=0, atol=1e-5)
    rows = [np.genfromtxt(run / "history.csv", delimiter=",") for run in (one, other)]
    np.testing.assert_allclose(*rows, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("family", TRAININGS)
def test_two_devices_train_as_one(family, alone, tmp_path):
    run = tmp_path / "run"
    done = mirrored("--model", family, *TRAININGS[family], *SMALL, "--run-dir", str(run))

    assert done.returncode == 0, done.stderr
    assert "2 replicas" in done.stdout
    assert_same_training(alone[family], run)


@pytest.mark.slow
@pytest.mark.parametrize("family", TRAININGS)
def test_two_workers_train_as_one(family, alone, tmp_path):
    run = tmp_path / "run"
    flags = ["--model", family, *TRAININGS[family], *SMALL, "--run-dir", str(run)]
    chief, other = outcome(start_workers(*flags))

    assert chief[0] == other[0] == 0, chief + other
    assert f"done; export: python -m export {run}" in chief[1]
    assert other[1] == "worker 1: worker 0 keeps the run and says how it goes\n"
    assert_same_training(alone[family], run)
    assert (run / "encodings.npz").is_file()


LONGER = ["--model", "vae", "--network", "conv", "--batch-size", "64", "--epochs", "3"]


@pytest.mark.slow
def test_a_lost_worker_ends_the_other_and_a_resume_goes_on_with_one_then_with_two(tmp_path):
    """Killed with 2, stopped with 1, finished with 2: the weights of 1 left alone."""
    run, whole = tmp_path / "run", tmp_path / "whole"
    workers = start_workers(*LONGER, "--save-seconds", "0", "--run-dir", str(run))
    wait_for_step(run, 2, workers)
    workers[1].kill()
    killed_at = time.monotonic()
    chief, _ = outcome(workers)

    # Three times the minute that is promised.
    assert time.monotonic() - killed_at < 180
    assert chief[0] == 1
    assert "error: worker 1 at 127.0.0.1:" in chief[2]
    assert "--resume goes on from the newest checkpoint" in chief[2]
    left_at = newest_step(run)
    assert left_at < 63

    lone = subprocess.Popen(
        python("-m", "gensuite.train", "--resume", str(run)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_step(run, left_at + 1, [lone])
    lone.send_signal(signal.SIGTERM)
    ((code, _, said),) = outcome([lone])
    assert code == 128 + signal.SIGTERM
    assert "device was CPU" in said
    assert newest_step(run) < 63

    both = outcome(start_workers("--resume", str(run)))
    assert [code for code, _, _ in both] == [0, 0], both
    assert main([*LONGER, "--run-dir", str(whole)]) == 0
    assert_same_training(whole, run)


@pytest.mark.slow
def test_a_signal_to_any_worker_stops_all_at_one_step(tmp_path):
    run = tmp_path / "run"
    workers = start_workers(*LONGER, "--save-seconds", "0", "--run-dir", str(run))
    wait_for_step(run, 2, workers)
    workers[1].send_signal(signal.SIGTERM)
    chief, other = outcome(workers)

    assert chief[0] == other[0] == 128 + signal.SIGTERM
    assert f"saved at step {newest_step(run)}; go on: " in chief[1]
    assert newest_step(run) < 63


@pytest.mark.slow
def test_the_example_of_the_documents_trains(tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "distribution.md").read_text()
    (script,) = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert "20001" in script
    assert "20002" in script
    for example, port in zip(("20001", "20002"), free_ports(2), strict=True):
        script = script.replace(example, str(port))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "done; export: python -m export runs/two-workers" in done.stdout, done.stderr
    assert newest_step(tmp_path / "runs" / "two-workers") == 42
