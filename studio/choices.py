"""Settings that several pages ask for; each lives in the URL under its key."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from gensuite.inference.bundle import Bundle
from gensuite.inference.inputs import Images
from gensuite.inference.latents import MAX_SEED
from gensuite.inference.pictures import read_picture
from studio.language import t

DRAWN = "drawn"
"""The choice of no class: as many of each as the data set has."""


def choose_number(label: str, key: str, low: int, high: int, value: int) -> int:
    """Ask for a whole number.

    Args:
        label: what the visitor reads.
        key: in the URL.
        low: the smallest that is allowed.
        high: the largest that is allowed.
        value: at first.
    """
    # A float, for Streamlit 1.67 raises on ?seed=inf where it expects a whole number.
    number = st.number_input(
        label,
        float(low),
        float(high),
        float(value),
        1.0,
        "%.0f",
        key=key,
        bind="query-params",
    )
    return round(number)


def choose_seed(label: str, key: str = "seed", value: int = 0) -> int:
    """Ask for a seed, from 0 to 2^32 - 1."""
    return choose_number(label, key, 0, MAX_SEED, value)


def choose_spread() -> float:
    """Ask for the factor on the prior's standard deviation, from 0 to 3."""
    rarer = t("At 0 all images are the average one; above 1 they grow rarer and stranger.")
    return st.slider(t("Spread"), 0.0, 3.0, 1.0, key="spread", bind="query-params", help=rarer)


def choose_one(label: str, key: str, names: Sequence[str], default: str, explained: str) -> str:
    """Ask for one of a few names, all of which are seen.

    Args:
        label: what the visitor reads.
        key: in the URL.
        names: that can be chosen.
        default: at first.
        explained: what the choice means.
    """
    chosen = st.segmented_control(
        label,
        names,
        default=default,
        required=True,
        width="stretch",
        key=key,
        bind="query-params",
        help=explained,
    )
    return chosen or default  # a hand-made message can choose none


def choose_prior(bundle: Bundle) -> dict[str, Any]:
    """Ask for the prior where the bundle has several: ``{"prior": name}``, otherwise nothing."""
    if len(bundle.priors) == 1:
        return {}
    prior = choose_one(
        t("Prior"),
        "prior",
        bundle.priors,
        bundle.default_prior,
        t("Standard is N(0, I); gaussian and fitted (a mixture) follow the training codes."),
    )
    return {"prior": prior}


def choose_label(bundle: Bundle, *, drawn: bool = False) -> dict[str, Any]:
    """Ask a conditional model's class: ``{"label": number}``, otherwise nothing.

    Args:
        bundle: of the model.
        drawn: whether no class is a choice as well, and the first: classes by their share.
    """
    if not bundle.classes:
        return {}
    names = class_labels(bundle.class_names)
    texts = ([DRAWN] if drawn else []) + list(names)
    chosen = st.selectbox(
        t("Class"),
        texts,
        format_func=lambda text: t("drawn by share") if text == DRAWN else text,
        key="label",
        bind="query-params",
    )
    if chosen in names:
        return {"label": names[chosen]}
    return {} if drawn else {"label": 0}


def class_labels(names: Sequence[str]) -> dict[str, int]:
    """What the pages call the classes → their labels: ``3``, or ``3 cat`` where they have names."""
    texts = (name if name == str(label) else f"{label} {name}" for label, name in enumerate(names))
    return {text: label for label, text in enumerate(texts)}


def choose_picture(bundle: Bundle, name: str) -> Images | None:
    """Ask for a picture of the visitor's own, as one image of the model's shape; none at first.

    Args:
        bundle: of the model.
        name: prefix of the widgets' keys.

    Raises:
        InputError: the picture is refused; it says why.
    """
    upload = st.file_uploader(
        t("A picture: PNG, JPEG, WebP, GIF or BMP, at most 5 MB"),
        type=["png", "jpg", "jpeg", "webp", "gif", "bmp"],
        key=f"{name}_file",
    )
    invert = st.toggle(t("Exchange black and white"), key=f"{name}_invert", bind="query-params")
    st.caption(t("Digits were learned white on black: exchange the two for ink on paper."))
    if upload is None:
        return None
    return read_picture(upload.getvalue(), bundle.image_shape, invert=invert)
