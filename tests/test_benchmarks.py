"""The benchmarks come out: every row, every picture, every table; no figure is asserted."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from benchmarks import (
    ablation,
    bulk,
    inference,
    publish,
    quality,
    report,
    training,
    training_tables,
)
from benchmarks.bench import PRESETS, read_records, train_run
from benchmarks.contenders import CONTENDERS
from benchmarks.trainers import race, rows
from gensuite.config import load_config, read_config_file
from gensuite.errors import ConfigError, GensuiteError
from gensuite.version import __version__
from tests.conftest import BUNDLES


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
    assert inference.parse_args(["--quick"]).results != inference.RESULTS
    assert inference.parse_args([]).results == inference.RESULTS
    assert training.parse_args(["--quick"]).results != training.RESULTS
    assert training.parse_args([]).results == training.RESULTS


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


def test_operations_are_counted_where_each_kernel_is_applied(tmp_path):
    """2x3 dense, 3x8 dense to a 2x2 image of 2 channels, then 4x4 kernels at 4 and at 16 places."""
    shapes = [(2, 3), (3,), (3, 8), (8,), (4, 4, 5, 2), (5,), (4, 4, 1, 5), (1,)]
    np.savez(tmp_path / "w.npz", **{str(i): np.zeros(shape) for i, shape in enumerate(shapes)})

    assert inference.flops(np.load(tmp_path / "w.npz")) == 2 * (6 + 24 + 160 * 4 + 80 * 16)


def test_a_bar_of_inference_is_met_missed_or_not_measured():
    def contender(latency, large, first, peak):
        seconds = {"1": latency, "64": large / 16, "1024": large}
        return {
            "seconds": seconds,
            "difference": 0.0,
            "peak_mb": peak,
            "first_image": first,
            "first_peak_mb": peak,
        }

    record = {
        "flops": 10**7,
        "peak_gflops": 100.0,
        "overhead": 31e-6,
        "skipped": {"PyTorch compiled": "no network"},
        "profile": {"Conv": 0.75, "Slice": 0.25},
        "contenders": {
            "Keras predict": contender(0.03, 0.5, 8, 900),
            "SavedModel": contender(0.0002, 0.2, 5, 900),
            "gensuite": contender(0.0001, 0.125, 0.4, 80),
            "gensuite, all threads": contender(0.0002, 0.1, 0.4, 80),
        },
    }
    verdicts = [line.rsplit(": ", 1) for line in inference.bars(record)]

    assert dict(verdicts) == {
        "batch 1, share of predict: 0.00333, at most 0.005": "met",
        "batch 1, share of SavedModel: 0.5, at most 0.333": "missed",
        "decode over session.run, µs: 31, at most 30": "missed",
        "batch 64, time beside SavedModel: 0.5, at most 0.769": "met",
        "batch 64, time beside PyTorch compiled": "not measured",
        "batch 64, share of the matrix peak left unused: -0.024, at most 0.3": "met",
        "batch 1024, time beside SavedModel: 0.5, at most 0.769": "met",
        "batch 1024, time beside PyTorch compiled": "not measured",
        "batch 1024, share of the matrix peak left unused: -0.024, at most 0.3": "met",
        "first image, s: 0.4, at most 0.5": "met",
        "first image, MB: 80, at most 120": "met",
        "first_image beside SavedModel: 0.08, at most 0.1": "met",
        "first_peak_mb beside SavedModel: 0.0889, at most 0.1": "met",
    }
    assert "| PyTorch compiled | no network |" in inference.table(record)
    assert "operations goes: Conv 75%, Slice 25%" in inference.table(record)


def test_images_in_a_folder_are_counted_and_their_memory_seen(capsys):
    assert bulk.main([str(BUNDLES / "toy-vae"), "--quick"]) == 0

    printed = capsys.readouterr().out
    assert "| toy-vae | npz | 2 | 1,000 |" in printed
    assert "an image of 2,000 costs" in printed
    peaks = [float(line.rstrip(" |").split(", ")[-1]) for line in printed.splitlines()[2:4]]
    # The early and late figures of so short a run are those of Python starting and ending.
    assert min(peaks) > 50, "less than numpy and onnxruntime take"


@pytest.mark.slow
def test_every_way_to_decode_comes_out(tmp_path):
    """`python -m benchmarks.inference --quick`, which fails where images are not Keras'."""
    flags = ["--quick", "--runs", str(tmp_path), "--results", str(tmp_path / "found.jsonl")]
    assert inference.main(flags) == 0

    (record,) = read_records(tmp_path / "found.jsonl")
    assert set(record["contenders"]) | set(record["skipped"]) == set(CONTENDERS)
    assert set(record["skipped"]) <= {"PyTorch eager", "PyTorch compiled", "gensuite, OpenVINO"}
    assert sum(record["profile"].values()) == pytest.approx(1)
    assert len(inference.bars(record)) == 13


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


def way(*rates, reached=None, curve=((0.0, 9.0),)):
    found = {"images_per_second": rates, "start_up": 5.0, "peak_mb": 800.0, "first_steps": []}
    return found | {"curve": curve, "reached": reached}


