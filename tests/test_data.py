"""Data: one path through tfds, three splits that stay apart, clear refusals."""

import hashlib
import socket
import subprocess
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from gensuite.config import VAEConfig
from gensuite.data import catalogue
from gensuite.data.builders import scan_folder, split_of
from gensuite.data.catalogue import find_builder
from gensuite.data.reading import open_dataset, read_splits
from gensuite.errors import DataError
from tests.conftest import python


class Shapes(tfds.core.GeneratorBasedBuilder):
    """A tfds data set as others make them: one split, ragged colour images, labels."""

    VERSION = tfds.core.Version("1.0.0")
    SIZES = ((40, 60), (50, 30))

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "picture": tfds.features.Image(shape=(None, None, 3)),
                    "kind": tfds.features.ClassLabel(names=["a", "b"]),
                    "note": tfds.features.Text(),
                }
            )
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        rng = np.random.default_rng(0)
        for index in range(100):
            shape = (*self.SIZES[index % 2], 3)
            image = rng.integers(0, 256, shape, np.uint8)
            yield index, {"picture": image, "kind": index % 2, "note": "x"}


class Badges(Shapes):
    """The same, all of one odd size."""

    SIZES = ((30, 50), (30, 50))


class TwoLabels(Shapes):
    """Two labels, of which tfds's own field says which is meant."""

    SIZES = ((8, 8), (8, 8))

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 3)),
                    "coarse": tfds.features.ClassLabel(names=["one"]),
                    "fine": tfds.features.ClassLabel(names=["fine", "finer"]),
                }
            ),
            supervised_keys=("image", "fine"),
        )

    def _generate_examples(self):
        for index, example in super()._generate_examples():
            yield index, {"image": example["picture"], "coarse": 0, "fine": example["kind"]}


