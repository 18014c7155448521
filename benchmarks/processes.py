"""What the benchmarks of speed share: contenders alone in processes, and the Pythons of some."""

import contextlib
import json
import os
import statistics
import subprocess
import time
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Self, cast

import numpy as np

from gensuite.errors import GensuiteError

ROOT = Path(__file__).parents[1]
TORCH = "2.13.0"
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
_EXIT_SECONDS = 30


def torch_python(*packages: str, install: bool) -> Path | str:
    """The interpreter of an environment with PyTorch; see :func:`own_python`."""
    return own_python(f"torch=={TORCH}", *packages, index=TORCH_INDEX, install=install)


def own_python(main: str, *packages: str, index: str | None = None, install: bool) -> Path | str:
    """The interpreter of an environment of its own, or the reason why there is none.

    Args:
        main: the package, as ``NAME==VERSION``, after which the environment is named.
        *packages: that it must have besides, likewise; it always has this numpy.
        index: of packages, besides the usual one.
        install: whether what is missing may be installed.
    """
    place = Path("runs") / main.replace("==", "-")
    python, note = place / "bin" / "python", place / "installed"
    there = set(note.read_text().split()) if note.is_file() else set()
    wanted = {main, f"numpy=={np.__version__}", *packages}
    if wanted <= there:
        return python.absolute()
    named = " ".join(sorted(wanted - there))
    if not install:
        return f"no {named} in {place}, which a run without --quick makes"
    if not there:
        venv.create(place, clear=True, with_pip=True)
    words = [str(python), "-m", "pip", "install", "--quiet"]
    words += ["--extra-index-url", index] if index else []
    done = subprocess.run([*words, *sorted(wanted)], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"{named} could not be installed: {_last_line(done.stderr, done.returncode)}"
    note.write_text("\n".join(sorted(there | wanted)))
    return python.absolute()


def start(python: Path | str, *words: str) -> tuple[str, float]:
    """Run a process to its end.

    Returns:
        The last line of its stdout, and its seconds from start to end.

    Raises:
        GensuiteError: it failed.
    """
    began = time.perf_counter()
    done = subprocess.run(
        [str(python), *words], capture_output=True, text=True, env=_environment(), check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise GensuiteError(f"{' '.join(words)}: {_last_line(done.stderr, done.returncode)}")
    return done.stdout.splitlines()[-1], seconds


class Contender:
    """A process that waits for questions and answers each with a line of JSON.

    Args:
        python: its interpreter.
        *words: its command line; it must answer as :mod:`benchmarks.trainers` does.
        log: file for what it says besides.
        environment: variables of its own.
    """

    def __init__(
        self,
        python: Path | str,
        *words: str,
        log: Path,
        environment: Mapping[str, str] = MappingProxyType({}),
    ):
        self._name = " ".join(words)
        self._log = log
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [str(python), *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={**_environment(), **environment},
            )
        self._questions = cast(IO[str], self._process.stdin)
        self._answers = cast(IO[str], self._process.stdout)

    def ask(self, question: str, *arguments: Any) -> Any:
        """Call a method there.

        Raises:
            GensuiteError: the process has ended.
        """
        with contextlib.suppress(BrokenPipeError):
            self._questions.write(json.dumps([question, *arguments]) + "\n")
            self._questions.flush()
        answer = self._answers.readline()
        if not answer:
            reason = _last_line(self._log.read_text(errors="replace"), self._process.wait())
            raise GensuiteError(f"{self._name}: {reason} (see {self._log})")
        return json.loads(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._questions.close()
        try:
            self._process.wait(_EXIT_SECONDS)  # it removes what it has written
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()


def median(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The median of every number of some records of the same shape."""
    return {
        name: median([r[name] for r in rounds])
        if isinstance(value, dict)
        else statistics.median(r[name] for r in rounds)
        for name, value in rounds[0].items()
    }


def _environment() -> dict[str, str]:
    """On the CPU, without TensorFlow's notes; modules are those of this checkout."""
    own = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}
    return dict(os.environ) | own


def _last_line(text: str, code: int) -> str:
    return (text.strip() or f"exit code {code}").splitlines()[-1]
