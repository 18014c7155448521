"""A look at the bytes of an ONNX model before onnxruntime sees them.

onnxruntime trusts what it loads: a few bytes can make it read other files, take gigabytes or end
the process. The scan reads the protobuf wire format itself and lets pass what exports of image
models consist of: plain tensors inside the file, and nodes of listed operators without subgraphs.
It does not bound what those operators cost; ``quarantine.py`` does, in a process with limits.
Field numbers are those of onnx.proto (ONNX 1.23).
"""

import math
from collections.abc import Iterator
from typing import NoReturn

_LISTED = """
Abs Add And AveragePool BatchNormalization Cast Clip Concat Constant Conv ConvTranspose
DepthToSpace Div Elu Equal Erf Exp Flatten Gather Gemm GlobalAveragePool GlobalMaxPool Greater
HardSigmoid Identity InstanceNormalization LayerNormalization LeakyRelu Less Log LogSoftmax
MatMul Max MaxPool Min Mul Neg Not OneHot Or PRelu Pad Pow Reciprocal ReduceMax ReduceMean
ReduceMin ReduceSum Relu Reshape Resize Selu Shape Sigmoid Slice Softmax Softplus Softsign Split
Sqrt Squeeze Sub Tanh Transpose Unsqueeze Where
"""
OPERATORS = frozenset(_LISTED.split())
"""What a model may compute with. Control flow, randomness, text, and operators that make large
tensors of a few numbers (``Expand``, ``Tile``, ``ConstantOfShape``, ``Range``) are not listed."""

MAX_NODES = 10_000
MAX_ELEMENTS = 2**27
MAX_RANK = 8

Field = tuple[int, int | memoryview]

_MODEL, _GRAPH, _NODE = (
    frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14}),
    frozenset({1, 2, 5, 10, 11, 12, 13}),
    frozenset({1, 2, 3, 4, 5, 6, 7}),
)
_ATTRIBUTE, _TENSOR = frozenset({1, 2, 3, 4, 5, 7, 8, 13, 20}), frozenset({1, 2, 4, 5, 7, 8, 9, 12})
"""Fields that are let pass. Left out, among others: functions (25), training (20), subgraphs (6 and
11), sparse tensors (15, 22, 23), external data (13 and 14 of a tensor) and references (21)."""

_ITEM_BYTES = {1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1, 11: 8}
"""TensorProto data types that occur (float, uint8, int8, int32, int64, bool, double) → bytes."""

_TYPED = {1: {4}, 2: {5}, 3: {5}, 6: {5}, 7: {7}, 9: {5}, 11: set[int]()}
"""Data type → the field that may hold its values instead of raw bytes."""


def scan(content: bytes) -> None:
    """See that a model consists of nothing but what is let pass.

    Args:
        content: of the ``.onnx`` file.

    Raises:
        ValueError: it does not; the message says what is there.
    """
    graphs = []
    for number, value in _fields(memoryview(content)):
        _check_field("model", number, _MODEL)
        if number == 7:
            graphs.append(_bytes(value))
        elif number == 8:
            _scan_opset(_bytes(value))
    if len(graphs) != 1:
        _refuse(f"{len(graphs)} graphs")
    _scan_graph(graphs[0])


def _scan_opset(data: memoryview) -> None:
    for number, value in _fields(data):
        if number == 1 and _text(value) not in ("", "ai.onnx"):
            _refuse(f"operators of the domain {_text(value)!r}")


def _scan_graph(data: memoryview) -> None:
    nodes = 0
    for number, value in _fields(data):
        _check_field("graph", number, _GRAPH)
        if number == 1:
            nodes += 1
            if nodes > MAX_NODES:
                _refuse(f"more than {MAX_NODES:,} nodes")
            _scan_node(_bytes(value))
        elif number == 5:
            _scan_tensor(_bytes(value))


def _scan_node(data: memoryview) -> None:
    for number, value in _fields(data):
        _check_field("node", number, _NODE)
        if number == 4 and _text(value) not in OPERATORS:
            _refuse(f"the operator {_text(value)!r}")
        elif number == 5:
            _scan_attribute(_bytes(value))
        elif number == 7 and _text(value) not in ("", "ai.onnx"):
            _refuse(f"an operator of the domain {_text(value)!r}")


def _scan_attribute(data: memoryview) -> None:
    for number, value in _fields(data):
        _check_field("attribute", number, _ATTRIBUTE)
        if number == 5:
            _scan_tensor(_bytes(value))


def _scan_tensor(data: memoryview) -> None:
    """See that a tensor's values are in the file, as many as its shape says."""
    shape: list[int] = []
    kind, raw, typed, held = 0, None, set(), 0
    for number, value in _fields(data):
        _check_field("tensor", number, _TENSOR)
        if number == 1:
            shape += _integers(value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 9:
            raw = len(_bytes(value))
        elif number in (4, 5, 7):
            typed.add(number)
            held += 1 if isinstance(value, int) else len(value)
    if kind not in _ITEM_BYTES:
        _refuse(f"a tensor of data type {kind}")
    if typed - _TYPED[kind] or (raw is not None and typed):
        _refuse("a tensor whose values are in the wrong place")
    if len(shape) > MAX_RANK or any(size < 0 for size in shape) or math.prod(shape) > MAX_ELEMENTS:
        _refuse(f"a tensor of shape {shape[: MAX_RANK + 1]}")
    _check_held(math.prod(shape), _ITEM_BYTES[kind], raw, held)


def _check_held(count: int, item: int, raw: int | None, held: int) -> None:
    """See that ``count`` values are there: as raw bytes, or typed in a byte or more each."""
    if count > held if raw is None else raw != count * item:
        _refuse(f"a tensor of {count} elements in {held if raw is None else raw} bytes")


def _fields(data: memoryview) -> Iterator[Field]:
    """The fields of a protobuf message: numbers, or views of bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            _refuse("a field without a number")
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            _refuse(f"wire type {wire}")
        if size > len(data) - at:
            _refuse("a field that goes beyond its message")
        yield number, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at == len(data) or shift >= 70:
            _refuse("a number that does not end")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value & (2**64 - 1), at


def _integers(value: int | memoryview) -> list[int]:
    """One number, or packed ones; those above 2^63 are negative."""
    numbers = [value] if isinstance(value, int) else []
    at = 0
    while not isinstance(value, int) and at < len(value) and len(numbers) <= MAX_RANK:
        number, at = _varint(value, at)
        numbers.append(number)
    return [number - 2**64 if number >= 2**63 else number for number in numbers]


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        _refuse("a number where a message or text belongs")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_bytes(value)[:80]).decode("utf-8", "replace")


def _check_field(message: str, number: int, allowed: frozenset[int]) -> None:
    if number not in allowed:
        _refuse(f"field {number} of a {message}")


def _refuse(what: str) -> NoReturn:
    raise ValueError(f"{what} is not let pass")