def raced(**changed):
    ways = {
        rows.OURS: way(200.0, 100.0, 300.0, reached=4.0),
        rows.KERAS: way(100.0, 50.0, 200.0, 100.0, curve=[(0.0, 9.0), (60.0, 8.7)]),
        rows.EAGER: way(110.0, 60.0, 150.0, reached=9.0),
    }
    record = {
        "row": "ae-conv",
        "quick": False,
        "gensuite": __version__,
        "torch": "2",
        "machine": {"cores": 2, "load": 0.1},
        "target": 8.5,
        "ways": ways,
        "skipped": {rows.COMPILED: "no network", rows.PYTHAE: "no network"},
        "pipeline": [(200.0, 202.0), (100.0, 101.0), (300.0, 360.0)],
        "profile": {"MatMul": 0.7, "Relu": 0.3},
        "flops": 10**8,
        "peak_gflops": 100.0,
        "memory": {"epochs": [5, 50], "mb": [800.0, 820.0]},
    }
    return record | changed


def test_a_ratio_is_the_median_of_the_turns_and_its_bar_is_met_missed_or_not_measured():
    """Beside Keras 2, 2 and 1.5; beside PyTorch 1.8, 1.7 and 2. The peak: 1,000 images a second."""
    cells = training_tables.bars([raced()]).splitlines()[-1].split(" | ")

    assert cells[1:5] == ["2.00: met", "1.82: missed by 0.18", "not measured", "not measured"]
    assert cells[5] == "1.0%: met"
    assert cells[6] == "800 MB after 5, 820 after 50: missed by 1.5%"
    assert cells[7] == "20% (11%) |"


def test_the_tables_of_training_take_the_newest_record_and_name_what_is_missing():
    old = raced(target=1.0)
    table = training_tables.races([old, raced(row="gan-dense"), raced()])

    assert "validation loss 8.5 | 4.0 | not in 60 (8.7) | 9.0" in table
    assert "validation loss 1 " not in table
    assert table.index("| ae-conv |") < table.index("| gan-dense |")
    assert "Not measured: pythae: no network." in table
    assert "MatMul 70%, Relu 30%" in table
    assert training_tables.races([]) == ""


def test_a_target_between_two_looks_is_reached_between_them():
    curve = [(0.0, 10.0), (2.0, 6.0), (4.0, 2.0)]

    assert race.time_to(curve, 5.0) == pytest.approx(2.5)
    assert race.time_to(curve, 1.0) is None
    assert race.time_to(curve, 100.0) == curve[0][0]


def test_ways_that_do_not_train_the_same_are_refused():
    ours = [{"loss": 100.0, "kl": 3.0}, {"loss": 80.0, "kl": 3.0}]
    same = [{"loss": 100.05}, {"loss": 81.0}]
    race.check_agreement({rows.OURS: ours, rows.KERAS: same, rows.OWN_GAN: []})

    with pytest.raises(GensuiteError, match=r"Keras fit: its loss in the first step is 100\.2"):
        race.check_agreement({rows.OURS: ours, rows.KERAS: [{"loss": 100.2}, {"loss": 80.0}]})
    with pytest.raises(GensuiteError, match="its loss over 2 steps is 92.5, where"):
        race.check_agreement({rows.OURS: ours, rows.KERAS: [{"loss": 100.0}, {"loss": 85.0}]})


def test_a_run_that_was_stopped_goes_on_with_the_rows_that_are_missing(tmp_path):
    results = tmp_path / "training.jsonl"
    settings = {"row": "gan-dcgan", "gensuite": __version__, "settings": []}
    records = [raced(), raced(row="vae-conv", gensuite="0.0.1"), settings]
    results.write_text("".join(json.dumps(record) + "\n" for record in records))

    def missing(*flags):
        return training.missing(training.parse_args([*flags, "--results", str(results)]))

    assert missing() == [name for name in rows.ROWS if name != "ae-conv"]
    assert missing("--settings") == [name for name in rows.ROWS if name != "gan-dcgan"]
    assert missing("--row", "ae-conv") == ["ae-conv"]


@pytest.mark.slow
def test_every_way_to_train_comes_out(tmp_path):
    """`make bench-quick`'s part of training; a run fails where two ways train another model."""
    results = tmp_path / "found.jsonl"
    flags = ["--quick", "--runs", str(tmp_path), "--results", str(results)]
    assert training.main(flags) == 0
    assert training.main([*flags, "--settings", "--row", "vae-dense"]) == 0

    *records, settings = read_records(results)
    assert [record["row"] for record in records] == list(rows.QUICK_ROWS)
    for record in records:
        assert set(record["ways"]) | set(record["skipped"]) == set(rows.ROWS[record["row"]].ways)
        for name, found in record["ways"].items():
            assert min(found["images_per_second"]) > 0, name
            assert found["peak_mb"] > 100
        assert sum(record["profile"].values()) == pytest.approx(1)
    assert len(training_tables.bars(records).splitlines()) == 2 + len(rows.QUICK_ROWS)
    assert all(min(each["images_per_second"]) > 0 for each in settings["settings"])
    assert training_tables.settings([settings]).count("\n") == 2
