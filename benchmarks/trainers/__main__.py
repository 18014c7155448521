"""``python -m benchmarks.trainers NAME FOLDER ROW``: one way to train, alone in a process.

It answers questions, each a line of JSON ``[method, *arguments]``, with a line of JSON on stdout.
All ways have

- ``first_steps()``: the losses of each of the first batches, taken before its update;
- ``train(seconds)``: go on training; images and seconds (see ``Window`` in ``task.py``);
- ``peak_mb()``: the most memory that the process has held;

and those that are followed to a target ``loss()``, or of a GAN ``samples(path)``. A library is
imported by the way that needs it.
"""

import importlib
import json
import os
import sys
from pathlib import Path

from benchmarks.contenders import peak_mb
from benchmarks.trainers import rows
from benchmarks.trainers.task import Task

WAYS = {
    rows.OURS: ("ours", "Gensuite"),
    rows.FEW_IMAGES: ("ours", "FewImages"),
    rows.SETTINGS_WAY: ("ours", "Settings"),
    rows.KERAS: ("keras_fit", "make"),
    rows.OWN_GAN: ("keras_fit", "OwnGAN"),
    rows.EAGER: ("pytorch", "make_eager"),
    rows.COMPILED: ("pytorch", "make_compiled"),
    rows.PYTHAE: ("pythae_trainer", "Pythae"),
}
"""Name → module of this package, and what makes the way of a task."""


def main(name: str, folder: str, row: str) -> None:
    """Answer until stdin ends."""
    # What a library prints goes to the log, not between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    module, make = WAYS[name]
    way = getattr(importlib.import_module(f"benchmarks.trainers.{module}"), make)(
        Task(Path(folder), row)
    )
    for line in sys.stdin:
        question, *arguments = json.loads(line)
        answer = peak_mb() if question == "peak_mb" else getattr(way, question)(*arguments)
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
