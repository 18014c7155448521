"""The page Model card, run in process on real bundles."""

import shutil

import numpy as np
import pytest

from gensuite.arrays import pack, unpack
from gensuite.inference import bundle as bundles
from gensuite.inference.manifest import LIMITS
from tests.conftest import parts_of
from tests.studio import open_page, text


def cells(page) -> str:
    """All tables of a page as text."""
    return "\n".join(str(table.value) for table in page.table).replace("\\", "")


def test_every_family_shows_its_facts_its_proof_and_its_health(artifacts, any_toy):
    shutil.copytree(any_toy, artifacts / "toy")
    page = open_page("model_card")
    assert not page.exception
    bundle = bundles.read(any_toy)
    assert bundle.identity in text(page)
    shown = cells(page)
    for fact in (bundle.family.upper(), "8 x 8 x 1", "digits", "CC BY 4.0"):
        assert fact in shown
    for name, entry in bundle.manifest["files"].items():
        assert name in shown
        assert f"{entry['bytes']:,}" in shown
    for model, ports in bundle.ports.items():
        assert all(f"{model} · {port}" in shown for port in ports["outputs"])
    if "health" in bundle.manifest:
        assert all(bundle.manifest["health"][limit]["sentence"] in text(page) for limit in LIMITS)
    else:
        assert "a GAN has no codes" in text(page)


def test_scores_are_shown_with_interval_floor_and_protocol(artifacts, toy_bundle):
    facts, files = parts_of(bundles.read(toy_bundle))
    score = {"value": 1.25, "low": 1.0, "high": 1.5, "protocol": {"samples": 2000, "by": "*me*"}}
    facts["scores"] = {"samples": {"frechet": score | {"floor": score | {"value": 0.125}}}}
    bundles.write(artifacts / "toy", facts, files, replace=False)
    page = open_page("model_card")
    assert not page.exception
    for part in ("Fréchet distance", "1.25", "1 to 1.5", "0.125"):
        assert part in cells(page)
    assert "by *me*; samples 2000" in text(page)


def test_without_scores_the_card_says_how_to_get_them(artifacts, toy_bundle):
    shutil.copytree(toy_bundle, artifacts / "toy")
    assert "python -m gensuite.evaluate RUN" in text(open_page("model_card"))


def test_verify_now_runs_the_proof(artifacts, any_toy):
    shutil.copytree(any_toy, artifacts / "toy")
    page = open_page("model_card")
    assert not page.success
    page.button[0].click().run()
    assert not page.exception
    assert "Verified" in page.success[0].value


def test_verify_now_says_where_a_model_does_not_keep_its_proof(artifacts, toy_bundle):
    facts, files = parts_of(bundles.read(toy_bundle))
    golden = unpack(files["golden.npz"])
    golden["decoder.image"] = golden["decoder.image"] + np.float32(0.01)
    bundles.write(artifacts / "toy", facts, files | {"golden.npz": pack(golden)}, replace=False)
    page = open_page("model_card")
    page.button[0].click().run()
    assert not page.success
    assert "decoder image differs by 0.01 from its golden output" in text(page)


@pytest.mark.parametrize("parity", [{}, {"decoder": {"image": {"onnx": {"1": "x"}}}}])
def test_a_bundle_whose_parity_is_no_proof_is_left_out(artifacts, toy_bundle, parity):
    facts, files = parts_of(bundles.read(toy_bundle))
    with pytest.raises(Exception, match="manifest.json"):
        bundles.write(artifacts / "toy", facts | {"parity": parity}, files, replace=False)
