"""One server for all browser tests, and a tab that watches what its page asks for."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.browser.driver import CHROMIUM, PATIENCE, browser, serve
from tests.conftest import BUNDLES
from tests.studio import APP, export_again

expect.set_options(timeout=PATIENCE)

HARMLESS = {
    r" 404 .*/_stcore/health$": "on a page other than the first, Streamlit looks for its server "
    "below the page's own path before it looks at the root",
    r" 404 .*/_stcore/host-config$": "likewise",
    r" 404 .*/media/\w+\.png$": "Streamlit deletes the pictures of one run of a page when the next "
    "has ended; a slow browser asks for one then. That the next one's have come is asserted at the "
    "end",
    r"^Client Error: Image source error - \S+/media/\w+\.png ": "the same, in the page's words",
}
"""Words and address of an error on the console, a regular expression → why it is let pass."""

WHOLE = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
"""JavaScript: every picture on the page can be seen."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder is slow, and needs chromium."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)
            if CHROMIUM is None:
                reason = "no chromium on PATH; apt-get install chromium"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def server(exported: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a studio with the toys, the bundles of this test run and the committed ones.

    ``zoo`` names its data set with Markdown.
    """
    artifacts = tmp_path_factory.mktemp("shelf")
    committed = (path.parent for path in (APP.parent / "artifacts").glob("*/manifest.json"))
    for path in (*BUNDLES.iterdir(), *exported.values(), *committed):
        shutil.copytree(path, artifacts / path.name, dirs_exist_ok=True)
    export_again(BUNDLES / "toy-vae", artifacts / "zoo", dataset="![x](http://example.org/x.png)")
    with serve(artifacts) as started:
        assert urlsplit(started.address).hostname == "127.0.0.1"
        yield started.address


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests."""
    with browser() as started:
        yield started


@pytest.fixture
def tab(chromium: Browser, server: str) -> Iterator[Page]:
    """A tab without a past.

    Off-host requests, console errors and a picture that does not come fail its test.
    """
    context = chromium.new_context(base_url=server)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    asked: list[str] = []
    problems: list[str] = []

    def note(line: ConsoleMessage) -> None:
        said = f"{line.text} {line.location['url']}"
        if line.type == "error" and not re.search("|".join(HARMLESS), said):
            problems.append(said)

    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.on("console", note)
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    page.wait_for_function(WHOLE)
    context.close()
    assert {urlsplit(url).netloc for url in asked} - {""} == {urlsplit(server).netloc}
    assert problems == []
