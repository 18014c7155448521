"""Ctrl-C and SIGTERM: the first asks training to save and stop, the second ends it at once."""

import os
import signal
from types import FrameType
from typing import Self


class StopRequest:
    """Remembers the first SIGINT or SIGTERM that arrives while it is entered as a context."""

    def __init__(self) -> None:
        self.signal = 0
        """Number of the signal that has arrived, or 0."""

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.signal:
            os._exit(128 + number)
        self.signal = number
        os.write(2, b"\nstopping: this step is finished and saved first; once more ends at once\n")


_SIGNALS = (signal.SIGINT, signal.SIGTERM)
