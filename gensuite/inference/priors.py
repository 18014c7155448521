"""Priors fitted to the codes of a trained encoder: how noise from N(0, I) becomes a code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gensuite.inference.latents import COMPONENT_STREAM, Codes, categorical


@dataclass(frozen=True)
class GaussianPrior:
    """N(mean, covariance) over codes, as fitted to an autoencoder's training codes."""

    mean: NDArray[np.float64]
    """``(size,)``."""

    covariance: NDArray[np.float64]
    """``(size, size)``, positive definite."""

    @classmethod
    def fit(cls, codes: NDArray[Any]) -> "GaussianPrior":
        """Mean and covariance of ``codes``, ``(count, size)``, at least one.

        A millionth of the mean variance is added to the diagonal, so that a latent dimension that
        the model never uses leaves the covariance invertible.
        """
        codes = np.asarray(codes, np.float64)
        mean = codes.mean(axis=0)
        covariance = (codes - mean).T @ (codes - mean) / max(len(codes) - 1, 1)
        ridge = 1e-6 * max(float(np.trace(covariance)) / len(covariance), 1e-6)
        return cls(mean, covariance + ridge * np.eye(len(covariance)))

    @classmethod
    def standard(cls, size: int) -> "GaussianPrior":
        """N(0, I) over codes of ``size`` numbers."""
        return cls(np.zeros(size), np.eye(size))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "GaussianPrior":
        """Read what :meth:`to_dict` wrote into a manifest."""
        return cls(np.array(values["mean"], float), np.array(values["covariance"], float))

    def to_dict(self) -> dict[str, Any]:
        """``{"mean": [...], "covariance": [[...]]}``, for a manifest."""
        return {"mean": self.mean.tolist(), "covariance": self.covariance.tolist()}

    @cached_property
    def _factor(self) -> NDArray[Any]:
        """The lower Cholesky factor, taken once and not for every chunk of a stream."""
        return np.linalg.cholesky(self.covariance)

    def codes(self, noise: Codes) -> Codes:
        """Map N(0, I) draws to this prior: mean + L·noise, L the lower Cholesky factor.

        Args:
            noise: ``(count, size)`` float32.

        Returns:
            ``(count, size)`` float32.
        """
        # einsum, and not a matrix product, so that a row's bits do not depend on its neighbours.
        moved = np.einsum("ij,kj->ik", noise.astype(np.float64), self._factor, optimize=False)
        return np.asarray(self.mean + moved, np.float32)

    def norms(self, codes: NDArray[Any]) -> NDArray[np.float64]:
        """How far codes lie from the mean in the prior's own standard deviations.

        Mahalanobis distances: the norms of the noise that :meth:`codes` would map to these codes.

        Args:
            codes: ``(count, size)``.

        Returns:
            ``(count,)``.
        """
        noise = np.linalg.solve(self._factor, (np.asarray(codes, np.float64) - self.mean).T)
        return np.asarray(np.linalg.norm(noise, axis=0))


@dataclass(frozen=True)
class MixturePrior:
    """A mixture of Gaussians over codes, as fitted to those of the training images.

    Ghosh et al., "From variational to deterministic autoencoders", 2020: a density fitted after
    training finds the codes where N(0, I), or one Gaussian, misses them.
    """

    weights: NDArray[np.float64]
    """``(components,)``, their sum 1."""
    means: NDArray[np.float64]
    """``(components, size)``."""
    factors: NDArray[np.float64]
    """``(components, size, size)``: of each covariance, the lower Cholesky factor."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "MixturePrior":
        """Read what :meth:`to_arrays` gave.

        Raises:
            ValueError: an array is missing, or they do not fit together.
        """
        try:
            weights, means, factors = (
                np.asarray(arrays[name], np.float64) for name in ("weights", "means", "factors")
            )
        except KeyError as error:
            raise ValueError(f"no array {error}") from None
        count, size = means.shape if means.ndim == 2 else (0, 0)
        if not count or weights.shape != (count,) or factors.shape != (count, size, size):
            raise ValueError(f"shapes {weights.shape}, {means.shape} and {factors.shape}")
        finite = all(np.isfinite(array).all() for array in (weights, means, factors))
        if not finite or (weights < 0).any() or abs(weights.sum() - 1) > 1e-6:
            raise ValueError("weights, means or factors that are not those of a mixture")
        return cls(weights, means, factors)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """``weights`` (float64), ``means`` and ``factors`` (float32), for a bundle."""
        return {
            "weights": self.weights,
            "means": self.means.astype(np.float32),
            "factors": self.factors.astype(np.float32),
        }

    @property
    def size(self) -> int:
        """Numbers in a code."""
        return int(self.means.shape[1])

    def codes(self, noise: Codes, *, seed: int, first: int = 0) -> Codes:
        """Map N(0, I) draws to this prior: mean + L·noise of a component drawn for each image.

        Args:
            noise: ``(count, size)`` float32, of the images from ``first`` on.
            seed: of the draw, from 0 to 2^32 - 1.
            first: index of the first image.

        Returns:
            ``(count, size)`` float32.
        """
        component = categorical(
            self.weights, len(noise), seed=seed, stream=COMPONENT_STREAM, first=first
        )
        # einsum, and not a matrix product, so that a row's bits do not depend on its neighbours.
        moved = np.empty(noise.shape)
        for index, factor in enumerate(self.factors):
            rows = component == index  # a factor for each image would take gigabytes
            moved[rows] = np.einsum("ij,kj->ik", noise[rows].astype(float), factor, optimize=False)
        return np.asarray(self.means[component] + moved, np.float32)


def norm_quantiles(size: int, shares: Sequence[float]) -> NDArray[np.float64]:
    """Norms that given shares of N(0, I) draws do not exceed: quantiles of the chi distribution.

    Args:
        size: numbers in a code.
        shares: each between 0 and 1.

    Returns:
        ``(len(shares),)``, right to a millionth.
    """
    root = np.sqrt(size)
    edges = np.linspace(max(root - 8, 0), root + 8, 20_001)
    middles = (edges[1:] + edges[:-1]) / 2
    log_density = (size - 1) * np.log(middles) - middles**2 / 2
    mass = np.cumsum(np.exp(log_density - log_density.max()))
    return np.interp(shares, np.insert(mass / mass[-1], 0, 0), edges)
