"""The page Compare, run in process on real bundles."""

import re
import shlex
import shutil

import numpy as np
import pytest

import gensuite
from gensuite.inference import bundle as bundles
from gensuite.inference.holes import Cloud
from gensuite.inference.latents import draw_codes
from gensuite.inference.plane import Plane
from studio.figures import best
from tests.conftest import BUNDLES, parts_of
from tests.studio import alternatives, charts, export_again, open_page, text

FAMILIES = ("ae", "vae", "gan")


@pytest.fixture
def shelf(artifacts):
    """One bundle of each family, of one data set."""
    for family in FAMILIES:
        shutil.copytree(BUNDLES / f"toy-{family}", artifacts / family)
    return artifacts


@pytest.mark.usefixtures("shelf")
def test_three_models_stand_under_one_seed_and_one_cursor():
    page = open_page("compare", seed="7", u="1", v="-0.5")
    shown = []
    for family in FAMILIES:
        origin = f"{family}, {family.upper()} · digits · latent size 2"
        shown.append(f"What the {family.upper()} decodes at the cursor")
        shown.append(f"Samples of {origin}, seed 7")
    assert alternatives(page) == shown
    assert len(charts(page)) == 3 + 4
    before = [image.value for image in page.image]
    page.number_input(key="u").set_value(-1.0).run()
    after = [image.value for image in page.image]
    moved = [a != b for a, b in zip(before, after, strict=True)]
    assert moved == [True, False] * 3


def test_the_cursor_is_the_same_place_of_each_models_own_prior(shelf):
    """At the ring's right end half of the prior lies nearer than the cursor."""
    for family in FAMILIES:
        bundle = bundles.read(shelf / family)
        plane = Plane.of(bundle)
        at = plane.from_ring(np.array([[0, 0], [1, 0], [0, 1]]))
        ring = plane.rings[0]
        assert np.allclose(at[0], (ring.min(axis=0) + ring.max(axis=0)) / 2)
        assert np.isclose(at[1, 0], ring[:, 0].max())
        assert np.isclose(at[2, 1], ring[:, 1].max())
        assert np.allclose(plane.to_ring(at), [[0, 0], [1, 0], [0, 1]])


@pytest.mark.parametrize("u", ["0", "3.5"])
def test_it_says_by_healths_own_measure_whether_the_cursor_lies_in_a_hole(shelf, u):
    page = open_page("compare", u=u)
    found = []
    for family in ("ae", "vae"):
        generator = gensuite.load(shelf / family)
        plane = Plane.of(generator.bundle)
        code = plane.to_codes(plane.from_ring(np.array([[float(u), 0.0]])))
        found.append(Cloud.of(draw_codes(generator.bundle.codes, seed=0)).in_hole(code)[0])
    assert text(page).count("In a hole") == sum(found)
    assert text(page).count("Among the codes") == 2 - sum(found)
    assert "A GAN has no codes, and so no holes" in text(page)


def test_a_missing_family_teaches_the_commands_that_make_it(artifacts):
    shutil.copytree(BUNDLES / "toy-vae", artifacts / "vae")
    page = open_page("compare")
    assert not page.exception
    assert [code.value for code in page.code] == [
        f"python -m gensuite.train --model {family} --dataset digits\n"
        f"python -m export runs/{family}-digits"
        for family in ("ae", "gan")
    ]
    assert text(page).count("One of the two was not measured") == 4


def test_only_models_of_the_same_data_are_compared(shelf):
    export_again(BUNDLES / "toy-gan", shelf / "other", dataset="others")
    page = open_page("compare", bundle="vae")
    assert page.selectbox(key="gan").options == ["gan"]
    other = open_page("compare", bundle="other")
    assert other.selectbox(key="gan").options == ["other"]
    assert len(other.code) == 2


