"""The benchmarks come out: every row, every picture, every table; no figure is asserted."""

import json
import shutil

import pytest
from PIL import Image

from benchmarks import ablation, quality, report
from benchmarks.bench import PRESETS
from gensuite.config import load_config, read_config_file


@pytest.mark.parametrize("preset", sorted(PRESETS.glob("*.json")), ids=lambda p: p.stem)
def test_every_preset_is_a_training_that_users_may_start(preset):
    assert load_config(read_config_file(preset)).dataset == "digits"  # until a flag names another


def test_every_technique_is_a_training_that_users_may_start():
    for technique in ablation.TECHNIQUES.values():
        plain = ablation.PLAIN[technique.family] | {"model": technique.family}
        assert load_config(plain | technique.settings) is not None
        assert load_config(plain | technique.against) is not None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--row", "gan-mnst"], "did you mean 'gan-mnist'?"),
        (["--quick"], "--quick: its figures do not count"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(flags, said, capsys):
    assert quality.main(flags) == 2

    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_the_document_has_a_place_for_every_table():
    text = report.DOCUMENT.read_text(encoding="utf-8")
    content = {name: f"| {name} |" for name in report.tables()}
    filled = report.fill(text, content)

    for body in content.values():
        assert body in filled
    assert report.fill(filled, report.tables()) == report.fill(text, report.tables())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_row_and_picture_comes_out(raw_data, tmp_path):
    """`python -m benchmarks.quality --quick`: the same code with fewer steps."""
    results = tmp_path / "results" / "quality.jsonl"
    flags = ["--quick", "--raw-dir", str(raw_data), "--results", str(results)]
    assert quality.main([*flags, "--runs", str(tmp_path / "runs")]) == 0

    records = quality.read_results(results)
    assert [record["row"] for record in records] == list(quality.ROWS)
    for name in quality.ROWS:
        with Image.open(results.with_name(f"{name}.png")) as picture:
            assert min(picture.size) > 400
    for kind in ("likelihood", "health", "density", "conditional"):
        table = getattr(report, f"{kind}_table")(records)
        assert len(table.splitlines()) > 2
    for row, samples in (("gan", "samples"), ("vae", "fitted")):
        table = report.neighbour_table(records, row, samples, bar=1.0)
        assert len(table.splitlines()) == 2 + len(quality.IMAGE_SETS)
    shutil.rmtree(tmp_path / "runs")


@pytest.mark.slow
def test_a_technique_is_measured_with_and_without(tmp_path, monkeypatch):
    chosen = {
        name: ablation.TECHNIQUES[name] for name in ("IWAE, 5 samples", "fitted mixture (AE)")
    }
    monkeypatch.setattr(ablation, "TECHNIQUES", chosen)
    results = tmp_path / "ablation.jsonl"
    flags = ["--quick", "--runs", str(tmp_path / "runs"), "--results", str(results)]
    assert ablation.main(flags) == 0

    records = [json.loads(line) for line in results.read_text().splitlines()]
    assert [record["technique"] for record in records] == list(chosen)
    assert len(report.ablation_table(records).splitlines()) == 2 + len(chosen)
