"""Bulk sampling: any number of images in a folder of shards, in constant memory, resumable.

The folder holds ``sampling.json``, its settings, and the shards, each named by its first image:

    0000001024.npz                  images (count, height, width, channels) uint8; of a conditional
                                    model also labels (count,) int32
    0000001000/0000001000.png ...   one file an image; of a conditional model also labels.csv

A shard is written whole or not at all, so the shards that are there are those that are done.
Image i is a function of the bundle, the settings and i: it is decoded in a whole chunk of 32, at
the same place of it, whatever the shards and whoever writes them.
"""

import contextlib
import ctypes
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gensuite.arrays import pack
from gensuite.errors import GensuiteError, InputError
from gensuite.inference.bundle import Bundle
from gensuite.inference.generator import CHUNK, Generator
from gensuite.inference.images import picture, png, to_uint8
from gensuite.inference.latents import is_whole
from gensuite.ray_cluster import require_ray
from gensuite.storage import is_partial, locked, write_directory, write_file

RECORD = "sampling.json"
SCHEMA = 1
SHARD = {"npz": 1024, "png": 1000}
"""Format → images in a shard when no number is given."""
MAX_SHARD = 100_000
MAX_WORKERS = 256

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Sampling:
    """The settings that the images, and their places in the folder, depend on."""

    bundle: str
    """The bundle's identity."""
    count: int
    format: str
    shard: int
    """Images in a shard; the last may hold fewer."""
    seed: int
    spread: float
    prior: str
    label: int | None
    """Class of all images of a conditional model; drawn when None."""
    schema: int = SCHEMA

    @property
    def firsts(self) -> range:
        """The first image of every shard."""
        return range(0, self.count, self.shard)

    def size(self, first: int) -> int:
        """Images in the shard that begins with image ``first``."""
        return min(self.shard, self.count - first)

    def place(self, folder: Path, first: int) -> Path:
        """Where that shard lies. Names sort in the order of the images, up to the last possible."""
        return folder / f"{first:010}{'.npz' if self.format == 'npz' else ''}"


def write_shards(
    bundle: Bundle,
    folder: Path,
    count: int,
    *,
    format: str,  # noqa: A002  (the flag's and the field's word)
    seed: int = 0,
    spread: float = 1.0,
    prior: str | None = None,
    label: int | None = None,
    shard: int | None = None,
    workers: int = 1,
    engine: str = "local",
    report: Callable[[int], object] = lambda done: None,  # noqa: ARG005
) -> Sampling:
    """Write the images of ``Generator.stream`` into a folder, or go on where a call was ended.

    More than one worker are processes that import the caller's main module, which therefore needs
    the ``if __name__ == "__main__"`` of the standard library's ``multiprocessing``.

    Args:
        bundle: the bundle.
        folder: absent, empty, or of an earlier call with the same settings.
        count: images in all, 1 to 2^32.
        format: ``"npz"`` or ``"png"``; see the module.
        seed: see :meth:`Generator.draw`.
        spread: see :meth:`Generator.draw`.
        prior: see :meth:`Generator.draw`.
        label: for a conditional model the class of all images; drawn when not given.
        shard: images in a shard, 1 to 100,000; 1,024 for npz and 1,000 for PNG when not given.
        workers: processes, 1 to 256, each with a session of one thread; 1 is this process.
        engine: ``"local"`` for processes of this machine; ``"ray"`` for Ray Data, whose workers
            may be on other machines, where they must find the same folder at the same path.
        report: called with the number of images that are there, at the start and after each shard.

    Returns:
        The settings, as they are in the folder.

    Raises:
        InputError: an argument is not allowed, or the folder is in use, holds something else, or a
            sampling of other settings.
        ConfigError: Ray is not installed.
        GensuiteError: a worker was ended from outside; what is finished is kept.
        OSError: the disk is full or fails; what is finished is kept.
    """
    if format not in SHARD:
        raise InputError(f"format: {format!r} given; allowed are 'npz' and 'png'")
    shard = SHARD[format] if shard is None else shard
    for name, value, most in (("shard", shard, MAX_SHARD), ("workers", workers, MAX_WORKERS)):
        if not is_whole(value) or not 1 <= value <= most:
            raise InputError(f"{name}: {value!r} given; allowed is a whole number from 1 to {most}")
    if engine not in _ENGINES:
        raise InputError(f"engine: {engine!r} given; allowed are 'local' and 'ray'")
    if engine == "ray":
        require_ray()
    if label is not None and not is_whole(label):
        raise InputError(f"label: {label!r} given; allowed is one whole number for all images")
    if folder.resolve().is_relative_to(bundle.path.resolve()):
        raise InputError(f"{folder}: lies in the bundle, which an extra file would break")
    generator = Generator.of(bundle)
    generator.stream(count, seed=seed, spread=spread, prior=prior, label=label)  # checks them
    sampling = Sampling(
        bundle=bundle.identity,
        count=int(count),
        format=format,
        shard=int(shard),
        seed=int(seed),
        spread=float(spread),
        prior=prior or bundle.default_prior,
        label=None if label is None else int(label),
    )
    with _claimed(folder, sampling):
        there = (int(path.stem) for path in folder.iterdir() if path.name[0].isdigit())
        done = sum(map(sampling.size, there))
        report(done)
        missing = (f for f in sampling.firsts if not sampling.place(folder, f).exists())
        for size in _ENGINES[engine](workers, generator, folder, sampling, missing):
            done += size
            report(done)
    return sampling


