"""Metrics against closed forms, quadrature and slow versions written for these tests alone."""

import shutil

import keras
import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from gensuite.data.reading import open_dataset
from gensuite.errors import MetricError
from gensuite.metrics import features, intervals
from gensuite.metrics.features import PINNED, Classifier
from gensuite.metrics.frechet import frechet, frechet_distance, kernel_distance
from gensuite.metrics.likelihood import binarize, likelihood_scores
from gensuite.metrics.manifold import manifold_scores, nearest_distances
from gensuite.metrics.reconstruction import reconstruction_scores, window
from gensuite.metrics.samples import SampleJudge
from gensuite.models import VAE


@pytest.fixture(scope="module")
def random():
    return np.random.default_rng(7)


@pytest.fixture(scope="module")
def digits():
    return open_dataset("digits")


def test_frechet_distance_of_gaussians_with_common_axes_is_the_closed_form():
    a, b = np.array([1.0, 4.0, 9.0]), np.array([4.0, 1.0, 0.0])

    found = frechet_distance(np.array([0.0, 2.0, 0.0]), np.diag(a), np.ones(3), np.diag(b))

    assert found == pytest.approx(3 + np.sum((np.sqrt(a) - np.sqrt(b)) ** 2))


def test_frechet_distance_agrees_with_the_root_of_the_product(random):
    first, second = (np.cov(random.normal(size=(6, 30))) for _ in range(2))
    values, vectors = np.linalg.eig(first @ second)  # not symmetric, unlike what is tested
    root = (vectors * np.sqrt(values)) @ np.linalg.inv(vectors)
    expected = np.trace(first + second - 2 * root)

    assert frechet_distance(np.zeros(6), first, np.zeros(6), second) == pytest.approx(expected)


def test_frechet_finds_a_shift_and_its_interval_holds_the_truth(random):
    real, moved = random.normal(size=(2, 4000, 5))
    moved = moved + 0.5

    estimate = frechet(real, moved, seed=0)

    assert estimate.low < 5 * 0.25 < estimate.high
    assert estimate.low < estimate.value < estimate.high < 1.6
    assert frechet(real, real, seed=0).value == pytest.approx(0, abs=1e-9)


def slow_kid(a, b):
    def kernel(x, y):
        return (sum(x * y) / len(x) + 1) ** 3

    def apart(rows):
        pairs = [kernel(x, y) for i, x in enumerate(rows) for j, y in enumerate(rows) if i != j]
        return np.mean(pairs)

    return apart(a) + apart(b) - 2 * np.mean([kernel(x, y) for x in a for y in b])


def test_kid_agrees_with_a_sum_over_pairs(random):
    a, b = random.normal(size=(13, 3)), random.normal(size=(17, 3)) * 1.5

    assert kernel_distance(a, b, seed=0).value == pytest.approx(slow_kid(a, b))


def test_kid_is_zero_on_average_for_equal_distributions_and_its_interval_is_about_it(random):
    found = [kernel_distance(*random.normal(size=(2, 60, 4)), seed=0) for _ in range(60)]
    values = np.array([estimate.value for estimate in found])

    assert values.min() < 0 < values.max()
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(60)
    assert np.mean([estimate.low < 0 < estimate.high for estimate in found]) > 0.85


def slow_manifold(real, fake):
    """The four definitions read out, with scikit-learn's neighbours."""

    def radii(points, k):
        return NearestNeighbors(n_neighbors=k + 1).fit(points).kneighbors()[0][:, k - 1]

    def within(centres, radius, points):
        gaps = np.linalg.norm(centres[:, None] - points[None], axis=-1)
        return gaps <= radius[:, None]  # (centres, points)

    return {
        "precision": within(real, radii(real, 3), fake).any(axis=0).mean(),
        "recall": within(fake, radii(fake, 3), real).any(axis=0).mean(),
        "density": within(real, radii(real, 5), fake).sum() / (5 * len(fake)),
        "coverage": within(real, radii(real, 5), fake).any(axis=1).mean(),
    }


