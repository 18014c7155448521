"""The doctor: its rules on both sides of every threshold, and where its remarks are kept."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from benchmarks import doctor as benchmark
from gensuite import doctor
from gensuite.config import AEConfig, GANConfig, VAEConfig
from gensuite.inference import bundle as bundles
from gensuite.train import main, make_config, parse_args
from gensuite.training.diversity import diversity
from gensuite.training.doctor import EPOCHS, STEPS, diagnose
from tests.conftest import python
from tests.test_walls import REFUSE

HEALTHY = {
    "ae": {"loss": 9.0, "val_loss": 9.0},
    "vae": {"loss": 260.0, "reconstruction": 250.0, "kl": 13.0, "val_loss": 262.0},
    "gan": {"discriminator_loss": 1.0, "generator_loss": 1.4, "real_score": 0.7}
    | {"generated_score": 0.3},
}
DIVERSE = {"sample_spread": 0.9, "sample_nearest": 0.9}


LATE = 1000
"""Steps after which no threshold is too early to be met."""


def history(family, epochs=EPOCHS, first_step=LATE, **values):
    """Equal epochs of 100 steps, of which the first ends at ``first_step``."""
    return [
        {"epoch": 3 + index, "step": first_step + 100 * index} | HEALTHY[family] | DIVERSE | values
        for index in range(epochs)
    ]


def codes(config, rows):
    return [remark.code for remark in diagnose(config, rows)]


EDGES = [  # illness, settings, values that show it, values that just do not
    ("posterior_collapse", VAEConfig(beta=30.0), {"kl": 0.69}, {"kl": 0.70}),
    ("kl_scale", VAEConfig(beta=0.001), {"kl": 72.1}, {"kl": 71.9}),
    ("kl_scale", VAEConfig(latent_dim=2), {"kl": 18.1}, {"kl": 17.9}),
    (
        "saturated_discriminator",
        GANConfig(),
        {"real_score": 0.995, "generated_score": 0.01},
        {"real_score": 0.985, "generated_score": 0.01},
    ),
    ("mode_collapse", GANConfig(), {"sample_spread": 0.49}, {"sample_spread": 0.51}),
    ("duplicate_samples", AEConfig(), {"sample_nearest": 0.053}, {"sample_nearest": 0.055}),
    ("nan", AEConfig(), {"loss": np.nan}, {}),
    ("nan", GANConfig(), {"generator_loss": np.inf}, {}),
]


@pytest.mark.parametrize(("code", "config", "ill", "well"), EDGES)
def test_an_illness_is_named_on_one_side_of_its_threshold_alone(code, config, ill, well):
    (remark,) = diagnose(config, history(config.family, **ill))

    assert remark.code == code
    assert remark.epoch == 3
    assert diagnose(config, history(config.family, **well)) == []


@pytest.mark.parametrize(("code", "config", "ill", "well"), EDGES[:-2])
def test_a_sign_must_stand_in_the_last_epochs_and_goes_when_it_ends(code, config, ill, well):
    family = config.family
    healthy = history(family, epochs=1, **well)

    assert diagnose(config, history(family, epochs=EPOCHS - 1, **ill)) == []
    assert codes(config, healthy + history(family, **ill)) == [code]
    assert diagnose(config, history(family, epochs=20, **ill) + healthy) == []


@pytest.mark.parametrize(("config", "ill"), [(config, ill) for _, config, ill, _ in EDGES[:-2]])
def test_nothing_is_said_before_a_training_has_had_time_to_move(config, ill):
    assert diagnose(config, history(config.family, first_step=STEPS - 1, **ill)) == []
    if "sample_spread" not in ill:
        assert diagnose(config, history(config.family, first_step=STEPS, **ill)) != []


def test_a_generator_is_given_the_way_that_its_learning_rate_needs():
    fast, slow = GANConfig(learning_rate=0.001), GANConfig(learning_rate=0.0005)
    for config, steps in ((fast, 1000), (slow, 2000)):
        late = history("gan", first_step=steps, sample_spread=0.1)
        assert codes(config, late) == ["mode_collapse"]
        early = history("gan", first_step=steps - 1, sample_spread=0.1)
        assert diagnose(config, early) == []


def test_a_generator_that_waits_for_its_discriminator_is_given_time_for_its_own_steps():
    """The history counts the discriminator's steps, of which each fifth is the generator's too."""
    config = GANConfig(discriminator_steps=5)

    assert diagnose(config, history("gan", first_step=4999, sample_spread=0.1)) == []
    late = history("gan", first_step=5000, sample_spread=0.1)
    assert codes(config, late) == ["mode_collapse"]


def test_a_broken_number_is_named_at_once():
    rows = history("vae", epochs=1, first_step=1, val_loss=np.nan)
    (remark,) = diagnose(VAEConfig(learning_rate=0.5), rows)

    assert remark.code == "nan"
    assert remark.seen.startswith("val_loss not finite")


def test_the_cause_is_named_and_not_what_follows_from_it():
    """Samples of a collapsed posterior are duplicates; an unmoved generator's are of one kind."""
    same = {"sample_spread": 0.05, "sample_nearest": 0.01}

    assert codes(VAEConfig(), history("vae", kl=0.01, **same)) == ["posterior_collapse"]
    easy = {"real_score": 1.0, "generated_score": 0.0}
    assert codes(GANConfig(), history("gan", **easy, **same)) == ["saturated_discriminator"]
    line = {"sample_spread": 0.4, "sample_nearest": 0.01}
    assert codes(GANConfig(), history("gan", **line)) == ["duplicate_samples"]
    dot = {"sample_spread": 0.01, "sample_nearest": 0.01}
    assert codes(GANConfig(), history("gan", **dot)) == ["mode_collapse"]


