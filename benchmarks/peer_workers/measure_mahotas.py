"""The blocks that mahotas shares: local binary patterns and co-occurrence; it gives no score."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["make"]

_DISTANCES = (1, 2)


def make(block: str) -> tuple[Callable[[str], Any], Callable[[Any], None]]:
    """Make the steps that read planes and measure one block, `lbp` or `glcm`."""
    cv2, features, reader = (import_module(name) for name in ("cv2", "mahotas.features", "planes"))
    cv2.setNumThreads(1)

    def lbp(planes: dict[str, Any]) -> None:
        for plane in planes.values():
            features.lbp(plane, radius=1, points=8)

    def glcm(planes: dict[str, Any]) -> None:
        levels = planes["y4"] >> 4
        for distance in _DISTANCES:
            features.haralick(levels, distance=distance)

    return reader.read_planes, {"lbp": lbp, "glcm": glcm}[block]