@pytest.mark.usefixtures("shelf")
def test_health_is_compared_by_its_intervals():
    page = open_page("compare")
    said = text(page)
    health = {f: bundles.read(BUNDLES / f"toy-{f}").manifest["health"] for f in ("ae", "vae")}
    wins = {"ae": 0, "vae": 0}
    for limit in health["ae"]:
        if limit != "protocol":
            ae, vae = (health[f][limit]["headline"]["interval"] for f in ("ae", "vae"))
            wins["vae"] += vae[1] < ae[0]
            wins["ae"] += ae[1] < vae[0]
    assert said.count("The VAE is better") == wins["vae"]
    assert said.count("The AE is better") == wins["ae"]
    assert said.count("No winner") == 4 - sum(wins.values())


def with_scores(path, **groups):
    """Give a bundle scores: group → key → value, low, high, and perhaps a floor or a protocol."""
    facts, files = parts_of(bundles.read(path))
    facts["scores"] = {
        title: {key: {"protocol": {}} | score for key, score in group.items()}
        for title, group in groups.items()
    }
    bundles.write(path, facts, files, replace=True)


def score(value, low, high, **more):
    return {"value": value, "low": low, "high": high} | more


def score_rows(page) -> dict[str, list[str]]:
    """Name of a score → the cells beside it."""
    cells = [[str(cell).replace("\\", "") for cell in row] for row in page.table[0].value.values]
    return {row[0]: row[1:] for row in cells}


def test_scores_stand_side_by_side_and_each_is_explained(shelf):
    floor = {"floor": score(0.125, 0.1, 0.2)}
    with_scores(shelf / "vae", samples={"frechet": score(1.5, 1.25, 2.0, **floor)})
    with_scores(shelf / "gan", samples={"frechet": score(0.5, 0.25, 0.75, **floor)})
    page = open_page("compare")
    *numbers, meaning = score_rows(page)["samples: Fréchet distance"]
    assert numbers == ["—", "1.5 (1.25 to 2)", "0.5 (0.25 to 0.75)", "0.125", "GAN"]
    assert meaning.startswith("Distance of samples from test images")


def test_the_best_is_told_by_the_intervals_and_its_number_of_wins_is_said(shelf):
    """Higher and lower, overlapping, of one model alone, and without a better side."""
    with_scores(
        shelf / "ae",
        reconstruction={"rmse": score(0.1, 0.09, 0.11), "ssim": score(0.9, 0.89, 0.91)},
        samples={"recall": score(0.5, 0.4, 0.6), "density": score(1, 0.9, 1.1)},
    )
    with_scores(
        shelf / "vae",
        reconstruction={"rmse": score(0.2, 0.19, 0.21), "ssim": score(0.7, 0.69, 0.71)},
        likelihood={"elbo": score(-100, -101, -99)},
        samples={"recall": score(0.55, 0.45, 0.65), "density": score(2, 1.9, 2.1)},
    )
    page = open_page("compare")
    best = {name: cells[4] for name, cells in score_rows(page).items()}
    assert best == {
        "reconstruction: RMSE per pixel": "AE",
        "reconstruction: SSIM": "AE",
        "samples: recall": "no winner",
        "samples: density": "—",
        "likelihood: ELBO, nats": "—",
    }
    assert "of 3 scores that can be compared: **AE** 2, **VAE** 0, **GAN** 0." in text(page)


@pytest.mark.parametrize(
    ("protocol", "best"),
    [({"samples": 1000}, "measured differently"), ({"prior": "gaussian", "code": "own"}, "AE")],
)
def test_only_scores_of_one_protocol_are_compared(shelf, protocol, best):
    """The prior and the code are the model's own, and may differ."""
    with_scores(shelf / "ae", samples={"kid": score(1, 0, 2, protocol=protocol)})
    with_scores(shelf / "vae", samples={"kid": score(4, 3, 5, protocol={})})
    page = open_page("compare")
    assert score_rows(page)["samples: KID"][4] == best
    assert f"of {int(best == 'AE')} scores" in text(page)


def test_a_score_of_every_class_in_one_bundle_and_of_all_in_another_is_shown(shelf):
    with_scores(shelf / "ae", samples={"kid": score([1, 2], [0, 1], [2, 3])})
    with_scores(shelf / "vae", samples={"kid": score(4, 3, 5)})
    page = open_page("compare")
    assert not page.exception
    assert [cells[4] for cells in score_rows(page).values()] == ["—"] * 3


