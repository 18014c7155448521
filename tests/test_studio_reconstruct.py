"""The page Reconstruct, run in process on real bundles."""

import shutil

import numpy as np
import pytest
from PIL import Image

import gensuite
from gensuite.inference.images import png
from tests.studio import alternatives, charts, export_again, open_page, text


@pytest.fixture
def shelf(artifacts, toy_bundle):
    """An AE and a VAE of one data set, a conditional GAN of the same, and a VAE of another."""
    for name in ("toy-ae", "toy-vae", "toy-cgan"):
        shutil.copytree(toy_bundle.parent / name, artifacts / name)
    export_again(toy_bundle, artifacts / "other", dataset="others")
    return artifacts


def test_a_sample_of_another_bundle_goes_through_encoder_and_decoder(shelf):
    page = open_page("reconstruct", bundle="toy-vae", seed="5", image="3", by="toy-ae")
    shown = ["Image", "Reconstruction", "Difference", "What the nudged code decodes to"]
    assert alternatives(page)[:4] == shown
    assert page.selectbox(key="by").options == ["toy-ae", "toy-cgan", "other", "toy-vae"]
    image = gensuite.load(shelf / "toy-ae").sample(3, seed=5)[-1:]
    vae = gensuite.load(shelf / "toy-vae")
    assert page.code[0].value == ", ".join(f"{value:.3f}" for value in vae.encode(image)[0])
    error = np.sqrt(np.mean((vae.reconstruct(image) - image) ** 2))
    assert f"RMSE per pixel: {error:.3f}" in text(page)


@pytest.mark.usefixtures("shelf")
def test_only_a_vae_shows_a_distribution():
    vae, ae = (open_page("reconstruct", bundle=name) for name in ("toy-vae", "toy-ae"))
    assert len(charts(vae)) == 1
    assert "A VAE encodes to a distribution" in [head.value for head in vae.subheader]
    assert charts(ae) == []


@pytest.mark.usefixtures("shelf")
def test_nudging_moves_the_image_and_back_again():
    page = open_page("reconstruct", bundle="toy-vae")
    before = [image.value for image in page.image]
    page.slider(key="nudge1").set_value(2.5).run()
    moved = [image.value for image in page.image]
    assert moved[3] != before[3]
    assert moved[:3] == before[:3]
    page.button[0].click().run()
    assert [image.value for image in page.image] == before
    linked = open_page("reconstruct", bundle="toy-vae", nudge1="2.5")
    assert [image.value for image in linked.image] == moved


@pytest.mark.usefixtures("shelf")
def test_a_gan_says_that_it_has_no_encoder():
    page = open_page("reconstruct", bundle="toy-cgan")
    assert alternatives(page) == []
    assert "A GAN has no encoder" in text(page)


@pytest.mark.usefixtures("shelf")
def test_an_own_picture_is_reconstructed_and_a_bad_one_refused():
    page = open_page("reconstruct", bundle="toy-vae")
    page.radio[0].set_value("own").run()
    assert "Choose a picture" in text(page)
    drawn = png(Image.new("L", (30, 40), 200))
    page.file_uploader[0].upload("seven.png", drawn, "image/png").run()
    assert alternatives(page)[:3] == ["Image", "Reconstruction", "Difference"]
    for content in (b"a text file", drawn[:40], png(Image.new("1", (8000, 5000)))):
        page.file_uploader[0].upload("seven.png", content, "image/png").run()
        assert not page.exception
        assert text(page).count("picture: ") == 1
        assert not page.image
    page.file_uploader[0].upload("seven.png", drawn, "image/png").run()
    assert not page.error
    assert len(alternatives(page)) > 3


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize(
    "query", [{"by": "../x"}, {"nudge1": "nan"}, {"image": "inf"}, {"seed": "-1"}]
)
def test_a_hostile_query_shows_the_page_of_none(query):
    plain, hostile = open_page("reconstruct"), open_page("reconstruct", **query)
    assert not hostile.exception
    assert [image.value for image in hostile.image] == [image.value for image in plain.image]
