"""Compaction changes how rows lie on the disk, and nothing else, however often it is killed."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cli
from features.errors import OutputError, StoreError
from features.lock import hold
from features.rows import open_rows
from features.store import FeatureStore
from pipelines import compact as module
from pipelines.compact import compact
from pipelines.dataset import read_dataset
from pipelines.extract import extract
from tests.features.test_store import BOTH, COLOR, keys, rows
from tests.images import corpus

ROOT = Path(__file__).parents[2]
MOST = 40


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """100 rows in shards of 1 to 9, three rows twice, and a shard of 50."""
    made = FeatureStore(tmp_path / "cache")
    made.prepare()
    values, at = rows(COLOR, 150), 0
    for count in (3, 9, 1, 7, 9, 9, 2, 9, 8, 9, 9, 9, 9, 7):
        made.write_shard(COLOR, keys(*range(at, at + count)), values[at : at + count])
        at += count
    assert at == 100
    made.write_shard(COLOR, keys(98, 99, 100), values[98:101])
    made.write_shard(COLOR, keys(*range(100, 150)), values[100:])
    return made


def shape(store: FeatureStore) -> list[int]:
    return sorted(len(shard.keys) for shard in store.shards())


def same(store: FeatureStore, before: Any) -> None:
    after = store.load()
    assert (after.sha256, after.variant, after.names) == (before.sha256, before.variant, before.names)
    assert after.values.tobytes() == before.values.tobytes()


def test_few_large_shards_hold_the_same_rows_each_once(store: FeatureStore) -> None:
    before = store.load()
    summary = compact(str(store.root), rows=MOST)
    assert (summary.rows, summary.shards_before) == (150, 16)
    assert sum(shape(store)) == 150
    assert len(shape(store)) == summary.shards_after <= 5
    assert max(shape(store)) == 50
    same(store, before)
    assert json.loads(Path(store.root, "catalogue.json").read_text())["format"] == 1


def test_a_second_run_changes_nothing(store: FeatureStore) -> None:
    compact(str(store.root), rows=MOST)
    files = {path: path.stat().st_mtime_ns for path in Path(store.root, "shards").iterdir()}
    summary = compact(str(store.root), rows=MOST)
    assert summary.shards_before == summary.shards_after == len(files)
    assert {path: path.stat().st_mtime_ns for path in Path(store.root, "shards").iterdir()} == files


class Killed(BaseException):
    """What nothing catches."""


def stop_before(patch: pytest.MonkeyPatch, step: int) -> None:
    """Let `step` changes of the folder happen, and none after."""
    counter, unlink, write = itertools.count(), Path.unlink, FeatureStore.write_shard

    def counted(change: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if next(counter) >= step:
            raise Killed
        return change(*arguments, **options)

    patch.setattr(Path, "unlink", lambda *a, **k: counted(unlink, *a, **k))
    patch.setattr(FeatureStore, "write_shard", lambda *a, **k: counted(write, *a, **k))


def test_killed_at_every_step_it_loses_and_doubles_nothing(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.load()
    for step in range(100):
        killed = FeatureStore(shutil.copytree(store.root, tmp_path / str(step)))
        with monkeypatch.context() as patch:
            stop_before(patch, step)
            with suppress(Killed):
                compact(str(killed.root), rows=MOST)
                break
        same(killed, before)
        compact(str(killed.root), rows=MOST)
        same(killed, before)
        assert sum(shape(killed)) == 150
    assert 15 < step < 30  # one removal a small shard, one shard written a group


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_process_that_kills_itself_between_writing_and_removing(store: FeatureStore) -> None:
    before = store.load()
    script = (
        "import os, signal; from pathlib import Path; from pipelines.compact import compact\n"
        "Path.unlink = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"compact({str(store.root)!r}, rows={MOST})\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=dict(os.environ), check=False)
    assert ended.returncode == -9
    assert sum(shape(store)) > 150
    same(store, before)
    compact(str(store.root), rows=MOST)
    assert sum(shape(store)) == 150
    same(store, before)


def test_what_does_not_read_back_replaces_nothing(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    before, write = store.load(), FeatureStore.write_shard

    def worse(self: FeatureStore, features: Any, found: Any, values: Any, faces: str) -> Any:
        return write(self, features, found, values + np.float32(1), faces)

    with monkeypatch.context() as patch:
        patch.setattr(FeatureStore, "write_shard", worse)
        with pytest.raises(StoreError, match="read back"):
            compact(str(store.root), rows=MOST)
    same(store, before)


def test_rows_that_say_more_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of the whole set stays though a large shard of the forensic part holds its key."""
    monkeypatch.setattr("features.store.forensic", lambda whole: COLOR)
    monkeypatch.setattr(module, "forensic", lambda whole: COLOR)
    store, values = FeatureStore(tmp_path / "cache"), rows(BOTH, 6)
    columns = [BOTH.names.index(name) for name in COLOR.names]
    store.prepare()
    store.write_shard(COLOR, keys(0, 1, 2, 3, 4, 5, 6), np.concatenate([values, values[:1]])[:, columns])
    store.write_shard(BOTH, keys(0, 1), values[:2])
    store.write_shard(BOTH, keys(2, 3), values[2:4])
    before = store.load(BOTH.names)
    compact(str(store.root), rows=5)
    same(FeatureStore(store.root), store.load())
    after = FeatureStore(store.root).load(BOTH.names)
    assert after.sha256 == before.sha256 == [key for key, _ in keys(0, 1, 2, 3)]
    assert after.values.tobytes() == values[:4].tobytes()


def test_one_at_a_time_and_only_stores(store: FeatureStore, tmp_path: Path) -> None:
    with hold(store.root), pytest.raises(StoreError, match="another run"):
        compact(str(store.root))
    with pytest.raises(StoreError):
        compact(str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_changed(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OutputError, match="permission denied"):
        compact(str(store.root), rows=MOST)


def test_the_command(store: FeatureStore, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["compact", str(store.root), "--rows", str(MOST), "--format", "json", "--quiet"])
    assert ended.value.code == 0
    record = json.loads(capsys.readouterr().out)
    assert record["rows"] == 150
    assert record["shards_after"] < record["shards_before"]


def test_a_store_behind_a_url(tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="needs the extra cluster")
    store, values = FeatureStore(f"memory://{tmp_path.name}/cache"), rows(COLOR, 30)
    store.prepare()
    for at in range(0, 30, 3):
        store.write_shard(COLOR, keys(*range(at, at + 3)), values[at : at + 3])
    before = store.load()
    summary = compact(str(store.root), rows=MOST)
    assert (summary.rows, summary.shards_before, summary.shards_after) == (30, 10, 1)
    same(store, before)
    opened = open_rows(store, COLOR.names[2:4])
    found = dict(zip(opened.keys(4, 9), opened.read(4, 9), strict=True))
    place = {key: row for row, key in enumerate(keys(*range(30)))}
    for key, row in found.items():
        np.testing.assert_array_equal(row, values[place[key], 2:4])


def test_extract_goes_on_with_a_compacted_store(tmp_path: Path) -> None:
    data, out = corpus(tmp_path / "data", 6, size=64), str(tmp_path / "cache")
    samples = read_dataset([str(data)])
    for few in (samples[:4], samples[:8]):
        extract(few, out, workers=1)
    before = FeatureStore(out).load()
    assert compact(out).shards_after == 1
    again = extract(samples[:8], out, workers=1)
    assert (again.done, again.cached) == (0, 8)
    same(FeatureStore(out), before)
    assert extract(samples, out, workers=1).done == 4
    assert len(open_rows(FeatureStore(out))) == 12