@pytest.mark.parametrize(
    ("intervals", "lower", "found"),
    [
        ({"ae": (0, 1), "vae": (2, 3), "gan": (1.5, 4)}, True, "ae"),
        ({"ae": (0, 1), "vae": (2, 3), "gan": (1.5, 4)}, False, None),
        ({"ae": (0, 1), "vae": (2, 3), "gan": (3.5, 4)}, False, "gan"),
        ({"ae": (0, 1), "vae": (1, 2)}, True, None),
        ({"ae": (0, 9), "vae": (1, 2), "gan": (5, 6)}, True, None),
        ({"ae": (-3, -2), "vae": (-1, 0)}, False, "vae"),
    ],
)
def test_the_best_lies_apart_from_every_other(intervals, lower, found):
    assert best(intervals, lower=lower) == found


@pytest.mark.usefixtures("shelf")
def test_the_numbers_of_health_can_be_read_without_the_chart():
    page = open_page("compare")
    number = bundles.read(BUNDLES / "toy-vae").manifest["health"]["empty"]["headline"]
    (low, high), (floor, ceiling) = number["interval"], number["band"]
    words = f"VAE {number['value']:.3g} ({low:.3g} to {high:.3g}), "
    words += f"N(0, I) {floor:.3g} to {ceiling:.3g}"
    assert words in text(page)
    assert sum(words in chart.proto.alt for chart in page.get("vega_lite_chart")) == 1


@pytest.mark.usefixtures("shelf")
def test_the_tilde_between_korean_numbers_strikes_nothing_out():
    said = [caption.value for caption in open_page("compare", lang="ko").caption]
    assert any("~" in each for each in said)
    assert not any(re.search(r"(?<!\\)~", each) for each in said)


def test_the_commands_that_are_pasted_into_a_shell_run_nothing_of_a_bundle(artifacts):
    name = "x; touch 'here'\n$(id)"
    export_again(BUNDLES / "toy-vae", artifacts / "vae", dataset=name)
    page = open_page("compare")
    train, _, export = page.code[0].value.partition("\npython -m export ")
    flags = ["--model", "ae", "--dataset", name]
    assert shlex.split(train) == ["python", "-m", "gensuite.train", *flags]
    assert shlex.split(export) == [f"runs/ae-{name}"]


def test_the_run_of_a_data_set_with_a_slash_is_found_by_the_command(artifacts):
    export_again(BUNDLES / "toy-vae", artifacts / "vae", dataset="emnist/letters")
    page = open_page("compare")
    assert page.code[0].value.endswith("python -m export runs/ae-emnist-letters")


def test_the_bundle_chosen_in_the_header_is_the_one_that_is_compared(artifacts):
    for name in ("one", "two"):
        shutil.copytree(BUNDLES / "toy-ae", artifacts / name)
    page = open_page("compare", bundle="one", ae="two")
    assert page.selectbox(key="ae").value == "two"
    page.selectbox(key="bundle").set_value("two").run()
    page.selectbox(key="bundle").set_value("one").run()
    assert page.selectbox(key="ae").value == "one"
    page.selectbox(key="ae").set_value("two").run()
    assert page.selectbox(key="ae").value == "two"


def test_conditional_models_draw_the_class_that_is_asked_for(artifacts):
    shutil.copytree(BUNDLES / "toy-cgan", artifacts / "cgan")
    shutil.copytree(BUNDLES / "toy-vae", artifacts / "vae")
    page = open_page("compare")
    before = [image.value for image in page.image]
    page.selectbox(key="label").set_value("3").run()
    assert not page.exception
    changed = [a != b for a, b in zip(before, [i.value for i in page.image], strict=True)]
    assert changed == [False, False, True, True]


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize("query", [{"u": "nan"}, {"v": "inf"}, {"ae": "../x"}, {"seed": "-1"}])
def test_a_hostile_query_shows_the_page_of_none(query):
    plain, hostile = open_page("compare"), open_page("compare", **query)
    assert alternatives(plain) == alternatives(hostile)
    assert [image.value for image in plain.image] == [image.value for image in hostile.image]
