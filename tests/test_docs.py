"""Documentation is executed: README's commands, its Python lines, and the own-networks script."""

import ast
import importlib
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from gensuite.train import make_config, parse_args
from tests.conftest import python

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
NOT_RUN_HERE = {
    "make demo": "made by hand and by whoever reads the README; it serves a page until it is ended",
    "make demo SERVE=0": "likewise, and it would install a second environment",
    "make test": "this is it",
    "make test-slow": "the other half of it",
    "streamlit run streamlit_app.py": "the tests in tests/browser do, and look at the pages",
}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every command of README's shell blocks, comments cut off, continued lines joined."""
    text = "\n".join(blocks(README, "sh")).replace("\\\n", " ")
    lines = [line.partition(" #")[0].strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def run(line: str, folder: Path) -> None:
    words = shlex.split(line)
    assert words[:2] == ["python", "-m"], line
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        python(*words[1:]),
        cwd=folder,
        env=dict(os.environ) | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (line, done.stdout[-500:], done.stderr[-2000:])


def needs_download(line: str) -> bool:
    return any(name in line for name in ("mnist", "cifar", "folder:"))


def test_readme_commands_do_what_they_say(tmp_path):
    """All of them, in their order, in an empty folder; then the lines of Python on the result."""
    ran = []
    for line in commands():
        if line in NOT_RUN_HERE or needs_download(line) or "pip install" in line:
            continue
        if line.startswith(("python3.11 -m venv", ". .venv")):
            continue  # the environment that runs this test was made in the same way
        run(line, tmp_path)
        ran.append(line)
    assert {"python -m gensuite.train", "python -m export runs/vae-digits"} <= set(ran)
    assert (tmp_path / "grid.png").is_file()

    (script,) = blocks(README, "python")
    done = subprocess.run(
        python("-c", script), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", [line for line in commands() if needs_download(line)])
def test_readme_commands_that_need_other_data_have_allowed_flags(line):
    words = shlex.split(line)

    assert words[:3] == ["python", "-m", "gensuite.train"]
    make_config(parse_args(words[3:]))


def test_the_script_for_own_networks_trains_and_exports(tmp_path):
    script, conditional = blocks((ROOT / "docs" / "own-networks.md").read_text(), "python")
    for lines in (script, conditional):
        assert len([line for line in lines.splitlines() if line.strip()]) <= 25
    (tmp_path / "script.py").write_text(script + conditional)
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        python("script.py"),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    run("python -m gensuite.verify artifacts/my-vae", tmp_path)
    run("python -m gensuite.sample artifacts/my-gan --label 3", tmp_path)


def test_links_inside_the_documents_lead_somewhere():
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text()):
            if not link.startswith(("http://", "https://")):
                assert (path.parent / link).exists(), f"{path}: {link}"


PARSERS = {
    "gensuite.train": lambda words: make_config(parse_args(words)),
    **{
        name: lambda words, name=name: importlib.import_module(name).parse_args(words)
        for name in (
            *("gensuite.sample", "gensuite.info", "gensuite.verify", "gensuite.doctor"),
            "gensuite.sweep",
            *("benchmarks.quality", "benchmarks.ablation", "benchmarks.doctor"),
            *("benchmarks.latent_pictures", "benchmarks.inference", "benchmarks.training"),
            *("benchmarks.larger_images", "benchmarks.bulk"),
        )
    },
    "benchmarks.report": lambda words: words and pytest.fail(f"takes no words: {words}"),
    "export": lambda words: importlib.import_module("export.__main__").parse_args(words),
}
DOCUMENTS = {
    name: (ROOT / "docs" / f"{name}.md").read_text()
    for name in (
        "lecture",
        "latent-health",
        "benchmarks",
        "data",
        "doctor",
        "bundle-format",
        "distribution",
        "sweeps",
    )
}
LECTURE, LATENT_HEALTH = DOCUMENTS["lecture"], DOCUMENTS["latent-health"]
COMMAND = re.compile(r"(?:^ *|`)(python -m [^`\n]+)", re.MULTILINE)


@pytest.mark.parametrize("line", sorted(set(COMMAND.findall("\n".join(DOCUMENTS.values())))))
def test_commands_of_the_documents_have_allowed_words(line):
    _, _, module, *words = shlex.split(line, comments=True)
    PARSERS[module](words)


def test_the_lecture_names_code_that_is_there():
    named = re.findall(r"\[`([^`]+)`\]\(\.\./\1\): (`[\w.]+`(?:, `[\w.]+`)*)", LECTURE)
    assert len(named) == LECTURE.count("](../gensuite/")
    for path, names in named:
        tree = ast.parse((ROOT / path).read_text())
        there = {
            prefix + item.name
            for prefix, nodes in [
                ("", tree.body),
                *((f"{n.name}.", n.body) for n in tree.body if isinstance(n, ast.ClassDef)),
            ]
            for item in nodes
            if isinstance(item, ast.FunctionDef | ast.ClassDef)
        }
        assert set(re.findall(r"[\w.]+", names)) <= there, path


def test_the_lines_on_latent_health_run():
    (script,) = blocks(LATENT_HEALTH, "python")
    toy = script.replace("artifacts/vae-digits", str(ROOT / "tests" / "bundles" / "toy-vae"))
    done = subprocess.run(python("-c", toy), cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "Empty: " in done.stdout


def test_make_lists_every_chore():
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    told = set(re.findall(r'@echo "make ([a-z-]+)', makefile))

    assert set(phony.split()) - {"help", "clean"} == told
