"""Transposed convolutions of an ONNX graph, written as convolutions whose channels become pixels.

The two are the same sum (Shi et al. 2016, "Is the deconvolution layer the same as a convolutional
layer?"). With stride s, pixel s·p + r of the whole result is Σ_t x[p - t] · w[s·t + r], so each of
the s·s places r is a convolution of its own, and together they are one with s·s times the channels.
onnxruntime has a fast path on the CPU for convolutions, and none for transposed ones.
"""

from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

LEAST_CHANNELS = 16
"""Channels of a result that are worth it; fewer are slower in the path for many."""


def rewrite_transposed(model: onnx.ModelProto) -> None:
    """Write the transposed convolutions of a model as convolutions, in place, where that is faster.

    These have fixed weights and sizes, the same stride of 2 or more in both directions, no groups
    or dilations, and at least :data:`LEAST_CHANNELS` channels in their result. Others stay.

    Args:
        model: as the converter wrote it.
    """
    graph, shapes = model.graph, _shapes(model)
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes: list[NodeProto] = []
    for node in graph.node:
        transposed = _read(node, weights, shapes)
        if transposed is None:
            nodes.append(node)
        else:
            written, constants = _convolution(transposed, node)
            nodes += written
            graph.initializer.extend(constants)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)


class _Transposed(NamedTuple):
    """A transposed convolution, its kernel ``(in, out, height, width)`` padded to whole strides."""

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    stride: int
    whole: list[int]
    """Height and width of the result before its margins are cut."""
    first: list[int]
    last: list[int]
    """Row and column of the whole result where the result begins, and before which it ends."""


def _read(
    node: NodeProto, weights: dict[str, NDArray[np.float32]], shapes: dict[str, list[int]]
) -> _Transposed | None:
    """What a node computes, or None for one that stays as it is."""
    if node.op_type != "ConvTranspose" or any(name not in weights for name in node.input[1:]):
        return None
    found = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    kernel, *bias = (weights[name] for name in node.input[1:])
    strides = found.get("strides", [])
    if len(strides) != 2 or strides[0] != strides[1] or strides[0] < 2 or "pads" not in found:
        return None
    if found.get("group", 1) != 1 or set(found.get("dilations", [1])) != {1}:
        return None
    given, wanted = (shapes[name][2:] for name in (node.input[0], node.output[0]))
    if kernel.shape[1] < LEAST_CHANNELS or 0 in (*given, *wanted):
        return None
    stride = strides[0]
    missing = [-size % stride for size in kernel.shape[2:]]
    kernel = np.pad(kernel, [(0, 0), (0, 0), *((0, rows) for rows in missing)])
    whole = [
        stride * (size - 1) + length for size, length in zip(given, kernel.shape[2:], strict=True)
    ]
    first = found["pads"][:2]
    last = [start + size for start, size in zip(first, wanted, strict=True)]
    if any(end > size for end, size in zip(last, whole, strict=True)):
        return None
    return _Transposed(kernel, bias[0] if bias else None, stride, whole, first, last)


def _convolution(
    transposed: _Transposed, node: NodeProto
) -> tuple[list[NodeProto], list[TensorProto]]:
    """The nodes and constants that stand for a transposed convolution.

    ``DepthToSpace`` would be one node for four, and is three times as slow: it moves single
    numbers, and these transpositions whole rows of channels.
    """
    kernel, bias, stride, (height, width), first, last = transposed
    given, channels, *size = kernel.shape
    taps = [length // stride for length in size]
    parts = kernel.reshape(given, channels, taps[0], stride, taps[1], stride)
    parts = parts[:, :, ::-1, :, ::-1].transpose(3, 5, 1, 0, 2, 4)
    result = node.output[0]
    constants = {
        "weights": parts.reshape(stride * stride * channels, given, *taps),
        "apart": np.array([-1, height // stride, width // stride, stride, stride * channels]),
        "pixels": np.array([-1, height, width, channels]),
        "first": np.array(first),
        "last": np.array(last),
        "axes": np.array([1, 2]),
    }
    if bias is not None:
        constants["bias"] = np.tile(bias, stride * stride)
    filters: list[str] = ["weights"] if bias is None else ["weights", "bias"]
    margins = [tap - 1 for tap in taps] * 2
    steps: list[tuple[str, list[str], dict[str, Any]]] = [
        ("Conv", filters, {"kernel_shape": taps, "pads": margins}),
        ("Transpose", [], {"perm": [0, 2, 3, 1]}),
        ("Reshape", ["apart"], {}),
        ("Transpose", [], {"perm": [0, 1, 3, 2, 4]}),
        ("Reshape", ["pixels"], {}),
        ("Slice", ["first", "last", "axes"], {}),
        ("Transpose", [], {"perm": [0, 3, 1, 2]}),
    ]
    result, nodes = node.output[0], []
    between = [node.input[0], *(f"{result}/{index}" for index in range(1, len(steps))), result]
    for index, (operator, names, attributes) in enumerate(steps):
        inputs = [between[index], *(f"{result}/{name}" for name in names)]
        nodes.append(helper.make_node(operator, inputs, [between[index + 1]], **attributes))
    tensors = [
        numpy_helper.from_array(np.ascontiguousarray(array), f"{result}/{name}")
        for name, array in constants.items()
    ]
    return nodes, tensors


def _shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    """Name → sizes of every tensor, 0 for one that is open."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    return {
        value.name: [size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
    }