@contextlib.contextmanager
def _claimed(folder: Path, sampling: Sampling) -> Iterator[None]:
    """Hold a folder alone that is this sampling's: by its record, or because it is empty."""
    folder.mkdir(parents=True, exist_ok=True)
    in_use = InputError(
        f"{folder}: another sampling is writing here; wait until it ends, or name another folder"
    )
    with locked(folder, in_use):
        record = folder / RECORD
        if record.exists():
            _check_record(record, sampling)
        elif any(not is_partial(path) for path in folder.iterdir()):
            raise InputError(f"{folder}: holds other files; name a new or an empty folder")
        else:
            write_file(record, (json.dumps(asdict(sampling), indent=1) + "\n").encode())
        yield


def _check_record(record: Path, sampling: Sampling) -> None:
    try:
        there = dict(json.loads(record.read_bytes()))
    except (ValueError, TypeError):
        raise InputError(f"{record}: is damaged; remove the folder, or name another") from None
    given = asdict(sampling)
    differing = [
        f"{name} {there.get(name)!r} there, {value!r} given"
        for name, value in given.items()
        if there.get(name) != value
    ]
    if differing:
        raise InputError(
            f"{record.parent}: holds a sampling of other settings ({'; '.join(differing)}); to go "
            "on with it give its settings, to start another name another folder"
        )


def write_shard(generator: Generator, folder: Path, sampling: Sampling, first: int) -> int:
    """Make the shard that begins with image ``first``; returns its size."""
    size = sampling.size(first)
    images, labels = _draw(generator, sampling, first, size)
    place = sampling.place(folder, first)
    if sampling.format == "npz":
        arrays: dict[str, NDArray[Any]] = {"images": images}
        if labels is not None:
            arrays["labels"] = labels
        # Compressing takes longer than sampling a small model does.
        write_file(place, pack(arrays, compress=False))
        return size
    names = [f"{index:010}.png" for index in range(first, first + size)]
    files = {name: png(picture(image)) for name, image in zip(names, images, strict=True)}
    if labels is not None:
        rows = (f"{name},{label}\n" for name, label in zip(names, labels, strict=True))
        files["labels.csv"] = "".join(("image,label\n", *rows)).encode()
    write_directory(place, files, many=True)
    return size


def _draw(
    generator: Generator, sampling: Sampling, first: int, size: int
) -> tuple[NDArray[np.uint8], NDArray[np.int32] | None]:
    """The images of a shard, and the labels of a conditional model."""
    # A runtime may round differently in a batch of another size: only whole chunks are decoded.
    start = first // CHUNK * CHUNK
    rows = -(-(first + size - start) // CHUNK) * CHUNK
    chunks = generator.stream(
        rows,
        seed=sampling.seed,
        spread=sampling.spread,
        prior=sampling.prior,
        label=sampling.label,
        first=start,
    )
    own = slice(first - start, first - start + size)
    images = np.concatenate([to_uint8(chunk) for chunk in chunks])[own]
    if not generator.bundle.classes:
        return images, None
    if sampling.label is not None:
        return images, np.full(size, sampling.label, np.int32)
    return images, generator.labels(rows, seed=sampling.seed, first=start)[own]


def _locally(
    workers: int,
    generator: Generator,
    folder: Path,
    sampling: Sampling,
    missing: Iterator[int],
) -> Iterator[int]:
    if workers > 1:
        return _in_processes(workers, generator.bundle, folder, sampling, missing)
    return (write_shard(generator, folder, sampling, first) for first in missing)


def _on_ray(
    workers: int,
    generator: Generator,
    folder: Path,
    sampling: Sampling,
    missing: Iterator[int],
) -> Iterator[int]:
    from gensuite.inference.ray_shards import write_on_ray

    return write_on_ray(workers, generator.bundle, folder, sampling, list(missing))


_ENGINES = {"local": _locally, "ray": _on_ray}
"""Engine → what makes missing shards with so many workers, and yields sizes as they are done."""


def _in_processes(
    workers: int, bundle: Bundle, folder: Path, sampling: Sampling, missing: Iterator[int]
) -> Iterator[int]:
    """Make shards in worker processes; yields the size of each as it is done."""
    pool = ProcessPoolExecutor(
        workers,
        multiprocessing.get_context("spawn"),
        _start_worker,
        (os.getpid(), bundle, folder, sampling),
    )
    try:
        waiting = set()
        for first in missing:
            with _sigint_blocked():
                waiting.add(pool.submit(_work, first))
            if len(waiting) == 2 * workers:  # no worker idles, and no list of millions is held
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        yield from (future.result() for future in as_completed(waiting))
    except BrokenProcessPool:
        raise GensuiteError(
            "a worker process was ended from outside, perhaps for want of memory; what is finished "
            "is kept: give the same command again, or with fewer --workers"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Let processes started here inherit a blocked SIGINT: Ctrl-C is their parent's to answer."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_worker: tuple[Generator, Path, Sampling]


def _start_worker(parent: int, bundle: Bundle, folder: Path, sampling: Sampling) -> None:
    global _worker  # noqa: PLW0603  (a pool's initializer has no other way to leave a thing behind)
    # A killed parent must not leave workers that write into a folder which it no longer holds.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    _worker = (Generator.of(bundle), folder, sampling)


def _work(first: int) -> int:
    return write_shard(*_worker, first)
