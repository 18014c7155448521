"""``python -m tests.make_licences``: write docs/licences.md from the lock and what is installed."""

import re
from importlib.metadata import Distribution, distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
PLACE = ROOT / "docs" / "licences.md"

HEAD = """\
# Licences

gensuite itself is under Apache-2.0 ([LICENSE](../LICENSE)). This page is written by `make lock`;
a test compares it with what is installed.

## Data sets

A bundle's manifest carries the licence of its images, because a model can reproduce some of them.

| Data set | Licence |
| --- | --- |
"""
PACKAGES = """
## Packages

Those of [requirements.lock](../requirements.lock), with the licence that each states of itself. An
app that samples bundles needs numpy, Pillow and onnxruntime, and what those need.

| Package | Version | Licence |
| --- | --- | --- |
"""

READ = {"namex": "Apache-2.0 (its licence file; the metadata state none)"}


def locked() -> dict[str, str]:
    """Package → version, as in the lock."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", LOCK.read_text(), re.MULTILINE))


def licence(package: Distribution) -> str:
    """What a package states: an expression, classifiers or a word; else what its text is."""
    facts = package.metadata
    classifiers = [
        each.split(" :: ")[-1]
        for each in facts.get_all("Classifier") or []
        if each.startswith("License :: ") and each.count(" :: ") > 1
    ]
    word = (facts.get("License") or "").strip().partition("\n")[0]
    stated = facts.get("License-Expression") or ", ".join(classifiers) or word
    return stated or READ[package.name]


def page() -> str:
    """The page as it has to be."""
    from gensuite.data.catalogue import LICENCES

    sets = [f"| `{name}` | {terms} |" for name, terms in LICENCES.items()]
    packages = []
    for name, version in locked().items():
        package = distribution(name)
        if package.version != version:
            raise SystemExit(f"{name} {package.version} is installed and {version} locked")
        packages.append(f"| {name} | {version} | {licence(package)} |")
    return HEAD + "\n".join(sets) + "\n" + PACKAGES + "\n".join(packages) + "\n"


if __name__ == "__main__":
    PLACE.write_text(page())
