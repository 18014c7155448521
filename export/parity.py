"""The proof: Keras, SavedModel and ONNX give the same outputs for the same inputs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from export.saved_model import Signature
from gensuite.errors import ParityError
from gensuite.inference.runtime import OnnxBackend
from gensuite.inference.saved_model import SIGNATURES
from gensuite.verify import IMAGE_PORTS, difference

BATCHES = (1, 5, 64)
IMAGE_TOLERANCE = 1e-5
"""Largest allowed difference of an image in [0, 1]."""
ENCODER_TOLERANCE = 1e-4
"""Largest allowed difference of an encoder's port, divided by (1 + |value|)."""


def measure(
    endpoints: Mapping[str, Signature],
    saved_model: Path,
    onnx: OnnxBackend,
    inputs: Mapping[str, dict[str, np.ndarray]],
) -> dict[str, Any]:
    """Run all three on the same inputs at batch 1, 5 and 64.

    Args:
        endpoints: the Keras model's own functions.
        saved_model: folder of the SavedModel.
        onnx: the ONNX models in onnxruntime.
        inputs: model name → its input's name → 64 rows.

    Returns:
        Model → port → ``savedmodel`` and ``onnx`` → batch → largest difference from Keras, in
        the measure of :func:`gensuite.verify.difference`.

    Raises:
        ParityError: a difference is above its tolerance.
    """
    loaded = tf.saved_model.load(str(saved_model))
    evidence: dict[str, Any] = {}
    for model, rows in inputs.items():
        signature = loaded.signatures[SIGNATURES[model]]
        for batch in BATCHES:
            feed = {name: values[:batch] for name, values in rows.items()}
            tensors = {name: tf.constant(values) for name, values in feed.items()}
            expected = endpoints[SIGNATURES[model]](*tensors.values())
            others = {"savedmodel": signature(**tensors), "onnx": onnx.run(model, feed)}
            for port, value in expected.items():
                for engine, outputs in others.items():
                    found = difference(port, np.asarray(outputs[port]), value.numpy())
                    place = evidence.setdefault(model, {}).setdefault(port, {})
                    place.setdefault(engine, {})[str(batch)] = found
                    _check(f"{model} {port} at batch {batch}", engine, port, found)
    if "reconstruct" in endpoints:
        labels = {k: v for k, v in inputs["decoder"].items() if k == "label"}
        _check_reconstruct(endpoints, loaded, inputs["encoder"] | labels)
    return evidence


def _check_reconstruct(
    endpoints: Mapping[str, Signature], loaded: Any, inputs: Mapping[str, np.ndarray]
) -> None:
    """The SavedModel's third signature; in ONNX it is the decoder on the encoder's code."""
    port = "reconstruction"
    tensors = {name: tf.constant(values) for name, values in inputs.items()}
    expected = endpoints["reconstruct"](*tensors.values())[port].numpy()
    value = loaded.signatures["reconstruct"](**tensors)[port].numpy()
    _check("reconstruct", "savedmodel", port, difference(port, value, expected))


def largest(evidence: Mapping[str, Any]) -> dict[str, float]:
    """``"decoder image"`` and the like → the largest difference over engines and batches."""
    return {
        f"{model} {port}": max(d for engine in engines.values() for d in engine.values())
        for model, ports in evidence.items()
        for port, engines in ports.items()
    }


def tolerance(port: str) -> float:
    """The largest allowed difference of a port."""
    return IMAGE_TOLERANCE if port in IMAGE_PORTS else ENCODER_TOLERANCE


def _check(what: str, engine: str, port: str, found: float) -> None:
    if not found <= tolerance(port):  # also true of NaN
        raise ParityError(
            f"parity failed: {what} differs by {found:.2g} between Keras and {engine}; allowed is "
            f"{tolerance(port):g}; nothing was exported"
        )
