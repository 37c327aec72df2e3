"""Swaps as graphics make them."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from features.errors import DatasetError, NoFaceError
from pipelines import forge_graphics
from pipelines.forge_graphics import render
from pipelines.forge_parts import Portrait
from pipelines.forge_portrait import find_portrait
from tests.faces import astronaut, turned

SEEDS = range(24)


@pytest.fixture(scope="module")
def target() -> Portrait:
    return find_portrait(astronaut(1.5))


@pytest.fixture(scope="module")
def donor() -> Portrait:
    """The same face, but turned by eight degrees and darker towards the right."""
    found = find_portrait(turned(8)[0])
    shade = np.linspace(1.1, 0.6, found.bgr.shape[1])[None, :, None]
    return replace(found, bgr=np.clip(found.bgr * shade, 0, 255).astype(np.uint8))


def test_only_what_the_mask_covers_changes(target: Portrait, donor: Portrait) -> None:
    for seed in SEEDS:
        forged = render(target, donor, np.random.default_rng(seed))
        assert forged.bgr.shape == target.bgr.shape
        assert forged.bgr.dtype == np.uint8
        assert forged.mask.dtype == np.float32
        assert 0.5 < forged.mask.max() <= 1
        changed = (forged.bgr != target.bgr).any(axis=2)
        assert not changed[forged.mask == 0].any()
        assert changed[forged.mask > 0.5].mean() > 0.5


def test_every_draw_is_told_and_repeats(target: Portrait, donor: Portrait) -> None:
    drawn: dict[str, set[object]] = {}
    for seed in SEEDS:
        one, other = (render(target, donor, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(one.bgr, other.bgr)
        assert one.parameters == other.parameters
        assert one.parameters.keys() >= {"texture", "light_sigma", "lit", "sigma"}
        for name in ("edge", "light", "region", "colour"):
            drawn.setdefault(name, set()).add(one.parameters[name])
    assert drawn == {
        "edge": {"hard", "feathered"},
        "light": {"flat", "target"},
        "region": {"face", "inner"},
        "colour": {"means", "moments"},
    }


def test_the_texture_lands_on_the_mesh(target: Portrait, donor: Portrait) -> None:
    for seed in SEEDS:
        forged = render(target, donor, np.random.default_rng(seed))
        inside = forged.mask > 0.5
        coarse = (cv2.GaussianBlur(bgr, (0, 0), 5).astype(float) for bgr in (forged.bgr, target.bgr))
        assert np.abs(np.subtract(*coarse))[inside].mean() < 25
        assert np.abs(forged.bgr[inside].mean(axis=0) - target.bgr[inside].mean(axis=0)).max() < 20


def test_hard_edges_are_harder(target: Portrait, donor: Portrait) -> None:
    steps: dict[str, list[float]] = {"hard": [], "feathered": []}
    for seed in SEEDS:
        forged = render(target, donor, np.random.default_rng(seed))
        steps[str(forged.parameters["edge"])].append(float(np.abs(np.diff(forged.mask, axis=0)).max()))
    assert np.mean(steps["hard"]) > 2 * np.mean(steps["feathered"])


def test_light_is_evened_out_or_taken_from_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forge_graphics, "_LIT", (1.0, 1.0))
    monkeypatch.setattr(forge_graphics, "_LIGHT_SIGMA", (8.0, 8.0))
    ramp = np.linspace(80, 120, 224)
    source = np.rint(np.broadcast_to(ramp[None, :, None], (224, 224, 3))).astype(np.uint8)
    target = np.rint(np.broadcast_to(ramp[:, None, None], (224, 224, 3))).astype(np.uint8)
    mask = np.ones((224, 224), np.float32)
    for share, wanted in ((1.0, np.full((224, 224), 100.0)), (0.0, target[..., 0])):
        monkeypatch.setattr(forge_graphics, "_FLAT", share)
        lit, drawn = forge_graphics._lit(source, target, mask, np.random.default_rng(0))
        assert drawn["light"] == ("flat" if share else "target")
        inner = slice(32, -32)  # at the border the coarse light is that of mirrored pixels
        assert np.abs(lit[inner, inner, 0].astype(float) - wanted[inner, inner]).max() < 4


def test_what_cannot_be_rendered_is_refused(target: Portrait, donor: Portrait) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(DatasetError, match="no donor"):
        render(target, None, rng)
    for one, other in ((replace(target, points=None), donor), (target, replace(donor, points=None))):
        with pytest.raises(NoFaceError, match="landmarks"):
            render(one, other, rng)
    assert donor.points is not None
    squeezed = replace(donor, points=(donor.points * np.array([0.5, 1])).astype(np.float32))
    with pytest.raises(DatasetError, match="pose"):
        render(target, squeezed, rng)
