"""Checkpoints as bytes: written whole, read back, and never trusted without their hashes.

A checkpoint is a folder named by its step that holds files and their sha256. This module knows
nothing of models and imports no TensorFlow, so that each of its writes can be made to fail.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from gensuite.errors import RunError
from gensuite.storage import partial_path, write_directory

_HASHES = "hashes.json"
_DAMAGED = ".damaged"


def save(folder: Path, step: int, files: Mapping[str, bytes], keep: int) -> None:
    """Write a checkpoint, read it back, and only then remove those that are too old.

    Args:
        folder: where a run's checkpoints lie.
        step: training steps done; its name.
        files: file name → content.
        keep: number of newest checkpoints to keep.

    Raises:
        OSError: the disk is full or fails; earlier checkpoints are untouched.
        RunError: the disk gave back other bytes than it was given.
    """
    path = folder / f"{step:09d}"
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    if read(path) == dict(files):
        return  # a resume that had nothing to do, or a stop right after a save
    for left in folder.glob(partial_path(Path("*")).name):
        shutil.rmtree(left, ignore_errors=True)  # by a save that was killed
    content = dict(files) | {_HASHES: json.dumps(hashes, sort_keys=True).encode()}
    write_directory(path, content, replace=True)
    if read(path) is None:
        raise RunError(f"{path}: the disk gave back other bytes than it was given; replace it")
    for old in sorted(_steps(folder))[:-keep]:
        # Renamed first, so that a call killed half-way leaves nothing partial under a final name.
        left = partial_path(folder / f"{old:09d}")
        (folder / f"{old:09d}").rename(left)
        shutil.rmtree(left, ignore_errors=True)


def load_newest(folder: Path) -> dict[str, bytes]:
    """Read the newest checkpoint that is whole.

    A damaged one is renamed out of the way, and a line on stderr says how many steps are lost.

    Returns:
        File name → content.

    Raises:
        RunError: no checkpoint is whole.
    """
    steps = sorted(_steps(folder), reverse=True)
    for step in steps:
        path = folder / f"{step:09d}"
        files = read(path)
        if files is not None:
            if step != steps[0]:
                lost = steps[0] - step
                print(f"going back to step {step}: {lost} steps are lost", file=sys.stderr)
            return files
        print(f"{path}: damaged, set aside as {path.name}{_DAMAGED}", file=sys.stderr)
        shutil.rmtree(f"{path}{_DAMAGED}", ignore_errors=True)
        path.rename(f"{path}{_DAMAGED}")
    raise RunError(f"{folder.parent}: no whole checkpoint is left; train again")


def _steps(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.glob("[0-9]*") if path.name.isdigit()]


def read(path: Path) -> dict[str, bytes] | None:
    """A checkpoint's files without the hashes, or None if they are not what the hashes say."""
    try:
        hashes = json.loads((path / _HASHES).read_bytes())
        files = {name: (path / name).read_bytes() for name in hashes}
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    good = all(hashlib.sha256(files[name]).hexdigest() == hashes[name] for name in hashes)
    return files if good and files else None
