"""The page Morph: from one image to another, along a line or an arc of latent space."""

from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from gensuite.errors import GensuiteError
from gensuite.inference.animation import animation
from gensuite.inference.bundle import Bundle
from gensuite.inference.generator import Generator
from gensuite.inference.latents import Codes, interpolate
from gensuite.inference.manifest import ENCODER_OUTPUTS
from gensuite.inference.priors import norm_quantiles
from studio import paths, shelf
from studio.choices import (
    choose_label,
    choose_number,
    choose_one,
    choose_picture,
    choose_prior,
    choose_seed,
    choose_spread,
)
from studio.language import plain, t

# Shares of the prior's draws between which the chart shows their distances.
SHELL = (0.05, 0.95)
# Pixels of a film's side, at most, where the images are smaller.
FILM_SIDE = 256


def main() -> None:
    """Draw the page."""
    st.title(t("From one image to another"))
    bundle = shelf.chosen()
    path_side, settings_side = st.columns([3, 2], gap="medium")
    with settings_side:
        film_place, ends_place = st.container(), st.container()
        path, steps, back = choose_path()
        draw = {"spread": choose_spread(), **choose_prior(bundle)}
        label = choose_label(bundle)
    try:
        generator = shelf.open_generator(bundle)
        with ends_place:
            (start, start_said), (end, end_said) = choose_ends(generator, draw)
        both = {name: interpolate(start, end, steps, name) for name in paths.COLOURS}
        with path_side:
            said = t(
                "The way from {start} to {end}, in {steps} steps",
                start=start_said,
                end=end_said,
                steps=steps,
            )
            show(generator, both[path], label, said)
        with film_place:
            play(bundle, both[path], label.get("label"), back=back)
        with path_side:
            explain(bundle, both, path)
    except GensuiteError as error:
        path_side.error(plain(str(error)))


def choose_ends(generator: Generator, draw: dict[str, Any]) -> list[tuple[Codes, str]]:
    """Ask for the two ends, side by side: the code of each, and what it is called.

    Raises:
        InputError: a picture is refused; it says why.
    """
    sides = (("from", t("From"), 0), ("to", t("To"), 1))
    ends = []
    for side, (name, title, seed) in zip(st.columns(2), sides, strict=True):
        with side:
            st.markdown(f"**{title}**")
            ends.append(choose_end(generator, draw, name, seed))
    return ends


def choose_end(
    generator: Generator, draw: dict[str, Any], name: str, seed: int
) -> tuple[Codes, str]:
    """Ask for an image, numbered as on the page Sample, or for a picture of the visitor's own.

    Args:
        generator: that draws or encodes it.
        draw: arguments of :meth:`Generator.draw`.
        name: ``from`` or ``to``.
        seed: at first.

    Raises:
        InputError: the picture is refused; it says why.
    """
    seed = choose_seed(t("Seed"), f"{name}_seed", seed)
    image = choose_number(t("Image"), f"{name}_image", 1, 256, 1)
    if generator.bundle.family in ENCODER_OUTPUTS and st.toggle(
        t("Your own picture"), key=f"{name}_own"
    ):
        picture = choose_picture(generator.bundle, name)
        if picture is not None:
            return generator.encode(picture)[0], t("your own picture")
    code = generator.draw(image, seed=seed, **draw)[-1]
    return code, t("image {image} of seed {seed}", image=image, seed=seed)


def choose_path() -> tuple[str, int, bool]:
    """Ask for the path, its number of steps, and whether the film runs there and back."""
    path = choose_one(
        t("Path"),
        "path",
        list(paths.COLOURS),
        "spherical",
        t(
            "Linear goes straight from code to code; spherical turns about the origin and keeps "
            "the length."
        ),
    )
    steps = st.slider(t("Steps"), 2, 64, 16, key="steps", bind="query-params")
    back = st.toggle(t("There and back"), True, key="back", bind="query-params")
    return path, steps, back


