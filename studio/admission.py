"""How many pages are drawn at once; when that is too many, a visitor is told so.

Pages take turns at the processor anyway. Without a bound, hundreds of visitors would all wait for
minutes; with it, most are served in their turn and the rest can come again.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from studio.language import t

SLOTS = 4
PATIENCE = 5.0
"""Seconds that a visitor waits for a slot."""


@st.cache_resource(show_spinner=False)
def slots() -> threading.BoundedSemaphore:
    """The slots of this server."""
    return threading.BoundedSemaphore(SLOTS)


@contextmanager
def admission() -> Iterator[None]:
    """Hold a slot while a page is drawn; where none comes free in time, say so and stop."""
    free = slots()
    if not free.acquire(timeout=PATIENCE):
        st.warning(t("The studio is busy. Try again in a moment."), icon=":material/hourglass:")
        st.stop()  # a script that ended by itself would forget the visitor's settings
    try:
        yield
    finally:
        free.release()
