"""Parts that several pages draw."""

from collections.abc import Sequence

import streamlit as st

from gensuite.inference.inputs import Images
from gensuite.inference.latents import Codes
from studio import charts
from studio.language import plain, t


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Draw a table of plain text.

    Args:
        head: names of the columns, all different.
        lines: as many texts each.
    """
    columns = {plain(name): [plain(line[at]) for line in lines] for at, name in enumerate(head)}
    st.table(columns, hide_index=True)


def show_image(image: Images, width: int, *, alt: str, caption: str | None = None) -> None:
    """Draw one image, ``(1, height, width, channels)`` in [0, 1], with large sharp pixels.

    Made no wider than it is shown, it is sent as it is; Streamlit would scale a wider one down.
    """
    st.image(
        charts.enlarged(image, width), caption=caption, width=width, output_format="PNG", alt=alt
    )


def show_code(code: Codes) -> None:
    """Draw the numbers of a code, ``(latent_size,)``, folded away."""
    with st.expander(t("Its code: {size} numbers", size=len(code)), icon=":material/data_array:"):
        st.code(", ".join(f"{value:.3f}" for value in code), language=None, wrap_lines=True)


def teach_scores() -> None:
    """Say how a model comes to have scores."""
    st.info(
        t(
            "Not measured. `python -m gensuite.evaluate RUN` before the export puts scores on "
            "the card."
        )
    )
