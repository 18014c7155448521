"""The charts of the page Morph: the images of a path, and how far from the prior's mean it runs."""

import math
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import NDArray

from gensuite.inference.images import mosaic, png
from studio import charts
from studio.language import t

COLOURS = {"linear": "#d55e00", "spherical": "#2288cc"}
"""Path → a vermilion or a blue that is legible, also as text, in both themes."""

_COLUMNS = 8
_ROW = 86
_HOLE = "#cc79a7"
_GREY = "#808890"


def strip(images: NDArray[Any], holes: NDArray[np.bool_]) -> alt.LayerChart:
    """The images of a path in rows, left to right, with a broken frame around those in holes.

    Args:
        images: ``(steps, height, width, channels)`` in [0, 1].
        holes: ``(steps,)``.
    """
    steps, height, width, channels = images.shape
    columns = min(steps, _COLUMNS)
    rows = math.ceil(steps / columns)
    blank = np.ones((rows * columns - steps, height, width, channels), images.dtype)
    scale = max(1, charts.WIDEST // (columns * width))
    sheet = mosaic(np.concatenate([images, blank]), columns, scale=scale)
    cell = f"min(width / {columns}, height / {rows * height / width})"
    across = alt.Scale(domain=[0, columns], range=[0, alt.ExprRef(f"{columns} * {cell}")])
    down = alt.Scale(domain=[0, rows], range=[0, alt.ExprRef(f"{rows * height / width} * {cell}")])
    x, y = alt.X("x:Q", scale=across, axis=None), alt.Y("y:Q", scale=down, axis=None)
    values = []
    for index, hole in enumerate(holes.tolist()):
        row, column = divmod(index, columns)
        place = {"x": column, "x2": column + 1, "y": row, "y2": row + 1}
        values.append(place | {"step": index + 1, "hole": hole})
    cells = charts.marks(values).encode(
        x=x, x2="x2:Q", y=y, y2="y2:Q", tooltip=alt.Tooltip("step:Q", title=t("step"))
    )
    frames = [
        cells.mark_rect(fillOpacity=0, stroke=_GREY, strokeWidth=1),
        cells.transform_filter("datum.hole").mark_rect(
            fillOpacity=0, stroke=_HOLE, strokeWidth=3, strokeDash=[6, 3]
        ),
    ]
    laid = charts.picture(png(sheet), x, y, (0, rows, columns, 0))
    return charts.layered([laid, *frames]).properties(
        height=round(rows * _ROW * height / width) + 24
    )


def norms(
    lengths: dict[str, NDArray[Any]], chosen: str, holes: NDArray[np.bool_], shell: NDArray[Any]
) -> alt.LayerChart:
    """How far from the prior's mean both paths run, over the shell where its draws lie.

    Args:
        lengths: path → ``(steps,)`` distances.
        chosen: the path whose images are shown, drawn strongly and with its steps.
        holes: ``(steps,)``: which of these lie in holes.
        shell: distances that 5% and 95% of the prior's draws do not exceed.
    """
    steps = len(holes)
    top = max(float(shell[1]), *(float(each.max()) for each in lengths.values())) * 1.08
    x = alt.X(
        "step:Q",
        title=t("step"),
        scale=alt.Scale(domain=[1, steps], nice=False),
        axis=alt.Axis(grid=False, format="d", tickMinStep=1),
    )
    y = alt.Y(
        "length:Q",
        title=t("distance from the mean"),
        scale=alt.Scale(domain=[0, top], nice=False),
        axis=alt.Axis(grid=False, tickCount=5),
    )
    low, high = (float(value) for value in shell)
    band = charts.marks([{"step": 1, "end": steps, "length": low, "high": high}])
    name = charts.marks([{"step": 1, "length": high, "text": t("90% of the prior's draws")}])
    layers = [
        band.mark_rect(color=_GREY, opacity=0.22).encode(x=x, x2="end:Q", y=y, y2="high:Q"),
        name.mark_text(align="left", baseline="top", dx=8, dy=6, color=_GREY).encode(
            x=x, y=y, text="text:N"
        ),
    ]
    for path, values in lengths.items():
        rows = [
            {"step": index + 1, "length": float(value), "hole": hole}
            for index, (value, hole) in enumerate(zip(values, holes.tolist(), strict=True))
        ]
        colour = COLOURS[path]
        strong: dict[str, Any] = (
            {"strokeWidth": 3} if path == chosen else {"strokeWidth": 1.5, "opacity": 0.7}
        )
        dash: dict[str, Any] = {"strokeDash": [6, 4]} if path == "linear" else {}
        layers.append(charts.marks(rows).mark_line(color=colour, **strong, **dash).encode(x=x, y=y))
        side = 16 if path == "linear" else -14
        middle = charts.marks([rows[steps // 2]]).encode(x=x, y=y)
        layers.append(middle.mark_text(text=path, color=colour, dy=side, fontWeight="bold"))
        if path == chosen:
            layers += _steps(rows, colour, x, y)
    return charts.layered(layers).properties(height=240)


def _steps(rows: list[dict[str, Any]], colour: str, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """The steps of a path as dots; those in holes are hollow."""
    dots = charts.marks(rows).encode(
        x=x,
        y=y,
        fill=alt.condition("datum.hole", alt.value("#ffffff"), alt.value(colour)),
        stroke=alt.condition("datum.hole", alt.value(_HOLE), alt.value(colour)),
        tooltip=[
            alt.Tooltip("step:Q", title=t("step")),
            alt.Tooltip("length:Q", title=t("distance from the mean"), format=".2f"),
            alt.Tooltip("hole:N", title=t("in a hole")),
        ],
    )
    return [dots.mark_point(size=60, opacity=1, strokeWidth=2.5)]
