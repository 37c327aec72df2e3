"""The same face with another expression."""

from dataclasses import replace

import numpy as np
import pytest

from features.errors import NoFaceError
from pipelines import forge_warp
from pipelines.forge_geometry import axes
from pipelines.forge_masks import REGIONS
from pipelines.forge_parts import Points, Portrait
from pipelines.forge_portrait import find_portrait
from pipelines.forge_warp import MOVEMENTS, Movement, warp
from tests.faces import astronaut

SEEDS = range(24)


@pytest.fixture(scope="module")
def face() -> Portrait:
    return find_portrait(astronaut(1.5))


def moved(name: str, points: Points, by: float = 0.03) -> Points:
    return np.asarray(forge_warp._displacement(points, MOVEMENTS[name], by) / axes(points)[2], dtype=np.float32)


def test_movements_name_regions_and_landmarks() -> None:
    for movement in MOVEMENTS.values():
        assert set(movement.regions) <= set(REGIONS)
        assert len(movement.regions) > 1
        assert 0 < movement.low < movement.high < 0.1
        assert not set(movement.handles) & set(movement.held)
        assert max(*movement.handles, *movement.held) < 468


def test_a_landmark_near_a_handle_moves_with_it_and_a_far_one_does_not() -> None:
    points = np.zeros((468, 2), np.float32)
    points[10], points[152] = (0, 0), (0, 100)
    points[1], points[2], points[3], points[4] = (50, 50), (56, 50), (50, 90), (50, 44)
    movement = Movement(("face", "eyes"), {1: (1, 0.5)}, (4,), 0.01, 0.02, 0.06)
    by = forge_warp._displacement(points, movement, 0.02)
    np.testing.assert_allclose(by[1], [2, 1])  # a fiftieth of the face's height, and half that down
    np.testing.assert_allclose(by[2], np.exp(-0.5) * by[1], rtol=1e-5)
    np.testing.assert_allclose(by[3], 0, atol=1e-6)
    np.testing.assert_array_equal(by[4], 0)


def test_expressions_move_what_they_say(face: Portrait) -> None:
    assert face.points is not None
    by = {name: moved(name, face.points) for name in MOVEMENTS}
    assert by["open"][14, 1] > 0.02
    assert by["open"][152, 1] > 0.01
    assert by["open"][13, 1] == 0
    assert by["smile"][61, 0] < -0.02 < 0.02 < by["smile"][291, 0]
    assert by["narrow"][291, 0] < -0.02 < 0.02 < by["narrow"][61, 0]
    assert by["wide"][159, 1] < -0.02 < 0.02 < by["closed"][159, 1]
    assert by["raised"][105, 1] < -0.02 < 0.02 < by["lowered"][105, 1]
    for name in ("open", "smile", "narrow"):
        assert np.abs(by[name][[33, 263, 159, 105]]).max() < 0.003
    for name in ("wide", "closed", "raised", "lowered"):
        assert np.abs(by[name][[61, 291, 14, 152]]).max() < 0.003


def test_only_what_the_mask_covers_changes(face: Portrait) -> None:
    for seed in SEEDS:
        forged = warp(face, None, np.random.default_rng(seed))
        assert forged.bgr.shape == face.bgr.shape
        assert forged.bgr.dtype == np.uint8
        assert forged.mask.dtype == np.float32
        assert 0.4 < forged.mask.max() <= 1
        changed = (forged.bgr != face.bgr).any(axis=2)
        assert not changed[forged.mask == 0].any()
        assert changed.any()


def test_every_draw_is_told_and_repeats(face: Portrait) -> None:
    told: set[str] = set()
    for seed in range(40):
        one, other = (warp(face, None, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(one.bgr, other.bgr)
        np.testing.assert_array_equal(one.mask, other.mask)
        assert one.parameters == other.parameters
        told |= set(one.parameters)
    assert told >= {*MOVEMENTS, "region", "ratio", "sigma", "detail", "blur", "dark", "pristine"}


def test_an_expression_that_is_not_rendered_changes_only_what_moves(
    face: Portrait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forge_warp, "_RENDERED", 0.0)
    monkeypatch.setattr(forge_warp, "_EYES", ("raised",))
    monkeypatch.setattr(forge_warp, "_BOTH", 0.0)
    monkeypatch.setattr(forge_warp, "_MOUTHS", 0.0)
    assert face.points is not None
    left, top = face.points[[61, 0]].min(axis=0).astype(int)
    right, bottom = face.points[[291, 17]].max(axis=0).astype(int)
    for seed in range(8):
        forged = warp(face, None, np.random.default_rng(seed))
        apart = np.abs(forged.bgr.astype(int) - face.bgr)
        assert apart[top:bottom, left:right].mean() < 1
        x, y = face.points[105].astype(int)
        assert apart[y - 15 : y + 15, x - 15 : x + 15].max() > 15


def test_the_landmarks_follow(face: Portrait, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network that found the landmarks sees the mouth of the warped face open."""
    monkeypatch.setattr(forge_warp, "_MOUTH", ("open",))
    monkeypatch.setattr(forge_warp, "_BOTH", 0.0)
    monkeypatch.setattr(forge_warp, "_MOUTHS", 1.0)
    assert face.points is not None
    wider = []
    for seed in range(6):
        points = find_portrait(warp(face, None, np.random.default_rng(seed)).bgr).points
        assert points is not None
        gaps = [(each[17, 1] - each[0, 1]) / axes(each)[2] for each in (face.points, points)]
        wider.append(gaps[1] - gaps[0])
    assert np.mean(wider) > 0.015


def test_without_landmarks_there_is_no_expression(face: Portrait) -> None:
    with pytest.raises(NoFaceError, match="landmarks"):
        warp(replace(face, points=None), None, np.random.default_rng(0))
