"""ONNX: conversion, self-description, and the first half of the gate."""

from collections.abc import Mapping
from typing import Any

import onnx
import tensorflow as tf
import tf2onnx

from export.subpixel import rewrite_transposed
from gensuite.errors import ParityError
from gensuite.version import __version__

OPSET = 18
"""The newest that tf2onnx 1.17 writes; with IR 8, onnxruntime since 1.15 and browsers load it."""


def to_onnx(endpoint: Any, role: str, ports: Mapping[str, Any], facts: Mapping[str, str]) -> bytes:
    """Convert an endpoint of the model and check what came out.

    Args:
        endpoint: a ``tf.function`` with an input signature, returning a dict.
        role: ``decoder``, ``generator`` or ``encoder``; names the graph.
        ports: the ``inputs`` and ``outputs`` it must have.
        facts: metadata for the file.

    Returns:
        The ONNX file.

    Raises:
        ParityError: the converter wrote a file that is not a valid model. (It does not raise on
            an operation it cannot convert.)
    """
    tf.get_logger().setLevel("ERROR")
    model, _ = tf2onnx.convert.from_function(
        endpoint, input_signature=endpoint.input_signature, opset=OPSET
    )
    rewrite_transposed(model)
    graph = model.graph
    graph.name = role
    graph.doc_string = ""
    for port in (*graph.input, *graph.output):
        port.type.tensor_type.shape.dim[0].dim_param = "batch"
    _rename_inner(graph)
    standard = [opset for opset in model.opset_import if not opset.domain]
    del model.opset_import[:]
    model.opset_import.extend(standard)  # the converter also lists domains that no node uses
    model.producer_name = "gensuite"
    model.producer_version = __version__
    model.model_version = 1
    model.doc_string = facts["description"]
    onnx.helper.set_model_props(model, {f"gensuite.{k}": v for k, v in sorted(facts.items())})
    _check(model, role, ports)
    return model.SerializeToString(deterministic=True)


def _rename_inner(graph: onnx.GraphProto) -> None:
    """Number nodes, weights and inner tensors in their order.

    The converter names them after Keras' layers, whose names count what else the process has
    built; one checkpoint would not always give the same bytes.
    """
    del graph.value_info[:]
    names = {port.name: port.name for port in (*graph.input, *graph.output)} | {"": ""}
    for index, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{index}"
        for side in (node.input, node.output):
            for place, name in enumerate(side):
                side[place] = names.setdefault(name, f"tensor_{len(names)}")
    weights = sorted(graph.initializer, key=lambda weight: list(names).index(weight.name))
    for weight in weights:
        weight.name = names[weight.name]
    del graph.initializer[:]
    graph.initializer.extend(weights)


def _check(model: onnx.ModelProto, role: str, ports: Mapping[str, Any]) -> None:
    try:
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ParityError(f"{role}.onnx: not valid ONNX ({reason}); change that layer") from None
    domains = {node.domain for node in model.graph.node} - {""}
    names = [port.name for port in (*model.graph.input, *model.graph.output)]
    if domains or model.functions or sorted(names) != sorted([*ports["inputs"], *ports["outputs"]]):
        raise ParityError(
            f"{role}.onnx: domains {domains or 'none'} and ports {names} are not ours"
        )
