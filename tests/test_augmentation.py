"""DiffAugment by hand, and the way of gradients through it."""

import numpy as np
import pytest
import tensorflow as tf

from gensuite.models.augmentation import DRAWS, diff_augment

NEUTRAL = np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0], np.float32)
"""Draws that leave colours and place alone and cut the upper left quarter of the sides."""


@pytest.fixture
def images():
    return np.random.default_rng(0).random((3, 8, 8, 3)).astype(np.float32)


def augment(images, **changed):
    """Apply the neutral draws but for ``d0=0.7`` and the like."""
    draws = NEUTRAL.copy()
    for name, value in changed.items():
        draws[int(name[1:])] = value
    return diff_augment(images, np.tile(draws, (len(images), 1))).numpy()


def test_neutral_draws_change_nothing_but_what_they_cut(images):
    expected = images.copy()
    expected[:, :2, :2] = 0.5

    np.testing.assert_allclose(augment(images), expected, atol=1e-6)


def test_a_cut_is_a_square_of_half_the_sides(images):
    cut = augment(images, d5=0.5, d6=0.75) == 0.5

    assert cut[:, 2:6, 4:8].all()
    assert cut.sum() == 3 * 4 * 4 * 3


@pytest.mark.parametrize(("down", "offset"), [(0.0, -1), (0.2, -1), (0.5, 0), (0.99, 1)])
def test_a_shift_moves_by_up_to_an_eighth_and_leaves_grey(images, down, offset):
    shifted = augment(images, d3=down, d4=0.99)[:, 3:, 3:]
    expected = np.full((3, 10, 10, 3), 0.5, np.float32)
    expected[:, 1 + offset : 9 + offset, 2:10] = images

    np.testing.assert_allclose(shifted, expected[:, 4:9, 4:9], atol=1e-6)


def test_colours_move_around_their_means(images):
    corner = (slice(None), slice(2, None), slice(2, None))
    np.testing.assert_allclose(augment(images, d0=0.75)[corner], images[corner] + 0.125, atol=1e-6)

    grey = images.mean(-1, keepdims=True)
    np.testing.assert_allclose(
        augment(images, d1=0.0)[corner], np.repeat(grey, 3, -1)[corner], atol=1e-6
    )
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(
        augment(images, d2=1.0)[corner], (mean + 1.5 * (images - mean))[corner], atol=1e-6
    )


def test_grey_images_keep_their_shape_and_each_has_its_own_draws():
    images = np.repeat(np.random.default_rng(1).random((1, 12, 8, 1)).astype(np.float32), 4, 0)
    uniform = np.random.default_rng(2).random((4, DRAWS)).astype(np.float32)
    changed = diff_augment(images, uniform).numpy()

    assert changed.shape == images.shape
    assert not np.array_equal(changed[0], changed[1])
    np.testing.assert_array_equal(diff_augment(images[:2], uniform[:2]), changed[:2])


def test_gradients_are_those_of_differences(images):
    """Linear in the image, so that a difference quotient is exact but for rounding."""
    uniform = np.random.default_rng(3).random((3, DRAWS)).astype(np.float32)
    direction = np.random.default_rng(4).normal(size=images.shape).astype(np.float32)
    variable = tf.Variable(images)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(diff_augment(variable, uniform) ** 2)
    slope = float(tf.reduce_sum(tape.gradient(total, variable) * direction))

    before, after = (
        float((diff_augment(images + step * direction, uniform).numpy().astype(float) ** 2).sum())
        for step in (-1e-2, 1e-2)
    )
    assert slope == pytest.approx((after - before) / 2e-2, rel=1e-3)