def test_precision_recall_density_and_coverage_agree_with_scikit_learn(random):
    real, fake = random.normal(size=(300, 4)), random.normal(size=(250, 4)) * 0.7 + 0.4

    found = manifold_scores(real.astype(np.float32), fake.astype(np.float32), seed=0)

    assert {name: each.value for name, each in found.items()} == pytest.approx(
        slow_manifold(real.astype(np.float32), fake.astype(np.float32))
    )
    assert all(each.low <= each.value <= each.high for each in found.values())


def test_a_narrow_model_has_precision_without_recall(random):
    real = random.normal(size=(500, 4))

    found = manifold_scores(real, real[:1] * 0.1 + random.normal(size=(500, 4)) * 0.01, seed=0)

    assert found["precision"].value > 0.9
    assert found["recall"].value < 0.05
    assert found["coverage"].value < 0.1


def test_nearest_distances_are_those_of_a_full_search_and_zero_for_a_copy(random):
    training = random.integers(0, 256, size=(40, 5, 4, 1), dtype=np.uint8)
    images = random.integers(0, 256, size=(9, 5, 4, 1), dtype=np.uint8)
    images[3] = training[17]
    gaps = (images[:, None].astype(float) - training[None].astype(float)) / 255

    found = nearest_distances(images, training)

    np.testing.assert_allclose(found, np.sqrt((gaps**2).mean(axis=(2, 3, 4))).min(axis=1))
    assert found[3] == 0


def test_binarized_images_are_the_same_every_time_and_keep_black_white_and_the_mean():
    grey = np.full((200, 8, 8, 1), 64, np.uint8)
    grey[:, 0], grey[:, 1] = 0, 255

    found = binarize(grey)

    assert np.array_equal(found, binarize(grey))
    assert not np.array_equal(found, binarize(grey, seed=1))
    assert set(np.unique(found)) == {0.0, 1.0}
    assert (found[:, 0] == 0).all()
    assert (found[:, 1] == 1).all()
    assert found[:, 2:].mean() == pytest.approx(64 / 255, abs=0.01)


def small_vae(likelihood):
    """A VAE of 4x4 images with a one-dimensional code, its weights as drawn."""
    keras.utils.set_random_seed(3)
    image, z = keras.Input((4, 4, 1)), keras.Input((1,))
    flat = keras.layers.Flatten()(image)
    heads = [keras.layers.Dense(1)(flat), keras.layers.Dense(1)(flat)]
    logits = keras.layers.Dense(16, kernel_initializer=keras.initializers.RandomNormal(0, 2))(z)
    decoder = keras.Model(z, keras.layers.Reshape((4, 4, 1))(logits))
    model = VAE(keras.Model(image, heads), decoder, likelihood=likelihood)
    model.compile()
    return model


def exact_log_likelihood(model, images):
    """The logarithm of ∫ p(x|z) N(z; 0, 1) dz of each image by the trapezoidal rule, in float64."""
    z = np.linspace(-9, 9, 6001)
    logits = model.decoder(z[:, None].astype(np.float32)).numpy().astype(np.float64)
    gaps = images[:, None].astype(np.float64)
    if model.likelihood == "bernoulli":
        terms = gaps * logits - np.logaddexp(0, logits)
    else:
        log_variance = float(model.pixel_log_variance.numpy())
        squared = (gaps - 1 / (1 + np.exp(-logits))) ** 2 / np.exp(log_variance)
        terms = -0.5 * (np.log(2 * np.pi) + log_variance + squared)
    log_joint = terms.sum(axis=(2, 3, 4)) - 0.5 * (np.log(2 * np.pi) + z**2)
    largest = log_joint.max(axis=1, keepdims=True)
    return np.log(np.trapezoid(np.exp(log_joint - largest), z, axis=1)) + largest[:, 0]


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_importance_sampling_comes_to_the_exact_likelihood(likelihood, random):
    model = small_vae(likelihood)
    images = binarize(random.integers(0, 256, size=(130, 4, 4, 1), dtype=np.uint8))
    exact = exact_log_likelihood(model, images)

    found = likelihood_scores(model, images, None, samples=3003, seed=0)

    assert found["log_likelihood"].value == pytest.approx(exact.mean(), abs=0.05)
    assert found["elbo"].value < exact.mean()
    assert found["elbo"].value == pytest.approx(-found["reconstruction"].value - found["kl"].value)
    few = likelihood_scores(model, images, None, samples=3, seed=0)["log_likelihood"].value
    assert few < found["log_likelihood"].value
    assert found == likelihood_scores(model, images, None, samples=3003, seed=0)


