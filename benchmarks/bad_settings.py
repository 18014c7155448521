"""``python -m benchmarks.bad_settings``: command lines and configurations that are not allowed.

Each is a sound training with one mistake in it, drawn at random, given to ``gensuite.train`` in a
process of its own. It must end with exit code 2 and one line that names the setting, in under half
a second, before TensorFlow is loaded and with nothing written. A record is appended to
``benchmarks/results/bad_settings.jsonl``.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import trange

from benchmarks.bench import RESULTS_FOLDER, append_record, machine
from gensuite.config import CONFIGS
from gensuite.console import Parser, command
from gensuite.settings import field_type

RESULTS = RESULTS_FOLDER / "bad_settings.jsonl"
SECONDS = 0.5
"""From the start of the process to its end."""

ROOT = Path(__file__).parent.parent
TENSORFLOW_WAS_LOADED = 99
_TRAIN = f"""
import sys
from gensuite.train import main
code = main(sys.argv[1:])
sys.exit({TENSORFLOW_WAS_LOADED} if "tensorflow" in sys.modules else code)
"""
NO_NUMBERS = ("", " ", "abc", "1,5", "1 2", "--", "0x10", "1e", "٣x", "½", "None", "a" * 3000)
NEVER = ("nan", "inf", "-inf", "1e999")
NO_TEXTS = ("", "  ", "\n", "a\nb", "\x1b[31m", "\u202e")
OTHER_TYPES: dict[type, tuple[Any, ...]] = {
    int: (1.5, "4", True, [4], {"a": 4}, 10**400, -(10**400), "nan"),
    float: ("0.5", True, [0.5], {}, "", float("nan"), float("inf")),
    str: (7, 1.5, False, ["x"], {"x": 1}),
    bool: (0, 1, "true", "", [], 0.0),
}
"""Type of a setting → JSON values of no such type."""
BROKEN_FILES = (b"", b"{", b"[]", b"null", b"7", b'{"seed": }', b"\xff\xfe", b"[" * 100_000)

Mistake = tuple[str, list[str], bytes | None]
"""What must be named, the command line, and the content of its ``--config`` if it has one."""


def make_mistake(random: np.random.Generator) -> Mistake:
    """Draw one mistake."""
    family = str(random.choice(list(CONFIGS)))
    makers = (_bad_flag, _bad_value, _bad_value, _foreign, _misspelt, _bad_file)
    return makers[random.integers(len(makers))](random, family)


def _bad_flag(random: np.random.Generator, family: str) -> Mistake:
    """A value on the command line that its setting does not take."""
    name, kind, limits = _setting(random, family)
    while kind is bool:  # a flag without a value
        name, kind, limits = _setting(random, family)
    texts = [*_outside(limits), *(NO_TEXTS if kind is str else (*NO_NUMBERS, *NEVER))]
    if limits["choices"]:
        texts += [f"{limits['choices'][0]}x", "none"]
    text = str(texts[random.integers(len(texts))])
    return name, ["--model", family, f"{_flag(name)}={text}"], None


def _bad_value(random: np.random.Generator, family: str) -> Mistake:
    """A value in a file that its setting does not take."""
    name, kind, limits = _setting(random, family)
    values = [*_outside(limits), *OTHER_TYPES[kind]]
    if kind is str:
        values += NO_TEXTS
    value = values[random.integers(len(values))]
    return name, [], json.dumps({"model": family, name: value}).encode()


def _foreign(random: np.random.Generator, family: str) -> Mistake:
    """A setting that another family has."""
    own = set(CONFIGS[family].__dataclass_fields__)
    others = {name for config in CONFIGS.values() for name in config.__dataclass_fields__}
    name = str(random.choice(sorted(others - own)))
    return name, [], json.dumps({"model": family, name: 1}).encode()


def _misspelt(random: np.random.Generator, family: str) -> Mistake:
    """The name of no setting, in a file or as a flag."""
    name = list(_setting(random, family)[0])
    name[random.integers(len(name))] = str(random.choice(list("qxjz0-é")))
    wrong = "".join(name)
    if random.integers(2):
        return wrong, [], json.dumps({"model": family, wrong: 1}).encode()
    wrong = _flag("q" + wrong)
    return wrong, ["--model", family, f"{wrong}=1"], None


def _bad_file(random: np.random.Generator, family: str) -> Mistake:
    """No JSON object, or a family that is none."""
    if random.integers(2):
        model = ("", "AE", "vaee", 7, None, ["vae"], {"gan": 1})[random.integers(7)]
        return "model", [], json.dumps({"model": model}).encode()
    content = BROKEN_FILES[random.integers(len(BROKEN_FILES))]
    return "--config", ["--model", family], content


def _setting(random: np.random.Generator, family: str) -> tuple[str, type, Any]:
    """One of a family's settings: its name, type and limits."""
    fields = dataclasses.fields(CONFIGS[family])
    field = fields[random.integers(len(fields))]
    return field.name, field_type(CONFIGS[family], field.name), field.metadata


def _outside(limits: Any) -> list[float]:
    """Numbers beyond a setting's limits."""
    found: list[float] = []
    if limits["low"] is not None:
        found += [limits["low"] - 1, limits["high"] + 1, -(10**9), 10**12]
    if limits["multiple"]:
        found.append(limits["low"] + 1)
    return found


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def make_it(mistake: Mistake, folder: Path) -> tuple[str, float]:
    """Start the training with the mistake.

    Args:
        mistake: that is made.
        folder: an empty one, where it starts.

    Returns:
        What was wrong with the answer, or nothing; and the seconds to the end of the process.
    """
    named, argv, content = mistake
    if content is not None:
        (folder / "settings.json").write_bytes(content)
        argv = [*argv, "--config", "settings.json"]
    before = sorted(folder.iterdir())
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _TRAIN, *argv],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    seconds = time.monotonic() - start
    said = done.stderr.decode(errors="replace")
    complaints = {
        f"exit code {done.returncode}": done.returncode != 2,
        "not one line": len(said.splitlines()) != 1 or bool(done.stdout),
        f"{named} is not named": not said.startswith("error: ")
        or (named not in said and _flag(named) not in said),
        "something was written": sorted(folder.iterdir()) != before,
    }
    found = "; ".join(text for text, wrong in complaints.items() if wrong)
    return f"{found}: {said[-300:]}" if found else "", seconds


def measure(count: int, seed: int) -> dict[str, Any]:
    """Make so many mistakes.

    Returns:
        Those that were not answered as promised, and the seconds that an answer took.
    """
    broken, times = [], []
    for number in trange(count, unit="mistake", disable=None):
        mistake = make_mistake(np.random.default_rng([seed, number]))
        with tempfile.TemporaryDirectory() as folder:
            complaint, seconds = make_it(mistake, Path(folder))
        times.append(seconds)
        if complaint:
            broken.append({"case": number, "mistake": repr(mistake)[:300], "complaint": complaint})
    return {
        "cases": count,
        "broken": broken,
        "median": round(float(np.median(times)), 3),
        "longest": round(max(times), 3),
    }


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser("python -m benchmarks.bad_settings", "Start trainings that are not allowed.")
    parser.add_argument("--cases", type=int, default=5000, help="mistakes (default: 5000)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON lines to append to")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    """Make the mistakes and append one record; 0 where all were answered as promised, else 1."""
    found = measure(args.cases, args.seed)
    append_record(args.results, found | {"machine": machine()})
    print("{cases} cases: median {median} s, longest {longest} s".format(**found))
    print(*found["broken"][:20], f"broken: {len(found['broken'])}", sep="\n")
    return 1 if found["broken"] else 0


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    return run(parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
