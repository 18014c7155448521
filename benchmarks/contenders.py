"""``python -m benchmarks.contenders NAME FOLDER``: one way to run a decoder, alone in a process.

:mod:`benchmarks.inference` prepares the folder and starts these. Nothing but numpy is imported
before a contender imports its own library, so that a process costs what that library costs;
PyTorch and onnxruntime with OpenVINO run in environments of their own.
"""

import argparse
import functools
import json
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BATCHES = (1, 64, 1024)
LEAST_CALLS = 5

Decode = Callable[[np.ndarray], np.ndarray]
"""Codes ``(count, latent_dim)`` → images ``(count, height, width, channels)`` in [0, 1]."""


def keras_predict(folder: Path) -> Decode:
    """``keras.Model.predict``, the batch in one step."""
    model = _keras_model(folder)
    return lambda z: model.predict(z, batch_size=len(z), verbose=0)


def keras_call(folder: Path) -> Decode:
    """The Keras model, called."""
    model = _keras_model(folder)
    return lambda z: model(z, training=False).numpy()


def _keras_model(folder: Path) -> Any:
    import keras

    return keras.models.load_model(folder / "decoder.keras", compile=False)


def saved_model(folder: Path) -> Decode:
    """The signature ``decode`` of the SavedModel."""
    import tensorflow as tf

    model = tf.saved_model.load(str(folder / "saved_model" / "bundle" / "1"))
    decode = model.signatures["decode"]

    def run(z: np.ndarray, _held: Any = model) -> np.ndarray:  # a signature holds its model weakly
        return decode(z=tf.constant(z))["image"].numpy()

    return run


def onnxruntime_default(folder: Path) -> Decode:
    """``session.run`` of onnxruntime with its own options: every core, spinning."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(folder / "bundle" / "decoder.onnx"), providers=["CPUExecutionProvider"]
    )
    return lambda z: session.run(["image"], {"z": z})[0]


def gensuite_one_thread(folder: Path) -> Decode:
    """``Generator.decode`` as it is loaded when nothing is said."""
    import gensuite

    return gensuite.load(folder / "bundle").decode


def gensuite_all_threads(folder: Path) -> Decode:
    """``Generator.decode`` with a thread for every core."""
    import gensuite

    return gensuite.load(folder / "bundle", threads=len(os.sched_getaffinity(0))).decode


def gensuite_openvino(folder: Path) -> Decode:
    """``Generator.decode`` with a thread for every core, by OpenVINO's execution provider."""
    import gensuite

    threads, providers = len(os.sched_getaffinity(0)), ["OpenVINOExecutionProvider"]
    return gensuite.load(folder / "bundle", threads=threads, providers=providers).decode


def torch_eager(folder: Path) -> Decode:
    """PyTorch's layers, channels first, one after another."""
    torch, network = _torch_network(folder)

    def decode(z: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(z)).permute(0, 2, 3, 1).numpy()

    return decode


def torch_compiled(folder: Path) -> Decode:
    """The same by ``torch.compile``, for each batch size anew."""
    torch, network = _torch_network(folder)
    compiled = torch.compile(network, dynamic=False)

    def decode(z: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return compiled(torch.from_numpy(z)).permute(0, 2, 3, 1).numpy()

    return decode


def _torch_network(folder: Path) -> tuple[Any, Any]:
    import torch
    from torch import nn

    from benchmarks.torch_networks import layers

    with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
        weights = [arrays[f"{index}"] for index in range(len(arrays.files))]
    return torch, nn.Sequential(*layers(weights, nn.SiLU), nn.Sigmoid()).eval()


CONTENDERS: dict[str, Callable[[Path], Decode]] = {
    "Keras predict": keras_predict,
    "Keras call": keras_call,
    "SavedModel": saved_model,
    "PyTorch eager": torch_eager,
    "PyTorch compiled": torch_compiled,
    "onnxruntime": onnxruntime_default,
    "gensuite": gensuite_one_thread,
    "gensuite, all threads": gensuite_all_threads,
    "gensuite, OpenVINO": gensuite_openvino,
}


def measure(decode: Decode, folder: Path, seconds: float) -> dict[str, Any]:
    """Time a contender at every batch size, and compare its images with Keras'.

    Returns:
        ``seconds`` for one call by batch size, median; ``difference``, the largest of a pixel;
        ``peak_mb`` of this process.
    """
    codes = np.load(folder / "codes.npy", allow_pickle=False)
    images = np.load(folder / "images.npy", allow_pickle=False)
    found = {}
    for batch in BATCHES:
        call = functools.partial(decode, codes[:batch])
        for _ in range(3):  # what compiles, compiles here
            call()
        found[str(batch)] = statistics.median(_times(call, seconds))
    difference = float(np.abs(decode(codes) - images).max())
    return {"seconds": found, "difference": difference, "peak_mb": peak_mb()}


def overhead(folder: Path, seconds: float) -> float:
    """Seconds that ``Generator.decode`` of one code takes beyond a bare ``session.run``.

    The two take turns on sessions of the same options, so that a busy machine slows both.
    """
    import gensuite
    from gensuite.inference.runtime import open_session

    generator = gensuite.load(folder / "bundle")
    session = open_session("decoder", generator.bundle.models["decoder"])
    z = np.load(folder / "codes.npy", allow_pickle=False)[:1]
    pairs = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        session.run(["image"], {"z": z})
        middle = time.perf_counter()
        generator.decode(z)
        pairs.append((middle - start, time.perf_counter() - middle))
    bare, whole = (statistics.median(times) for times in zip(*pairs, strict=True))
    return whole - bare


def profile(folder: Path, seconds: float) -> dict[str, float]:
    """Operation → its share of the time that onnxruntime spends in the decoder's operations.

    In one thread, on as many codes as :meth:`Generator.decode` gives it at a time.
    """
    import onnxruntime

    from gensuite.inference.generator import CHUNK

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    session = onnxruntime.InferenceSession(folder / "bundle" / "decoder.onnx", options)
    z = np.load(folder / "codes.npy", allow_pickle=False)[:CHUNK]
    _times(lambda: session.run(["image"], {"z": z}), seconds)
    path = Path(session.end_profiling())
    spent: Counter[str] = Counter()
    for event in json.loads(path.read_text()):
        if event["name"].endswith("_kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"]
    path.unlink()
    return {name: part / spent.total() for name, part in spent.most_common()}


def _times(call: Callable[[], object], seconds: float) -> list[float]:
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < LEAST_CALLS or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def peak_mb() -> float:
    """Most memory that this process has held, in MB.

    Of the kernel's record of this program, because ``getrusage`` also counts the program that
    started it.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))


OTHERS = {"overhead": overhead, "profile": profile}


def main() -> None:
    """Print what was measured as one line of JSON, the last of stdout."""
    parser = argparse.ArgumentParser(description="Run one contender; see the module.")
    parser.add_argument("name", choices=(*CONTENDERS, *OTHERS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, help="for each batch; one image when not given")
    args = parser.parse_args()
    if args.name in OTHERS:
        print(json.dumps(OTHERS[args.name](args.folder, args.seconds)))
        return
    decode = CONTENDERS[args.name](args.folder)
    if args.seconds is None:
        decode(np.load(args.folder / "codes.npy", allow_pickle=False)[:1])
        print(peak_mb())
    else:
        print(json.dumps(measure(decode, args.folder, args.seconds)))


if __name__ == "__main__":
    main()
