"""The page Latent map: where codes lie, what every place decodes to, and where the holes are."""

from typing import Any

import numpy as np
import streamlit as st

from gensuite.errors import GensuiteError
from gensuite.inference.bundle import Bundle
from gensuite.inference.generator import Generator
from gensuite.inference.latents import MAX_SEED, Codes
from studio import charts, maps, shelf
from studio.choices import choose_label, choose_number, choose_seed
from studio.language import plain, t
from studio.parts import show_code, show_image


def main() -> None:
    """Draw the page."""
    st.title(t("Latent map"))
    bundle = shelf.chosen()
    map_side, point_side = st.columns(2, gap="medium")
    with point_side:
        looked_at = st.container()
        label = choose_label(bundle)
        turn = choose_turn(bundle)
    try:
        generator = shelf.open_generator(bundle)
        with map_side, st.spinner(t("Decoding the map"), show_time=False):
            layers = maps.prepare(bundle, label.get("label"), **turn)
    except GensuiteError as error:
        map_side.error(plain(str(error)))
        return
    with point_side:
        point = choose_point(bundle, layers)
        style = choose_style(bundle)
    with map_side:
        show(bundle, layers, point, style)
        explain(bundle, layers, turn)
    with looked_at:
        inspect(generator, layers.plane.to_codes(np.array([point])), label)


def choose_turn(bundle: Bundle) -> dict[str, int]:
    """Ask through which draws the plane of a GAN with longer codes goes."""
    if bundle.codes or bundle.latent_size <= 2:
        return {"seed": 0, "image": 1}
    with st.container(horizontal=True):
        return {
            "seed": choose_seed(t("Seed")),
            "image": choose_number(t("x points to image"), "image", 1, MAX_SEED, 1),
        }


def choose_point(bundle: Bundle, layers: maps.Layers) -> tuple[float, float]:
    """Ask for a point of the plane, near the map: at first the middle of the prior."""
    plane, decimals = layers.plane, layers.decimals
    start = plane.project(bundle.own_prior.mean[None])[0].round(decimals).tolist()
    numbers = []
    with st.container(horizontal=True):
        for axis, middle, first in zip("xy", plane.centre, start, strict=True):
            number = st.number_input(
                axis,
                middle - 4 * plane.reach,
                middle + 4 * plane.reach,
                first,
                round(layers.step, decimals),
                f"%.{decimals}f",
                key=axis,
                bind="query-params",
            )
            numbers.append(number)
    return numbers[0], numbers[1]


def choose_style(bundle: Bundle) -> dict[str, Any]:
    """Ask how strongly the decoded grid shows, and whether holes lie in fog."""
    opacity = st.slider(
        t("Decoded grid"),
        0.0,
        1.0,
        0.4 if bundle.codes else 1.0,
        key="grid",
        bind="query-params",
        help=t("The images that the places of the map decode to, laid behind it."),
    )
    holes = bool(bundle.codes) and st.toggle(
        t("Fog over the holes"),
        key="holes",
        bind="query-params",
        help=t("Greys out every place that is too far from any stored code."),
    )
    return {"opacity": opacity, "holes": holes}


def show(
    bundle: Bundle, layers: maps.Layers, point: tuple[float, float], style: dict[str, Any]
) -> None:
    """Draw the map, and say where it is from."""
    origin = shelf.origin(bundle)
    x, y = (f"{value:.{layers.decimals}f}" for value in point)
    st.vega_lite_chart(
        spec=maps.chart(layers, point, **style),
        key="map",
        on_select=take_pick,
        alt=t("Latent map of {origin}; chosen point {x}, {y}", origin=origin, x=x, y=y),
    )
    st.caption(plain(f"{origin} · {bundle.identity[:19]}"))


def take_pick() -> None:
    """Move to the point that was clicked."""
    if point := charts.picked(st.session_state["map"], "x", "y"):
        st.session_state["x"], st.session_state["y"] = point