class Pairs(tfds.core.GeneratorBasedBuilder):
    """A data set with two images in an example, which is one too many."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        image = tfds.features.Image(shape=(8, 8, 1))
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict({"left": image, "right": image})
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for index in range(4):
            image = np.zeros((8, 8, 1), np.uint8)
            yield index, {"left": image, "right": image}


def digests(images):
    return {hashlib.sha256(image.tobytes()).hexdigest() for image in images}


@pytest.fixture(scope="module")
def digits():
    return open_dataset("digits")


def write_images(folder, count, *, mode="RGB", size=(20, 16), suffix=".png", first=0):
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(first, first + count):
        rng = np.random.default_rng(index)
        shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], len(mode))
        pixels = rng.integers(0, 256, shape, np.uint8)
        Image.fromarray(pixels, mode=None).save(folder / f"{index:03d}{suffix}")


def test_digits_are_real_images_of_ten_classes_in_three_splits(digits):
    facts = digits.describe()

    assert facts["counts"] == {"train": 1350, "validation": 150, "test": 297}
    assert digits.image_shape == (28, 28, 1)
    assert digits.class_names == tuple("0123456789")
    assert sum(facts["class_shares"]) == pytest.approx(1)
    assert digits.floats("train").dtype == np.float32
    assert digits.floats("train").min() == 0
    assert digits.floats("train").max() == 1


def test_no_image_is_in_two_splits(digits):
    train, validation, test = (digests(digits.images[s]) for s in ("train", "validation", "test"))

    assert not train & test
    assert not train & validation
    assert not validation & test


def test_validation_is_cut_from_train_by_seed_and_test_never(digits):
    again, other = (open_dataset(VAEConfig(seed=seed)) for seed in (0, 1))

    assert again.describe() == digits.describe()
    assert digests(other.images["test"]) == digests(digits.images["test"])
    assert digests(other.images["validation"]) != digests(digits.images["validation"])


def test_the_order_of_an_epoch_is_a_function_of_seed_and_epoch(digits):
    def order(seed, epoch, skip=0, steps=21):
        batches = digits.training_batches(64, seed, epoch=epoch, skip=skip).take(steps - skip)
        return np.concatenate([batch.numpy() for batch in batches])

    first = order(0, 0)
    assert len(first) == 1344
    assert len(digests(first)) >= 1343  # every image at most once (the data hold one twin)
    assert np.array_equal(first, order(0, 0))
    assert np.array_equal(first[5 * 64 :], order(0, 0, skip=5))
    assert not np.array_equal(first, order(0, 1))
    assert not np.array_equal(first, order(1, 0))
    assert np.array_equal(order(0, 0, skip=5, steps=42), np.concatenate([first[320:], order(0, 1)]))


def test_all_images_of_a_split_come_in_their_order(digits):
    batches = [batch.numpy() for batch in digits.batches("test", 64)]

    assert np.array_equal(np.concatenate(batches), digits.floats("test"))


def test_ragged_images_are_cropped_and_resized_and_absent_splits_cut(tmp_path):
    builder = Shapes(data_dir=tmp_path)
    builder.download_and_prepare()
    data = read_splits(builder, VAEConfig(dataset="shapes"))

    assert data.image_shape == (64, 64, 3)
    assert data.describe()["counts"] == {"train": 81, "validation": 9, "test": 10}
    assert data.class_names == ("a", "b")
    assert "centre-cropped" in data.resized


def test_one_common_size_is_padded_to_a_multiple_of_4(tmp_path):
    builder = Badges(data_dir=tmp_path)
    builder.download_and_prepare()
    data = read_splits(builder, VAEConfig(dataset="badges"))
    grey = read_splits(builder, VAEConfig(dataset="badges", image_size=16, channels=1))

    assert data.image_shape == (32, 52, 3)
    assert not data.images["train"][:, 0].any()
    assert data.images["train"][:, 1:31, 1:51].any()
    assert grey.image_shape == (16, 16, 1)


def test_two_image_features_are_refused(tmp_path):
    builder = Pairs(data_dir=tmp_path)
    builder.download_and_prepare()

    with pytest.raises(DataError, match="has 2 image features"):
        read_splits(builder, VAEConfig(dataset="pairs"))


def test_a_batch_larger_than_the_training_split_is_refused():
    with pytest.raises(DataError, match="batch_size: 2000 given, .* only 1350 training images"):
        open_dataset(VAEConfig(batch_size=2000))


def test_a_folder_of_classes_is_split_by_file_hash(tmp_path):
    for index, name in enumerate(("cats", "dogs")):
        write_images(tmp_path / "pets" / name, 50, first=50 * index, suffix=".png")
    data = open_dataset(VAEConfig(dataset=f"folder:{tmp_path / 'pets'}", batch_size=8))
    facts = data.describe()

    expected = {"train": 0, "validation": 0, "test": 0}
    for path in (tmp_path / "pets").rglob("*.png"):
        expected[split_of(hashlib.sha256(path.read_bytes()).hexdigest())] += 1
    assert facts["counts"] == expected
    assert expected["train"] > 60
    assert facts["name"] == "folder:pets"
    assert data.class_names == ("cats", "dogs")
    assert data.image_shape == (16, 20, 3)


def test_shares_of_a_folder_are_80_10_10():
    """Of 10,000 hashes; 4 standard errors are 0.016."""
    splits = [split_of(hashlib.sha256(str(i).encode()).hexdigest()) for i in range(10_000)]

    assert splits.count("train") / 10_000 == pytest.approx(0.8, abs=0.016)
    assert splits.count("validation") / 10_000 == pytest.approx(0.1, abs=0.016)
    assert splits.count("test") / 10_000 == pytest.approx(0.1, abs=0.016)


def test_grey_and_colour_are_converted_to_the_majority_and_said(tmp_path, capsys):
    write_images(tmp_path / "mixed", 40, mode="L", suffix=".png")
    write_images(tmp_path / "mixed", 20, mode="RGB", suffix=".jpg", first=40)
    write_images(tmp_path / "mixed", 10, mode="RGBA", suffix=".webp", first=60)
    dataset = f"folder:{tmp_path / 'mixed'}"
    majority = open_dataset(VAEConfig(dataset=dataset, batch_size=8))
    said = capsys.readouterr().out
    asked = open_dataset(VAEConfig(dataset=dataset, batch_size=8, channels=3))

    assert majority.image_shape == (16, 20, 1)
    assert asked.image_shape == (16, 20, 3)
    assert "folder:mixed: 30 of 70 images made grey" in said
    assert majority.class_names == ()
    assert majority.labels == {}


def test_sixteen_bit_grey_is_scaled_and_not_clipped(tmp_path):
    write_images(tmp_path / "deep", 60, mode="L")
    ramp = np.linspace(0, 65535, 16 * 20).reshape(16, 20).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "deep" / "ramp.png")
    data = open_dataset(VAEConfig(dataset=f"folder:{tmp_path / 'deep'}", batch_size=8))

    stored = np.concatenate(list(data.images.values()))
    expected = (ramp / 257).astype(np.uint8)[..., None]
    assert any(np.abs(image.astype(int) - expected).max() <= 1 for image in stored)


def test_a_changed_folder_is_another_data_set(tmp_path):
    write_images(tmp_path / "few", 30)
    before = scan_folder(tmp_path / "few").digest
    write_images(tmp_path / "few", 1, first=30)

    assert scan_folder(tmp_path / "few").digest != before


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n broken"])
def test_a_corrupt_image_is_named(tmp_path, content):
    write_images(tmp_path / "some", 30)
    (tmp_path / "some" / "bad.png").write_bytes(content)

    with pytest.raises(DataError, match=r"bad\.png: not a readable PNG"):
        open_dataset(VAEConfig(dataset=f"folder:{tmp_path / 'some'}", batch_size=8))


def test_an_image_with_damaged_exif_is_named(tmp_path):
    """An entry whose type is not its tag's, at which Pillow raises an error of ``struct``."""
    entries = b"\x01\x18\0\2\0\0\0\6\0\0\0&" + b"\x01\x12\0\3\0\0\0\1\0\6\0\0"
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\2" + entries + b"\0\0\0\0hello\0"
    Image.new("L", (9, 9)).save(tmp_path / "turned.jpg", exif=exif)

    with pytest.raises(DataError, match=r"turned\.jpg: not a readable"):
        scan_folder(tmp_path)


