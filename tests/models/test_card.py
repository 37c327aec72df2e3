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
    assert "as they are: nothing." in model_card(manifest)
    manifest["training"]["variants"] = {"mirror": 1234}
    card = model_card(manifest)
    assert "as they are: 1,234 copies of them, variant mirror." in card
    assert " --variant mirror --out CACHE" in card


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
