"""The panels show what was measured: known patterns come to lie where they should."""

import numpy as np
import pytest

from features.decode import Pixels
from features.frame import Frame
from pipelines.explain_panels import panels
from tests.images import photo


def drawn(bgr: Pixels) -> dict[str, np.ndarray]:
    return {picture.title: picture.bgr for picture in panels(Frame.of(bgr))}


def waves(down: int, across: int) -> Pixels:
    y, x = np.mgrid[0:224, 0:224]
    plane = 128 + 60 * np.cos(2 * np.pi * (down * y + across * x) / 224)
    return np.repeat(np.rint(plane).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize(("down", "across"), [(0, 40), (30, 20), (-30, 20), (10, 90)])
def test_a_wave_is_two_dots_on_either_side_of_the_middle(down: int, across: int) -> None:
    seen = drawn(waves(down, across))["Spectrum"][..., 0].astype(float)
    places = (np.argwhere(seen >= seen.max() - 2) - 112).tolist()
    for sign in (1, -1):
        assert any(abs(v - sign * down) <= 1 and abs(u - sign * across) <= 1 for v, u in places)


def test_panels_have_the_size_of_the_frame_and_words() -> None:
    for picture in panels(Frame.of(photo(1))):
        assert picture.bgr.shape == (224, 224, 3)
        assert picture.bgr.dtype == np.uint8
        assert picture.text.endswith(".")


def test_flat_and_busy_places_are_told_apart() -> None:
    plain = np.full((224, 224, 3), 128, np.uint8)
    plain[:112, :112] = np.random.default_rng(0).integers(0, 255, (112, 112, 1), np.uint8)
    seen = drawn(plain)
    residual = np.abs(seen["Noise residual"].astype(int) - 128)
    assert residual[5:100, 5:100].mean() > 20
    assert (residual[120:] == 0).all()
    assert seen["DCT energy"][8:100, 8:100, 2].mean() > seen["DCT energy"][120:, 120:, 2].mean() + 50
    assert (seen["Texture (LBP)"][120:, 120:] == 255).all()


def test_a_bright_pixel_is_a_black_spot_of_texture() -> None:
    plain = np.full((224, 224, 3), 100, np.uint8)
    plain[50, 60] = 200
    seen = drawn(plain)["Texture (LBP)"][..., 0]
    assert seen[50, 60] == 0
    assert (np.argwhere(seen < 255) == [[50, 60]]).all()
