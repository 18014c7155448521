"""The page Training: a run's curves, what it drew after each epoch, and the doctor's remarks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import altair as alt
import numpy as np
import streamlit as st
from numpy.typing import NDArray

from gensuite.errors import GensuiteError
from gensuite.inference.bundle import Bundle
from gensuite.inference.training_history import COLUMN
from studio import charts, shelf
from studio.language import plain, t
from studio.parts import table

Arrays = Mapping[str, NDArray[Any]]
Chart = tuple[str, Sequence[tuple[str, str]], str]

# Family → its charts: title, columns of the history with their names, and what they mean.
LOSSES: dict[str, Sequence[Chart]] = {
    "ae": (
        (
            "Reconstruction error",
            (("loss", "training"), ("val_loss", "validation")),
            "What the AE minimizes, and all of it: nothing asks its codes to lie anywhere.",
        ),
    ),
    "vae": (
        (
            "Reconstruction error",
            (("reconstruction", "training"), ("val_reconstruction", "validation")),
            "The first half of the VAE's loss: how badly an image is drawn again from its code.",
        ),
        (
            "KL divergence",
            (("kl", "training"), ("val_kl", "validation")),
            "The second half: how far the codes' distributions are from N(0, I). The two halves "
            "pull against each other.",
        ),
    ),
    "gan": (
        (
            "Two losses",
            (("discriminator_loss", "discriminator"), ("generator_loss", "generator")),
            "Neither falls to zero: each is the other's opponent, and they are updated in turn.",
        ),
        (
            "How real the discriminator finds an image",
            (("real_score", "real images"), ("generated_score", "generated images")),
            "At 0.5 for both it cannot tell them apart; at 1 and 0 it has won, and the generator "
            "learns nothing more.",
        ),
    ),
}

SPREAD: Chart = (
    "How different the samples are",
    (("sample_spread", "samples"),),
    "Mean distance between two samples, 1 being that of two training images. Near 0 all samples "
    "are the same.",
)
# Blue and orange of Okabe and Ito's palette, legible on white and on black.
COLOURS = ("#0072b2", "#e69f00")


def main() -> None:
    """Draw the page."""
    st.title(t("How it was trained"))
    bundle = shelf.chosen()
    st.caption(plain(f"{shelf.origin(bundle)} · {extent(bundle)}"))
    try:
        arrays, remarks = bundle.training, bundle.remarks
    except GensuiteError as error:
        st.error(plain(str(error)))
        return
    grids_side, curves_side = st.columns([2, 3], gap="medium")
    with grids_side:
        epoch = show_grid(arrays)
    with curves_side:
        show_curves(bundle, arrays, epoch)
    show_remarks(remarks)
    show_settings(bundle)


def extent(bundle: Bundle) -> str:
    """How long the run was, and which epoch's weights were kept."""
    training = bundle.manifest["training"]
    epochs, best = training.get("epochs"), training.get("best_epoch")
    if best is None:
        return t("{epochs} epochs, the weights after the last", epochs=epochs)
    return t("{epochs} epochs, the weights of the best one, {best}", epochs=epochs, best=best)


def show_grid(arrays: Arrays) -> int | None:
    """Show the samples of one epoch and ask for another; the epoch, or none without samples."""
    epochs = [int(epoch) for epoch in arrays["grid_epochs"]]
    st.subheader(t("What it drew"))
    if not epochs:
        st.info(t("This model was exported without the sample grids of its epochs."))
        return None
    epoch = epochs[-1]
    if len(epochs) > 1:
        asked = st.slider(
            t("After epoch"), epochs[0], epochs[-1], epochs[-1], key="epoch", bind="query-params"
        )
        epoch = min(epochs, key=lambda each: abs(each - asked))
    sheet = arrays["grids"][epochs.index(epoch)]
    st.image(
        charts.enlarged(sheet.reshape(1, *sheet.shape[:2], -1), charts.WIDEST),
        width="stretch",
        output_format="PNG",
        alt=t("Samples after epoch {epoch}", epoch=epoch),
    )
    st.caption(t("The same codes after every epoch."))
    return epoch


