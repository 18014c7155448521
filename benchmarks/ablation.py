"""``python -m benchmarks.ablation``: what each technique does to a metric, with and without it.

On MNIST with small networks and few epochs: every technique alone on top of its family's plain
settings, three seeds. (DiffAugment is for small data, so its row is on the digits.) A record for
each pair of trainings is appended to ``benchmarks/results/ablation.jsonl``.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.bench import (
    RESULTS_FOLDER,
    append_record,
    call,
    machine,
    parse_shared,
    read_records,
    train_run,
)
from gensuite import evaluate
from gensuite.console import Parser, command

RESULTS = RESULTS_FOLDER / "ablation.jsonl"
SEEDS = (0, 1, 2)
_COMMON = {"dataset": "mnist", "network": "dense", "epochs": 4, "batch_size": 128}
PLAIN: dict[str, dict[str, Any]] = {
    "ae": _COMMON | {"latent_dim": 8},
    "vae": _COMMON | {"latent_dim": 8},
    "gan": _COMMON | {"latent_dim": 32},
}
SMALL = {"dataset": "digits", "epochs": 120}


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
    "averaged weights (VAE)": Technique("vae", {"ema": 0.995}, LIKELIHOOD),
    "decay of the learning rate (VAE)": Technique("vae", {"decay": 0.5}, LIKELIHOOD),
    "beta 2": Technique("vae", {"beta": 2.0}, FRECHET),
    "KL warm-up": Technique("vae", {"kl_warmup": 2}, LIKELIHOOD),
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
    "averaged weights (GAN)": Technique("gan", {"ema": 0.995}, FRECHET),
    "decay of the learning rate (GAN)": Technique("gan", {"decay": 0.5}, FRECHET),
    "class-conditional GAN": Technique("gan", {"conditional": True}, FRECHET),
    "hinge loss": Technique("gan", {"loss": "hinge"}, FRECHET),
    "WGAN-GP": Technique("gan", {"loss": "wgan_gp"}, FRECHET),
    "R1 penalty": Technique("gan", {"loss": "r1", "penalty_weight": 1.0}, FRECHET),
    "spectral normalization": Technique("gan", {"spectral_norm": True}, FRECHET),
    "DiffAugment": Technique("gan", {"augment": True} | SMALL, FRECHET, against=SMALL),
    "2 discriminator steps": Technique("gan", {"discriminator_steps": 2}, FRECHET),
    "discriminator at half the rate": Technique(
        "gan", {"discriminator_learning_rate": 5e-4}, FRECHET
    ),
    "DCGAN networks": Technique("gan", {"network": "dcgan"}, FRECHET, against={"network": "conv"}),
}


def measure(family: str, settings: dict[str, Any], seed: int, args: argparse.Namespace) -> dict:
    """Train with some settings and score; a run that is there already is not trained again."""
    values = {"model": family, "seed": seed} | PLAIN[family] | settings
    if args.quick:
        values |= {"epochs": 3, "dataset": "digits"}
    elif args.raw_dir and values["dataset"] != "digits":
        values["raw_dir"] = str(args.raw_dir / values["dataset"])
    name = "-".join([family, *(f"{k}-{v}" for k, v in sorted(settings.items())), str(seed)])
    path = args.runs / name
    train_run(values, path)
    if not (path / "scores.json").is_file():
        flags = ["--samples", "2000", "--importance-samples", "100", "--images", "1000"]
        call(evaluate.main, str(path), *flags)
    scores: dict[str, Any] = json.loads((path / "scores.json").read_text())
    return scores


def read(scores: dict[str, Any], metric: str, prior: str | None) -> float:
    """The value of a metric, of the model's own prior or of another."""
    group, name = metric.split(".")
    place = scores["other_priors"][prior] if prior else scores[group]
    return float(place[name]["value"])


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser("python -m benchmarks.ablation", "Measure every technique alone.")
    return parse_shared(parser, argv, "ablation")


def run(args: argparse.Namespace) -> None:
    """Measure all techniques that have no record yet."""
    args.results.parent.mkdir(parents=True, exist_ok=True)
    done = {(record["technique"], record["seed"]) for record in read_records(args.results)}
    for name, technique in TECHNIQUES.items():
        for seed in SEEDS[:1] if args.quick else SEEDS:
            if (name, seed) in done:
                continue
            print(f"{name}, seed {seed}", flush=True)
            plain = measure(technique.family, technique.against, seed, args)
            changed = measure(technique.family, technique.settings, seed, args)
            record = {
                "technique": name,
                "seed": seed,
                "metric": technique.metric,
                "without": read(plain, technique.metric, None),
                "with": read(changed, technique.metric, technique.prior),
                "settings": technique.settings,
                "plain": {"model": technique.family} | PLAIN[technique.family] | technique.against,
                "machine": machine(),
            }
            append_record(args.results, record)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    run(parse_args(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
