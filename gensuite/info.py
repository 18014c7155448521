"""``python -m gensuite.info [BUNDLE]``: say what is there; ``--health`` measures latent health."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from gensuite.console import Parser, command
from gensuite.errors import BundleError, ConfigError
from gensuite.inference import bundle as bundles
from gensuite.inference.bundle import Bundle
from gensuite.inference.health import health
from gensuite.inference.manifest import LIMITS, MANIFEST
from gensuite.scores import table

ARTIFACTS = Path("artifacts")


def find_bundles(folder: Path) -> dict[str, Bundle | BundleError]:
    """Read every bundle directly inside ``folder``.

    Returns:
        Folder name → the bundle, or the reason why it is broken; sorted by name.
    """
    found: dict[str, Bundle | BundleError] = {}
    # A folder that has lost its manifest is a broken bundle too, and its models tell.
    parts = (*folder.glob(f"*/{MANIFEST}"), *folder.glob("*/*.onnx"))
    for path in sorted({part.parent for part in parts}):
        if path.name.startswith("."):
            continue  # an export that was killed half-way
        try:
            found[path.name] = bundles.read(path)
        except BundleError as error:
            found[path.name] = error
    return found


def summary(bundle: Bundle) -> str:
    """One line about a bundle."""
    height, width, channels = bundle.image_shape
    size = sum(map(len, bundle.files.values()))
    dataset = bundle.manifest["dataset"]["name"]
    return (
        f"{bundle.family.upper()} of {dataset}, latent {bundle.latent_size}, "
        f"{height}x{width}x{channels}, {size / 1e3:.0f} kB"
    )


def description(bundle: Bundle) -> str:
    """Several lines about a bundle: identity, ports, files, data set, scores, latent health."""
    manifest = bundle.manifest
    lines = [summary(bundle), bundle.identity]
    lines.append(f"prior: {bundle.default_prior}, of {', '.join(bundle.priors)}")
    if bundle.classes:
        lines.append(f"label: 0 to {bundle.classes - 1} ({', '.join(bundle.class_names)})")
    for model, ports in manifest["ports"].items():
        sides = (
            ", ".join(f"{name} {shape}" for name, shape in ports[side].items())
            for side in ("inputs", "outputs")
        )
        lines.append(f"{model}.onnx: {' -> '.join(sides)}")
    lines += [f"{name}: {entry['bytes']:,} bytes" for name, entry in manifest["files"].items()]
    lines.append(f"dataset: {manifest['dataset']['name']} ({manifest['dataset']['licence']})")
    lines.append(f"training: {json.dumps(manifest['training']['config'])}")
    scores = manifest.get("scores")
    lines.append(table(scores) if scores else "scores: not measured")
    if "health" in manifest:
        lines += [f"latent health: {manifest['health'][limit]['sentence']}" for limit in LIMITS]
    return "\n".join(lines)


def health_text(bundle: Bundle) -> str:
    """Latent health measured now: for each limit its sentence and its numbers, line by line."""
    lines = []
    for limit in health(bundle).limits.values():
        lines.append(limit.sentence)
        lines += [f"    {name}: {number}" for name, number in limit.details.items()]
    return "\n".join(lines)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        "python -m gensuite.info", "Describe a bundle, or list the bundles in artifacts/."
    )
    parser.add_argument("bundle", type=Path, nargs="?", help="the bundle's folder")
    parser.add_argument(
        "--health",
        action="store_true",
        help="measure the four limits of its latent space, in 1 to 5 seconds",
    )
    parser.add_argument("--json", action="store_true", help="with --health: print JSON")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Print the description of one bundle or the list of all."""
    if args.health and not args.bundle:
        raise ConfigError("--health: no bundle given; name a bundle's folder")
    if args.json and not args.health:
        raise ConfigError("--json: only latent health is printed as JSON; add --health")
    if args.bundle:
        print(_answer(bundles.read(args.bundle), args))
        return
    found = find_bundles(ARTIFACTS)
    for name, bundle in found.items():
        what = f"BROKEN: {bundle}" if isinstance(bundle, BundleError) else summary(bundle)
        print(f"{ARTIFACTS / name}: {what}")
    if not found:
        print(f"no bundles in {ARTIFACTS}/; train with python -m gensuite.train, then export")


def _answer(bundle: Bundle, args: argparse.Namespace) -> str:
    if args.json:
        return json.dumps(health(bundle).to_dict())
    return health_text(bundle) if args.health else description(bundle)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    run(parse_args(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
