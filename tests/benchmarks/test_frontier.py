"""The frontier of speed against AUC at a small scale: which block goes first, and that the figures hang together."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks import frontier
from benchmarks.ablation import Fits
from features.errors import DatasetError
from features.profiles import feature_set
from models.booster import BoosterParams
from pipelines.dataset import read_dataset
from pipelines.extract import extract
from tests.benchmarks.conftest import Run
from tests.images import corpus

COST = {"auc_lost_without": 0.001, "marginal_microseconds": 10.0}


def ablation(**blocks: Mapping[str, float]) -> dict[str, Any]:
    known = {spec.name: COST for spec in feature_set("fast").blocks}
    return {"feature_set": feature_set("fast").digest, "blocks": known | blocks}


def test_the_block_that_loses_least_for_each_microsecond_goes_first() -> None:
    cheap = {"auc_lost_without": 0.002, "marginal_microseconds": 100.0}
    dear = {"auc_lost_without": 0.002, "marginal_microseconds": 5.0}
    steps = frontier.steps_of({"blocks": {"a": dear, "b": COST, "c": cheap, "d": {**dear, "auc_lost_without": 0.1}}})
    assert steps == [(), ("c",), ("c", "b")]
    assert [frontier.title(step) for step in steps] == ["whole", "without c", "without c, b"]


def test_every_step_is_timed_and_fitted(
    run: Run, images: Path, small_detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract(read_dataset([str(corpus(tmp_path / "corpus", 40, size=64))]), str(tmp_path / "cache"), workers=1)
    (tmp_path / "ablation.json").write_text(
        json.dumps({"figures": ablation(**{"texture.lbp": {"auc_lost_without": -1.0, "marginal_microseconds": 100.0}})})
    )
    monkeypatch.setattr(frontier, "PARAMS", BoosterParams(max_trees=5))
    options = ["--ablation", tmp_path / "ablation.json", "--data", images, "--model", small_detector]
    sizes = ["--rows", 60, "--seeds", 1, "--images", 6, "--jobs", 1]
    figures = run(frontier.main, tmp_path / "cache", *options, *sizes)["figures"]
    first, second, *_ = steps = figures["steps"]
    assert len(steps) == len(feature_set("fast").blocks) - 1
    assert (first["left_out"], second["left_out"]) == ([], ["texture.lbp"])
    assert (first["auc_lost"], second["values"]) == (0, first["values"] - 295)
    assert all(row["auc_lost"] == pytest.approx(first["auc"] - row["auc"], abs=1e-5) for row in steps)
    assert steps[-1]["microseconds"]["median"] < first["microseconds"]["median"]
    best = next(row for row in steps if row["left_out"] == figures["best"])
    assert best["auc_lost"] <= frontier.MOST_LOST


def test_an_ablation_of_other_features_is_refused(images: Path, tmp_path: Path) -> None:
    extract(read_dataset([str(images)]), str(tmp_path / "cache"), workers=1)
    fits = Fits(tmp_path / "cache", 10, BoosterParams(), 1, lambda line: None)
    with pytest.raises(DatasetError, match="measured otherwise than the ablation"):
        frontier.measure({**ablation(), "feature_set": "0"}, {}, fits, 1)
