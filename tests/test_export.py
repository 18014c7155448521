"""Export: three engines agree, the bundle is whole, the same run gives the same bytes."""

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from keras import layers

import gensuite
from export.__main__ import main
from export.assemble import check_place, export_model
from export.parity import BATCHES, ENCODER_TOLERANCE, IMAGE_TOLERANCE
from export.saved_model import signatures
from export.to_onnx import to_onnx
from gensuite.config import VAEConfig
from gensuite.data.reading import open_dataset
from gensuite.errors import ConfigError, ParityError
from gensuite.inference import bundle as bundles
from gensuite.inference import manifest as manifests
from gensuite.inference.priors import GaussianPrior
from gensuite.info import description
from gensuite.models import AE, VAE
from tests.conftest import FAMILIES, python
from tests.make_toy_bundles import decoder, encoder


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def small_digits():
    return open_dataset(VAEConfig(dataset="digits", image_size=8))


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_parity_of_every_port_engine_and_batch_is_in_the_manifest(family, exported):
    manifest = bundles.read(exported[family]).manifest

    assert manifest["parity"].keys() == manifest["ports"].keys()
    for model, ports in manifest["parity"].items():
        assert ports.keys() == manifest["ports"][model]["outputs"].keys()
        for port, engines in ports.items():
            assert engines.keys() == {"savedmodel", "onnx"}
            limit = IMAGE_TOLERANCE if port == "image" else ENCODER_TOLERANCE
            for batches in engines.values():
                assert batches.keys() == {str(batch) for batch in BATCHES}
                assert all(0 <= found <= limit for found in batches.values())


def test_the_saved_model_gives_the_same_api_and_images(family, exported):
    ours = gensuite.load(exported[family])
    theirs = gensuite.load(exported[family], backend="savedmodel")

    np.testing.assert_allclose(ours.sample(70, seed=3), theirs.sample(70, seed=3), atol=1e-5)
    if family != "gan":
        images = ours.bundle.arrays("golden.npz")["encoder.image"]
        np.testing.assert_allclose(ours.encode(images), theirs.encode(images), rtol=1e-4, atol=1e-4)


def test_the_saved_model_has_named_shaped_signatures(family, exported):
    path = exported[family]
    loaded = tf.saved_model.load(str(path.parent / "saved_model" / path.name / "1"))
    size = gensuite.load(path).bundle.latent_size

    names = {"decode", "serving_default"}
    if family != "gan":
        names |= {"encode", "reconstruct"}
        reconstruct = loaded.signatures["reconstruct"].structured_outputs
        assert reconstruct["reconstruction"].shape.as_list() == [None, 28, 28, 1]
    assert loaded.signatures.keys() == names
    for name in ("decode", "serving_default"):
        signature = loaded.signatures[name]
        assert signature.structured_input_signature[1]["z"].shape.as_list() == [None, size]
        assert signature.structured_outputs["image"].shape.as_list() == [None, 28, 28, 1]


def test_an_onnx_file_says_what_it_is(family, exported):
    bundle = bundles.read(exported[family])
    for name, content in bundle.models.items():
        model = onnx.load_from_string(content)
        facts = {item.key: item.value for item in model.metadata_props}

        assert facts["gensuite.family"] == family
        assert facts["gensuite.role"] == model.graph.name == name
        assert facts["gensuite.latent_size"] == str(bundle.latent_size)
        assert facts["gensuite.dataset_licence"].startswith("CC BY 4.0")
        assert model.opset_import[0].version == 18
        assert model.ir_version == 8
        assert {node.domain for node in model.graph.node} == {""}


def test_no_random_operation_is_inside_a_model(family, exported):
    """Sampling inside an encoder or a decoder would make its outputs unrepeatable."""
    for content in bundles.read(exported[family]).models.values():
        operations = {node.op_type for node in onnx.load_from_string(content).graph.node}
        assert not [name for name in operations if "Random" in name or name == "Dropout"]


def test_what_a_bundle_holds_of_codes_history_and_pictures(family, exported):
    bundle = bundles.read(exported[family])
    training = bundle.arrays("training.npz")

    assert len(training["history.epoch"]) == 2
    assert training["grid_epochs"].tolist() == [1, 2]
    assert training["grids"].shape[0] == 2
    assert training["grids"].dtype == np.uint8
    if family == "gan":
        assert "codes.npz" not in bundle.files
        return
    codes = bundle.arrays("codes.npz")
    ports = manifests.ENCODER_OUTPUTS[family]
    assert codes.keys() == {"labels", *ports}
    assert {codes[port].dtype for port in ports} == {np.dtype(np.float16)}
    assert {codes[port].shape for port in ports} == {(297, 8)}


