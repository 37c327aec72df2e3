"""Training past memory and on two workers: nearly the same detector, who made it is recorded, and losses are told."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cli
from benchmarks.synthetic import fill
from features.errors import DatasetError, WorkerError
from features.rows import open_rows
from features.store import FeatureStore
from models.booster import BoosterParams, Part
from models.bundle import load, verify
from models.sequence import Stored
from pipelines import engine_dask, train_dask
from pipelines.engine_choice import Setup, open_engine
from pipelines.engine_dask import Cluster
from pipelines.train import train
from pipelines.train_dask import Together
from tests import toy
from tests.pipelines.test_engine_dask import Machines

pytest.importorskip("distributed", reason="needs the extra cluster")

ROWS = 12_000
PARAMS = BoosterParams(learning_rate=0.08, num_leaves=7, feature_fraction=0.5, max_trees=120, early_stopping_rounds=30)

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with ExitStack() as stack:
        machines = Machines(tmp_path_factory.mktemp("machines"), stack)
        machines.add()
        machines.add()
        with open_engine(Setup("dask", machines.address)) as engine:
            assert isinstance(engine, Cluster)
            engine.client.wait_for_workers(2, timeout=60)
        yield machines


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store") / "cache"
    fill(str(root), ROWS, 10, shard=1700)
    return root


def run(store: Path, out: Path, **options: Any) -> Manifest:
    return train(store, out, **{"params": PARAMS, "resamples": 5, "threads": 1, **options})


def auc(manifest: Manifest) -> float:
    return float(manifest["metrics"]["test"]["auc"]["value"])


@pytest.fixture(scope="module")
def local(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Trained on values in memory."""
    return run(store, tmp_path_factory.mktemp("local") / "bundle")


def assert_same_data(manifest: Manifest, local: Manifest) -> None:
    for name in ("data_digest", "rows", "groups", "sources", "left_out", "variants", "priors"):
        assert manifest["training"][name] == local["training"][name]


