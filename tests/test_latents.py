"""Codes: known answers of the generator of random numbers, priors and paths."""

import numpy as np
import pytest

from gensuite.errors import InputError
from gensuite.inference.latents import (
    interpolate,
    standard_normal,
    threefry2x32,
)
from gensuite.inference.priors import GaussianPrior, MixturePrior


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((2**32 - 1,) * 2, (2**32 - 1,) * 2, (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_its_published_answers(key, counter, expected):
    words = threefry2x32(key, tuple(np.array([word], np.uint32) for word in counter))

    assert tuple(int(word[0]) for word in words) == expected


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.uint32, np.int64])
def test_a_seed_of_any_whole_type_is_the_same_seed(kind):
    assert np.array_equal(standard_normal(3, 2, seed=kind(5)), standard_normal(3, 2, seed=5))


def test_codes_are_standard_normal():
    """20,000 draws of 5 numbers: 4 standard errors of mean and covariance are 0.03 and 0.04."""
    codes = standard_normal(20_000, 5, seed=3).astype(float)

    assert np.abs(codes.mean(axis=0)).max() < 0.03
    assert np.abs(np.cov(codes, rowvar=False) - np.eye(5)).max() < 0.04


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_a_code_depends_on_seed_and_index_alone(size):
    whole = standard_normal(200, size, seed=11)

    assert whole.dtype == np.float32
    assert np.array_equal(whole[:70], standard_normal(70, size, seed=11))
    assert np.array_equal(whole[70:], standard_normal(130, size, seed=11, first=70))
    assert not np.array_equal(whole, standard_normal(200, size, seed=12))
    assert not np.array_equal(whole, standard_normal(200, size, seed=11, stream=1))


def test_a_longer_code_begins_like_a_shorter_one():
    assert np.array_equal(standard_normal(9, 4, seed=5), standard_normal(9, 7, seed=5)[:, :4])


def test_the_largest_seed_and_index_are_drawn():
    codes = standard_normal(1, 3, seed=2**32 - 1, first=2**32 - 1)

    assert np.isfinite(codes).all()


def test_a_fitted_gaussian_draws_what_it_was_fitted_to():
    mixing = np.array([[2.0, 0.0], [1.5, 0.5]])
    codes = standard_normal(20_000, 2, seed=0) @ mixing.T + [3.0, -1.0]
    drawn = GaussianPrior.fit(codes).codes(standard_normal(20_000, 2, seed=1)).astype(float)

    assert np.abs(drawn.mean(axis=0) - [3.0, -1.0]).max() < 0.1
    assert np.abs(np.cov(drawn, rowvar=False) - mixing @ mixing.T).max() < 0.2


def test_a_latent_dimension_that_is_never_used_does_not_break_the_prior():
    codes = np.zeros((50, 3))
    codes[:, 0] = np.arange(50)

    assert np.isfinite(GaussianPrior.fit(codes).codes(standard_normal(4, 3, seed=0))).all()


def test_a_single_code_is_a_prior_too():
    codes = GaussianPrior.fit(np.ones((1, 3))).codes(standard_normal(4, 3, seed=0))

    np.testing.assert_allclose(codes, 1.0, atol=1e-4)


def test_the_covariance_is_the_unbiased_one():
    codes = standard_normal(50, 4, seed=0)

    np.testing.assert_allclose(
        GaussianPrior.fit(codes).covariance, np.cov(codes, rowvar=False), atol=1e-5
    )


def test_a_gaussian_survives_the_manifest():
    prior = GaussianPrior.fit(standard_normal(100, 3, seed=0))
    again = GaussianPrior.from_dict(prior.to_dict())

    assert np.array_equal(prior.mean, again.mean)
    assert np.array_equal(prior.covariance, again.covariance)


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_a_path_begins_and_ends_where_it_should(path):
    start, end = standard_normal(2, 16, seed=4)
    codes = interpolate(start, end, 9, path)

    assert codes.shape == (9, 16)
    np.testing.assert_allclose(codes[[0, -1]], [start, end], atol=1e-6)