def show_curves(bundle: Bundle, arrays: Arrays, epoch: int | None) -> None:
    """Draw the curves of the family, with a mark at the epoch that is looked at."""
    for title, columns, meaning in (*LOSSES[bundle.family], SPREAD):
        rows = list(points(arrays, columns))
        if not rows:
            continue
        st.subheader(t(title))
        drawn = curves(rows, [t(name) for _, name in columns], epoch)
        st.altair_chart(drawn, alt=f"{t(title)}: {in_words(rows)}")
        st.caption(t(meaning))


def points(arrays: Arrays, columns: Sequence[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """Every finite value of some columns of the history as a row of a chart."""
    for column, name in columns:
        if (values := arrays.get(COLUMN + column)) is None:
            continue
        epochs = arrays.get(f"{COLUMN}epoch", np.arange(1, len(values) + 1))
        for epoch, value in zip(epochs, values, strict=True):
            if np.isfinite(value):
                yield {"epoch": int(epoch), "value": float(value), "of": t(name)}


def in_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """Where each curve starts and ends."""
    ends: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        ends.setdefault(row["of"], []).append(row)
    return "; ".join(
        t(
            "{name} {first:.4g} after epoch {start}, {last:.4g} after epoch {end}",
            name=name,
            first=curve[0]["value"],
            start=curve[0]["epoch"],
            last=curve[-1]["value"],
            end=curve[-1]["epoch"],
        )
        for name, curve in ends.items()
    )


def curves(rows: list[dict[str, Any]], names: Sequence[str], epoch: int | None) -> alt.LayerChart:
    """One line for each name, told apart by colour and by dashes."""
    drawn = sorted({row["of"] for row in rows}, key=names.index)
    dashes = [[1, 0], [6, 4]]
    lines = (
        charts.marks(rows)
        .mark_line(point={"size": 30}, strokeWidth=2)
        .encode(
            x=alt.X("epoch:Q", title=t("epoch"), axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
            color=alt.Color(
                "of:N",
                title=None,
                scale=alt.Scale(domain=drawn, range=list(COLOURS[: len(drawn)])),
                legend=alt.Legend(orient="top", symbolType="stroke", symbolSize=300),
            ),
            strokeDash=alt.StrokeDash(
                "of:N", legend=None, scale=alt.Scale(domain=drawn, range=dashes[: len(drawn)])
            ),
            tooltip=["of:N", "epoch:Q", alt.Tooltip("value:Q", format=".4g")],
        )
    )
    looked_at = charts.marks([] if epoch is None else [{"epoch": epoch}])
    rule = looked_at.mark_rule(color=charts.ACCENT, strokeWidth=2).encode(x="epoch:Q")
    return cast("alt.LayerChart", alt.layer(lines, rule).properties(height=260))


def show_remarks(remarks: Sequence[Mapping[str, Any]]) -> None:
    """Show what the doctor said: each illness with its cause and its remedy."""
    st.subheader(t("The doctor's remarks"))
    for remark in remarks:
        name = plain(remark["code"].replace("_", " "))
        lines = [
            t(
                "**{name}** since epoch {epoch}: {seen}",
                name=name,
                epoch=remark["epoch"],
                seen=plain(remark["seen"]),
            ),
            t("Cause: {cause}", cause=plain(remark["cause"])),
            t("Remedy: train anew with {remedy}", remedy=plain(remark["remedy"])),
        ]
        st.warning("  \n".join(lines), icon=":material/stethoscope:")
    if not remarks:
        st.success(t("Nothing to remark: the training shows none of the six illnesses."))


def show_settings(bundle: Bundle) -> None:
    """Show the settings of the run."""
    training = bundle.manifest["training"]
    with st.expander(t("Settings of the training"), icon=":material/tune:"):
        lines = [(str(name), str(value)) for name, value in training["config"].items()]
        table((t("setting"), t("value")), lines)


main()
