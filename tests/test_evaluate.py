"""``python -m gensuite.evaluate``: a run is measured and keeps its scores, a bundle stays."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from export.__main__ import main as export
from gensuite.errors import BundleError, RunError
from gensuite.evaluate import main
from gensuite.inference import bundle as bundles
from gensuite.inference.manifest import canonical, check_manifest, sha256
from gensuite.info import description
from gensuite.metrics.subjects import BundleSubject, RunSubject
from gensuite.scores import check_scores, groups
from gensuite.train import main as train
from gensuite.training.runs import Run

QUICK = ("--samples", "300", "--importance-samples", "20", "--images", "100")


def strict(text):
    """JSON as the standard has it: no NaN, no Infinity."""

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def fingerprint(folder: Path):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def measured(runs, tmp_path_factory):
    """Copies of the runs, measured: family → folder."""
    folder = tmp_path_factory.mktemp("measured")
    for family, path in runs.items():
        shutil.copytree(path, folder / family)
        assert main([str(folder / family), *QUICK]) == 0
    return {family: folder / family for family in runs}


@pytest.fixture(scope="module")
def scored_bundle(measured, tmp_path_factory):
    """The bundle of the measured VAE."""
    path = tmp_path_factory.mktemp("artifacts") / "vae"
    assert export([str(measured["vae"]), "--to", str(path)]) == 0
    return path


@pytest.mark.parametrize("family", ["ae", "vae", "gan"])
def test_a_run_gets_scores_with_intervals_floors_and_protocols(measured, family):
    scores = strict((measured[family] / "scores.json").read_text())

    check_scores(scores)
    assert ("likelihood" in scores) == (family == "vae")
    assert ("reconstruction" in scores) == (family != "gan")
    assert set(scores["samples"]) == {
        *("frechet", "kid", "precision", "recall", "density", "coverage"),
        *("nearest_median", "nearest_p01", "nearest_share"),
        *("entropy", "unsure", "class_shares"),
    }
    for name, score in scores["samples"].items():
        assert "floor" in score, name
        assert {"data", "split", "seed", "samples", "real", "bootstrap", "prior"} <= set(
            score["protocol"]
        ), name
    # Two epochs make poor images, and the scores must say so.
    assert scores["samples"]["frechet"]["low"] > scores["samples"]["frechet"]["floor"]["high"]
    assert scores["samples"]["frechet"]["protocol"]["samples"] == 297


def test_an_autoencoder_is_scored_with_both_priors(measured):
    scores = strict((measured["ae"] / "scores.json").read_text())

    assert scores["model"]["prior"] == "gaussian"
    own, other = scores["samples"]["frechet"], scores["other_priors"]["standard"]["frechet"]
    assert own["protocol"]["prior"] == "gaussian"
    assert other["protocol"]["prior"] == "standard"
    assert own["value"] != other["value"]


def test_the_likelihood_has_its_protocol_and_lies_above_the_elbo(measured):
    found = strict((measured["vae"] / "scores.json").read_text())["likelihood"]

    assert found["elbo"]["value"] < found["log_likelihood"]["value"] < 0
    protocol = found["log_likelihood"]["protocol"]
    assert protocol["importance_samples"] == 20
    assert protocol["images"] == 100
    assert "binarized once" in protocol["pixels"]


def test_the_same_seed_gives_the_same_scores(measured, capfd):
    before = (measured["gan"] / "scores.json").read_bytes()

    assert main([str(measured["gan"]), *QUICK, "--json"]) == 0

    assert (measured["gan"] / "scores.json").read_bytes() == before
    assert strict(capfd.readouterr().out) == strict(before)


def expect_alike(again, run):
    """Every group but the likelihood, of a bundle within the intervals of its run."""
    ours, theirs = (dict(groups(scores)) for scores in (again, run))
    theirs.pop("likelihood", None)
    assert ours.keys() == theirs.keys()
    for title, group in theirs.items():
        assert ours[title].keys() == group.keys()
        for name, score in group.items():
            if name != "class_shares":
                value = ours[title][name]["value"]
                assert score["low"] <= value <= score["high"], (title, name)
            assert ours[title][name]["protocol"] == score["protocol"]


def test_a_bundle_gives_the_scores_of_its_run_and_is_left_alone(measured, scored_bundle, capfd):
    before = fingerprint(scored_bundle)
    run = strict((measured["vae"] / "scores.json").read_text())

    assert main([str(scored_bundle), *QUICK, "--json"]) == 0

    again = strict(capfd.readouterr().out)
    assert fingerprint(scored_bundle) == before
    assert "evaluate its run" in again["not_measured"]["likelihood"]
    assert again["holes"]["unsure"]["protocol"]["prior"] == "standard"
    assert again["other_priors"].keys() == run["other_priors"].keys() == {"fitted"}
    expect_alike(again, run)
    assert again["samples"]["frechet"]["floor"] == run["samples"]["frechet"]["floor"]


def test_an_autoencoders_bundle_gives_the_scores_of_its_run(measured, exported, capfd):
    run = strict((measured["ae"] / "scores.json").read_text())

    assert main([str(exported["ae"]), *QUICK, "--json"]) == 0

    again = strict(capfd.readouterr().out)
    assert again["holes"]["unsure"]["protocol"]["prior"] == "gaussian"
    expect_alike(again, run)


def test_a_conditional_run_and_its_bundle_agree(
    conditional_run, conditional_bundle, tmp_path, capfd
):
    path = tmp_path / "cgan"
    shutil.copytree(conditional_run, path)
    assert main([str(path), *QUICK, "--json"]) == 0
    run = strict(capfd.readouterr().out)
    assert main([str(conditional_bundle), *QUICK, "--json"]) == 0
    again = strict(capfd.readouterr().out)

    expect_alike(again, run)
    agreement = again["samples"]["agreement"]
    # Four epochs teach it little, and the classifier knows nearly all real images.
    assert agreement["value"] < agreement["floor"]["low"]
    assert agreement["protocol"]["samples"] == 300

    subjects = RunSubject(Run.open(path)), BundleSubject(conditional_bundle)
    labels = [subject.labels(200, 7) for subject in subjects]
    codes = [subject.draw(200, 7, "standard") for subject in subjects]
    assert subjects[0].classes == subjects[1].classes == 10
    assert np.array_equal(*labels)
    assert len(np.unique(labels[0])) == 10
    assert np.array_equal(*codes)


def test_export_carries_the_scores_into_manifest_card_and_info(measured, scored_bundle):
    scores = strict((measured["vae"] / "scores.json").read_text())
    bundle = bundles.read(scored_bundle)
    card = bundle.files["README.md"].decode()

    assert bundle.manifest["scores"] == scores
    value = f"{scores['samples']['frechet']['value']:.4g}"
    floor = f"{scores['samples']['frechet']['floor']['value']:.4g}"
    line = next(line for line in card.splitlines() if line.startswith("| Fréchet distance"))
    assert value in line
    assert line.endswith(f"| {floor} |")
    assert "python -m gensuite.evaluate artifacts/" in card
    _, _, health = card.partition("## Latent health")
    unsure = scores["holes"]["unsure"]
    assert f"the classifier is unsure of {unsure['value']:.1%} of it" in health
    assert f"and of {unsure['floor']['value']:.1%} of real test images" in health
    assert scores["samples"]["frechet"]["protocol"]["classifier"] in card
    assert value in description(bundle)


def test_a_bundle_that_was_not_measured_says_so(exported):
    bundle = bundles.read(exported["gan"])

    assert "scores" not in bundle.manifest
    assert "## Scores\n\nNot measured." in bundle.files["README.md"].decode()
    assert "scores: not measured" in description(bundle)


@pytest.mark.parametrize(
    "damage",
    [
        lambda score: score.update(value="1"),
        lambda score: score.update(low=None),
        lambda score: score.update(value=True),
        lambda score: score.update(value=[]),
        lambda score: score.update(floor=[1]),
        lambda score: score.pop("protocol"),
    ],
)
def test_a_manifest_with_other_scores_is_refused(scored_bundle, damage):
    manifest = json.loads((scored_bundle / "manifest.json").read_bytes())
    damage(manifest["scores"]["samples"]["frechet"])
    manifest["sha256"] = sha256(canonical({k: v for k, v in manifest.items() if k != "sha256"}))

    with pytest.raises(BundleError, match="frechet"):
        check_manifest(canonical(manifest))


def test_scores_are_forgotten_when_training_goes_on(measured, tmp_path):
    path = tmp_path / "gan"
    shutil.copytree(measured["gan"], path)

    assert train(["--resume", str(path), "--epochs", "3"]) == 0

    assert not (path / "scores.json").exists()


def test_damaged_scores_are_refused_by_export(measured, tmp_path, capfd):
    path = tmp_path / "gan"
    shutil.copytree(measured["gan"], path)
    (path / "scores.json").write_text('{"samples": {"frechet": NaN}}')

    assert export([str(path), "--to", str(tmp_path / "bundle")]) == 2
    assert "scores.json: damaged" in capfd.readouterr().err
    with pytest.raises(RunError, match="evaluate again"):
        Run.open(path).read_scores()


def refusal(capfd, *arguments):
    """The one line with which the command ends."""
    assert main([str(each) for each in arguments]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line


def test_bad_input_is_refused_in_one_line(measured, tmp_path, capfd):
    assert "neither a run nor a bundle" in refusal(capfd, tmp_path)
    assert "--samples: 5 given; allowed is 100 to 100000" in refusal(
        capfd, measured["gan"], "--samples", 5
    )
    assert "--seed: -1 given" in refusal(capfd, measured["gan"], "--seed", -1)


def test_a_run_in_use_or_without_a_checkpoint_is_refused(measured, tmp_path, capfd):
    path = tmp_path / "gan"
    shutil.copytree(measured["gan"], path)
    before = fingerprint(path)
    run = Run.open(path)
    run.lock()
    assert "in use by another process" in refusal(capfd, path)
    run.close()
    shutil.rmtree(path / "checkpoints")
    assert "no whole checkpoint is left" in refusal(capfd, path)
    assert (path / "scores.json").read_bytes() == (measured["gan"] / "scores.json").read_bytes()
    assert set(fingerprint(path)) <= {*before, Path(".lock")}


def test_a_bundle_of_other_data_is_refused(scored_bundle, tmp_path, capfd):
    path = tmp_path / "vae"
    bundle = bundles.read(scored_bundle)
    made_by_write = ("schema", "ports", "files", "sha256")
    facts = {key: value for key, value in bundle.manifest.items() if key not in made_by_write}
    facts["dataset"] = dict(facts["dataset"], sha256="0" * 64)
    files = {name: data for name, data in bundle.files.items() if name != "manifest.json"}
    bundles.write(path, facts, files, replace=False)

    assert "evaluate it where its data set is" in refusal(capfd, path)


def test_groups_are_listed_with_the_models_own_prior_first(measured):
    scores = strict((measured["ae"] / "scores.json").read_text())

    titles = [title for title, _ in groups(scores)]

    assert titles[:3] == ["reconstruction", "samples", "holes"]
    assert set(titles[3:]) == {"samples, prior standard", "samples, prior fitted"}
