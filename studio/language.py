"""What the pages say, in English or Korean.

The code speaks English; ``studio/korean.py`` holds the Korean of every sentence.
"""

import re
from typing import Any

import streamlit as st

from studio.korean import KOREAN

LANGUAGES = {"en": "English", "ko": "한국어"}


def take_language() -> None:
    """Take the language of a new visit from its URL, where it stands as ``lang``."""
    # Streamlit would write the name that is shown into the URL, so this one is not bound to it.
    asked = st.query_params.get("lang")
    st.session_state.setdefault("lang", asked if asked in LANGUAGES else "en")


def choose_language() -> None:
    """Ask for the language, and write it into the URL."""
    st.segmented_control(
        "Language · 언어",
        list(LANGUAGES),
        required=True,
        format_func=LANGUAGES.__getitem__,
        key="lang",
        label_visibility="collapsed",
    )
    if st.session_state["lang"] == "ko":
        st.query_params["lang"] = "ko"
    else:
        st.query_params.pop("lang", None)


def t(english: str, **values: Any) -> str:
    """A sentence in the visitor's language, with ``{name}`` replaced by its value.

    Args:
        english: the sentence, a key of :data:`KOREAN`.
        values: of the names in it.
    """
    text = KOREAN[english] if st.session_state.get("lang") == "ko" else english
    return text.format(**values)


def plain(text: str) -> str:
    """Escape Markdown, so that what a bundle says of itself is text and never a link or picture."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)
