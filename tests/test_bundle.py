"""The bundle: read whole, hashed, or refused with a code."""

import hashlib
import json
import os
import shutil

import numpy as np
import pytest

from gensuite.errors import BundleError, BundleNotFoundError
from gensuite.inference import bundle as bundles
from gensuite.inference import manifest as manifests
from gensuite.inference.training_history import check_training
from tests.conftest import BUNDLES, parts_of


@pytest.fixture
def copy(toy_bundle, tmp_path):
    return shutil.copytree(toy_bundle, tmp_path / "toy")


def refused(path):
    with pytest.raises(BundleError) as caught:
        bundles.read(path)
    assert "\n" not in str(caught.value)
    return caught.value.code


def rewrite(path, change):
    """Alter a manifest and give it a right sha256 again, as an attacker would."""
    manifest = json.loads((path / "manifest.json").read_bytes())
    change(manifest)
    manifest.pop("sha256", None)
    manifest["sha256"] = manifests.sha256(manifests.canonical(manifest))
    (path / "manifest.json").write_bytes(manifests.canonical(manifest))


def test_a_bundle_is_read_and_identified_by_its_manifest_file(any_toy):
    bundle = bundles.read(any_toy)
    content = (any_toy / "manifest.json").read_bytes()

    assert bundle.identity == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert bundle.files.keys() == {path.name for path in any_toy.iterdir()}
    assert bundle.image_shape == (8, 8, 1)
    assert bundle.latent_size == 2


def test_the_manifest_carries_the_sha256_of_the_rest_of_itself(toy_bundle):
    manifest = json.loads((toy_bundle / "manifest.json").read_bytes())
    own = manifest.pop("sha256")

    assert own == hashlib.sha256(manifests.canonical(manifest)).hexdigest()


def test_every_missing_file_is_named(toy_bundle, tmp_path):
    for name in bundles.read(toy_bundle).manifest["files"]:
        path = shutil.copytree(toy_bundle, tmp_path / f"without-{name}")
        (path / name).unlink()
        with pytest.raises(BundleError, match=f"{name} is missing") as caught:
            bundles.read(path)
        assert caught.value.code == "missing"


def test_a_flipped_bit_in_any_file_is_found(toy_bundle, tmp_path):
    for name in bundles.read(toy_bundle).files:
        path = shutil.copytree(toy_bundle, tmp_path / f"altered-{name}")
        content = bytearray((path / name).read_bytes())
        content[len(content) // 2] ^= 1
        (path / name).write_bytes(content)
        assert refused(path) in ("hash", "manifest", "schema")


def test_an_extra_file_is_refused(copy):
    (copy / "notes.txt").write_text("hello")

    assert refused(copy) == "extra"


def test_a_longer_file_is_refused_by_its_size(copy):
    with (copy / "codes.npz").open("ab") as stream:
        stream.write(b"x")

    assert refused(copy) == "size"


def test_a_link_is_refused_even_to_the_right_bytes(copy, tmp_path):
    moved = tmp_path / "elsewhere.npz"
    (copy / "codes.npz").rename(moved)
    (copy / "codes.npz").symlink_to(moved)

    assert refused(copy) == "link"


def test_a_pipe_is_refused_without_waiting_for_a_writer(copy):
    (copy / "codes.npz").unlink()
    os.mkfifo(copy / "codes.npz")

    assert refused(copy) == "link"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]\n",
        b"null\n",
        b'{"a":NaN}\n',
        b'{"a":1,"a":1}\n',
        b"[" * 100_000,
        b'{"a": 1}\n',
        b"\xff\xfe",
    ],
)
def test_a_manifest_that_is_not_canonical_json_is_refused(copy, content):
    (copy / "manifest.json").write_bytes(content)

    assert refused(copy) in ("manifest", "schema")


def set_in(*keys, value):
    def change(manifest):
        for key in keys[:-1]:
            manifest = manifest[key]
        manifest[keys[-1]] = value

    return change


LISTS = {"value": [0.1], "interval": [[0.1], [0.2]], "band": [[0.1], [0.2]]}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (set_in("schema", value=1), "schema"),
        (set_in("family", value="flow"), "manifest"),
        (set_in("latent", "size", value=0), "manifest"),
        (set_in("latent", "size", value=3), "ports"),
        (set_in("latent", value={}), "manifest"),
        (set_in("latent", "prior", value="uniform"), "manifest"),
        (set_in("latent", "prior", value="gaussian"), "manifest"),
        (set_in("image", "height", value=True), "manifest"),
        (set_in("image", "range", value=[-1, 1]), "manifest"),
        (set_in("ports", "decoder", "inputs", value={}), "ports"),
        (set_in("files", "../outside", value={"bytes": 0, "sha256": ""}), "manifest"),
        (set_in("files", "codes.npz", value={"bytes": "many", "sha256": ""}), "manifest"),
        (set_in("files", "codes.npz", value=7), "manifest"),
        (set_in("latent", "classes", value=-1), "manifest"),
        (set_in("latent", "classes", value=True), "manifest"),
        (set_in("latent", "classes", value=10), "ports"),
        (set_in("latent", "classes", value=3), "manifest"),
        (set_in("dataset", "class_names", value="0123456789"), "manifest"),
        (set_in("dataset", "class_names", value=[1, 2]), "manifest"),
        (set_in("health", "empty", "sentence", value=None), "manifest"),
        (set_in("health", "empty", "headline", value="5%"), "manifest"),
        (set_in("health", "empty", "headline", value={"value": 0.1}), "manifest"),
        (set_in("health", "empty", "headline", value=LISTS), "manifest"),
        (set_in("health", "empty", "headline", "value", value="0.1"), "manifest"),
        (set_in("health", "empty", "headline", "value", value=10**400), "manifest"),
        (set_in("health", "empty", "headline", "interval", value=[0.1]), "manifest"),
        (set_in("health", "empty", "headline", "interval", value="01"), "manifest"),
        (set_in("health", "empty", "headline", "band", value=[0.1, None]), "manifest"),
        (set_in("health", "empty", "headline", "band", value={"0": 0, "1": 1}), "manifest"),
    ],
)
def test_a_rehashed_manifest_that_describes_no_model_is_refused(copy, change, code):
    rewrite(copy, change)

    assert refused(copy) == code


