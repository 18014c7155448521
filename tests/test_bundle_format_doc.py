"""``docs/bundle-format.md`` is true: its code runs, its tables and its example are the code's."""

import json
import math
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from gensuite.errors import BundleError
from gensuite.inference import bundle as bundles
from gensuite.inference import manifest as manifests
from gensuite.inference.latents import LABEL_STREAM, categorical, standard_normal, threefry2x32
from gensuite.inference.priors import GaussianPrior, MixturePrior

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "bundle-format.md").read_text(encoding="utf-8")
TOYS = {name: ROOT / "tests" / "bundles" / f"toy-{name}" for name in ("ae", "vae", "gan", "cgan")}

DRAWS = [  # seed, first image, size, stream
    (7, 0, 3, 0),
    (0, 0, 8, 0),
    (0, 61, 1, 0),
    (1, 1000, 64, 0),
    (2**32 - 1, 2**32 - 4, 7, 0),
    (20_260, 5, 512, 0),
    (3, 0, 5, 2),
]
COUNT = 3
PRIOR = GaussianPrior(
    np.array([0.5, -2.0, 11.0]),
    np.array([[44.8, 5.8, -6.8], [5.8, 70.2, -7.0], [-6.8, -7.0, 25.0]]),
)
MIXTURE = MixturePrior(
    np.array([0.2, 0.5, 0.3]),
    np.array([[0.5, -2.0], [4.0, 1.0], [0.0, 9.0]]),
    np.array([[[2.0, 0.0], [0.5, 1.5]], [[0.1, 0.0], [-0.2, 0.3]], [[1.0, 0.0], [0.0, 4.0]]]),
)
SHARES = [  # shares, seed, first image
    ([0.1] * 10, 7, 0),
    ([0.25, 0.0, 0.75], 0, 50),
    ([1.0], 1, 0),
    ([1 / 3] * 3, 2**32 - 1, 2**32 - 40),
]


