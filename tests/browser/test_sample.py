"""The page Sample in a browser."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, expect

import gensuite
from gensuite.arrays import unpack
from tests.browser.driver import chart, settle
from tests.conftest import BUNDLES

ORIGIN = "toy-vae, VAE · digits · latent size 2"


def gallery(tab: Page, count: int, seed: int) -> Locator:
    """The gallery of the toy VAE, by what it says to those who do not see it."""
    return chart(tab, f"Images drawn from {ORIGIN}: count {count}, seed {seed}")


def test_seed_and_bundle_live_in_the_url(tab: Page) -> None:
    tab.goto("/?bundle=toy-vae&count=9")
    expect(gallery(tab, 9, 0)).to_be_visible()
    seed = tab.get_by_role("spinbutton", name="Seed")
    seed.fill("4294967295")
    seed.press("Enter")
    expect(gallery(tab, 9, 4294967295)).to_be_visible()
    tab.wait_for_url("**/?bundle=toy-vae&count=9&seed=4294967295")
    tab.reload()
    expect(gallery(tab, 9, 4294967295)).to_be_visible()
    expect(seed).to_have_value("4294967295")

    tab.get_by_role("combobox", name="Bundle").click()
    tab.get_by_role("option", name="zoo").click()
    tab.wait_for_url("**bundle=zoo*")
    tab.reload()
    expect(tab.get_by_text("zoo, VAE · ![x](http://example.org/x.png)")).to_be_visible()
    assert tab.locator("img:not([alt])").count() == 0


def test_picture_and_codes_are_downloaded_as_shown(tab: Page) -> None:
    tab.goto("/?bundle=toy-vae&count=9&seed=7")
    settle(tab)
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Download PNG").click()
    assert download.value.suggested_filename == "toy-vae-seed7.png"
    with Image.open(io.BytesIO(Path(download.value.path()).read_bytes())) as opened:
        assert opened.format == "PNG"
        assert opened.width == opened.height
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Download codes").click()
    arrays = unpack(Path(download.value.path()).read_bytes())
    assert np.array_equal(arrays["z"], gensuite.load(BUNDLES / "toy-vae").draw(9, seed=7))


def test_a_click_on_an_image_looks_at_it_closely(tab: Page) -> None:
    tab.goto("/?bundle=toy-vae&count=9")
    settle(tab)
    box = gallery(tab, 9, 0).bounding_box()
    assert box is not None
    side = min(box["width"], box["height"])
    tab.mouse.click(box["x"] + side / 2, box["y"] + side / 2)
    tab.wait_for_url("**image=5*")
    expect(tab.get_by_role("img", name="Image 5, enlarged")).to_be_visible()


def test_korean_is_a_click_and_a_link(tab: Page) -> None:
    tab.goto("/?bundle=toy-vae")
    tab.get_by_role("radio", name="한국어").click()
    expect(tab.get_by_role("heading", name="새 이미지 뽑기")).to_be_visible()
    tab.wait_for_url("**lang=ko*")
    tab.reload()
    expect(tab.get_by_role("heading", name="새 이미지 뽑기")).to_be_visible()


def test_a_hostile_query_shows_the_page_of_none(tab: Page) -> None:
    tab.goto("/?seed=inf&count=1e9&spread=-1&bundle=../../etc&image=nan&lang=%00")
    settle(tab)
    expect(chart(tab, "count 64, seed 0")).to_be_visible()
    expect(tab.get_by_test_id("stException")).to_have_count(0)
