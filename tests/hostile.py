"""Hostile bundles, each a function of a seed: random damage, and attacks with every hash right."""

import io
import itertools
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from gensuite.inference import bundle as bundles
from gensuite.inference.bundle import Bundle
from gensuite.inference.manifest import MANIFEST, canonical, sha256
from tests.conftest import BUNDLES

TOYS = ("toy-ae", "toy-vae", "toy-gan", "toy-cgan")
Rng = np.random.Generator


def make_case(index: int, folder: Path) -> str:
    """Write case ``index`` to a folder that does not exist yet.

    Returns:
        What was done, for the message of a failed test.
    """
    rng = np.random.default_rng([7, index])
    source = bundles.read(BUNDLES / TOYS[rng.integers(len(TOYS))])
    if index % 2 == 0:
        return damage(rng, source, folder)
    attack = ATTACKS[(index // 2) % len(ATTACKS)]
    attack(rng, source, folder)
    return attack.__name__


def damage(rng: Rng, source: Bundle, folder: Path) -> str:
    """Change bytes of one file and no hash."""
    shutil.copytree(source.path, folder)
    path = folder / sorted(source.files)[rng.integers(len(source.files))]
    content = bytearray(path.read_bytes())
    at = int(rng.integers(len(content)))
    length = int(rng.integers(1, 1 + min(64, len(content) - at)))
    kind = rng.choice(["flip", "cut", "drop", "double", "noise"])
    if kind == "flip":
        content[at] ^= 1 << int(rng.integers(8))
    elif kind == "cut":
        del content[at:]
    elif kind == "drop":
        del content[at : at + length]
    elif kind == "double":
        content[at:at] = content[at : at + length]
    else:
        content[at : at + length] = bytes(255 - byte for byte in content[at : at + length])
    path.write_bytes(content)
    return f"{kind} {path.name} at {at}"


def write(folder: Path, manifest: dict[str, Any], files: dict[str, bytes]) -> None:
    """Write files and a manifest with every hash right, whatever it says."""
    facts = {key: value for key, value in manifest.items() if key != "sha256"}
    facts["files"] = {
        name: {"bytes": len(content), "sha256": sha256(content)} for name, content in files.items()
    }
    write_manifest(folder, facts, files)


def write_manifest(folder: Path, facts: dict[str, Any], files: dict[str, bytes]) -> None:
    """Write files beside a manifest that carries its own sha256."""
    facts = {key: value for key, value in facts.items() if key != "sha256"}
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    own = facts | {"sha256": sha256(text.encode())}
    whole = json.dumps(own, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    folder.mkdir(parents=True)
    for name, content in files.items():
        if name.strip(".") and "/" not in name and "\0" not in name and len(name) < 200:
            (folder / name).write_bytes(content)
    (folder / MANIFEST).write_bytes(whole.encode("utf-8", "surrogatepass"))


def parts(source: Bundle) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A deep copy of the manifest, and the files without it."""
    files = {name: content for name, content in source.files.items() if name != MANIFEST}
    return json.loads(canonical(source.manifest)), files


def half_of(source: Bundle) -> str:
    """File of the generating half."""
    return "generator.onnx" if source.family == "gan" else "decoder.onnx"


def with_model(source: Bundle, folder: Path, change: Callable[[onnx.ModelProto], Any]) -> None:
    """Write the bundle with its generating half changed."""
    manifest, files = parts(source)
    model = onnx.load_from_string(files[half_of(source)])
    changed = change(model)
    files[half_of(source)] = changed if isinstance(changed, bytes) else model.SerializeToString()
    write(folder, manifest, files)


# The file system


def link_in_place_of_a_file(rng: Rng, source: Bundle, folder: Path) -> None:
    shutil.copytree(source.path, folder)
    path = folder / str(rng.choice(sorted(source.files)))
    path.unlink()
    targets: list[Any] = [
        "/etc/passwd",
        "/dev/zero",
        "/proc/self/mem",
        source.path / path.name,
        path,
        "..",
    ]
    path.symlink_to(targets[rng.integers(len(targets))])


def pipe_in_place_of_a_file(rng: Rng, source: Bundle, folder: Path) -> None:
    shutil.copytree(source.path, folder)
    path = folder / str(rng.choice(sorted(source.files)))
    path.unlink()
    os.mkfifo(path)


def folder_in_place_of_a_file(rng: Rng, source: Bundle, folder: Path) -> None:
    shutil.copytree(source.path, folder)
    path = folder / str(rng.choice(sorted(source.files)))
    path.unlink()
    path.mkdir()


def more_or_fewer_files(rng: Rng, source: Bundle, folder: Path) -> None:
    shutil.copytree(source.path, folder)
    if rng.integers(2):
        (folder / str(rng.choice(["x.bin", ".hidden", "model.py", "a b"]))).write_bytes(b"x")
    else:
        (folder / str(rng.choice(sorted(source.files)))).unlink()


def file_names_that_lead_elsewhere(rng: Rng, source: Bundle, folder: Path) -> None:
    manifest, files = parts(source)
    old = str(rng.choice(sorted(files)))
    tricks = ["../x", "/etc/passwd", "a/../b", "x" * 300, "..", ".", "", "C:\\x", "decoder.onnx\0"]
    files[tricks[rng.integers(len(tricks))]] = files.pop(old)
    write(folder, manifest, files)


# JSON


def deep_or_broken_json(rng: Rng, source: Bundle, folder: Path) -> None:
    shutil.copytree(source.path, folder)
    depth = int(rng.integers(1_000, 200_000))
    contents = [
        b"[" * depth,
        b'{"a":' * depth + b"1" + b"}" * depth,
        b"",
        b"\xff\xfe{}",
        b"null\n",
        b"9" * depth + b"\n",
        b'{"schema":2,"schema":2}\n',
        (folder / MANIFEST).read_bytes().replace(b'"seed":', b'"seed":1,"seed":', 1),
        (folder / MANIFEST).read_bytes() + b" ",
        b" " * (9 * 2**20),
    ]
    (folder / MANIFEST).write_bytes(contents[rng.integers(len(contents))])


def a_manifest_of_wrong_kinds(rng: Rng, source: Bundle, folder: Path) -> None:
    manifest, files = parts(source)
    section = str(
        rng.choice(["family", "latent", "image", "ports", "dataset", "training", "parity"])
    )
    wrong: list[Any] = [None, [], {}, "x", -1, 1e308, True, [[[]]], {"a": {"b": []}}, 2**80]
    value = wrong[rng.integers(len(wrong))]
    inner = manifest[section]
    if isinstance(inner, dict) and inner and rng.integers(2):
        needed = {
            "latent": ["size", "prior", "classes"],
            "image": ["height", "width", "channels", "range"],
            "dataset": ["name", "licence"],
            "training": ["config"],
        }.get(section, sorted(inner))
        name = str(rng.choice(needed))
        inner[name] = {"a": 1} if isinstance(inner[name], dict | int | str) else "x"
        if section == "training":
            inner[name] = "x"
    else:
        manifest[section] = "x" if isinstance(inner, dict) and value == {} else value
        if section in ("dataset", "training", "parity", "latent", "image", "ports"):
            manifest[section] = {} if value == {"a": {"b": []}} else manifest[section]
    write(folder, manifest, files)


def numbers_that_are_none(rng: Rng, source: Bundle, folder: Path) -> None:
    manifest, files = parts(source)
    value = [float("nan"), float("inf"), -float("inf")][rng.integers(3)]
    which = int(rng.integers(7))
    score = {"value": value, "low": 0.0, "high": 1.0, "protocol": {}}
    places: list[Callable[[], Any]] = [
        lambda: manifest.__setitem__("scores", {"samples": {"frechet": score}}),
        lambda: manifest["latent"].__setitem__("size", value),
        lambda: manifest["image"].__setitem__("height", value),
        lambda: manifest["training"].__setitem__("rate", value),
        lambda: score.__setitem__("value", 10**400),
        lambda: manifest["latent"].__setitem__("gaussian", {"mean": [10**400] * 2}),
        lambda: manifest["latent"].__setitem__(
            "gaussian", {"mean": ["nan", "0"], "covariance": [[1.0, 0.0], [0.0, 1.0]]}
        ),
    ]
    if which == 4:
        manifest["scores"] = {"samples": {"frechet": score}}
    places[which]()
    write(folder, manifest, files)


def scores_of_wrong_kinds(rng: Rng, source: Bundle, folder: Path) -> None:
    manifest, files = parts(source)
    nest: list[Any] = []
    for _ in range(int(rng.integers(40, 800))):
        nest = [nest]
    wrong: list[Any] = [
        [],
        {"samples": []},
        {"samples": {"frechet": 1}},
        {"samples": {"frechet": {"value": "1", "low": 0, "high": 1, "protocol": {}}}},
        {"samples": {"frechet": {"value": [1, 2], "low": [0], "high": [1], "protocol": {}}}},
        {"other_priors": 3},
        {"not_measured": []},
        {"samples": {"frechet": {"value": True, "low": 0, "high": 1, "protocol": {}}}},
        {"samples": {"frechet": {"value": nest, "low": nest, "high": nest, "protocol": {}}}},
        {"samples": {"frechet": {"value": 0, "low": 0, "high": 1, "protocol": {"a": nest}}}},
    ]
    manifest["scores"] = wrong[rng.integers(len(wrong))]
    write(folder, manifest, files)


def ports_that_do_not_match(rng: Rng, source: Bundle, folder: Path) -> None:
    manifest, files = parts(source)
    which = rng.integers(4)
    if which == 0:
        manifest["latent"]["size"] += 1
    elif which == 1:
        manifest["image"]["height"] += int(rng.integers(1, 100))
    elif which == 2:
        half = half_of(source).removesuffix(".onnx")
        manifest["ports"][half]["inputs"]["z"] = ["batch", 3]
    else:
        others = {"ae": "vae", "vae": "ae", "gan": "ae"}
        manifest["family"] = others[source.family]
    write(folder, manifest, files)


# Arrays


NUMBERS = "{'descr': '<f8', 'fortran_order': False, 'shape': %s, }"
HEADERS = (
    NUMBERS % "(1099511627776,)",
    NUMBERS % "(0, 99999999999999999999)",
    NUMBERS % "(-10,)",
    NUMBERS % "(True, 10)",
    NUMBERS % f"({'-' * 9000}10,)",
    NUMBERS % f"{'(' * 3000}10{')' * 3000}",
    "{'descr': '|V0', 'fortran_order': False, 'shape': (1099511627776,), }",
    "{'descr': '>f8', 'fortran_order': False, 'shape': (10,), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (10,), }",
    "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (10,), }",
    "\0" * 40,
)
"""Of arrays that are none in 80 bytes."""


def arrays_that_are_no_arrays(rng: Rng, source: Bundle, folder: Path) -> None:
    manifest, files = parts(source)
    stream = io.BytesIO()
    kind = rng.integers(7)
    if kind == 0:  # a pickle, which must never be read
        np.savez(stream, allow_pickle=True, **{"decoder.z": np.array([{}], dtype=object)})
    elif kind == 1:  # a bomb
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for at in range(40):
                archive.writestr(f"a{at}.npy", bytes(2**24))
    elif kind == 2:
        header = HEADERS[rng.integers(len(HEADERS))].encode() + b"\n"
        with zipfile.ZipFile(stream, "w") as archive:
            npy = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(80)
            archive.writestr("decoder.z.npy", npy)
    elif kind == 3:
        np.savez(stream, something=np.zeros(3))
    elif kind == 4:
        stream.write(rng.bytes(int(rng.integers(0, 500))))
    elif kind == 5:
        methods = [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
        with zipfile.ZipFile(stream, "w", methods[rng.integers(2)]) as archive:
            for name, array in source.arrays("golden.npz").items():
                with archive.open(f"{name}.npy", "w") as entry:
                    np.save(entry, array)
    else:  # encrypted, of a later version, or compressed by a method that nobody knows
        content = bytearray(files["golden.npz"])
        at = content.index(b"PK\x01\x02") + int(rng.choice([6, 8, 10]))
        content[at] = 99
        stream.write(content)
    files["golden.npz"] = stream.getvalue()
    write(folder, manifest, files)


# Graphs


def bytes_that_are_no_model(rng: Rng, source: Bundle, folder: Path) -> None:
    def change(model: onnx.ModelProto) -> bytes:
        whole = model.SerializeToString()
        # A cut behind the graph leaves a model that is whole but for its notes.
        notes = onnx.ModelProto(metadata_props=model.metadata_props).SerializeToString()
        contents: list[bytes] = [
            b"",
            rng.bytes(int(rng.integers(1, 300))),
            whole[: int(rng.integers(1, len(whole) - len(notes)))],
            b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + whole,
            b"\x80" * 100,
            whole + whole,
        ]
        return contents[rng.integers(len(contents))]

    with_model(source, folder, change)


def operators_that_are_not_listed(rng: Rng, source: Bundle, folder: Path) -> None:
    names = ["Expand", "ConstantOfShape", "Tile", "Range", "RandomNormal", "StringNormalizer"]
    names += ["NonZero", "Loop", "If", "Scan", "EyeLike", "Einsum", "Attention", "\x00", "MatMul2"]

    def change(model: onnx.ModelProto) -> None:
        node = model.graph.node[rng.integers(len(model.graph.node))]
        node.op_type = str(rng.choice(names))

    with_model(source, folder, change)


def subgraphs_and_functions(rng: Rng, source: Bundle, folder: Path) -> None:
    inner = helper.make_graph([], "inner", [], [])

    def change(model: onnx.ModelProto) -> None:
        node = model.graph.node[rng.integers(len(model.graph.node))]
        which = rng.integers(6)
        if which == 0:
            node.attribute.append(helper.make_attribute("body", inner))
        elif which == 1:
            node.attribute.append(helper.make_attribute("bodies", [inner, inner]))
        elif which == 2:
            opset = [helper.make_opsetid("", 18)]
            function = helper.make_function("", "Sigmoid", ["x"], ["y"], [], opset)
            model.functions.append(function)
        elif which == 3:
            node.domain = str(rng.choice(["com.microsoft", "ai.onnx.ml", "evil", "\u202e"]))
        elif which == 4:
            model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
        else:
            model.training_info.add()

    with_model(source, folder, change)


def data_outside_the_file(rng: Rng, source: Bundle, folder: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[rng.integers(len(model.graph.initializer))]
        places = [
            "/etc/passwd",
            "../../../etc/hostname",
            "golden.npz",
            "/dev/zero",
            "/proc/self/mem",
        ]
        for key, value in (
            ("location", str(rng.choice(places))),
            ("offset", "0"),
            ("length", "64"),
        ):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
        if rng.integers(2):
            tensor.data_location = TensorProto.EXTERNAL
            tensor.ClearField("raw_data")

    with_model(source, folder, change)


def tensors_that_lie(rng: Rng, source: Bundle, folder: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[rng.integers(len(model.graph.initializer))]
        which = rng.integers(6)
        if which == 0:
            tensor.dims[0] = int(rng.choice([2**40, 2**62, -1, 0, -(2**63)]))
        elif which == 1:
            tensor.raw_data = tensor.raw_data[:-1]
        elif which == 2:
            tensor.data_type = int(rng.choice([8, 10, 14, 16, 99]))
        elif which == 3:
            tensor.float_data.append(1.0)
        elif which == 4:  # a few bytes that promise half a gigabyte
            tensor.ClearField("raw_data")
            tensor.dims[:] = [2**27]
        else:
            tensor.dims.extend([1] * 9)

    with_model(source, folder, change)


def a_small_graph(nodes: list[Any], tensors: dict[str, Any]) -> bytes:
    """A generating half that adds the number ``s`` to what the toys' ports ask for."""
    value = helper.make_tensor_value_info
    inputs = [value("z", TensorProto.FLOAT, ["batch", 2])]
    outputs = [value("image", TensorProto.FLOAT, ["batch", 8, 8, 1])]
    tail = [
        helper.make_node("MatMul", ["z", "weights"], ["flat"]),
        helper.make_node("Add", ["flat", "s"], ["moved"]),
        helper.make_node("Reshape", ["moved", "shape"], ["image"]),
    ]
    tensors = {
        **tensors,
        "weights": np.ones((2, 64), np.float32),
        "shape": np.array([-1, 8, 8, 1], np.int64),
    }
    initializers = [onnx.numpy_helper.from_array(value, name) for name, value in tensors.items()]
    graph = helper.make_graph([*nodes, *tail], "g", inputs, outputs, initializers)
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    return bytes(model.SerializeToString())


def with_small_graph(folder: Path, nodes: list[Any], tensors: dict[str, Any]) -> None:
    """Write the toy GAN with such a graph."""
    manifest, files = parts(bundles.read(BUNDLES / "toy-gan"))
    files["generator.onnx"] = a_small_graph(nodes, tensors)
    write(folder, manifest, files)


def size_bombs(rng: Rng, _: Bundle, folder: Path) -> None:
    large = int(rng.integers(60_000, 400_000))
    node = helper.make_node
    column, row = np.ones((large, 1), np.float32), np.ones((1, large), np.float32)
    huge = np.array([0, 0, 0, 0, 0, large, large, 0], np.int64)
    image = np.ones((1, 8, 8, 1), np.float32)
    scales = np.array([1, large, large, 1], np.float32)
    bombs: list[tuple[list[Any], dict[str, Any]]] = [
        ([node("Add", ["a", "b"], ["c"])], {"a": column, "b": row}),
        ([node("MatMul", ["a", "b"], ["c"])], {"a": column, "b": row}),
        ([node("Where", ["t", "a", "b"], ["c"])], {"t": column > 0, "a": column, "b": row}),
        ([node("Pad", ["x", "p"], ["c"])], {"x": image, "p": huge}),
        ([node("Resize", ["x", "", "s"], ["c"], mode="nearest")], {"x": image, "s": scales}),
        (
            [node("Conv", ["x", "w"], ["c"], pads=[large] * 4, kernel_shape=[1, 1])],
            {"x": image, "w": np.ones((1, 8, 1, 1), np.float32)},
        ),
    ]
    nodes, tensors = bombs[rng.integers(len(bombs))]
    nodes = [*nodes, node("ReduceMax", ["c"], ["s"], keepdims=0)]
    with_small_graph(folder, nodes, tensors)


def graphs_that_take_for_ever(rng: Rng, _: Bundle, folder: Path) -> None:
    side = int(rng.integers(1500, 2500))
    square = rng.random((side, side), np.float32) / side
    count = 2_000
    names = ["m", *(f"m{at}" for at in range(count))]
    nodes = [helper.make_node("MatMul", [a, "m"], [b]) for a, b in itertools.pairwise(names)]
    nodes.append(helper.make_node("ReduceMax", [names[-1]], ["s"], keepdims=0))
    with_small_graph(folder, nodes, {"m": square})


def graphs_of_other_ports(rng: Rng, source: Bundle, folder: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        graph = model.graph
        which = rng.integers(5)
        if which == 0:
            graph.output[0].name = "picture"
        elif which == 1:
            graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
        elif which == 2:
            graph.output[0].type.tensor_type.shape.dim[1].dim_value = 9
        elif which == 3:
            extra = helper.make_tensor_value_info("extra", TensorProto.FLOAT, ["batch", 1])
            graph.input.append(extra)
        else:
            graph.output.append(helper.make_tensor_value_info("z2", TensorProto.FLOAT, [1]))

    with_model(source, folder, change)


def graphs_that_do_not_hang_together(rng: Rng, source: Bundle, folder: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        nodes = model.graph.node
        which = rng.integers(4)
        if which == 0:
            nodes[rng.integers(len(nodes))].input[0] = "nowhere"
        elif which == 1:
            nodes[0].input[0] = nodes[-1].output[0]
        elif which == 2:
            del nodes[rng.integers(len(nodes))]
        else:
            nodes.extend([helper.make_node("Identity", ["z"], [f"n{at}"]) for at in range(10_001)])

    with_model(source, folder, change)


ATTACKS: tuple[Callable[[Rng, Bundle, Path], None], ...] = (
    link_in_place_of_a_file,
    pipe_in_place_of_a_file,
    folder_in_place_of_a_file,
    more_or_fewer_files,
    file_names_that_lead_elsewhere,
    deep_or_broken_json,
    a_manifest_of_wrong_kinds,
    numbers_that_are_none,
    scores_of_wrong_kinds,
    ports_that_do_not_match,
    arrays_that_are_no_arrays,
    bytes_that_are_no_model,
    operators_that_are_not_listed,
    subgraphs_and_functions,
    data_outside_the_file,
    tensors_that_lie,
    size_bombs,
    graphs_of_other_ports,
    graphs_that_do_not_hang_together,
)
"""All but the slow ones, which take the whole deadline each."""
SLOW_ATTACKS = (graphs_that_take_for_ever,)