def test_a_truncated_image_is_named(tmp_path):
    write_images(tmp_path / "some", 30, suffix=".jpg")
    whole = (tmp_path / "some" / "003.jpg").read_bytes()
    (tmp_path / "some" / "003.jpg").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(DataError, match=r"003\.jpg: not a readable"):
        open_dataset(VAEConfig(dataset=f"folder:{tmp_path / 'some'}", batch_size=8))


def test_an_empty_or_absent_folder_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no image; allowed are .png"):
        open_dataset(f"folder:{tmp_path / 'empty'}")
    with pytest.raises(DataError, match="there is no such folder"):
        open_dataset(f"folder:{tmp_path / 'absent'}")


def test_too_few_images_for_three_splits_are_refused(tmp_path):
    write_images(tmp_path / "two", 2)

    with pytest.raises(DataError, match="split .* empty; add images"):
        open_dataset(VAEConfig(dataset=f"folder:{tmp_path / 'two'}", batch_size=1))


def test_what_is_hidden_is_passed_over_and_links_are_followed(tmp_path):
    write_images(tmp_path / "elsewhere", 20)
    write_images(tmp_path / "pets" / "dogs", 20, first=20)
    write_images(tmp_path / "pets" / ".thumbnails", 5, first=40)
    (tmp_path / "pets" / "dogs" / "._020.png").write_bytes(b"a note of some file system")
    (tmp_path / "pets" / "cats").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "pets" / "dogs" / "loop").symlink_to(tmp_path / "pets")
    scan = scan_folder(tmp_path / "pets")

    assert scan.classes == ("cats", "dogs")
    assert len(scan.files) == 40


def test_an_image_beside_class_folders_is_named(tmp_path):
    write_images(tmp_path / "pets" / "cats", 5)
    write_images(tmp_path / "pets", 1, first=10)

    with pytest.raises(DataError, match=r"010\.png: lies beside class folders"):
        scan_folder(tmp_path / "pets")


def test_a_grey_palette_is_grey_and_a_coloured_one_is_colour(tmp_path):
    write_images(tmp_path / "grey", 3, mode="L")
    write_images(tmp_path / "colour", 3, mode="RGB")
    for path in [*(tmp_path / "grey").iterdir(), *(tmp_path / "colour").iterdir()]:
        Image.open(path).convert("P").save(path)

    assert scan_folder(tmp_path / "grey").channels == 1
    assert scan_folder(tmp_path / "colour").channels == 3


