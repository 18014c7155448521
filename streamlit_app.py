"""The page: ``streamlit run streamlit_app.py`` draws new images from an exported bundle.

It lists the bundles in ``artifacts/``, or in the folder that the environment variable
``GENSUITE_ARTIFACTS`` names, and needs the light wing and Streamlit alone. The settings live in
the URL, so a link or a reload shows the same images.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from gensuite.errors import BundleError, GensuiteError
from gensuite.inference.bundle import Bundle
from gensuite.inference.generator import Generator
from gensuite.inference.images import grid, png
from gensuite.inference.latents import MAX_SEED
from gensuite.inference.runtime import OnnxBackend
from gensuite.info import ARTIFACTS, find_bundles

# Pixels across the picture at most: Streamlit resamples, and so blurs, what is wider.
WIDEST = 1460

# The choice of no class: as many of each as the data set has.
DRAWN = "drawn by share"


@st.cache_resource(
    max_entries=8,
    show_spinner=False,
    hash_funcs={Bundle: lambda bundle: (bundle.path.name, bundle.identity)},
)
def open_generator(bundle: Bundle) -> Generator:
    """Open a bundle once for all visitors; one that is exported again counts as another.

    Raises:
        BundleError: onnxruntime refuses a model of the bundle.
    """
    return Generator(bundle, OnnxBackend(bundle.models, bundle.ports))


def main() -> None:
    """Draw the page."""
    st.set_page_config("gensuite")
    st.title("Draw new images")
    folder = Path(os.environ.get("GENSUITE_ARTIFACTS") or ARTIFACTS)
    found = find_bundles(folder)
    usable = {name: bundle for name, bundle in found.items() if isinstance(bundle, Bundle)}
    if usable:
        picture_side, settings_side = st.columns([5, 2], gap="medium")
        with settings_side:
            bundle, settings = choose(usable)
        with picture_side:
            show(bundle, settings)
    else:
        teach(folder)
    for error in found.values():
        if isinstance(error, BundleError):
            st.warning(plain(f"Left out: {error}."), icon=":material/block:")


def choose(usable: Mapping[str, Bundle]) -> tuple[Bundle, dict[str, Any]]:
    """Ask for a bundle by its name and for the arguments of :meth:`Generator.sample`.

    Args:
        usable: name → bundle, at least one.

    Returns:
        The bundle, and ``count``, ``seed``, ``spread`` and, where there is a choice, ``prior`` and
        ``label``.
    """
    name = st.selectbox("Bundle", list(usable), key="bundle", bind="query-params")
    # A hand-made message can name anything: the name picks from the scan and is never a path.
    bundle = usable.get(name) or next(iter(usable.values()))
    count = st.slider("Images", 1, 256, 64, key="count", bind="query-params")
    # A float, for Streamlit 1.67 raises on ?seed=inf where it expects a whole number.
    seed = st.number_input(
        "Seed", 0.0, float(MAX_SEED), 0.0, 1.0, "%.0f", key="seed", bind="query-params"
    )
    rarer = "At 0 all images are the average one; above 1 they grow rarer and stranger."
    spread = st.slider("Spread", 0.0, 3.0, 1.0, key="spread", bind="query-params", help=rarer)
    settings: dict[str, Any] = {"count": count, "seed": round(seed), "spread": spread}
    if len(bundle.priors) > 1:
        settings["prior"] = st.segmented_control(
            "Prior",
            bundle.priors,
            default=bundle.default_prior,
            required=True,
            width="stretch",
            key="prior",
            bind="query-params",
            help="Standard is N(0, I); gaussian and fitted (a mixture) follow the training codes.",
        )
    if bundle.classes:
        labels = class_labels(bundle.class_names)
        chosen = st.selectbox("Class", [DRAWN, *labels], key="label", bind="query-params")
        if chosen in labels:
            settings["label"] = labels[chosen]
    return bundle, settings


def class_labels(names: Sequence[str]) -> dict[str, int]:
    """What the page calls the classes → their labels: ``3``, or ``3 cat`` where they have names."""
    texts = (name if name == str(label) else f"{label} {name}" for label, name in enumerate(names))
    return {text: label for label, text in enumerate(texts)}


def show(bundle: Bundle, settings: Mapping[str, Any]) -> None:
    """Draw the picture and what belongs to it: its origin, the download and the code."""
    try:
        images = open_generator(bundle).sample(**settings)
    except GensuiteError as error:
        st.error(plain(str(error)))
        return
    scale = max(1, WIDEST // grid(images).width)
    content = png(grid(images, scale=scale))
    name, family = bundle.path.name, bundle.family.upper()
    count, seed = settings["count"], settings["seed"]
    dataset = bundle.manifest["dataset"].get("name", "unknown data")
    description = f"Images drawn from {name}, {family} of {dataset}: count {count}, seed {seed}"
    if "label" in settings:
        description += f", class {bundle.class_names[settings['label']]}"
    # Streamlit would make a JPEG, with its smears, of a picture without transparency.
    st.image(content, width="stretch", output_format="PNG", alt=description)
    origin = f"{family} of {dataset} · latent size {bundle.latent_size} · {bundle.identity[:19]}"
    st.caption(plain(origin))
    st.download_button(
        "Download PNG",
        content,
        file_name=f"{name}-seed{seed}.png",
        mime="image/png",
        on_click="ignore",
        icon=":material/download:",
    )
    with st.expander("The same images in Python", icon=":material/code:"):
        st.code(code(bundle.path, settings, scale), wrap_lines=True)


def code(path: Path, settings: Mapping[str, Any], scale: int) -> str:
    """Write the Python lines that make ``images`` and their ``picture``."""
    arguments = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    return (
        "import gensuite\n"
        "from gensuite.inference.images import grid\n\n"
        f"generator = gensuite.load({str(path)!r})\n"
        f"images = generator.sample({arguments})\n"
        f"picture = grid(images, scale={scale})\n"
    )


def teach(folder: Path) -> None:
    """Say how to make the first bundle."""
    st.markdown(f"{plain(str(folder))} has no bundle to draw from. Train a model and export it:")
    st.code("python -m gensuite.train\npython -m export runs/vae-digits", language=None)
    st.markdown("Then reload this page.")


def plain(text: str) -> str:
    """Escape Markdown, so that what a bundle says of itself is text and never a link or picture."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


main()
