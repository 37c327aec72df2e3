"""A record of `evaluate`, small and made up, with everything that a page has to show."""

from typing import Any

__all__ = ["LEVELS", "evaluation"]

LEVELS = {"jpeg": ("quality", (95, 50, 20)), "blur": ("sigma, pixels", (0.5, 1.0, 3.0))}
"""Perturbations with their units and strengths."""

_FIGURES = {
    "auc": 0.909,
    "average_precision": 0.911,
    "accuracy": 0.827,
    "balanced_accuracy": 0.827,
    "precision": 0.818,
    "recall": 0.843,
    "f1": 0.83,
    "eer": 0.17,
    "tpr_at_fpr_1": 0.364,
    "ece": 0.02,
    "brier": 0.123,
    "log_loss": 0.387,
    "coverage": 0.464,
    "verdict_accuracy": 0.957,
    "reals_called_fake": 0.0076,
    "fakes_called_real": 0.0327,
}
_COUNTS = {"rows": 200, "real": 100, "fake": 100, "groups": 90}
_NONE = {"value": None, "low": None, "high": None}


def _figure(value: float, margin: float = 0.02) -> dict[str, float | None]:
    return {"value": value, "low": max(0.0, value - margin), "high": min(1.0, value + margin)}


def _figures(lost: float = 0.0) -> dict[str, Any]:
    return {name: _figure(value - lost if value > 0.5 else value + lost / 2) for name, value in _FIGURES.items()}


def _level(perturbation: str, number: int, strength: float) -> dict[str, Any]:
    lost = 0.1 * number + (0.01 if perturbation == "blur" else 0)
    unit = LEVELS[perturbation][0]
    place = {"perturbation": perturbation, "unit": unit, "level": number, "value": strength}
    return {**place, "name": f"{perturbation}, {unit} {strength:g}", "failed": 0, **_COUNTS, **_figures(lost)}


def _robustness() -> dict[str, Any]:
    levels = [
        _level(name, number, strength)
        for name, (_, strengths) in LEVELS.items()
        for number, strength in enumerate(strengths, 1)
    ]
    worst = {
        figure: {name: levels[-1][name] for name in ("perturbation", "level", "name")} | {"value": levels[-1][figure]}
        for figure in ("auc", "accuracy", "reals_called_fake")
    }
    return {"baseline": {**_COUNTS, **_figures()}, "levels": levels, "worst": worst}


def _slices() -> list[dict[str, Any]]:
    parts = {
        "kind": ("swap",),
        "source": ("faces", "<b>ffhq</b>"),
        "brightness": ("12 to 60", "60 to 130", "130 to 210"),
    }
    return [
        {
            "by": by,
            "name": name,
            "low": None,
            "high": None,
            "against_all_reals": False,
            **_COUNTS,
            **_figures(0.05 * number),
            **({"auc": _NONE} if name == "<b>ffhq</b>" else {}),
        }
        for by, names in parts.items()
        for number, name in enumerate(names)
    ]


def _model(name: str) -> dict[str, Any]:
    counts = {
        "verdicts": {
            "real": {"real": 40, "uncertain": 59, "fake": 1, "no_face": 0},
            "fake": {"real": 3, "uncertain": 52, "fake": 45, "no_face": 0},
        },
        "half": {"real": {"real": 81, "fake": 19}, "fake": {"real": 16, "fake": 84}},
    }
    bins = [(0, 60, 0.1), (3, 40, 0.25), (7, 40, 0.5), (14, 60, 0.9)]
    return {
        "name": name,
        "digest": "ab" * 32,
        "profile": "fast",
        "trained_on": {"faces": 24150},
        "operating_points": {"fake_from": 0.9277, "real_below": 0.2072},
        "figures": {
            "balanced": {**_COUNTS, **_figures(), "majority": 0.5, "no_face": 0},
            "all": {**_COUNTS, "rows": 400, "fake": 300, **_figures(0.01), "majority": 0.75, "no_face": 0},
        },
        "confusion": {"balanced": counts, "all": counts},
        "reliability": [
            {
                "low": number / 15,
                "high": (number + 1) / 15,
                "rows": rows,
                "probability": (number + 0.5) / 15,
                "fakes": _figure(share, 0.05),
            }
            for number, rows, share in bins
        ],
        "curves": {
            "roc": [[0.0, 0.0], [0.01, 0.36], [0.1, 0.7], [0.3, 0.9], [1.0, 1.0]],
            "pr": [[0.0, 1.0], [0.36, 0.97], [0.7, 0.88], [0.9, 0.75], [1.0, 0.5]],
        },
        "slices": _slices(),
        "sources": [
            {"source": "faces", "balanced": True, **_COUNTS, **_figures()},
            {
                **{"source": "<b>ffhq</b>", "balanced": False, **_COUNTS, "fake": 0},
                **_figures(),
                **dict.fromkeys(("auc", "balanced_accuracy", "tpr_at_fpr_1", "ece", "fakes_called_real"), _NONE),
            },
        ],
        "robustness": _robustness(),
    }


def evaluation(*names: str) -> dict[str, Any]:
    """Make the record of an evaluation of detectors of these names."""
    return {
        "schema": "fauxface.evaluation/1",
        "command": "python cli.py evaluate faces.zip --out evaluation",
        "machine": {
            "processor": "A processor",
            "cores": 2,
            "cores_used": 2,
            "system": "Linux",
            "python": "3.11.2",
            "libraries": {"numpy": "2.4.6"},
        },
        "protocol": {
            "groups": "test",
            "faces": "off",
            "limit": None,
            "resamples": 1000,
            "seed": 0,
            "robustness": True,
        },
        "warnings": ["faces is among the training data of <fast>: only its test groups were judged"],
        "images": {
            "real": 100,
            "fake": 300,
            "groups": 90,
            "sources": {"faces": {"real": 100, "fake": 300}},
            "balanced": {"real": 100, "fake": 100, "groups": 80},
            "left_out": {"failed": 1, "labelled_both": 0, "repeated": 2, "not_chosen": 0},
            "failures": [{"path": "faces.zip!/<b>x.jpg", "type": "corrupt_image", "message": "damaged\x1b JPEG"}],
        },
        "models": [_model(name) for name in names],
    }
