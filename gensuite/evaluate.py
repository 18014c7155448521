"""``python -m gensuite.evaluate RUN_OR_BUNDLE``: measure how good a model is.

Of a run, the scores are also written to its ``scores.json``, from which export copies them. A
bundle is left as it is: its scores are measured again and printed.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gensuite.console import Parser, command, quiet_start
from gensuite.errors import ConfigError, InputError
from gensuite.inference.latents import MAX_SEED
from gensuite.inference.manifest import MANIFEST, NAMES
from gensuite.scores import SCHEMA, table
from gensuite.version import __version__

if TYPE_CHECKING:
    from gensuite.metrics.intervals import Estimate
    from gensuite.metrics.samples import SampleJudge
    from gensuite.metrics.subjects import Subject

_LIMITS = {
    "samples": (100, 100_000),
    "seed": (0, MAX_SEED),
    "importance_samples": (1, 100_000),
    "images": (1, 1_000_000),
}
_CLASS = {True: "the true one is given", False: "not given"}
_HOLES = 1000
"""Codes drawn from the latent holes."""


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line.

    Raises:
        ConfigError: it is not allowed, or names neither a run nor a bundle.
    """
    parser = Parser("python -m gensuite.evaluate", "Measure a run, or a bundle again.")
    parser.add_argument("model", type=Path, metavar="RUN_OR_BUNDLE", help="its folder")
    parser.add_argument("--samples", type=int, default=10_000, help="to draw (default: 10000)")
    parser.add_argument("--seed", type=int, default=0, help="of all draws (default: 0)")
    parser.add_argument(
        "--importance-samples",
        type=int,
        default=1000,
        help="draws per image for a VAE's likelihood; of a run only (default: 1000)",
    )
    parser.add_argument("--images", type=int, help="test images for the likelihood (default: all)")
    parser.add_argument("--data-dir", help="folder of prepared tfds data sets on this machine")
    parser.add_argument("--raw-dir", help="folder of downloaded files to prepare the data set from")
    parser.add_argument("--json", action="store_true", help="print JSON with every protocol")
    args = parser.parse_args(argv)
    for name, (low, high) in _LIMITS.items():
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            flag = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{flag}: {value} given; allowed is {low} to {high}")
    if not _is_bundle(args.model) and not (args.model / "config.json").is_file():
        raise ConfigError(
            f"{args.model}: neither a run nor a bundle; name a folder that python -m "
            "gensuite.train or python -m export has written"
        )
    return args


def run(args: argparse.Namespace) -> None:
    """Measure, write a run's scores, and print them."""
    from gensuite.training.runs import Run

    # Refuses what is no run before TensorFlow loads.
    run_ = None if _is_bundle(args.model) else Run.open(args.model)
    with quiet_start():
        from gensuite.metrics.subjects import BundleSubject, RunSubject
        from gensuite.training import devices

        devices.use_exact_float32()
    if run_ is None:
        scores = measure(BundleSubject(args.model, args.data_dir, args.raw_dir), args)
    else:
        with closing(run_):
            run_.lock()
            subject = RunSubject(run_, args.data_dir, args.raw_dir)
            scores = measure(subject, args)
            run_.write_scores(scores)
    print(json.dumps(scores, indent=2, allow_nan=False) if args.json else table(scores))


def measure(subject: "Subject", args: argparse.Namespace) -> dict[str, Any]:
    """All scores of a model, as ``scores.json`` and a manifest hold them.

    Args:
        subject: the model and its data.
        args: ``samples``, ``seed``, ``importance_samples`` and ``images``.

    Raises:
        MetricError: the classifier is not the pinned one.
    """
    facts = subject.data.describe()
    scores: dict[str, Any] = {
        "schema": SCHEMA,
        "gensuite": __version__,
        "model": {"family": subject.family, "name": subject.name, "prior": subject.priors[0]},
        "dataset": {key: facts[key] for key in ("name", "version", "sha256")},
    }
    skipped: dict[str, str] = {}
    _add_likelihood(scores, skipped, subject, args)
    _add_reconstruction(scores, skipped, subject, args)
    _add_samples(scores, skipped, subject, args)
    return scores | {"not_measured": skipped}


