"""The light commands: one line for a bad word, and exit codes that scripts can trust."""

import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

import gensuite
from gensuite import info, sample, verify
from gensuite.__main__ import main as gensuite_main
from gensuite.arrays import pack
from gensuite.inference import bundle as bundles
from gensuite.inference.images import grid
from gensuite.train import main as train_main
from tests.conftest import parts_of, python


@pytest.fixture
def one_line(capsys):
    def read():
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("error: ")
        return lines[0]

    return read


def test_sample_writes_the_grid_of_the_seed(toy_bundle, tmp_path, capsys):
    out = tmp_path / "grid.png"
    assert sample.main([str(toy_bundle), "--count", "9", "--seed", "7", "--out", str(out)]) == 0

    expected = grid(gensuite.load(toy_bundle).sample(9, seed=7))
    assert np.array_equal(np.asarray(Image.open(out)), np.asarray(expected))
    assert "9 images, seed 7, sha256:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--count", "0"], "count: 0 given"),
        (["--count", "-3"], "count: -3 given"),
        (["--count", "10001"], "one picture takes 1 to 10000"),
        (["--count", "many"], "invalid int value: 'many'"),
        (["--seed", "-1"], "seed: -1 given"),
        (["--seed", str(2**32)], "from 0 to 2^32 - 1"),
        (["--spread", "nan"], "spread: nan given"),
        (["--prior", "gaussian"], "this model has standard and fitted"),
        (["--threads", "0"], "threads: 0 given"),
        (["--out", "grid.gif"], "ends in .png"),
        (["--out", "no/such/folder/grid.png"], "there is no folder"),
        (["--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_bad_words_to_sample_are_one_line_and_exit_2(toy_bundle, flags, said, one_line):
    assert sample.main([str(toy_bundle), *flags]) == 2
    assert said in one_line()


def test_a_picture_is_not_written_into_the_bundle_that_it_would_break(
    toy_bundle, tmp_path, one_line
):
    path = shutil.copytree(toy_bundle, tmp_path / "bundle")
    assert sample.main([str(path), "--out", str(path / "grid.png")]) == 2
    assert "lies in the bundle" in one_line()
    assert bundles.read(path)


@pytest.mark.parametrize("main", [sample.main, verify.main, info.main])
def test_no_bundle_is_exit_2_for_every_command(main, tmp_path, one_line):
    assert main([str(tmp_path / "nothing")]) == 2
    assert "no bundle here" in one_line()


def test_verify_re_runs_the_proof(any_toy, capsys):
    assert verify.main([str(any_toy)]) == 0
    output = capsys.readouterr().out

    assert "largest difference" in output
    assert f"verified {bundles.read(any_toy).identity}" in output


@pytest.fixture
def altered(toy_bundle, tmp_path):
    path = shutil.copytree(toy_bundle, tmp_path / "altered")
    content = bytearray((path / "decoder.onnx").read_bytes())
    content[-40] ^= 1
    (path / "decoder.onnx").write_bytes(content)
    return path


def test_an_altered_bundle_is_exit_1_for_verify_and_2_for_the_others(altered, capsys):
    assert verify.main([str(altered)]) == 1
    assert "NOT VERIFIED (hash)" in capsys.readouterr().err
    assert sample.main([str(altered)]) == 2
    assert info.main([str(altered)]) == 2
    assert all("has been altered" in line for line in capsys.readouterr().err.splitlines())


def test_golden_outputs_that_do_not_come_out_are_exit_1(toy_bundle, tmp_path, capsys):
    """A bundle whose hashes are right and whose model is another's."""
    bundle = bundles.read(toy_bundle)
    golden = bundle.arrays("golden.npz")
    golden["decoder.image"] = golden["decoder.image"] + np.float32(3e-4)
    facts, files = parts_of(bundle)
    files["golden.npz"] = pack(golden)
    bundles.write(tmp_path / "other", facts, files, replace=False)

    assert verify.main([str(tmp_path / "other")]) == 1
    assert "decoder image differs by 0.0003" in capsys.readouterr().err


def test_info_lists_bundles_and_gives_the_reason_of_a_broken_one(
    toy_bundle, altered, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert info.main([]) == 0
    assert "no bundles in artifacts/" in capsys.readouterr().out
    shutil.copytree(toy_bundle, tmp_path / "artifacts" / "good")
    shutil.copytree(altered, tmp_path / "artifacts" / "bad")
    assert info.main([]) == 0
    bad, good = capsys.readouterr().out.splitlines()
    (tmp_path / "artifacts" / "good" / "manifest.json").unlink()
    assert info.main([]) == 0
    assert "manifest.json is missing" in capsys.readouterr().out

    assert "BROKEN" in bad
    assert "decoder.onnx has been altered" in bad
    assert "VAE of digits, latent 2, 8x8x1" in good


def test_info_describes_one_bundle(any_toy, capsys):
    assert info.main([str(any_toy)]) == 0
    output = capsys.readouterr().out

    for words in ("sha256:", "prior: ", "z ['batch', 2]", "bytes", "CC BY 4.0", "not measured"):
        assert words in output


COMMANDS = ["gensuite", "gensuite.train", "gensuite.evaluate", "gensuite.doctor"]
COMMANDS += ["gensuite.sample", "gensuite.verify", "gensuite.info"]


@pytest.mark.parametrize("module", [*COMMANDS, "export", "export.contact_sheet"])
def test_help_and_version_need_no_heavy_package(module):
    for flag, expected in (("--help", "usage: python -m"), ("--version", "gensuite 0.1.0")):
        script = (
            "import runpy, sys\n"
            f"sys.argv = ['{module}', '{flag}']\n"
            "try:\n"
            f"    runpy.run_module('{module}', run_name='__main__')\n"
            "finally:\n"
            "    heavy = {'tensorflow', 'keras', 'onnx', 'tf2onnx', 'sklearn'} & set(sys.modules)\n"
            "    assert not heavy, heavy\n"
        )
        done = subprocess.run(python("-c", script), capture_output=True, text=True, check=True)
        assert expected in done.stdout


def test_the_package_lists_its_commands(capsys):
    assert gensuite_main([]) == 0
    output = capsys.readouterr().out

    assert all(f"python -m {module}" in output for module in [*COMMANDS[1:], "export"])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--model", "dcgan"], "model: 'dcgan' given; did you mean 'gan'? allowed are ae, vae"),
        (["--model", ""], "model: '' given; allowed are ae, vae"),
        (["--config", ""], "--config : cannot be read"),
        (["--dataset", "folder:"], "dataset: 'folder:' given; it needs the folder's path"),
        (["--latent-dim", "0"], "latent_dim: 0 given; allowed is a whole number from 1 to 512"),
        (["--image-size", "30"], "image_size: 30 given; allowed is a multiple of 4 from 8 to 128"),
        (["--epochs", "ten"], "epochs: 'ten' given; allowed is a whole number"),
        (["--network", "cnn"], "network: 'cnn' given; allowed is conv or dense"),
        (["--model", "gan", "--beta", "2"], "beta: gan has no such setting"),
        (["--epohcs", "3"], "unrecognized arguments: --epohcs 3"),
        (["--config", "absent.json"], "--config absent.json: cannot be read"),
        (["--dataset", "folder:~nobody-at-all"], "there is no such folder"),
        (["--dataset", "mnist:9.9.9"], "dataset: 'mnist:9.9.9' given"),
        (["--resume", "absent"], "absent: no run here"),
        (["--dataset", "mnits"], "did you mean 'mnist'"),
    ],
)
def test_bad_words_to_train_are_one_line_and_exit_2_before_tensorflow(flags, said):
    script = (
        "import sys; from gensuite.train import main; code = main(sys.argv[1:]); "
        "assert 'tensorflow' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run(python("-c", script, *flags), capture_output=True, text=True, check=False)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert said in line


def test_evaluate_refuses_what_is_no_run_before_tensorflow(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    script = (
        "import sys; from gensuite.evaluate import main; code = main(sys.argv[1:]); "
        "assert 'tensorflow' not in sys.modules; sys.exit(code)"
    )
    words = python("-c", script, str(tmp_path))
    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert "was stopped before it began" in line


def test_a_model_of_a_wrong_kind_in_a_config_file_is_refused(tmp_path, capsys):
    (tmp_path / "config.json").write_text('{"model": ["vae"]}')
    assert train_main(["--config", str(tmp_path / "config.json"), "--epochs", "3"]) == 2

    assert "model: ['vae'] given" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["gensuite.train"], ["export", "somewhere"]])
def test_without_the_training_packages_a_command_says_what_to_install(words, tmp_path):
    """As on a machine where only the light wing is installed."""
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "record.json").write_text(
        '{"schema": 2, "dataset": {"sha256": "", "image_shape": [8, 8, 1]}}'
    )
    words = [str(tmp_path) if word == "somewhere" else word for word in words]
    script = (
        "import runpy, sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('tensorflow', 'tensorflow_datasets', 'keras'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"sys.argv = {words!r}\n"
        f"runpy.run_module({words[0]!r}, run_name='__main__')\n"
    )
    done = subprocess.run(python("-c", script), capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "is not installed; training and export need, in a checkout" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_of_train_is_made_from_the_settings(capsys):
    with pytest.raises(SystemExit) as caught:
        train_main(["--help"])
    text = " ".join(capsys.readouterr().out.split())

    assert caught.value.code == 0
    assert "--latent-dim LATENT_DIM numbers in a latent code" in text
    assert "default: 8 for ae, 8 for vae, 64 for gan" in text
    assert "--beta BETA weight of the KL divergence (vae only) (default: 1.0)" in text