def explain(bundle: Bundle, layers: maps.Layers, turn: dict[str, int]) -> None:
    """Say what the map is: its plane, its rings and its dots."""
    plane = layers.plane
    if plane.kind == "components":
        st.markdown(
            t(
                "Codes of this model have {size} numbers. The map is the plane of the two widest "
                "principal components of the stored codes, which hold {share} of their variance; "
                "in all other directions it stays at the codes' mean. A dot is the shadow of a "
                "code on this plane.",
                size=bundle.latent_size,
                share=f"{plane.explained:.0%}",
            )
        )
    elif plane.kind == "section":
        st.markdown(
            t(
                "Codes of this model have {size} numbers. The map is the plane through the middle "
                "of the prior and images {image} and {next} of seed {seed}. The rings hold 50%, "
                "90% and 99% of the prior's draws by their norm: in so many dimensions nearly all "
                "lie close to the rings, and almost none in the middle.",
                size=bundle.latent_size,
                next=turn["image"] + 1,
                **turn,
            )
        )
    if plane.kind != "section":
        st.markdown(
            t(
                "The rings hold 50%, 90% and 99% of the draws of the model's own prior, {prior}.",
                prior="N(0, I)" if bundle.default_prior == "standard" else t("a fitted Gaussian"),
            )
        )
    if bundle.codes:
        st.markdown(
            t("The {count} dots are codes of test images.", count=len(layers.codes))
            if bundle.family == "ae"
            else t(
                "The {count} dots are codes of test images, each drawn from its posterior.",
                count=len(layers.codes),
            )
        )
    else:
        st.info(
            t(
                "A GAN has no codes: its generator learned from noise alone, and no encoder gives "
                "an image a place here. The map shows what every place decodes to."
            ),
            icon=":material/info:",
        )


def inspect(generator: Generator, code: Codes, label: dict[str, Any]) -> None:
    """Show what a code decodes to, and how near the stored codes are.

    Args:
        generator: of the bundle.
        code: ``(1, latent_size)``.
        label: class of a conditional model.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        decoded = generator.decode(code, **label)
        show_image(decoded, 240, alt=t("What the chosen point decodes to"))
        if generator.bundle.codes:
            neighbour(generator, code)
    if generator.bundle.codes:
        judge(generator.bundle, code)
    if len(code[0]) > 2:
        show_code(code[0])


def neighbour(generator: Generator, code: Codes) -> None:
    """Show what the nearest stored code decodes to, with its class."""
    bundle, stored = generator.bundle, shelf.open_codes(generator.bundle)
    index = stored.cloud.near(code)[1][0]
    label = {"label": stored.labels[index]} if bundle.classes else {}
    said = t("The nearest code")
    if bundle.class_names:
        said = t("The nearest code: {name}", name=bundle.class_names[stored.labels[index][0]])
    show_image(
        generator.decode(stored.codes[index], **label),
        112,
        caption=plain(said),
        alt=t("What the nearest stored code decodes to"),
    )


def judge(bundle: Bundle, code: Codes) -> None:
    """Say whether a code lies in a hole, by latent health's own measure."""
    cloud = shelf.open_codes(bundle).cloud
    figures = {"distance": f"{cloud.near(code)[0][0, 0]:.2f}", "limit": f"{cloud.limit:.2f}"}
    if cloud.in_hole(code)[0]:
        st.warning(
            t(
                "In a hole: the nearest code is {distance} standard deviations away, and 95% of "
                "the codes have a neighbour within {limit}. Hardly any image is encoded here.",
                **figures,
            ),
            icon=":material/blur_on:",
        )
    else:
        st.success(
            t(
                "Among the codes: the nearest is {distance} standard deviations away. Holes begin "
                "at {limit}, within which 95% of the codes have a neighbour.",
                **figures,
            ),
            icon=":material/check:",
        )


main()
