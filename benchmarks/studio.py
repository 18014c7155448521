"""``python -m benchmarks.studio``: how soon the studio's pictures are there.

The first picture in a fresh browser, from a server just started and from one that has drawn before;
and the server's share of moving a slider, from the widget's message to the finished page. Needs
chromium. A record is appended to ``benchmarks/results/studio.jsonl``.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bench import RESULTS_FOLDER, append_record, machine
from gensuite.console import Parser, command

RESULTS = RESULTS_FOLDER / "studio.jsonl"
VISITS, MOVES = 10, 50


def first_pictures(artifacts: Path, query: str) -> dict[str, Any]:
    """Seconds from the request to the gallery: of a server just started, and of later visits."""
    from tests.browser.driver import browser, serve, settle

    with browser() as chromium, serve(artifacts) as server:

        def visit() -> None:
            context = chromium.new_context()  # without a cache
            tab = context.new_page()
            tab.goto(f"{server.address}/?{query}")
            settle(tab)
            context.close()

        return {"cold": _seconds(visit), "warm": sorted(_seconds(visit) for _ in range(VISITS))}


def slider_moves(artifacts: Path, bundle: str) -> list[float]:
    """Seconds that the server takes for each move of the slider Spread, sorted."""
    os.environ["GENSUITE_ARTIFACTS"] = str(artifacts)
    from tests.studio import open_page

    page = open_page(bundle=bundle)

    return sorted(
        _seconds(page.slider(key="spread").set_value(0.5 + step / 100).run) for step in range(MOVES)
    )


def _seconds(act: Callable[[], Any]) -> float:
    start = time.perf_counter()
    act()
    return round(time.perf_counter() - start, 4)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser("python -m benchmarks.studio", "Measure how soon pictures are there.")
    parser.add_argument("bundle", nargs="?", default="vae-mnist", help="name in the artifacts")
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"), help="their folder")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON lines to append to")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Measure and append one record."""
    record = {
        "bundle": args.bundle,
        "first_picture": first_pictures(args.artifacts, f"bundle={args.bundle}"),
        "slider": slider_moves(args.artifacts, args.bundle),
        "machine": machine(),
    }
    append_record(args.results, record)
    first, slider = record["first_picture"], record["slider"]
    print(f"first picture: cold {first['cold']:.2f} s, warm {median(first['warm']):.2f} s (median)")
    print(f"slider to picture: {median(slider):.3f} s (median), {slider[-2]:.3f} s (second worst)")


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    run(parse_args(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
