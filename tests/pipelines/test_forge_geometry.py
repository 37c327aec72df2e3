"""Alignment of landmarks, and warps by a mesh."""

import numpy as np
import pytest

from features.geometry import Move, apply
from pipelines.forge_geometry import alike, axes, between, fit, mesh_field, misfit, move_field, sample, visible
from pipelines.forge_parts import Points
from tests.images import photo

TURN: Move = np.array([[1.2, -0.5, 7], [0.5, 1.2, -3]], np.float32)
SHEAR: Move = np.array([[1.2, 0.3, 7], [0.1, 0.8, -3]], np.float32)
STAY: Move = np.eye(2, 3, dtype=np.float32)


def cloud(seed: int = 0, side: float = 60) -> Points:
    """Landmarks without a face: a random cloud, forehead above and chin below."""
    points = np.random.default_rng(seed).uniform(0.1 * side, 0.9 * side, (468, 2)).astype(np.float32)
    points[10], points[152] = (side / 2, 0.1 * side), (side / 2, 0.9 * side)
    return points


def centers(height: int, width: int) -> Points:
    y, x = np.indices((height, width), np.float32)
    return np.stack([x, y], axis=2) + np.float32(0.5)


def test_axes_follow_the_tilt() -> None:
    points = np.zeros((468, 2), np.float32)
    points[10], points[152] = (20, 10), (20, 50)
    across, down, height = axes(points)
    np.testing.assert_allclose(across, [1, 0])
    np.testing.assert_allclose(down, [0, 1])
    assert height == 40
    points[152] = (60, 10)  # a quarter turn against the clock
    across, down, _ = axes(points)
    np.testing.assert_allclose(across, [0, -1])
    np.testing.assert_allclose(down, [1, 0])


def test_a_fit_finds_the_move() -> None:
    points = cloud()
    np.testing.assert_allclose(fit(points, apply(TURN, points), rigid=True), TURN, atol=1e-4)
    np.testing.assert_allclose(fit(points, apply(TURN, points), rigid=False), TURN, atol=1e-4)
    np.testing.assert_allclose(fit(points, apply(SHEAR, points), rigid=False), SHEAR, atol=1e-4)


def test_a_rigid_fit_neither_shears_nor_mirrors() -> None:
    points = cloud()
    for goal in (apply(SHEAR, points), points * np.array([-1, 1], np.float32)):
        turn = fit(points, goal, rigid=True)[:, :2]
        np.testing.assert_allclose(turn[0], [turn[1, 1], -turn[1, 0]], atol=1e-5)
        assert np.linalg.det(turn) >= 0


def test_misfit_is_that_of_the_shape_alone() -> None:
    points = cloud()
    assert misfit(points, apply(TURN, points)) == pytest.approx(0, abs=1e-5)
    sheared = misfit(points, apply(SHEAR, points))
    assert sheared == pytest.approx(misfit(apply(TURN, points), apply(SHEAR, points)), rel=1e-3)
    assert alike(points, apply(TURN, points))
    assert not alike(points, cloud(1))


def test_landmarks_in_one_place_do_no_harm() -> None:
    nowhere = np.zeros((468, 2), np.float32)
    assert misfit(nowhere, nowhere) == 0
    assert np.isfinite(fit(nowhere, cloud(), rigid=True)).all()


def test_between_crops_of_other_sizes() -> None:
    np.testing.assert_array_equal(between((10, 20, 3), (30, 40, 3)), [[2, 0, 0], [0, 3, 0]])


def test_the_field_of_a_move_is_its_inverse() -> None:
    field = move_field(SHEAR, (20, 30))
    assert field.dtype == np.float32
    np.testing.assert_allclose(apply(SHEAR, field), centers(20, 30), atol=1e-4)


@pytest.mark.parametrize("move", [STAY, TURN, SHEAR])
def test_a_mesh_of_moved_landmarks_is_that_move(move: Move) -> None:
    points = cloud()
    field = mesh_field(points, apply(move, points), (70, 90), move)
    np.testing.assert_allclose(field, move_field(move, (70, 90)), atol=2e-3)


def test_a_mesh_brings_each_landmark_home() -> None:
    target = centers(60, 60)[6::12, 6::12].reshape(-1, 2)
    source = target + np.random.default_rng(0).uniform(-2, 2, target.shape).astype(np.float32)
    field = mesh_field(source, target, (60, 60), STAY)
    for (x, y), origin in zip(target.astype(int), source, strict=True):
        np.testing.assert_allclose(field[y, x], origin, atol=1e-3)
    middle = (target[0] + target[1]) / 2  # affine along the edge between two landmarks
    x, y = middle.astype(int)
    np.testing.assert_allclose(field[y, x], (source[0] + source[1]) / 2, atol=1e-3)


def test_a_share_of_a_mesh_lies_between() -> None:
    source, target = cloud(), cloud() + np.float32(3)
    none, half, whole = (mesh_field(source, target, (60, 60), STAY, share=share) for share in (0, 0.5, 1))
    np.testing.assert_allclose(none, centers(60, 60), atol=1e-3)
    np.testing.assert_allclose(half, (none + whole) / 2, atol=1e-3)


def test_a_fold_is_left_out() -> None:
    target = centers(60, 60)[6::12, 6::12].reshape(-1, 2)
    source = target.copy()
    source[12] = (2, 30)  # beyond its neighbours
    field = mesh_field(source, target, (60, 60), STAY)
    np.testing.assert_allclose(field, centers(60, 60), atol=1e-3)


def test_neighbouring_pixels_come_from_neighbouring_places() -> None:
    target = cloud(2, 200)
    source = target + np.random.default_rng(3).uniform(-1, 1, target.shape).astype(np.float32)
    field = mesh_field(source, target, (200, 200), STAY)
    assert np.isfinite(field).all()
    assert np.abs(field - centers(200, 200)).max() < 5


def test_doubled_landmarks_do_no_harm() -> None:
    target = np.repeat(cloud(), 2, axis=0)
    source = target.copy()
    source[1::2] += 4
    assert np.isfinite(mesh_field(source, target, (60, 60), STAY)).all()


def test_a_sample_moves_by_whole_pixels_exactly() -> None:
    bgr = photo(0, (40, 50))
    np.testing.assert_array_equal(sample(bgr, centers(40, 50)), bgr)
    moved = sample(bgr, centers(40, 50) + np.array([3, -2], np.float32))
    np.testing.assert_array_equal(moved[2:, :-3], bgr[:-2, 3:])
    np.testing.assert_array_equal(moved[2:, -1], bgr[:-2, -4])  # mirrored beyond the border


def test_a_sample_that_shrinks_averages() -> None:
    board = np.indices((400, 400)).sum(axis=0) % 2 * 255
    bgr = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
    small = sample(bgr, 4 * centers(100, 100))
    assert np.abs(small.astype(int) - 127).max() <= 2


def test_what_lies_beyond_the_source_is_not_visible() -> None:
    seen = visible(centers(20, 30) - np.float32(5), (20, 30, 3), feather=4)
    assert seen.dtype == np.float32
    assert not seen[:5].any()
    assert not seen[:, :5].any()
    np.testing.assert_allclose(seen[12, 5:9], [0.125, 0.375, 0.625, 0.875])
    assert (seen[9:, 9:] == 1).all()
