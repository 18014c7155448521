"""``python -m benchmarks.crowd``: 500 visitors at one moment, and 100 large uploads.

The studio must answer each with its page or with one sentence that it is busy, and must serve the
next visitor as ever. A record is appended to ``benchmarks/results/crowd.jsonl``.
"""

import argparse
import asyncio
import functools
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks.bench import RESULTS_FOLDER, append_record, machine, memory
from benchmarks.visitors import Visitor, run_visits, session
from gensuite.console import Parser, command
from gensuite.inference.images import png

RESULTS = RESULTS_FOLDER / "crowd.jsonl"
SIDE = 1290
"""Pixels of the pictures that are uploaded: noise of just under 5 MB as a PNG."""

BUSY = "The studio is busy"


def measure(bundles: Path, bundle: str, visitors: int, uploads: int) -> dict[str, Any]:
    """Let a crowd come to a studio.

    Args:
        bundles: folder that it serves.
        bundle: that all look at; one with an encoder.
        visitors: that come at one moment.
        uploads: pictures that others bring at one moment.

    Returns:
        How often each answer came and the longest time in seconds, for visits and uploads; seconds
        of a visit before and after; the server's memory in MB before and at most.
    """
    from tests.browser.driver import serve

    with serve(bundles) as server:
        come = functools.partial(come_to, server.address, bundle)
        come(1, look)
        before, calm = memory(server.pid), come(1, look)
        visits, brought = come(visitors, look), come(uploads, bring)
        return {
            "visits": visits,
            "uploads": brought,
            "calm": [calm, come(1, look)],
            "memory": [round(before), round(memory(server.pid, "VmHWM"))],
        }


def come_to(
    address: str, bundle: str, count: int, stay: Callable[..., Awaitable[str]]
) -> tuple[dict[str, int], float]:
    """Let visitors come to a studio at one moment.

    Args:
        address: ``http://127.0.0.1:port``.
        bundle: that they look at.
        count: of visitors.
        stay: :func:`look` or :func:`bring`.

    Returns:
        How often each answer came, and the seconds until the last one.
    """
    start = time.monotonic()
    answers = Counter(run_visits(_all_at_once(address, bundle, count, stay)))
    return dict(sorted(answers.items())), round(time.monotonic() - start, 2)


async def _all_at_once(
    address: str, bundle: str, count: int, stay: Callable[..., Awaitable[str]]
) -> list[str]:
    together = asyncio.Barrier(count)
    return await asyncio.gather(
        *(_visit(address, bundle, stay, together) for _ in range(count)),
    )


async def _visit(
    address: str, bundle: str, stay: Callable[..., Awaitable[str]], together: asyncio.Barrier
) -> str:
    try:
        async with session(address) as socket:
            await together.wait()
            answer = await stay(Visitor(socket), address, bundle)
            await together.wait()  # all keep their connections until the last has its answer
            return answer
    except Exception as error:  # whatever it is, it is what the visitor saw
        return repr(error)


async def look(visitor: Visitor, _: str, bundle: str) -> str:
    """Ask for the page Sample."""
    return _answer(await visitor.rerun(f"bundle={bundle}"), "vega_lite_chart")


async def bring(visitor: Visitor, address: str, bundle: str) -> str:
    """Take a large picture to the page Reconstruct."""
    page, query = "reconstruct", f"bundle={bundle}"
    elements = await visitor.rerun(query, page)
    if (said := _answer(elements, "radio")) != "page":
        return said
    (source,) = (each.radio for each in elements if each.HasField("radio"))
    own = WidgetState(id=source.id, string_value=source.options[1])
    elements = await visitor.rerun(query, page, [own])
    if (said := _answer(elements, "file_uploader")) != "page":
        return said
    (uploader,) = (each.file_uploader for each in elements if each.HasField("file_uploader"))
    picture = WidgetState(id=uploader.id)
    picture.file_uploader_state_value.uploaded_file_info.append(
        await visitor.upload(address, "noise.png", await asyncio.to_thread(_noise))
    )
    return _answer(await visitor.rerun(query, page, [own, picture]), "imgs")


def _noise() -> bytes:
    pixels = np.random.default_rng().integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    return png(Image.fromarray(pixels))


def _answer(elements: Sequence[Element], wanted: str) -> str:
    """What a page says: ``page`` where what was wanted is there."""
    for element in elements:
        if element.HasField("exception"):
            return element.exception.message
        if element.HasField("alert") and element.alert.body.startswith(BUSY):
            return "busy"
    return "page" if any(each.WhichOneof("type") == wanted for each in elements) else "nothing"


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser("python -m benchmarks.crowd", "Visit the studio, all at one moment.")
    parser.add_argument("bundle", type=Path, help="the bundle's folder; of an AE or a VAE")
    parser.add_argument("--visitors", type=int, default=500, help="at once (default: 500)")
    parser.add_argument("--uploads", type=int, default=100, help="at once (default: 100)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON lines to append to")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Measure and append one record."""
    found = measure(args.bundle.parent, args.bundle.name, args.visitors, args.uploads)
    append_record(args.results, found | {"machine": machine()})
    for name, value in found.items():
        print(f"{name}: {value}")


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    run(parse_args(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
