"""Self-blended images."""

from dataclasses import replace

import numpy as np
import pytest

from features.perturb import blur
from pipelines.forge_blend import self_blend
from pipelines.forge_parts import Portrait
from pipelines.forge_portrait import find_portrait
from tests.faces import astronaut

SEEDS = range(24)


@pytest.fixture(scope="module")
def face() -> Portrait:
    return find_portrait(astronaut(1.5))


def test_only_what_the_mask_covers_changes(face: Portrait) -> None:
    for seed in SEEDS:
        forged = self_blend(face, None, np.random.default_rng(seed))
        assert forged.bgr.shape == face.bgr.shape
        assert forged.bgr.dtype == np.uint8
        assert 0 < forged.mask.max() <= 1
        changed = (forged.bgr != face.bgr).any(axis=2)
        assert not changed[forged.mask == 0].any()
        assert changed.any()


def test_every_draw_is_told_and_repeats(face: Portrait) -> None:
    told: set[str] = set()
    for seed in SEEDS:
        one, other = (self_blend(face, None, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(one.bgr, other.bgr)
        np.testing.assert_array_equal(one.mask, other.mask)
        assert one.parameters == other.parameters
        told |= set(one.parameters)
    assert told >= {"region", "ratio", "sigma", "erosion", "step", "strength", "shift", "scale", "dx", "dy"}


def test_a_copy_keeps_its_colours_nearly(face: Portrait) -> None:
    for seed in SEEDS:
        forged = self_blend(face, None, np.random.default_rng(seed))
        inside = forged.mask > 0.5
        if inside.any():
            change = forged.bgr[inside].mean(axis=0) - face.bgr[inside].mean(axis=0)
            assert np.abs(change).max() < 35


def test_of_a_degraded_target_the_copy_is_sharper(face: Portrait) -> None:
    poor = replace(face, bgr=blur(face.bgr, 3.0), pristine=face.bgr)
    sharper = 0
    for seed in SEEDS:
        forged = self_blend(poor, None, np.random.default_rng(seed))
        assert forged.parameters["pristine"] == 1
        gain = (
            np.abs(np.diff(forged.bgr.astype(int), axis=1)).sum() - np.abs(np.diff(poor.bgr.astype(int), axis=1)).sum()
        )
        sharper += gain > 0
    assert sharper > 0.8 * len(SEEDS)
