"""The whole way on real data of every kind: train, export, verify, sample (slow)."""

import numpy as np
import pytest
from PIL import Image

import gensuite
from export.__main__ import main as export_main
from gensuite.config import VAEConfig
from gensuite.data.catalogue import find_builder
from gensuite.data.reading import open_dataset
from gensuite.train import main as train_main
from gensuite.training.runs import Run
from gensuite.verify import main as verify_main
from tests.conftest import FAMILIES

pytestmark = pytest.mark.slow


def whole_way(tmp_path, *flags):
    """Train, export and verify; the loaded bundle."""
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    assert train_main([*flags, "--run-dir", str(run)]) == 0
    assert export_main([str(run), "--to", str(bundle)]) == 0
    assert verify_main([str(bundle)]) == 0
    return gensuite.load(bundle)


@pytest.mark.parametrize(
    ("family", "dataset"),
    [("ae", "mnist"), ("vae", "fashion_mnist"), ("gan", "mnist")],
)
def test_raw_files_go_the_whole_way(family, dataset, raw_data, tmp_path, tfds_folder):
    generator = whole_way(
        tmp_path,
        *("--model", family, "--dataset", dataset, "--epochs", "1"),
        *("--raw-dir", str(raw_data / dataset), "--data-dir", str(tfds_folder)),
    )
    facts = generator.manifest["dataset"]

    assert facts["counts"] == {"train": 55_000, "validation": 5_000, "test": 10_000}
    assert generator.sample(4).shape == (4, 28, 28, 1)
    if family == "gan":
        (row,) = Run.open(tmp_path / "run").read_history()
        assert row["sample_spread"] > 0.5  # networks whose discriminator wins have 0.05 of MNIST
    else:
        images = generator.bundle.arrays("golden.npz")["encoder.image"]
        error = np.mean((generator.reconstruct(images) - images) ** 2)
        blank = np.mean((images.mean(axis=0) - images) ** 2)
        assert error < blank / 2  # an epoch teaches more than the mean image
        assert len(generator.bundle.arrays("codes.npz")["labels"]) == 2000


def test_mnist_and_fashion_mnist_keep_their_own_images(raw_data, tfds_folder):
    """Prepared one after the other, in one folder, from files of the same names."""
    data = {
        name: open_dataset(
            VAEConfig(dataset=name, raw_dir=str(raw_data / name), data_dir=str(tfds_folder))
        )
        for name in ("mnist", "fashion_mnist")
    }

    means = {name: splits.floats("test").mean() for name, splits in data.items()}
    assert means["mnist"] == pytest.approx(0.1325, abs=0.0005)
    assert means["fashion_mnist"] == pytest.approx(0.2868, abs=0.0005)


def test_the_files_of_another_data_set_are_refused(raw_data, tmp_path):
    config = VAEConfig(
        dataset="mnist", raw_dir=str(raw_data / "fashion_mnist"), data_dir=str(tmp_path)
    )
    with pytest.raises(gensuite.DataError, match="is not mnist's"):
        find_builder(config)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """200 colour JPEGs of different sizes: discs of random colour on a gradient."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for index in range(200):
        height, width = rng.integers(70, 200, 2)
        y, x = np.mgrid[0:height, 0:width]
        centre = rng.uniform(0.3, 0.7, 2) * (height, width)
        radius = rng.uniform(0.15, 0.35) * height
        image = np.stack([x / width, y / height, np.full(x.shape, 0.5)], axis=-1) * 160
        disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
        image[disc] = rng.integers(0, 256, 3)
        Image.fromarray(image.astype(np.uint8)).save(folder / f"{index:03d}.jpg", quality=90)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_of_colour_photographs_goes_the_whole_way(family, photographs, tmp_path):
    generator = whole_way(
        tmp_path,
        *("--model", family, "--dataset", f"folder:{photographs}"),
        *("--epochs", "3", "--batch-size", "16"),
    )
    images = generator.sample(4, seed=1)

    assert images.shape == (4, 64, 64, 3)
    assert np.isfinite(images).all()
    assert generator.manifest["dataset"]["name"] == f"folder:{photographs.name}"
    assert generator.manifest["dataset"]["licence"] == "the user's own images"


@pytest.mark.parametrize(
    ("shape", "flags"),
    [
        ((128, 128, 3), ["--image-size", "128", "--channels", "3"]),
        ((8, 8, 1), ["--image-size", "8"]),
        ((20, 20, 1), ["--image-size", "20", "--network", "dense"]),
    ],
)
def test_the_smallest_and_the_largest_size_go_the_whole_way(shape, flags, tmp_path):
    generator = whole_way(tmp_path, "--model", "vae", "--epochs", "1", *flags)

    assert generator.bundle.image_shape == shape
    assert generator.sample(2).shape == (2, *shape)
