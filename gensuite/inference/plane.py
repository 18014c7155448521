"""A plane through latent space: the map on which a model's codes and images are laid out.

Codes of two numbers are their own map. Longer codes of an encoder are shown on the plane of their
two widest principal components, where a code is seen as its shadow: the nearest point of the
plane. A GAN has no codes, and its plane goes through the middle of the prior and two of its draws.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gensuite.inference.bundle import Bundle
from gensuite.inference.holes import Whitening
from gensuite.inference.latents import Codes, draw_codes, standard_normal
from gensuite.inference.priors import norm_quantiles

Array = NDArray[np.float64]

SHARES = (0.5, 0.9, 0.99)
"""Shares of the prior's draws that the rings hold."""

_MARGIN = 1.05
_CORNERS = 96


@dataclass(frozen=True)
class Plane:
    """A plane, the square of it that is worth seeing, and the prior's rings in it."""

    kind: Literal["whole", "components", "section"]
    """``whole``: the latent space itself; ``components``: the two widest of the codes;
    ``section``: through a GAN's prior."""

    origin: Array
    """``(size,)``: the code at (0, 0)."""

    axes: Array
    """``(size, 2)``: unit vectors along x and y, at right angles. (Zero, where the latent space
    or the codes have but one direction.)"""

    explained: float
    """Share of the codes' variance that lies along the plane; 1 when it is all of latent space, and
    0 for a ``section``, which has no codes to explain."""

    rings: tuple[Array, ...]
    """For each of :data:`SHARES` the closed curve, ``(corners, 2)``, that holds this share of the
    model's own prior: of its draws' shadows, and in a ``section`` of its draws by their norm."""

    centre: tuple[float, float]
    """Middle of the square that holds the rings and the codes."""

    reach: float
    """Half a side of the square."""

    @classmethod
    def of(cls, bundle: Bundle, *, seed: int = 0, image: int = 1) -> "Plane":
        """The plane of a bundle.

        Args:
            bundle: of any family.
            seed: from 0 to 2^32 - 1. With ``image`` it turns a ``section``: the x axis points to
                the code of that image of the seed, and the next image's lies in the plane.
            image: from 1 to 2^32 - 1.

        Raises:
            BundleError: ``codes.npz`` does not hold codes of this model.
            InputError: a stored code is not finite, or all are the same.
        """
        size, codes = bundle.latent_size, np.empty((0, bundle.latent_size))
        if bundle.codes:
            codes = draw_codes(bundle.codes, seed=0)
        kind: Literal["whole", "components", "section"] = "whole"
        origin, axes, explained = np.zeros(size), np.eye(size, 2), 1.0
        if size > 2 and bundle.codes:
            kind = "components"
            origin, axes, explained = _components(codes)
        elif size > 2:
            kind = "section"
            axes, explained = _section(standard_normal(2, size, seed=seed, first=image - 1)), 0.0
        rings = _rings(bundle, kind, origin, axes)
        seen = np.concatenate([*rings, (codes - origin) @ axes])
        low, high = seen.min(axis=0), seen.max(axis=0)
        x, y = (low + high) / 2
        reach = float((high - low).max()) / 2 * _MARGIN
        return cls(kind, origin, axes, explained, rings, (float(x), float(y)), reach)

    def to_codes(self, points: NDArray[Any]) -> Codes:
        """``(count, 2)`` points of the plane as codes, ``(count, size)`` float32."""
        return np.asarray(self.origin + np.asarray(points, float) @ self.axes.T, np.float32)

    def project(self, codes: NDArray[Any]) -> Array:
        """The shadows of ``(count, size)`` codes, which are the nearest points: ``(count, 2)``."""
        return np.asarray((np.asarray(codes, float) - self.origin) @ self.axes)

    def from_ring(self, points: NDArray[Any]) -> Array:
        """Places by the ring that holds half of the prior's draws, as points of the plane.

        (0, 0) is the ring's middle, (1, 0) and (0, 1) are as far from it as the ring reaches to the
        right and up: the same place of every model's own prior.

        Args:
            points: ``(count, 2)``.

        Returns:
            ``(count, 2)``.
        """
        middle, reach = self._ring
        return np.asarray(middle + np.asarray(points, float) * reach)

    def to_ring(self, points: NDArray[Any]) -> Array:
        """The way back from :meth:`from_ring`."""
        middle, reach = self._ring
        return np.asarray((np.asarray(points, float) - middle) / reach)

    @property
    def _ring(self) -> tuple[Array, Array]:
        low, high = self.rings[0].min(axis=0), self.rings[0].max(axis=0)
        return (low + high) / 2, (high - low) / 2

    def cells(self, side: int) -> Array:
        """Middles of the ``side`` × ``side`` equal cells of the square.

        Returns:
            ``(side², 2)``, in the order of images in a picture: rows from the top, each from the
            left.
        """
        steps = ((np.arange(side) + 0.5) / side * 2 - 1) * self.reach
        x, y = np.meshgrid(self.centre[0] + steps, self.centre[1] - steps)
        return np.stack([x.ravel(), y.ravel()], axis=1)


def _components(codes: Array) -> tuple[Array, Array, float]:
    """Mean of the codes, their two widest principal axes, and the share of variance along them."""
    whitening = Whitening.fit(codes)
    variances = np.square(whitening.scaled_axes).sum(axis=0)
    axes = np.zeros((len(whitening.mean), 2))
    widest = _upright(whitening.scaled_axes[:, :2] / np.sqrt(variances[:2]))
    axes[:, : widest.shape[1]] = widest
    return whitening.mean, axes, float(variances[:2].sum() / variances.sum())


def _section(draws: Codes) -> Array:
    """Unit vectors at right angles of the plane of two draws, ``(2, size)``, x along the first."""
    axes, triangle = np.linalg.qr(draws.T.astype(float))
    return np.asarray(axes * np.sign(np.diag(triangle)))


def _upright(axes: Array) -> Array:
    """Axes whose longest entry is positive: eigenvectors come with either sign."""
    longest = np.abs(axes).argmax(axis=0)
    return np.asarray(axes * np.sign(axes[longest, np.arange(axes.shape[1])]))


def _rings(bundle: Bundle, kind: str, origin: Array, axes: Array) -> tuple[Array, ...]:
    prior = bundle.own_prior
    size = bundle.latent_size if kind == "section" else 2
    variances, turn = np.linalg.eigh(axes.T @ prior.covariance @ axes)
    root = turn * np.sqrt(np.maximum(variances, 0))
    angle = np.linspace(0, 2 * np.pi, _CORNERS + 1)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    centre = (prior.mean - origin) @ axes
    return tuple(centre + radius * circle @ root.T for radius in norm_quantiles(size, SHARES))
