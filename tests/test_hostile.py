"""Bundles from strangers: hostile ones are refused, and use leaves nothing behind."""

import contextlib
import io
import shutil
import subprocess
import sys
import time
import zipfile
from functools import partial

import numpy as np
import pytest

import gensuite
from benchmarks.hostile import measure
from gensuite.arrays import pack, unpack
from gensuite.errors import BundleError
from gensuite.inference import bundle as bundles
from gensuite.inference.onnx_scan import scan
from gensuite.inference.quarantine import Quarantine, try_bundle
from gensuite.verify import main as verify
from tests.conftest import BUNDLES
from tests.hostile import ATTACKS, HEADERS, SLOW_ATTACKS, make_case

PROMISED = 5.0
"""Seconds within which a hostile bundle is refused."""

CODES = {
    "link_in_place_of_a_file": {"link", "missing"},
    "pipe_in_place_of_a_file": {"link"},
    "folder_in_place_of_a_file": {"link"},
    "more_or_fewer_files": {"missing", "extra"},
    "file_names_that_lead_elsewhere": {"manifest"},
    "deep_or_broken_json": {"manifest", "size"},
    "a_manifest_of_wrong_kinds": {"manifest", "ports"},
    "numbers_that_are_none": {"manifest"},
    "scores_of_wrong_kinds": {"manifest"},
    "ports_that_do_not_match": {"ports"},
    "arrays_that_are_no_arrays": {"model", "memory"},
    "bytes_that_are_no_model": {"graph"},
    "operators_that_are_not_listed": {"graph"},
    "subgraphs_and_functions": {"graph"},
    "data_outside_the_file": {"graph"},
    "tensors_that_lie": {"graph"},
    "size_bombs": {"model", "memory"},
    "graphs_of_other_ports": {"ports", "model"},
    "graphs_that_do_not_hang_together": {"graph", "model"},
    "graphs_that_take_for_ever": {"time"},
}
"""Attack → the codes that tell which guard has stopped it."""


@pytest.mark.parametrize("attack", [*ATTACKS, *SLOW_ATTACKS], ids=lambda attack: attack.__name__)
def test_every_kind_of_attack_is_refused_with_its_code_and_a_cure(attack, tmp_path):
    with Quarantine() as quarantine:
        for seed in range(1 if attack in SLOW_ATTACKS else 8):
            case = tmp_path / str(seed)
            attack(np.random.default_rng(seed), bundles.read(BUNDLES / "toy-vae"), case)
            start = time.monotonic()
            with pytest.raises(BundleError) as refused:
                quarantine.try_bundle(case)
            assert time.monotonic() - start < 3 * PROMISED
            assert refused.value.code in CODES[attack.__name__]
            assert "\n" not in str(refused.value)


def test_arrays_that_would_fill_the_memory_are_refused_before_they_are_unpacked(toy_bundle):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for at in range(40):
            archive.writestr(f"a{at}.npy", bytes(2**24))
    bundle = bundles.read(toy_bundle)
    bomb = bundles.Bundle(bundle.path, bundle.manifest, {"golden.npz": stream.getvalue()})
    with pytest.raises(BundleError, match="671088640 bytes when unpacked"):
        bomb.arrays("golden.npz")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_reading_a_hostile_bundle_in_this_process_raises_nothing_but_bundle_errors(
    attack, tmp_path
):
    """All but onnxruntime's part: an app that catches BundleError has caught everything."""
    for seed in range(24):
        case = tmp_path / str(seed)
        attack(np.random.default_rng([1, seed]), bundles.read(BUNDLES / "toy-vae"), case)
        try:
            bundle = bundles.read(case)
        except BundleError:
            continue
        uses = [partial(bundle.arrays, name) for name in bundle.files if name.endswith(".npz")]
        uses += [partial(getattr, bundle, part) for part in ("codes", "training", "remarks")]
        for use in uses:
            with contextlib.suppress(BundleError):
                use()
        for content in bundle.models.values():
            with contextlib.suppress(ValueError):
                scan(content)


