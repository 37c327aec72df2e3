"""Golden vectors: what every block measured on three pictures when its version was last raised.

One table a family (`dct.csv`, ...) of what is code alone: block, version, value name, and the value on each picture as
the shortest decimal of its float32. A value may change only together with the version of its block; then, and for a new
block,

    python -m tests.golden

writes the tables anew. It refuses where a value has changed and the version has not. The pictures are made of integers
by `pictures`, at the working size, so that no decoder and no resampling stands between the code and the figures.
"""

import csv
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np

from features.decode import Pixels
from features.frame import Frame
from pipelines.doctor import specimen
from tests.features.agreement import differing, edges
from tests.features.pictures import BLOCKS

__all__ = ["FOLDER", "PICTURES", "Golden", "changed", "golden", "measured", "rewrite"]

FOLDER: Final = Path(__file__).parent

Golden = dict[str, tuple[int, dict[str, dict[str, float]]]]
"""By block: its version, and by picture the values by their full names."""


def mosaic() -> Pixels:
    """Tiles of 8 pixels under stripes, dots and a board of single pixels: strong edges, the most extreme residuals."""
    rows, columns = np.mgrid[:224, :224]
    tiles = (rows // 8 * 37 + columns // 8 * 101) % 160
    fine = rows * rows * 3 + columns * columns * 7 + rows * columns * 5
    planes = [tiles + (fine >> shift) % 64 + 80 * ((rows // 3 + columns // (2 + shift)) % 5 == 0) for shift in range(3)]
    dots, board = (rows % 29 == 5) & (columns % 31 == 7), (rows // 20 == 4) & (columns // 20 == 6)
    planes = [np.where(dots, 255 * (rows % 2), plane) for plane in planes]
    planes = [np.where(board, 255 * ((rows + columns) % 2), plane) for plane in planes]
    return np.asarray(np.clip(np.stack(planes, axis=-1), 0, 255), np.uint8)


def dusk() -> Pixels:
    """The self-test's picture with one in thirteen of its greys left: dark, low in contrast, flat in places."""
    return np.asarray(specimen() // 13, np.uint8)


PICTURES: Final[dict[str, Callable[[], Pixels]]] = {"specimen": specimen, "mosaic": mosaic, "dusk": dusk}
"""What is measured; (224, 224, 3) uint8 RGB each, the same everywhere."""


def measured() -> Golden:
    """Measure the pictures with the blocks in force."""
    frames = {picture: Frame.load(make()) for picture, make in PICTURES.items()}
    return {
        spec.name: (
            spec.version,
            {
                picture: dict(zip(spec.names, map(_shortest, spec.compute(frame)), strict=True))
                for picture, frame in frames.items()
            },
        )
        for spec in BLOCKS.values()
    }


def _shortest(value: np.float32) -> float:
    return float(str(value))


def golden() -> Golden:
    """Read the tables."""
    found: Golden = {}
    for file in sorted(FOLDER.glob("*.csv")):
        with file.open(newline="") as stream:
            for row in csv.DictReader(stream):
                version, values = found.setdefault(row["block"], (int(row["version"]), {}))
                assert int(row["version"]) == version, f"{file.name} has two versions of {row['block']}"
                for picture in PICTURES:
                    values.setdefault(picture, {})[f"{row['block']}.{row['value']}"] = float(row[picture])
    return found


def changed(old: Golden, new: Golden) -> dict[str, list[str]]:
    """List by block and picture what differs beyond rounding where the version is the same."""
    more = {picture: edges(make()) for picture, make in PICTURES.items()}
    return {
        f"{block} on {picture}": differences
        for block, (version, pictures) in new.items()
        if block in old and old[block][0] == version
        for picture, values in pictures.items()
        if (differences := differing(values, old[block][1][picture], more[picture]))
    }


def rewrite() -> list[Path]:
    """Write the tables of the blocks in force; raises ValueError where a value changed under the same version."""
    new = measured()
    if differences := changed(golden(), new):
        raise ValueError(f"values changed, raise the version of: {', '.join(differences)}")
    for file in FOLDER.glob("*.csv"):
        file.unlink()
    return [_write(family, {block: new[block] for block in names}) for family, names in _families(new)]


def _families(table: Golden) -> Iterator[tuple[str, list[str]]]:
    def family(block: str) -> str:
        return block.partition(".")[0]

    for name, blocks in groupby(sorted(table, key=family), key=family):
        yield name, list(blocks)


def _write(family: str, table: Golden) -> Path:
    file = FOLDER / f"{family}.csv"
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["block", "version", "value", *PICTURES])
        for block, (version, pictures) in table.items():
            for name in next(iter(pictures.values())):
                values = [pictures[picture][name] for picture in PICTURES]
                writer.writerow([block, version, name.removeprefix(f"{block}."), *values])
    return file
