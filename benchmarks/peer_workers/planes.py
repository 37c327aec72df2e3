"""Reads the planes that blocks of texture and spectrum measure, with OpenCV alone: for packages that read no JPEG."""

from importlib import import_module
from typing import Any

__all__ = ["Planes", "read_planes"]

Planes = dict[str, Any]
"""Luma at 224, 112 and 56 px (`y1`, `y2`, `y4`), Cr and Cb at 112 px (`cr`, `cb`), all uint8."""

_SIDE = 224


def read_planes(path: str) -> Planes:
    """Read a file, bring it to 224 px where it is not, and make its planes."""
    cv2 = import_module("cv2")
    bgr = cv2.imread(path, cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError(f"{path} cannot be read")

    def smaller(plane: Any, side: int) -> Any:
        return cv2.resize(plane, (side, side), interpolation=cv2.INTER_AREA)

    if bgr.shape[:2] != (_SIDE, _SIDE):
        bgr = smaller(bgr, _SIDE)
    luma, cr, cb = cv2.split(cv2.cvtColor(bgr, cv2.COLOR_BGR2YCrCb))
    half = smaller(luma, 112)
    return {"y1": luma, "y2": half, "y4": smaller(half, 56), "cr": smaller(cr, 112), "cb": smaller(cb, 112)}