def test_values_left_in_the_store_give_nearly_the_same_detector(
    store: Path, local: Manifest, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    manifest = run(store, tmp_path / "out", memory=1e6)
    assert auc(manifest) == pytest.approx(auc(local), abs=0.005)
    rows = sum(local["training"]["rows"]["train"].values())
    assert manifest["training"]["engine"] == {"name": "local", "workers": 1, "rows": [rows]}
    assert "engine" not in local["training"]
    assert_same_data(manifest, local)
    assert manifest["novelty"]["limit"] == pytest.approx(local["novelty"]["limit"], rel=0.1)
    assert verify(tmp_path / "out") == []
    assert capfd.readouterr() == ("", "")


def test_rows_in_the_order_of_their_keys_give_the_same_detector(tmp_path: Path) -> None:
    columns = toy.table()
    vectors = dict(zip(columns["sha256"], toy.vectors(columns["label"]), strict=True))
    with toy.registered():
        cache = FeatureStore(tmp_path / "cache")
        cache.prepare()
        cache.write_manifest(columns)
        keys = sorted(columns["sha256"])
        cache.write_shard(toy.toy_set(), [(key, "") for key in keys], np.stack([vectors[key] for key in keys]))
        held, stored = (run(tmp_path / "cache", tmp_path / str(limit), memory=limit) for limit in (1e12, 1.0))
    assert stored["files"] == held["files"]
    del stored["training"]["engine"]
    assert stored == held


def test_two_workers_give_nearly_the_same_detector_again_and_again(
    cluster: Machines, store: Path, local: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store.parent)
    setup = Setup("dask", cluster.address)
    first = run(Path("cache"), tmp_path / "first", engine=setup)
    run(Path("cache"), tmp_path / "again", engine=setup)
    assert auc(first) == pytest.approx(auc(local), abs=0.005)
    rows = sum(local["training"]["rows"]["train"].values())
    assert first["training"]["engine"] == {"name": "dask", "workers": 2, "rows": [rows // 2, rows - rows // 2]}
    assert_same_data(first, local)
    assert load(tmp_path / "first").digest == load(tmp_path / "again").digest
    text = (tmp_path / "first" / "booster.txt").read_text()
    assert "127.0.0.1" not in text
    assert "[num_machines: 2]" in text
    assert first["training"]["best_iteration"] < PARAMS.max_trees  # early stopping, by all at the same tree


def test_the_command_trains_on_the_cluster_and_prints_one_record(
    cluster: Machines, store: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["train", str(store), "--out", str(tmp_path / "out"), "--engine", "dask"]
    with pytest.raises(SystemExit) as ended:
        cli.main([*command, "--scheduler", cluster.address, "--memory", "3"])
    assert ended.value.code == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["training"]["engine"]["workers"] == 2
    assert "12,000 rows of" in err
    assert "where 3.0 GB may be used; values stay in the store" in err


def parts(store: Path) -> tuple[Part, Part]:
    rows = open_rows(FeatureStore(store))
    labels = np.arange(len(rows)) % 2
    return tuple(  # type: ignore[return-value]
        Part(Stored(rows, at), labels[at]) for at in (np.arange(0, len(rows), 2), np.arange(1, len(rows), 2))
    )


def test_few_rows_go_to_one_worker(cluster: Machines, store: Path) -> None:
    train_part, validation = parts(store)
    with open_engine(Setup("dask", cluster.address)) as engine:
        assert isinstance(engine, Cluster)
        together = Together(engine)
        assert together.shares(199) == [slice(0, 199)]
        assert together.shares(1001) == [slice(0, 500), slice(500, 1001)]
        small = train_part.at(slice(150))
        assert isinstance(small.values, Stored)
        fitted = together(small, validation.at(slice(150)), small.values.rows.names, params=toy.QUICK)
    assert "[num_machines: 1]" in fitted.text


def test_what_is_wrong_with_one_share_comes_home_and_the_cluster_goes_on(
    cluster: Machines, tmp_path: Path, store: Path
) -> None:
    columns = toy.table()
    values = toy.vectors(columns["label"])
    values[17, 3] = np.inf
    with toy.registered():
        broken = FeatureStore(tmp_path)
        broken.prepare()
        broken.write_shard(toy.toy_set(), [(key, "") for key in columns["sha256"]], values)
        rows = open_rows(broken)
    part = Part(Stored(rows, np.arange(len(rows))), np.array(columns["label"]))
    with open_engine(Setup("dask", cluster.address)) as engine:
        assert isinstance(engine, Cluster)
        with pytest.raises(DatasetError, match="is not finite in row 17"):
            Together(engine)(part, part, rows.names, params=toy.QUICK)
        sound = parts(store)
        assert "Tree=0" in Together(engine)(*sound, open_rows(FeatureStore(store)).names, params=toy.QUICK).text


def note(folder: str, number: int) -> int:
    """Tell who runs, then wait for the other, or for ever."""
    Path(folder, f"{number}.{os.getpid()}").touch()
    time.sleep(600)
    return number


def strike(folder: Path, kill: "partial[None]") -> None:
    while len(list(folder.iterdir())) < 2:
        time.sleep(0.1)
    kill()


def test_a_process_that_dies_ends_the_others(cluster: Machines, tmp_path: Path) -> None:
    def kill() -> None:
        (path,) = tmp_path.glob("1.*")
        os.kill(int(path.suffix[1:]), signal.SIGKILL)

    with open_engine(Setup("dask", cluster.address)) as engine:
        assert isinstance(engine, Cluster)
        threading.Thread(target=strike, args=(tmp_path, kill), daemon=True).start()
        with pytest.raises(WorkerError, match="the process died"):
            engine.together(partial(note, str(tmp_path)), [0, 1])
        assert engine.together(abs, [-1, -2]) == [1, 2]


def test_a_worker_that_is_lost_ends_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_dask, "_LOOK", 0.5)
    (tmp_path / "started").mkdir()
    (tmp_path / "elsewhere").mkdir()
    with ExitStack() as stack:
        machines = Machines(tmp_path / "elsewhere", stack)
        workers = [machines.add(), machines.add()]
        engine = machines.open()
        assert isinstance(engine, Cluster)
        engine.client.wait_for_workers(2, timeout=60)
        kill = partial(os.killpg, workers[0].pid, signal.SIGKILL)
        threading.Thread(target=strike, args=(tmp_path / "started", kill), daemon=True).start()
        with pytest.raises(WorkerError, match=r"the worker at tcp://.* is gone; run the command again"):
            engine.together(partial(note, str(tmp_path / "started")), [0, 1])


def test_ports_are_drawn_until_they_differ(cluster: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter([[5, 5], [5, 6]])
    monkeypatch.setattr(Cluster, "together", lambda self, run, jobs, needs=(): next(draws, [7, 7]))
    with open_engine(Setup("dask", cluster.address)) as engine:
        assert isinstance(engine, Cluster)
        assert Together(engine)._meet(2) == ("127.0.0.1:5", "127.0.0.1:6")
        with pytest.raises(WorkerError, match="the same port"):
            Together(engine)._meet(2)


def test_values_in_memory_do_not_travel(cluster: Machines) -> None:
    part = Part(np.zeros((4, 1), np.float32), np.array([0, 1, 0, 1]))
    with open_engine(Setup("dask", cluster.address)) as engine:
        assert isinstance(engine, Cluster)
        with pytest.raises(TypeError, match="from their store"):
            Together(engine)(part, part, ["a"])


def test_what_lightgbm_writes_to_standard_output_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with train_dask._quiet():
        os.write(1, b"Listening...\n")
    os.write(1, b"a result\n")
    assert capfd.readouterr() == ("a result\n", "Listening...\n")
