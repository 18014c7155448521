"""Folders are written whole or not at all, whatever call fails; checkpoints outlive damage."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from gensuite import storage
from gensuite.errors import RunError
from gensuite.training import checkpoints

OLD = {"a": b"old a", "b": b"old b"}
NEW = {"a": b"new a", "b": b"new b", "c": b"new c"}
CALLS = ("open", "fsync", "mkdir", "rename", "exchange")


def content(path):
    return {item.name: item.read_bytes() for item in path.iterdir()}


def beside(path):
    return [item.name for item in path.parent.iterdir() if item != path]


def arm(patch, kind, number, code):
    """Make the n-th call of a kind fail as a full or broken disk would; list the calls."""
    place, name = {
        "open": (Path, "open"),
        "fsync": (os, "fsync"),
        "mkdir": (Path, "mkdir"),
        "rename": (Path, "rename"),
        "exchange": (storage, "_exchange"),
    }[kind]
    real, calls = getattr(place, name), []

    def failing(*args, **kwargs):
        calls.append(args)
        if len(calls) == number:
            raise OSError(code, os.strerror(code))
        return real(*args, **kwargs)

    patch.setattr(place, name, failing)
    return calls


def test_a_folder_is_written_and_replaced(tmp_path):
    path = tmp_path / "deep" / "folder"
    storage.write_directory(path, OLD)
    assert content(path) == OLD
    storage.write_directory(path, NEW, replace=True)
    assert content(path) == NEW
    assert beside(path) == []


def test_many_files_are_synced_at_once_and_before_the_folder_has_its_name(tmp_path, monkeypatch):
    path = tmp_path / "folder"
    real, seen = storage._sync_file_system, []
    monkeypatch.setattr(
        storage, "_sync_file_system", lambda p: (seen.append((content(p), path.exists())), real(p))
    )
    storage.write_directory(path, OLD, many=True)

    assert seen == [(OLD, False)]
    assert content(path) == OLD
    assert beside(path) == []


def test_a_disk_that_fails_at_the_sync_of_many_files_leaves_nothing(tmp_path, monkeypatch):
    def failing(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(storage, "_sync_file_system", failing)
    with pytest.raises(OSError, match="Input/output error"):
        storage.write_directory(tmp_path / "folder", OLD, many=True)
    assert list(tmp_path.iterdir()) == []


def test_without_replace_what_is_there_stays(tmp_path):
    storage.write_directory(tmp_path / "folder", OLD)

    with pytest.raises(FileExistsError):
        storage.write_directory(tmp_path / "folder", NEW)
    assert content(tmp_path / "folder") == OLD


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize(("before", "unused"), [(OLD, "rename"), (None, "exchange")])
@pytest.mark.parametrize("kind", CALLS)
def test_every_failing_call_leaves_the_old_folder_or_the_new_one(
    tmp_path, kind, before, unused, code
):
    """Each call of each kind fails once; but for the unused kind, at least one is reached."""
    assert fail_every_call(tmp_path, kind, before, code) or kind == unused


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("kind", CALLS)
def test_the_same_holds_where_two_names_cannot_be_exchanged(tmp_path, monkeypatch, kind, code):
    monkeypatch.setattr(storage, "_exchange", lambda *_: False)

    assert fail_every_call(tmp_path, kind, OLD, code)


def fail_every_call(tmp_path, kind, before, code):
    """Replace a folder (or none) with each call of a kind failing in turn; count the failures."""
    failures = 0
    for number in range(1, 20):
        path = tmp_path / str(number) / "folder"
        if before:
            storage.write_directory(path, before)
        else:
            path.parent.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            calls = arm(patch, kind, number, code)
            try:
                storage.write_directory(path, NEW, replace=True)
            except OSError:
                failures += 1
            reached = len(calls) >= number
        found = content(path) if path.exists() else None
        assert found in (before, NEW)
        assert beside(path) == []
        if not reached:
            assert found == NEW
            break
    return failures


def test_a_call_killed_between_two_renames_is_put_right_by_the_next(tmp_path):
    """Where names cannot be exchanged, the old folder waits beside its place."""
    path = tmp_path / "folder"
    storage.write_directory(path, OLD)
    path.rename(storage._aside_path(path))
    with pytest.MonkeyPatch.context() as patch:
        arm(patch, "exchange", 1, errno.EIO)
        with pytest.raises(OSError, match="Input/output"):
            storage.write_directory(path, NEW, replace=True)
    assert content(path) == OLD

    storage.write_directory(path, NEW, replace=True)
    assert content(path) == NEW
    assert beside(path) == []


def test_what_a_killed_call_left_beside_is_removed(tmp_path):
    left = storage.partial_path(tmp_path / "folder")
    left.mkdir()
    (left / "half").write_bytes(b"half")
    storage.write_directory(tmp_path / "folder", NEW)

    assert content(tmp_path / "folder") == NEW
    assert beside(tmp_path / "folder") == []


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    storage.write_file(path, b"old")
    for kind in ("open", "fsync"):
        with pytest.MonkeyPatch.context() as patch:
            arm(patch, kind, 1, errno.ENOSPC)
            with pytest.raises(OSError, match="No space left"):
                storage.write_file(path, b"new")
        assert path.read_bytes() == b"old"
        assert beside(path) == []


def test_the_newest_checkpoints_are_kept(tmp_path):
    for step in (0, 10, 20, 30):
        checkpoints.save(tmp_path, step, {"state": str(step).encode()}, keep=2)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000020", "000000030"]
    assert checkpoints.load_newest(tmp_path) == {"state": b"30"}


def test_saving_a_step_again_replaces_it(tmp_path):
    checkpoints.save(tmp_path, 5, {"state": b"first"}, keep=2)
    checkpoints.save(tmp_path, 5, {"state": b"second"}, keep=2)

    assert checkpoints.load_newest(tmp_path) == {"state": b"second"}


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "hashes"])
def test_a_damaged_checkpoint_is_set_aside_and_the_loss_said(tmp_path, capsys, damage):
    for step in (10, 25):
        checkpoints.save(tmp_path, step, {"state": b"x" * 100 + str(step).encode()}, keep=2)
    newest = tmp_path / "000000025"
    if damage == "flip":
        (newest / "state").write_bytes(b"y" + b"x" * 99 + b"25")
    elif damage == "truncate":
        (newest / "state").write_bytes(b"x")
    elif damage == "remove":
        (newest / "state").unlink()
    else:
        (newest / "hashes.json").write_bytes(b"[]")

    assert checkpoints.load_newest(tmp_path) == {"state": b"x" * 100 + b"10"}
    assert "going back to step 10: 15 steps are lost" in capsys.readouterr().err
    assert (tmp_path / "000000025.damaged").is_dir()


def test_no_whole_checkpoint_is_an_error_and_never_a_silent_start(tmp_path):
    checkpoints.save(tmp_path / "checkpoints", 3, {"state": b"x"}, keep=2)
    shutil.rmtree(tmp_path / "checkpoints" / "000000003")

    with pytest.raises(RunError, match="no whole checkpoint is left; train again"):
        checkpoints.load_newest(tmp_path / "checkpoints")


def test_a_full_disk_costs_no_earlier_checkpoint(tmp_path):
    checkpoints.save(tmp_path, 1, {"state": b"one"}, keep=1)
    with pytest.MonkeyPatch.context() as patch:
        arm(patch, "fsync", 1, errno.ENOSPC)
        with pytest.raises(OSError, match="No space left"):
            checkpoints.save(tmp_path, 2, {"state": b"two"}, keep=1)

    assert checkpoints.load_newest(tmp_path) == {"state": b"one"}