def test_a_run_from_before_the_samples_were_measured_is_examined_by_what_it_has():
    rows = history("gan", real_score=1.0, generated_score=0.0)
    for row in rows:
        del row["sample_spread"], row["sample_nearest"]

    assert codes(GANConfig(), rows) == ["saturated_discriminator"]
    assert diagnose(GANConfig(), []) == []


@pytest.mark.parametrize(("code", "config", "ill"), [edge[:3] for edge in EDGES[:-2]])
def test_a_sign_whose_column_is_missing_is_not_looked_for(code, config, ill):
    """Whichever of the columns: the run may be of another trainer or of an earlier version."""
    for column in ("kl", "real_score", "generated_score", "sample_spread", "sample_nearest"):
        rows = history(config.family, **ill)
        for row in rows:
            row.pop(column, None)
        needed = {"saturated_discriminator": {"real_score", "generated_score"}}
        needed["duplicate_samples"] = {"sample_spread", "sample_nearest"}
        told = [] if column in needed.get(code, ill) else [code]
        assert codes(config, rows) == told


@pytest.mark.parametrize(
    ("flags", "values", "remedy"),
    [
        ("--model vae --beta 30", {"kl": 0.1}, "--beta 1"),
        ("--model vae", {"kl": 0.1}, "--kl-warmup 20"),
        ("--model vae --epochs 12", {"kl": 0.1}, "--kl-warmup 20 --epochs 40"),
        ("--model vae --kl-warmup 2", {"kl": 0.1}, "--kl-warmup 4"),
        ("--model vae --kl-warmup 2 --epochs 4", {"kl": 0.1}, "--kl-warmup 4 --epochs 8"),
        ("--model vae --beta 0.01", {"kl": 99.0}, "--beta 1"),
        ("--model vae --beta 2", {"kl": 99.0}, "--beta 8"),
        ("--model ae --learning-rate 0.1", {"loss": np.inf}, "--learning-rate 0.001"),
        ("--model ae --learning-rate 0.0001", {"loss": np.inf}, "--learning-rate 2e-05"),
        (
            "--model gan --discriminator-learning-rate 0.02",
            {"real_score": 1.0, "generated_score": 0.0},
            "--discriminator-learning-rate 0.001",
        ),
        (
            "--model gan --learning-rate 0.00001 --discriminator-learning-rate 0.001",
            {"real_score": 1.0, "generated_score": 0.0},
            "--learning-rate 0.001",
        ),
        (
            "--model gan",
            {"real_score": 1.0, "generated_score": 0.0},
            "--discriminator-learning-rate 0.00025",
        ),
        (
            "--model gan --learning-rate 0.02",
            {"real_score": 1.0, "generated_score": 0.0},
            "--learning-rate 0.001",
        ),
        (
            "--model gan --discriminator-learning-rate 0.00001",
            {"sample_spread": 0.1},
            "--discriminator-learning-rate 0.001",
        ),
        ("--model gan --learning-rate 0.01", {"sample_spread": 0.1}, "--learning-rate 0.001"),
        ("--model vae --latent-dim 1", {"kl": 3.0, "sample_nearest": 0.01}, "--latent-dim 8"),
        ("--model gan", {"sample_nearest": 0.01}, "--learning-rate 0.0002"),
    ],
)
def test_a_remedy_is_flags_that_training_takes(flags, values, remedy):
    config = make_config(parse_args(flags.split()))
    (remark,) = diagnose(config, history(config.family, **values))

    assert remark.remedy == remedy
    cured = make_config(parse_args([*flags.split(), *remedy.split()]))
    assert cured != config


