"""Faces that went through a small code."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from features.perturb import blur
from pipelines.forge_parts import Portrait
from pipelines.forge_portrait import find_portrait
from pipelines.forge_resampled import resample
from tests.faces import astronaut
from tests.images import photo

SEEDS = range(24)


@pytest.fixture(scope="module")
def face() -> Portrait:
    return find_portrait(astronaut(1.5))


@pytest.fixture(params=["landmarks", "framing"])
def portrait(request: pytest.FixtureRequest, face: Portrait) -> Portrait:
    return face if request.param == "landmarks" else Portrait(face.bgr, None)


def detail(bgr: np.ndarray, mask: np.ndarray) -> float:
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    return float(np.abs(cv2.Laplacian(grey, cv2.CV_32F))[mask > 0.6].mean())


def test_only_what_the_mask_covers_changes(portrait: Portrait) -> None:
    for seed in SEEDS:
        forged = resample(portrait, None, np.random.default_rng(seed))
        assert forged.bgr.shape == portrait.bgr.shape
        assert forged.bgr.dtype == np.uint8
        assert forged.mask.dtype == np.float32
        assert 0.5 < forged.mask.max() <= 1
        changed = (forged.bgr != portrait.bgr).any(axis=2)
        assert not changed[forged.mask == 0].any()
        assert changed[forged.mask > 0.5].mean() > 0.5


def test_every_draw_is_told_and_repeats(face: Portrait) -> None:
    told: set[str] = set()
    for seed in SEEDS:
        one, other = (resample(face, None, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(one.bgr, other.bgr)
        np.testing.assert_array_equal(one.mask, other.mask)
        assert one.parameters == other.parameters
        assert one.parameters["code"] in range(64, 129)
        told |= set(one.parameters)
    assert told >= {"region", "decoder", "chroma", "grid", "sharpened", "smooth", "square", "turn", "shift", "ratio"}


def test_detail_is_lost_unless_it_is_added_and_the_face_stays_in_place(face: Portrait) -> None:
    lost = []
    for seed in SEEDS:
        forged = resample(face, None, np.random.default_rng(seed))
        if not forged.parameters.keys() & {"sharpened", "grid"}:
            lost.append(detail(forged.bgr, forged.mask) < detail(face.bgr, forged.mask))
        coarse = (cv2.GaussianBlur(bgr, (0, 0), 4).astype(int) for bgr in (forged.bgr, face.bgr))
        assert np.abs(np.subtract(*coarse)).max() < 45
    assert len(lost) > 6
    assert all(lost)


def test_a_degraded_target_may_get_a_sharp_face(face: Portrait) -> None:
    poor = replace(face, bgr=blur(face.bgr, 4.0), pristine=face.bgr)
    sharper = {0: 0, 1: 0}
    for seed in SEEDS:
        forged = resample(poor, None, np.random.default_rng(seed))
        pristine = int(bool(forged.parameters["pristine"]))
        sharper[pristine] += detail(forged.bgr, forged.mask) > 1.5 * detail(poor.bgr, forged.mask)
    assert sharper[1] > sharper[0]


def test_parameters_scale_with_the_image() -> None:
    small, large = (Portrait(photo(0, side), None) for side in (224, 448))
    one, two = (resample(portrait, None, np.random.default_rng(2)) for portrait in (small, large))
    assert two.parameters["square"] == pytest.approx(2 * float(str(one.parameters["square"])), rel=0.02)
    assert two.mask.mean() == pytest.approx(one.mask.mean(), abs=0.03)
