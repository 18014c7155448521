"""The page, run in process on real bundles."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.runtime.media_file_storage import MediaFileKind
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.testing.v1 import AppTest

from gensuite.inference import bundle as bundles
from tests.conftest import parts_of

PAGE = Path(__file__).parents[1] / "streamlit_app.py"


@pytest.fixture
def artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the page takes its bundles from."""
    folder = tmp_path / "artifacts"
    folder.mkdir()
    monkeypatch.setenv("GENSUITE_ARTIFACTS", str(folder))
    return folder


def open_page(**query: str | list[str]) -> AppTest:
    """Visit the page with a query string."""
    page = AppTest.from_file(str(PAGE), default_timeout=60)
    for name, value in query.items():
        page.query_params[name] = value
    return page.run()


def picture(page: AppTest) -> str:
    """The address of the page's one picture, which Streamlit makes of the picture's hash."""
    assert not page.exception
    ((url,),) = (image.value for image in page.image)
    return str(url)


def alternative(page: AppTest) -> str:
    """The text that stands for the picture where it cannot be seen."""
    return str(page.image[0].proto.imgs[0].alt)


def address(content: bytes) -> str:
    """The address that Streamlit gives to a PNG."""
    storage = MemoryMediaFileStorage("/mock/media")
    return storage.get_url(storage.load_and_get_id(content, "image/png", MediaFileKind.MEDIA))


def export_again(source: Path, to: Path, *, dataset: str = "digits", **models: bytes) -> None:
    """Write a valid bundle like ``source`` with another data set's name or other models."""
    facts, files = parts_of(bundles.read(source))
    facts["dataset"] = facts["dataset"] | {"name": dataset}
    files |= {f"{name}.onnx": content for name, content in models.items()}
    bundles.write(to, facts, files, replace=True)


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_without_bundles_the_page_teaches_the_two_commands(artifacts):
    page = open_page()
    assert not page.exception
    assert not page.image
    assert str(artifacts) in page.markdown[0].value.replace("\\", "")
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
    assert alternative(page) == "Images drawn from toy, VAE of digits: count 64, seed 0"
    origin = page.caption[0].value.replace("\\", "")
    identity = bundles.read(toy_bundle).identity
    assert origin == f"VAE of digits · latent size 2 · {identity[:19]}"
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
    assert [group.label for group in groups] == ["Prior"] * bool(offered)
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
    assert alternative(page).endswith("count 64, seed 0, class 3")
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
    assert alternative(page) == "Images drawn from b, VAE of others: count 5, seed 7"
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


def test_a_model_that_onnxruntime_refuses_leaves_the_page_alive(artifacts, toy_bundle):
    export_again(toy_bundle, artifacts / "a", decoder=b"no model")
    shutil.copytree(toy_bundle, artifacts / "b")
    page = open_page()
    assert not page.exception
    assert "onnxruntime refuses it" in page.error[0].value.replace("\\", "")
    picture(page.selectbox(key="bundle").set_value("b").run())
    assert not page.error


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
    assert address(out.read_bytes()) == shown


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
        f"page = AppTest.from_file({str(PAGE)!r}, default_timeout=60).run()\n"
        "assert page.image and not page.exception\n"
        "assert not {'tensorflow', 'keras', 'onnx'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