def test_a_model_without_codes_has_no_latent_health(toy_bundle, tmp_path):
    gan = tmp_path / "gan"
    shutil.copytree(BUNDLES / "toy-gan", gan)
    health = bundles.read(toy_bundle).manifest["health"]
    rewrite(gan, set_in("health", value=health))

    assert refused(gan) == "manifest"


def test_a_limit_may_lack_its_number(copy):
    rewrite(copy, set_in("health", "uneven", "headline", value=None))

    assert bundles.read(copy).manifest["health"]["uneven"]["headline"] is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"history.kl": np.zeros(1)}, "one length"),
        ({"history.kl": np.zeros((3, 1))}, "one length"),
        ({"history.kl": np.array(["a", "b", "c"])}, "one length"),
        ({"history.epoch": np.array([1.0, np.nan, 3.0])}, "not whole numbers"),
        ({"grid_epochs": np.array([1])}, "one for each"),
        ({"grid_epochs": np.array([1.0, 2.0])}, "one for each"),
        ({"grid_epochs": np.array([[1, 2]])}, "one for each"),
        ({"grids": np.array(0, np.uint8)}, "one for each"),
        ({"grid_epochs": np.array([2, 1])}, "do not rise"),
        ({"grid_epochs": np.array([2, 2])}, "do not rise"),
        ({"grid_epochs": np.array([2, 1], np.uint64)}, "do not rise"),
        ({"grid_epochs": np.array([-1, 2])}, "do not rise"),
        ({"grid_epochs": np.array([1, 2**62])}, "do not rise"),
        ({"grids": np.zeros((2, 20, 20))}, "not pictures"),
        ({"grids": np.zeros((2, 0, 0), np.uint8)}, "not pictures"),
        ({"grids": np.zeros((2, 20), np.uint8)}, "not pictures"),
        ({"grids": np.zeros((2, 7, 20), np.uint8)}, "not pictures"),
        ({"grids": np.zeros((2, 20, 7), np.uint8)}, "not pictures"),
        ({"grids": np.zeros((2, 20, 20, 1), np.uint8)}, "not pictures"),
        ({"grids": np.zeros((2, 20, 20, 5), np.uint8)}, "not pictures"),
    ],
)
def test_a_history_that_no_page_can_draw_is_refused(changed, reason):
    good = {
        "history.epoch": np.arange(1, 4),
        "history.kl": np.ones(3),
        "grid_epochs": np.array([1, 3]),
        "grids": np.zeros((2, 20, 20), np.uint8),
    }
    check_training(good, (8, 8, 1))
    with pytest.raises(ValueError, match=reason):
        check_training(good | changed, (8, 8, 1))


def test_the_grids_of_a_colour_model_have_three_channels():
    arrays = {"grid_epochs": np.array([1]), "grids": np.zeros((1, 20, 20, 3), np.uint8)}
    check_training(arrays, (8, 8, 3))
    with pytest.raises(ValueError, match="not pictures"):
        check_training(arrays, (8, 8, 1))


def test_what_no_reader_would_take_is_not_written(toy_bundle, tmp_path, monkeypatch):
    facts, files = parts_of(bundles.read(toy_bundle))
    monkeypatch.setattr(bundles, "_MAX_MANIFEST", 1000)

    with pytest.raises(BundleError, match=r"manifest.json would have .* at most 1000 allowed"):
        bundles.write(tmp_path / "other", facts, files, replace=False)
    assert list(tmp_path.iterdir()) == []


def test_no_bundle_is_a_file_not_found(tmp_path):
    with pytest.raises(BundleNotFoundError) as caught:
        bundles.read(tmp_path)

    assert isinstance(caught.value, FileNotFoundError)
    assert isinstance(caught.value, BundleError)
    assert isinstance(caught.value, ValueError)


def test_the_golden_arrays_are_inputs_and_outputs_of_every_model(any_toy):
    bundle = bundles.read(any_toy)
    golden = bundle.arrays("golden.npz")

    expected = {
        f"{model}.{port}"
        for model, sides in bundle.ports.items()
        for side in sides.values()
        for port in side
    }
    assert golden.keys() == expected
