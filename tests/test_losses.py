"""Losses against closed forms and plain numpy, and their reductions."""

import math

import numpy as np
import pytest

from gensuite.models import losses
from gensuite.models.vae import reparameterize


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.random((3, 4, 5, 2)).astype(np.float32)


def test_squared_error_is_summed_over_pixels_and_averaged_over_the_batch(images):
    other = images + np.array([0.1, 0.2, 0.3], np.float32)[:, None, None, None]

    expected = 40 * (0.01 + 0.04 + 0.09) / 3
    assert float(losses.squared_error(images, other)) == pytest.approx(expected, rel=1e-5)


def test_bernoulli_likelihood_of_a_coin_is_ln_2_per_pixel(images):
    value = losses.bernoulli_negative_log_likelihood(images, np.zeros_like(images))

    assert float(value) == pytest.approx(40 * math.log(2), rel=1e-6)


def test_bernoulli_likelihood_is_the_cross_entropy(images):
    logits = np.random.default_rng(1).normal(size=images.shape).astype(np.float32)
    p = 1 / (1 + np.exp(-logits.astype(float)))
    cross_entropy = -(images * np.log(p) + (1 - images) * np.log(1 - p))

    value = losses.bernoulli_negative_log_likelihood(images, logits)
    assert float(value) == pytest.approx(cross_entropy.sum() / 3, rel=1e-5)


def test_bernoulli_likelihood_stays_exact_where_the_sigmoid_saturates():
    white = np.ones((1, 1, 1, 1), np.float32)

    assert float(losses.bernoulli_negative_log_likelihood(white, -200 * white)) == 200
    assert float(losses.bernoulli_negative_log_likelihood(white, 200 * white)) == 0


def test_gaussian_likelihood_is_the_density(images):
    mean, log_variance = np.full_like(images, 0.5), np.float32(math.log(0.09))
    density = np.exp(-((images - 0.5) ** 2) / (2 * 0.09)) / math.sqrt(2 * math.pi * 0.09)

    value = losses.gaussian_negative_log_likelihood(images, mean, log_variance)
    assert float(value) == pytest.approx(-np.log(density).sum() / 3, rel=1e-5)


def test_kl_of_the_prior_from_itself_is_zero():
    zeros = np.zeros((5, 3), np.float32)

    assert float(losses.kl_divergence(zeros, zeros)) == 0


def test_kl_has_its_closed_form():
    mean = np.array([[1.0, -2.0], [0.5, 0.0]], np.float32)
    log_variance = np.log(np.array([[0.25, 4.0], [1.0, 2.0]], np.float32))
    expected = [
        0.5 * (1 + 0.25 - 1 - math.log(0.25)) + 0.5 * (4 + 4 - 1 - math.log(4)),
        0.5 * (0.25 + 1 - 1) + 0.5 * (2 - 1 - math.log(2)),
    ]

    assert float(losses.kl_divergence(mean, log_variance)) == pytest.approx(np.mean(expected))


def test_kl_agrees_with_monte_carlo():
    """E_q[ln q - ln p] over 200,000 draws; 4 standard errors are 0.02."""
    mean, deviation = 0.7, 0.4
    z = mean + deviation * np.random.default_rng(0).normal(size=200_000)
    ln_q = -0.5 * ((z - mean) / deviation) ** 2 - math.log(deviation)
    log_variance = np.full((1, 1), 2 * math.log(deviation), np.float32)

    value = losses.kl_divergence(np.full((1, 1), mean, np.float32), log_variance)
    assert float(value) == pytest.approx((ln_q + 0.5 * z**2).mean(), abs=0.02)


def test_a_discriminator_that_cannot_tell_pays_2_ln_2_and_the_generator_ln_2():
    zeros = np.zeros((7, 1), np.float32)

    assert float(losses.discriminator_cross_entropy(zeros, zeros)) == pytest.approx(2 * math.log(2))
    assert float(losses.generator_non_saturating(zeros)) == pytest.approx(math.log(2))


def test_adversarial_losses_are_those_of_the_probabilities():
    real, generated = (np.array([[v], [w]], np.float32) for v, w in ((1.0, -0.5), (0.3, -2.0)))
    d_real, d_generated = (1 / (1 + np.exp(-x.astype(float))) for x in (real, generated))

    assert float(losses.discriminator_cross_entropy(real, generated)) == pytest.approx(
        -np.log(d_real).mean() - np.log(1 - d_generated).mean(), rel=1e-6
    )
    assert float(losses.generator_non_saturating(generated)) == pytest.approx(
        -np.log(d_generated).mean(), rel=1e-6
    )


def test_reparameterization_moves_and_scales_the_noise():
    noise = np.array([[1.0, -1.0]], np.float32)
    z = reparameterize(np.array([[2.0, 3.0]]), np.log(np.array([[4.0, 9.0]])), noise)

    np.testing.assert_allclose(z, [[4.0, 0.0]], atol=1e-12)
