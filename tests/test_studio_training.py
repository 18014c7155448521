"""The page Training, run in process on real bundles."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from gensuite.arrays import pack, unpack
from gensuite.inference import bundle as bundles
from studio.charts import WIDEST, enlarged
from tests.conftest import parts_of
from tests.studio import alternatives, charts, open_page, text

TITLES = {
    "ae": ["Reconstruction error"],
    "vae": ["Reconstruction error", "KL divergence"],
    "gan": ["Two losses", "How real the discriminator finds an image"],
}


def with_files(source, to, **changed):
    """A valid bundle like another one, with some files of other content."""
    facts, files = parts_of(bundles.read(source))
    bundles.write(to, facts, files | changed, replace=False)


def with_grids(source, to, epochs):
    """A bundle with a sample grid for each of some epochs: its pixels are the epoch's number."""
    arrays = unpack((source / "training.npz").read_bytes())
    grids = np.array([np.full((20, 20), epoch, np.uint8) for epoch in epochs])
    arrays |= {"grid_epochs": np.array(epochs), "grids": grids}
    with_files(source, to, **{"training.npz": pack(arrays)})


def test_each_family_shows_its_curves_apart_and_says_what_they_mean(artifacts, any_toy):
    shutil.copytree(any_toy, artifacts / "toy")
    page = open_page("training")
    family = bundles.read(any_toy).family
    assert [head.value for head in page.subheader] == [
        "What it drew",
        *TITLES[family],
        "The doctor's remarks",
    ]
    assert len(charts(page)) == len(TITLES[family])
    assert "without the sample grids" in text(page)
    assert "shows none of the six illnesses" in text(page)


def test_the_scrubber_goes_through_the_epochs_that_have_a_grid(artifacts, toy_bundle):
    with_grids(toy_bundle, artifacts / "toy", [2, 4, 10])
    page = open_page("training")
    seen = []
    for epoch in (10, 2, 4, 6, 9):
        page.slider(key="epoch").set_value(epoch).run()
        seen += alternatives(page)
    assert seen == [f"Samples after epoch {epoch}" for epoch in (10, 2, 4, 4, 10)]
    linked = open_page("training", epoch="4")
    assert alternatives(linked) == ["Samples after epoch 4"]


@pytest.mark.parametrize("epoch", ["0", "11", "-1", "nan", "inf", "1e400", "", "x"])
def test_a_hostile_epoch_shows_the_last(artifacts, toy_bundle, epoch):
    with_grids(toy_bundle, artifacts / "toy", [2, 4, 10])
    page = open_page("training", epoch=epoch)
    assert alternatives(page) == ["Samples after epoch 10"]


def test_an_epoch_chosen_in_one_bundle_does_not_break_the_next(artifacts, toy_bundle):
    with_grids(toy_bundle, artifacts / "long", [1, 50])
    with_grids(toy_bundle, artifacts / "short", [1, 2])
    page = open_page("training", epoch="50", bundle="long")
    page.selectbox(key="bundle").set_value("short").run()
    assert alternatives(page) == ["Samples after epoch 2"]


def test_the_doctors_remarks_are_shown_as_text_with_cause_and_remedy(artifacts, toy_bundle):
    remark = {"code": "posterior_collapse", "epoch": 3, "seen": "KL *0.01*"}
    remark |= {"cause": "a", "remedy": "b"}
    with_files(toy_bundle, artifacts / "toy", **{"remarks.json": json.dumps([remark]).encode()})
    said = open_page("training").warning[0].value
    assert "**posterior collapse** since epoch 3: KL \\*0\\.01\\*" in said
    assert "Cause: a" in said
    assert "Remedy: train anew with b" in said


@pytest.mark.parametrize("content", [b"no json", b"{}", b'[{"code": 1}]', b"[1]"])
def test_remarks_that_are_none_leave_the_page_alive(artifacts, toy_bundle, content):
    with_files(toy_bundle, artifacts / "toy", **{"remarks.json": content})
    page = open_page("training")
    assert not page.exception
    assert "remarks.json" in page.error[0].value.replace("\\", "")


def test_a_history_that_is_none_leaves_the_page_alive(artifacts, toy_bundle):
    with_grids(toy_bundle, artifacts / "toy", [4, 2])
    page = open_page("training")
    assert not page.exception
    assert "training.npz: the epochs of its sample grids do not rise" in text(page)


def test_a_column_that_a_run_does_not_have_is_left_out_of_its_chart(artifacts, toy_bundle):
    arrays = unpack((toy_bundle / "training.npz").read_bytes())
    drawn = arrays["history.reconstruction"]
    arrays |= {"history.epoch": np.arange(drawn.size), "history.val_reconstruction": drawn}
    with_files(toy_bundle, artifacts / "toy", **{"training.npz": pack(arrays)})
    page = open_page("training")
    assert [b"validation" in chart for chart in charts(page)] == [True, False]


def test_a_narrow_sheet_is_not_enlarged_beyond_the_page():
    """A sheet of 8 x 4,000 once became a picture of 1,120 x 560,000."""
    for shape in ((4000, 8), (8, 4000), (152, 152)):
        sheet = enlarged(np.zeros((1, *shape, 1), np.uint8), WIDEST)
        with Image.open(io.BytesIO(sheet)) as picture:
            assert max(picture.size) <= max(WIDEST, *shape)


@pytest.mark.parametrize(
    ("extent", "words"),
    [
        ({"epochs": 9, "best_epoch": 7}, "9 epochs, the weights of the best one, 7"),
        ({"epochs": 9}, "9 epochs, the weights after the last"),
        ({"epochs": "*many*"}, "*many* epochs, the weights after the last"),
    ],
)
def test_it_says_which_epochs_weights_were_kept(artifacts, toy_bundle, extent, words):
    facts, files = parts_of(bundles.read(toy_bundle))
    facts["training"] = {"config": facts["training"]["config"]} | extent
    bundles.write(artifacts / "toy", facts, files, replace=False)
    page = open_page("training")
    assert not page.exception
    assert words in text(page)


def test_the_curves_can_be_read_without_the_chart(artifacts, toy_bundle):
    shutil.copytree(toy_bundle, artifacts / "toy")
    kl = unpack((toy_bundle / "training.npz").read_bytes())["history.kl"]
    said = open_page("training").get("vega_lite_chart")[1].proto.alt
    assert said == (
        f"KL divergence: training {kl[0]:.4g} after epoch 1, {kl[-1]:.4g} after epoch {len(kl)}"
    )
