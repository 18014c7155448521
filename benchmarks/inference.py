"""``python -m benchmarks.inference``: one decoder, run in every way that a user would pick.

A convolutional VAE is trained for an epoch and exported; then every contender of
:mod:`benchmarks.contenders` decodes the same codes, each alone in a process, in turn, several
times. The weights are the same everywhere, and every contender's images are compared with Keras'.
A figure counts only from a machine that does nothing else.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench import (
    RESULTS_FOLDER,
    append_record,
    call,
    machine,
    measured_with,
    parse_shared,
    read_records,
)
from benchmarks.contenders import BATCHES, CONTENDERS
from benchmarks.processes import TORCH, median, own_python, start, torch_python
from gensuite import train
from gensuite.console import Parser, command
from gensuite.errors import GensuiteError

RESULTS = RESULTS_FOLDER / "inference.jsonl"
ROUNDS, SECONDS = 3, 3.0
QUICK_ROUNDS, QUICK_SECONDS = 1, 0.2
LARGEST_DIFFERENCE = 1e-5
OPENVINO = "onnxruntime-openvino==1.24.1"
COLD_GENSUITE = """import sys, gensuite
gensuite.load(sys.argv[1]).sample(1)
from benchmarks.contenders import peak_mb
print(peak_mb())"""
Record = dict[str, Any]


def prepare(folder: Path) -> int:
    """Train, unless that has been done, and export and write what the contenders read.

    Returns:
        Floating-point operations of the decoder for one image.
    """
    import keras

    from benchmarks.trainers.keras_fit import use_keras_activation
    from export.__main__ import main as export
    from export.trained import from_run
    from gensuite.inference.latents import standard_normal

    run = folder / "run"
    if not (run / "encodings.npz").is_file():
        words = ["--model", "vae", "--network", "conv", "--epochs", "1", "--run-dir", str(run)]
        call(train.main, *words)
    # Always, so that it is this checkout's export that is measured.
    call(export, str(run), "--to", str(folder / "bundle"), "--force")
    decoder = from_run(run).model.decoding_network()
    use_keras_activation(decoder)  # so that Keras alone can load it
    model = keras.Model(decoder.inputs, keras.activations.sigmoid(decoder.outputs[0]))
    model.save(folder / "decoder.keras")
    weights = {str(index): weight for index, weight in enumerate(decoder.get_weights())}
    np.savez(folder / "weights.npz", **weights)
    codes = standard_normal(max(BATCHES), decoder.inputs[0].shape[-1], seed=0)
    np.save(folder / "codes.npy", codes)
    np.save(folder / "images.npy", model.predict(codes, batch_size=64, verbose=0))
    return flops(np.load(folder / "weights.npz", allow_pickle=False))


def flops(weights: Any) -> int:
    """Multiplications and additions of the dense layers and transposed convolutions."""
    kernels = [weights[name] for name in weights.files if weights[name].ndim > 1]
    total, places = 0, 1
    for kernel in kernels:
        if kernel.ndim == 2:
            places, width = 1, kernel.shape[1]
        elif places == 1:
            places = width // kernel.shape[3]  # where the dense layer's numbers become an image
        total += 2 * kernel.size * places
        places *= 4 if kernel.ndim == 4 else 1  # a stride of 2
    return total


def matrix_peak(seconds: float) -> float:
    """GFLOP/s of numpy's float32 matrix product on every core, the best of some seconds."""
    side, best = 2048, 0.0
    a = np.random.default_rng(0).random((side, side), np.float32)
    end = time.perf_counter() + seconds
    while best == 0 or time.perf_counter() < end:
        start = time.perf_counter()
        a @ a
        best = max(best, 2 * side**3 / (time.perf_counter() - start) / 1e9)
    return best


def measure_once(python: Path | str, name: str, folder: Path, seconds: float) -> Record:
    """One round of one contender: a cold process for one image, then a warm one."""
    words = ("-m", "benchmarks.contenders", name, str(folder))
    cold = ("-c", COLD_GENSUITE, str(folder / "bundle")) if name == "gensuite" else words
    peak, first_image = start(python, *cold)
    measured, _ = start(python, *words, "--seconds", str(seconds))
    return json.loads(measured) | {"first_image": first_image, "first_peak_mb": float(peak)}


def find_pythons(*, install: bool) -> dict[str, Path | str]:
    """The interpreter of every contender, or the reason why there is none.

    Args:
        install: whether environments of their own may be made.
    """
    torch = torch_python(install=install)
    openvino = own_python(OPENVINO, install=install)
    own = {"PyTorch eager": torch, "PyTorch compiled": torch, "gensuite, OpenVINO": openvino}
    return {name: own.get(name, Path(sys.executable)) for name in CONTENDERS}


