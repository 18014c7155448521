"""``python -m benchmarks.doctor``: the doctor on trainings whose illness is known.

Six trainings are broken by a setting that a user has. The doctor must name each illness and no
other, and the flags that it names must cure it. Ten healthy trainings must pass without a word at
any of their epochs. The results are kept in ``benchmarks/results/doctor.json``, one record for
each training's flags.
"""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gensuite import train
from gensuite.console import Parser, command
from gensuite.errors import DivergedError
from gensuite.storage import write_file
from gensuite.training.doctor import Remark, diagnose
from gensuite.training.runs import Run
from gensuite.version import __version__

RESULTS = Path(__file__).parent / "results" / "doctor.json"
SEEDS = (0, 1, 2)
QUICK = ("posterior_collapse", "mode_collapse", "nan")

VAE = "--model vae --network dense --batch-size 32 --epochs 12"
GAN = "--model gan --network dense --batch-size 32 --epochs 12"
BROKEN = {
    "posterior_collapse": (VAE, "--beta 30"),
    "kl_scale": (VAE, "--beta 0.001"),
    "saturated_discriminator": (GAN, "--learning-rate 0.00001 --discriminator-learning-rate 0.001"),
    "mode_collapse": (
        "--model gan --network dense --batch-size 16 --epochs 17",
        "--discriminator-learning-rate 0.00001",
    ),
    "duplicate_samples": (VAE, "--latent-dim 1"),
    "nan": (VAE, "--learning-rate 1 --likelihood gaussian"),
}
"""Illness → flags of a healthy training, and those that break it."""

HEALTHY = (
    "--model ae --network dense --epochs 20 --seed 1",
    "--model ae --epochs 12 --latent-dim 2",
    "--model vae --network dense --epochs 60",
    "--model vae --epochs 15 --seed 1",
    "--model vae --network dense --epochs 30 --latent-dim 2 --seed 2",
    "--model vae --network dense --epochs 30 --likelihood gaussian --beta 2",
    "--model gan --network dense --epochs 60 --seed 3",
    "--model gan --epochs 60",
    "--model vae --network dense --epochs 8 --dataset mnist --batch-size 512 --latent-dim 16",
    "--model gan --network dense --epochs 10 --dataset fashion_mnist --batch-size 512",
)


@dataclass(frozen=True)
class Outcome:
    """A training and what the doctor said of it."""

    flags: str
    expected: str | None
    """Code of its illness; None for a training that is, or should be cured, healthy."""
    epochs: int
    remarks: list[Remark]
    """At the end."""
    alarms: dict[str, int]
    """Code → the epoch at whose end it was first named, at any time of the training."""

    @property
    def right(self) -> bool:
        """Whether the doctor said what it should: at the end the one illness, or never a word."""
        if self.expected is None:
            return not self.alarms
        return [remark.code for remark in self.remarks] == [self.expected]

    def to_dict(self) -> dict[str, Any]:
        """As one entry of the results."""
        told = [vars(remark) for remark in self.remarks]
        return vars(self) | {
            "remarks": told,
            "right": self.right,
            "gensuite": __version__,
            "machine": f"{platform.system()} {platform.machine()}",
        }


def examine(flags: str, expected: str | None, folder: Path, raw_dir: Path | None) -> Outcome:
    """Train with some flags and ask the doctor about every epoch.

    Args:
        flags: of ``gensuite.train``; of a flag given twice the later counts.
        expected: code of the illness, None for a healthy training.
        folder: a new one for the run.
        raw_dir: folder that holds the data sets' downloaded files in folders of their names.
    """
    words = [*flags.split(), "--run-dir", str(folder)]
    dataset = train.make_config(train.parse_args(words)).dataset
    if raw_dir and dataset != "digits":
        words += ["--raw-dir", str(raw_dir / dataset)]
    try:
        train.run(train.parse_args(words))
    except DivergedError as error:
        print(error)
    run = Run.open(folder)
    rows = run.read_history()
    alarms: dict[str, int] = {}
    for count in range(len(rows) + 1):
        for remark in diagnose(run.config, rows[:count]):
            alarms.setdefault(remark.code, count)
    return Outcome(flags, expected, len(rows), diagnose(run.config, rows), alarms)


def examine_all(
    folder: Path, *, raw_dir: Path | None, seeds: Sequence[int], quick: bool
) -> list[Outcome]:
    """The broken trainings with each seed, their cures, and the healthy ones."""
    outcomes: list[Outcome] = []

    def look(flags: str, expected: str | None) -> Outcome:
        outcomes.append(examine(flags, expected, folder / str(len(outcomes)), raw_dir))
        return outcomes[-1]

    for code in QUICK if quick else BROKEN:
        for seed in seeds:
            flags = f"{' '.join(BROKEN[code])} --seed {seed}"
            for remark in look(flags, code).remarks:
                look(f"{flags} {remark.remedy}", None)
    for flags in HEALTHY[:1] if quick else HEALTHY:
        look(flags, None)
    return outcomes


def merge(earlier: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records with one for each training's flags, the newest, in the order of the first."""
    return list({entry["flags"]: entry for entry in (*earlier, *new)}.values())


def table(outcomes: Sequence[Outcome]) -> str:
    """A row of Markdown for each training."""
    lines = [
        "| training | expected | named at the end | first named in epoch | |",
        "|---" * 5 + "|",
    ]
    for outcome in outcomes:
        named = ", ".join(remark.code for remark in outcome.remarks)
        first = ", ".join(f"{code} {epoch}" for code, epoch in outcome.alarms.items())
        cells = (f"`{outcome.flags}`", outcome.expected or "-", named or "-", first or "-")
        lines.append(f"| {' | '.join(cells)} | {'right' if outcome.right else 'WRONG'} |")
    return "\n".join(lines)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser("python -m benchmarks.doctor", "Examine the doctor.")
    parser.add_argument("--quick", action="store_true", help="one seed, some of the trainings")
    parser.add_argument("--raw-dir", type=Path, help="folder with mnist/ and fashion_mnist/")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file to keep them in")
    return parser.parse_args(argv)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 1 if the doctor was wrong."""
    args = parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="gensuite-doctor-") as folder:
        seeds = SEEDS[:1] if args.quick else SEEDS
        outcomes = examine_all(Path(folder), raw_dir=args.raw_dir, seeds=seeds, quick=args.quick)
    earlier = json.loads(args.results.read_bytes()) if args.results.exists() else []
    entries = merge(earlier, [outcome.to_dict() for outcome in outcomes])
    args.results.parent.mkdir(parents=True, exist_ok=True)
    write_file(args.results, (json.dumps(entries, indent=1) + "\n").encode())
    print(table(outcomes))
    return 0 if all(outcome.right for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
