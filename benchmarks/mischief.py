"""``python -m benchmarks.mischief``: the studio asked for what none of its pages would ask.

Generated query strings and widget states go to a running studio in its own protocol, and hostile
picture files (``tests/hostile_pictures.py``) to the reader of pictures. Nothing may show an
exception, take over a second or 200 MB. A record is appended to
``benchmarks/results/mischief.jsonl``.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.WidgetStates_pb2 import WidgetState
from tqdm import trange

from benchmarks.bench import RESULTS_FOLDER, append_record, machine, memory
from benchmarks.visitors import Visitor, run_visits, session
from gensuite.console import Parser, command
from gensuite.errors import InputError
from gensuite.inference.pictures import read_picture
from studio.charts import PICK

RESULTS = RESULTS_FOLDER / "mischief.jsonl"
SECONDS, MEGABYTES = 1.0, 200
"""That one case may take."""

VIEWS = Path(__file__).parent.parent / "studio" / "views"
PAGES = sorted(path.stem for path in VIEWS.glob("*.py"))
KEYS = (
    *("bundle", "lang", "seed", "count", "spread", "prior", "label", "image", "x", "y", "u", "v"),
    *("epoch", "grid", "holes", "steps", "by", "path", "ae", "vae", "gan", "map", "back", "own"),
    *("from_seed", "from_image", "from_own", "from_invert", "to_seed", "to_image", "to_own"),
    *("own_invert", "nudge1", "nudge8", "nudge99", "gallery"),
)
TEXTS = (
    "",
    "0",
    "-1",
    "1e9",
    "1e999",
    "nan",
    "inf",
    "-inf",
    "4294967295",
    "4294967296",
    "9" * 400,
    "true",
    "null",
    "None",
    "[]",
    "[0,1]",
    '{"a":1}',
    "../../etc/passwd",
    "/etc/passwd",
    "toy-vae",
    "toy-vae/../toy-ae",
    "TOY-VAE",
    "standard",
    "fitted",
    "drawn",
    "3",
    "ko",
    "xx",
    "<script>alert(1)</script>",
    "![x](http://example.org/x.png)",
    "%00",
    "\0",
    "\u202e\ufeff",
    "한국어",
    "\U0001f600" * 50,
    "a" * 4000,
)
NUMBERS = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, 3.0, 255.0, 256.0, 257.0, 1e9, 1e18, -1e18, 1e300, 5e-324),
    *(2.0**32 - 1, 2.0**32, 2.0**53 + 2, float("nan"), float("inf"), float("-inf")),
)
ROWS: tuple[Any, ...] = (
    [],
    [{}],
    [{"image": 1e999}],
    [{"image": "x", "x": "y", "y": None}],
    [{"image": -5, "x": 1e308, "y": -1e308}],
    [{"image": float("nan"), "x": float("nan"), "y": float("nan")}],
    [{"image": [1], "x": {"y": 2}, "y": True}],
    [{"image": 2, "x": 0.5, "y": 10**400}],
    [None],
    ["image"],
    {"image": [1], "x": [0], "y": [0]},
    "image",
    7,
    None,
)
"""What a click on a chart may claim to have picked."""

RERUNS = 10
"""Cases that one visitor makes, each on what the one before has left behind."""


def make_query(random: np.random.Generator, bundles: Sequence[str]) -> str:
    """Draw a query string; half of them name a bundle, so that a page is drawn at all."""
    keys = random.choice(KEYS, random.integers(0, 6))
    pairs = [(str(key), str(random.choice(TEXTS))) for key in keys]
    if random.integers(2):
        pairs.insert(0, ("bundle", str(random.choice(bundles))))
    if not random.integers(8):
        return str(random.choice(TEXTS)) + "&=&" + urlencode(pairs) + "&%"
    return urlencode(pairs)


def make_states(random: np.random.Generator, elements: Sequence[Element]) -> list[WidgetState]:
    """Draw a value for some of the widgets that a page has shown.

    Its form is right: Streamlit reads a message of another form before any page sees it.
    """
    made = []
    for element in elements:
        kind = element.WhichOneof("type")
        widget: Any = getattr(element, kind) if kind else None
        if not getattr(widget, "id", "") or random.integers(2):
            continue
        state = WidgetState(id=widget.id)
        text, number = str(random.choice(TEXTS)), float(random.choice(NUMBERS))
        if kind == "number_input":
            state.double_value = number
        elif kind == "slider":
            state.double_array_value.data.append(number)
        elif kind == "checkbox":
            state.bool_value = bool(random.integers(2))
        elif kind in ("button", "download_button"):
            state.trigger_value = True
        elif kind == "button_group":
            state.string_array_value.data.extend([text] * random.integers(2))
        elif kind == "vega_lite_chart":
            rows = ROWS[random.integers(len(ROWS))]
            state.string_value = json.dumps({"selection": {PICK: rows}})
        elif kind == "file_uploader":
            state.file_uploader_state_value.uploaded_file_info.add(file_id=text, name=text)
        else:
            state.string_value = text
        made.append(state)
    return made


def ask(bundles: Path, cases: int, seed: int) -> dict[str, Any]:
    """Send queries and widget states to a studio.

    Args:
        bundles: folder of the bundles that it serves.
        cases: how many times a page is asked for.
        seed: of all that is drawn.

    Returns:
        The exceptions with their cases, the longest time in seconds, the server's growth in MB.
    """
    from tests.browser.driver import serve

    with serve(bundles) as server:
        return run_visits(_ask(server.address, server.pid, bundles, cases, seed))


async def _ask(address: str, pid: int, bundles: Path, cases: int, seed: int) -> dict[str, Any]:
    names = sorted(path.parent.name for path in bundles.glob("*/manifest.json"))
    async with session(address) as socket:
        for name in names:  # what the first visits bring into memory stays there
            for page in PAGES:
                await Visitor(socket).rerun(f"bundle={name}", page)
    before = most = memory(pid)
    exceptions: list[dict[str, Any]] = []
    times = []
    for first in trange(0, cases, RERUNS, unit="visitor", disable=None):
        random = np.random.default_rng([seed, first])
        async with session(address) as socket:
            visitor, elements = Visitor(socket), list[Element]()
            for number in range(first, min(first + RERUNS, cases)):
                if not elements or not random.integers(3):
                    page = str(random.choice(PAGES)).replace("sample", "")
                    query, states = make_query(random, names), list[WidgetState]()
                else:
                    states = make_states(random, elements)
                start = time.monotonic()
                elements = await visitor.rerun(query, page, states)
                times.append(time.monotonic() - start)
                most = max(most, memory(pid))
                exceptions += [
                    {"case": number, "page": page, "query": query, "states": str(states)}
                    for element in elements
                    if element.HasField("exception")
                ]
    return {
        "asked": cases,
        "exceptions": exceptions,
        "longest": round(max(times), 3),
        "median": round(float(np.median(times)), 3),
        "growth": round(most - before),
    }


def bring_pictures(count: int, seed: int) -> dict[str, Any]:
    """Read hostile pictures.

    Returns:
        How many were read, and how many were refused, exceptions with their cases, the longest time
        in seconds and the most memory in MB that one took.
    """
    from tests.hostile_pictures import make_picture

    found: dict[str, Any] = {"pictures": count, "read": 0, "refused": 0, "broken": []}
    longest, most = 0.0, 0.0
    for number in trange(count, unit="picture", disable=None):
        random = np.random.default_rng([seed, number])
        kind, content = make_picture(random)
        start = time.monotonic()
        with peak_memory() as peak:
            try:
                image = read_picture(content, (28, 28, 1), invert=bool(random.integers(2)))
                found["read"] += 1
                if image.shape != (1, 28, 28, 1) or not np.all((image >= 0) & (image <= 1)):
                    found["broken"].append(f"{number}: {kind}: not an image of the model's")
            except InputError:
                found["refused"] += 1
            except Exception as error:  # what must not happen is what is looked for
                found["broken"].append(f"{number}: {kind}: {error!r}")
        longest, most = max(longest, time.monotonic() - start), max(most, peak[0])
    return found | {"longest": round(longest, 3), "peak": round(most)}


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Watch the memory of this process.

    Yields:
        A list that holds, afterwards, by how many MB the process grew at most.
    """
    Path("/proc/self/clear_refs").write_text("5")  # the peak from here on
    before, grown = memory(os.getpid()), [0.0]
    yield grown
    grown[0] = memory(os.getpid(), "VmHWM") - before


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser("python -m benchmarks.mischief", "Ask the studio what no page of it would ask.")
    parser.add_argument("--cases", type=int, default=10_000, help="queries and widget states")
    parser.add_argument("--pictures", type=int, default=500, help="hostile picture files")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON lines to append to")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    """Ask, bring, and append one record; 0 where every promise held, else 1."""
    from tests.conftest import BUNDLES

    start = time.monotonic()
    pictures = bring_pictures(args.pictures, args.seed)
    asked = ask(BUNDLES, args.cases, args.seed)
    minutes = round((time.monotonic() - start) / 60, 1)
    record = {"pages": asked, "pictures": pictures, "minutes": minutes}
    append_record(args.results, record | {"machine": machine()})
    print("pages: {asked} asked, longest {longest} s, {growth} MB grown".format(**asked))
    print(
        "pictures: {read} read, {refused} refused, longest {longest} s, {peak} MB".format(
            **pictures
        )
    )
    broken = [*asked["exceptions"], *pictures["broken"]]
    print(*broken[:20], f"broken: {len(broken)}", sep="\n")
    return 1 if broken else 0


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    return run(parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
