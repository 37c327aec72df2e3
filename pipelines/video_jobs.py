"""Judges inputs of which some are clips: these one by one, images together."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from features.errors import NotAnImageError
from models.verdict import Verdict
from pipelines.inputs import Input, names_video

if TYPE_CHECKING:
    from pipelines.score import Detector

__all__ = ["COLUMNS", "SHOWN", "Sampling", "columns_of", "judge_inputs"]

COLUMNS: Final = ("track.id", "track.from", "track.to", "track.frames", "clip.frames", "clip.duration")
"""What csv holds of clips beside the columns of images."""

SHOWN: Final = {"track.id": 5, "track.from": 6, "track.to": 6}
"""What a table shows of them beside, and how wide."""


class Sampling(NamedTuple):
    """How frames are taken from a clip.

    Attributes
    ----------
    every : float
        Seconds from one to the next.
    most : int
        How many at most; they lie farther apart where that is not enough.
    pictures : bool
        Whether small pictures of the faces are kept, for a report.
    """

    every: float = 0.2
    most: int = 300
    pictures: bool = False


def judge_inputs(
    detector: "Detector", inputs: Sequence[tuple[Input, str]], sampling: Sampling | None = None
) -> list[list[Verdict]]:
    """Judge inputs, each a path or the bytes of an image, with the path that its verdicts name.

    What is named like a clip is one unless it begins like an image; what is no image is a clip if it begins like one.
    """
    clips = {
        at: found
        for at, entry in enumerate(inputs)
        if names_video(entry[0]) and (found := _clip(detector, entry, sampling))
    }
    images = iter(detector.score_all([entry for at, entry in enumerate(inputs) if at not in clips]))
    rows = [clips[at] if at in clips else next(images) for at in range(len(inputs))]
    return [
        (_is_no_image(row) and _clip(detector, entry, sampling)) or row for entry, row in zip(inputs, rows, strict=True)
    ]


def columns_of(
    inputs: Iterable[Input], columns: Sequence[str], shown: Mapping[str, int]
) -> tuple[Sequence[str], Mapping[str, int]]:
    """Give the columns of csv and of a table: those of images, and of clips too where one is named."""
    if not isinstance(inputs, Sequence) or not any(map(names_video, inputs)):
        return columns, shown
    return [*columns, *COLUMNS], {**shown, **SHOWN}


def _is_no_image(rows: Sequence[Verdict]) -> bool:
    return rows[0].error is not None and rows[0].error.type == NotAnImageError.code


def _clip(detector: "Detector", entry: tuple[Input, str], sampling: Sampling | None) -> list[Verdict] | None:
    from pipelines.video import clip_rows  # here: images need none of it

    source, name = entry
    rows = None if isinstance(source, bytes) else clip_rows(source, detector, sampling, name=name)
    return None if rows is None else list(rows)