def test_the_likelihood_of_a_conditional_model_is_given_its_class(random):
    keras.utils.set_random_seed(3)
    plain = small_vae("bernoulli")
    z, label = keras.Input((1,)), keras.Input((), dtype="int32")
    shift = keras.layers.Embedding(2, 16, embeddings_initializer="normal")(label)
    logits = keras.layers.Reshape((4, 4, 1))(keras.layers.Dense(16)(z) + 40 * shift)
    model = VAE(plain.encoder, keras.Model([z, label], logits), classes=2)
    images = binarize(random.integers(0, 256, size=(20, 4, 4, 1), dtype=np.uint8))

    values = [
        likelihood_scores(model, images, np.full(20, each), samples=20, seed=0)["elbo"].value
        for each in (0, 1)
    ]

    assert abs(values[0] - values[1]) > 1


def slow_ssim(x, y, side):
    """Wang et al. 2004, window by window."""
    place = np.arange(side) - (side - 1) / 2
    weight = np.exp(-(place[:, None] ** 2 + place[None] ** 2) / (2 * 1.5**2))
    weight /= weight.sum()
    found = []
    for top in range(x.shape[0] - side + 1):
        for left in range(x.shape[1] - side + 1):
            a, b = (each[top : top + side, left : left + side] for each in (x, y))
            mean_a, mean_b = (weight * a).sum(), (weight * b).sum()
            var_a = (weight * (a - mean_a) ** 2).sum()
            var_b = (weight * (b - mean_b) ** 2).sum()
            both = (weight * (a - mean_a) * (b - mean_b)).sum()
            light = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
            found.append(light * (2 * both + 9e-4) / (var_a + var_b + 9e-4))
    return np.mean(found)


@pytest.mark.parametrize("size", [8, 12])
def test_reconstruction_scores_agree_with_a_slow_version(size, random):
    images = random.integers(0, 256, size=(6, size, size, 1), dtype=np.uint8)

    def reconstruct(rows, label):
        assert label is None
        return np.clip(rows * 0.8 + 0.05, 0, 1).astype(np.float32)

    found = reconstruction_scores(images, reconstruct, None, seed=0)

    rows = images / 255
    again = np.clip(rows * 0.8 + 0.05, 0, 1)
    slow = [
        slow_ssim(x[..., 0], y[..., 0], window((size,))) for x, y in zip(rows, again, strict=True)
    ]
    assert found["mse"].value == pytest.approx(np.mean((rows - again) ** 2), rel=1e-5)
    assert found["rmse"].value == pytest.approx(np.sqrt(np.mean((rows - again) ** 2)), rel=1e-5)
    assert found["ssim"].value == pytest.approx(np.mean(slow), abs=1e-5)


def test_the_interval_of_a_mean_is_that_of_its_standard_error(random):
    values = random.normal(size=2000)
    error = values.std() / np.sqrt(2000)

    found = intervals.mean(values, seed=0)

    assert found.value == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.15)
    assert found == intervals.mean(values, seed=0)


def test_an_interval_around_a_score_has_the_spread_and_not_the_bias():
    found = intervals.around(1.0, np.linspace(5, 7, 201))

    assert found.low == pytest.approx(0.05)
    assert found.high == pytest.approx(1.95)


