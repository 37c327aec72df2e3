"""Augmentation."""

import numpy as np
import pytest

from features import augment as module
from features.augment import AUGMENTATIONS, GEOMETRIC, augment, augment_both
from features.decode import Pixels
from tests.images import photo


def test_the_same_seed_gives_the_same_picture_and_leaves_the_image_alone() -> None:
    image = photo(1)
    before = image.copy()
    first, again, other = (augment(image, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(image, before)


def test_every_result_is_an_image_of_the_same_size() -> None:
    image = photo(1, (96, 128))
    for seed in range(60):
        found = augment(image, np.random.default_rng(seed))
        assert found.shape == image.shape
        assert found.dtype == np.uint8


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_step_changes_the_image_but_not_beyond_recognition(name: str) -> None:
    image = photo(2)
    _, step = AUGMENTATIONS[name]
    found = np.stack([step(image, np.random.default_rng(seed)) for seed in range(12)]).astype(int)
    changes = np.abs(found - image).mean(axis=(1, 2, 3))
    assert changes.max() > 0.5
    if name not in ("flip", "reframe"):
        assert changes.max() < 40


def test_each_step_comes_as_often_as_the_table_says(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = dict.fromkeys(AUGMENTATIONS, 0)

    def counting(name: str) -> module._Step:
        def step(bgr: Pixels, rng: np.random.Generator) -> Pixels:
            counts[name] += 1
            return bgr

        return step

    table = {name: (probability, counting(name)) for name, (probability, _) in AUGMENTATIONS.items()}
    monkeypatch.setattr(module, "AUGMENTATIONS", table)
    rng, image = np.random.default_rng(0), photo(0, 32)
    for _ in range(2000):
        augment(image, rng)
    for name, (probability, _) in AUGMENTATIONS.items():
        assert counts[name] / 2000 == pytest.approx(probability, abs=0.04)


def test_geometric_steps_come_first() -> None:
    assert set(list(AUGMENTATIONS)[: len(GEOMETRIC)]) == GEOMETRIC


def test_a_mask_moves_with_its_image_and_leaves_the_image_as_it_is() -> None:
    image = photo(3)
    mask = np.ascontiguousarray(image[..., 1])  # what only geometry changed is still there
    for seed in range(12):
        moved, along = augment_both(image, mask, np.random.default_rng(seed))
        assert moved.tobytes() == augment(image, np.random.default_rng(seed)).tobytes()
        assert along.shape == mask.shape
        assert along.dtype == np.uint8
    assert np.array_equal(mask, image[..., 1])


def test_only_geometry_touches_the_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    certain = {name: (float(name in GEOMETRIC), step) for name, (_, step) in AUGMENTATIONS.items()}
    monkeypatch.setattr(module, "AUGMENTATIONS", certain)
    image = photo(4)
    moved, along = augment_both(image, np.ascontiguousarray(image[..., 1]), np.random.default_rng(1))
    assert np.array_equal(along, moved[..., 1])
    monkeypatch.setattr(
        module, "AUGMENTATIONS", {name: (1.0 - certain[name][0], step) for name, (_, step) in AUGMENTATIONS.items()}
    )
    changed, still = augment_both(image, np.ascontiguousarray(image[..., 1]), np.random.default_rng(1))
    assert np.array_equal(still, image[..., 1])
    assert not np.array_equal(changed, image)
