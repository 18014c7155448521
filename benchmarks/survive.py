"""``python -m benchmarks.survive WHAT``: what training survives, counted.

Each way to harm a training is a function that gives one record per case, with ``held`` true where
the promise was kept. The tests call them with few cases, ``make survive-WHAT`` with many.
"""

import functools
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench import RESULTS_FOLDER, append_record, machine
from benchmarks.faults import Target, bundle_target, checkpoint_target, inject, plan, whole_export
from gensuite.console import Parser, command

RESULTS = RESULTS_FOLDER / "survive.jsonl"
FAMILIES = ("ae", "vae", "gan")
STOP_SECONDS = 10
"""From a signal to the end of the process, on a machine that is not busy."""
FLAGS = ["--network", "dense", "--image-size", "8", "--epochs", "6", "--save-seconds", "0"]
FLAGS += ["--ema", "0.9"]
HARM_AGAIN = 5
"""Times that one run is harmed before it may end."""
KILLS = ("import", "save", "grid", "moment", "moment")
"""Where a kill lands: at an import, a write of a checkpoint or a sample grid, or any moment."""

Case = dict[str, Any]


def kill(family: str, cases: int, *, seed: int, folder: Path) -> Iterator[Case]:
    """Kill -9 trainings over and over; each must end in the bytes of one that was left alone."""
    random = np.random.default_rng(seed)

    def harm(run: Path, whole_seconds: float, number: int) -> Case:
        where = KILLS[number % len(KILLS)]
        argv = _train_or_resume(family, run)
        if where == "import":
            death = random.integers(1, 2500)
            code = f"from benchmarks import survive; survive.die_at('import', '', {death})"
            code += f"; from gensuite.train import main; main({argv!r})"
            status = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, check=False
            ).returncode
            return {"where": where, "harmed": status == -signal.SIGKILL}
        arm: Callable[[], None]
        if where == "moment":
            arm = functools.partial(_die_after, random.uniform(0, whole_seconds))
        else:
            part = "/checkpoints/" if where == "save" else "/samples/"
            arm = functools.partial(die_at, None, part, int(random.integers(1, 60)))
        status = os.waitpid(_fork(argv, arm), 0)[1]
        return {"where": where, "harmed": os.WIFSIGNALED(status)}

    yield from _chains(family, cases, folder, harm)


def stop(family: str, cases: int, *, seed: int, folder: Path) -> Iterator[Case]:
    """SIGTERM and Ctrl-C at random moments: it ends soon, with its code, and resumes exactly."""
    random = np.random.default_rng(seed)

    def harm(run: Path, whole_seconds: float, number: int) -> Case:
        which = (signal.SIGTERM, signal.SIGINT)[number % 2]
        child = _fork(_train_or_resume(family, run), lambda: None)
        time.sleep(random.uniform(0.2, whole_seconds))
        os.kill(child, which)
        sent = time.monotonic()
        status = os.waitpid(child, 0)[1]
        seconds = time.monotonic() - sent
        code = os.waitstatus_to_exitcode(status)
        # A signal may come after the end, or before Python has set its answer to it.
        facts = {"where": which.name, "seconds": round(seconds, 2), "exit": code}
        return facts | {"harmed": code != 0, "right": code in (0, 128 + which)}

    yield from _chains(family, cases, folder, harm)


def nonfinite(family: str, cases: int, *, seed: int, folder: Path) -> Iterator[Case]:
    """Put NaN or infinity into a training; see :mod:`benchmarks.poison`."""
    from benchmarks.poison import poisoned_training

    for number in range(cases):
        yield poisoned_training(family, (seed, number), folder / f"{family}-{number}")


def faults(target: Target, cases: int | None, *, seed: int, folder: Path) -> Iterator[Case]:
    """Kill, or fail with ENOSPC and EIO, each write, fsync, rename and unlink of a target in turn.

    Args:
        target: what is written.
        cases: how many, drawn at random; all when not given.
        seed: of the draw.
        folder: an empty one.
    """
    planned = plan(target, folder)
    order: Iterable[int] = range(len(planned))
    if cases is not None:
        order = np.random.default_rng(seed).permutation(len(planned))
    reached = (inject(target, folder, *planned[index]) for index in order)
    yield from itertools.islice((case for case in reached if case), cases)


