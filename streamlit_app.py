"""The studio's entry: ``streamlit run streamlit_app.py`` shows what exported bundles have learned.

It needs the light wing and Streamlit alone. Bundle, language, page and every setting live in the
URL, so a link or a reload shows the same.
"""

import gc

import streamlit as st

from gensuite.errors import BundleError
from gensuite.inference.bundle import Bundle
from studio import ICON, shelf
from studio.admission import admission
from studio.language import choose_language, plain, t, take_language

# File in studio/views → title and icon. (No docstring: Streamlit would draw it.)
PAGES = {
    "sample": ("Sample", ":material/grid_view:"),
    "latent_map": ("Latent map", ":material/map:"),
    "morph": ("Morph", ":material/animation:"),
    "reconstruct": ("Reconstruct", ":material/compare:"),
    "compare": ("Compare", ":material/balance:"),
    "training": ("Training", ":material/show_chart:"),
    "model_card": ("Model card", ":material/verified:"),
}


def main() -> None:
    """Draw the page that the URL names, once there is room for it."""
    # An icon of our own: of a page's icon Streamlit would make one that browsers fetch from a CDN.
    st.set_page_config("gensuite", page_icon=str(ICON), layout="wide")
    take_language()
    with admission():
        draw()
        settle_memory()


def draw() -> None:
    """Draw the header, the page, and the bundles that are left out."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        header = st.container()
        choose_language()
    with st.spinner(t("Trying the bundles")):
        found = shelf.scan()
    bundles = [name for name, each in found.items() if isinstance(each, Bundle)]
    if bundles:
        # Before the links to other pages: who follows one takes the bundle along.
        header.selectbox(t("Bundle"), bundles, key="bundle", bind="query-params", width=320)
    pages = [
        st.Page(
            f"studio/views/{name}.py",
            title=t(title),
            icon=icon,
            default=name == "sample",
        )
        for name, (title, icon) in PAGES.items()
    ]
    page = st.navigation(pages, position="top")
    if bundles:
        page.run()
    else:
        teach()
    for error in found.values():
        if isinstance(error, BundleError):
            st.warning(plain(f"{t('Left out')}: {error}."), icon=":material/block:")


@st.cache_resource(show_spinner=False)
def settle_memory() -> None:
    """Spare the garbage collector, once a first page has been drawn, all that stays for good.

    It walks over everything that it watches, with every visitor waiting; the libraries' own objects
    are nearly all of that.
    """
    gc.collect()
    gc.freeze()


def teach() -> None:
    """Say how to make the first bundle."""
    st.title(t("No bundle yet"))
    st.markdown(
        t(
            "{folder} has no bundle to show. Train a model and export it:",
            folder=plain(str(shelf.folder())),
        )
    )
    st.code("python -m gensuite.train\npython -m export runs/vae-digits", language=None)
    st.markdown(t("Then reload this page."))


main()
