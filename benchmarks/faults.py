"""System calls killed or failed one at a time with ``strace -e inject``, and what must hold."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gensuite.errors import GensuiteError
from gensuite.inference import bundle as bundles
from gensuite.inference.manifest import MANIFEST
from gensuite.training import checkpoints

CALLS = ("write", "fsync", "rename", "renameat2", "unlink", "unlinkat", "mkdir", "rmdir")
FAULTS = ("signal=KILL", "error=ENOSPC", "error=EIO")
TOYS = Path(__file__).parent.parent / "tests" / "bundles"

_SAVE = """
import sys
from pathlib import Path
from gensuite.training import checkpoints
files = {"variables.npz": b"new" * 5000, "progress.json": b"done"}
checkpoints.save(Path(sys.argv[1]), 30, files, keep=2)
"""
_WRITE = """
import sys
from pathlib import Path
from benchmarks.faults import write_toy
write_toy(Path(sys.argv[1]), "toy-ae")
"""


@dataclass(frozen=True)
class Target:
    """Something that is written over what was there before."""

    name: str
    before: Path
    """Folder as it is before the call; each case gets a copy."""
    arguments: list[str]
    """Of Python, ``{}`` standing for the copy."""
    complaint: Callable[[Path], str]
    """What is wrong with the folder after a fault and after going on, or nothing."""


def checkpoint_target(folder: Path) -> Target:
    """The third checkpoint of a run that keeps two, written without TensorFlow."""
    before = folder / "checkpoints-before" / "checkpoints"
    for step in (10, 20):
        checkpoints.save(before, step, _checkpoint(step), keep=2)
    return Target("checkpoint", before, ["-c", _SAVE, "{}"], _checkpoint_complaint)


def bundle_target(folder: Path) -> Target:
    """A bundle exchanged for another, written without TensorFlow."""
    before = shutil.copytree(TOYS / "toy-vae", folder / "bundle-before" / "bundle")
    allowed = {bundles.read(TOYS / name).identity for name in ("toy-vae", "toy-ae")}

    def complaint(path: Path) -> str:
        return _bundle_complaint(path, allowed)

    return Target("bundle", before, ["-c", _WRITE, "{}"], complaint)


def whole_export(folder: Path, train: Callable[[str, Path], bool]) -> Target:
    """``python -m export`` of a run over an older bundle, TensorFlow and all."""
    run = folder / "exported-run"
    train("vae", run)
    before = shutil.copytree(TOYS / "toy-vae", folder / "export-before" / "bundle")
    subprocess.run(
        [sys.executable, "-m", "export", str(run), "--to", str(folder / "export-whole")],
        check=True,
        capture_output=True,
    )
    allowed = {bundles.read(path).identity for path in (before, folder / "export-whole")}

    def complaint(path: Path) -> str:
        return _bundle_complaint(path, allowed)

    arguments = ["-m", "export", str(run), "--to", "{}", "--force"]
    return Target("whole export", before, arguments, complaint)


def write_toy(path: Path, toy: str) -> None:
    """Write a toy bundle's parts anew over what is at ``path``."""
    source = bundles.read(TOYS / toy)
    made_by_write = ("schema", "ports", "files", "sha256")
    facts = {key: value for key, value in source.manifest.items() if key not in made_by_write}
    files = {name: data for name, data in source.files.items() if name != MANIFEST}
    bundles.write(path, facts, files, replace=True)


def plan(target: Target, folder: Path) -> list[tuple[str, int, str]]:
    """Every call that writing the target makes, with every fault: call, its number, fault."""
    log = folder / "calls"
    done = _run(target, _copy(target, folder), ["-o", str(log), "-e", f"trace={','.join(CALLS)}"])
    if done.returncode:
        raise RuntimeError(f"{target.name} fails without a fault: {done.stderr.decode()}")
    # A thread's line begins with its number.
    names = re.findall(r"^(?:\d+ +)?(\w+)\(", log.read_text(), re.MULTILINE)
    return [
        (call, number, fault)
        for call in CALLS
        for number in range(1, names.count(call) + 1)
        for fault in FAULTS
    ]


def inject(
    target: Target, folder: Path, call: str, number: int, fault: str
) -> dict[str, Any] | None:
    """Let one call fail or be the last.

    Returns:
        Whether what must hold does; None where the call was not reached, because strace counts a
        thread's own calls and :func:`plan` those of all threads.
    """
    log = folder / "injected"
    path = _copy(target, folder)
    options = ["-o", str(log), "-e", f"trace={call}"]
    done = _run(target, path, [*options, "-e", f"inject={call}:{fault}:when={number}"])
    if done.returncode != -signal.SIGKILL and "(INJECTED)" not in log.read_text():
        return None
    complaint = target.complaint(path)
    facts = {"target": target.name, "call": call, "number": number, "fault": fault}
    return facts | {"exit": done.returncode, "held": not complaint, "complaint": complaint}


def _copy(target: Target, folder: Path) -> Path:
    place = folder / "case"
    shutil.rmtree(place, ignore_errors=True)
    return Path(shutil.copytree(target.before, place / target.before.name))


def _run(target: Target, path: Path, options: list[str]) -> subprocess.CompletedProcess[bytes]:
    arguments = [argument.replace("{}", str(path)) for argument in target.arguments]
    return subprocess.run(
        ["strace", "-f", "-qq", *options, sys.executable, "-B", *arguments],
        capture_output=True,
        check=False,
    )


def _checkpoint(step: int) -> dict[str, bytes]:
    return {"variables.npz": b"%d" % step * 5000, "progress.json": b"done"}


def _checkpoint_complaint(path: Path) -> str:
    """What is wrong: no good checkpoint, a partial one, or one that does not go on."""
    before = {item.name for item in path.iterdir() if item.name.isdigit()}
    try:
        newest = checkpoints.load_newest(path)
        if newest["variables.npz"] not in (b"new" * 5000, _checkpoint(20)["variables.npz"]):
            return "a good checkpoint is lost"
        for name in before:
            if checkpoints.read(path / name) is None:
                return f"{name} is partial"
        checkpoints.save(path, 40, _checkpoint(40), keep=2)
    except (GensuiteError, OSError) as error:
        return str(error)
    left = sorted(item.name for item in path.iterdir())
    return "" if len(left) == 2 and left[-1] == "000000040" else f"left: {left}"


def _bundle_complaint(path: Path, allowed: set[str]) -> str:
    try:
        if bundles.read(path).identity not in allowed:
            return "neither the old bundle nor the new one"
        write_toy(path, "toy-gan")
        if bundles.read(path).identity != bundles.read(TOYS / "toy-gan").identity:
            return "the next export went wrong"
    except (GensuiteError, OSError) as error:
        return str(error)
    # A SavedModel has a place of its own beside its bundle.
    left = [i.name for i in path.parent.iterdir() if i.name not in (path.name, "saved_model")]
    return f"left: {left}" if left else ""
