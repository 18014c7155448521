"""Losses against closed forms and plain numpy, and their reductions."""

import math

import numpy as np
import pytest
import tensorflow as tf

from gensuite.models import losses
from gensuite.models.adversarial import gradient_penalty, mixture_shares, r1_penalty
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
    value = losses.bernoulli_log_likelihood(images, np.zeros_like(images))

    np.testing.assert_allclose(value, [-40 * math.log(2)] * 3, rtol=1e-6)


def test_bernoulli_likelihood_is_the_cross_entropy(images):
    logits = np.random.default_rng(1).normal(size=images.shape).astype(np.float32)
    p = 1 / (1 + np.exp(-logits.astype(float)))
    cross_entropy = -(images * np.log(p) + (1 - images) * np.log(1 - p))

    value = losses.bernoulli_log_likelihood(images, logits)
    np.testing.assert_allclose(value, -cross_entropy.sum(axis=(1, 2, 3)), rtol=1e-5)


def test_bernoulli_likelihood_stays_exact_where_the_sigmoid_saturates():
    white = np.ones((1, 1, 1, 1), np.float32)

    assert float(losses.bernoulli_log_likelihood(white, -200 * white)[0]) == -200
    assert float(losses.bernoulli_log_likelihood(white, 200 * white)[0]) == 0


def test_gaussian_likelihood_is_the_density(images):
    mean, log_variance = np.full_like(images, 0.5), np.float32(math.log(0.09))
    density = np.exp(-((images - 0.5) ** 2) / (2 * 0.09)) / math.sqrt(2 * math.pi * 0.09)

    value = losses.gaussian_log_likelihood(images, mean, log_variance)
    np.testing.assert_allclose(value, np.log(density).sum(axis=(1, 2, 3)), rtol=1e-5)
    drawn = losses.gaussian_log_likelihood(images, np.stack([mean, images]), log_variance)
    assert drawn.shape == (2, 3)
    np.testing.assert_allclose(drawn[0], value)


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


def test_the_density_of_a_code_is_that_of_a_normal_distribution():
    rng = np.random.default_rng(3)
    z, mean, log_variance = (rng.normal(size=(4, 3)).astype(np.float32) for _ in range(3))
    deviation = np.exp(0.5 * log_variance.astype(float))
    density = np.exp(-(((z - mean) / deviation) ** 2) / 2) / (deviation * math.sqrt(2 * math.pi))

    value = losses.gaussian_log_density(z, mean, log_variance)
    np.testing.assert_allclose(value, np.log(density).sum(axis=-1), rtol=1e-4, atol=1e-5)


X, NOISE_VARIANCE = 1.3, 0.5
"""A conjugate pair: z from N(0, 1) and x from N(z, ½), so that ln p(x) is ln N(x; 0, 1½)."""


def log_weights(draws: int, mean: float, variance: float, repeats: int = 1):
    """Ln p(x|z) p(z) / q(z) at draws from q = N(mean, variance), ``(draws, repeats)``."""
    noise = np.random.default_rng(5).normal(size=(draws, repeats, 1))
    z = mean + math.sqrt(variance) * noise
    likelihood = losses.gaussian_log_density(np.full_like(z, X), z, np.log(NOISE_VARIANCE))
    prior = losses.gaussian_log_density(z, np.float64(0), np.float64(0))
    return likelihood + prior - losses.gaussian_log_density(z, mean, np.log(variance))


def evidence() -> float:
    variance = 1 + NOISE_VARIANCE
    return -0.5 * (math.log(2 * math.pi * variance) + X**2 / variance)


@pytest.mark.parametrize("draws", [1, 2, 50])
def test_with_the_true_posterior_the_iwae_bound_is_the_evidence(draws):
    posterior = X / (1 + NOISE_VARIANCE), NOISE_VARIANCE / (1 + NOISE_VARIANCE)

    value = losses.importance_weighted_loss(log_weights(draws, *posterior, repeats=3))
    assert float(value) == pytest.approx(-evidence(), rel=1e-9)


