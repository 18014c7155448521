"""The generator: a loaded bundle that draws, decodes, encodes and reconstructs images."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gensuite.errors import BundleError, InputError
from gensuite.inference import bundle as bundles
from gensuite.inference import latents
from gensuite.inference.bundle import Bundle
from gensuite.inference.inputs import Images, as_array, check_images
from gensuite.inference.latents import Codes
from gensuite.inference.manifest import ENCODER_OUTPUTS, GENERATING_HALF, NAMES
from gensuite.inference.runtime import Arrays, Backend, OnnxBackend

Labels = NDArray[np.int32]
Part = TypeVar("Part")

CHUNK = 32
"""Rows in one run of a model: twice as many leave a core's cache, and are slower."""


def load(
    path: str | Path,
    *,
    threads: int = 1,
    providers: Sequence[str] | None = None,
    backend: str = "onnx",
    expect: str | None = None,
) -> "Generator":
    """Load a bundle.

    Args:
        path: the bundle's folder, such as ``artifacts/vae-digits``.
        threads: CPU threads of one call; 1 is fastest for single images of small models. Up to
            32 rows are one run, in which the threads share the work; of more rows each chunk of
            32 is a run of one thread, and as many run side by side.
        providers: onnxruntime execution providers, best first; the CPU when not given. Each is part
            of an onnxruntime package of its own, such as ``onnxruntime-openvino``, and may have
            threads of its own.
        backend: ``"onnx"``, or ``"savedmodel"`` for the SavedModel beside the bundle, which
            needs TensorFlow and, being a program, deserves the trust of one.
        expect: the identity that the bundle must have, ``sha256:…`` as ``gensuite.info`` prints it.

    In this process a bundle is promised to be what its manifest says and to have passed the scan of
    its graphs, no more: of a bundle from a stranger give ``expect``, or try it first with
    :func:`gensuite.inference.quarantine.try_bundle`.

    Raises:
        BundleNotFoundError: there is no bundle (or no SavedModel beside it).
        BundleError: the bundle is not what its manifest says.
        InputError: an argument is not allowed.
    """
    bundle = bundles.read(path)
    if expect is not None and expect != bundle.identity:
        raise BundleError(
            "identity",
            f"{path}: is {bundle.identity}, not {expect} as expected; get that bundle again, or "
            "trust this one by giving its identity",
        )
    if backend == "onnx":
        return Generator.of(bundle, threads=threads, providers=providers)
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

    @classmethod
    def of(
        cls, bundle: Bundle, *, threads: int = 1, providers: Sequence[str] | None = None
    ) -> "Generator":
        """The generator of a bundle that has been read, on onnxruntime; see :func:`load`.

        Raises:
            BundleError: the scan or onnxruntime refuses a model, or its ports are not the bundle's.
            InputError: an argument is not allowed.
        """
        return cls(bundle, OnnxBackend(bundle.models, bundle.ports, threads, providers))

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

    def labels(self, count: int, *, seed: int = 0, first: int = 0) -> Labels:
        """Draw the class labels that :meth:`sample` gives a conditional model, by class share.

        Args:
            count: see :meth:`draw`.
            seed: see :meth:`draw`.
            first: see :meth:`stream`.

        Returns:
            ``(count,)`` int32.

        Raises:
            InputError: the model is not conditional, or an argument is not allowed.
        """
        self._check_draw(count, seed, 1.0, None)
        _check_first(first, count)
        if not self.bundle.classes:
            raise InputError("labels: this model was trained without labels; it takes none")
        return self._drawn_labels(first, count, seed)

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
        first: int = 0,
    ) -> Iterator[Images]:
        """Yield the images of :meth:`sample` in chunks of at most 32, in constant memory.

        Args:
            count: see :meth:`draw`.
            seed: see :meth:`draw`.
            spread: see :meth:`draw`.
            prior: see :meth:`draw`.
            label: see :meth:`sample`.
            first: index of the first image, a multiple of 32, so that an image lies at the same
                place of the same chunk wherever a stream begins: ``stream(n, first=k)`` goes on
                where ``stream(k)`` ends.

        Raises:
            InputError: an argument is not allowed; raised at the call, not at the first chunk.
        """
        self._check_draw(count, seed, spread, prior)
        _check_first(first, count)
        given = None if label is None else self._check_labels(label, count)

        def chunk(backend: Backend, offset: int) -> Images:
            rows = min(CHUNK, count - offset)
            codes = self._codes(first + offset, rows, seed, spread, prior)
            if given is not None:
                labels = given[offset : offset + rows]
            elif self.bundle.classes:
                labels = self._drawn_labels(first + offset, rows, seed)
            else:
                labels = None
            return backend.run(*self._decoding(codes, labels))["image"]

        return self._chunks(count, chunk)

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
        return self._run(*self._decoding(codes, self._check_labels(label, len(codes))))["image"]

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

    def _drawn_labels(self, first: int, count: int, seed: int) -> Labels:
        shares = np.array(self.manifest["dataset"]["class_shares"], np.float64)
        return latents.categorical(
            shares, count, seed=seed, stream=latents.LABEL_STREAM, first=first
        )

    def _decoding(self, z: Codes, labels: Labels | None) -> tuple[str, Arrays]:
        """The model that makes images, and its inputs."""
        inputs: dict[str, NDArray[Any]] = {"z": z}
        if labels is not None:
            inputs["label"] = np.ascontiguousarray(labels)
        return GENERATING_HALF[self.bundle.family], inputs

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

        def chunk(backend: Backend, offset: int) -> dict[str, NDArray[np.float32]]:
            own = slice(offset, offset + CHUNK)
            return backend.run(model, {port: rows[own] for port, rows in inputs.items()})

        parts = list(self._chunks(count, chunk))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _chunks(self, count: int, chunk: Callable[[Backend, int], Part]) -> Iterator[Part]:
        """The chunks of ``count`` rows in their order, as many side by side as there are threads.

        Args:
            count: rows.
            chunk: makes the chunk that begins at a row, by the backend that it is given.
        """
        offsets, threads = range(0, count, CHUNK), self._backend.threads
        if threads == 1 or len(offsets) == 1:
            yield from (chunk(self._backend, offset) for offset in offsets)
            return
        waiting: deque[Future[Part]] = deque()
        for offset in offsets:
            waiting.append(self._pool.submit(chunk, self._backend.one_thread, offset))
            if len(waiting) == 2 * threads:  # no thread idles, and a stream stays small
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        """The threads of large batches, kept: starting them takes as long as a chunk."""
        return ThreadPoolExecutor(self._backend.threads)

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
        if array.dtype != np.float32:
            with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
                array = array.astype(np.float32)
        codes = np.ascontiguousarray(array)
        # A count, because all() takes as long again as the rest of the look at one code.
        if len(codes) == 0 or np.count_nonzero(np.isfinite(codes)) < codes.size:
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


def _check_first(first: int, count: int) -> None:
    if not latents.is_whole(first) or first % CHUNK or not 0 <= first <= latents.MAX_COUNT - count:
        raise InputError(
            f"first: {first!r} given; allowed is a multiple of {CHUNK} from 0 to 2^32 less count"
        )
