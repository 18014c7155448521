"""Conditional models, from the labels of a data set to ``sample(label=...)``."""

import itertools

import numpy as np
import pytest
from PIL import Image

import gensuite
from export import export_model
from gensuite import sample
from gensuite.config import VAEConfig
from gensuite.data.reading import open_dataset
from gensuite.errors import ConfigError, InputError
from gensuite.inference import bundle as bundles
from gensuite.inference.latents import LABEL_STREAM, categorical
from gensuite.models import GAN, VAE
from gensuite.train import main as train_main
from tests.conftest import BUNDLES
from tests.make_toy_bundles import decoder, discriminator, encoder


@pytest.fixture(scope="module")
def cgan():
    return gensuite.load(BUNDLES / "toy-cgan")


@pytest.fixture(scope="module")
def small_digits():
    return open_dataset(VAEConfig(dataset="digits", image_size=8))


def test_labels_follow_the_class_shares_of_stream_1(cgan):
    """4 standard errors of a share of a tenth in 20,000 draws are 0.0085."""
    shares = np.array(cgan.manifest["dataset"]["class_shares"])
    labels = cgan.labels(20_000, seed=3)

    assert labels.dtype == np.int32
    assert np.array_equal(labels, categorical(shares, 20_000, seed=3, stream=LABEL_STREAM))
    assert np.abs(np.bincount(labels, minlength=10) / 20_000 - shares).max() < 0.0085
    assert cgan.labels(12, seed=7).tolist() == [0, 4, 4, 2, 9, 4, 5, 3, 1, 7, 4, 8]


def test_a_label_depends_on_seed_and_index_alone():
    shares = np.full(10, 0.1)
    whole = categorical(shares, 200, seed=11, stream=LABEL_STREAM)

    later = categorical(shares, 130, seed=11, stream=LABEL_STREAM, first=70)
    assert np.array_equal(whole[70:], later)
    assert not np.array_equal(whole, categorical(shares, 200, seed=12, stream=LABEL_STREAM))
    last = categorical(shares, 1, seed=2**32 - 1, stream=LABEL_STREAM, first=2**32 - 1)
    assert 0 <= last[0] < 10


def test_a_class_without_a_share_is_never_drawn():
    drawn = categorical(np.array([0.0, 0.5, 0.0, 0.5, 0.0]), 2000, seed=0, stream=LABEL_STREAM)

    assert set(drawn.tolist()) == {1, 3}


def test_samples_are_of_the_drawn_labels_unless_one_is_asked_for(cgan):
    codes, labels = cgan.draw(100, seed=4), cgan.labels(100, seed=4)
    threes = cgan.sample(100, seed=4, label=3)

    assert np.array_equal(cgan.sample(100, seed=4), cgan.decode(codes, label=labels))
    assert np.array_equal(cgan.sample(100, seed=4, label=labels), cgan.sample(100, seed=4))
    assert np.array_equal(threes, cgan.decode(codes, label=3))
    assert np.array_equal(threes, cgan.sample(100, seed=4, label=np.full(100, 3, np.uint8)))
    assert np.array_equal(threes[labels == 3], cgan.sample(100, seed=4)[labels == 3])
    assert not np.array_equal(threes, cgan.sample(100, seed=4, label=4))
    assert np.array_equal(cgan.sample(70, seed=4, label=3), threes[:70])


def test_a_stream_of_one_label_takes_no_memory_for_all_of_them(cgan):
    """2^32 labels of their own would be 17 GB."""
    chunks = list(itertools.islice(cgan.stream(2**32, seed=1, label=3), 2))

    assert np.array_equal(np.concatenate(chunks), cgan.sample(64, seed=1, label=3))


def test_interpolation_takes_a_label(cgan):
    start, end = cgan.draw(2, seed=5)
    path = cgan.interpolate(start, end, 5, label=3)

    np.testing.assert_allclose(path[[0, -1]], cgan.decode([start, end], label=3), atol=1e-6)


@pytest.mark.parametrize(
    "label",
    [
        -1,
        10,
        2**40,
        3.0,
        True,
        "3",
        [3],
        [3, 3, 3],
        [[3, 3]],
        [3, 10],
        [3.0, 3.0],
        np.nan,
        object(),
    ],
)
def test_a_bad_label_is_refused_at_the_call(cgan, label):
    for ask in (cgan.sample, cgan.stream):
        with pytest.raises(InputError, match=r"^label: .* a whole number from 0 to 9") as caught:
            ask(2, label=label)
        assert "\n" not in str(caught.value)


