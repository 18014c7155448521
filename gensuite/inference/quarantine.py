"""Trying a bundle in a child process with limits, before it is trusted in this one.

A graph of harmless operators can still take all memory or never end. The child may use 1 GiB of
address space and 5 seconds for a bundle; it reads and checks the bundle, and runs its golden
inputs. Whatever happens to it, the caller gets a :class:`BundleError`.
"""

import json
import os
import resource
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from gensuite.errors import BundleError
from gensuite.inference import bundle as bundles
from gensuite.inference.bundle import Bundle

ADDRESS_SPACE = 2**30
"""Bytes that the child may map."""

SECONDS = 5.0
"""That a bundle may take; the start of the child does not count."""

_START_SECONDS = 120.0
_LONGEST = 2000
"""Characters of a message: an answer has to fit into a pipe at once."""


_known: set[str] = set()
"""Identities of bundles that have passed."""


class Quarantine:
    """A child process that tries bundles one after the other; a new one when it has died.

    Use it as a context manager.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Quarantine":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def try_bundle(self, path: str | Path) -> str:
        """Read, check and run a bundle in the child.

        Args:
            path: the bundle's folder.

        Returns:
            The bundle's identity.

        Raises:
            BundleError: it is refused, cannot run its golden inputs, or goes beyond the limits;
                ``code`` says which.
        """
        fresh = self._child is None
        answer = self._ask(path)
        if answer.get("code") in ("memory", "crash"):
            self._end()
            # What another bundle has left behind is not this one's fault.
            return self.try_bundle(path) if not fresh else self._verdict(answer)
        return self._verdict(answer)

    def admit(self, bundle: Bundle) -> None:
        """Try a bundle that this process has read and does not know yet, by its identity.

        Raises:
            BundleError: see :meth:`try_bundle`.
        """
        if bundle.identity in _known:
            return
        if self.try_bundle(bundle.path) != bundle.identity:
            raise BundleError("hash", f"{bundle.path}: changed while it was tried; try again")
        _known.add(bundle.identity)

    def _ask(self, path: str | Path) -> dict[str, str]:
        """The child's answer about a bundle, or what became of the child."""
        child = self._started()
        try:
            print(json.dumps(str(Path(path).resolve())), file=child.stdin, flush=True)
            answer = self._answer(child, SECONDS)
        except BrokenPipeError:  # it has died since its last answer
            child.wait()
            answer = None
        if answer is not None:
            return answer
        code = "time" if child.poll() is None else "crash"
        self._end()
        what = f"takes more than {SECONDS:g} s of" if code == "time" else "ends"
        message = f"{path}: {what} the process that tries it; do not use it, ask its author"
        return {"code": code, "message": message}

    @staticmethod
    def _verdict(answer: dict[str, str]) -> str:
        if "identity" not in answer:
            raise BundleError(answer["code"], answer["message"])
        return answer["identity"]

    def _started(self) -> subprocess.Popen[str]:
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            if self._answer(self._child, _START_SECONDS) is None:
                self._end()
                raise BundleError(
                    "crash", "the process that tries bundles does not start; is memory short?"
                )
        return self._child

    def _answer(self, child: subprocess.Popen[str], seconds: float) -> dict[str, str] | None:
        """The child's next line; none when it is late or dead."""
        lines = cast("IO[str]", child.stdout)
        ready, _, _ = select.select([lines], [], [], seconds)
        line = lines.readline() if ready else ""
        if not line.endswith("\n"):
            if ready:
                child.wait()
            return None
        return dict(json.loads(line))

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


def try_bundle(path: str | Path) -> str:
    """Try one bundle; see :meth:`Quarantine.try_bundle`."""
    with Quarantine() as quarantine:
        return quarantine.try_bundle(path)


def _try(path: str) -> dict[str, str]:
    from gensuite.verify import golden_differences

    try:
        bundle = bundles.read(path)
        golden_differences(bundle)
    except BundleError as error:
        return {"code": error.code, "message": str(error)[:_LONGEST]}
    except MemoryError:
        message = f"{path}: needs more than {ADDRESS_SPACE >> 20} MiB; do not use it"
        return {"code": "memory", "message": message}
    return {"identity": bundle.identity}


def _serve(asked: IO[str], answers: IO[str]) -> None:
    """Answer every path on a line with a line."""
    import onnxruntime  # noqa: F401  (before the limits: its libraries alone take half of them)

    for limit, value in (
        (resource.RLIMIT_AS, ADDRESS_SPACE),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    print("{}", file=answers, flush=True)
    for line in asked:
        print(json.dumps(_try(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    _serve(sys.stdin, sys.stdout)
