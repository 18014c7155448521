"""The wall between the two wings, and what the wheel holds."""

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gensuite.metrics.features import PINNED
from tests.conftest import BUNDLES, python

ROOT = Path(__file__).parents[1]
STUDIO = (ROOT / "streamlit_app.py", *(ROOT / "studio").rglob("*.py"))
LIGHT = [
    *STUDIO,
    *(ROOT / "gensuite" / "inference").glob("*.py"),
    *(
        ROOT / "gensuite" / f"{name}.py"
        for name in (
            "__init__",
            "__main__",
            "arrays",
            "config",
            "console",
            "errors",
            "info",
            "ray_cluster",
            "sample",
            "scores",
            "settings",
            "storage",
            "verify",
            "version",
        )
    ),
]
DOORS = {
    "gensuite/inference/saved_model.py": {"tensorflow"},
    "gensuite/inference/ray_shards.py": {"ray"},
    "gensuite/ray_cluster.py": {"ray"},
}
"""Light files that import something heavy when they are asked to."""
ALLOWED = {"numpy", "PIL", "onnxruntime"}
HEAVY = ("tensorflow", "keras", "tensorflow_datasets", "onnx", "tf2onnx", "sklearn", "tqdm", "ray")
HEAVY_WING = ("data", "models", "training", "metrics", "doctor", "train", "evaluate", "sweep")

REFUSE = f"""
import sys

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ImportError(f"{{name}} is behind the wall")

sys.meta_path.insert(0, Wall())
"""


def imports(path: Path) -> set[str]:
    """Full names of all modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_light_wing_imports_numpy_pillow_and_onnxruntime_alone(path):
    allowed = ALLOWED | DOORS.get(str(path.relative_to(ROOT)), set())
    if path in STUDIO:
        allowed = allowed | {"streamlit", "altair", "pandas", "pyarrow", "studio"}
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "gensuite":
            assert rest[0] not in HEAVY_WING, name
        else:
            assert top in allowed or top in sys.stdlib_module_names, name
        assert top != "export", name


def test_every_light_file_is_in_the_list():
    """A new file of the package is either in the light list or in the heavy wing."""
    top = set((ROOT / "gensuite").glob("*.py"))
    heavy = {ROOT / "gensuite" / f"{name}.py" for name in HEAVY_WING}

    assert top - heavy <= set(LIGHT)
    folders = {path.parent.name for path in (ROOT / "gensuite").glob("*/*.py")}
    assert folders <= {"inference", *HEAVY_WING}


def test_gensuite_never_imports_export():
    for path in (ROOT / "gensuite").rglob("*.py"):
        assert not [name for name in imports(path) if name.split(".")[0] == "export"], path


def test_a_bundle_is_sampled_where_heavy_packages_refuse_to_import():
    script = REFUSE + (
        "import gensuite\n"
        f"for family in ('ae', 'vae', 'gan', 'cgan'):\n"
        f"    g = gensuite.load({str(BUNDLES)!r} + '/toy-' + family)\n"
        "    assert g.sample(3, seed=1).shape == (3, 8, 8, 1)\n"
        "print(sorted(set(sys.modules) & {'tensorflow', 'keras', 'onnx'}))\n"
    )
    done = subprocess.run(python("-c", script), capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_wall_of_that_test_does_refuse():
    done = subprocess.run(
        python("-c", REFUSE + "import keras"), capture_output=True, text=True, check=False
    )

    assert "keras is behind the wall" in done.stderr


def test_importing_gensuite_imports_nothing_else():
    script = (
        "import sys, gensuite; gensuite.__version__\n"
        "print(sorted({'numpy', 'PIL', 'onnxruntime', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run(python("-c", script), capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_onnxruntime_telemetry_is_off_before_it_is_imported(tmp_path):
    """Otherwise its import alone writes files under HOME; CI=true would hide that."""
    script = f"import gensuite; gensuite.load({str(BUNDLES / 'toy-vae')!r}).sample(1)"
    environment = {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(python("-c", script), check=True, env=environment, cwd=ROOT)

    assert list(tmp_path.rglob("*")) == []


def test_every_name_of_the_package_can_be_imported():
    import gensuite

    for name in gensuite.__all__:
        assert getattr(gensuite, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        gensuite.nothing  # noqa: B018


def build(folder: Path, modified: int) -> Path:
    """A wheel of a copy of the checkout whose files were all modified at one time."""
    source = folder / "source"
    other = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "runs", "artifacts", "build")
    shutil.copytree(ROOT, source, ignore=other)
    for path in source.rglob("*"):
        os.utime(path, (modified, modified))
    options = ("--wheel", "--no-isolation", "--outdir", str(folder))
    command = python("-m", "build", *options, str(source))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build(tmp_path_factory.mktemp("wheel"), 1_700_000_000)


def test_a_wheel_built_again_elsewhere_and_later_has_the_same_bytes(wheel, tmp_path):
    again = build(tmp_path, 1_800_000_000)

    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_the_wheel_holds_gensuite_alone_and_is_small(wheel):
    with zipfile.ZipFile(wheel) as archive:
        sizes = {item.filename: item.compress_size for item in archive.infolist()}
    names = set(sizes)
    tops = {name.partition("/")[0] for name in names}

    assert {top for top in tops if not top.endswith(".dist-info")} == {"gensuite"}
    assert "gensuite/py.typed" in names
    classifiers = {f"gensuite/metrics/features/{name}.onnx" for name in PINNED}
    assert classifiers <= names
    assert sum(size for name, size in sizes.items() if name not in classifiers) < 200_000
    assert all(sizes[name] < 150_000 for name in classifiers)


def test_the_wheel_needs_three_packages_and_has_the_extras(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("/METADATA")]
        metadata = archive.read(name).decode()
    needs = [line for line in metadata.splitlines() if line.startswith("Requires-Dist")]
    base = {line.split()[1].partition(">")[0] for line in needs if "extra ==" not in line}

    assert base == {"numpy", "pillow", "onnxruntime"}
    for extra in ("train", "app", "gpu", "ray", "dev"):
        assert f"Provides-Extra: {extra}" in metadata