def test_decoding_does_not_guess_a_label(cgan):
    with pytest.raises(InputError, match="label: None given"):
        cgan.decode(cgan.draw(2))


def test_a_model_without_labels_refuses_one():
    vae = gensuite.load(BUNDLES / "toy-vae")
    for ask in (vae.sample, vae.stream):
        with pytest.raises(InputError, match="label: 3 given; this model was trained without"):
            ask(2, label=3)
    with pytest.raises(InputError, match="was trained without labels"):
        vae.decode(np.zeros((1, 2)), label=3)
    with pytest.raises(InputError, match="was trained without labels"):
        vae.labels(2)


def test_the_command_draws_the_class_it_is_told(cgan, tmp_path, capsys):
    out = tmp_path / "threes.png"
    words = [str(cgan.bundle.path), "--count", "4", "--out", str(out)]
    assert sample.main([*words, "--label", "3"]) == 0
    from gensuite.inference.images import grid

    expected = grid(cgan.sample(4, label=3))
    assert np.array_equal(np.asarray(Image.open(out)), np.asarray(expected))
    capsys.readouterr()
    for wrong in (["--label", "10"], ["--label", "-1"], ["--label", "three"]):
        assert sample.main([*words, *wrong]) == 2
    assert sample.main([str(BUNDLES / "toy-vae"), "--label", "3"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 4
    assert all(line.startswith("error: ") for line in errors)


def test_a_conditional_run_exports_with_parity_and_a_label_port(conditional_bundle):
    bundle = bundles.read(conditional_bundle)
    golden = bundle.arrays("golden.npz")

    assert bundle.classes == 10
    assert bundle.ports["generator"]["inputs"] == {"z": ["batch", 64], "label": ["batch"]}
    assert set(golden) == {"generator.z", "generator.label", "generator.image"}
    ours = gensuite.load(conditional_bundle)
    assert golden["generator.label"].dtype == np.int32
    assert np.array_equal(golden["generator.label"], ours.labels(32, seed=0))
    np.testing.assert_allclose(golden["generator.image"], ours.sample(32, seed=0), atol=1e-4)


def test_the_saved_model_takes_labels_too(conditional_bundle):
    ours = gensuite.load(conditional_bundle)
    theirs = gensuite.load(conditional_bundle, backend="savedmodel")

    for label in (None, 3):
        np.testing.assert_allclose(
            ours.sample(70, seed=3, label=label), theirs.sample(70, seed=3, label=label), atol=1e-5
        )


def test_a_conditional_vae_exports_and_reconstructs_with_labels(small_digits, tmp_path):
    model = VAE(encoder("mean", "log_variance"), decoder(10), classes=10)
    model.compile()
    images, labels = small_digits.floats("test")[:70], small_digits.labels["test"][:70]
    model.fit(images, labels, verbose=0)
    export_model(model, small_digits, tmp_path / "cvae")
    for backend in ("onnx", "savedmodel"):
        generator = gensuite.load(tmp_path / "cvae", backend=backend)
        np.testing.assert_allclose(
            generator.reconstruct(images, label=labels), model(images, labels), atol=1e-5
        )
        assert generator.sample(3, prior="fitted", label=[1, 2, 3]).shape == (3, 8, 8, 1)


def test_export_refuses_data_of_other_classes(small_digits, tmp_path):
    model = GAN(decoder(4), discriminator(4), classes=4)
    with pytest.raises(ConfigError, match="model: takes 4 classes, but digits has 10"):
        export_model(model, small_digits, tmp_path / "wrong")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("family", ["vae", "gan"])
def test_a_data_set_without_labels_is_refused_before_a_run_is_made(family, tmp_path, capsys):
    folder = tmp_path / "flat"
    folder.mkdir()
    for index in range(60):
        pixels = np.random.default_rng(index).integers(0, 255, (8, 8), np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    run = tmp_path / "run"
    flags = ["--model", family, "--conditional", "--dataset", f"folder:{folder}"]
    assert train_main([*flags, "--batch-size", "4", "--run-dir", str(run)]) == 2

    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: conditional: given, but folder:flat does not have a label")
    assert not run.exists()


def test_an_autoencoder_is_not_conditional(capsys):
    assert train_main(["--model", "ae", "--conditional"]) == 2
    assert "conditional: ae has no such setting" in capsys.readouterr().err