def block(language: str) -> str:
    """The document's one fenced block of a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE)
    return str(found)


def section(title: str) -> str:
    """The text under a heading, up to the next one of its rank."""
    return DOCUMENT.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def table(text: str, head: str) -> list[list[str]]:
    """The cells of the table whose first head is ``head``."""
    lines = text[text.index(f"| {head} |") :].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines]


def names(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", text)


def words(text: str) -> tuple[int, int]:
    """Two words of 8 hexadecimal digits."""
    first, second = text.strip("`").split()
    return int(first, 16), int(second, 16)


def assert_same_draw(given: list[list[float]], expected: np.ndarray) -> None:
    """Assert that codes are equal to at most 1 float32 ulp, and hold no more than float32 values.

    Not to the bit, because log, cos and sin of float64 are not correctly rounded: two libraries
    (and numpy's vector units) differ in the last bits, which reaches the float32 only where the
    double lies next to the middle between two floats, and then moves it to the neighbour.
    """
    values = np.array(given, np.float64)
    assert values.shape == expected.shape
    assert (values == values.astype(np.float32)).all()
    np.testing.assert_array_max_ulp(values.astype(np.float32), expected, maxulp=1)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the document's Python code defines, run by itself."""
    path = tmp_path_factory.mktemp("document") / "draw.py"
    path.write_text(block("python"), encoding="utf-8")
    return runpy.run_path(str(path))


def javascript(expression: str) -> Any:
    """The value of an expression in the document's JavaScript, run by Node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no `node` on PATH, so the document's JavaScript cannot be run here")
    script = f"{block('js')}\nconsole.log(JSON.stringify({expression}));\n"
    done = subprocess.run(
        [node, "-"], input=script, capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def known_answers() -> list[list[tuple[int, int]]]:
    """Key, counter and words of each row of the document's table."""
    return [[words(cell) for cell in row] for row in table(section("How noise is drawn"), "Key")]


def test_known_answers_are_those_of_threefry() -> None:
    """The document's table holds the published answers, and gensuite gives them."""
    assert known_answers() == [
        [(0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)],
        [(2**32 - 1, 2**32 - 1), (2**32 - 1, 2**32 - 1), (0x1CB996FC, 0xBB002BE7)],
        [(0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)],
    ]
    for key, counter, expected in known_answers():
        found = threefry2x32(key, tuple(np.array([word], np.uint32) for word in counter))
        assert tuple(int(word[0]) for word in found) == expected


def test_python_gives_the_known_answers(python: dict[str, Any]) -> None:
    """The document's Python gives Threefry's known answers."""
    for key, counter, expected in known_answers():
        assert python["threefry2x32"](key, counter) == expected


def test_javascript_gives_the_known_answers() -> None:
    """The document's JavaScript gives Threefry's known answers."""
    inputs = [row[:2] for row in known_answers()]
    found = javascript(f"{json.dumps(inputs)}.map((row) => threefry2x32(row[0], row[1]))")
    assert [tuple(pair) for pair in found] == [expected for *_, expected in known_answers()]


@pytest.mark.parametrize(("seed", "first", "size", "stream"), DRAWS)
def test_python_draws_what_gensuite_draws(
    python: dict[str, Any], seed: int, first: int, size: int, stream: int
) -> None:
    """The document's Python draws gensuite's noise for any seed, image, size and stream."""
    drawn = [python["noise"](seed, first + row, size, stream) for row in range(COUNT)]
    assert_same_draw(drawn, standard_normal(COUNT, size, seed=seed, first=first, stream=stream))


def test_javascript_draws_what_gensuite_draws() -> None:
    """The document's JavaScript draws gensuite's noise for any seed, image, size and stream."""
    one = "Array.from(noise(seed, first + row, size, stream))"
    rows = f"Array.from({{length: {COUNT}}}, (_, row) => {one})"
    found = javascript(f"{json.dumps(DRAWS)}.map(([seed, first, size, stream]) => {rows})")
    for (seed, first, size, stream), drawn in zip(DRAWS, found, strict=True):
        assert_same_draw(drawn, standard_normal(COUNT, size, seed=seed, first=first, stream=stream))


def test_python_rounds_to_float32_half_to_even(python: dict[str, Any]) -> None:
    """The document's float32() is the cast of IEEE 754, ties and neighbours of ties included."""
    middle = 1.0 + 2.0**-24  # between 1 and the next float32
    values = [0.0, -0.1, 1e-15, 6.5, middle, middle + 2.0**-23, math.nextafter(middle, 2.0)]
    assert [python["float32"](value) for value in values] == np.float32(values).tolist()


def test_codes_of_seed_7_are_those_of_the_document() -> None:
    """The document's first two codes of seed 7 and size 3 are gensuite's, in float32's spelling."""
    printed = [line.split() for line in block("text").splitlines()]
    assert_same_draw(np.float32(printed).tolist(), standard_normal(2, 3, seed=7))
    assert printed == [[str(np.float32(number)) for number in line] for line in printed]


def test_gaussian_codes_are_those_of_gensuite(python: dict[str, Any]) -> None:
    """The document's Gaussian prior is gensuite's, but for rounding in its Cholesky factor."""
    noise = standard_normal(4, 3, seed=11)
    expected = PRIOR.codes(noise)
    mean, covariance = PRIOR.mean.tolist(), PRIOR.covariance.tolist()
    drawn = [python["gaussian_code"](mean, covariance, row) for row in noise.tolist()]
    np.testing.assert_allclose(drawn, expected, rtol=1e-6, atol=1e-6)


def test_gaussian_codes_in_javascript_are_those_of_gensuite() -> None:
    """The same prior in the document's JavaScript."""
    noise = standard_normal(4, 3, seed=11)
    prior = f"{json.dumps(PRIOR.mean.tolist())}, {json.dumps(PRIOR.covariance.tolist())}"
    found = javascript(
        f"{json.dumps(noise.tolist())}.map((row) => Array.from(gaussianCode({prior}, row)))"
    )
    np.testing.assert_allclose(found, PRIOR.codes(noise), rtol=1e-6, atol=1e-6)


def test_labels_and_components_are_those_of_gensuite(python: dict[str, Any]) -> None:
    """Exactly, in Python and in JavaScript; the shares 0, 1 and the last image included."""
    images = range(40)
    for stream in (1, 2):
        cases = [(shares, seed, first, stream) for shares, seed, first in SHARES]
        expected = [
            categorical(np.array(shares), 40, seed=seed, stream=stream, first=first).tolist()
            for shares, seed, first, stream in cases
        ]
        assert expected == [
            [python["categorical"](shares, seed, first + image, stream) for image in images]
            for shares, seed, first, stream in cases
        ]
        assert expected == javascript(
            f"{json.dumps(cases)}.map(([shares, seed, first, stream]) => Array.from("
            "{length: 40}, (_, image) => categorical(shares, seed, first + image, stream)))"
        )


def test_labels_of_seed_7_are_those_of_the_document() -> None:
    """The document's golden labels."""
    drawn = categorical(np.full(10, 0.1), 12, seed=7, stream=LABEL_STREAM)
    assert block("csv").strip() == ",".join(map(str, drawn))


def test_fitted_codes_are_those_of_gensuite(python: dict[str, Any]) -> None:
    """The document's mixture draws gensuite's codes, in Python and in JavaScript."""
    noise = standard_normal(20, 2, seed=11)
    expected = MIXTURE.codes(noise, seed=11)
    arrays = [array.tolist() for array in (MIXTURE.weights, MIXTURE.means, MIXTURE.factors)]
    drawn = [python["fitted_code"](*arrays, row, 11, i) for i, row in enumerate(noise.tolist())]
    np.testing.assert_array_max_ulp(np.float32(drawn), expected, maxulp=1)
    found = javascript(
        f"{json.dumps(noise.tolist())}.map((row, i) => "
        f"Array.from(fittedCode(...{json.dumps(arrays)}, row, 11, i)))"
    )
    np.testing.assert_array_max_ulp(np.float32(found), expected, maxulp=1)


def test_files_are_those_of_the_code() -> None:
    """The document names every file of every family's bundle and no other."""
    rows = table(section("Files"), "File")
    for family in manifests.GENERATING_HALF:
        listed = {names(name)[0] for name, of, _ in rows if of == "all" or family in of.split(", ")}
        assert listed == manifests.expected_files(family) | {manifests.MANIFEST}


def test_sections_are_those_of_the_code() -> None:
    """The document names every section of a manifest with the JSON type that the code asks for."""
    types = {"integer": int, "string": str, "object": dict}
    rows = table(section("Manifest"), "Section")
    assert {names(name)[0]: types[kind] for name, kind, _ in rows} == manifests._SECTIONS


def test_ports_are_those_of_the_code() -> None:
    """The document's table of ports is the code's."""
    stated: dict[str, Any] = {}
    for family, model, inputs, outputs in table(section("Models and ports"), "Family"):
        sides = {"inputs": names(inputs), "outputs": names(outputs)}
        stated.setdefault(family, {})[names(model)[0]] = sides
    for family in manifests.GENERATING_HALF:
        ports = manifests.expected_ports(family, 2, (8, 8, 1), classes=0)
        assert stated[family] == {
            model: {side: list(found) for side, found in sides.items()}
            for model, sides in ports.items()
        }


def test_the_example_is_a_manifest() -> None:
    """The document's example, spelled canonically, passes the reader, its own hash included."""
    example = json.loads(block("json"))
    assert manifests.check_manifest(manifests.canonical(example)) == example
    example["seed"] += 1
    with pytest.raises(BundleError, match="own sha256"):
        manifests.check_manifest(manifests.canonical(example))


def structure(values: Any) -> Any:
    """Members, all the way down to numbers, texts and lists, of which the type alone counts."""
    if not isinstance(values, dict):
        return type(values)
    return {name: structure(value) for name, value in values.items()}


def test_the_example_is_what_export_writes_today(exported: dict[str, Path]) -> None:
    """Every member of it is in the manifest of a run exported now, and no other."""
    written = json.loads((exported["ae"] / manifests.MANIFEST).read_bytes())
    assert structure(json.loads(block("json"))) == structure(written)


def test_sections_that_are_not_in_every_manifest_are_read_as_the_document_says() -> None:
    """Scores and health of the document's words pass; without what it asks for they do not."""
    optional = {names(name)[0] for name, *_ in table(section("Manifest"), "Section, if measured")}
    assert optional == {"scores", "health"}
    example = json.loads(block("json"))
    number = {"value": 1.5, "low": 1, "high": 2}
    score = number | {"floor": number, "protocol": {"seed": 0}}
    every_class = {side: [0.5, 0.5] for side in number} | {"protocol": {}}
    group = {"frechet": score, "class_shares": every_class}
    scores = {"samples": group, "other_priors": {"fitted": group}, "not_measured": {"holes": "no"}}

    def check(**changed: Any) -> None:
        values = {name: value for name, value in (example | changed).items() if name != "sha256"}
        values["sha256"] = manifests.sha256(manifests.canonical(values))
        manifests.check_manifest(manifests.canonical(values))

    check(scores=scores)
    for broken in (number, score | {"floor": {}}, score | {"low": [1]}, score | {"value": True}):
        for place in ({"samples": {"kid": broken}}, {"other_priors": {"x": {"kid": broken}}}):
            with pytest.raises(BundleError, match="manifest.json: a field is missing or wrong"):
                check(scores=scores | place)
    for limit in manifests.LIMITS:
        with pytest.raises(BundleError, match="manifest.json: "):
            check(
                health={name: value for name, value in example["health"].items() if name != limit}
            )


@pytest.mark.parametrize("family", TOYS)
def test_own_hash_can_be_checked_as_text(family: str) -> None:
    """Cutting the member out of the text gives the manifest's own hash, as the document says."""
    text = (TOYS[family] / manifests.MANIFEST).read_text(encoding="utf-8")
    own = json.loads(text)["sha256"]
    member = f',"sha256":"{own}"'
    assert f"`{member.replace(own, 'H')}`" in section("Hashes and identity")
    assert text.count(member) == 1
    assert manifests.sha256(text.replace(member, "").encode()) == own


@pytest.mark.parametrize("family", TOYS)
def test_arrays_are_those_of_the_document(family: str) -> None:
    """Every array of a bundle is in the document with its type and its number of dimensions."""
    bundle = bundles.read(TOYS[family])
    stated = {
        (file.strip("`"), name): (kind, shape)
        for cell, file, kind, shape in table(section("Arrays"), "Array")
        for name in names(cell)
    }
    for file in (name for name in bundle.files if name.endswith(".npz")):
        for name, values in bundle.arrays(file).items():
            kind, shape = stated[file, re.sub(r"^history\..*", "history.COLUMN", name)]
            assert values.dtype.name in kind
            assert values.ndim == len([part for part in shape.split(")")[0].split(",") if part])


@pytest.mark.parametrize("family", TOYS)
def test_onnx_metadata_are_those_of_the_document(family: str) -> None:
    """An ONNX file carries the keys that the document lists and no others."""
    keys = {names(row[0])[0] for row in table(section("Models and ports"), "Key")}
    for name, content in bundles.read(TOYS[family]).models.items():
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        found = session.get_modelmeta()
        assert found.custom_metadata_map.keys() == keys
        assert found.custom_metadata_map["gensuite.description"] == found.description
        assert (found.graph_name, found.producer_name, found.version) == (name, "gensuite", 1)


def test_error_codes_are_those_of_the_code() -> None:
    """Each of a ``BundleError``'s codes is in the document's list of checks."""
    checks = section("What a reader checks")
    codes = set(
        re.findall(r'(?:BundleError|_refuse)\(\s*"(\w+)"', Path(bundles.__file__).read_text())
    )
    assert codes <= {code for found in re.findall(r"\((`\w+`)\)", checks) for code in names(found)}
