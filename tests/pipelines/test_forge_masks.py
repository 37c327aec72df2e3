"""Regions of a face, how they are softened, and the blend."""

from collections import Counter

import numpy as np
import pytest

from features.errors import UnknownNameError
from pipelines.forge_masks import PATCH, REGIONS, blend, draw_region, patch, region, soften
from pipelines.forge_parts import Mask, Portrait
from pipelines.forge_portrait import find_portrait
from tests.faces import head


def center_of(mask: Mask) -> tuple[float, float]:
    """Centre of mass as x, y in sides."""
    y, x = np.nonzero(mask)
    return float(x.mean() / mask.shape[1]), float(y.mean() / mask.shape[0])


@pytest.fixture(scope="module")
def face() -> Portrait:
    return find_portrait(head(300))


@pytest.fixture(params=["landmarks", "ellipses"])
def portrait(request: pytest.FixtureRequest, face: Portrait) -> Portrait:
    return face if request.param == "landmarks" else Portrait(face.bgr, None)


def test_regions_lie_where_they_belong(portrait: Portrait) -> None:
    masks = {name: region(portrait, name) for name in REGIONS}
    for mask in masks.values():
        assert mask.dtype == np.float32
        assert mask.shape == portrait.bgr.shape[:2]
        assert set(np.unique(mask)) == {0, 1}
    heights = {name: center_of(mask)[1] for name, mask in masks.items()}
    assert heights["eyes"] < heights["nose"] < heights["mouth"]
    assert heights["face"] < heights["lower"]
    areas = {name: mask.sum() for name, mask in masks.items()}
    assert areas["face"] > areas["inner"] > areas["eyes"] > areas["mouth"]
    for name in ("mouth", "eyes", "nose"):
        assert (masks[name] <= masks["face"]).mean() > 0.999


def test_a_hull_is_filled_from_its_corners() -> None:
    points = np.full((468, 2), 20.0, np.float32)
    points[[61, 291, 0, 17]] = [[10, 20], [30, 20], [20, 16], [20, 24]]  # the corners and the middle of the lips
    mask = region(Portrait(np.zeros((40, 40, 3), np.uint8), points), "mouth")
    assert mask[20, 12:28].all()
    assert mask[17, 20] == mask[22, 20] == 1
    assert not mask[17, 12]
    assert not mask[25:].any()


def test_landmarks_beyond_the_border_are_cut_off_there() -> None:
    points = np.random.default_rng(0).uniform(-30, 70, (468, 2)).astype(np.float32)
    mask = region(Portrait(np.zeros((40, 40, 3), np.uint8), points), "face")
    assert mask.mean() > 0.8


def test_an_unknown_region_is_refused(portrait: Portrait) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'mouth'"):
        region(portrait, "mouht")


def test_the_whole_face_is_drawn_most_often(face: Portrait) -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_region(face, rng) for _ in range(500)]
    counts = Counter(name for name, _ in drawn)
    assert set(counts) == {*REGIONS, PATCH}
    assert counts.most_common(1)[0][0] == "face"
    assert all((mask == region(face, name)).all() for name, mask in drawn if name != PATCH)


def test_patches_lie_anywhere_and_are_of_all_sizes() -> None:
    rng = np.random.default_rng(0)
    masks = np.stack([patch((200, 300), rng) for _ in range(400)])
    assert masks.dtype == np.float32
    assert set(np.unique(masks)) == {0, 1}
    areas, often = masks.mean(axis=(1, 2)), masks.mean(axis=0)
    assert 0.001 < areas.min() < 0.02 < 0.08 < areas.max() < 0.17  # the largest ellipse covers pi / 4 * 100**2
    assert often[:20, :20].mean() > often.mean() / 5
    assert often.min() > 0


def test_a_patch_is_as_wide_as_it_is_large() -> None:
    mask = patch((224, 224), np.random.default_rng(3))
    rows, columns = np.nonzero(mask)
    assert 0.06 * 224 < max(np.ptp(rows), np.ptp(columns)) <= 0.5 * 224 + 1


@pytest.mark.parametrize("name", REGIONS)
def test_softening_keeps_the_core_and_blurs_the_edge(portrait: Portrait, name: str) -> None:
    mask = region(portrait, name)
    for seed in range(10):
        soft, drawn = soften(mask, np.random.default_rng(seed))
        assert soft.dtype == np.float32
        assert soft.shape == mask.shape
        assert 0 <= soft.min() <= soft.max() <= 1
        assert soft.max() > 0.5
        edge = np.abs(np.diff(soft, axis=0)).max()
        assert edge < 0.5
        assert np.abs(np.array(center_of(soft)) - center_of(mask)).max() < 0.1
        assert set(drawn) == {"bend", "cells", "erosion", "sigma"}


def test_softening_follows_from_its_source_and_scales_with_size() -> None:
    small = region(Portrait(np.zeros((224, 224, 3), np.uint8), None), "face")
    large = region(Portrait(np.zeros((448, 448, 3), np.uint8), None), "face")
    once, again = (soften(small, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(once[0], again[0])
    assert once[1] == again[1]
    twice = soften(large, np.random.default_rng(3))
    assert twice[1]["sigma"] == pytest.approx(np.multiply(2, once[1]["sigma"]))
    np.testing.assert_allclose(twice[0].mean(), once[0].mean(), atol=0.02)


def test_a_blend_is_a_rounded_mean() -> None:
    target, source = np.full((2, 2, 3), 10, np.uint8), np.full((2, 2, 3), 21, np.uint8)
    mask = np.array([[0, 1], [0.5, 0.25]], np.float32)
    np.testing.assert_array_equal(blend(target, source, mask)[..., 0], [[10, 21], [16, 13]])
