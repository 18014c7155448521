"""The pages Latent map and Morph, run in process on real bundles."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import gensuite
from gensuite.inference import bundle as bundles
from gensuite.inference.holes import Cloud
from gensuite.inference.images import png
from gensuite.inference.latents import draw_codes, interpolate
from tests.studio import charts, open_page, text


def chosen(page) -> str:
    """The picture of the chosen point."""
    assert not page.exception
    (found,) = (
        image.value
        for image in page.image
        if image.proto.imgs[0].alt == "What the chosen point decodes to"
    )
    return str(found)


def test_each_family_has_a_map_that_decodes_its_points(artifacts, any_toy):
    shutil.copytree(any_toy, artifacts / "toy")
    page = open_page("latent_map")
    before = chosen(page)
    (chart,) = charts(page)
    assert b"data:image/png;base64," in chart
    page.number_input(key="x").set_value(1.5).run()
    assert chosen(page) != before
    assert "The rings hold 50%, 90% and 99%" in text(page)
    has_codes = bool(bundles.read(any_toy).codes)
    assert ("A GAN has no codes" in text(page)) != has_codes
    assert ("dots are codes of test images" in text(page)) == has_codes


@pytest.mark.parametrize("point", [("0", "0"), ("3.5", "3.5")])
def test_a_hole_is_one_by_healths_own_measure(artifacts, toy_bundle, point):
    shutil.copytree(toy_bundle, artifacts / "toy")
    page = open_page("latent_map", x=point[0], y=point[1])
    code = np.array([[float(value) for value in point]])
    codes = draw_codes(bundles.read(toy_bundle).codes, seed=0)
    hole = Cloud.of(codes).in_hole(code)[0]
    assert ("In a hole" in text(page)) == hole
    assert ("Among the codes" in text(page)) != hole


def parameters(page) -> dict[str, float]:
    """What the map's chart is told to show."""
    spec = json.loads(page.get("vega_lite_chart")[0].proto.spec)
    return {each["name"]: each["value"] for each in spec["params"] if "value" in each}


def test_point_grid_and_fog_are_parameters_of_one_chart(artifacts, toy_bundle):
    shutil.copytree(toy_bundle, artifacts / "toy")
    page = open_page("latent_map", x="1.5", y="-0.25", grid="0.7")
    assert parameters(page) == {"chosen_x": 1.5, "chosen_y": -0.25, "opacity": 0.7, "fog": 0}
    page.toggle(key="holes").set_value(True).run()
    page.number_input(key="y").set_value(2.0).run()
    moved = parameters(page)
    assert moved.pop("fog") > 0
    assert moved == {"chosen_x": 1.5, "chosen_y": 2.0, "opacity": 0.7}


def test_visitors_do_not_move_each_others_points(artifacts, toy_bundle):
    shutil.copytree(toy_bundle, artifacts / "toy")
    one, other = open_page("latent_map", x="1"), open_page("latent_map", x="-1")
    one.run()
    assert (parameters(one)["chosen_x"], parameters(other)["chosen_x"]) == (1, -1)


@pytest.mark.parametrize("query", [{"x": "nan"}, {"y": "1e400"}, {"x": "inf"}, {"grid": "7"}])
def test_a_hostile_point_shows_the_map_of_none(artifacts, toy_bundle, query):
    shutil.copytree(toy_bundle, artifacts / "toy")
    assert chosen(open_page("latent_map", **query)) == chosen(open_page("latent_map"))


def test_the_page_sample_leads_to_its_images_place_on_the_map(artifacts, toy_bundle):
    shutil.copytree(toy_bundle, artifacts / "toy")
    z = gensuite.load(toy_bundle).draw(5, seed=3)[-1]
    sample = open_page(seed="3", image="5")
    links = [link.proto for link in sample.get("page_link")]
    assert [link.label for link in links] == ["Show on the latent map", "Morph from this image"]
    assert f"x={z[0]:.4g}" in links[0].query_string
    assert f"y={z[1]:.4g}" in links[0].query_string
    assert "from_seed=3" in links[1].query_string
    assert "from_image=5" in links[1].query_string


def test_a_morph_goes_from_one_draw_to_another(artifacts, any_toy):
    shutil.copytree(any_toy, artifacts / "toy")
    page = open_page("morph", from_seed="3", from_image="5", to_seed="8", steps="7")
    assert not page.exception
    strip = page.get("vega_lite_chart")[0].proto
    assert strip.alt == "The way from image 5 of seed 3 to image 1 of seed 8, in 7 steps"
    assert len(charts(page)) == 2
    assert page.image[0].proto.imgs[0].alt == "The same way as a film"
    film = page.image[0].value
    page.segmented_control(key="path").set_value("linear").run()
    assert page.image[0].value != film


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_steps_in_holes_are_named_and_framed(artifacts, toy_bundle, path):
    shutil.copytree(toy_bundle, artifacts / "toy")
    model = gensuite.load(toy_bundle)
    ends = (model.draw(1, seed=seed, spread=2.5)[0] for seed in (0, 2))
    holes = Cloud.of(draw_codes(model.bundle.codes, seed=0)).in_hole(interpolate(*ends, 12, path))
    assert 0 < holes.sum() < 12
    page = open_page("morph", spread="2.5", to_seed="2", steps="12", path=path)
    (named,) = re.findall(r"In holes, far from every stored code: steps (.*)\.", text(page))
    numbers = []
    for first, last in re.findall(r"(\d+)(?:–(\d+))?", named):
        numbers += range(int(first), int(last or first) + 1)
    assert numbers == [int(step) for step in np.flatnonzero(holes) + 1]
    strip, norms = charts(page)
    for chart in (strip, norms):
        assert b"datum.hole" in chart


def test_a_morph_starts_from_an_own_picture(artifacts, toy_bundle):
    shutil.copytree(toy_bundle, artifacts / "toy")
    drawn = png(Image.new("L", (20, 20), 200))
    page = open_page("morph")
    page.toggle(key="from_own").set_value(True).run()
    page.file_uploader[0].upload("a.png", drawn, "image/png").run()
    assert not page.exception
    alt = page.get("vega_lite_chart")[0].proto.alt
    assert alt == "The way from your own picture to image 1 of seed 1, in 16 steps"
    page.file_uploader[0].upload("a.png", b"no picture", "image/png").run()
    assert not page.exception
    assert "picture" in page.error[0].value


@pytest.mark.parametrize("query", [{"steps": "1e9"}, {"from_seed": "inf"}, {"path": "x"}])
def test_a_hostile_morph_is_the_morph_of_none(artifacts, toy_bundle, query):
    shutil.copytree(toy_bundle, artifacts / "toy")
    plain, hostile = open_page("morph"), open_page("morph", **query)
    assert not hostile.exception
    assert plain.image[0].value == hostile.image[0].value
