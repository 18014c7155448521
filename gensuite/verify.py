"""``python -m gensuite.verify BUNDLE``: re-run a bundle's proof on this machine.

The bundle is tried in a process with limits first; see ``inference/quarantine.py``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gensuite.console import Parser, command
from gensuite.errors import BundleError, BundleNotFoundError, ParityError
from gensuite.inference import bundle as bundles
from gensuite.inference.bundle import Bundle
from gensuite.inference.quarantine import Quarantine
from gensuite.inference.runtime import OnnxBackend

GOLDEN_TOLERANCE = 1e-4
"""Largest allowed difference between a golden output and the same output made here."""


IMAGE_PORTS = ("image", "reconstruction")
"""Ports whose values lie in [0, 1]."""


def golden_differences(bundle: Bundle) -> dict[str, float]:
    """Re-run the golden inputs.

    Args:
        bundle: a bundle that has been read and checked.

    Returns:
        ``"decoder image"`` and the like → largest difference, see :func:`difference`.

    Raises:
        BundleError: a model cannot be loaded or the golden arrays are not the model's.
    """
    backend = OnnxBackend(bundle.models, bundle.ports)
    golden = bundle.arrays("golden.npz")
    differences = {}
    for model, ports in bundle.ports.items():
        try:
            outputs = backend.run(
                model, {port: golden[f"{model}.{port}"] for port in ports["inputs"]}
            )
            for port, value in outputs.items():
                differences[f"{model} {port}"] = difference(port, value, golden[f"{model}.{port}"])
        except (KeyError, ValueError, RuntimeError) as error:
            raise BundleError("model", f"golden.npz: cannot be re-run ({error})") from None
    return differences


def difference(port: str, value: NDArray[Any], expected: NDArray[Any]) -> float:
    """Largest difference of two outputs of a port.

    Absolute for an image in [0, 1]; divided by 1 + |expected| for the ports of an encoder, whose
    values have no fixed range.
    """
    scale = 1.0 if port in IMAGE_PORTS else 1.0 + np.abs(expected)
    return float(np.max(np.abs(value - expected) / scale))


def check_golden(differences: dict[str, float]) -> None:
    """Compare differences with the tolerance.

    Raises:
        ParityError: one is above it or not a number.
    """
    for name, largest in differences.items():
        if not largest <= GOLDEN_TOLERANCE:  # also true of NaN
            raise ParityError(
                f"{name} differs by {largest:.2g} from its golden output; at most "
                f"{GOLDEN_TOLERANCE:g} is allowed, so this runtime does not run this model truly"
            )


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        "python -m gensuite.verify", "Check a bundle's hashes and re-run its golden outputs here."
    )
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    """Verify and report; 0 when the bundle is what it says, else 1."""
    try:
        bundle = bundles.read(args.bundle)
        print(f"{args.bundle}: {len(bundle.files)} files, hashes as in the manifest")
        with Quarantine() as quarantine:
            quarantine.admit(bundle)
        differences = golden_differences(bundle)
    except BundleNotFoundError:
        raise
    except BundleError as error:
        print(f"NOT VERIFIED ({error.code}): {error}", file=sys.stderr)
        return 1
    for name, largest in differences.items():
        print(f"{name}: largest difference {largest:.2g} (allowed {GOLDEN_TOLERANCE:g})")
    check_golden(differences)
    print(f"verified {bundle.identity}")
    return 0


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    return run(parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
