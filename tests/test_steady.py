"""The library stays up: one generator, many threads, and memory that does not grow."""

import json
import subprocess
import time

import numpy as np
import pytest

from benchmarks.steady import growth, mismatches
from gensuite.inference.generator import load
from gensuite.inference.runtime import OnnxBackend
from tests.conftest import BUNDLES, python

PEAK, GROWTH = 150, 32
"""Promised megabytes: of one stream over idle, and left behind by requests."""


def measured(tmp_path, toy: str, **counts: int) -> dict:
    """The figures of ``benchmarks.steady``, in a process of its own."""
    results = tmp_path / "steady.jsonl"
    flags = [f"--{name}={count}" for name, count in counts.items()]
    script = ("-m", "benchmarks.steady", str(BUNDLES / toy), "--results", str(results))
    subprocess.run(python(*script, *flags), check=True)
    return json.loads(results.read_text())


def test_threads_that_share_a_generator_get_the_bytes_of_one_alone(any_toy):
    assert mismatches(load(any_toy), threads=64, calls=20) == 0


def test_a_generator_that_threads_disturb_is_found(monkeypatch):
    """One that keeps its inputs in a place that all threads share, as a careless change would."""
    shared = {}

    def careless(self, model, inputs):
        shared["inputs"] = inputs
        time.sleep(1e-4)  # another thread's turn
        return right(self, model, shared["inputs"])

    right = OnnxBackend.run
    monkeypatch.setattr(OnnxBackend, "run", careless)
    assert mismatches(load(BUNDLES / "toy-gan"), threads=64, calls=20) > 0


def test_memory_that_is_kept_is_found(toy_bundle, monkeypatch):
    kept = []

    def hoarding(self, model, inputs):
        kept.append(np.ones(2**14, np.float32))
        return right(self, model, inputs)

    right = OnnxBackend.run
    monkeypatch.setattr(OnnxBackend, "run", hoarding)
    assert growth(load(toy_bundle), 1_000) > GROWTH


def test_memory_stays_where_it_is(tmp_path):
    found = measured(tmp_path, "toy-cgan", images=50_000, requests=2_000, threads=2, calls=2)
    assert found["peak"] <= PEAK
    assert found["growth"] <= GROWTH


@pytest.mark.slow
@pytest.mark.parametrize("toy", ["toy-ae", "toy-cgan"])
def test_a_million_images_a_hundred_thousand_requests_and_sixty_four_threads(toy, tmp_path):
    counts = {"images": 1_000_000, "requests": 100_000, "threads": 64, "calls": 1_000}
    found = measured(tmp_path, toy, **counts)
    assert found["mismatches"] == 0
    assert found["peak"] <= PEAK
    assert found["growth"] <= GROWTH
