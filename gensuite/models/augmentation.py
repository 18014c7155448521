"""DiffAugment: random changes of images that gradients flow through."""

import tensorflow as tf

DRAWS = 7
"""Uniform numbers that one image takes."""
_SHIFT, _CUT = 1 / 8, 1 / 2


def diff_augment(images, uniform):
    """Recolour, shift and cut every image of a batch.

    Zhao et al., "Differentiable augmentation for data-efficient GAN training", 2020: the
    discriminator sees real and generated images changed alike, so it cannot learn a small data set
    by heart, and the generator does not learn the changes. With pixels in [-1, 1], brightness moves
    by up to ½, saturation and contrast are scaled by up to 2 and 1½, the image is shifted by up to
    an eighth of its sides, and a square of half of them is cut out; what is left empty is 0, grey.

    Args:
        images: ``(batch, height, width, channels)`` in [0, 1].
        uniform: ``(batch, 7)`` numbers from U(0, 1).

    Returns:
        The same shape; values may leave [0, 1].
    """
    draws = [tf.reshape(uniform[:, index], (-1, 1, 1, 1)) for index in range(DRAWS)]
    x = 2.0 * images - 1.0 + (draws[0] - 0.5)
    x = _scale_around(tf.reduce_mean(x, axis=-1, keepdims=True), x, 2.0 * draws[1])
    x = _scale_around(tf.reduce_mean(x, axis=[1, 2, 3], keepdims=True), x, 0.5 + draws[2])
    return 0.5 * (_cut(_shift(x, draws[3:5]), draws[5:7]) + 1.0)


def _scale_around(centre, x, factor):
    return centre + (x - centre) * factor


def _shift(x, draws):
    """Shift by a product with a matrix of ones off the diagonal, on either side."""
    height, width = x.shape[1:3]
    down, right = (
        tf.round((2.0 * draw[:, 0, 0] - 1.0) * _SHIFT * side)
        for draw, side in zip(draws, (height, width), strict=True)
    )
    rows = _shift_matrix(down, height)
    columns = _shift_matrix(right, width)
    return tf.einsum("bij,bjkc,blk->bilc", rows, x, columns)


def _shift_matrix(offset, side: int):
    """``(batch, side, side)`` with a 1 where row = column + offset."""
    places = tf.range(side, dtype=tf.float32)
    return tf.cast(places[None, :, None] == places[None, None, :] + offset[:, :, None], tf.float32)


def _cut(x, draws):
    """Set a rectangle, somewhere in the image, to 0."""
    height, width = x.shape[1:3]
    inside = True
    for draw, side, shape in ((draws[0], height, (1, -1, 1, 1)), (draws[1], width, (1, 1, -1, 1))):
        place = tf.reshape((tf.range(side, dtype=tf.float32) + 0.5) / side, shape)
        inside = tf.logical_and(inside, tf.abs(place - draw) < _CUT / 2)
    return tf.where(inside, 0.0, x)
