"""The adversarial losses: for each its two terms and, for some, a penalty on the discriminator.

A new loss is a row of :data:`ADVERSARIAL_LOSSES`; the training step does not change.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from gensuite.models import losses
from gensuite.models.base import replica_rows


@dataclass(frozen=True)
class AdversarialLoss:
    """What the two networks of a GAN minimize."""

    generator: Callable[[Any], Any]
    """``(generated_logits)`` → scalar."""
    discriminator: Callable[[Any, Any], Any]
    """``(real_logits, generated_logits)`` → scalar."""
    penalty: Callable[[Any, Any, Any, Any], Any] | None = None
    """``(discriminator, real, generated, shares)`` → scalar, with a function from images to logits,
    two batches of images, and :func:`mixture_shares`; weighted and added to the discriminator's
    loss."""


def mixture_shares(batch):
    """Each image's ε in WGAN-GP's mixtures, ``(batch,)`` float32.

    The ε of a global batch are spread evenly, ε = (i + ½) / batch; as the order of the images is
    random, each image meets every ε alike, and nothing has to be drawn.

    Args:
        batch: images that this replica has.
    """
    everyone, rows = replica_rows(batch)
    count = tf.cast(everyone, tf.float32)
    return ((tf.range(count) + 0.5) / count)[rows]


def gradient_penalty(discriminator, real, generated, shares):
    """WGAN-GP's penalty: E[(‖∇ l(x̂)‖ - 1)²] at x̂ = ε x + (1 - ε) G(z), with ε from U(0, 1).

    Gulrajani et al., "Improved training of Wasserstein GANs", 2017, equation 3.

    Args:
        discriminator: images → logits.
        real: ``(batch, h, w, c)``.
        generated: the same shape.
        shares: ε, ``(batch,)``.

    Returns:
        Scalar; averaged over the batch.
    """
    share = tf.reshape(shares, (-1, 1, 1, 1))
    norm = tf.sqrt(_squared_gradient(discriminator, share * real + (1.0 - share) * generated))
    return tf.reduce_mean(tf.square(norm - 1.0))


def r1_penalty(discriminator, real, generated, shares):  # noqa: ARG001  (all are given the same)
    """R1: ½ E[‖∇ l(x)‖²] at real images.

    Mescheder, Geiger & Nowozin, "Which training methods for GANs do actually converge?", 2018,
    equation 9.

    Args:
        discriminator: images → logits.
        real: ``(batch, h, w, c)``.
        generated: not used.
        shares: not used.

    Returns:
        Scalar; averaged over the batch.
    """
    return 0.5 * tf.reduce_mean(_squared_gradient(discriminator, real))


def _squared_gradient(discriminator, images):
    """‖∇ l(x)‖² of every image, ``(batch,)``; never quite 0, where its root has no slope."""
    images = tf.convert_to_tensor(images)
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = discriminator(images)
    gradient = tape.gradient(logits, images)
    return tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3]) + 1e-12


ADVERSARIAL_LOSSES = {
    "non_saturating": AdversarialLoss(
        losses.generator_non_saturating, losses.discriminator_cross_entropy
    ),
    "hinge": AdversarialLoss(losses.generator_linear, losses.discriminator_hinge),
    "wgan_gp": AdversarialLoss(
        losses.generator_linear, losses.discriminator_wasserstein, gradient_penalty
    ),
    "r1": AdversarialLoss(
        losses.generator_non_saturating, losses.discriminator_cross_entropy, r1_penalty
    ),
}
