"""A store that was damaged, or that two runs want at once: nothing is lost, nothing silently wrong."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cli
from benchmarks.kill_resume import compare
from features.errors import StoreError
from features.lock import hold
from features.store import FeatureStore
from pipelines.dataset import read_dataset
from pipelines.extract import extract
from pipelines.train import train
from tests.images import corpus

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Images, and their store of two shards; do not write to either."""
    root = tmp_path_factory.mktemp("made")
    data = corpus(root / "data", 24, size=64)
    extract(read_dataset([str(data)]), str(root / "whole"), workers=1)
    return data, root / "whole"


def hurt(store: Path, kind: str) -> Path:
    path = sorted(store.glob("shards/*.parquet"))[0]
    data = bytearray(path.read_bytes())
    if kind == "altered":
        data[len(data) // 3] ^= 4
    path.write_bytes({"altered": bytes(data), "cut": bytes(data[:-50]), "empty": b""}[kind])
    return path


@pytest.mark.parametrize("kind", ["altered", "cut", "empty"])
def test_a_damaged_shard_is_set_aside_and_measured_again(made: tuple[Path, Path], tmp_path: Path, kind: str) -> None:
    (data, whole), store = made, tmp_path / "store"
    shutil.copytree(whole, store)
    path, said = hurt(store, kind), list[str]()
    with pytest.raises(StoreError, match=f"{path.name} is damaged"):
        train(store, tmp_path / "bundle")
    summary = extract(read_dataset([str(data)]), str(store), workers=1, say=said.append)
    assert (summary.failed, summary.done + summary.cached) == (0, 48)
    assert 0 < summary.done < 48
    assert said == [f"{path.with_suffix('.damaged')}: was damaged; its rows are measured again"]
    assert all(compare(whole, store).values())
    assert extract(read_dataset([str(data)]), str(store), workers=1).done == 0


def test_the_command_line_says_so(made: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data, whole), store = made, tmp_path / "store"
    shutil.copytree(whole, store)
    hurt(store, "cut")
    with pytest.raises(SystemExit) as ended:
        cli.main(["extract", str(data), "--out", str(store), "--jobs", "1"])
    assert ended.value.code == 0
    assert "was damaged; its rows are measured again" in capsys.readouterr().err


def test_a_damaged_manifest_is_written_anew(made: tuple[Path, Path], tmp_path: Path) -> None:
    (data, whole), store = made, tmp_path / "store"
    shutil.copytree(whole, store)
    (store / "manifest.parquet").write_bytes((whole / "manifest.parquet").read_bytes()[:-9])
    with pytest.raises(StoreError, match=r"manifest.parquet is damaged"):
        FeatureStore(store).manifest()
    assert extract(read_dataset([str(data)]), str(store), workers=1).done == 0
    assert all(compare(whole, store).values())


def test_a_store_that_is_being_filled_is_left_alone(made: tuple[Path, Path], tmp_path: Path) -> None:
    (data, whole), store = made, tmp_path / "store"
    shutil.copytree(whole, store)
    half = store / "shards" / "x.parquet.77.tmp"
    half.write_bytes(b"half")
    with hold(store), pytest.raises(StoreError, match="being filled by another run"):
        measure(data, store)
    assert half.exists()
    measure(data, store)
    assert not half.exists()
    assert all(compare(whole, store).values())


def measure(data: Path, store: Path) -> None:
    extract(read_dataset([str(data)]), str(store), workers=1)


def test_a_killed_run_lets_go_of_its_store(made: tuple[Path, Path], tmp_path: Path) -> None:
    (data, whole), store = made, tmp_path / "store"
    command = [
        sys.executable,
        str(ROOT / "cli.py"),
        "extract",
        str(data),
        "--out",
        str(store),
        "--quiet",
        "--jobs",
        "2",
    ]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL) as running:
        until = time.monotonic() + 60
        while not (store / "manifest.parquet").exists() and time.monotonic() < until:
            time.sleep(0.01)
        with pytest.raises(StoreError, match="being filled by another run"):
            measure(data, store)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    measure(data, store)
    assert all(compare(whole, store).values())