def show(generator: Generator, codes: Codes, label: dict[str, Any], said: str) -> None:
    """Draw the images of the path, and say which lie in holes."""
    bundle = generator.bundle
    holes = in_hole(bundle, codes)
    images = generator.decode(codes, **label)
    st.altair_chart(paths.strip(images, holes), key="strip", alt=said)
    st.caption(plain(f"{shelf.origin(bundle)} · {bundle.identity[:19]}"))
    if not bundle.codes:
        st.markdown(t("A GAN has no codes, so nothing tells which steps lie in holes."))
    elif holes.any():
        steps = ranges(np.flatnonzero(holes) + 1)
        st.markdown(t("In holes, far from every stored code: steps {steps}.", steps=steps))
    else:
        st.markdown(t("No step lies in a hole."))


def in_hole(bundle: Bundle, codes: Codes) -> NDArray[np.bool_]:
    """Which codes lie in holes, by latent health's own measure: none that a GAN could tell of."""
    if not bundle.codes:
        return np.zeros(len(codes), bool)
    return shelf.open_codes(bundle).cloud.in_hole(codes)


def ranges(numbers: NDArray[Any]) -> str:
    """Rising whole numbers in words: 1, 4–6."""
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)


def explain(bundle: Bundle, both: dict[str, Codes], path: str) -> None:
    """Draw how far from the prior's mean both paths run, and say what that means."""
    prior = bundle.own_prior
    lengths = {name: prior.norms(codes) for name, codes in both.items()}
    shell = norm_quantiles(bundle.latent_size, SHELL)
    st.altair_chart(
        paths.norms(lengths, path, in_hole(bundle, both[path]), shell),
        key="norms",
        alt=t("How far from the prior's mean each step lies, linear and spherical"),
    )
    nearest = lengths["linear"].min()
    figures = {"low": f"{shell[0]:.2f}", "high": f"{shell[1]:.2f}", "nearest": f"{nearest:.2f}"}
    if nearest < shell[0]:
        said = t(
            "90% of the prior's draws are between {low} and {high} away from its mean. The "
            "straight line comes as near as {nearest}: it cuts through the middle, where the "
            "prior almost never draws.",
            **figures,
        )
    else:
        said = t(
            "90% of the prior's draws are between {low} and {high} away from its mean. The "
            "straight line comes no nearer than {nearest}, so it does not leave them there.",
            **figures,
        )
    st.markdown(plain(said))
    if bundle.default_prior == "gaussian":
        st.markdown(
            t(
                "Distances are in standard deviations of the model's own prior, a fitted Gaussian. "
                "The arc turns about the origin, which is not this prior's mean."
            )
        )


def play(bundle: Bundle, codes: Codes, label: int | None, *, back: bool) -> None:
    """Show the path as a film, with its downloads."""
    height, width = bundle.image_shape[:2]
    scale = max(1, FILM_SIDE // max(height, width))
    film = record(bundle, codes, label, "gif", scale, back=back)
    st.image(film, width=width * scale, alt=t("The same way as a film"))
    with st.container(horizontal=True):
        st.download_button(
            t("Download GIF"),
            film,
            file_name=f"{bundle.path.name}-morph.gif",
            mime="image/gif",
            on_click="ignore",
            icon=":material/download:",
        )
        st.download_button(
            t("Download WebP"),
            lambda: record(bundle, codes, label, "webp", scale, back=back),
            file_name=f"{bundle.path.name}-morph.webp",
            mime="image/webp",
            on_click="ignore",
            icon=":material/download:",
        )


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=shelf.BY_IDENTITY)
def record(
    bundle: Bundle, codes: Codes, label: int | None, kind: str, scale: int, *, back: bool
) -> bytes:
    """Encode the film of a path; see :func:`animation`."""
    given = {} if label is None else {"label": label}
    images = shelf.open_generator(bundle).decode(codes, **given)
    return animation(images, kind=kind, scale=scale, back=back)


main()