def _add_likelihood(scores: dict, skipped: dict, subject: Any, args: argparse.Namespace) -> None:
    from gensuite.metrics.likelihood import BINARIZATION_SEED, binarize, likelihood_scores

    if subject.family != "vae":
        skipped["likelihood"] = f"{NAMES[subject.family]} gives no likelihood of an image"
        return
    if not hasattr(subject, "model"):
        skipped["likelihood"] = "a bundle gives images and not logits; evaluate its run"
        return
    model, test = subject.model, subject.data.images["test"][: args.images]
    bernoulli = model.likelihood == "bernoulli"
    images = binarize(test) if bernoulli else test / np.float32(255)
    k, seed = args.importance_samples, args.seed
    labels = subject.data.labels["test"][: args.images] if model.classes else None
    found = likelihood_scores(model, images, labels, samples=k, seed=seed)
    protocol = {
        "pixels": "Bernoulli, binarized once: numpy Philox, key "
        f"{BINARIZATION_SEED}, integers below 255 below the grey value"
        if bernoulli
        else "Gaussian density of values in [0, 1], one learned variance",
        "importance_samples": k,
        "class": _CLASS[model.classes > 0],
    }
    scores["likelihood"] = _entries(found, subject, args, images=len(images), **protocol)


def _add_reconstruction(scores: dict, skipped: dict, subject: Any, args: Any) -> None:
    from gensuite.metrics.reconstruction import reconstruction_scores, window

    if subject.family == "gan":
        skipped["reconstruction"] = "a GAN has no encoder"
        return
    data = subject.data
    test = data.images["test"]
    labels = data.labels["test"].astype(np.int32) if subject.classes else None
    found = reconstruction_scores(test, subject.reconstruct, labels, args.seed)
    side = window(test.shape[1:3])
    protocol = {
        "code": "the posterior's mean" if subject.family == "vae" else "the encoder's",
        "pixels": "in [0, 1], not binarized",
        "class": _CLASS[subject.classes > 0],
        "ssim_window": f"Gaussian, {side}x{side}, deviation 1.5",
    }
    scores["reconstruction"] = _entries(found, subject, args, images=len(test), **protocol)


def _add_samples(scores: dict, skipped: dict, subject: "Subject", args: Any) -> None:
    from gensuite.metrics.features import PINNED, Classifier
    from gensuite.metrics.samples import SampleJudge
    from gensuite.metrics.subjects import sample

    data = subject.data
    classifier = Classifier.load(data.name)
    if classifier is None:
        known = ", ".join(PINNED)
        skipped["features"] = f"no classifier of {data.name} ships, only of {known}"
    judge = SampleJudge(data, classifier, args.samples, args.seed)
    for prior in subject.priors:
        images, labels = sample(subject, judge.samples, seed=args.seed, prior=prior)
        found = judge.score(images, labels)
        for score in found.values():
            score["protocol"]["prior"] = prior
        if prior == subject.priors[0]:
            scores["samples"] = found
        else:
            scores.setdefault("other_priors", {})[prior] = found
    _add_holes(scores, skipped, subject, judge, args)


def _add_holes(
    scores: dict, skipped: dict, subject: "Subject", judge: "SampleJudge", args: Any
) -> None:
    """How unsure the classifier is of what the holes of the model's own prior decode to."""
    from gensuite.inference.holes import hole_codes
    from gensuite.inference.latents import draw_codes
    from gensuite.metrics.subjects import decode

    if subject.family == "gan":
        skipped["holes"] = "a GAN has no codes, and so no holes between them"
        return
    try:
        codes = draw_codes(subject.encodings, args.seed)
        z = hole_codes(codes, _HOLES, args.seed, prior=subject.priors[0])
    except InputError as error:
        skipped["holes"] = str(error)
        return
    found = judge.unsure(decode(subject, z, subject.labels(len(z), args.seed)))
    for score in found.values():
        score["protocol"]["prior"] = subject.priors[0]
        score["protocol"]["codes"] = "its draws in the holes of latent health"
    if found:
        scores["holes"] = found


def _entries(
    found: "dict[str, Estimate]", subject: "Subject", args: argparse.Namespace, **protocol: Any
) -> dict[str, Any]:
    from gensuite.metrics.intervals import IMAGES_BOOTSTRAP

    data = subject.data
    common = {"data": f"{data.name} {data.version}", "split": "test", "seed": args.seed}
    whole = {**common, **protocol, "bootstrap": IMAGES_BOOTSTRAP}
    return {name: {**estimate.to_dict(), "protocol": whole} for name, estimate in found.items()}


def _is_bundle(path: Path) -> bool:
    return (path / MANIFEST).exists()


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    run(parse_args(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
