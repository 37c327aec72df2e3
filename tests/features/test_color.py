"""Statistics of the planes of images whose colour is known."""

import numpy as np
import pytest

from tests.features.pictures import POSITION, grey, measure
from tests.images import photo


def test_one_colour_has_a_mean_and_no_deviation() -> None:
    values = measure("color.global", np.full((224, 224, 3), (255, 0, 0), np.uint8))
    means = {"mean.y": 76, "mean.cr": 255, "mean.cb": 85}  # 128 + 0.713 * 179 saturates
    assert values == pytest.approx(means | {"std.y": 0, "std.cr": 0, "std.cb": 0}, abs=1e-5)


def test_two_greys_deviate_by_half_their_difference() -> None:
    values = measure("color.global", grey(np.where(POSITION[0] < 112, 40, 100)))
    assert (values["mean.y"], values["std.y"]) == (70, 30)
    chroma = [values[f"{moment}.{plane}"] for moment in ("mean", "std") for plane in ("cr", "cb")]
    assert chroma == pytest.approx([128, 128, 0, 0], abs=1e-5)


def test_statistics_are_those_of_the_pixels() -> None:
    red, green, blue = np.moveaxis(photo(0).astype(float), -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    values = measure("color.global", photo(0))
    for plane, exact in (("y", luma), ("cr", 128 + 0.713 * (red - luma)), ("cb", 128 + 0.564 * (blue - luma))):
        assert values[f"mean.{plane}"] == pytest.approx(exact.mean(), abs=0.05)
        assert values[f"std.{plane}"] == pytest.approx(exact.std(), abs=0.05)
