"""The model card tells what the manifest knows, and warns."""

import json
from pathlib import Path
from typing import Any

import pytest

from models.card import model_card


@pytest.fixture
def manifest(bundle_folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((bundle_folder / "manifest.json").read_text())
    return record


def test_card_is_made_from_the_manifest(manifest: dict[str, Any], bundle_folder: Path) -> None:
    assert model_card(manifest) == (bundle_folder / "MODEL_CARD.md").read_text()


def test_card_tells_figures_with_their_intervals(manifest: dict[str, Any]) -> None:
    manifest["metrics"]["test_balanced"]["auc"] = {"value": 0.8765, "low": 0.8611, "high": 0.8922}
    manifest["metrics"]["test"]["auc"] = {"value": None, "low": None, "high": None}
    assert "| AUC | 0.8765 (0.8611 to 0.8922) | not defined |" in model_card(manifest)


def test_card_tells_variants_and_how_to_make_them(manifest: dict[str, Any]) -> None:
    assert "no perturbed copies" in model_card(manifest)
    manifest["training"]["variants"] = {"mirror": 1234}
    card = model_card(manifest)
    assert "perturbed copies of it, 1,234 in all" in card
    assert "`mirror` once." in card
    assert " --variant mirror --out CACHE" in card


def test_card_tells_what_forgeries_weigh(manifest: dict[str, Any]) -> None:
    assert "Forgeries that" not in model_card(manifest)
    manifest["training"]["forged_share"] = 1 / 3
    card = model_card(manifest)
    assert "and the reals beside them, weigh 33% of the fit; found fakes the rest. They teach only: what was" in card


def test_card_counts_variants_that_differ_by_chance_alone(manifest: dict[str, Any]) -> None:
    names = ["mirror", "resized", "resized-2", "shared", "shared-2", "shared-3", "shared-4", *"abcde"]
    manifest["training"]["variants"] = dict.fromkeys(names[:7], 10)
    assert "70 in all" in model_card(manifest)
    assert "`mirror` once, `resized` twice and `shared` four times." in model_card(manifest)
    manifest["training"]["variants"] = {"shared": 1, **{f"shared-{n}": 1 for n in range(2, 7)}}
    assert "`shared` 6 times." in model_card(manifest)


def test_card_tells_data_points_and_command(manifest: dict[str, Any]) -> None:
    card = model_card(manifest)
    points, training = manifest["operating_points"], manifest["training"]
    assert f"`fake` from probability {points['fake_from']:.4f}" in card
    assert f"`real` below probability {points['real_below']:.4f}" in card
    assert "- `toys`: 600 images" in card
    assert training["data_digest"] in card
    for split, count in training["rows"].items():
        assert f"| {split} | {training['groups'][split]} | {count['real']} | {count['fake']} |" in card
    assert "python cli.py train CACHE --out BUNDLE --name toy --seed 0" in card
    assert f"lightgbm {manifest['libraries']['lightgbm']}" in card


@pytest.mark.parametrize(
    "warning", ["same person appears in several groups", "As the only or decisive evidence", "equal priors"]
)
def test_card_warns(manifest: dict[str, Any], warning: str) -> None:
    assert warning in " ".join(model_card(manifest).split())


def figure(value: float | None) -> dict[str, float | None]:
    return {"value": value, "low": value and value - 0.1, "high": value and value + 0.1}


def part(by: str, name: str, auc: float | None, accused: float, each: int = 50) -> dict[str, Any]:
    figures = {"auc": figure(auc), "accuracy": figure(0.8), "reals_called_fake": figure(accused)}
    return {"by": by, "name": name, "real": each, "fake": each, **figures}


def level(name: str, number: int, value: float, auc: float) -> dict[str, Any]:
    figures = {"auc": figure(auc), "accuracy": figure(0.75), "reals_called_fake": figure(0.02)}
    return {
        "perturbation": name,
        "unit": "quality",
        "level": number,
        "value": value,
        "name": f"{name} {value}",
        **figures,
    }


@pytest.fixture
def evaluation(manifest: dict[str, Any]) -> dict[str, Any]:
    """An evaluation in which every number is another."""
    metrics = manifest["metrics"]
    levels = [level("double-jpeg", 1, 95, 0.88), level("double-jpeg", 2, 20, 0.61)]
    worst = {**levels[1], "value": figure(0.61)}
    model = {
        "figures": {
            "balanced": {**metrics["test_balanced"], "log_loss": figure(0.4567), "majority": 0.5},
            "all": {**metrics["test"], "log_loss": figure(0.3456), "majority": 0.7123},
        },
        "confusion": {
            "all": {
                "verdicts": {
                    "real": {"real": 1520, "uncertain": 71, "fake": 3, "no_face": 0},
                    "fake": {"real": 5, "uncertain": 80, "fake": 90, "no_face": 0},
                }
            }
        },
        "slices": [
            part("kind", "swap", 0.87, 0.01),
            part("brightness", "0 to 90", 0.79, 0.03),
            part("brightness", "91 to 255", 0.91, 0.05),
            part("brightness", "256 to 300", 0.11, 0.5, each=7),
        ],
        "robustness": {
            "baseline": level("", 0, 0, 0.9),
            "levels": levels,
            "worst": {"auc": worst, "reals_called_fake": None},
        },
    }
    return {"protocol": {"resamples": 1000}, "command": "python cli.py evaluate set.zip", "model": model}


def test_card_takes_its_figures_from_an_evaluation(manifest: dict[str, Any], evaluation: dict[str, Any]) -> None:
    evaluation["model"]["figures"]["balanced"]["auc"] = figure(0.8123)
    card = model_card(manifest, evaluation)
    assert "| AUC | 0.8123 (0.7123 to 0.9123) | " in card
    assert "| Log loss | 0.4567 (0.3567 to 0.5567) | 0.3456 (0.2456 to 0.4456) |" in card
    assert "accuracy 0.5000 (balanced) and 0.7123 (all)" in card
    assert "`python cli.py evaluate set.zip` (1,000 resamples)" in card
    assert "| real images | 1,520 | 71 | 3 |" in card


def test_card_tabulates_slices_and_levels(manifest: dict[str, Any], evaluation: dict[str, Any]) -> None:
    card = model_card(manifest, evaluation)
    assert "| Brightness (mean luma) | 0 to 90 | 50 + 50 | 0.7900 (0.6900 to 0.8900) |" in card
    assert "| Kind |" not in card  # there is one only
    assert "| double jpeg (quality) | 95: 0.880, 0.750, 0.0200 | 20: 0.610, 0.750, 0.0200 |" in card
    assert "As they are: 0.900, 0.750, 0.0200." in card


def test_card_names_what_failed_most(manifest: dict[str, Any], evaluation: dict[str, Any]) -> None:
    card = model_card(manifest, evaluation)
    assert "- Least AUC under perturbation: double-jpeg 20, 0.6100 (0.5100 to 0.7100)." in card
    assert "- Least AUC of a slice: brightness (mean luma) 0 to 90, 0.7900" in card  # that of 14 images is chance
    assert "- Most real images called fake in a slice: brightness (mean luma) 91 to 255, 0.0500" in card


def test_card_of_an_evaluation_without_perturbations(manifest: dict[str, Any], evaluation: dict[str, Any]) -> None:
    evaluation["model"]["robustness"] = None
    evaluation["model"]["slices"] = []
    card = model_card(manifest, evaluation)
    assert "## Robustness" not in card
    assert "## Slices" not in card
    assert "## Limits and known failures\n\n- Trained on face crops" in card


def test_card_tells_both_stages_of_a_fused_detector(manifest: dict[str, Any]) -> None:
    manifest["network"] = {
        "architecture": "lite0",
        "validation": {"auc": 0.949},
        "training": {"groups": {"train": 8300}, "held_back": {"percent": 20}},
    }
    assert "two stages" not in model_card(manifest)
    manifest["training"] |= {
        "stages": [1350, 214],
        "forensic_trees": {"rows": {"train": {"real": 7771, "fake": 19210}}, "groups": {"train": 8332}},
    }
    card = " ".join(model_card(manifest).split())
    assert "of its own it has an AUC of 0.9490 on the" in card
    manifest["network"]["validation"]["heads"] = {"found": {"auc": 0.97}, "forged": {"auc": 0.88}}
    assert "an AUC of 0.9700 for found fakes and 0.8800 for forged fakes on the" in model_card(manifest)
    assert "1,350 over forensic measurements alone, on the 7,771 real and 19,210 fake images of 8,332 training" in card
    assert "then 214 over everything" in card
    assert "in the table. " in card
    manifest["training"]["further_share"] = 0.5
    assert "in the table; these count 50% of what they were fitted to." in " ".join(model_card(manifest).split())
    assert "--network NETWORK" in card


def test_card_tells_of_images_unlike_the_training(manifest: dict[str, Any]) -> None:
    manifest["novelty"] = {"limit": 3.5, "share": 0.01, "images": 2174}
    assert "than 1.0% of the 2,174 calibration images are." in " ".join(model_card(manifest).split())
    manifest["novelty"]["limit"] = None  # too few to tell
    assert "less like the training images" not in " ".join(model_card(manifest).split())
