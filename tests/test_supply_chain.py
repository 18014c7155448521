"""What gensuite is made of: known versions, known hashes, no loader that runs what it loads."""

import ast
import re
from pathlib import Path

import pytest

from tests.make_licences import LOCK, PLACE, locked, page

ROOT = Path(__file__).parents[1]
SOURCES = [
    ROOT / "setup.py",
    ROOT / "streamlit_app.py",
    *(
        path
        for folder in ("gensuite", "export", "studio", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
    ),
]
MODULES = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "yaml", "code", "runpy"}
"""Modules whose use runs what it reads."""

BUILTINS = {"eval", "exec", "compile", "__import__"}
CALLS = {
    "keras.models.load_model",
    "keras.saving.load_model",
    "keras.config.enable_unsafe_deserialization",
    "tf.saved_model.load",
    "tf.keras.models.load_model",
    "torch.load",
    "os.system",
    "shutil.unpack_archive",
}
METHODS = {"extractall", "register_custom_ops_library", "load_weights"}
DOORS = {
    ("gensuite/inference/saved_model.py", "tf.saved_model.load"),
    # Written by the export or the benchmark itself, a moment before.
    ("export/parity.py", "tf.saved_model.load"),
    ("benchmarks/contenders.py", "keras.models.load_model"),
    ("benchmarks/contenders.py", "tf.saved_model.load"),
}
"""Files that may call what runs code; SECURITY.md names the first."""


def unsafe(source: str) -> set[str]:
    """What a program calls or imports that can run what it loads."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] in MODULES}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            found.add(str(node.module))
        elif isinstance(node, ast.Call):
            found |= _unsafe_call(node)
    return found


def _unsafe_call(node: ast.Call) -> set[str]:
    name = ast.unparse(node.func)
    said = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    found = {name} & (BUILTINS | CALLS)
    found |= {name for method in METHODS if name.endswith(f".{method}")}
    if name in ("np.load", "numpy.load") and "allow_pickle" not in said:
        found.add(f"{name} that does not say allow_pickle=False")
    for keyword, safe in (("allow_pickle", "False"), ("safe_mode", "True"), ("shell", "False")):
        if said.get(keyword, safe) != safe:
            found.add(f"{keyword}={said[keyword]}")
    return found


def test_no_source_calls_what_runs_what_it_loads():
    found = {
        (str(path.relative_to(ROOT)), name) for path in SOURCES for name in unsafe(path.read_text())
    }
    assert found == DOORS


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "def f():\n    import joblib.externals",
        "eval('1')",
        "exec(text)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.savez(path, allow_pickle=flag)",
        "keras.models.load_model(path)",
        "keras.saving.load_model(path)",
        "anything.load_model(path, safe_mode=False)",
        "torch.load(path)",
        "archive.extractall()",
        "options.register_custom_ops_library(path)",
        "subprocess.run(line, shell=True)",
    ],
)
def test_each_such_call_is_seen(source):
    assert unsafe(source)


def constrained() -> dict[str, str]:
    """Package → version, as in constraints.txt, names in their normal form."""
    pairs = re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pairs}


def test_the_lock_holds_the_tested_versions_and_a_hash_of_each():
    assert locked() == constrained()
    for entry in re.split(r"^(?=\w)", LOCK.read_text(), flags=re.MULTILINE)[1:]:
        first, *hashes = entry.replace("\\\n", "\n").split()
        assert re.fullmatch(r"[\w.-]+==[\w.]+", first)
        assert hashes
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes)


def test_the_page_of_licences_is_of_what_is_installed():
    assert PLACE.read_text() == page()


def promises() -> list[str]:
    """The sentences of SECURITY.md's first part."""
    text = (ROOT / "SECURITY.md").read_text()
    part = text.partition("## What is promised")[2].partition("## ")[0]
    return re.split(r"^- ", part, flags=re.MULTILINE)[1:]


@pytest.mark.parametrize("promise", promises(), ids=lambda promise: promise[:40])
def test_every_promise_of_security_names_tests_that_are_there(promise):
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", promise)
    assert named
    for place, test in named:
        names = {
            node.name
            for node in ast.walk(ast.parse((ROOT / place).read_text()))
            if isinstance(node, ast.FunctionDef)
        }
        assert (
            test in names
            if test
            else any(name.startswith("test_") for name in names) or (place.endswith("conftest.py"))
        )
