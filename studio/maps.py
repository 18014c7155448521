"""The latent map: what is prepared for it once for all visitors, and its chart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa
import streamlit as st
from numpy.typing import NDArray

from gensuite.inference.bundle import Bundle
from gensuite.inference.images import mosaic, png
from gensuite.inference.plane import SHARES, Array, Plane
from studio import charts, shelf
from studio.choices import class_labels

CLICKS = 41
"""Points along a side that can be clicked."""

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9")
SHAPES = ("circle", "triangle-up", "square", "diamond")
"""Classes take Okabe and Ito's colours in turn, and the next shape with each round of them."""

_TILES = 24
_NAMED = 20
"""More classes than these have no room for a legend, and their labels would cover the map."""

_LEGEND = 80

_INK, _PAPER = "#16202a", "#ffffff"
_FOG, _THICK = "#8d949c", 0.85


@dataclass(frozen=True)
class Layers:
    """What the map of one bundle, or of one class of it, is drawn from."""

    plane: Plane

    ground: bytes
    """PNG of the images that the middles of equal cells decode to, edge to edge."""

    codes: Array
    """``(count, 2)``: the stored codes in the plane; none of a GAN."""

    labels: NDArray[Any]
    """``(count,)`` whole numbers."""

    names: dict[int, str]
    """What each label that occurs is called; empty where the data set has no labels."""

    holes: NDArray[np.bool_]
    """``(CLICKS²,)``: whether the points that can be clicked lie in holes; none of a GAN's do."""

    specs: dict[tuple[int, bool], charts.Spec] = field(default_factory=dict)
    """The charts that :func:`chart` has built, by height and legend."""

    @property
    def step(self) -> float:
        """From one point that can be clicked to the next."""
        return 2 * self.plane.reach / CLICKS

    @property
    def decimals(self) -> int:
        """Decimals of a coordinate: a step has two digits."""
        return max(0, 1 - math.floor(math.log10(self.step)))


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs=shelf.BY_IDENTITY)
def prepare(bundle: Bundle, label: int | None, seed: int, image: int) -> Layers:
    """Prepare the map of a bundle, once for all visitors.

    Args:
        bundle: of any family.
        label: class of a conditional model's decoded grid, otherwise None.
        seed: see :meth:`Plane.of`.
        image: see :meth:`Plane.of`.

    Raises:
        BundleError: the bundle's codes or its model cannot be used.
        InputError: all codes are the same.
    """
    plane = Plane.of(bundle, seed=seed, image=image)
    side = max(bundle.image_shape)
    tiles = min(_TILES, max(8, charts.WIDEST // side))
    given = {} if label is None else {"label": label}
    images = shelf.open_generator(bundle).decode(plane.to_codes(plane.cells(tiles)), **given)
    ground = png(mosaic(images, tiles, scale=max(1, charts.WIDEST // (tiles * side))))
    if not bundle.codes:
        nothing = np.empty(0, np.int64)
        return Layers(plane, ground, np.empty((0, 2)), nothing, {}, np.zeros(CLICKS**2, bool))
    stored = shelf.open_codes(bundle)
    known = dict(enumerate(class_labels(bundle.class_names)))
    present = sorted(set(stored.labels.tolist())) if known else []
    names = {label: known.get(label, str(label)) for label in present}
    holes = stored.cloud.in_hole(plane.to_codes(plane.cells(CLICKS)))
    return Layers(plane, ground, plane.project(stored.codes), stored.labels, names, holes)


def chart(
    layers: Layers,
    point: tuple[float, float],
    *,
    opacity: float,
    holes: bool,
    height: int = charts.HEIGHT,
    legend: bool = True,
) -> charts.Spec:
    """The map: a click gives the ``x`` and ``y`` of the nearest point that can be clicked.

    Altair takes most of a second to check thousands of marks, so a chart is built once, and what a
    visitor moves is a parameter of it.

    Args:
        layers: of :func:`prepare`.
        point: the chosen one.
        opacity: of the decoded grid, from 0 to 1.
        holes: whether the holes lie in fog.
        height: of the square, in pixels of the page.
        legend: whether the classes' colours and shapes are named above it.
    """
    legend = legend and 0 < len(layers.names) <= _NAMED
    if (height, legend) not in layers.specs:
        layers.specs[height, legend] = charts.to_spec(
            _build(layers, height, legend), cells=_cell_rows(layers), codes=_code_rows(layers)
        )
    return charts.with_values(
        layers.specs[height, legend],
        chosen_x=point[0],
        chosen_y=point[1],
        opacity=opacity,
        fog=_THICK if holes else 0,
    )


def _build(layers: Layers, height: int, legend: bool) -> alt.LayerChart:
    """The chart, with the point, the opacity and the fog as parameters."""
    plane = layers.plane
    (x, y), reach = plane.centre, plane.reach
    place = _place(plane)
    box = (x - reach, y - reach, x + reach, y + reach)
    ground = charts.picture(layers.ground, place["x"], place["y"], box)
    cells = _cells(layers)
    fog = cells.transform_filter("datum.hole")
    pick = alt.selection_point(name=charts.PICK, fields=["x", "y"], on="click", empty=False)
    digits = f".{layers.decimals}f"
    tooltip = [alt.Tooltip(f"{axis}:Q", format=digits) for axis in "xy"]
    clicks = cells.mark_rect(opacity=0, cursor="crosshair").encode(tooltip=tooltip)
    drawn = [
        ground.mark_image(aspect=False, opacity=alt.ExprRef("opacity")),
        fog.mark_rect(color=_FOG, opacity=alt.ExprRef("fog")),
        *_codes(layers, legend),
        *_rings(plane),
        *_cross(plane),
        clicks.add_params(pick),
    ]
    moved = [alt.param(name=name, value=0) for name in ("chosen_x", "chosen_y", "opacity", "fog")]
    whole = charts.layered(drawn).add_params(*moved)
    return whole.properties(height=height + (_LEGEND if legend else 0))


def _square(plane: Plane) -> tuple[dict[str, Any], dict[str, Any]]:
    """Scale and axis, across and up."""
    (x_scale, _), (_, y_scale) = (
        charts.square(middle - plane.reach, middle + plane.reach) for middle in plane.centre
    )
    style: dict[str, Any] = {"title": None, "tickCount": 5, "grid": False, "domain": False}
    # The square lies at the top of a chart that is higher than wide.
    below = alt.Axis(offset=alt.ExprRef("min(width, height) - height"), **style)
    return {"scale": x_scale, "axis": below}, {"scale": y_scale, "axis": alt.Axis(**style)}


def _place(plane: Plane, x: str = "x", y: str = "y") -> dict[str, Any]:
    """Where marks lie in the square, by the names of two fields."""
    across, up = _square(plane)
    return {"x": alt.X(f"{x}:Q", **across), "y": alt.Y(f"{y}:Q", **up)}


def _cell_rows(layers: Layers) -> pa.Table:
    """The points that can be clicked, and whether they lie in holes."""
    x, y = layers.plane.cells(CLICKS).astype(float).round(layers.decimals).T
    return pa.table({"x": x, "y": y, "hole": layers.holes})


def _cells(layers: Layers) -> alt.Chart:
    """The cells around the points that can be clicked."""
    half = layers.step / 2
    edges = {
        "left": f"datum.x - {half}",
        "right": f"datum.x + {half}",
        "bottom": f"datum.y - {half}",
        "top": f"datum.y + {half}",
    }
    place = _place(layers.plane, "left", "bottom")
    cells = alt.Chart(alt.NamedData("cells")).transform_calculate(**edges)
    return cells.encode(**place, x2="right:Q", y2="top:Q")


def _code_rows(layers: Layers) -> pa.Table:
    """The stored codes and the names of their classes."""
    x, y = layers.codes.astype(float).round(layers.decimals + 1).T
    classes = [layers.names.get(label, "") for label in layers.labels.tolist()]
    return pa.table({"x": x, "y": y, "class": pa.array(classes, pa.string())})


def _codes(layers: Layers, legend: bool) -> list[alt.Chart]:
    """A dot for each code, and each class' label at its median."""
    place, names = _place(layers.plane), layers.names
    dots = alt.Chart(alt.NamedData("codes")).mark_point(
        filled=True, size=16, opacity=0.85, clip=True
    )
    if not names:
        return [dots.encode(**place, color=alt.value(COLOURS[0]))]
    colours = [COLOURS[label % len(COLOURS)] for label in names]
    shapes = [SHAPES[label // len(COLOURS) % len(SHAPES)] for label in names]
    domain = list(names.values())
    key = None
    if legend:
        columns = alt.ExprRef("width < 450 ? 3 : 5")
        key = alt.Legend(title=None, orient="top", columns=columns, symbolSize=90, symbolOpacity=1)
    dots = dots.encode(
        **place,
        color=alt.Color("class:N", scale=alt.Scale(domain=domain, range=colours), legend=key),
        shape=alt.Shape("class:N", scale=alt.Scale(domain=domain, range=shapes), legend=key),
    )
    if len(names) > _NAMED:
        return [dots]
    medians = {label: np.median(layers.codes[layers.labels == label], axis=0) for label in names}
    words = [_at(median, text=str(label)) for label, median in medians.items()]
    return [dots, *_text(place, words, size=15)]


def _rings(plane: Plane) -> list[alt.Chart]:
    """The prior's rings, each with the share that it holds at its top."""
    place = _place(plane)
    rows, tops = [], []
    for share, ring in zip(SHARES, plane.rings, strict=True):
        rows += [_at(point, share=share, step=step) for step, point in enumerate(ring)]
        tops.append(_at(ring[ring[:, 1].argmax()], text=f"{share:.0%}"))
    lines = charts.marks(rows).encode(**place, detail="share:N", order="step:Q")
    return [
        lines.mark_line(color=_PAPER, strokeWidth=3, opacity=0.7),
        lines.mark_line(color=_INK, strokeWidth=1.2, strokeDash=[5, 3]),
        *_text(place, tops, size=11),
    ]


def _cross(plane: Plane) -> list[alt.Chart]:
    """The chosen point, where it lies in the square."""
    across, up = _square(plane)
    mark = charts.marks([{"chosen": True}]).encode(
        x=alt.XDatum(alt.ExprRef("chosen_x"), type="quantitative", **across),
        y=alt.YDatum(alt.ExprRef("chosen_y"), type="quantitative", **up),
    )
    shape: dict[str, Any] = {"filled": False, "clip": True, "opacity": 1}
    return [
        mark.mark_point(shape="circle", size=260, color=_PAPER, strokeWidth=5, **shape),
        mark.mark_point(shape="circle", size=260, color=charts.ACCENT, strokeWidth=2.5, **shape),
        mark.mark_point(shape="cross", size=30, color=charts.ACCENT, strokeWidth=2, **shape),
    ]


def _text(place: dict[str, Any], rows: Sequence[dict[str, Any]], size: int) -> list[alt.Chart]:
    """Dark words with a light seam, legible on images, dots and either theme."""
    words = charts.marks(rows).encode(**place, text="text:N")
    style: dict[str, Any] = {"fontSize": size, "fontWeight": "bold"}
    return [
        words.mark_text(color=_PAPER, stroke=_PAPER, strokeWidth=4, strokeJoin="round", **style),
        words.mark_text(color=_INK, **style),
    ]


def _at(point: Any, **fields: Any) -> dict[str, Any]:
    x, y = (float(value) for value in point)
    return {"x": x, "y": y} | fields
