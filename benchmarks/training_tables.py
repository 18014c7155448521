"""The tables of the training benchmark: bars, figures, time to a target, where the time goes."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from benchmarks.bench import measured_with
from benchmarks.trainers import rows

RATIO_BARS = {rows.KERAS: 1.5, rows.EAGER: 2.0, rows.COMPILED: 1.5, rows.PYTHAE: None}
"""Way → how many times its images per second gensuite is to reach; None where none was set."""
PIPELINE_BAR = 0.03
MEMORY_BAR = 0.01
"""Share by which the memory held may grow and still count as flat: an allocator's noise."""
Record = dict[str, Any]


def text(records: Sequence[Record]) -> str:
    """Everything there is of the newest records."""
    return "\n\n".join(each for each in (races(records), settings(records)) if each)


def races(records: Sequence[Record]) -> str:
    """The tables of the newest record of every row; empty where there is none."""
    found = _newest(records, "pipeline")
    if not found:
        return ""
    parts = [bars(found), figures(found), times(found), profiles(found)]
    reasons = {f"{way}: {why}" for record in found for way, why in record["skipped"].items()}
    return "\n\n".join([*parts, *(f"Not measured: {reason}." for reason in sorted(reasons))])


def bars(records: Sequence[Record]) -> str:
    """How many times the images per second of each neighbour, and the other bars."""
    head = ["row"]
    for way, bar in RATIO_BARS.items():
        head.append(f"× {way}" + (f", ≥ {bar:g}" if bar else ""))
    head += [f"input pipeline, ≤ {PIPELINE_BAR:.0%} of a step", "memory held over the epochs"]
    head.append(f"share of the matrix peak ({rows.EAGER}'s)")
    lines = []
    for record in records:
        cells = [record["row"]]
        for way, bar in RATIO_BARS.items():
            cells.append(_against(record, way, bar))
        share = 1 - median(own / held for own, held in record["pipeline"])
        cells.append(f"{share:.1%}: {_verdict(PIPELINE_BAR - share, '.1%')}")
        epochs, (early, late) = record["memory"]["epochs"], record["memory"]["mb"]
        verdict = _verdict(MEMORY_BAR - (late / early - 1), ".1%")
        cells.append(f"{early:.0f} MB after {epochs[0]}, {late:.0f} after {epochs[1]}: {verdict}")
        cells.append(f"{_peak_share(record, rows.OURS)} ({_peak_share(record, rows.EAGER)})")
        lines.append(cells)
    return _table(head, lines)


def figures(records: Sequence[Record]) -> str:
    """Images per second, start-up and peak memory of every way."""
    ways = list(dict.fromkeys(way for record in records for way in record["ways"]))
    lines = []
    for record in records:
        cells = [record["row"]]
        for way in ways:
            found = record["ways"].get(way)
            cells.append(
                f"{median(found['images_per_second']):,.0f}; {found['start_up']:.1f} s; "
                f"{found['peak_mb']:,.0f} MB"
                if found
                else ""
            )
        lines.append(cells)
    return _table(["images/s; start-up; peak memory", *ways], lines)


def times(records: Sequence[Record]) -> str:
    """Seconds of training until the target is reached."""
    lines = []
    for record in records:
        what = "Fréchet distance" if record["row"].startswith("gan") else "validation loss"
        cells = [record["row"], f"{what} {record['target']:g}"]
        for way in rows.FOLLOWED:
            found = record["ways"].get(way)
            cells.append(_reached(found) if found else "")
        lines.append(cells)
    return _table(["row", "seconds to", *rows.FOLLOWED], lines)


def profiles(records: Sequence[Record]) -> str:
    """The operations that most of gensuite's step goes to."""
    lines = []
    for record in records:
        named = ", ".join(f"{name} {share:.0%}" for name, share in record["profile"].items())
        lines.append([record["row"], named])
    return _table(["row", "where the time of gensuite's operations goes"], lines)


def settings(records: Sequence[Record]) -> str:
    """Images per second by steps per call, XLA and threads; empty where nothing is measured."""
    found = _newest(records, "settings")
    if not found:
        return ""
    head = ["row"]
    for setting in found[0]["settings"]:
        words = f"{setting['steps_per_call']} per call, {'XLA, ' if setting['xla'] else ''}"
        threads, parts = setting["threads"], setting["parts"]
        words += f"{threads} thread{'s' * (threads > 1)}"
        head.append(words + (f", {parts} parts" if parts > 1 else ""))
    lines = [
        [record["row"], *(f"{median(s['images_per_second']):,.0f}" for s in record["settings"])]
        for record in found
    ]
    return _table(head, lines)


def machines(records: Sequence[Record]) -> str:
    """The machines that the newest records were measured on, and the versions."""
    facts = [
        record["machine"] | {"torch": record["torch"]}
        for kind in ("pipeline", "settings")
        for record in _newest(records, kind)
    ]
    return measured_with(
        {name: value for name, value in each.items() if name != "load"} for each in facts
    )


def ratio(record: Record, way: str) -> float:
    """Our images per second over a way's: the median of the turns."""
    ours, other = (record["ways"][name]["images_per_second"] for name in (rows.OURS, way))
    # A way that was late to its target has taken turns of which gensuite has none.
    return median(a / b for a, b in zip(ours, other, strict=False))


def _peak_share(record: Record, way: str) -> str:
    if way not in record["ways"]:
        return "not measured"
    rate = median(record["ways"][way]["images_per_second"])
    return f"{rate * record['flops'] / record['peak_gflops'] / 1e9:.0%}"


def _newest(records: Sequence[Record], kind: str) -> list[Record]:
    newest = {record["row"]: record for record in records if kind in record}
    return [newest[name] for name in rows.ROWS if name in newest]


def _against(record: Record, way: str, bar: float | None) -> str:
    if way not in record["ways"]:
        return "not measured" if way in record["skipped"] else ""
    found = ratio(record, way)
    return f"{found:.2f}" + (f": {_verdict(found - bar, '.2f')}" if bar else "")


def _reached(found: Record) -> str:
    if found["reached"] is not None:
        return f"{found['reached']:.1f}"
    seconds, score = found["curve"][-1]
    return f"not in {seconds:.0f} ({score:.4g})"


def _verdict(room: float, form: str) -> str:
    return "met" if room >= 0 else f"missed by {-room:{form}}"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows_ = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in rows_)
