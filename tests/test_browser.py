"""The page in a real browser: Debian's chromium, on a server of its own."""

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from tests.test_page import PAGE, export_again

CHROMIUM = shutil.which("chromium")

# A cold disk is slow to bring up the page's libraries; a page that never comes still fails.
PATIENCE = 120_000  # ms
expect.set_options(timeout=PATIENCE)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH; apt-get install chromium"),
]


@pytest.fixture
def server(tmp_path: Path, toy_bundle: Path) -> Iterator[str]:
    """The address of a page on two bundles; ``zoo`` names its data set with Markdown."""
    artifacts = tmp_path / "artifacts"
    shutil.copytree(toy_bundle, artifacts / "toy")
    export_again(toy_bundle, artifacts / "zoo", dataset="![x](http://example.org/x.png)")
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", PAGE.name, "--server.port=0"],
        cwd=PAGE.parent,
        env=os.environ | {"GENSUITE_ARTIFACTS": str(artifacts)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        printed = []
        for line in process.stdout:
            printed.append(line)
            if "URL:" in line:
                break
        else:
            pytest.fail(f"the server ended: {''.join(printed)}")
        yield line.split("URL:")[1].strip()
    finally:
        process.terminate()
        process.communicate()  # a server that cannot print its farewell does not end


@pytest.fixture
def page() -> Iterator[Page]:
    """A tab of a browser of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.set_default_timeout(PATIENCE)
        yield tab
        browser.close()


def test_a_visit(page: Page, server: str) -> None:
    """Seed and bundle live in the URL, the PNG is the picture, and all stays on this host."""
    assert urlsplit(server).hostname == "127.0.0.1"
    asked, problems = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))

    page.goto(f"{server}/?count=9")
    picture = page.get_by_role("img", name="VAE of digits: count 9, seed 0")
    expect(picture).to_be_visible()
    crisp = "image => image.decode().then(() => image.naturalWidth >= image.clientWidth)"
    assert picture.evaluate(crisp)

    seed = page.get_by_role("spinbutton", name="Seed")
    seed.fill("4294967295")
    seed.press("Enter")
    picture = page.get_by_role("img", name="VAE of digits: count 9, seed 4294967295")
    expect(picture).to_be_visible()
    page.wait_for_url("**/?count=9&seed=4294967295")
    page.reload()
    expect(picture).to_be_visible()
    expect(seed).to_have_value("4294967295")

    with page.expect_download() as download:
        page.get_by_role("button", name="Download PNG").click()
    assert download.value.suggested_filename == "toy-seed4294967295.png"
    content = Path(download.value.path()).read_bytes()
    address = picture.evaluate("image => image.src")
    assert content == page.request.get(address).body()
    with Image.open(io.BytesIO(content)) as opened:
        assert opened.format == "PNG"
        assert opened.width == opened.height

    page.get_by_role("combobox", name="Bundle").click()
    page.get_by_role("option", name="zoo").click()
    page.wait_for_url("**bundle=zoo*")
    page.reload()
    expect(
        page.get_by_text("VAE of ![x](http://example.org/x.png) · latent size 2")
    ).to_be_visible()
    assert page.locator("img:not([alt])").count() == 0

    page.goto(f"{server}/?seed=inf&count=1e9&spread=-1&bundle=../../etc")
    expect(page.get_by_role("img", name="VAE of digits: count 64, seed 0")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)

    assert {urlsplit(url).netloc for url in asked} - {""} == {urlsplit(server).netloc}
    assert problems == []