def test_diversity_agrees_with_a_slow_count():
    noise = np.random.default_rng(0)
    samples, images = noise.random((2, 7, 4, 4, 3))

    def distances(some):
        count = range(len(some))
        return [
            [np.sqrt(((some[i] - some[j]) ** 2).mean()) for j in count if j != i] for i in count
        ]

    expected_spread = np.mean(distances(samples)) / np.mean(distances(images))
    nearest = [np.median([min(row) for row in distances(some)]) for some in (samples, images)]
    found = diversity(samples, images)

    assert found["sample_spread"] == pytest.approx(expected_spread)
    assert found["sample_nearest"] == pytest.approx(nearest[0] / nearest[1])


def test_diversity_of_the_data_themselves_is_1_and_of_copies_0():
    images = np.random.default_rng(1).random((9, 4, 4, 1))
    copies = np.repeat(images[:1], 9, axis=0)

    assert diversity(images, images) == {"sample_spread": 1.0, "sample_nearest": 1.0}
    assert max(diversity(copies, images).values()) < 1e-6
    assert np.isfinite(list(diversity(images, copies).values())).all()


SICK = ["--model", "vae", "--network", "dense", "--batch-size", "16", "--beta", "30"]


@pytest.fixture(scope="module")
def sick(tmp_path_factory):
    """A run whose posterior has collapsed, of 8 epochs."""
    run = tmp_path_factory.mktemp("sick") / "vae"
    assert main([*SICK, "--epochs", "8", "--run-dir", str(run)]) == 0
    return run


def test_a_healthy_run_has_no_remarks(runs):
    for run in runs.values():
        assert (run / "remarks.json").read_text() == "[]\n"
        assert doctor.main([str(run)]) == 0


def test_a_run_keeps_its_remarks_and_a_resume_gives_the_same(sick, tmp_path, capsys):
    run = tmp_path / "resumed"
    assert main([*SICK, "--epochs", "5", "--run-dir", str(run)]) == 0
    assert (run / "remarks.json").read_text() == "[]\n"
    assert main(["--resume", str(run), "--epochs", "8"]) == 0

    told = [line for line in capsys.readouterr().out.splitlines() if "doctor: " in line]
    assert len(told) == 1
    assert "doctor: posterior collapse since epoch 3: kl " in told[0]
    assert told[0].endswith("train anew with --beta 1")
    assert (run / "remarks.json").read_bytes() == (sick / "remarks.json").read_bytes()
    (remark,) = json.loads((sick / "remarks.json").read_bytes())
    assert remark.keys() == {"code", "epoch", "seen", "cause", "remedy"}
    assert (remark["code"], remark["remedy"]) == ("posterior_collapse", "--beta 1")