def measure_all(
    folder: Path, pythons: Mapping[str, Path | str], *, rounds: int, seconds: float
) -> Record:
    """Every contender, in turn, so many times.

    Args:
        folder: what :func:`prepare` wrote.
        pythons: what :func:`find_pythons` gave; a reason is recorded in place of figures.
        rounds: medians are taken over these.
        seconds: for each batch size of each contender in a round.

    Raises:
        GensuiteError: a contender failed, or its images are not Keras'.
    """

    def ask(question: str) -> Any:
        words = ("-m", "benchmarks.contenders", question, str(folder))
        line, _ = start(sys.executable, *words, "--seconds", str(seconds))
        return json.loads(line)

    there = {name: python for name, python in pythons.items() if isinstance(python, Path)}
    found: dict[str, list[Record]] = {name: [] for name in there}
    peaks, overheads = [], []
    for number in range(rounds):
        peaks.append(matrix_peak(seconds))
        for name, python in there.items():
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr)
            found[name].append(measure_once(python, name, folder, seconds))
        overheads.append(ask("overhead"))
    contenders = {name: median(records) for name, records in found.items()}
    for name, record in contenders.items():
        if record["difference"] > LARGEST_DIFFERENCE:
            raise GensuiteError(
                f"{name}: its images differ from Keras' by {record['difference']:.2g}"
            )
    return {
        "contenders": contenders,
        "rounds": found,
        "skipped": {name: reason for name, reason in pythons.items() if name not in there},
        "peak_gflops": max(peaks),
        "overhead": statistics.median(overheads),
        "profile": ask("profile"),
    }


def table(record: Record) -> str:
    """A row for each contender, and below them the bars.

    The share of the peak is that of the quicker of the two large batches.
    """
    head = ("", "batch 1, ms", *(f"batch {batch}, images/s" for batch in BATCHES[1:]))
    head += ("share of peak", "first image, s", "its peak, MB", "peak, MB", "difference")
    lines = [head, ("---",) * len(head)]
    for name, found in record["contenders"].items():
        rates = {batch: batch / found["seconds"][str(batch)] for batch in BATCHES}
        share = max(rates.values()) * record["flops"] / record["peak_gflops"] / 1e9
        lines.append(
            (
                name,
                f"{found['seconds']['1'] * 1e3:.3f}",
                *(f"{rates[batch]:,.0f}" for batch in BATCHES[1:]),
                f"{share:.0%}",
                f"{found['first_image']:.2f}",
                f"{found['first_peak_mb']:.0f}",
                f"{found['peak_mb']:.0f}",
                f"{found['difference']:.1g}",
            )
        )
    lines += [(name, reason, *[""] * (len(head) - 2)) for name, reason in record["skipped"].items()]
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    spent = ", ".join(f"{name} {part:.0%}" for name, part in record["profile"].items())
    facts = [*bars(record), f"where the time of gensuite's operations goes: {spent}"]
    return "\n".join([*rows, "", *(f"- {line}" for line in facts)])


def newest_table() -> str:
    """The table of the newest measurement that counts, and its machine."""
    records = [record for record in read_records(RESULTS) if not record["quick"]]
    if not records:
        return "Not measured yet."
    facts = records[-1]["machine"] | {name: records[-1][name] for name in ("torch", "openvino")}
    return f"{table(records[-1])}\n\n{measured_with([facts])}"


def bars(record: Record) -> list[str]:
    """Each bar with what was found: met, missed, or not measured."""
    contenders = record["contenders"]
    ours, all_threads = contenders["gensuite"], contenders["gensuite, all threads"]

    def best(batch: int) -> float:
        return min(found["seconds"][str(batch)] for found in (ours, all_threads))

    lines = []

    def bar(what: str, value: float, limit: float) -> None:
        verdict = "met" if value <= limit else "missed"
        lines.append(f"{what}: {value:.3g}, at most {limit:.3g}: {verdict}")

    latency = ours["seconds"]["1"]
    bar("batch 1, share of predict", latency / contenders["Keras predict"]["seconds"]["1"], 1 / 200)
    bar("batch 1, share of SavedModel", latency / contenders["SavedModel"]["seconds"]["1"], 1 / 3)
    bar("decode over session.run, µs", record["overhead"] * 1e6, 30)
    for batch in BATCHES[1:]:
        against = {"SavedModel": 1 / 1.3, "PyTorch compiled": 1.0}
        for name, limit in against.items():
            if name in contenders:
                share = best(batch) / contenders[name]["seconds"][str(batch)]
                bar(f"batch {batch}, time beside {name}", share, limit)
            else:
                lines.append(f"batch {batch}, time beside {name}: not measured")
        unused = 1 - batch / best(batch) * record["flops"] / record["peak_gflops"] / 1e9
        bar(f"batch {batch}, share of the matrix peak left unused", unused, 0.3)
    bar("first image, s", ours["first_image"], 0.5)
    bar("first image, MB", ours["first_peak_mb"], 120)
    for number in ("first_image", "first_peak_mb"):
        bar(f"{number} beside SavedModel", ours[number] / contenders["SavedModel"][number], 0.1)
    return lines


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser("python -m benchmarks.inference", "Measure every way to run a decoder.")
    return parse_shared(parser, argv, "inference")


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    args = parse_args(argv)
    folder = args.runs / "inference" if args.quick else args.runs
    operations = prepare(folder)
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if args.quick else (ROUNDS, SECONDS)
    pythons = find_pythons(install=not args.quick)
    record = {"quick": args.quick, "machine": machine(), "torch": TORCH, "flops": operations}
    record["openvino"] = OPENVINO
    record |= measure_all(folder, pythons, rounds=rounds, seconds=seconds)
    args.results.parent.mkdir(parents=True, exist_ok=True)
    append_record(args.results, record)
    print(table(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
