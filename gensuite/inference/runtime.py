"""onnxruntime, held the way a small library inside someone's app should hold it."""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gensuite.errors import BundleError, InputError
from gensuite.inference.onnx_scan import scan

# onnxruntime reads this when it is imported, and from then on it is too late to object.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

Arrays = Mapping[str, NDArray[Any]]


class Backend(Protocol):
    """Whatever can run a bundle's models."""

    @property
    def threads(self) -> int:
        """How many chunks of a large batch run side by side."""

    @property
    def one_thread(self) -> "Backend":
        """The same models for each of those chunks, which threads share."""

    def run(self, model: str, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
        """Run ``decoder``, ``generator`` or ``encoder`` on named inputs; return named outputs."""


class OnnxBackend:
    """ONNX models in onnxruntime sessions, which threads may share.

    Args:
        models: model name → ONNX bytes.
        ports: the same names → the ``inputs`` and ``outputs`` that a manifest states.
        threads: CPU threads inside one :meth:`run`.
        providers: onnxruntime execution providers, best first; the CPU when not given.

    Raises:
        InputError: a provider is not in this onnxruntime, or ``threads`` is not allowed.
        BundleError: the scan or onnxruntime refuses a model, or its ports are not those stated.
    """

    def __init__(
        self,
        models: Mapping[str, bytes],
        ports: Mapping[str, Any],
        threads: int = 1,
        providers: Sequence[str] | None = None,
    ):
        if type(threads) is not int or not 1 <= threads <= 256:
            raise InputError(f"threads: {threads!r} given; allowed is a whole number from 1 to 256")
        providers = list(providers or ["CPUExecutionProvider"])
        available = onnxruntime.get_available_providers()
        for provider in providers:
            if provider not in available:
                raise InputError(
                    f"providers: {provider!r} given; this onnxruntime has {', '.join(available)}"
                )
        self.threads = threads
        self._models, self._ports, self._providers = models, ports, providers
        self._sessions = {}
        self._outputs = {}
        for name, content in models.items():
            self._sessions[name] = open_session(name, content, threads, providers)
            _check_ports(self._sessions[name], name, ports[name])
            self._outputs[name] = list(ports[name]["outputs"])

    @cached_property
    def one_thread(self) -> "OnnxBackend":
        """Sessions of one thread, opened when a large batch first needs them."""
        if self.threads == 1:
            return self
        return OnnxBackend(self._models, self._ports, 1, self._providers)

    def run(self, model: str, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
        """Run one model; see :class:`Backend`.

        Raises:
            BundleError: onnxruntime cannot run it; as inputs are checked, the model is at fault.
        """
        names = self._outputs[model]
        try:
            outputs = self._sessions[model].run(names, inputs)
        except Exception as error:  # onnxruntime's errors share no type of their own
            reason = str(error).splitlines()[0]
            raise BundleError("model", f"{model}.onnx: cannot be run: {reason}") from None
        return dict(zip(names, outputs, strict=True))


def open_session(
    name: str,
    content: bytes,
    threads: int = 1,
    providers: Sequence[str] = ("CPUExecutionProvider",),
) -> Any:
    """A session of ``threads`` threads that leaves an idle app's memory and processor alone.

    Raises:
        BundleError: the scan or onnxruntime refuses the model.
        InputError: the first provider cannot start.
    """
    try:
        scan(content)
    except ValueError as error:
        raise BundleError(
            "graph", f"{name}.onnx: {error}; export the model again, or get it from its author"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # The arena keeps the largest batch's memory for ever, and spinning burns an idle app's CPU.
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # a refused model is reported once, by the error below
    try:
        session = onnxruntime.InferenceSession(content, options, providers=list(providers))
    except Exception as error:  # onnxruntime's errors share no type of their own
        reason = str(error).splitlines()[0]
        raise BundleError("model", f"{name}.onnx: onnxruntime refuses it: {reason}") from None
    taken = session.get_providers()[0]
    if taken != providers[0]:  # onnxruntime says so on stdout, and goes on with another
        raise InputError(
            f"providers: {providers[0]!r} given, which cannot start on this machine: {taken!r} can"
        )
    return session


def _check_ports(session: Any, name: str, ports: Mapping[str, Any]) -> None:
    for side, found in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
        actual = {port.name: [port.type, *port.shape] for port in found}
        stated = {port: [_port_type(port), *shape] for port, shape in ports[side].items()}
        if actual != stated:
            raise BundleError(
                "ports", f"{name}.onnx: its {side} are {actual}, the manifest says {stated}"
            )


def _port_type(port: str) -> str:
    return "tensor(int32)" if port == "label" else "tensor(float)"
