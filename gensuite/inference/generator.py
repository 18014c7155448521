"""The generator: a loaded bundle that draws, decodes, encodes and reconstructs images."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gensuite.errors import InputError
from gensuite.inference import bundle as bundles
from gensuite.inference import latents
from gensuite.inference.bundle import Bundle
from gensuite.inference.images import Images, as_array, check_images
from gensuite.inference.latents import Codes
from gensuite.inference.manifest import ENCODER_OUTPUTS, GENERATING_HALF, NAMES
from gensuite.inference.runtime import Arrays, Backend, OnnxBackend

CHUNK = 64
"""Rows in one run of a model: more cost memory and win no time."""


def load(
    path: str | Path,
    *,
    threads: int = 1,
    providers: Sequence[str] | None = None,
    backend: str = "onnx",
) -> "Generator":
    """Load a bundle.

    Args:
        path: the bundle's folder, such as ``artifacts/vae-digits``.
        threads: CPU threads inside one call; 1 is fastest for single images of small models.
        providers: onnxruntime execution providers, best first; the CPU when not given.
        backend: ``"onnx"``, or ``"savedmodel"`` for the SavedModel beside the bundle, which
            needs TensorFlow and, being a program, deserves the trust of one.

    Raises:
        BundleNotFoundError: there is no bundle (or no SavedModel beside it).
        BundleError: the bundle is not what its manifest says.
        InputError: an argument is not allowed.
    """
    bundle = bundles.read(path)
    if backend == "onnx":
        return Generator(bundle, OnnxBackend(bundle.models, bundle.ports, threads, providers))
    if backend == "savedmodel":
        from gensuite.inference.saved_model import SavedModelBackend

        return Generator(bundle, SavedModelBackend(bundle))
    raise InputError(f"backend: {backend!r} given; allowed are 'onnx' and 'savedmodel'")


class Generator:
    """The generative model of a bundle. Safe to share between threads.

    Images are ``(count, height, width, channels)`` float32 in [0, 1]; codes are
    ``(count, latent_size)`` float32.
    """

    def __init__(self, bundle: Bundle, backend: Backend):
        self.bundle = bundle
        self._backend = backend

    @property
    def manifest(self) -> dict[str, Any]:
        """The bundle's manifest."""
        return self.bundle.manifest

    def draw(
        self, count: int, *, seed: int = 0, spread: float = 1.0, prior: str | None = None
    ) -> Codes:
        """Draw the codes that :meth:`sample` decodes.

        Args:
            count: number of codes, at least 1.
            seed: from 0 to 2^32 - 1.
            spread: factor on the prior's standard deviation; 0 gives its mean, above 1 its tails.
            prior: ``"standard"`` for N(0, I), ``"gaussian"`` for the Gaussian of an autoencoder's
                training codes; the model's own when not given.

        Returns:
            ``(count, latent_size)`` float32.

        Raises:
            InputError: an argument is not allowed.
        """
        self._check_draw(count, seed, spread, prior)
        return self._codes(0, count, seed, spread, prior)

    def sample(
        self, count: int, *, seed: int = 0, spread: float = 1.0, prior: str | None = None
    ) -> Images:
        """Draw codes and decode them; see :meth:`draw` for the arguments.

        ``sample(8, seed=s)`` is the first 8 of ``sample(16, seed=s)``, bit for bit on one machine.

        Returns:
            ``(count, height, width, channels)`` float32 in [0, 1].

        Raises:
            InputError: an argument is not allowed.
        """
        return np.concatenate(list(self.stream(count, seed=seed, spread=spread, prior=prior)))

    def stream(
        self, count: int, *, seed: int = 0, spread: float = 1.0, prior: str | None = None
    ) -> Iterator[Images]:
        """Yield the images of :meth:`sample` in chunks of at most 64, in constant memory.

        Raises:
            InputError: an argument is not allowed; raised at the call, not at the first chunk.
        """
        self._check_draw(count, seed, spread, prior)
        return (
            self._decode_rows(self._codes(first, min(CHUNK, count - first), seed, spread, prior))
            for first in range(0, count, CHUNK)
        )

    def decode(self, z: Any) -> Images:
        """Turn codes into images.

        Args:
            z: ``(count, latent_size)`` finite numbers.

        Returns:
            ``(count, height, width, channels)`` float32 in [0, 1].

        Raises:
            InputError: another shape, or a value that is not finite.
        """
        return self._decode_rows(self._check_codes(z))

    def encode(self, images: Any) -> Codes:
        """Turn images into codes: of a VAE, the mean of each posterior.

        Args:
            images: ``(count, height, width, channels)``, floats in [0, 1] or uint8.

        Returns:
            ``(count, latent_size)`` float32.

        Raises:
            InputError: the family has no encoder, or the images are not the model's.
        """
        outputs = self._encode(images)
        return outputs["mean"] if "mean" in outputs else outputs["z"]

    def posterior(self, images: Any) -> tuple[Codes, Codes]:
        """Mean and log-variance of a VAE's q(z|x) for each image.

        Returns:
            Two ``(count, latent_size)`` float32 arrays.

        Raises:
            InputError: the model is not a VAE, or the images are not the model's.
        """
        if self.bundle.family != "vae":
            raise InputError(
                f"posterior: only a VAE encodes an image to a distribution; this is "
                f"{NAMES[self.bundle.family]}"
            )
        outputs = self._encode(images)
        return outputs["mean"], outputs["log_variance"]

    def reconstruct(self, images: Any) -> Images:
        """Encode images and decode their codes.

        Raises:
            InputError: the family has no encoder, or the images are not the model's.
        """
        return self._decode_rows(self.encode(images))

    def interpolate(self, a: Any, b: Any, steps: int, path: str = "linear") -> Images:
        """Decode the way from code ``a`` to code ``b``; see :func:`latents.interpolate`.

        Args:
            a: ``(latent_size,)``.
            b: ``(latent_size,)``.
            steps: number of images, both ends included, at least 2.
            path: ``"linear"`` or ``"spherical"``.

        Returns:
            ``(steps, height, width, channels)`` float32 in [0, 1].

        Raises:
            InputError: an argument is not allowed.
        """
        start, end = (self._check_codes([code])[0] for code in (a, b))
        return self._decode_rows(latents.interpolate(start, end, steps, path))

    def _codes(self, first: int, count: int, seed: int, spread: float, prior: str | None) -> Codes:
        noise = latents.standard_normal(count, self.bundle.latent_size, seed=seed, first=first)
        noise *= np.float32(spread)
        if (prior or self.bundle.default_prior) == "standard":
            return noise
        assert self.bundle.gaussian_prior is not None  # noqa: S101  (checked in _check_draw)
        return self.bundle.gaussian_prior.codes(noise)

    def _decode_rows(self, z: Codes) -> Images:
        half = GENERATING_HALF[self.bundle.family]
        return self._run(half, {"z": z})["image"]

    def _encode(self, images: Any) -> dict[str, Codes]:
        if self.bundle.family not in ENCODER_OUTPUTS:
            raise InputError(
                f"encode: {NAMES[self.bundle.family]} has no encoder: its generator was "
                "trained from noise alone, so no image has a code; use an AE or a VAE"
            )
        return self._run("encoder", {"image": check_images(images, self.bundle.image_shape)})

    def _run(self, model: str, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
        """Run a model over its one input, chunk by chunk."""
        ((port, rows),) = inputs.items()
        if len(rows) <= CHUNK:
            return self._backend.run(model, inputs)
        parts = [
            self._backend.run(model, {port: rows[first : first + CHUNK]})
            for first in range(0, len(rows), CHUNK)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _check_codes(self, z: Any) -> Codes:
        array = as_array("z", z)
        size = self.bundle.latent_size
        if array.dtype.kind not in "fiu" or array.ndim != 2 or array.shape[1] != size:
            raise InputError(
                f"z: {array.dtype} of shape {array.shape} given; this model takes numbers of "
                f"shape (count, {size})"
            )
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
            codes = np.ascontiguousarray(array, np.float32)
        if len(codes) == 0 or not np.isfinite(codes).all():
            raise InputError(
                "z: no code, or one that is not finite, given; allowed is finite numbers"
            )
        return codes

    def _check_draw(self, count: int, seed: int, spread: float, prior: str | None) -> None:
        if not latents.is_whole(count) or not 1 <= count <= latents.MAX_COUNT:
            raise InputError(f"count: {count!r} given; allowed is a whole number from 1 to 2^32")
        if not latents.is_whole(seed) or not 0 <= seed <= latents.MAX_SEED:
            raise InputError(f"seed: {seed!r} given; allowed is a whole number from 0 to 2^32 - 1")
        number = latents.is_whole(spread) or isinstance(spread, float | np.floating)
        if not number or not 0 <= spread <= 10:  # also true of NaN
            raise InputError(f"spread: {spread!r} given; allowed is a number from 0 to 10")
        own = ["standard"] + (["gaussian"] if self.bundle.gaussian_prior else [])
        if prior is not None and prior not in own:
            raise InputError(f"prior: {prior!r} given; this model has {' and '.join(own)}")
