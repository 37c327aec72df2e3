"""Pictures and frames for the tests of the blocks, and a way to read values by their names."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.decode import Pixels, decode
from features.frame import WORKING_SIZE, Frame
from features.profiles import PROFILES, RETIRED
from features.spec import BlockSpec, FeatureSet
from tests.images import jpeg, photo

__all__ = ["BLOCKS", "FORENSIC", "PICTURES", "POSITION", "frame_with", "grey", "measure"]

BLOCKS: Final = {name: BlockSpec.of(name) for name in (*PROFILES["fast"], *RETIRED)}
"""Every block that is code alone, by name."""

FORENSIC: Final = FeatureSet("forensic", tuple(BLOCKS.values()))
"""All of them."""

POSITION: Final = np.mgrid[0:WORKING_SIZE, 0:WORKING_SIZE]
"""Row and column of each pixel, (2, 224, 224)."""


def grey(plane: npt.ArrayLike) -> Pixels:
    """Make (H, W, 3) uint8 RGB of a grey plane; its luma is the plane itself, its Cr and Cb are 128."""
    return np.repeat(np.asarray(plane, np.uint8)[..., None], 3, axis=2)


def frame_with(**planes: Any) -> Frame:
    """Make a frame whose cached planes are the given ones instead of those of its (grey) pixels."""
    frame = Frame.load(np.full((WORKING_SIZE, WORKING_SIZE), 128, np.uint8))
    vars(frame).update(planes)
    return frame


def measure(name: str, source: Frame | Pixels) -> dict[str, float]:
    """Measure one block: the values by their names after the block's."""
    spec = BLOCKS[name]
    values = spec.compute(source if isinstance(source, Frame) else Frame.load(source))
    return {full.removeprefix(f"{name}."): float(value) for full, value in zip(spec.names, values, strict=True)}


def _noise(levels: int) -> Pixels:
    return np.random.default_rng(0).integers(0, levels, (WORKING_SIZE, WORKING_SIZE, 3)).astype(np.uint8)


PICTURES: Final[dict[str, Callable[[], Pixels]]] = {
    "black": lambda: grey(np.zeros((224, 224))),
    "white": lambda: grey(np.full((224, 224), 255)),
    "flat": lambda: np.full((224, 224, 3), (200, 100, 50), np.uint8),
    "gradient": lambda: grey(POSITION[1]),
    "step": lambda: grey(255 * (POSITION[1] >= 100)),
    "checkerboard": lambda: grey(255 * (POSITION.sum(axis=0) % 2)),
    "one pixel": lambda: grey(255 * (POSITION == 100).all(axis=0)),
    "noise": lambda: _noise(256),
    "binary noise": lambda: _noise(2) * 255,
    "photo": lambda: photo(0),
    "photo as JPEG": lambda: decode(jpeg(photo(1)))[..., ::-1],
    "small photo": lambda: photo(2, (90, 120)),
    "large photo": lambda: photo(3, (500, 350)),
}
"""Ordinary and extreme pictures by name."""