def test_remarks_are_a_function_of_the_history(sick):
    """What the loop said after the last epoch is what the file's rows say."""
    run = doctor.Run.open(sick)
    (remark,) = diagnose(run.config, run.read_history())

    assert json.loads((sick / "remarks.json").read_bytes()) == [vars(remark)]


def test_the_command_says_what_it_found_by_its_exit_code(sick, runs, tmp_path, capsys):
    assert doctor.main([str(sick)]) == 1
    assert "posterior collapse since epoch 3" in capsys.readouterr().out
    assert doctor.main([str(tmp_path)]) == 2
    assert "no run here" in capsys.readouterr().err

    run = shutil.copytree(runs["ae"], tmp_path / "hurt")
    for content in (
        "epoch,step,loss\n1,2,three\n",
        "epoch,loss\n1,2\n",
        "epoch,step\n1\n",
        "\0\n1",
    ):
        (run / "history.csv").write_text(content)
        assert doctor.main([str(run)]) == 2
        assert "damaged; --resume writes it again" in capsys.readouterr().err
    (run / "history.csv").unlink()
    assert doctor.main([str(run)]) == 0
    assert "no remarks after 0 epochs" in capsys.readouterr().out


def test_the_command_needs_no_heavy_package(sick):
    script = REFUSE + f"from gensuite.doctor import main; sys.exit(main([{str(sick)!r}]))"
    done = subprocess.run(python("-c", script), capture_output=True, text=True, check=False)

    assert done.returncode == 1, done.stderr
    assert "--beta 1" in done.stdout


def test_a_training_that_diverges_ends_with_the_doctors_words(tmp_path, capsys):
    run = tmp_path / "wild"
    flags = ["--model", "vae", "--network", "dense", "--learning-rate", "1.0"]
    assert main([*flags, "--likelihood", "gaussian", "--run-dir", str(run)]) == 1

    error = capsys.readouterr().err.splitlines()[-1]
    assert error.endswith("Remedy: train anew with --learning-rate 0.001")
    (remark,) = json.loads((run / "remarks.json").read_bytes())
    assert (remark["code"], remark["epoch"]) == ("nan", 1)
    assert doctor.main([str(run)]) == 1


def test_a_bundle_carries_the_remarks_and_its_card_shows_them(sick, exported, tmp_path):
    from export.__main__ import main as export

    assert export([str(sick), "--to", str(tmp_path / "bundle")]) == 0
    files = bundles.read(tmp_path / "bundle").files

    assert files["remarks.json"] == (sick / "remarks.json").read_bytes()
    assert "The doctor: posterior collapse since epoch 3" in files["README.md"].decode()
    for bundle in exported.values():
        files = bundles.read(bundle).files
        assert files["remarks.json"] == b"[]\n"
        assert "The doctor: no remarks." in files["README.md"].decode()


def test_the_benchmark_breaks_every_illness_the_doctor_knows():
    from gensuite.training.doctor import _ILLNESSES

    assert benchmark.BROKEN.keys() == _ILLNESSES.keys()
    assert len(benchmark.HEALTHY) == 10
    assert {make_config(parse_args(flags.split())).family for flags in benchmark.HEALTHY} == {
        "ae",
        "vae",
        "gan",
    }


def test_the_benchmark_keeps_one_record_of_each_training():
    first, second = {"flags": "--beta 1", "right": False}, {"flags": "--beta 2", "right": True}
    again = {"flags": "--beta 1", "right": True}

    assert benchmark.merge([first, first, second], [again]) == [again, second]
    assert benchmark.RESULTS.is_file()
    assert benchmark.RESULTS.is_absolute()


@pytest.mark.slow
def test_illnesses_are_named_and_their_remedies_cure(tmp_path):
    results = tmp_path / "doctor.json"
    assert benchmark.main(["--quick", "--results", str(results)]) == 0

    entries = json.loads(results.read_bytes())
    assert all(entry["right"] for entry in entries)
    named = {entry["expected"] for entry in entries} - {None}
    assert named == set(benchmark.QUICK)