@pytest.mark.parametrize("name", PINNED)
def test_every_classifier_ships_as_pinned_and_small(name):
    classifier = Classifier.load(name)

    assert classifier.sha256 == PINNED[name]
    assert (features.FOLDER / f"{name}.onnx").stat().st_size <= 150_000


def test_the_classifier_knows_the_test_digits(digits):
    found, probabilities = Classifier.load("digits")(digits.images["test"])

    assert found.shape == (297, 48)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) == digits.labels["test"]).mean() > 0.95
    again, _ = Classifier.load("digits")(digits.floats("test"))
    np.testing.assert_array_equal(found, again)


def test_features_have_a_mean_square_of_one(digits):
    found, _ = Classifier.load("digits")(digits.images["train"])

    assert np.square(found).mean() == pytest.approx(1, abs=1e-3)


def test_images_of_other_sizes_and_colours_are_made_grey_and_28_wide(random):
    colour = random.integers(0, 256, size=(3, 56, 56, 3), dtype=np.uint8)

    assert features.fit(colour).shape == (3, 28, 28, 1)
    grey = features.fit(np.full((1, 8, 8, 3), (255, 0, 0), np.uint8))
    assert grey == pytest.approx(0.299, abs=0.002)
    assert "resized from 56x56 to 28x28 (Pillow, bilinear)" in features.preparation((56, 56, 3))
    assert "as they are" in features.preparation((28, 28, 1))


def test_a_classifier_that_is_not_the_pinned_one_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "features"
    shutil.copytree(features.FOLDER, folder)
    content = bytearray((folder / "mnist.onnx").read_bytes())
    content[-1] ^= 1
    (folder / "mnist.onnx").write_bytes(content)
    (folder / "fashion_mnist.onnx").unlink()
    monkeypatch.setattr(features, "FOLDER", folder)

    with pytest.raises(MetricError, match="not the pinned"):
        Classifier.load("mnist")
    with pytest.raises(MetricError, match="No such file"):
        Classifier.load("fashion_mnist")
    assert Classifier.load("digits")
    assert Classifier.load("cifar10") is None


def test_real_images_score_as_their_floor_and_copies_are_found(digits):
    judge = SampleJudge(digits, Classifier.load("digits"), 297, seed=0)
    copies = digits.images["train"][:297]

    found = judge.score(copies, digits.labels["train"][:297])

    assert found["frechet"]["value"] < 2 * found["frechet"]["floor"]["value"]
    assert found["nearest_median"]["value"] == 0
    assert found["nearest_share"]["value"] == 1
    assert found["nearest_share"]["floor"]["value"] == pytest.approx(0.01, abs=0.01)
    assert found["agreement"]["value"] == 1
    assert found["frechet"]["protocol"]["real"] == 297
    assert sum(found["class_shares"]["value"]) == pytest.approx(1)


def test_noise_scores_far_worse_than_real_images(digits, random):
    judge = SampleJudge(digits, Classifier.load("digits"), 297, seed=0)

    found = judge.score(random.integers(0, 256, size=(297, 28, 28, 1), dtype=np.uint8))

    assert found["frechet"]["low"] > 10 * found["frechet"]["floor"]["high"]
    assert found["kid"]["low"] > found["kid"]["floor"]["high"]
    assert found["coverage"]["value"] < 0.1 < found["coverage"]["floor"]["low"]
    assert found["nearest_share"]["value"] == 0


def test_without_a_classifier_nearest_images_are_measured(digits):
    judge = SampleJudge(digits, None, 100, seed=0)

    found = judge.score(digits.images["test"][:100])

    assert set(found) == {"nearest_median", "nearest_p01", "nearest_share"}
    assert found["nearest_median"]["value"] == found["nearest_median"]["floor"]["value"]
    assert judge.unsure(digits.images["test"][:100]) == {}