def test_the_iwae_bound_is_the_elbo_at_one_draw_and_rises_to_the_evidence():
    """Averaged over 2,000 sets of draws from the prior."""
    bounds = [
        -float(losses.importance_weighted_loss(log_weights(k, 0.0, 1.0, repeats=2000)))
        for k in (1, 2, 8, 64, 512)
    ]
    one = log_weights(1, 0.0, 1.0, repeats=2000)

    assert bounds[0] == pytest.approx(float(tf.reduce_mean(one)), rel=1e-12)
    assert bounds == sorted(bounds)
    assert bounds[-1] == pytest.approx(evidence(), abs=0.01)
    assert bounds[0] < evidence() - 0.5


def test_hinge_and_wasserstein_losses_by_hand():
    real, generated = (np.array(column, np.float32)[:, None] for column in ([2, 0.5], [-3, 0.25]))

    # max(0, 1 - 2) = 0, max(0, 1 - ½) = ½; max(0, 1 - 3) = 0, max(0, 1 + ¼) = 1¼
    assert float(losses.discriminator_hinge(real, generated)) == 0.25 + 0.625
    assert float(losses.discriminator_wasserstein(real, generated)) == -1.375 - 1.25
    assert float(losses.generator_linear(generated)) == 1.375


SLOPE = tf.constant(np.random.default_rng(7).normal(size=(4, 5, 2)), tf.float32)


def linear(images):
    """Logits whose gradient is SLOPE at every image."""
    return tf.reduce_sum(SLOPE * images, axis=[1, 2, 3])[:, None]


def half_square(images):
    """Logits whose gradient is the image itself."""
    return 0.5 * tf.reduce_sum(tf.square(images), axis=[1, 2, 3])[:, None]


def test_penalties_of_a_linear_discriminator_are_those_of_its_slope(images):
    length = float(tf.norm(SLOPE))
    other = images[::-1]

    assert float(gradient_penalty(linear, images, other, mixture_shares(3))) == pytest.approx(
        (length - 1) ** 2, 1e-5
    )
    assert float(r1_penalty(linear, images, other, None)) == pytest.approx(length**2 / 2, rel=1e-5)


def test_penalties_are_taken_at_their_images(images):
    """R1 at the real ones; WGAN-GP between real and generated, a sixth, a half, five sixths."""
    generated = images[::-1] ** 2
    share = np.array([1 / 6, 1 / 2, 5 / 6])[:, None, None, None]
    between = share * images + (1 - share) * generated
    lengths = np.sqrt((between**2).sum(axis=(1, 2, 3)))

    assert float(
        gradient_penalty(half_square, images, generated, mixture_shares(3))
    ) == pytest.approx(((lengths - 1) ** 2).mean(), rel=1e-5)
    assert float(r1_penalty(half_square, images, generated, None)) == pytest.approx(
        0.5 * (images**2).sum() / 3, rel=1e-5
    )


def test_a_penaltys_own_gradient_reaches_the_discriminators_weights(images):
    """Of ½ ‖w‖² it is w; of (‖w‖ - 1)² it is 2 (1 - 1 / ‖w‖) w."""
    weight = tf.Variable(SLOPE)

    def discriminator(batch):
        return tf.reduce_sum(weight * batch, axis=[1, 2, 3])[:, None]

    with tf.GradientTape(persistent=True) as tape:
        r1 = r1_penalty(discriminator, images, images, None)
        wgan = gradient_penalty(discriminator, images, images, mixture_shares(3))
    np.testing.assert_allclose(tape.gradient(r1, weight), SLOPE, rtol=1e-5)
    expected = 2 * (1 - 1 / float(tf.norm(SLOPE))) * SLOPE
    np.testing.assert_allclose(tape.gradient(wgan, weight), expected, rtol=1e-4)


def test_a_penalty_where_the_slope_is_zero_has_a_finite_gradient(images):
    weight = tf.Variable(tf.zeros((4, 5, 2)))
    with tf.GradientTape() as tape:

        def discriminator(batch):
            return tf.reduce_sum(weight * batch, axis=[1, 2, 3])[:, None]

        value = gradient_penalty(discriminator, images, images, mixture_shares(3))

    assert float(value) == pytest.approx(1, abs=1e-5)
    assert np.isfinite(tape.gradient(value, weight)).all()
