"""Folders that are written whole or not at all.

Checkpoints and bundles both go through :func:`write_directory`. It takes bytes and knows nothing
of what they mean, so that every one of its system calls can be made to fail in a test.
"""

import ctypes
import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_PARTIAL = ".partial-"


def write_directory(path: Path, files: Mapping[str, bytes], *, replace: bool = False) -> None:
    """Write ``files`` (flat name to bytes) as the folder ``path``, atomically and durably.

    The folder is written beside its place, synced to disk and renamed, so that at every moment
    ``path`` is the old folder, the new one, or (where there was none) absent. What an earlier,
    killed call for the same ``path`` left beside is removed first.

    Args:
        path: the folder to make.
        files: its whole content.
        replace: exchange an existing folder for the new one in a single step.

    Raises:
        FileExistsError: ``path`` exists and ``replace`` is false.
        OSError: the disk is full or fails; ``path`` is as it was.
    """
    if not replace and path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    partial = partial_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        for name, content in files.items():
            write_synced(partial / name, content)
        put_in_place(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def partial_path(path: Path) -> Path:
    """Where a folder is written before it is put in its place."""
    return path.with_name(f"{_PARTIAL}{path.name}")


def put_in_place(partial: Path, path: Path) -> None:
    """Give a finished folder its final name in one step; what had the name is removed.

    Raises:
        OSError: the disk fails; ``path`` is as it was.
    """
    _sync_directory(partial)
    if path.exists():
        _exchange(partial, path)
        shutil.rmtree(partial)
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


def _exchange(new: Path, old: Path) -> None:
    """Swap two folders' names in one step (Linux ``renameat2``), which Python does not offer."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, bytes(new), _AT_FDCWD, bytes(old), _RENAME_EXCHANGE) == 0:
        return
    number = ctypes.get_errno()
    if number not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(number, os.strerror(number), str(old))
    # Some network file systems cannot exchange: for a moment neither folder has the name.
    aside = new.with_name(f"{new.name}.old")
    old.rename(aside)
    new.rename(old)
    aside.rename(new)