def die_at(event: str | None, part: str, number: int) -> None:
    """Kill this process when Python does something for the ``number``-th time.

    Args:
        event: name of an audit event; any when None.
        part: what one of its arguments must contain.
        number: counted from 1.
    """
    seen = 0

    def hook(name: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in (None, name) and any(part in str(value) for value in arguments):
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def same_training(one: Path, other: Path) -> bool:
    """Whether weights, optimizers, averages, history and pictures of two runs are equal."""
    names = ["history.csv", "remarks.json", "encodings.npz"]
    names += [f"samples/{path.name}" for path in (one / "samples").iterdir()]
    newest = max(path.name for path in (one / "checkpoints").iterdir())
    names += [str(p.relative_to(one)) for p in (one / "checkpoints" / newest).iterdir()]
    return all(
        (other / name).is_file() and (one / name).read_bytes() == (other / name).read_bytes()
        for name in names
    )


def _chains(
    family: str, cases: int, folder: Path, harm: Callable[[Path, float, int], Case]
) -> Iterator[Case]:
    """Harm runs a few times each, let each end, and compare it with one left alone."""
    whole = folder / f"{family}-whole"
    started = time.monotonic()
    _finish(family, whole)
    seconds = time.monotonic() - started
    done = attempts = 0
    while done < cases:
        run = folder / f"{family}-{attempts}"
        chain: list[Case] = []
        while len(chain) < min(HARM_AGAIN, cases - done):
            case = harm(run, seconds, attempts)
            attempts += 1
            if case.pop("harmed"):
                chain.append(case)
            elif (run / "encodings.npz").exists():
                break
        ended = _finish(family, run) and same_training(whole, run)
        for case in chain:
            yield {"family": family, "held": ended and case.pop("right", True)} | case
        done += len(chain)
        shutil.rmtree(run)


def _finish(family: str, run: Path) -> bool:
    """Let a run train to its end, in a process of its own."""
    status = os.waitpid(_fork(_train_or_resume(family, run), lambda: None), 0)[1]
    return status == 0


def _train_or_resume(family: str, run: Path) -> list[str]:
    """The flags that go on with a run, or begin it where it had not got to its first checkpoint."""
    if any((run / "checkpoints").glob("[0-9]*")):
        return ["--resume", str(run)]
    shutil.rmtree(run, ignore_errors=True)
    return ["--model", family, *FLAGS, "--run-dir", str(run)]


def _fork(argv: list[str], arm: Callable[[], None]) -> int:
    """Train in a child that has TensorFlow imported already; its process id."""
    child = os.fork()
    if child:
        return child
    from gensuite.train import main

    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    code = 1
    try:
        arm()
        code = main(argv)
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        os._exit(code)


def _die_after(seconds: float) -> None:
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL))
    timer.daemon = True
    timer.start()


def _of_families(way: Callable[..., Iterator[Case]], cases: int, folder: Path) -> Iterator[Case]:
    for index, family in enumerate(FAMILIES):
        share = cases // len(FAMILIES) + (index < cases % len(FAMILIES))
        yield from way(family, share, seed=index, folder=folder)


def _of_targets(targets: Sequence[Target], cases: int | None, folder: Path) -> Iterator[Case]:
    for target in targets:
        yield from faults(target, cases, seed=0, folder=folder)


def _import_tensorflow() -> None:
    """Once for all children; no operation runs here, because threads do not survive a fork."""
    import gensuite.data.catalogue
    import gensuite.training.encodings
    import gensuite.training.loop  # noqa: F401


def _cases(what: str, count: int, folder: Path) -> Iterator[Case]:
    if what == "faults":
        quick = [checkpoint_target(folder), bundle_target(folder)]
        yield from _of_targets(quick, None, folder)
        if count:
            yield from _of_targets([whole_export(folder, _finish)], count, folder)
        return
    if what != "nonfinite":
        _import_tensorflow()
    yield from _of_families(
        {"kill": kill, "stop": stop, "nonfinite": nonfinite}[what], count, folder
    )


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the cases, append a line to the results; 0 where every promise held, else 1."""
    parser = Parser("python -m benchmarks.survive", "Count what training survives.")
    parser.add_argument("what", choices=("kill", "stop", "nonfinite", "faults"))
    parser.add_argument("--cases", type=int, required=True, help="of faults: of a whole export")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of JSON lines")
    args = parser.parse_args(argv)
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # equality to the bit is promised on the CPU
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gensuite-survive-") as name:
        cases = list(_cases(args.what, args.cases, Path(name)))
    broken = [case for case in cases if not case["held"]]
    record = {
        "promise": f"training survives: {args.what}",
        "cases": len(cases),
        "held": len(cases) - len(broken),
        "seconds": round(time.monotonic() - started),
        "slowest_stop": max((case.get("seconds", 0) for case in cases), default=0),
        "broken": broken[:20],
        "machine": machine(),
    }
    append_record(args.results, record)
    print(f"{args.what}: {record['held']} of {record['cases']} held in {record['seconds']} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
