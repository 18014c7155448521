"""The bundles that the studio shows: found, opened once for all visitors, and kept in bounds.

They lie in ``artifacts/``, or in the folder that the environment variable ``GENSUITE_ARTIFACTS``
names.
"""

import glob
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from gensuite.errors import BundleError
from gensuite.inference.bundle import Bundle
from gensuite.inference.generator import Generator
from gensuite.inference.holes import Cloud
from gensuite.inference.latents import Codes, draw_codes
from gensuite.inference.quarantine import Quarantine
from gensuite.info import ARTIFACTS, find_bundles
from studio.language import t

BY_IDENTITY: dict[str | type[Any], Callable[[Any], Any]] = {
    Bundle: lambda bundle: (bundle.path.name, bundle.identity)
}
"""How Streamlit's caches tell bundles apart: one that is exported again is another one."""


def folder() -> Path:
    """The folder of the bundles."""
    return Path(os.environ.get("GENSUITE_ARTIFACTS") or ARTIFACTS)


def scan() -> Mapping[str, Bundle | BundleError]:
    """All bundles of the folder, read and checked once until a file of the folder changes.

    One that this server does not know yet is first tried in a process with limits.

    Returns:
        Folder name → the bundle, or the reason why it is broken; sorted by name.
    """
    return _scan(folder(), _state(folder()))


@st.cache_resource(max_entries=1, show_spinner=False)
def _scan(folder: Path, state: str) -> Mapping[str, Bundle | BundleError]:  # noqa: ARG001  (the key)
    found = find_bundles(folder)
    with Quarantine() as quarantine:
        for name, bundle in found.items():
            if isinstance(bundle, Bundle):
                try:
                    quarantine.admit(bundle)
                except BundleError as error:
                    found[name] = error
    return found


def _state(folder: Path) -> str:
    """Path, size, time of change and inode of every file of the bundles, a line each."""
    lines = []
    for path in sorted(glob.iglob(f"{glob.escape(str(folder))}/*/*")):
        status = os.lstat(path)
        lines.append(f"{path} {status.st_size} {status.st_mtime_ns} {status.st_ino}")
    return "\n".join(lines)


def usable() -> dict[str, Bundle]:
    """The bundles that are what their manifests say, by name."""
    return {name: found for name, found in scan().items() if isinstance(found, Bundle)}


def chosen() -> Bundle:
    """The bundle that the visitor has chosen by its name, otherwise the first.

    A hand-made message can name anything: the name picks from the scan and is never a path.
    """
    bundles = usable()
    return bundles.get(st.session_state.get("bundle", "")) or next(iter(bundles.values()))


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=BY_IDENTITY)
def open_generator(bundle: Bundle) -> Generator:
    """Open a bundle once for all visitors.

    Raises:
        BundleError: onnxruntime refuses a model of the bundle.
    """
    return Generator.of(bundle)


@dataclass(frozen=True)
class StoredCodes:
    """The codes of test images in an AE's or a VAE's bundle, as latent health sees them."""

    codes: Codes
    """``(count, latent_size)`` float32; of a VAE one posterior draw for each image, on seed 0."""

    labels: NDArray[Any]
    """``(count,)`` whole numbers; -1 where the data set has no labels."""

    cloud: Cloud


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=BY_IDENTITY)
def open_codes(bundle: Bundle) -> StoredCodes:
    """Prepare the stored codes of a bundle that has them, once for all visitors.

    Raises:
        BundleError: ``codes.npz`` does not hold codes of this model.
        InputError: all codes are the same.
    """
    codes = draw_codes(bundle.codes, seed=0)
    return StoredCodes(codes.astype(np.float32), bundle.codes["labels"], Cloud.of(codes))


def origin(bundle: Bundle) -> str:
    """What a bundle is, in one line: name, family, data set and latent size."""
    dataset = bundle.manifest["dataset"]["name"]
    size = t("latent size {size}", size=bundle.latent_size)
    return f"{bundle.path.name}, {bundle.family.upper()} · {dataset} · {size}"


def same_data(first: Bundle, second: Bundle) -> bool:
    """Whether two models have learned from data sets of one name."""
    return bool(first.manifest["dataset"]["name"] == second.manifest["dataset"]["name"])
