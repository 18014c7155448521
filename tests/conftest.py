"""What several test files share: toy bundles, one quick run per family, and its export."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gensuite.inference.bundle import Bundle
from gensuite.inference.manifest import MANIFEST

BUNDLES = Path(__file__).parent / "bundles"
FAMILIES = ("ae", "vae", "gan")

# Equality to the bit is promised on the CPU.
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
# TensorFlow's start-up notes would bury the tests' own output.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(scope="session", autouse=True)
def tfds_folder() -> Iterator[Path]:
    """Keep data sets that tests, and the commands they start, prepare in a folder apart."""
    with tempfile.TemporaryDirectory(prefix="gensuite-tfds-") as folder:
        os.environ["TFDS_DATA_DIR"] = folder
        yield Path(folder)


@pytest.fixture(scope="session")
def toy_bundle() -> Path:
    """A committed VAE of 8x8 digits with 2-D codes."""
    return BUNDLES / "toy-vae"


@pytest.fixture(scope="session", params=(*FAMILIES, "cgan"))
def any_toy(request: pytest.FixtureRequest) -> Path:
    """The committed bundle of each family, and of a conditional GAN, in turn."""
    return BUNDLES / f"toy-{request.param}"


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run of every family: dense networks, two epochs on `digits`."""
    from gensuite.train import main

    folder = tmp_path_factory.mktemp("runs")
    paths = {}
    for family in FAMILIES:
        paths[family] = folder / f"{family}-digits"
        flags = ["--model", family, "--network", "dense", "--epochs", "2"]
        flags += ["--save-seconds", "86400"]  # first and last checkpoint alone, however slow
        assert main([*flags, "--run-dir", str(paths[family])]) == 0
    return paths


@pytest.fixture(scope="session")
def exported(runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The bundles of :func:`runs`."""
    from export.__main__ import main

    folder = tmp_path_factory.mktemp("artifacts")
    paths = {family: folder / path.name for family, path in runs.items()}
    for family, path in runs.items():
        assert main([str(path), "--to", str(paths[family])]) == 0
    return paths


@pytest.fixture
def artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the studio takes its bundles from."""
    folder = tmp_path / "artifacts"
    folder.mkdir()
    monkeypatch.setenv("GENSUITE_ARTIFACTS", str(folder))
    return folder


CONDITIONAL = ["--model", "gan", "--conditional", "--network", "dense", "--image-size", "12"]
CONDITIONAL += ["--epochs", "4", "--ema", "0.9", "--decay", "0.5", "--discriminator-steps", "2"]
"""Labels and all that changes over a training, in epochs of 21 steps, an odd number."""


@pytest.fixture(scope="session")
def conditional_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of CONDITIONAL that has kept every checkpoint."""
    from gensuite.train import main

    path = tmp_path_factory.mktemp("conditional") / "cgan-digits"
    keep = ["--save-seconds", "0", "--keep", "100"]
    assert main([*CONDITIONAL, *keep, "--run-dir", str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def conditional_bundle(conditional_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of :func:`conditional_run`."""
    from export.__main__ import main

    path = tmp_path_factory.mktemp("artifacts") / "cgan-digits"
    assert main([str(conditional_run), "--to", str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def raw_data() -> Path:
    """Folder of genuine MNIST and Fashion-MNIST files, one folder each."""
    folder = os.environ.get("GENSUITE_RAW_DATA")
    if not folder:
        pytest.skip("GENSUITE_RAW_DATA does not name a folder of MNIST and Fashion-MNIST files")
    return Path(folder)


def parts_of(bundle: Bundle) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The facts and files that :func:`gensuite.inference.bundle.write` makes a bundle from."""
    made_by_write = ("schema", "ports", "files", "sha256")
    facts = {key: value for key, value in bundle.manifest.items() if key not in made_by_write}
    return facts, {name: data for name, data in bundle.files.items() if name != MANIFEST}


def python(*arguments: str) -> list[str]:
    """A command line of this interpreter."""
    return [sys.executable, *arguments]
