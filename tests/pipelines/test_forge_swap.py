"""Swaps of faces."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from features.errors import DatasetError
from features.geometry import apply, to_patch
from features.planes import resize
from pipelines.forge_parts import Portrait
from pipelines.forge_portrait import find_portrait
from pipelines.forge_swap import swap
from tests.faces import astronaut, turned

SEEDS = range(24)


@pytest.fixture(scope="module")
def target() -> Portrait:
    return find_portrait(astronaut(1.5))


@pytest.fixture(scope="module")
def donor(target: Portrait) -> Portrait:
    """The same face, but turned by eight degrees and green."""
    found = find_portrait(turned(8)[0])
    return replace(found, bgr=np.clip(found.bgr * np.array([0.7, 1.2, 0.7]), 0, 255).astype(np.uint8))


def test_only_what_the_mask_covers_changes(target: Portrait, donor: Portrait) -> None:
    for seed in SEEDS:
        forged = swap(target, donor, np.random.default_rng(seed))
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
        one, other = (swap(target, donor, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(one.bgr, other.bgr)
        assert one.parameters == other.parameters
        for name in ("alignment", "method", "region", "colour"):
            drawn.setdefault(name, set()).add(one.parameters[name])
    assert drawn["alignment"] == {"similarity", "affine", "mesh"}
    assert drawn["method"] == {"alpha", "clone"}
    assert drawn["region"] == {"face", "inner"}
    assert len(drawn["colour"]) >= 4


def test_the_donor_lands_on_the_target_in_its_colours(target: Portrait, donor: Portrait) -> None:
    """The same person as target and donor: aligned and recoloured, little is left of the difference."""
    left = []
    for seed in SEEDS:
        forged = swap(target, donor, np.random.default_rng(seed))
        inside = forged.mask > 0.5
        coarse = (cv2.GaussianBlur(bgr, (0, 0), 5).astype(float) for bgr in (forged.bgr, target.bgr))
        left.append(np.abs(np.subtract(*coarse))[inside].mean())
        assert np.abs(forged.bgr[inside].mean(axis=0) - target.bgr[inside].mean(axis=0)).max() < 15
    assert np.mean(left) < 8
    assert max(left) < 18


def test_without_landmarks_the_framing_aligns(target: Portrait, donor: Portrait) -> None:
    for one, other in ((replace(target, points=None), donor), (target, replace(donor, points=None))):
        forged = swap(one, other, np.random.default_rng(0))
        assert forged.parameters["alignment"] == "framing"
        assert (forged.bgr != one.bgr).any(axis=2)[forged.mask > 0.5].mean() > 0.5


def test_where_the_donors_picture_ends_nothing_is_taken(target: Portrait, donor: Portrait) -> None:
    assert donor.points is not None
    middle = np.median(donor.points[:, 1])
    half = replace(donor, bgr=donor.bgr[: int(middle)].copy())
    forged = swap(target, half, np.random.default_rng(1))
    assert target.points is not None
    _, mouth = target.points[13].astype(int)
    assert forged.mask[: int(mouth)].max() > 0.5
    assert not forged.mask[mouth:].any()


def test_what_cannot_be_swapped_is_refused(target: Portrait, donor: Portrait) -> None:
    with pytest.raises(DatasetError, match="no donor"):
        swap(target, None, np.random.default_rng(0))
    assert donor.points is not None
    squeezed = replace(donor, points=(donor.points * np.array([0.5, 1])).astype(np.float32))
    with pytest.raises(DatasetError, match="pose"):
        swap(target, squeezed, np.random.default_rng(0))


def test_a_donor_of_another_size_and_tilt_serves(target: Portrait, donor: Portrait) -> None:
    assert donor.points is not None
    side = donor.bgr.shape[0] // 4
    move = to_patch(np.array(donor.bgr.shape[1::-1], np.float32) / np.float32(2), donor.bgr.shape[0], 0, side)
    small = Portrait(resize(donor.bgr, side, side), apply(move, donor.points))
    forged = swap(target, small, np.random.default_rng(4))
    inside = forged.mask > 0.5
    assert np.abs(forged.bgr[inside].mean(axis=0) - target.bgr[inside].mean(axis=0)).max() < 15
