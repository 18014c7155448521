"""Every error that gensuite raises on purpose.

Each kind is a :class:`GensuiteError` and also the built-in error it resembles, so that a caller
can catch either. A command prints the message as one line and exits with ``exit_code``.
"""


class GensuiteError(Exception):
    """Base of all errors raised on purpose; the message is one line that names the cure."""

    exit_code = 2
    """Exit status of a command that ends so: 2 is bad input, 1 is "the answer is no"."""


class ConfigError(GensuiteError, ValueError):
    """A setting, flag or configuration file is not allowed."""


class DataError(GensuiteError, ValueError):
    """A data set cannot be found, prepared or used."""


class InputError(GensuiteError, ValueError):
    """An argument of a library call (codes, images, a count, a seed) is not allowed."""


class RunError(GensuiteError, ValueError):
    """A run folder is damaged, in use, from another version, or lacks what is asked of it."""


class RunNotFoundError(RunError, FileNotFoundError):
    """There is no run folder at the given path."""


class BundleError(GensuiteError, ValueError):
    """A bundle is not what its manifest says.

    ``code`` is stable, for programs: ``missing``, ``extra``, ``link``, ``size``, ``hash``,
    ``manifest``, ``schema``, ``graph``, ``model``, ``ports`` or ``identity``; and of a bundle that
    was tried in a process with limits ``memory``, ``time`` or ``crash``.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        """Both arguments, so that the error crosses from a worker process to its parent."""
        return type(self), (self.code, str(self))


class BundleNotFoundError(BundleError, FileNotFoundError):
    """There is no bundle at the given path."""


class ParityError(GensuiteError, ValueError):
    """Keras, SavedModel and ONNX, or a bundle and its golden outputs, disagree."""

    exit_code = 1


class MetricError(GensuiteError, ValueError):
    """A metric cannot be measured: its classifier is not the pinned one."""


class DivergedError(GensuiteError, ValueError):
    """Training produced a number that is not finite, also at half the learning rate."""

    exit_code = 1


class OutOfMemoryError(GensuiteError, MemoryError):
    """A training step needs more memory than the device has."""


class WorkerLostError(GensuiteError, ConnectionError):
    """A worker of a training on several machines never came, has ended, or is silent."""

    exit_code = 1