def test_a_spherical_path_keeps_the_length_that_a_straight_one_loses():
    start, end = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    lengths = {
        path: np.linalg.norm(interpolate(start, end, 3, path)[1])
        for path in ("linear", "spherical")
    }

    assert lengths["spherical"] == pytest.approx(1.0)
    assert lengths["linear"] == pytest.approx(np.sqrt(0.5))


@pytest.mark.parametrize("end", [[1.0, 1.0], [2.0, 2.0], [-1.0, -1.0], [0.0, 0.0]])
def test_a_spherical_path_without_an_arc_is_the_straight_line(end):
    start = np.array([1.0, 1.0])

    np.testing.assert_allclose(
        interpolate(start, np.array(end), 5, "spherical"), interpolate(start, np.array(end), 5)
    )


def test_an_unknown_path_and_too_few_steps_are_refused():
    with pytest.raises(InputError, match="allowed are 'linear' and 'spherical'"):
        interpolate(np.zeros(2), np.ones(2), 5, "cubic")
    for steps in (1, 0, 2.5, "3", True, 10_001):
        with pytest.raises(InputError, match="steps: .* from 2 to 10000"):
            interpolate(np.zeros(2), np.ones(2), steps)


MIXTURE = MixturePrior(
    np.array([0.2, 0.5, 0.3]),
    np.array([[10.0, 0.0], [-10.0, 5.0], [0.0, -20.0]]),
    np.array([[[1.0, 0.0], [0.5, 0.2]], [[0.1, 0.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]]]),
)


def test_a_mixture_draws_its_components_by_weight_with_their_moments():
    """The components lie so far apart that a code tells its own; 4 standard errors each."""
    codes = MIXTURE.codes(standard_normal(20_000, 2, seed=0), seed=0).astype(float)
    nearest = np.argmin(np.linalg.norm(codes[:, None] - MIXTURE.means, axis=2), axis=1)

    shares = np.bincount(nearest, minlength=3) / 20_000
    assert np.abs(shares - MIXTURE.weights).max() < 0.015
    for component, (mean, factor) in enumerate(zip(MIXTURE.means, MIXTURE.factors, strict=True)):
        own = codes[nearest == component]
        covariance = factor @ factor.T
        assert np.abs(own.mean(axis=0) - mean).max() < 0.1
        assert np.abs(np.cov(own, rowvar=False) - covariance).max() < 0.3


def test_a_mixtures_code_depends_on_seed_and_index_alone():
    noise = standard_normal(200, 2, seed=11)
    whole = MIXTURE.codes(noise, seed=11)

    assert whole.dtype == np.float32
    chunks = [MIXTURE.codes(noise[i : i + 64], seed=11, first=i) for i in range(0, 200, 64)]
    assert np.array_equal(whole, np.concatenate(chunks))
    assert not np.array_equal(whole, MIXTURE.codes(noise, seed=12))


def test_without_spread_a_mixture_gives_its_means():
    codes = MIXTURE.codes(np.zeros((50, 2), np.float32), seed=1)

    assert {tuple(code) for code in codes.tolist()} == set(map(tuple, MIXTURE.means.tolist()))


@pytest.mark.parametrize(
    "change",
    [
        {"weights": np.array([0.5, 0.6, 0.3])},
        {"weights": np.array([-0.2, 0.9, 0.3])},
        {"weights": np.array([0.5, 0.5])},
        {"weights": np.array([0.2, np.nan, 0.8])},
        {"means": np.zeros((0, 2))},
        {"means": np.zeros(3)},
        {"means": np.full((3, 2), np.inf)},
        {"factors": np.zeros((3, 2))},
        {"factors": np.array("text")},
    ],
)
def test_arrays_that_are_no_mixture_are_refused(change):
    arrays = MIXTURE.to_arrays()
    again = MixturePrior.from_arrays(arrays)
    np.testing.assert_allclose(again.factors, MIXTURE.factors, rtol=1e-6)

    with pytest.raises(ValueError):  # noqa: PT011  (numpy's own for what are no numbers)
        MixturePrior.from_arrays(arrays | change)
    with pytest.raises(ValueError, match="no array 'means'"):
        MixturePrior.from_arrays({"weights": arrays["weights"]})
