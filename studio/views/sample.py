"""The page Sample: draw images from a bundle, and look at one of them closely."""

from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from gensuite.arrays import pack
from gensuite.errors import GensuiteError
from gensuite.inference.bundle import Bundle
from gensuite.inference.generator import Generator
from gensuite.inference.images import png
from gensuite.inference.inputs import Images
from gensuite.inference.latents import Codes
from gensuite.inference.plane import Plane
from studio import charts, shelf
from studio.choices import choose_label, choose_number, choose_prior, choose_seed, choose_spread
from studio.language import plain, t
from studio.parts import show_code, show_image

NEIGHBOURS = 6


def main() -> None:
    """Draw the page."""
    st.title(t("Draw new images"))
    bundle = shelf.chosen()
    picture_side, settings_side = st.columns([3, 2], gap="medium")
    with settings_side:
        settings = choose(bundle)
        number = choose_number(t("Look closely at image"), "image", 1, settings["count"], 1)
    try:
        generator = shelf.open_generator(bundle)
        images = generator.sample(**settings)
    except GensuiteError as error:
        picture_side.error(plain(str(error)))
        return
    with picture_side:
        show(generator, settings, images, number)
    with settings_side:
        inspect(generator, settings, images, number)


def choose(bundle: Bundle) -> dict[str, Any]:
    """Ask for the arguments of :meth:`Generator.sample`."""
    count = st.slider(t("Images"), 1, 256, 64, key="count", bind="query-params")
    seed = choose_seed(t("Seed"))
    spread = choose_spread()
    settings = {"count": count, "seed": seed, "spread": spread}
    return settings | choose_prior(bundle) | choose_label(bundle, drawn=True)


def show(generator: Generator, settings: dict[str, Any], images: Images, number: int) -> None:
    """Draw the gallery and what belongs to it: its origin, the downloads and the code."""
    bundle = generator.bundle
    origin = shelf.origin(bundle)
    said = t("Images drawn from {origin}: count {count}, seed {seed}", origin=origin, **settings)
    if "label" in settings:
        said += t(", class {name}", name=bundle.class_names[settings["label"]])
    chart = charts.gallery(images, chosen=number)
    st.vega_lite_chart(spec=chart, key="gallery", on_select=take_pick, alt=said)
    st.caption(plain(f"{origin} · {bundle.identity[:19]}"))
    stem = f"{bundle.path.name}-seed{settings['seed']}"
    with st.container(horizontal=True):
        st.download_button(
            t("Download PNG"),
            lambda: png(charts.sharp(images)),
            file_name=f"{stem}.png",
            mime="image/png",
            on_click="ignore",
            icon=":material/download:",
        )
        st.download_button(
            t("Download codes (NPZ)"),
            lambda: pack(drawn(generator, settings)),
            file_name=f"{stem}.npz",
            mime="application/zip",
            on_click="ignore",
            icon=":material/data_array:",
        )
    with st.expander(t("The same images in Python"), icon=":material/code:"):
        st.code(code(bundle.path, settings, charts.sharp_scale(images)), wrap_lines=True)


def drawn(generator: Generator, settings: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """The codes of the gallery as ``z``, and of a conditional model its classes as ``label``."""
    arguments = dict(settings)
    label = arguments.pop("label", None)
    arrays: dict[str, NDArray[Any]] = {"z": generator.draw(**arguments)}
    if label is not None:
        arrays["label"] = np.full(settings["count"], label, np.int32)
    elif generator.bundle.classes:
        arrays["label"] = generator.labels(settings["count"], seed=settings["seed"])
    return arrays


def code(path: Path, settings: dict[str, Any], scale: int) -> str:
    """Write the Python lines that make ``images`` and their ``picture``."""
    arguments = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    return (
        "import gensuite\n"
        "from gensuite.inference.images import grid\n\n"
        f"generator = gensuite.load({str(path)!r})\n"
        f"images = generator.sample({arguments})\n"
        f"picture = grid(images, scale={scale})\n"
    )


def take_pick() -> None:
    """Look closely at the image that was clicked."""
    if image := charts.picked(st.session_state["gallery"], "image"):
        (st.session_state["image"],) = image


def inspect(generator: Generator, settings: dict[str, Any], images: Images, number: int) -> None:
    """Show one image large, with its code and the stored codes that are nearest to it."""
    z = drawn(generator, settings)["z"][number - 1]
    alt = t("Image {number}, enlarged", number=number)
    show_image(images[number - 1 : number], 240, alt=alt)
    show_code(z)
    reuse(generator.bundle, settings["seed"], number, z)
    if generator.bundle.codes:
        neighbours(generator, z)


def reuse(bundle: Bundle, seed: int, number: int, z: Codes) -> None:
    """Links that take the image's code to other pages."""
    x, y = Plane.of(bundle, seed=seed, image=number).project(z[None])[0]
    here = {"bundle": bundle.path.name, "seed": str(seed), "image": str(number)}
    with st.container(horizontal=True):
        st.page_link(
            "studio/views/latent_map.py",
            label=t("Show on the latent map"),
            icon=":material/map:",
            query_params=here | {"x": f"{x:.4g}", "y": f"{y:.4g}"},
        )
        st.page_link(
            "studio/views/morph.py",
            label=t("Morph from this image"),
            icon=":material/animation:",
            query_params={
                "bundle": bundle.path.name,
                "from_seed": str(seed),
                "from_image": str(number),
            },
        )


def neighbours(generator: Generator, z: Codes) -> None:
    """Show what the stored codes that are nearest to a code decode to, with their classes."""
    bundle = generator.bundle
    stored = shelf.open_codes(bundle)
    count = min(NEIGHBOURS, len(stored.codes))
    nearest = stored.cloud.near(z[None], count)[1][0]
    label = {"label": stored.labels[nearest]} if bundle.classes else {}
    st.markdown(t("The nearest codes of test images decode to:"))
    st.image(
        png(charts.sharp(generator.decode(stored.codes[nearest], **label), columns=count)),
        width="stretch",
        output_format="PNG",
        alt=t("What the nearest stored codes decode to"),
    )
    if bundle.class_names:
        names = ", ".join(bundle.class_names[each] for each in stored.labels[nearest])
        st.caption(plain(t("Their classes: {names}", names=names)))


main()
