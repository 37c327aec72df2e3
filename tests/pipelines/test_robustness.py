"""The levels of every perturbation: five each, repeatable, worse as they go."""

from collections import Counter

import numpy as np
import pytest

from features.decode import Pixels
from features.errors import ImageTooLargeError
from pipelines.robustness import LEVELS, perturb
from tests.images import photo


def loss(image: Pixels, key: str) -> float:
    """The mean absolute change over three draws."""
    draws = [perturb(image, key, sha256).astype(int) for sha256 in ("a", "b", "c")]
    return float(np.mean([np.abs(drawn - image).mean() for drawn in draws]))


def test_there_are_ten_perturbations_of_five_levels() -> None:
    found = Counter(level.perturbation for level in LEVELS.values())
    assert list(found.values()) == [5] * 10
    assert [level.number for level in LEVELS.values()] == [1, 2, 3, 4, 5] * 10
    assert all(key == level.key for key, level in LEVELS.items())


@pytest.mark.parametrize("name", sorted({level.perturbation for level in LEVELS.values()}))
def test_a_level_loses_more_than_the_one_before(name: str) -> None:
    image = photo(5, 160)
    losses = [loss(image, key) for key, level in LEVELS.items() if level.perturbation == name]
    assert losses == sorted(losses)
    assert losses[0] > 0


@pytest.mark.parametrize("key", LEVELS)
def test_the_same_image_gets_the_same_and_keeps_its_size(key: str) -> None:
    image = photo(6, (90, 120))
    before = image.copy()
    first = perturb(image, key, "digest")
    assert np.array_equal(first, perturb(image, key, "digest"))
    assert np.array_equal(image, before)
    assert first.shape == image.shape
    assert first.dtype == np.uint8


@pytest.mark.parametrize("key", ["noise-8", "crop-0.8", "brightness-35", "contrast-1.5"])
def test_what_is_random_follows_from_the_digest(key: str) -> None:
    image = photo(7, 100)
    drawn = {perturb(image, key, str(i)).tobytes() for i in range(8)}
    assert len(drawn) > 1


def test_brightness_goes_up_and_down() -> None:
    grey = np.full((40, 40, 3), 128, np.uint8)
    assert {int(perturb(grey, "brightness-20", str(i))[0, 0, 0]) for i in range(20)} == {108, 148}


def test_names_say_what_was_done() -> None:
    assert LEVELS["jpeg-20"].name == "JPEG, quality 20"
    assert LEVELS["double-jpeg-95"].name == "JPEG twice, quality 95"
    assert LEVELS["blur-0.5"].to_json() == {
        "perturbation": "blur",
        "unit": "sigma in pixels",
        "level": 1,
        "value": 0.5,
        "name": "blur, sigma of 0.5 pixels",
    }


def test_an_image_that_a_format_cannot_hold_is_refused() -> None:
    with pytest.raises(ImageTooLargeError, match="16,383 pixels"):
        perturb(np.zeros((2, 16_384, 3), np.uint8), "jpeg-95", "digest")
