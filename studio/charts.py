"""Altair charts that can be clicked: a gallery of images, and a square plane with a picture in it.

A chart is as wide as its column and keeps its height, so what must be square or keep its shape
takes its side from the smaller of the two.
"""

import base64
import functools
import math
from collections.abc import Sequence
from typing import Any, cast

import altair as alt
import pandas as pd  # noqa: F401  (whole before a page is drawn: see below)
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from gensuite.inference.images import grid, mosaic, png

# Altair looks at pandas as soon as any thread has begun to import it, and pyarrow begins to when it
# is first used: two visitors' first pages at one moment then broke one of them. Imported with this
# module, pandas is there before either page runs.

Spec = dict[str, Any]
"""A chart in Vega-Lite's own words, but for its rows, which are Arrow tables."""

SIDE = alt.ExprRef("min(width, height)")
HEIGHT = 560
"""Pixels of the page."""

WIDEST = 1120
"""Pixels across a picture, at most: twice its width on the page, for screens that have them."""

PICK = "pick"
"""Name of the selection in a chart that can be clicked."""

ACCENT = "#d55e00"
"""Vermilion of Okabe and Ito's palette: what is chosen, on grey images and on blue marks."""


def data_url(content: bytes) -> str:
    """A PNG as an address that needs no server."""
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")


def square(low: float, high: float) -> tuple[alt.Scale, alt.Scale]:
    """Scales of a square plane: both axes go from ``low`` to ``high``."""
    domain = [low, high]
    return (
        alt.Scale(domain=domain, range=[0, SIDE], nice=False, zero=False),
        alt.Scale(domain=domain, range=[SIDE, 0], nice=False, zero=False),
    )


def picture(
    content: bytes, x: alt.X, y: alt.Y, box: tuple[float, float, float, float]
) -> alt.Chart:
    """A PNG laid into a plane, filling its box.

    Args:
        content: the PNG.
        x: the plane's horizontal axis.
        y: its vertical axis.
        box: left, bottom, right and top in the plane.
    """
    left, bottom, right, top = box
    place = {"x": left, "y": top, "x2": right, "y2": bottom, "url": data_url(content)}
    chart = (
        marks([place])
        .mark_image(aspect=False)
        .encode(x=x, x2="x2:Q", y=y, y2="y2:Q", url="url:N", tooltip=alt.value(None))
    )
    return cast("alt.Chart", chart)


def marks(rows: Sequence[dict[str, Any]]) -> alt.Chart:
    """A chart of some rows, each of which becomes a mark."""
    return alt.Chart(alt.InlineData(values=list(rows)))


def picked(state: Any, *names: str) -> list[float]:
    """Numbers of the row that was clicked in a chart.

    Args:
        state: that Streamlit keeps of the chart.
        names: of the row's fields.

    Returns:
        A finite number for each name; none at all where nothing was clicked, or where a hand-made
        message says anything else.
    """
    try:
        row = state.selection[PICK][0]
        numbers = [float(row[name]) for name in names]
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError):
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def to_spec(chart: alt.LayerChart, **tables: pa.Table) -> Spec:
    """A chart to keep; its rows are in the form in which the browser gets them, again and again.

    Args:
        chart: whole but for its ``tables``.
        **tables: rows of ``alt.NamedData``, which Altair then neither copies nor checks: of a few
            thousand that takes it a second.
    """
    spec = chart.to_dict()
    rows = {name: pa.Table.from_pylist(each) for name, each in spec["datasets"].items()}
    return spec | {"datasets": rows | tables}


def with_values(spec: Spec, **values: float) -> Spec:
    """A chart whose parameters of these names have these values."""
    others = [each for each in spec["params"] if each["name"] not in values]
    return spec | {"params": [{"name": name, "value": values[name]} for name in values] + others}


def gallery(images: NDArray[Any], *, chosen: int) -> Spec:
    """Images in rows, each of which can be clicked: the row that is picked has its ``image``.

    Altair takes half of a page's time to check a chart, so one is built for each shape, and the
    picture and the frame are laid into it.

    Args:
        images: ``(count, height, width, channels)`` in [0, 1].
        chosen: number of the image that is framed, from 1.
    """
    sheet = sharp(images)
    spec = _gallery_of(len(images), sheet.width, sheet.height)
    laid, _ = spec["layer"]
    name = laid["data"]["name"]
    (place,) = spec["datasets"][name].to_pylist()
    place["url"] = data_url(png(sheet))
    datasets = spec["datasets"] | {name: pa.Table.from_pylist([place])}
    return with_values(spec, chosen=chosen) | {"datasets": datasets}


@functools.lru_cache(maxsize=256)
def _gallery_of(count: int, sheet_width: int, sheet_height: int) -> Spec:
    """A gallery without its picture, with the number of the framed image as a parameter."""
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    width, height = sheet_width / columns, sheet_height / rows
    side = max(width, height) * max(columns, rows)
    scale = alt.Scale(domain=[0, side], range=[0, SIDE], nice=False)
    x, y = (alt.X("x:Q", scale=scale, axis=None), alt.Y("y:Q", scale=scale, axis=None))
    cells = []
    for index in range(count):
        row, column = divmod(index, columns)
        cells.append(
            {
                "image": index + 1,
                "x": column * width,
                "x2": (column + 1) * width,
                "y": row * height,
                "y2": (row + 1) * height,
            }
        )
    pick = alt.selection_point(name=PICK, fields=["image"], on="click", empty=False)
    frames = (
        marks(cells)
        .mark_rect(fillOpacity=0, strokeWidth=3, cursor="pointer")
        .encode(
            x=x,
            x2="x2:Q",
            y=y,
            y2="y2:Q",
            stroke=alt.condition(
                "datum.image === chosen", alt.value(ACCENT), alt.value("transparent")
            ),
            tooltip=alt.Tooltip("image:Q", title="№"),
        )
        .add_params(pick)
    )
    laid = picture(b"", x, y, (0, sheet_height, sheet_width, 0))
    return to_spec(layered([laid, frames]).add_params(alt.param(name="chosen", value=1)))


def sharp(images: NDArray[Any], columns: int | None = None) -> Image.Image:
    """A grid of images with pixels so large that no screen blurs them."""
    return grid(images, columns=columns, scale=sharp_scale(images, columns))


def sharp_scale(images: NDArray[Any], columns: int | None = None) -> int:
    """The ``scale`` of :func:`sharp`."""
    columns = columns or math.ceil(math.sqrt(len(images)))
    return max(1, WIDEST // (columns * (int(images.shape[2]) + 1)))


def enlarged(image: NDArray[Any], longest: int = WIDEST // 2) -> bytes:
    """One image as a PNG with pixels that no screen blurs.

    Args:
        image: ``(1, height, width, channels)`` in [0, 1] or uint8.
        longest: pixels along the PNG's longer side, at most, but for an image that has more.
    """
    return png(mosaic(image, 1, scale=max(1, longest // max(image.shape[1:3]))))


def layered(layers: Sequence[alt.Chart]) -> alt.LayerChart:
    """Layers as a chart without a frame."""
    chart = alt.layer(*layers).properties(height=HEIGHT)
    return cast("alt.LayerChart", chart.configure_view(strokeWidth=0))
