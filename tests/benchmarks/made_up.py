"""Made-up results of whole commands, in the form in which `benchmarks.readme_detectors` reads them."""

import json
from typing import Any

from benchmarks.sources import Sources

__all__ = ["detector_results", "table_rows", "write_result"]


def write_result(sources: Sources, name: str, figures: dict[str, Any]) -> None:
    """Write a result file that nobody measured."""
    path = sources.results / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    machine = {"processor": "P", "system": "S", "python": "3.11"}
    path.write_text(json.dumps({"command": f"python -m benchmarks.{name}", "machine": machine, "figures": figures}))


def table_rows(page: str) -> list[str]:
    """List the rows of the one table of a page, without its head."""
    return [line for line in page.splitlines() if line.startswith("|")][2:]


def figure(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def detector_results(digest: str) -> dict[str, dict[str, Any]]:
    """Give the figures of every result, by name; `digest` is that of both detectors."""
    return {
        "benchmark/benchmark": _benchmark(digest),
        "evaluation/evaluation": {"models": [_evaluated("fast", digest), _evaluated("full", digest)]},
        "elsewhere/evaluation": {"models": [_evaluated("fast", digest), _evaluated("full", digest)]},
        "fusion": _fusion(digest),
        "ablation_full": {
            "seeds": 2,
            "rows": {"fit": 4000, "judge": 1200},
            "auc": {"mean": 0.951},
            "noise": 0.001,
            "families": {"embedding": {"blocks": 2, "auc_alone": 0.944, "auc_lost_without": 0.0411}},
        },
        "evidence_fast": _evidence(digest),
        "evidence_full": _evidence(digest),
        **_live(),
    }


def _live() -> dict[str, dict[str, Any]]:
    held = {"median": 1.5, "min": 1.25, "max": 1.75, "holds": True}
    spans = {"p50": 31.4, "p99": 62.8}
    return {
        "camera": {
            "pixels": [640, 480],
            "seconds": 60,
            "end_to_end": held | {"at_most": 60},
            "verdicts_per_second": held | {"at_least": 15},
            "server": held | {"at_most": 12},
        },
        "video": {
            "pixels": [1920, 1080],
            "every": 0.2,
            "clip": {"duration": 30.0},
            "seconds_per_second": held | {"at_most": 1.0},
        },
        "serve": {
            "bytes": 5300.0,
            "connections": {"1": {"requests_per_second": 77.0, **spans}},
            "overload": {
                "connections": 128,
                "max_concurrent": 64,
                "refused_share": 0.625,
                "refused": spans,
                "afterwards": {"served_share": 1.0, **spans},
            },
            "memory": {
                "requests": 200_000,
                "failed": 0,
                "first": 1000,
                "growth": {"front": held | {"median": 1.0125}, "worker": held | {"median": 1.03125}},
            },
        },
    }


def _benchmark(digest: str) -> dict[str, Any]:
    quality = {name: figure(0.9) for name in ("auc", "accuracy", "tpr_at_fpr_1", "eer")}
    spans = {"p50": 0.0012, "p99": 0.0034}
    speed = {"latency": {"one": spans}, "throughput": {"one": {"batch_1": {"median": 811.0}}}, "start": {"median": 0.3}}
    return {
        "images": {"test": {"real": 700, "fake": 700}},
        "detectors": [{"name": "fast", "sha256": digest}, {"name": "CNN of full", "sha256": "of a network"}],
        "quality": {"fast": quality, "full": quality | {"auc": figure(0.97)}, "CNN of full": quality},
        "differences": [{"of": "fast", "over": "CNN of full", "auc": figure(-0.05), "accuracy": figure(-0.02)}],
        "speed": [{"detector": name, "runtime": "onnxruntime", **speed} for name in ("fast", "full")],
    }


def _evaluated(name: str, digest: str) -> dict[str, Any]:
    shares = ("reals_called_fake", "fakes_called_real", "coverage", "verdict_accuracy", "ece", "auc", "accuracy")
    figures = {key: figure(0.25) for key in shares}
    level = {"perturbation": "jpeg", "auc": figure(0.7)}
    return {
        "name": name,
        "digest": digest,
        "figures": {"balanced": figures, "all": figures},
        "confusion": {
            "all": {
                "verdicts": {
                    "real": {"real": 50, "uncertain": 30, "fake": 10, "no_face": 10},
                    "fake": {"real": 40, "uncertain": 35, "fake": 25, "no_face": 0},
                }
            }
        },
        "robustness": {
            "baseline": figures,
            "levels": [{**level, "level": number, "name": f"JPEG, level {number}"} for number in range(1, 6)],
            "worst": {
                key: {"name": "JPEG, level 5", "value": figure(0.61)}
                for key in ("auc", "accuracy", "reals_called_fake")
            },
        },
    }


def _fusion(digest: str) -> dict[str, Any]:
    return {
        "bundle": digest,
        "images": {"real": 600, "fake": 1500},
        "ways": {"network alone": {"auc": figure(0.96)}, "two stages": {"auc": figure(0.965)}},
        "over_network_alone": {"two stages": {"auc": figure(0.005)}},
    }


def _evidence(digest: str) -> dict[str, Any]:
    mean = {"mean": 0.0625, "interval": [0.05, 0.07]}
    found = {"all": {"inside": mean, "inside_of_mean_map": mean, "area": mean, "auc": mean}}
    return {"model": {"name": "x", "digest": digest}, "faces": 400, "forged": found, "change": found}