@pytest.mark.parametrize("header", HEADERS)
def test_an_array_that_its_header_lies_about_takes_no_memory(header):
    stream = io.BytesIO()
    line = header.encode() + b"\n"
    with zipfile.ZipFile(stream, "w") as archive:
        npy = b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + bytes(80)
        archive.writestr("a.npy", npy)
    with pytest.raises(ValueError, match="not an npz file of plain arrays") as refused:
        unpack(stream.getvalue())
    assert "\n" not in str(refused.value)


def test_remarks_nested_deep_are_refused(toy_bundle):
    bundle = bundles.read(toy_bundle)
    deep = bundles.Bundle(bundle.path, bundle.manifest, {"remarks.json": b"[" * 100_000})
    with pytest.raises(BundleError, match="not a list of the doctor's remarks"):
        deep.remarks  # noqa: B018


def test_two_arrays_of_one_name_are_refused():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        npy = io.BytesIO()
        np.save(npy, 1)
        archive.writestr("a.npy", npy.getvalue())
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.npy", npy.getvalue())
    with pytest.raises(ValueError, match="two arrays of one name"):
        unpack(stream.getvalue())


def test_arrays_of_every_kind_come_back_as_they_went():
    arrays = {
        "float": np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "number": np.array(3),
        "none": np.zeros((0, 4, 2), np.uint8),
        "truth": np.array([True, False]),
        "half": np.ones(3, np.float16),
    }
    for compress in (True, False):
        back = unpack(pack(arrays, compress=compress))
        assert list(back) == list(arrays)
        for name, array in arrays.items():
            assert back[name].dtype == array.dtype
            assert back[name].flags.writeable
            np.testing.assert_array_equal(back[name], array)


def test_some_hundred_hostile_bundles_end_in_an_error_in_time():
    found = measure(0, 2 * len(ATTACKS) * 5)
    assert found["passed"] == []
    assert found["longest"] < 3 * PROMISED


@pytest.mark.slow
def test_ten_thousand_hostile_bundles_end_in_an_error_in_time():
    found = measure(1_000, 10_000)
    assert found["passed"] == []
    assert found["longest"] < 3 * PROMISED


@pytest.mark.slow
def test_every_flipped_byte_is_found(toy_bundle, tmp_path):
    """All of every file, one after the other."""
    copy = shutil.copytree(toy_bundle, tmp_path / "copy")
    passed, flipped = [], 0
    for path in sorted(copy.iterdir()):
        content = bytearray(path.read_bytes())
        with path.open("r+b", buffering=0) as stream:
            for at, byte in enumerate(content):
                stream.seek(at)
                stream.write(bytes([byte ^ 0xFF]))
                try:
                    bundles.read(copy)
                    passed.append((path.name, at))
                except BundleError:
                    pass
                stream.seek(at)
                stream.write(bytes([byte]))
                flipped += 1
    print(f"{flipped:,} bytes flipped in turn, {len(passed)} let pass")
    assert passed == []
    assert flipped == sum(len(content) for content in bundles.read(toy_bundle).files.values())


def test_good_bundles_pass_and_a_child_that_died_is_replaced(tmp_path, any_toy):
    bomb = next(attack for attack in ATTACKS if attack.__name__ == "size_bombs")
    bomb(np.random.default_rng(0), bundles.read(any_toy), tmp_path / "bomb")
    with Quarantine() as quarantine:
        for _ in range(2):
            with pytest.raises(BundleError):
                quarantine.try_bundle(tmp_path / "bomb")
            assert quarantine.try_bundle(any_toy) == bundles.read(any_toy).identity
    assert try_bundle(any_toy) == bundles.read(any_toy).identity


def test_a_child_that_has_died_since_its_last_answer_is_replaced(toy_bundle):
    with Quarantine() as quarantine:
        identity = quarantine.try_bundle(toy_bundle)
        quarantine._child.kill()
        quarantine._child.wait()
        assert quarantine.try_bundle(toy_bundle) == identity


def test_verify_tries_a_bundle_in_a_process_with_limits_first(tmp_path, capsys):
    (forever,) = SLOW_ATTACKS
    forever(np.random.default_rng(0), bundles.read(BUNDLES / "toy-gan"), tmp_path / "case")
    assert verify([str(tmp_path / "case")]) == 1
    assert "NOT VERIFIED (time)" in capsys.readouterr().err


