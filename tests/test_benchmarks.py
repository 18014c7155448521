"""The benchmarks come out: every row, every picture, every table; no figure is asserted."""

import json
import shutil

import pytest
from PIL import Image

from benchmarks import ablation, publish, quality, report
from benchmarks.bench import PRESETS, train_run
from gensuite.config import load_config, read_config_file
from gensuite.errors import ConfigError


@pytest.mark.parametrize("preset", sorted(PRESETS.glob("*.json")), ids=lambda p: p.stem)
def test_every_preset_is_a_training_that_users_may_start(preset):
    assert load_config(read_config_file(preset)).dataset == "digits"  # until a flag names another


def test_every_technique_is_a_training_that_users_may_start():
    for technique in ablation.TECHNIQUES.values():
        plain = ablation.PLAIN[technique.family] | {"model": technique.family}
        assert load_config(plain | technique.settings) is not None
        assert load_config(plain | technique.against) is not None


def test_an_unknown_row_is_refused_in_one_line(capsys):
    assert quality.main(["--row", "gan-mnst"]) == 2

    error = capsys.readouterr().err
    assert "did you mean 'gan-mnist'?" in error
    assert error.count("\n") == 1


def test_quick_figures_never_mix_with_those_that_count():
    quick, full = quality.parse_args(["--quick"]), quality.parse_args([])

    assert full.results == quality.RESULTS
    assert quick.results != quality.RESULTS
    assert quick.runs != full.runs
    assert ablation.parse_args(["--quick"]).results != ablation.RESULTS


def test_a_run_of_other_settings_is_not_taken_for_the_presets(runs):
    config = read_config_file(runs["vae"] / "config.json")
    with pytest.raises(ConfigError, match=r"a run of other settings \(epochs, latent_dim\)"):
        train_run(config | {"epochs": 3, "latent_dim": 5}, runs["vae"])


def test_the_best_seed_has_the_lowest_frechet_distance():
    def record(seed, value, **changed):
        samples = {"frechet": {"value": value}}
        return {"row": "gan-mnist", "seed": seed, "quick": False, "samples": samples} | changed

    records = [record(0, 2.0), record(1, 1.0), record(2, 0.5, quick=True)]
    assert publish.best_seed("gan", "mnist", records) == 1
    with pytest.raises(ConfigError, match="vae-mnist: not measured yet"):
        publish.best_seed("vae", "mnist", records)


def test_the_document_has_a_place_for_every_table():
    text = report.DOCUMENT.read_text(encoding="utf-8")
    content = {name: f"| {name} |" for name in report.tables()}
    filled = report.fill(text, content)

    for body in content.values():
        assert body in filled
    assert report.fill(filled, report.tables()) == report.fill(text, report.tables())


@pytest.mark.slow
def test_every_row_and_picture_comes_out(tmp_path):
    """`python -m benchmarks.quality --quick`: the same code with fewer steps, on digits."""
    results = tmp_path / "results" / "quality.jsonl"
    flags = ["--quick", "--results", str(results)]
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