def test_an_image_that_claims_to_be_enormous_is_named(tmp_path):
    write_images(tmp_path / "some", 3)
    whole = (tmp_path / "some" / "000.png").read_bytes()
    header = b"IHDR" + (40_000).to_bytes(4) * 2 + whole[24:29]
    claim = whole[:12] + header + zlib.crc32(header).to_bytes(4) + whole[33:]
    (tmp_path / "some" / "bomb.png").write_bytes(claim)

    with pytest.raises(DataError, match=r"bomb\.png: not a readable"):
        scan_folder(tmp_path / "some")


def test_of_several_labels_the_supervised_one_is_taken(tmp_path):
    builder = TwoLabels(data_dir=tmp_path)
    builder.download_and_prepare()
    data = read_splits(builder, VAEConfig(dataset="two", batch_size=8))

    assert data.class_names == ("fine", "finer")


@pytest.mark.parametrize("name", ["mnist:9.9.9", "mnist/no_such_config", "huggingface:x", "a b"])
def test_every_kind_of_bad_name_is_one_clear_error(name, tmp_path):
    with pytest.raises(DataError, match="dataset: .* given; .*allowed are"):
        find_builder(VAEConfig(dataset=name, data_dir=str(tmp_path)))


def test_a_data_set_has_one_spelling():
    """Licence, run name and scores go by it."""
    with pytest.raises(DataError, match="'MNIST' given; its name is written 'mnist'"):
        find_builder(VAEConfig(dataset="MNIST"))


def test_an_unknown_data_set_is_answered_with_the_nearest_and_the_choices():
    with pytest.raises(DataError, match="did you mean 'mnist'.* folder:PATH") as caught:
        find_builder(VAEConfig(dataset="mnits"))

    assert len(str(caught.value)) < 300


def test_all_hosts_of_a_data_set_are_asked_at_once(monkeypatch):
    """Of three that never answer, none waits for another; every one must answer."""
    monkeypatch.setattr(catalogue, "_PROBE_SECONDS", 1.0)
    monkeypatch.setenv("NO_PROXY", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        hosts = {f"127.0.0.{i}": f"http://127.0.0.1:{port}/{i}" for i in range(1, 4)}
        assert catalogue._silent_hosts(hosts) == list(hosts)
        silent.setblocking(False)
        for _ in hosts:
            silent.accept()[0].close()


@pytest.mark.parametrize(
    ("status", "answers"), [(200, True), (403, True), (407, False), (503, False)]
)
def test_a_proxy_that_reaches_nobody_is_no_answer(status, answers, monkeypatch):
    class Proxy(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        silent = catalogue._silent_hosts({"data.example": "http://data.example/images.gz"})

    assert silent == ([] if answers else ["data.example"])


def test_without_data_or_network_the_answer_is_quick_and_names_three_remedies(tmp_path):
    """Promised within 10 seconds; asserted at three times that, on a host that is not there."""
    started = time.monotonic()
    done = subprocess.run(
        python("-m", "gensuite.train", "--dataset", "kmnist", "--data-dir", str(tmp_path)),
        capture_output=True,
        text=True,
        env={"PATH": "", "HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"},
        check=False,
    )

    assert time.monotonic() - started < 30
    assert done.returncode == 2
    (error,) = done.stderr.splitlines()
    for remedy in ("connect to a network", "--raw-dir", "--data-dir"):
        assert remedy in error


def test_a_missing_raw_file_is_named(tmp_path):
    config = VAEConfig(dataset="mnist", data_dir=str(tmp_path), raw_dir=str(tmp_path))

    with pytest.raises(DataError, match=r"mnist needs .*-ubyte\.gz, not there"):
        find_builder(config)


def test_a_raw_file_of_another_data_set_is_refused(tmp_path):
    for split in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (tmp_path / f"{split}-{kind}-ubyte.gz").write_bytes(b"something else")
    config = VAEConfig(dataset="fashion_mnist", data_dir=str(tmp_path), raw_dir=str(tmp_path))

    with pytest.raises(DataError, match="is not fashion_mnist's: its sha256 is"):
        find_builder(config)
