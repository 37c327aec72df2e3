"""Augmentation."""

import numpy as np
import pytest

from features import augment as module
from features.augment import AUGMENTATIONS, augment
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
