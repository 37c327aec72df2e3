"""What the network is, for those who run it without torch: its sizes, its maps and the names of what is pooled of them.

The sizes follow Tan and Le 2019 (arXiv:1905.11946, table 1), without squeeze-and-excitation and with ReLU6 in place of
swish; stem, head and the depth of the first and last stage are the same for all of them.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from features.errors import UnknownNameError

__all__ = [
    "ARCHITECTURES",
    "HEAD",
    "LOCATOR_SIDE",
    "MAPS",
    "PLAIN",
    "POOLED",
    "PREPROCESSING",
    "STAGES",
    "Architecture",
    "Preprocessing",
    "find_architecture",
    "located_names",
    "pooled_names",
    "widths_of",
]


@dataclass(frozen=True)
class Preprocessing:
    """What is done to a frame's pixels before the network: channels in this order, minus `mean`, over `std`."""

    size: int = 224
    channels: str = "RGB"
    mean: float = 127.0
    std: float = 128.0

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return asdict(self)


PREPROCESSING: Final = Preprocessing()
"""What the ImageNet weights were trained with, and everything since."""


@dataclass(frozen=True)
class Architecture:
    """One size of the family: its factors of width and depth, and its dropout."""

    width: float
    depth: float
    dropout: float


ARCHITECTURES: Final = {
    "lite0": Architecture(width=1.0, depth=1.0, dropout=0.2),
    "lite1": Architecture(width=1.0, depth=1.1, dropout=0.2),
    "lite2": Architecture(width=1.1, depth=1.2, dropout=0.3),
}
"""The sizes by name."""

STAGES: Final = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
"""Of each stage kernel, stride, expansion, channels and number of blocks, before the factors."""

HEAD: Final = 1280
"""Channels of the last map."""

MAPS: Final = (*(f"stage{i}" for i in range(1, len(STAGES) + 1)), "head")
"""The names of the network's maps, from shallow to deep."""

PLAIN: Final = ("found",)
"""The head of a network with one logit, which learnt from the fakes that data sets hold."""

LOCATOR_SIDE: Final = 7
"""Cells a side of the map of log odds that a located network gives: those of its last map."""

POOLED: Final = ("stage1", "stage2", "stage3", "stage5", "stage7", "head")
"""The maps that are pooled: the last of each resolution, and the head."""

_DIVISOR = 8  # of the numbers of channels


def find_architecture(name: str) -> Architecture:
    """Take an architecture by its name; raises UnknownNameError where there is none."""
    if name not in ARCHITECTURES:
        raise UnknownNameError("architecture", name, ARCHITECTURES)
    return ARCHITECTURES[name]


def widths_of(name: str) -> tuple[int, ...]:
    """Count the channels of each of MAPS in the architecture `name`; raises UnknownNameError where there is none."""
    width = find_architecture(name).width
    return (*(_rounded(channels * width) for *_, channels, _ in STAGES), HEAD)


def _rounded(channels: float) -> int:
    """Round to a multiple of 8 that is at least nine tenths of what was asked for."""
    nearest = max(_DIVISOR, int(channels + _DIVISOR / 2) // _DIVISOR * _DIVISOR)
    return nearest + _DIVISOR if nearest < 0.9 * channels else nearest


def pooled_names(widths: Sequence[int]) -> list[str]:
    """Name the means and deviations of a network of these `widths`: `stage1.mean.c0` to `head.std.c1279`."""
    return [
        f"{name}.{moment}.c{channel}"
        for name, width in zip(MAPS, widths, strict=True)
        if name in POOLED
        for moment in ("mean", "std")
        for channel in range(width)
    ]


def located_names() -> list[str]:
    """Name the log odds of the cells, row by row: `value.r0c0` to `value.r6c6`."""
    return [f"value.r{row}c{column}" for row in range(LOCATOR_SIDE) for column in range(LOCATOR_SIDE)]
