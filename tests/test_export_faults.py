"""An export that is killed leaves the old bundle or the new one (slow)."""

import shutil
import subprocess
import time

import pytest

from export.__main__ import main
from gensuite import storage
from gensuite.inference import bundle as bundles
from tests.conftest import python

pytestmark = pytest.mark.slow


def test_a_killed_export_leaves_the_old_bundle_or_the_new_one(runs, exported, tmp_path):
    """Kill -9 at 6 moments over a whole export, and at 6 about the swap of the bundle."""
    path = shutil.copytree(exported["ae"], tmp_path / "mine")
    old = bundles.read(path).identity
    command = python("-m", "export", str(runs["vae"]), "--to", str(path), "--force")
    started = time.monotonic()
    subprocess.run(
        [*command[:-1], *("--to", str(tmp_path / "whole"))], check=True, capture_output=True
    )
    whole = time.monotonic() - started
    new = bundles.read(tmp_path / "whole").identity

    seen = set()
    partial = storage.partial_path(path)
    for moment in range(12):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if moment < 6:
            time.sleep(whole * (moment + 0.5) / 6)
        else:  # about the swap itself
            while not partial.exists() and process.poll() is None:
                pass
            time.sleep(0.004 * (moment - 6))
        process.kill()
        process.wait()
        seen.add(bundles.read(path).identity)
        assert seen <= {old, new}
    assert old in seen
    assert main([str(runs["vae"]), "--to", str(path), "--force"]) == 0
    assert bundles.read(path).identity == new
    assert not [item.name for item in tmp_path.rglob(".partial-*")]
