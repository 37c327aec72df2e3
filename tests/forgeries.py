"""A small data set of forgeries as `forge` writes it: reals, fakes of two families beside them, and their masks."""

import csv
from pathlib import Path
from typing import Final

import numpy as np

from tests.images import jpeg, photo, png

__all__ = ["FAMILIES", "forgeries"]

FAMILIES: Final = ("blend", "swap")
"""The families of the data set."""

_COLUMNS: Final = ("path", "label", "group", "kind", "split", "original", "mask", "parameters")


def forgeries(root: Path, n: int, size: int = 64) -> Path:
    """Write `n` originals below `root`, of the groups of `tests.images.corpus`, each with a fake of each family.

    A fake is brighter in its left half (blend) or its lower half (swap), which its mask says.
    """
    rows = []
    for index in range(n):
        name, real = f"{index:04d}", photo(5_000_000 + index, size)
        rows.append((_write(root / "real" / f"{name}.jpg", jpeg(real), root), "real", name, "", "", "", "", ""))
        for family in FAMILIES:
            mask = np.zeros((size, size), np.uint8)
            mask[(slice(None), slice(size // 2)) if family == "blend" else slice(size // 2, None)] = 255
            fake = np.where(mask[..., None] > 0, np.minimum(real, 195) + 60, real).astype(np.uint8)
            path = _write(root / "fake" / family / f"{name}.jpg", jpeg(fake), root)
            masked = _write(root / "mask" / family / f"{name}.png", png(mask), root)
            rows.append((path, "fake", name, f"forged.{family}", "", f"{name}.jpg", masked, "{}"))
    with (root / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([_COLUMNS, *rows])
    return root


def _write(path: Path, data: bytes, root: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path.relative_to(root).as_posix()
