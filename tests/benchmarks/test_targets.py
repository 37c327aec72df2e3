"""What the shipped detectors are to reach: which limit a figure keeps, and what is said where there is none."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from benchmarks.sources import FiguresError, Sources
from benchmarks.targets import BLOCKS, TARGETS, unseen
from tests.benchmarks.made_up import write_result

KINDS = ("found", "forged.blend", "forged.resampled", "forged.swap", "forged.warp", "forged.graphics")


def figure(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def model(name: str, digest: str, auc: float) -> dict[str, Any]:
    """An evaluation in which level k of every perturbation costs k hundredths of AUC and calls k % of reals fake."""
    levels = [
        {
            "perturbation": kind,
            "level": level,
            "auc": figure(auc - level / 100),
            "reals_called_fake": figure(level / 100),
        }
        for kind in ("jpeg", "rescale", "blur")
        for level in range(1, 6)
    ]
    told = {"auc": figure(auc), "accuracy": figure(0.9), "tpr_at_fpr_1": figure(0.5), "reals_called_fake": figure(0.06)}
    return {
        "name": name,
        "digest": digest,
        "figures": {"balanced": told, "all": told},
        "robustness": {"baseline": {"auc": figure(auc)}, "levels": levels},
    }


def left_out(auc: float) -> dict[str, Any]:
    found = {"fakes": 1200, "reals": 1200, "auc": figure(auc), "tpr_at_fpr_1": figure(0.3)}
    return {
        "unseen": found,
        "learnt": {"a": found, "b": {**found, "auc": figure(0.9)}},
        "network_steps": 800,
        "further_share": 0.5,
    }


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """Results of two detectors that ship, and of every kind left out."""
    found = Sources(tmp_path / "results", tmp_path / "fast")
    digests = {}
    for name in ("fast", "full"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(name)
        digests[name] = hashlib.sha256(name.encode()).hexdigest()
    models = [model("fast", digests["fast"], 0.915), model("full", digests["full"], 0.97)]
    evidence = {"inside": {"mean": 0.12}, "area": {"mean": 0.06}, "inside_of_mean_map": {"mean": 0.11}}
    write_result(found, "evaluation/evaluation", {"models": models})
    write_result(found, "elsewhere/evaluation", {"models": models})
    write_result(found, "evidence_full", {"model": {"digest": digests["full"]}, "forged": {"all": evidence}})
    for at, kind in enumerate(KINDS):
        write_result(found, f"unseen/{kind}", {"kinds": {kind: left_out(0.7 + at / 20)}})
    return found


def row(sources: Sources, title: str) -> tuple[str, ...]:
    (found,) = [target.row(sources) for target in TARGETS if target.title == title]
    return found


@pytest.mark.parametrize(
    ("title", "reached", "outcome"),
    [
        ("`full`: AUC", "0.970", "floor, `evaluation/evaluation.json`"),
        ("`full`: TPR at 1 % FPR", "0.500", "**below the floor**, `evaluation/evaluation.json`"),
        ("`fast`: AUC", "0.915", "aim, `evaluation/evaluation.json`"),
        ("`full`, AUC lost at JPEG 50", "0.040", "**below the floor**, `evaluation/evaluation.json`"),
        ("`full`, AUC lost at a blur of 1 pixel", "0.020", "aim, `evaluation/evaluation.json`"),
        ("`full`, reals called fake, worst of levels 1 and 2", "2.0%", "aim, `evaluation/evaluation.json`"),
        ("`full`, FFHQ's photographs called fake", "6.0%", "**below the floor**, `elsewhere/evaluation.json`"),
        ("`full`, evidence inside the mask over its area", "2.000", "aim, `evidence_full.json`"),
        ("`full`, evidence inside the mask over the mean map", "1.091", "**below the floor**, `evidence_full.json`"),
        ("`full`, families never seen: mean AUC", "0.825", "floor, `unseen/*.json`"),
        ("`full`, families never seen: the worst", "0.700", "floor, `unseen/*.json`"),
    ],
)
def test_a_figure_stands_beside_its_limits(sources: Sources, title: str, reached: str, outcome: str) -> None:
    _, found, _, _, so = row(sources, title)
    assert (found, so) == (reached, outcome)


def test_a_figure_of_another_detector_is_none(sources: Sources) -> None:
    (sources.detector.with_name("full") / "manifest.json").write_text("another")
    assert row(sources, "`fast`: AUC")[1] == "0.915"
    for title in ("`full`: AUC", "`full`, evidence inside the mask over its area"):
        assert row(sources, title)[1] == "not measured"


def test_a_mean_over_some_kinds_is_none(sources: Sources) -> None:
    (sources.results / "unseen" / "forged.warp.json").unlink()
    _, reached, _, _, so = row(sources, "`full`, families never seen: mean AUC")
    assert (reached, so) == ("not measured", "not left out yet: forged.warp")
    text = BLOCKS["unseen"](sources)
    assert "| `found` | 1,200 | 0.700 (0.690 to 0.710) | 0.300 (0.290 to 0.310) | 0.800 | 800 | 0.5 |" in text
    assert "forged.warp" not in text


def test_further_trees_counted_whole_before_that_was_written_down(sources: Sources) -> None:
    older = left_out(0.7)
    del older["further_share"]
    write_result(sources, "unseen/found", {"kinds": {"found": older}})
    assert "| 800 | 1 |" in BLOCKS["unseen"](sources)


def test_nothing_left_out_is_said(sources: Sources) -> None:
    for kind in KINDS:
        (sources.results / "unseen" / f"{kind}.json").unlink()
    with pytest.raises(FiguresError, match="is empty"):
        unseen(sources)
