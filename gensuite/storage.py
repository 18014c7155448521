"""Folders that are written whole or not at all, and by one process at a time.

Checkpoints and bundles both go through :func:`write_directory`. It takes bytes and knows nothing
of what they mean, so that every one of its system calls can be made to fail in a test.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_PARTIAL = ".partial-"


def write_directory(
    path: Path, files: Mapping[str, bytes], *, replace: bool = False, many: bool = False
) -> None:
    """Write ``files`` (flat name to bytes) as the folder ``path``, atomically and durably.

    The folder is written beside its place, synced to disk and renamed, so that at every moment
    ``path`` is the old folder, the new one, or (where there was none) absent. What an earlier,
    killed call for the same ``path`` left beside is removed first.

    A file system that cannot exchange two names (some network ones) leaves ``path`` absent for a
    moment; a call killed just then is put right by the next one.

    Args:
        path: the folder to make.
        files: its whole content.
        replace: exchange an existing folder for the new one in a single step.
        many: sync the file system once instead of every file: for hundreds of small files.

    Raises:
        FileExistsError: ``path`` exists and ``replace`` is false.
        OSError: the disk is full or fails; ``path`` is as it was.
    """
    if not replace and (path.exists() or _aside_path(path).exists()):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    partial = partial_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        for name, content in files.items():
            (partial / name).write_bytes(content) if many else write_synced(partial / name, content)
        if many:
            _sync_file_system(partial)
        put_in_place(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def partial_path(path: Path) -> Path:
    """Where a folder is written before it is put in its place."""
    return path.with_name(f"{_PARTIAL}{path.name}")


def is_partial(path: Path) -> bool:
    """Whether a file or folder is what a killed call left beside its place."""
    return path.name.startswith(_PARTIAL)


def put_in_place(partial: Path, path: Path) -> None:
    """Give a finished folder its final name in one step; what had the name is removed.

    Raises:
        OSError: the disk fails; ``path`` is as it was.
    """
    _sync_directory(partial)
    aside = _aside_path(path)
    if aside.exists() and not path.exists():
        aside.rename(path)
    if path.exists():
        if not _exchange(partial, path):
            _swap_in_two_steps(partial, path, aside)
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)
    else:
        partial.rename(path)
    _sync_directory(path.parent)


def write_file(path: Path, content: bytes) -> None:
    """Replace one file atomically and durably.

    Raises:
        OSError: the disk is full or fails; the old file is as it was.
    """
    partial = partial_path(path)
    try:
        write_synced(partial, content)
        partial.replace(path)
        _sync_directory(path.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: Path, in_use: Exception) -> Iterator[None]:
    """Hold a folder alone while in this context, or until this process ends.

    Args:
        folder: there already.
        in_use: what to raise where another process holds it.
    """
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise in_use from None
        yield
    finally:
        os.close(lock)


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file_system(path: Path) -> None:
    """Wait until the disk has all of the file system that ``path`` is on (Linux ``syncfs``)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders' names in one step (Linux ``renameat2``), which Python does not offer.

    Returns:
        False where the file system cannot.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, bytes(one), _AT_FDCWD, bytes(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS):
        return False
    raise OSError(number, os.strerror(number), str(other))


def _swap_in_two_steps(new: Path, old: Path, aside: Path) -> None:
    """Give ``new`` the name of ``old``, which is left at ``aside``."""
    shutil.rmtree(aside, ignore_errors=True)
    old.rename(aside)
    try:
        new.rename(old)
    except OSError:
        aside.rename(old)
        raise


def _aside_path(path: Path) -> Path:
    """Where the old folder waits; not named as partial, because it is whole."""
    return path.with_name(f".old-{path.name}")
