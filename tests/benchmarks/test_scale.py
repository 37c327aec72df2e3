"""Every part of the scale benchmark runs small, and made-up stores are stores."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import scale, scale_store, scale_training
from benchmarks.synthetic import fill, narrow
from features.store import MANIFEST_COLUMNS
from tests.benchmarks.conftest import Run
from tests.images import corpus


def test_made_up_stores(tmp_path: Path) -> None:
    store = fill(str(tmp_path / "a"), 120, 5, shard=50, seed=3)
    found, manifest = store.load(), store.manifest()
    store.write_manifest({name: manifest[name].tolist() for name in MANIFEST_COLUMNS})
    assert manifest.equals(store.manifest())
    assert (manifest.dtypes == store.manifest().dtypes).all()
    assert found.names == narrow(5).names
    assert len(narrow(300).names) == 301
    assert narrow(10**6).digest == narrow(1892).digest
    assert sorted(len(shard.keys) for shard in store.shards()) == [20, 50, 50]
    assert set(manifest["sha256"]) == set(found.sha256)
    assert manifest["label"].sum() == 60
    assert manifest["group"].nunique() == 3
    np.testing.assert_array_equal(found.values * 16, np.round(found.values * 16))
    labels = dict(zip(manifest["sha256"], manifest["label"], strict=True))
    fakes = np.array([labels[key] == 1 for key in found.sha256])
    assert found.values[fakes].mean() > found.values[~fakes].mean() + 0.3
    again = fill(str(tmp_path / "b"), 120, 5, shard=50, seed=3).load()
    np.testing.assert_array_equal(again.values, found.values)


def test_store(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale_store, "_SMALL", 100)
    figures = run(scale.main, "store", "--size", 1000)["figures"]
    assert (figures["rows"], figures["columns"], figures["shards"]) == (1000, 301, {"small": 10, "large": 1})
    assert figures["large"]["columns"]["columns"] == 10
    assert figures["large"]["open"]["at_most"] == 1
    assert figures["small"]["open_bytes"] > figures["large"]["open_bytes"] > 0
    assert figures["large"]["columns"]["bytes"] < figures["bytes"] / 2
    assert figures["same"]


def test_extraction(run: Run, images: Path) -> None:
    pytest.importorskip("distributed", reason="needs the extra cluster")
    figures = run(scale.main, "extraction", "--data", images, "--rounds", 1)["figures"]
    assert figures["images"] == 24
    assert figures["same"]
    assert set(figures["seconds"]) == {"independent", "local", "dask"}
    ratio = figures["seconds"]["independent"]["median"] / figures["seconds"]["dask"]["median"]
    assert figures["throughput_of_dask_to_independent"]["median"] == pytest.approx(ratio, rel=1e-4)
    assert figures["columns"] == 1892
    assert figures["bytes_an_image"] > 0
    assert figures["bytes_a_row"] == figures["bytes_a_row_compacted"] > 4000  # of one shard


def test_kills(run: Run, images: Path) -> None:
    pytest.importorskip("distributed", reason="needs the extra cluster")
    figures = run(scale.main, "kills", "--data", images, "--rounds", 1)["figures"]
    assert (figures["images"], figures["kills"], figures["same"]) == (24, 1, True)
    assert figures["history"][0]["after"] < figures["uninterrupted_seconds"]


def test_scheduler(run: Run) -> None:
    pytest.importorskip("distributed", reason="needs the extra cluster")
    figures = run(scale.main, "scheduler", "--size", 40)["figures"]
    assert (figures["jobs"], figures["each_once"]) == (40, True)
    assert [look["done"] for look in figures["history"]] == list(range(0, 41, 4))
    assert figures["megabytes"]["scheduler"]["peak"] > 20


def test_client(run: Run) -> None:
    figures = run(scale.main, "client", "--size", 50000)["figures"]
    assert figures["images"] == 50000
    assert 200 < figures["bytes_an_image"] < 5000


def test_quality(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="needs the extra cluster")
    figures = run(scale.main, "quality", "--data", corpus(tmp_path / "data", 150, size=64))["figures"]
    local, dask = (figures["trained"][way] for way in ("local", "dask"))
    assert figures["apart"]["median"] == pytest.approx(abs(local["auc"]["value"] - dask["auc"]["value"]))
    assert local["rows"] == dask["rows"]
    assert (local["engine"], dask["engine"]["name"], dask["engine"]["workers"]) == (None, "dask", 2)


def test_training(run: Run) -> None:
    figures = run(scale_training.main, "--rows", 4000, "--columns", 5, "--trees", 5)["figures"]
    assert (figures["rows"], figures["columns"]) == (4000, 6)
    assert 2800 <= figures["rows_trained"] <= 3600
    assert figures["estimates"]["megabytes_of_training"] > 1000
    assert figures["estimates"]["megabytes_of_bins"] == pytest.approx(figures["rows_trained"] * 6 / 1e6)
    assert figures["megabytes"]["median"] > 50
    assert figures["auc"] > 0.6


def test_what_is_lost_ends_with_status_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    part = scale.PARTS["store"]._replace(run=lambda _: {"same": False})
    monkeypatch.setitem(scale.PARTS, "store", part)
    with pytest.raises(SystemExit, match="store: same does not hold"):
        run(scale.main, "store")
