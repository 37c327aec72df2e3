"""The frames of videos in the folder trees of Celeb-DF and FaceForensics++, where a fake names what it was made from.

Celeb-DF          Celeb-real/id0_0000, Celeb-synthesis/id0_id16_0000 (the video of id0 with the face of id16),
                  YouTube-real/00000; List_of_testing_videos.txt is taken for the split of its own
FaceForensics++   original_sequences/youtube/c23/frames/000, manipulated_sequences/Deepfakes/c23/frames/000_003, and the
                  actors of DeepFakeDetection: actors/.../01__hugging_happy, 01_02__hugging_happy__ID

A frame may lie in a folder named after its video, with or without `.mp4`, however deep, or bear the name itself
(id0_0000_12.png).

A group holds all people or videos that fakes tie to each other, so that nobody is on both sides of a split. Where more
than 20 are tied (two thirds of the people of Celeb-DF v2, all actors of DeepFakeDetection) this would leave nothing to
split: there a group is all that was made from the same target, and the faces put in may recur in another group. The
audit counts them.
"""

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from features.errors import DatasetError
from pipelines.inputs import SUFFIXES
from pipelines.ties import tie
from pipelines.tree import Row, Tree

__all__ = ["MOST_TIED", "frame_rows", "has_frames", "settle_groups"]

MOST_TIED: Final = 20
"""The most people or videos that one group may hold."""

_TEST_LIST = "list_of_testing_videos.txt"


class _Place(NamedTuple):
    """What a folder of one of the trees says of the frames below it: the label, and how its videos are named."""

    label: int
    family: str
    video: re.Pattern[str]


_PAIR = re.compile(r"(id\d+)(?:_(id\d+))?_\d{4}(?!\d)")
_NUMBER = re.compile(r"(\d{3,5})(?!\d)()")
_VIDEOS = re.compile(r"(?:(?P<one>\d{3})(?:_(?P<two>\d{3}))?(?![0-9A-Za-z])|(?P<actor>\d\d)(?:_(?P<other>\d\d))?__)")
_CELEB = {
    "celeb-real": _Place(0, "celeb-df/", _PAIR),
    "celeb-synthesis": _Place(1, "celeb-df/", _PAIR),
    "youtube-real": _Place(0, "celeb-df/youtube-", _NUMBER),
}
_FORENSICS = {
    "original_sequences": _Place(0, "ff++/", _VIDEOS),
    "manipulated_sequences": _Place(1, "ff++/", _VIDEOS),
}
_PLACES = _CELEB | _FORENSICS


def frame_rows(tree: Tree) -> list[Row]:
    """List the frames of a tree of Celeb-DF or FaceForensics++; an empty list where it is neither.

    Their groups are left to `settle_groups`.

    Raises
    ------
    DatasetError
        Where a frame does not say which video it is of.
    """
    found = [(entry, entry.split("/")) for entry in tree.entries]
    frames = [(entry, parts, at) for entry, parts in found if (at := _place_of(parts)) is not None]
    tested = _tested(tree)
    return [_row(tree, entry, parts, at, tested) for entry, parts, at in frames]


def has_frames(tree: Tree) -> bool:
    """Tell whether a tree is one of Celeb-DF or FaceForensics++ with frames in it."""
    return any(_place_of(entry.split("/")) is not None for entry in tree.entries)


def _place_of(parts: Sequence[str]) -> int | None:
    """Find the folder that tells real from fake in the path of an image; None where there is none."""
    if posixpath.splitext(parts[-1])[1].lower() not in SUFFIXES:
        return None
    return next((at for at, part in enumerate(parts[:-1]) if part.lower() in _PLACES), None)


def _row(tree: Tree, entry: str, parts: list[str], at: int, tested: frozenset[str]) -> Row:
    place = _PLACES[parts[at].lower()]
    video = next((found for part in parts[at + 1 :] if (found := place.video.match(part))), None)
    if video is None:
        raise DatasetError(f"{tree.address(entry)} is below {parts[at]}, yet no part of its path names a video")
    kind = parts[at] if parts[at].lower() in _CELEB else parts[at + 1]
    name = f"{parts[at]}/{video[0]}".lower()
    split = ("test" if name in tested else "train") if tested else ""
    origins = _origins(place.family, video)[: 1 + place.label]  # a second number in a real one's name is its frame
    return Row(tree.address(entry), place.label, "", kind, split=split, origins=origins)


def _origins(family: str, video: re.Match[str]) -> tuple[str, ...]:
    """Name what a video was made from, its target first."""
    actors = [f"actor-{video[name]}" for name in ("actor", "other") if video.groupdict().get(name)]
    return tuple(family + name for name in actors or video.groups() if name)


def _tested(tree: Tree) -> frozenset[str]:
    """Read which videos Celeb-DF's own list keeps for testing, as `celeb-real/id0_0000`."""
    lists = [entry for entry in tree.entries if posixpath.basename(entry).lower() == _TEST_LIST]
    lines = "\n".join(tree.read(entry).decode("utf-8", "replace") for entry in lists[:1]).splitlines()
    return frozenset(posixpath.splitext(line.split()[-1].lower())[0] for line in lines if line.strip())


def settle_groups(rows: Sequence[Row]) -> list[Row]:
    """Give every row that has origins and no group the group that holds them, over all data sets read together."""
    open_rows = [row for row in rows if not row.group and row.origins]
    members = defaultdict(list)
    for origin, first in tie(row.origins for row in open_rows).items():
        members[first].append(origin)
    names = {origin: group for first, tied in members.items() for origin, group in _names(first, tied)}
    return [row if row.group or not row.origins else row._replace(group=names[row.origins[0]]) for row in rows]


def _names(first: str, tied: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Name the group of each of some origins that are tied: after the first of them, or each after itself."""
    return ((origin, origin if len(tied) > MOST_TIED else first) for origin in tied)
