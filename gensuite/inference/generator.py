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

Labels = NDArray[np.int32]

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
            spread: factor on the prior's standard deviation; 0 gives its mean (of a mixture, its
                means), above 1 its tails.
            prior: ``"standard"`` for N(0, I), ``"gaussian"`` for the Gaussian of an autoencoder's
                training codes, ``"fitted"`` for the mixture of Gaussians fitted to an AE's or a
                VAE's; the model's own when not given.

        Returns:
            ``(count, latent_size)`` float32.

        Raises:
            InputError: an argument is not allowed.
        """
        self._check_draw(count, seed, spread, prior)
        return self._codes(0, count, seed, spread, prior)

    def labels(self, count: int, *, seed: int = 0) -> Labels:
        """Draw the class labels that :meth:`sample` gives a conditional model, by class share.

        Returns:
            ``(count,)`` int32.

        Raises:
            InputError: the model is not conditional, or an argument is not allowed.
        """
        self._check_draw(count, seed, 1.0, None)
        if not self.bundle.classes:
            raise InputError("labels: this model was trained without labels; it takes none")
        return self._drawn_labels(0, count, seed)

    def sample(
        self,
        count: int,
        *,
        seed: int = 0,
        spread: float = 1.0,
        prior: str | None = None,
        label: Any = None,
    ) -> Images:
        """Draw codes and decode them; see :meth:`draw` for the first arguments.

        ``sample(8, seed=s)`` is the first 8 of ``sample(16, seed=s)``, bit for bit on one machine.

        Args:
            count: see :meth:`draw`.
            seed: see :meth:`draw`.
            spread: see :meth:`draw`.
            prior: see :meth:`draw`.
            label: for a conditional model the class of all images, or one for each; those of
                :meth:`labels` when not given.

        Returns:
            ``(count, height, width, channels)`` float32 in [0, 1].

        Raises:
            InputError: an argument is not allowed.
        """
        chunks = self.stream(count, seed=seed, spread=spread, prior=prior, label=label)
        return np.concatenate(list(chunks))

    def stream(
        self,
        count: int,
        *,
        seed: int = 0,
        spread: float = 1.0,
        prior: str | None = None,
        label: Any = None,
    ) -> Iterator[Images]:
        """Yield the images of :meth:`sample` in chunks of at most 64, in constant memory.

        Raises:
            InputError: an argument is not allowed; raised at the call, not at the first chunk.
        """
        self._check_draw(count, seed, spread, prior)
        given = None if label is None else self._check_labels(label, count)

        def chunk(first: int) -> Images:
            rows = min(CHUNK, count - first)
            codes = self._codes(first, rows, seed, spread, prior)
            return self._decode_rows(codes, self._labels(first, rows, seed, given))

        return (chunk(first) for first in range(0, count, CHUNK))

    def decode(self, z: Any, *, label: Any = None) -> Images:
        """Turn codes into images.

        Args:
            z: ``(count, latent_size)`` finite numbers.
            label: for a conditional model, the class of all images or one for each.

        Returns:
            ``(count, height, width, channels)`` float32 in [0, 1].

        Raises:
            InputError: another shape, a value that is not finite, or a label that is missing, not
                wanted or not one of the model's.
        """
        codes = self._check_codes(z)
        return self._decode_rows(codes, self._check_labels(label, len(codes)))

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

    def reconstruct(self, images: Any, *, label: Any = None) -> Images:
        """Encode images and decode their codes.

        Args:
            images: see :meth:`encode`.
            label: for a conditional model, the class of all images or one for each.

        Raises:
            InputError: the family has no encoder, or the images or labels are not the model's.
        """
        return self.decode(self.encode(images), label=label)

    def interpolate(
        self, a: Any, b: Any, steps: int, path: str = "linear", *, label: Any = None
    ) -> Images:
        """Decode the way from code ``a`` to code ``b``; see :func:`latents.interpolate`.

        Args:
            a: ``(latent_size,)``.
            b: ``(latent_size,)``.
            steps: number of images, both ends included, at least 2.
            path: ``"linear"`` or ``"spherical"``.
            label: for a conditional model, the class of all images or one for each.

        Returns:
            ``(steps, height, width, channels)`` float32 in [0, 1].

        Raises:
            InputError: an argument is not allowed.
        """
        start, end = (self._check_codes([code])[0] for code in (a, b))
        return self.decode(latents.interpolate(start, end, steps, path), label=label)

    def _codes(self, first: int, count: int, seed: int, spread: float, prior: str | None) -> Codes:
        noise = latents.standard_normal(count, self.bundle.latent_size, seed=seed, first=first)
        noise *= np.float32(spread)
        name = prior or self.bundle.default_prior
        if name == "gaussian" and self.bundle.gaussian_prior:
            return self.bundle.gaussian_prior.codes(noise)
        if name == "fitted" and self.bundle.mixture_prior:
            return self.bundle.mixture_prior.codes(noise, seed=seed, first=first)
        return noise

    def _labels(self, first: int, count: int, seed: int, given: Labels | None) -> Labels | None:
        if given is not None:
            return given[first : first + count]
        return self._drawn_labels(first, count, seed) if self.bundle.classes else None

    def _drawn_labels(self, first: int, count: int, seed: int) -> Labels:
        shares = np.array(self.manifest["dataset"]["class_shares"], np.float64)
        return latents.categorical(
            shares, count, seed=seed, stream=latents.LABEL_STREAM, first=first
        )

    def _decode_rows(self, z: Codes, labels: Labels | None) -> Images:
        half = GENERATING_HALF[self.bundle.family]
        inputs: dict[str, NDArray[Any]] = {"z": z}
        if labels is not None:
            inputs["label"] = np.ascontiguousarray(labels)
        return self._run(half, inputs)["image"]

    def _encode(self, images: Any) -> dict[str, Codes]:
        if self.bundle.family not in ENCODER_OUTPUTS:
            raise InputError(
                f"encode: {NAMES[self.bundle.family]} has no encoder: its generator was "
                "trained from noise alone, so no image has a code; use an AE or a VAE"
            )
        return self._run("encoder", {"image": check_images(images, self.bundle.image_shape)})

    def _run(self, model: str, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
        """Run a model over the rows of its inputs, chunk by chunk."""
        count = len(next(iter(inputs.values())))
        if count <= CHUNK:
            return self._backend.run(model, inputs)
        parts = [
            self._backend.run(
                model, {port: rows[first : first + CHUNK] for port, rows in inputs.items()}
            )
            for first in range(0, count, CHUNK)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _check_labels(self, label: Any, count: int) -> Labels | None:
        """Labels as the model takes them: ``(count,)`` int32, or None for one without labels."""
        classes = self.bundle.classes
        if not classes:
            if label is not None:
                raise InputError(f"label: {label!r} given; this model was trained without labels")
            return None
        array = as_array("label", label)
        whole = array.dtype.kind in "iu" and array.shape in ((), (count,))
        if not whole or (array < 0).any() or (array >= classes).any():
            shown = repr(label) if array.shape == () else f"an array of shape {array.shape}"
            raise InputError(
                f"label: {shown} given; this model takes a whole number from 0 to {classes - 1}, "
                f"or {count} of them"
            )
        # One label for all stays one number in memory, however long the stream.
        return np.broadcast_to(array.astype(np.int32), count)

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
        if prior is not None and prior not in self.bundle.priors:
            raise InputError(
                f"prior: {prior!r} given; this model has {' and '.join(self.bundle.priors)}"
            )
