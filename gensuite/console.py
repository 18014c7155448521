"""What every command shares: a parser with one-line errors, and exit codes."""

import argparse
import contextlib
import functools
import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn, Protocol

from gensuite.errors import ConfigError, GensuiteError
from gensuite.version import __version__


class Main(Protocol):
    """A command's entry point: command line (``sys.argv`` when not given) → exit code."""

    def __call__(self, argv: Sequence[str] | None = None) -> int:
        """Run the command."""


class Parser(argparse.ArgumentParser):
    """An argument parser that knows ``--version`` and raises instead of exiting.

    Raises:
        ConfigError: the command line is not allowed; the message is one line.
    """

    def __init__(self, prog: str, description: str):
        super().__init__(prog=prog, description=description, allow_abbrev=False)
        self.add_argument("--version", action="version", version=f"gensuite {__version__}")

    def error(self, message: str) -> NoReturn:
        """Raise the parser's complaint as the one kind of error that commands print."""
        raise ConfigError(f"{message} (see {self.prog} --help)")


def command(main: Main) -> Main:
    """Give a ``main(argv) -> int`` the suite's exit codes.

    0 done, 1 the answer is no, 2 bad input, 130 and 143 ended by SIGINT and SIGTERM. An error
    raised on purpose is printed as one line without a traceback.
    """

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> int:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                # A name that the terminal's encoding lacks must not end a training.
                stream.reconfigure(errors="backslashreplace")
        try:
            return main(argv)
        except GensuiteError as error:
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
            return error.exit_code
        except OSError as error:
            # A disk that is full, a folder that may not be written: the user's to mend.
            what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            print(f"error: {what}", file=sys.stderr)
            return 2
        except ModuleNotFoundError as error:
            if str(error.name).startswith("gensuite"):
                raise
            print(
                f"error: {error.name} is not installed; training and export need, in a checkout, "
                "pip install -c constraints.txt -e '.[train]'",
                file=sys.stderr,
            )
            return 2
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130

    return guarded


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Silence what C++ prints as it starts, which no setting of its own can.

    Of TensorFlow that is at its import and at its first look for devices, whose result we print
    ourselves; of Ray at the start of its cluster.
    Errors in Python are raised as ever; what it prints later is shown as ever.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    sys.stderr.flush()
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


@contextlib.contextmanager
def progress_bar(total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """A bar on stderr; where that is no terminal, nothing.

    Yields:
        What to call with the number that is done, first with what was there at the start.
    """
    began: tuple[float, int] | None = None

    def show(done: int) -> None:
        nonlocal began
        now = time.monotonic()
        began = began or (now, done)
        rate = (done - began[1]) / max(now - began[0], 1e-9)
        left = f"{rate:,.0f}/s, {(total - done) / rate:,.0f} s left" if rate else ""
        bar = "#" * (30 * done // total)
        print(f"\r[{bar:30}] {done:,} of {total:,} {unit} {left:40}", end="", file=sys.stderr)

    if not sys.stderr.isatty():
        yield lambda done: None  # noqa: ARG005  (nothing is shown)
        return
    try:
        yield show
    finally:
        print(file=sys.stderr)
