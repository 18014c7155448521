"""The page Compare: an AE, a VAE and a GAN of one data set under one seed and one cursor."""

import shlex
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from gensuite.config import run_name
from gensuite.errors import GensuiteError
from gensuite.inference.bundle import Bundle
from gensuite.inference.images import png
from gensuite.inference.manifest import GENERATING_HALF
from studio import charts, maps, shelf
from studio.choices import choose_label, choose_seed
from studio.figures import show_health, show_scores
from studio.language import plain, t
from studio.parts import show_image

IMAGES = 16
HEIGHT = 300

# Family → what its map shows, in the lecture's words.
LESSONS = {
    "ae": (
        "Nothing but the reconstruction error shapes this space, and nothing asks codes to lie "
        "around 0, equally wide or side by side. So it is uneven, off-centre, empty where the "
        "decoder was never asked to draw anything, and broken: across a gap the image leaps."
    ),
    "vae": (
        "Each image is encoded to a distribution, and the KL divergence pulls all of them towards "
        "N(0, I). Loss = reconstruction error + KL divergence: the gaps close, and neighbours "
        "decode alike. How far, and at what price in sharpness, the numbers below tell."
    ),
    "gan": (
        "No encoder: the generator turns N(0, I) noise into images that its adversary, the "
        "discriminator, takes for real ones. The two have their own costs and are updated in turn, "
        "the other's weights fixed."
    ),
}


def main() -> None:
    """Draw the page."""
    st.title(t("One data set, three models"))
    bundle = shelf.chosen()
    dataset = bundle.manifest["dataset"]["name"]
    st.caption(plain(t("Data set: {name}. Click in any map; all three follow.", name=dataset)))
    controls = st.container(horizontal=True)
    columns = st.columns(3, gap="medium")
    models = {}
    follow(bundle)
    for family, column in zip(GENERATING_HALF, columns, strict=True):
        with column:
            st.subheader(family.upper())
            models[family] = choose_model(bundle, family)
    there = {family: model for family, model in models.items() if model}
    conditional = [model for model in there.values() if model.classes]
    with controls:
        seed, cursor = choose_seed(t("Seed")), choose_cursor()
        label = choose_label(conditional[0]) if conditional else {}
    for family, column in zip(GENERATING_HALF, columns, strict=True):
        with column:
            if model := models[family]:
                show_model(model, seed, cursor, label if model.classes else {})
            else:
                teach(family, dataset)
    show_health(there)
    show_scores(there)


def follow(bundle: Bundle) -> None:
    """Compare the bundle that the visitor has just chosen in the header."""
    name = bundle.path.name
    if st.session_state.get("compared", name) != name:
        st.session_state[bundle.family] = name
    st.session_state["compared"] = name


def choose_model(bundle: Bundle, family: str) -> Bundle | None:
    """Ask for a bundle of a family that has learned the same data; none where there is none."""
    fitting = {
        name: each
        for name, each in shelf.usable().items()
        if each.family == family and shelf.same_data(each, bundle)
    }
    if not fitting:
        return None
    names = sorted(fitting, key=lambda name: name != bundle.path.name)
    name = st.selectbox(
        t("Bundle"), names, key=family, bind="query-params", label_visibility="collapsed"
    )
    return fitting[name if name in fitting else names[0]]


def choose_cursor() -> tuple[float, float]:
    """Ask for a place by the ring that holds half of each prior's draws."""
    meaning = t("0, 0 is the middle of each model's own prior; 1 lies on its innermost ring.")
    place = [
        st.number_input(
            name, -4.0, 4.0, 0.0, 0.1, "%.2f", key=key, bind="query-params", help=meaning
        )
        for name, key in ((t("Cursor, across"), "u"), (t("Cursor, up"), "v"))
    ]
    return place[0], place[1]


def show_model(
    bundle: Bundle, seed: int, cursor: tuple[float, float], label: dict[str, Any]
) -> None:
    """Draw a model's map, what it decodes to at the cursor, and its samples."""
    try:
        generator = shelf.open_generator(bundle)
        with st.spinner(t("Decoding the map")):
            layers = maps.prepare(bundle, label.get("label"), seed=0, image=1)
        point = layers.plane.from_ring(np.array([cursor]))
        code = layers.plane.to_codes(point)
        decoded = generator.decode(code, **label)
        samples = generator.sample(IMAGES, seed=seed, **label)
    except GensuiteError as error:
        st.error(plain(str(error)))
        return
    x, y = point[0].tolist()
    opacity = 0.4 if bundle.codes else 1.0
    said = t("Latent map of {origin}", origin=shelf.origin(bundle))
    drawn = maps.chart(layers, (x, y), opacity=opacity, holes=False, height=HEIGHT, legend=False)
    key = f"map-{bundle.family}"
    st.vega_lite_chart(spec=drawn, key=key, on_select=partial(take_pick, key, layers), alt=said)
    with st.container(horizontal=True, vertical_alignment="center"):
        alt = t("What the {family} decodes at the cursor", family=bundle.family.upper())
        show_image(decoded, 112, alt=alt)
        st.markdown(place_in_words(bundle, code))
    st.caption(t(LESSONS[bundle.family]))
    st.image(
        png(charts.sharp(samples)),
        width="stretch",
        output_format="PNG",
        alt=t("Samples of {origin}, seed {seed}", origin=shelf.origin(bundle), seed=seed),
    )


def place_in_words(bundle: Bundle, code: Any) -> str:
    """Whether the cursor lies among the model's codes, in a hole between them, or has none."""
    if not bundle.codes:
        return t("A GAN has no codes, and so no holes between them.")
    if shelf.open_codes(bundle).cloud.in_hole(code)[0]:
        return t("**In a hole**: no image is encoded near here.")
    return t("**Among the codes** of test images.")


def take_pick(key: str, layers: maps.Layers) -> None:
    """Move the cursor to the place that was clicked."""
    if point := charts.picked(st.session_state[key], "x", "y"):
        place = layers.plane.to_ring(np.array([point]))[0]
        u, v = np.clip(place, -4, 4).round(2).tolist()
        st.session_state["u"], st.session_state["v"] = u, v


def teach(family: str, dataset: str) -> None:
    """Say how to make the model that is missing."""
    st.info(t("No model of this family has learned these images. Train one and export it:"))
    # A bundle's data set can be called anything, and this is pasted into a shell.
    run = f"runs/{run_name(family, dataset)}"
    st.code(
        f"python -m gensuite.train --model {family} --dataset {shlex.quote(dataset)}\n"
        f"python -m export {shlex.quote(run)}",
        language=None,
        wrap_lines=True,
    )


main()