def test_stored_codes_are_those_of_the_exported_encoder(exported):
    """float16 keeps 3 digits."""
    generator = gensuite.load(exported["ae"])
    stored = generator.bundle.arrays("codes.npz")["z"][:32].astype(np.float32)
    images = generator.bundle.arrays("golden.npz")["encoder.image"]

    np.testing.assert_allclose(generator.encode(images), stored, rtol=2e-3, atol=2e-3)


def test_the_autoencoders_prior_is_the_gaussian_of_its_training_codes(exported):
    generator = gensuite.load(exported["ae"])
    codes = generator.encode(open_dataset("digits").floats("train"))
    fitted = GaussianPrior.fit(codes)
    stored = generator.bundle.gaussian_prior

    np.testing.assert_allclose(stored.mean, fitted.mean, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(stored.covariance, fitted.covariance, rtol=1e-3, atol=1e-3)


def test_the_card_tells_data_licence_settings_and_proof(family, exported):
    card = (exported[family] / "README.md").read_text()

    for words in ("CC BY 4.0", "1,350 train", "| latent_dim |", "largest difference", "Seed 0"):
        assert words in card


def test_latent_health_is_in_manifest_card_and_info_and_can_be_measured_again(family, exported):
    path = exported[family]
    card = (path / "README.md").read_text()
    told = description(bundles.read(path))
    if family == "gan":
        assert "health" not in bundles.read(path).manifest
        assert "Not measured: a GAN has no encoder" in card
        assert "latent health" not in told
        return
    report = gensuite.health(path)

    assert bundles.read(path).manifest["health"] == report.to_dict()
    for limit in report.limits.values():
        assert f"- {limit.sentence}\n" in card
        assert f"latent health: {limit.sentence}" in told


def test_codes_that_cannot_be_measured_do_not_stop_the_export(small_digits, tmp_path, capsys):
    model = AE(encoder("z"), decoder())
    for weights in model.encoder.weights:
        weights.assign(tf.zeros_like(weights))  # every image gets the same code
    model.compile()
    path = tmp_path / "collapsed"
    export_model(model, small_digits, path)

    assert "health" not in bundles.read(path).manifest
    assert "latent health: not measured: codes: all the same" in capsys.readouterr().out
    assert "it needs 20 test images with codes that differ" in (path / "README.md").read_text()


def test_no_path_or_date_is_in_a_bundle(family, runs, exported):
    texts = [
        (exported[family] / name).read_bytes().decode("utf-8", "replace")
        for name in ("manifest.json", "README.md")
    ]
    texts += [m.decode("latin-1") for m in bundles.read(exported[family]).models.values()]
    year = str(datetime.now(tz=UTC).year)
    for text in texts:
        assert str(runs[family].parent) not in text
        assert str(Path.cwd()) not in text
        assert f"{year}-" not in text


def test_two_processes_export_the_same_bytes(family, runs, exported, tmp_path):
    command = python("-m", "export", str(runs[family]), "--to", str(tmp_path / "twin"))
    subprocess.run(command, check=True, capture_output=True)

    assert everything(tmp_path / "twin") == everything(exported[family])


def test_a_bundle_that_is_there_is_replaced_only_by_force(runs, tmp_path, capsys):
    path = tmp_path / "mine"
    assert main([str(runs["ae"]), "--to", str(path)]) == 0
    first = everything(path)
    assert main([str(runs["vae"]), "--to", str(path)]) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert everything(path) == first
    assert main([str(runs["vae"]), "--to", str(path), "--force"]) == 0
    assert bundles.read(path).family == "vae"


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_folder_that_is_no_bundle_is_never_replaced(runs, tmp_path, force, capsys):
    (tmp_path / "thesis.tex").write_text("three years of work")
    assert main([str(runs["ae"]), "--to", str(tmp_path), *force]) == 2

    assert "is not a bundle" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("damaged", [False, True])
def test_a_damaged_bundle_is_replaced_and_the_users_files_never(exported, tmp_path, damaged):
    """A bundle with a missing or altered model may go; one with a file of somebody's may not."""
    path = shutil.copytree(exported["ae"], tmp_path / "bundle")
    if damaged:
        (path / "encoder.onnx").unlink()
        (path / "decoder.onnx").write_bytes(b"")
    check_place(path, force=True)
    (path / "notes.txt").write_text("mine")

    with pytest.raises(ConfigError, match="is not a bundle; name another folder"):
        check_place(path, force=True)


@pytest.mark.parametrize(
    "manifest", ['{"name": "a browser extension"}', "[]", "{", '{"schema": 1}']
)
def test_another_programs_manifest_makes_no_bundle(tmp_path, manifest):
    (tmp_path / "manifest.json").write_text(manifest)

    with pytest.raises(ConfigError, match="is not a bundle; name another folder"):
        check_place(tmp_path, force=True)


def test_a_folder_in_the_place_of_the_saved_model_is_never_replaced(tmp_path):
    taken = tmp_path / "saved_model" / "mine" / "1"
    taken.mkdir(parents=True)

    with pytest.raises(ConfigError, match="saved_model/mine/1 is there and is not ours"):
        check_place(tmp_path / "mine", force=True)


def test_a_run_that_is_not_there_is_refused_without_tensorflow():
    script = (
        "import sys; from export.__main__ import main; code = main(['nowhere']); "
        "assert 'tensorflow' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run(python("-c", script), capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: nowhere: no run here; python -m gensuite.train makes one"
    ]


def test_an_unfinished_run_is_exported_as_far_as_it_went(runs, tmp_path):
    run = shutil.copytree(runs["ae"], tmp_path / "unfinished")
    (run / "encodings.npz").unlink()
    assert main([str(run), "--to", str(tmp_path / "bundle")]) == 0

    assert bundles.read(tmp_path / "bundle").manifest["training"]["epochs"] == 2


def test_a_gan_that_was_stopped_is_exported_without_its_data(runs, tmp_path):
    run = shutil.copytree(runs["gan"], tmp_path / "stopped")
    (run / "encodings.npz").unlink()
    config = json.loads((run / "config.json").read_bytes())
    (run / "config.json").write_text(json.dumps(config | {"dataset": "folder:/gone"}))

    assert main([str(run), "--to", str(tmp_path / "bundle")]) == 0


def test_a_stopped_run_is_not_exported_with_other_data(runs, tmp_path, capsys):
    run = shutil.copytree(runs["ae"], tmp_path / "stopped")
    (run / "encodings.npz").unlink()
    config = json.loads((run / "config.json").read_bytes())
    (run / "config.json").write_text(json.dumps(config | {"image_size": 32}))
    record = json.loads((run / "record.json").read_bytes())

    assert record["dataset"]["image_shape"] == [28, 28, 1]
    assert main([str(run), "--to", str(tmp_path / "bundle")]) == 2
    assert "has changed since it began" in capsys.readouterr().err


def test_a_damaged_picture_of_a_run_is_named(runs, tmp_path, capsys):
    run = shutil.copytree(runs["ae"], tmp_path / "scratched")
    (run / "samples" / "epoch-00001.png").write_bytes(b"scratch")

    assert main([str(run), "--to", str(tmp_path / "bundle")]) == 2
    assert "epoch-00001.png: damaged; remove it" in capsys.readouterr().err


def test_a_link_is_never_replaced(runs, exported, tmp_path, capsys):
    (tmp_path / "link").symlink_to(exported["vae"])

    assert main([str(runs["ae"]), "--to", str(tmp_path / "link"), "--force"]) == 2
    assert "is a link" in capsys.readouterr().err
    assert bundles.read(exported["vae"]).family == "vae"


def test_a_saved_model_of_another_bundle_is_not_taken(exported, tmp_path):
    folder = tmp_path / "saved_model" / "mine"
    shutil.copytree(exported["ae"], tmp_path / "mine")
    shutil.copytree(exported["vae"].parent / "saved_model" / "vae-digits", folder)

    with pytest.raises(gensuite.BundleError, match="is of another bundle"):
        gensuite.load(tmp_path / "mine", backend="savedmodel")


def vae_with(activation):
    z = keras.Input((2,))
    image = layers.Reshape((8, 8, 1))(layers.Dense(64)(activation(layers.Dense(8)(z))))
    return VAE(encoder("mean", "log_variance"), keras.Model(z, image))


def test_an_operation_that_onnx_lacks_fails_the_export_and_leaves_nothing(tmp_path, small_digits):
    """The converter itself does not raise on exact GELU: it writes an invalid file."""
    model = vae_with(lambda x: keras.activations.gelu(x, approximate=False))

    with pytest.raises(ParityError, match=r"decoder\.onnx: not valid ONNX"):
        export_model(model, small_digits, tmp_path / "gelu")
    assert not (tmp_path / "gelu").exists()
    assert everything(tmp_path) == {}


def test_a_decoder_that_draws_random_numbers_is_not_exported(tmp_path, small_digits):
    class Jitter(layers.Layer):
        """Adds noise of its own, as no exported decoder may."""

        def call(self, x):
            return x + tf.random.normal(tf.shape(x))

    with pytest.raises(gensuite.BundleError, match="is not let pass") as refused:
        export_model(vae_with(Jitter()), small_digits, tmp_path / "noisy")
    assert refused.value.code == "graph"
    assert not (tmp_path / "noisy").exists()


def test_a_decoder_of_rounding_errors_fails_parity(tmp_path, small_digits):
    class LastDigits(layers.Layer):
        """Keeps what two runtimes round differently."""

        def call(self, x):
            large = 1e6 * tf.exp(tf.sigmoid(x))
            return large - tf.cast(tf.cast(large, tf.int32), tf.float32)

    with pytest.raises(ParityError, match="parity failed: decoder image at batch"):
        export_model(vae_with(LastDigits()), small_digits, tmp_path / "rounding")
    assert not (tmp_path / "rounding").exists()


def test_a_failed_export_leaves_the_old_bundle(tmp_path, small_digits):
    good = vae_with(keras.activations.silu)
    export_model(good, small_digits, tmp_path / "mine")
    before = everything(tmp_path)
    bad = vae_with(lambda x: keras.activations.gelu(x, approximate=False))
    with pytest.raises(ParityError):
        export_model(bad, small_digits, tmp_path / "mine", force=True)

    assert everything(tmp_path) == before


def test_networks_of_any_kind_export_from_memory(tmp_path, small_digits):
    model = AE(encoder("z"), decoder())
    model.compile()
    history = model.fit(small_digits.floats("train"), epochs=1, verbose=0).history
    identity = export_model(model, small_digits, tmp_path / "own", history=history)
    generator = gensuite.load(tmp_path / "own")

    assert generator.bundle.identity == identity
    z = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    np.testing.assert_allclose(generator.decode(z), model.decode(z), atol=1e-5)
    assert generator.manifest["training"]["config"]["network"] == "the user's own"


def test_the_place_is_checked_before_any_work(tmp_path, small_digits):
    with pytest.raises(ConfigError, match="is not a bundle's name"):
        export_model(AE(encoder("z"), decoder()), small_digits, tmp_path / "saved_model")


def test_metadata_of_a_converted_model_is_sorted_and_typed():
    model = AE(encoder("z"), decoder())
    ports = manifests.expected_ports("ae", 2, (8, 8, 1), classes=0)
    content = to_onnx(
        signatures(model)["decode"], "decoder", ports["decoder"], {"b": "2", "description": "x"}
    )
    loaded = onnx.load_from_string(content)

    assert [item.key for item in loaded.metadata_props] == ["gensuite.b", "gensuite.description"]
    assert loaded.doc_string == "x"
    assert loaded.producer_name == "gensuite"
    assert json.dumps([p.name for p in loaded.graph.input]) == '["z"]'


@pytest.mark.parametrize(
    ("kernel", "strides", "channels", "rewritten"),
    [
        (4, 2, 16, True),
        (3, 2, 20, True),
        (5, 3, 16, True),
        (2, 2, 16, True),
        ((3, 6), 2, 16, True),
        (4, 2, 3, False),
        (3, 1, 16, False),
        (4, (2, 1), 16, False),
    ],
)
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_transposed_convolution_is_exported_as_a_faster_one(
    kernel, strides, channels, rewritten, padding
):
    codes = keras.Input((2,))
    features = layers.Reshape((5, 4, 3))(layers.Dense(60)(codes))
    layer = layers.Conv2DTranspose(
        channels, kernel, strides, padding, bias_initializer="random_normal"
    )
    network = keras.Model(codes, layer(features))
    endpoint = tf.function(
        lambda z: {"image": network(z)}, input_signature=[tf.TensorSpec((None, 2), name="z")]
    )
    ports = {"inputs": {"z": [None, 2]}, "outputs": {"image": list(network.output_shape)}}
    content = to_onnx(endpoint, "decoder", ports, {"description": "x"})

    operators = [node.op_type for node in onnx.load_from_string(content).graph.node]
    assert ("ConvTranspose" not in operators) == rewritten
    z = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(["image"], {"z": z})[0], network(z), atol=1e-5)
