"""Transfer of colours."""

import numpy as np
import pytest

from pipelines.forge_colour import COLOURS, recolour
from tests.images import photo

WHOLE = np.ones((64, 64), np.float32)


@pytest.mark.parametrize("name", COLOURS)
def test_means_come_to_those_of_the_target(name: str) -> None:
    source, target = photo(0, 64), photo(1, 64)
    apart = np.abs(source.mean(axis=(0, 1)) - target.mean(axis=(0, 1))).max()
    recoloured = recolour(source, target, WHOLE, name)
    assert recoloured.shape == source.shape
    assert recoloured.dtype == np.uint8
    after = np.abs(recoloured.mean(axis=(0, 1)) - target.mean(axis=(0, 1))).max()
    assert after < 0.4 * apart  # a strong shift leaves the gamut: what is clipped is missing
    assert apart > 10


@pytest.mark.parametrize("name", COLOURS)
def test_colours_that_fit_are_kept(name: str) -> None:
    bgr = photo(0, 64)
    assert np.abs(recolour(bgr, bgr, WHOLE, name).astype(int) - bgr).max() <= 1


@pytest.mark.parametrize("name", ["moments", "reinhard", "quantiles"])
def test_contrast_comes_nearer_to_that_of_the_target(name: str) -> None:
    target = photo(0, 64)
    source = np.rint(0.75 * target.astype(float) + 20).astype(np.uint8)
    assert np.abs(recolour(source, target, WHOLE, name).astype(int) - target).mean() < 3


@pytest.mark.parametrize("name", COLOURS)
def test_only_what_the_mask_covers_is_measured(name: str) -> None:
    source, target = photo(0, 64), photo(0, 64)
    target[:, 32:] = 255 - target[:, 32:]
    half = WHOLE.copy()
    half[:, 32:] = 0.4
    np.testing.assert_allclose(recolour(source, target, half, name)[:, :32], source[:, :32], atol=1)


@pytest.mark.parametrize("name", COLOURS)
def test_order_of_levels_is_kept(name: str) -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(8, axis=0)
    recoloured = recolour(ramp, photo(2, (8, 256)), np.ones((8, 256), np.float32), name)
    assert (np.diff(recoloured.astype(int).sum(axis=2), axis=1) >= -2).all()


def test_a_mask_of_next_to_nothing_changes_nothing() -> None:
    source = photo(0, 64)
    few = np.zeros((64, 64), np.float32)
    few[:2, :2] = 1
    assert recolour(source, photo(1, 64), few, "means") is source


def test_a_flat_source_stays_flat() -> None:
    flat = np.full((64, 64, 3), 90, np.uint8)
    for name in COLOURS:
        assert np.ptp(recolour(flat, photo(1, 64), WHOLE, name).reshape(-1, 3), axis=0).max() == 0