def test_a_bundle_is_pinned_by_its_identity(toy_bundle):
    identity = bundles.read(toy_bundle).identity
    assert gensuite.load(toy_bundle, expect=identity).bundle.identity == identity
    with pytest.raises(BundleError, match="not sha256:00 as expected") as refused:
        gensuite.load(toy_bundle, expect="sha256:00")
    assert refused.value.code == "identity"


@pytest.mark.parametrize(
    "content", [b"\x08", b"\x08\xff", b"\xff" * 20, b"\x00\x00", b"\x3b", b"\x3a\x05\x0a", b""]
)
def test_the_scan_ends_on_any_bytes(content):
    with pytest.raises(ValueError, match="is not let pass"):
        scan(content)


WATCH = """
import os, sys
here = os.path.realpath(sys.argv[1])
inside = tuple(map(os.path.realpath, (here, *sys.path[1:], sys.prefix, sys.base_prefix)))
harmless = ("/dev/", "/proc/", "/sys/", "/etc/localtime", "/etc/ld.so")
found, armed = [], False

def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        path, _, flags = arguments
        path = os.path.abspath(path)  # what a link leads to is not opened
        writes = bool((flags or 0) & (os.O_WRONLY | os.O_RDWR))
        if writes and not path.endswith(".pyc") and "__pycache__" not in path:
            found.append(("write", path))
        elif armed and not path.startswith((*inside, *harmless)):
            found.append(("open", path))
    elif event.startswith("socket.") and event != "socket.gethostname":
        found.append((event, str(arguments)))
    elif event == "pickle.find_class":
        found.append((event, str(arguments)))

sys.addaudithook(watch)
"""


def watched(script: str, home, *arguments: str) -> list[str]:
    """Run a program from a fresh HOME; what it wrote, opened outside, connected to or unpickled."""
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", f"{WATCH}{script}\nprint(*found, sep='\\n')", *arguments],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(BUNDLES.parents[1])},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(home.iterdir()) == []
    return done.stdout.split("\n")[:-1]


def test_import_and_use_write_nothing_open_no_socket_and_unpickle_nothing(tmp_path):
    script = (
        "import gensuite\n"
        "for name in ('toy-ae', 'toy-vae', 'toy-gan', 'toy-cgan'):\n"
        "    g = gensuite.load(f'{here}/{name}')\n"
        "    g.sample(70, seed=1)\n"
        "    if 'codes.npz' in g.bundle.files:\n"
        "        g.reconstruct(g.sample(2))\n"
        "        gensuite.health(g)\n"
        "assert not {'tensorflow', 'keras', 'onnx'} & sys.modules.keys()\n"
    )
    assert watched(script, tmp_path / "home", str(BUNDLES)) == [""]


def test_the_watch_sees_what_it_watches_for(tmp_path):
    script = (
        "import pickle, socket\n"
        "pickle.loads(pickle.dumps(print))\n"
        "socket.socket().close()\n"
        "open('/tmp/gensuite-watched', 'w').close(); os.remove('/tmp/gensuite-watched')\n"
    )
    seen = "\n".join(watched(script, tmp_path / "home", str(BUNDLES)))
    assert all(event in seen for event in ("pickle.find_class", "socket.__new__", "'write'"))


def test_no_hostile_bundle_makes_a_file_outside_it_be_opened(tmp_path):
    folder = tmp_path / "cases"
    for index in range(4 * len(ATTACKS)):
        make_case(index, folder / str(index))
    script = (
        "from gensuite.inference.quarantine import _try\n"
        "from gensuite import verify\n"
        "_try(here)\n"
        "armed, libraries = True, inside[1:]\n"
        f"for index in range({4 * len(ATTACKS)}):\n"
        "    inside = (*libraries, f'{here}/{index}')\n"
        "    assert 'code' in _try(f'{here}/{index}')\n"
    )
    assert watched(script, tmp_path / "home", str(folder)) == [""]
