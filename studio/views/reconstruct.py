"""The page Reconstruct: an image through encoder and decoder, and a nudge to its code."""

from typing import Any, cast

import altair as alt
import numpy as np
import streamlit as st

from gensuite.errors import GensuiteError
from gensuite.inference.generator import Generator
from gensuite.inference.images import png
from gensuite.inference.inputs import Images
from gensuite.inference.latents import Codes, draw_codes
from gensuite.inference.manifest import ENCODER_OUTPUTS
from gensuite.inference.pictures import difference
from studio import charts, shelf
from studio.choices import choose_label, choose_number, choose_picture, choose_seed
from studio.language import plain, t
from studio.parts import show_code

# Directions of a long code that have a slider: the widest of them.
MOST_NUDGES = 8
SAMPLE, OWN = "sample", "own"
DRAWS = 6


def main() -> None:
    """Draw the page."""
    st.title(t("Through encoder and decoder"))
    bundle = shelf.chosen()
    st.caption(plain(shelf.origin(bundle)))
    if bundle.family not in ENCODER_OUTPUTS:
        st.info(
            t(
                "A GAN has no encoder: its generator was trained from noise alone, so no image has "
                "a code. Choose an AE or a VAE."
            )
        )
        return
    source_side, result_side = st.columns([2, 5], gap="medium")
    try:
        generator = shelf.open_generator(bundle)
        with source_side:
            image = choose_image(generator)
            label = choose_label(bundle)
        with result_side:
            if image is None:
                st.info(t("Choose a picture on the left."))
            else:
                show(generator, image, label)
    except GensuiteError as error:
        st.error(plain(str(error)))


def choose_image(generator: Generator) -> Images | None:
    """Ask for a sample of a bundle or a picture of the visitor's own; one image, or none yet.

    Raises:
        InputError: the picture is refused; it says why.
    """
    names = {SAMPLE: t("A sample of a bundle"), OWN: t("Your own picture")}
    source = st.radio(t("The image"), list(names), format_func=names.__getitem__)
    if source == SAMPLE:
        return sample(generator)
    return choose_picture(generator.bundle, "own")


def sample(generator: Generator) -> Images:
    """One image that a bundle of the same image shape has drawn."""
    own = generator.bundle
    fitting = [each for each in shelf.usable().values() if each.image_shape == own.image_shape]
    fitting.sort(key=lambda each: (each.path == own.path, not shelf.same_data(each, own)))
    names = [each.path.name for each in fitting]
    name = st.selectbox(t("Drawn by"), names, key="by", bind="query-params")
    seed = choose_seed(t("Seed"))
    number = choose_number(t("Image"), "image", 1, 64, 1)
    artist = shelf.open_generator(fitting[names.index(name) if name in names else 0])
    return artist.sample(number, seed=seed)[-1:]


def show(generator: Generator, image: Images, label: dict[str, Any]) -> None:
    """Show image, reconstruction, difference and code, and let the code be nudged."""
    z = generator.encode(image)
    again = generator.decode(z, **label)
    error = float(np.sqrt(np.mean(np.square(again - image), dtype=float)))
    columns = st.columns(3)
    panels = (
        (t("Image"), charts.enlarged(image)),
        (t("Reconstruction"), charts.enlarged(again)),
        (t("Difference"), charts.enlarged(difference(image[0], again[0])[None])),
    )
    for column, (title, content) in zip(columns, panels, strict=True):
        column.markdown(f"**{title}**")
        column.image(content, width="stretch", output_format="PNG", alt=title)
    st.caption(
        t(
            "Vermilion is lighter in the reconstruction, blue is darker. RMSE per pixel: {error}.",
            error=f"{error:.3f}",
        )
    )
    nudge(generator, z, label)
    show_code(z[0])
    if generator.bundle.family == "vae":
        posterior(generator, image, label)


def nudge(generator: Generator, z: Codes, label: dict[str, Any]) -> None:
    """Sliders along the codes' principal directions, and what the moved code decodes to."""
    axes = shelf.open_codes(generator.bundle).cloud.whitening.scaled_axes[:, :MOST_NUDGES]
    keys = [f"nudge{at + 1}" for at in range(axes.shape[1])]
    st.subheader(t("Nudge the code"))
    sliders, picture = st.columns([3, 2], gap="medium")
    with sliders:
        st.caption(
            t(
                "Along the directions in which the codes of test images spread most, in standard "
                "deviations."
            )
        )
        moves = [
            st.slider(
                t("Direction {number}", number=number),
                -3.0,
                3.0,
                0.0,
                0.1,
                key=key,
                bind="query-params",
            )
            for number, key in enumerate(keys, 1)
        ]
        st.button(t("Back to the image's own code"), on_click=reset, args=(keys,))
    moved = np.asarray(z + axes @ np.array(moves), np.float32)
    with picture:
        alt_text = t("What the nudged code decodes to")
        st.image(
            charts.enlarged(generator.decode(moved, **label)),
            width="stretch",
            output_format="PNG",
            alt=alt_text,
        )
        st.caption(alt_text)


def reset(keys: list[str]) -> None:
    """Put all sliders back to the middle."""
    for key in keys:
        st.session_state[key] = 0.0


def posterior(generator: Generator, image: Images, label: dict[str, Any]) -> None:
    """Show the distribution that a VAE encodes an image to, and draws from it."""
    mean, log_variance = generator.posterior(image)
    st.subheader(t("A VAE encodes to a distribution"))
    deviation = np.exp(log_variance[0] / 2)
    rows = [
        {"number": at + 1, "mean": float(m), "low": float(m - s), "high": float(m + s)}
        for at, (m, s) in enumerate(zip(mean[0], deviation, strict=True))
    ]
    base = charts.marks(rows).encode(
        x=alt.X("number:O", title=t("number of the code"), axis=alt.Axis(labelAngle=0))
    )
    spread = base.mark_rule(strokeWidth=4, color="#56b4e9").encode(
        y=alt.Y("low:Q", title=None), y2="high:Q"
    )
    means = base.mark_point(filled=True, size=60, color=charts.ACCENT).encode(y="mean:Q")
    title = t("Mean and standard deviation of every number of the code")
    st.altair_chart(
        cast("alt.LayerChart", alt.layer(spread, means).properties(height=200)), alt=title
    )
    st.caption(title)
    repeated = {
        "mean": np.repeat(mean, DRAWS, 0),
        "log_variance": np.repeat(log_variance, DRAWS, 0),
    }
    draws = generator.decode(draw_codes(repeated, seed=0), **label)
    st.image(
        png(charts.sharp(draws, columns=DRAWS)),
        width="stretch",
        output_format="PNG",
        alt=t("Reconstructions from {count} draws of that distribution", count=DRAWS),
    )
    st.caption(t("Reconstructions from {count} draws of that distribution", count=DRAWS))


main()
