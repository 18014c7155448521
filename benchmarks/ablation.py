"""``python -m benchmarks.ablation``: what each technique does to a metric, with and without it.

On the digits, which train in seconds: every technique alone on top of its family's plain settings,
three seeds. A record for each training is appended to ``benchmarks/results/ablation.jsonl``.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.bench import call, machine, train_run
from gensuite import evaluate
from gensuite.console import Parser, command

RESULTS = Path(__file__).parent / "results" / "ablation.jsonl"
SEEDS = (0, 1, 2)
PLAIN: dict[str, dict[str, Any]] = {
    "ae": {"network": "dense", "latent_dim": 8, "epochs": 60},
    "vae": {"network": "dense", "latent_dim": 8, "epochs": 60},
    "gan": {"network": "dense", "latent_dim": 16, "epochs": 120, "learning_rate": 3e-4},
}


@dataclass(frozen=True)
class Technique:
    """A row of the ablation: settings on top of the plain ones, and where its effect is read."""

    family: str
    settings: dict[str, Any]
    metric: str
    """A path into ``scores.json``."""
    against: dict[str, Any] = field(default_factory=dict)
    """Settings of the training without it, where the plain ones are not the fair comparison."""
    prior: str | None = None
    """Prior that the technique samples from, if not the model's own."""


FRECHET = "samples.frechet"
LIKELIHOOD = "likelihood.log_likelihood"
ERROR = "reconstruction.mse"
TECHNIQUES: dict[str, Technique] = {
    "averaged weights (VAE)": Technique("vae", {"ema": 0.99}, LIKELIHOOD),
    "decay of the learning rate (VAE)": Technique("vae", {"decay": 0.5}, LIKELIHOOD),
    "beta 2": Technique("vae", {"beta": 2.0}, FRECHET),
    "KL warm-up": Technique("vae", {"kl_warmup": 20}, LIKELIHOOD),
    "IWAE, 5 samples": Technique("vae", {"importance_samples": 5}, LIKELIHOOD),
    "residual dense networks (VAE)": Technique("vae", {"network": "residual_dense"}, LIKELIHOOD),
    "residual convolutions (VAE)": Technique(
        "vae", {"network": "residual_conv"}, LIKELIHOOD, against={"network": "conv"}
    ),
    "class-conditional VAE": Technique("vae", {"conditional": True}, FRECHET),
    "fitted mixture (VAE)": Technique("vae", {}, FRECHET, prior="fitted"),
    "fitted mixture (AE)": Technique("ae", {}, FRECHET, prior="fitted"),
    "residual dense networks (AE)": Technique("ae", {"network": "residual_dense"}, ERROR),
    "residual convolutions (AE)": Technique(
        "ae", {"network": "residual_conv"}, ERROR, against={"network": "conv"}
    ),
    "averaged weights (GAN)": Technique("gan", {"ema": 0.99}, FRECHET),
    "decay of the learning rate (GAN)": Technique("gan", {"decay": 0.5}, FRECHET),
    "class-conditional GAN": Technique("gan", {"conditional": True}, FRECHET),
    "hinge loss": Technique("gan", {"loss": "hinge"}, FRECHET),
    "WGAN-GP": Technique("gan", {"loss": "wgan_gp"}, FRECHET),
    "R1 penalty": Technique("gan", {"loss": "r1", "penalty_weight": 1.0}, FRECHET),
    "spectral normalization": Technique("gan", {"spectral_norm": True}, FRECHET),
    "DiffAugment": Technique("gan", {"augment": True}, FRECHET),
    "2 discriminator steps": Technique("gan", {"discriminator_steps": 2}, FRECHET),
}


def measure(family: str, settings: dict[str, Any], seed: int, runs: Path, quick: bool) -> dict:
    """Train with some settings and score; a run that is there already is not trained again."""
    values = PLAIN[family] | settings
    if quick:
        values |= {"epochs": 2} | ({"kl_warmup": 1} if "kl_warmup" in values else {})
    name = "-".join([family, *(f"{k}-{v}" for k, v in sorted(settings.items())), str(seed)])
    path = runs / name
    if not (path / "scores.json").is_file():
        train_run(values | {"model": family, "dataset": "digits", "seed": seed}, path)
        call(evaluate.main, str(path), "--samples", "2000", "--importance-samples", "200")
    scores: dict[str, Any] = json.loads((path / "scores.json").read_text())
    return scores


def read(scores: dict[str, Any], metric: str, prior: str | None) -> float:
    """The value of a metric, of the model's own prior or of another."""
    group, name = metric.split(".")
    place = scores["other_priors"][prior] if prior else scores[group]
    return float(place[name]["value"])


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser("python -m benchmarks.ablation", "Measure every technique alone, on digits.")
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation"), help="of the trainings")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON lines to append to")
    parser.add_argument("--quick", action="store_true", help="2 epochs, one seed")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Measure all techniques that have no record yet."""
    args.results.parent.mkdir(parents=True, exist_ok=True)
    lines = args.results.read_text().splitlines() if args.results.is_file() else []
    done = {(record["technique"], record["seed"]) for record in map(json.loads, lines)}
    for name, technique in TECHNIQUES.items():
        for seed in SEEDS[:1] if args.quick else SEEDS:
            if (name, seed) in done:
                continue
            print(f"{name}, seed {seed}", flush=True)
            family, metric = technique.family, technique.metric
            plain = measure(family, technique.against, seed, args.runs, args.quick)
            changed = measure(family, technique.settings, seed, args.runs, args.quick)
            record = {
                "technique": name,
                "seed": seed,
                "metric": metric,
                "without": read(plain, metric, None),
                "with": read(changed, metric, technique.prior),
                "settings": technique.settings,
                "plain": {"model": family} | PLAIN[family] | technique.against,
                "machine": machine(),
            }
            with args.results.open("a") as stream:
                stream.write(json.dumps(record, allow_nan=False) + "\n")


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    run(parse_args(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
