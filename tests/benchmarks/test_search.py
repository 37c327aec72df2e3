"""The search at a small scale: what it draws, that it finds what is planted, and that its result hangs together."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks import search
from benchmarks.boosters import FOLDS, VALIDATION, Job, auc_of, gains_of, read
from features.store import FeatureStore
from models.booster import FORGED_SHARE, BoosterParams
from tests import toy
from tests.benchmarks.conftest import Run

QUICK = BoosterParams(max_trees=8, num_leaves=7, min_child_samples=5, feature_fraction=1.0)


@pytest.fixture(scope="module", autouse=True)
def _toy_block() -> Iterator[None]:
    with toy.registered():
        yield


@pytest.fixture(scope="module")
def cache(_toy_block: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.fill(tmp_path_factory.mktemp("cache"), toy.table())


def test_a_job_sees_what_it_names_judges_where_it_says_and_leaves_a_fold_out(cache: Path) -> None:
    data = read(cache, 10_000)
    (block,) = FeatureStore(cache).feature_set.blocks
    job = Job(cache, 10_000, QUICK, (block.name,), 0)
    assert data.columns(job).all()
    some = Job(cache, 10_000, QUICK, (block.name,), 0, features=block.names[1:3])
    assert np.flatnonzero(data.columns(some)).tolist() == [1, 2]
    folds = [len(data.part("fit", data.columns(job), fold).labels) for fold in range(FOLDS)]
    assert sum(folds) == (FOLDS - 1) * len(data.part("fit", data.columns(job)).labels)
    manifest = FeatureStore(cache).manifest()
    assert len(data.part(VALIDATION, data.columns(job)).labels) == (manifest["split"] == "validation").sum()
    assert list(gains_of(some)) == list(block.names[1:3])
    assert auc_of(job) != auc_of(Job(cache, 10_000, QUICK, (block.name,), 0, judged=VALIDATION))


def test_forgeries_weigh_a_third_where_a_store_has_them(tmp_path: Path) -> None:
    columns = toy.table()
    made = [(i // 3) % 4 == 0 for i in range(toy.ROWS)]
    columns["source"] = ["made" if one else "toys" for one in made]
    columns["kind"] = ["forged.blend" if one and i % 3 else "toy" for i, one in enumerate(made)]
    data = read(toy.fill(tmp_path, columns), 10_000)
    part = data.part("judge", np.ones(len(data.features.names), bool))
    assert part.forged is not None
    forged = part.weights[part.forged & (part.labels == 1)].sum()
    assert forged == pytest.approx(part.weights[part.labels == 1].sum() * FORGED_SHARE)


def test_features_that_gain_in_every_fold_come_first(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gains = [{"steady": 5.0, "once": 9.0 if fold else 0.0, "little": 1.0, "less": 0.5} for fold in range(FOLDS)]
    monkeypatch.setattr(search, "gains_of", lambda job: gains[job.without])
    assert search.order(search.Search(cache, 100, QUICK, 1, 1)) == ["steady", "little", "once", "less"]


def test_the_search_judges_what_it_found_beside_the_defaults(
    run: Run, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PARAMS", QUICK)
    found = run(search.main, cache, "--rows", 300, "--trials", 3, "--seeds", 2, "--jobs", 1)["figures"]
    assert len(found["trials"]) == 3
    for trial in found["trials"]:
        assert trial["params"].keys() == search.SPACE.keys()
        assert all(low <= trial["params"][name] <= high for name, (low, high) in search.SPACE.items())
        assert isinstance(trial["params"]["num_leaves"], int)
    best = max(found["trials"], key=lambda trial: trial["auc"])
    assert found["best"]["params"] == best["params"]
    assert found["default"]["params"]["max_trees"] == QUICK.max_trees
    assert [len(found[name]["aucs"]) for name in ("default", "best")] == [2, 2]
    assert found["all_features"] == len(FeatureStore(cache).feature_set.names)
    assert all(0.5 < one["auc"] <= 1 for one in found["features"].values())
