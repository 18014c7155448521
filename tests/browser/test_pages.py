"""Every page in a browser, on the bundles of this test run and on the committed ones."""

import io
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.driver import chart, settle
from tests.studio import APP

PAGES = sorted(path.stem for path in (APP.parent / "studio" / "views").glob("*.py"))
COMMITTED = sorted(path.parent.name for path in (APP.parent / "artifacts").glob("*/manifest.json"))
TRAINED = ["ae-digits", "vae-digits", "gan-digits"]


def path_of(page: str) -> str:
    return "/" if page == "sample" else f"/{page}"


def click(tab: Page, target: Locator, across: float, down: float) -> None:
    """Click at a share of the square that a chart draws in."""
    box = target.locator("g.mark-image image, canvas").first.bounding_box()
    assert box is not None
    tab.mouse.click(box["x"] + across * box["width"], box["y"] + down * box["height"])


@pytest.mark.parametrize("bundle", ["toy-vae", "toy-cgan", *TRAINED, *COMMITTED])
def test_every_page_draws_every_bundle(tab: Page, bundle: str) -> None:
    for page in PAGES:
        tab.goto(f"{path_of(page)}?bundle={bundle}")
        settle(tab)
        expect(tab.get_by_test_id("stException")).to_have_count(0)
        assert tab.locator("img:not([alt])").count() == 0
        assert "stAlertContentError" not in tab.content(), page


@pytest.mark.parametrize("page", PAGES)
def test_a_phone_needs_no_sideways_scrolling(tab: Page, page: str) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.goto(f"{path_of(page)}?bundle=vae-digits&lang=ko")
    settle(tab)
    assert tab.evaluate("document.scrollingElement.scrollWidth") <= 390


def test_the_pages_are_a_click_apart_and_keep_the_bundle(tab: Page) -> None:
    tab.goto("/?bundle=vae-digits&lang=ko")
    settle(tab)
    tab.get_by_role("link", name="모델 카드").click()
    tab.wait_for_url("**/model_card?*bundle=vae-digits*")
    expect(tab.get_by_role("heading", name="모델 카드")).to_be_visible()
    tab.wait_for_url("**lang=ko*")


def test_a_click_on_the_map_decodes_at_once(tab: Page) -> None:
    tab.goto("/latent_map?bundle=toy-vae")
    settle(tab)
    picture = tab.get_by_role("img", name="What the chosen point decodes to")
    before = picture.get_attribute("src")
    click(tab, chart(tab, "Latent map of toy-vae"), 0.2, 0.3)
    tab.wait_for_url(re.compile("[?&]x=.*&y="))
    expect(picture).not_to_have_attribute("src", before or "")
    address, chosen = tab.url, picture.get_attribute("src")
    tab.goto(address)
    settle(tab)
    expect(picture).to_have_attribute("src", chosen or "")


def test_the_map_serves_the_keyboard(tab: Page) -> None:
    tab.goto("/latent_map?bundle=toy-vae")
    settle(tab)
    picture = tab.get_by_role("img", name="What the chosen point decodes to")
    before = picture.get_attribute("src")
    number = tab.get_by_role("spinbutton", name="x", exact=True)
    number.focus()
    number.press("ControlOrMeta+a")
    number.type("1.5")
    number.press("Enter")
    tab.wait_for_url("**x=1.5*")
    expect(picture).not_to_have_attribute("src", before or "")


def test_a_morph_is_downloaded_as_an_animation(tab: Page) -> None:
    tab.goto("/morph?bundle=toy-vae")
    settle(tab)
    for kind in ("GIF", "WebP"):
        with tab.expect_download() as download:
            tab.get_by_role("button", name=f"Download {kind}").click()
        with Image.open(io.BytesIO(Path(download.value.path()).read_bytes())) as film:
            assert film.format == kind.upper()
            assert getattr(film, "n_frames", 1) > 2


def test_an_own_picture_is_uploaded_reconstructed_and_nudged(tab: Page, tmp_path: Path) -> None:
    drawn, text = tmp_path / "seven.png", tmp_path / "text.png"
    Image.new("L", (60, 60), 220).save(drawn)
    text.write_text("no picture")
    tab.goto("/reconstruct?bundle=toy-vae")
    settle(tab)
    tab.get_by_text("Your own picture").click()
    upload = tab.locator("input[type=file]")
    upload.set_input_files(text)
    expect(tab.get_by_text("not a picture that can be read")).to_be_visible()
    upload.set_input_files(drawn)
    nudged = tab.get_by_role("img", name="What the nudged code decodes to")
    expect(nudged).to_be_visible()
    before = nudged.get_attribute("src")
    slider = tab.get_by_role("slider", name="Direction 1")
    slider.focus()
    for _ in range(10):
        slider.press("ArrowRight")
    expect(nudged).not_to_have_attribute("src", before or "")
    tab.wait_for_url("**nudge1=*")


def test_one_cursor_moves_in_all_three_maps(tab: Page) -> None:
    tab.goto("/compare?bundle=vae-digits")
    settle(tab)
    pictures = tab.get_by_role("img", name="decodes at the cursor")
    expect(pictures).to_have_count(3)
    before = [each.get_attribute("src") for each in pictures.all()]
    click(tab, chart(tab, "Latent map of vae-digits"), 0.25, 0.25)
    tab.wait_for_url(re.compile("[?&]u=.*&v="))
    for at, source in enumerate(before):
        expect(pictures.nth(at)).not_to_have_attribute("src", source or "")


def test_the_scrubber_goes_back_to_the_first_epoch(tab: Page) -> None:
    tab.goto("/training?bundle=vae-digits")
    settle(tab)
    expect(tab.get_by_role("img", name="Samples after epoch 2")).to_be_visible()
    slider = tab.get_by_role("slider", name="After epoch")
    slider.focus()
    slider.press("ArrowLeft")
    expect(tab.get_by_role("img", name="Samples after epoch 1")).to_be_visible()
    tab.wait_for_url("**epoch=1*")


def test_the_proof_runs_in_the_page(tab: Page) -> None:
    tab.goto("/model_card?bundle=vae-digits")
    tab.get_by_role("button", name="Verify now").click()
    expect(tab.get_by_text("this server makes the golden outputs again")).to_be_visible()
