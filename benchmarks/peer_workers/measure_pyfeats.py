"""The blocks that pyfeats shares: local binary patterns, co-occurrence, Fourier power; it gives no score."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["make"]


def make(block: str) -> tuple[Callable[[str], Any], Callable[[Any], None]]:
    """Make the steps that read planes and measure one block, `lbp`, `glcm` or `fps`."""
    cv2, pyfeats, reader = (import_module(name) for name in ("cv2", "pyfeats", "planes"))
    cv2.setNumThreads(1)

    def lbp(planes: dict[str, Any]) -> None:
        for plane in planes.values():
            pyfeats.lbp_features(plane, None, P=[8], R=[1])

    def glcm(planes: dict[str, Any]) -> None:
        pyfeats.glcm_features(planes["y4"] >> 4, ignore_zeros=False)

    def fps(planes: dict[str, Any]) -> None:
        for name in ("y1", "cr", "cb"):
            pyfeats.fps(planes[name], None)

    return reader.read_planes, {"lbp": lbp, "glcm": glcm, "fps": fps}[block]
