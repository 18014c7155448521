"""The studio's frame and its page Sample, run in process on real bundles."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.util import AttributeDictionary

import gensuite
from gensuite.inference import bundle as bundles
from gensuite.inference.holes import Cloud
from gensuite.inference.latents import draw_codes
from studio import admission
from studio.charts import PICK, data_url, picked
from studio.korean import KOREAN
from tests.conftest import parts_of
from tests.studio import APP, alternatives, export_again, open_page, picture, said, text


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_without_bundles_the_page_teaches_the_two_commands(artifacts):
    page = open_page()
    assert not page.exception
    assert not page.image
    assert str(artifacts) in text(page)
    assert page.code[0].value == "python -m gensuite.train\npython -m export runs/vae-digits"


def test_a_folder_that_does_not_exist_is_one_without_bundles(artifacts):
    artifacts.rmdir()
    page = open_page()
    assert not page.exception
    assert page.code


def test_a_bundle_is_drawn_at_once_and_named(artifacts, toy_bundle):
    shutil.copytree(toy_bundle, artifacts / "toy")
    page = open_page()
    picture(page)
    assert page.selectbox(key="bundle").options == ["toy"]
    origin = "toy, VAE · digits · latent size 2"
    assert said(page) == f"Images drawn from {origin}: count 64, seed 0"
    assert f"{origin} · {bundles.read(toy_bundle).identity[:19]}" in text(page)
    assert not page.warning


def test_each_family_is_drawn_and_offers_the_priors_that_it_has(artifacts, any_toy):
    shutil.copytree(any_toy, artifacts / "toy")
    page = open_page()
    own = picture(page)
    bundle = bundles.read(any_toy)
    groups = page.get("button_group")
    offered = {
        "ae": ["standard", "gaussian", "fitted"],
        "vae": ["standard", "fitted"],
        "gan": [],
    }[bundle.family]
    assert [group.label for group in groups] == ["Language · 언어", *["Prior"] * bool(offered)]
    for prior in offered:
        assert (picture(open_page(prior=prior)) == own) == (prior == bundle.default_prior)
    assert picture(open_page(prior="unheard-of")) == own
    assert [box.label for box in page.selectbox] == ["Bundle", "Class"][: 1 + (bundle.classes > 0)]


def test_a_prior_that_does_not_fit_the_model_leaves_the_page_alive(artifacts, toy_bundle):
    facts, files = parts_of(bundles.read(toy_bundle))
    bundles.write(artifacts / "toy", facts, files | {"prior.npz": b"no arrays"}, replace=False)
    picture(open_page())
    page = open_page(prior="fitted")
    assert not page.exception
    assert "prior.npz: not an npz file" in page.error[0].value.replace("\\", "")


@pytest.fixture
def conditional(artifacts: Path, toy_bundle: Path) -> Path:
    """A page of one conditional bundle."""
    return shutil.copytree(toy_bundle.parent / "toy-cgan", artifacts / "toy")


@pytest.mark.usefixtures("conditional")
def test_a_conditional_bundle_draws_classes_by_share_or_the_one_asked_for():
    page = open_page()
    by_share = picture(page)
    box = page.selectbox(key="label")
    assert box.label == "Class"
    assert box.options == ["drawn by share", *map(str, range(10))]
    three = picture(box.set_value("3").run())
    assert three != by_share
    assert said(page).endswith("count 64, seed 0, class 3")
    assert "label=3)" in page.code[0].value
    assert picture(open_page(label="3")) == three
    assert picture(page.selectbox(key="label").set_value("drawn by share").run()) == by_share


@pytest.mark.usefixtures("conditional")
@pytest.mark.parametrize("label", ["10", "-1", "", "three", "../3", "\x00"])
def test_a_hostile_class_gives_the_picture_of_none(label):
    assert picture(open_page(label=label)) == picture(open_page())


def test_classes_with_names_are_shown_with_number_and_name(conditional):
    facts, files = parts_of(bundles.read(conditional))
    facts["dataset"]["class_names"] = ["drawn by share", "cat", "cat", *map(str, range(3, 10))]
    bundles.write(conditional, facts, files, replace=True)
    page = open_page(label="2 cat")
    picture(page)
    assert page.selectbox(key="label").options[:5] == [
        "drawn by share",
        "0 drawn by share",
        "1 cat",
        "2 cat",
        "3",
    ]
    assert "label=2)" in page.code[0].value


@pytest.mark.usefixtures("conditional")
def test_a_class_chosen_in_one_bundle_does_not_break_the_next(artifacts, toy_bundle):
    shutil.copytree(toy_bundle, artifacts / "vae")
    page = open_page(bundle="toy", label="3")
    picture(page)
    picture(page.selectbox(key="bundle").set_value("vae").run())
    assert not page.error
    picture(page.selectbox(key="bundle").set_value("toy").run())
    assert not page.error


def test_the_seed_alone_decides_the_picture(artifacts, toy_bundle):
    shutil.copytree(toy_bundle, artifacts / "toy")
    page = open_page()
    first = picture(page)
    assert picture(page.number_input(key="seed").set_value(7.0).run()) != first
    assert picture(page.number_input(key="seed").set_value(0.0).run()) == first


def test_at_spread_0_no_seed_matters(artifacts, toy_bundle):
    shutil.copytree(toy_bundle, artifacts / "toy")
    page = open_page()
    wide = picture(page)
    narrow = picture(page.slider(key="spread").set_value(0.0).run())
    assert narrow != wide
    assert picture(page.number_input(key="seed").set_value(7.0).run()) == narrow


def test_a_link_opens_with_its_settings(artifacts, toy_bundle):
    shutil.copytree(toy_bundle, artifacts / "a")
    export_again(toy_bundle, artifacts / "b", dataset="others")
    page = open_page(bundle="b", seed="7", count="5", spread="0.5")
    assert said(page) == "Images drawn from b, VAE · others · latent size 2: count 5, seed 7"
    assert page.slider(key="spread").value == 0.5


def test_a_broken_bundle_is_listed_with_its_reason_beside_one_that_works(artifacts, toy_bundle):
    shutil.copytree(toy_bundle, artifacts / "broken")
    shutil.copytree(toy_bundle, artifacts / "good")
    flip_a_byte(artifacts / "broken" / "decoder.onnx")
    page = open_page(bundle="broken")
    picture(page)
    assert page.selectbox(key="bundle").options == ["good"]
    (warning,) = page.warning
    reason = warning.value.replace("\\", "")
    assert "broken: decoder.onnx has been altered" in reason
    assert "export it again" in reason


def test_a_bundle_that_breaks_while_it_is_shown_gives_way_to_another(artifacts, toy_bundle):
    shutil.copytree(toy_bundle, artifacts / "a")
    shutil.copytree(toy_bundle, artifacts / "b")
    page = open_page(bundle="b")
    picture(page)
    flip_a_byte(artifacts / "b" / "manifest.json")
    picture(page.run())
    assert page.selectbox(key="bundle").value == "a"
    assert "manifest.json" in page.warning[0].value.replace("\\", "")


def test_only_broken_bundles_teach_and_are_listed(artifacts, toy_bundle):
    shutil.copytree(toy_bundle, artifacts / "broken")
    (artifacts / "broken" / "decoder.onnx").unlink()
    page = open_page()
    assert not page.exception
    assert page.code
    assert "decoder.onnx is missing" in page.warning[0].value.replace("\\", "")


def test_a_hostile_model_is_left_out_with_its_reason(artifacts, toy_bundle):
    export_again(toy_bundle, artifacts / "a", decoder=b"no model")
    shutil.copytree(toy_bundle, artifacts / "b")
    page = open_page()
    picture(page)
    assert page.selectbox(key="bundle").options == ["b"]
    assert "decoder.onnx: wire type 6 is not let pass" in text(page)


def test_a_bundle_exported_again_under_its_name_is_picked_up(artifacts, toy_bundle):
    shutil.copytree(toy_bundle, artifacts / "toy")
    page = open_page()
    before = picture(page)
    decoder = bytearray((toy_bundle / "decoder.onnx").read_bytes())
    middle = len(decoder) // 2  # weights are most of the file
    decoder[middle : middle + 1000] = bytes(byte ^ 1 for byte in decoder[middle : middle + 1000])
    export_again(toy_bundle, artifacts / "toy", decoder=bytes(decoder))
    assert picture(page.run()) != before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", "-1"),
        ("seed", "abc"),
        ("seed", "4294967296"),
        ("seed", "1e400"),
        ("seed", "nan"),
        ("seed", ["1", "x"]),
        ("count", "1e9"),
        ("count", "0"),
        ("count", ""),
        ("spread", "nan"),
        ("spread", "-0.1"),
        ("spread", "inf"),
        ("bundle", "../../etc"),
        ("bundle", "/etc"),
        ("bundle", "\x00"),
        ("nobody", "knows"),
    ],
)
def test_a_hostile_query_gives_the_picture_of_none(artifacts, toy_bundle, name, value):
    shutil.copytree(toy_bundle, artifacts / "toy")
    assert picture(open_page(**{name: value})) == picture(open_page())


def test_the_code_shown_makes_the_picture_shown(artifacts, toy_bundle, tmp_path):
    shutil.copytree(toy_bundle, artifacts / "it's a toy")
    page = open_page(seed="4294967295", count="7", spread="1.35")
    shown = picture(page)
    out = tmp_path / "picture.png"
    script = f"{page.code[0].value}\nfrom gensuite.inference.images import png\n"
    script += f"open({str(out)!r}, 'wb').write(png(picture))\n"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert data_url(out.read_bytes()) == shown


def test_what_a_bundle_says_of_itself_is_shown_as_text(artifacts, toy_bundle):
    export_again(toy_bundle, artifacts / "toy", dataset="![x](http://example.org/x.png) :red[y]")
    page = open_page()
    picture(page)
    markup = re.sub(r"\\.", "", page.caption[0].value)  # what remains without escaped characters
    assert not re.search(r"[!\[\]():]", markup)


def test_the_page_needs_no_tensorflow(artifacts, toy_bundle):
    shutil.copytree(toy_bundle, artifacts / "toy")
    script = (
        "import sys\nfrom streamlit.testing.v1 import AppTest\n"
        f"page = AppTest.from_file({str(APP)!r}, default_timeout=60).run()\n"
        "assert page.image and not page.exception\n"
        "assert not {'tensorflow', 'keras', 'onnx'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("number", ["1", "5", "64"])
def test_one_image_is_looked_at_with_its_code_and_its_neighbours(artifacts, toy_bundle, number):
    shutil.copytree(toy_bundle, artifacts / "toy")
    page = open_page(seed="7", image=number)
    generator = gensuite.load(toy_bundle)
    z = generator.draw(64, seed=7)[int(number) - 1]
    assert page.code[1].value == ", ".join(f"{value:.3f}" for value in z)
    codes = draw_codes(generator.bundle.codes, seed=0)
    nearest = Cloud.of(codes).near(z[None], 6)[1][0]
    classes = ", ".join(str(generator.bundle.codes["labels"][each]) for each in nearest)
    assert f"Their classes: {classes}" in text(page)
    assert alternatives(page) == [
        f"Image {number}, enlarged",
        "What the nearest stored codes decode to",
    ]


def test_fewer_images_than_the_one_looked_at_leave_the_page_alive(artifacts, toy_bundle):
    shutil.copytree(toy_bundle, artifacts / "toy")
    page = open_page(image="64")
    picture(page.slider(key="count").set_value(3).run())
    assert page.number_input(key="image").value <= 3


def test_a_gan_has_no_stored_codes_to_be_near_to(artifacts, toy_bundle):
    shutil.copytree(toy_bundle.parent / "toy-gan", artifacts / "toy")
    assert "nearest" not in text(open_page())


def test_the_language_is_chosen_in_the_url_and_on_the_page(artifacts, toy_bundle):
    shutil.copytree(toy_bundle, artifacts / "toy")
    page = open_page(lang="ko", seed="7")
    assert page.title[0].value == "새 이미지 뽑기"
    assert page.query_params["lang"] == "ko"
    english = page.button_group(key="lang").set_value("en").run()
    assert english.title[0].value == "Draw new images"
    assert "lang" not in english.query_params
    assert open_page(lang="tlh").title[0].value == "Draw new images"


def test_a_visitor_for_whom_there_is_no_room_is_told_so_and_comes_again(
    artifacts, toy_bundle, monkeypatch
):
    shutil.copytree(toy_bundle, artifacts / "toy")
    monkeypatch.setattr(admission, "PATIENCE", 0.1)
    picture(open_page())
    taken = [admission.slots().acquire(blocking=False) for _ in range(admission.SLOTS)]
    assert all(taken)
    try:
        busy = open_page()
        assert not busy.exception
        assert "The studio is busy" in busy.warning[0].value
    finally:
        admission.slots().release(admission.SLOTS)
    picture(open_page())


def selection(rows: object) -> AttributeDictionary:
    return AttributeDictionary({"selection": {PICK: rows}})


def test_of_a_click_the_numbers_are_taken_that_are_asked_for():
    assert picked(selection([{"x": 1, "y": -0.5, "image": 3}]), "x", "y") == [1, -0.5]


@pytest.mark.parametrize(
    "state",
    [
        None,
        *(selection(rows) for rows in ([], [{}], [None], ["x"], "x", 7, None, {"x": [0]})),
        *(selection([{"x": x}]) for x in ("one", None, [1], {"y": 2}, float("nan"), 10**400)),
    ],
)
def test_no_click_and_a_hand_made_one_choose_nothing(state):
    assert picked(state, "x") == []


def strings(*nodes: ast.AST) -> set[str]:
    """All string literals below some nodes of a program."""
    below = (each for node in nodes for each in ast.walk(node) if isinstance(each, ast.Constant))
    return {each.value for each in below if isinstance(each.value, str)}


def test_every_sentence_has_its_korean_and_no_korean_is_unused():
    pages = [APP, *APP.parent.glob("studio/**/*.py")]
    programs = [ast.parse(path.read_text()) for path in pages if path.name != "korean.py"]
    calls = (node for each in programs for node in ast.walk(each) if isinstance(node, ast.Call))
    said = [node.args[0] for node in calls if ast.unparse(node.func) == "t"]
    said = [first for first in said if isinstance(first, ast.Constant)]
    assert said
    assert strings(*said) <= KOREAN.keys() <= strings(*programs)


def test_korean_sentences_take_the_values_of_the_english_ones():
    for english, korean in KOREAN.items():
        names = [sorted(re.findall(r"{(\w+)[^}]*}", each)) for each in (english, korean)]
        assert names[0] == names[1], english
