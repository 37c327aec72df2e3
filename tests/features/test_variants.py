"""Variants: perturbed copies that training may see."""

import numpy as np
import pytest

from features.errors import UnknownNameError
from features.frame import Frame
from features.variants import VARIANTS, vary
from tests.images import photo


def test_a_variant_remembers_the_size_of_its_image() -> None:
    frame = Frame.load(photo(1, 300)[:250])
    assert frame.size == (250, 300)
    assert vary(frame, "mirror").size == (250, 300)


def test_no_variant_is_the_frame_itself() -> None:
    frame = Frame.load(photo(1))
    assert vary(frame, "") is frame


def test_mirror_swaps_left_and_right() -> None:
    frame = Frame.load(photo(1))
    mirrored = vary(frame, "mirror")
    assert np.array_equal(mirrored.bgr[:, 0], frame.bgr[:, -1])
    assert np.array_equal(vary(mirrored, "mirror").bgr, frame.bgr)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_leaves_its_frame_alone(name: str) -> None:
    frame = Frame.load(photo(2))
    before = frame.bgr.copy()
    assert vary(frame, name).bgr.flags.c_contiguous
    assert np.array_equal(frame.bgr, before)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'mirror'"):
        vary(Frame.load(photo(3)), "mirrored")
