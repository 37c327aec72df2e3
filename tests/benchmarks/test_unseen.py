"""The protocol that leaves a kind of forgery out, on images so few that only its form can be judged."""

import json
from pathlib import Path

import pytest

from benchmarks import unseen
from features.store import FeatureStore
from models.bundle import load
from models.fusion import FURTHER_SHARE
from pipelines import network_run
from tests.benchmarks.conftest import Run
from tests.forgeries import forgeries
from tests.images import corpus

pytest.importorskip("torch")


def test_a_kind_is_left_out_and_judged(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_run, "_MOST", {"train": 3, "validation": 3})
    faces, forged = corpus(tmp_path / "faces", 60, size=64), forgeries(tmp_path / "forged", 60)
    options = ("--forged", forged, "--init", "full", "--steps", 2, "--resamples", 5, "--kind", "forged.swap")
    figures = run(unseen.main, tmp_path / "work", faces, *options)["figures"]
    found = figures["kinds"]["forged.swap"]
    assert figures["mean_auc"] == figures["worst_auc"] == found["unseen"]["auc"]["value"]
    assert found["learnt"].keys() == {"found", "forged.blend"}
    own = tmp_path / "work" / "forged.swap"
    bundle = load(own / "bundle")
    assert bundle.manifest["training"]["without"] == ["forged.swap"]
    assert found["further_share"] == FURTHER_SHARE
    learnt = json.loads((own / "network" / "network.json").read_text())["training"]["kinds"]["train"]
    assert learnt.keys() == {"found", "forged.blend"}
    rows = FeatureStore(own / "features").manifest()
    tested = rows[(rows["split"] == "test") & rows["path"].str.contains("forged|swap|real/")]
    swaps = tested[tested["kind"] == "forged.swap"]
    assert found["unseen"]["fakes"] == len(swaps) > 0
    twins = tested[(tested["label"] == 0) & (tested["source"] == swaps["source"].iloc[0])]
    assert found["unseen"]["reals"] == len(twins)
    before = (own / "bundle" / "booster.txt").stat().st_mtime_ns
    again = run(unseen.main, tmp_path / "work", faces, *options)["figures"]
    assert again == figures
    assert (own / "bundle" / "booster.txt").stat().st_mtime_ns == before
