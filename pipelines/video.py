"""Gives a verdict on a clip, and on every face that can be followed through it.

from pipelines.video import score_clip
clip, *faces = score_clip("clip.mp4")
print(clip.verdict, [(face.track.number, face.probability) for face in faces])
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np

from features.decode import Pixels, sniff
from features.errors import ImageError
from features.spec import Values
from models.verdict import ErrorRef
from pipelines.inputs import names_video
from pipelines.score import Detector, Face, load_detector
from pipelines.video_files import cause, container, on_disk
from pipelines.video_frames import Clip, Histogram, colors, is_cut
from pipelines.video_jobs import Sampling
from pipelines.video_tracks import Box, Tracker
from pipelines.video_verdict import ClipFacts, Sight, Track, VideoVerdict, verdicts_on

__all__ = ["Sampling", "clip_rows", "score_clip"]

_TOGETHER = 16  # frames judged at once: the trees cost half, with the same bits
_PATIENCE = (1.0, 2.5)  # seconds, and steps between frames, for which a face may be out of sight
_HEAD = 64  # bytes that tell a clip from an image


def score_clip(
    path: str, detector: Detector | None = None, sampling: Sampling | None = None, *, name: str | None = None
) -> list[VideoVerdict]:
    """Judge a clip and every face that can be followed through it; what is wrong with it stands in its verdict.

    Parameters
    ----------
    path : str
        An MP4, MOV, WebM, MKV or AVI file.
    detector : Detector, optional
        What judges; `fast` unless given.
    sampling : Sampling, optional
        How frames are taken.
    name : str, optional
        What verdicts name as its path; `path` unless given.

    Returns
    -------
    list of VideoVerdict
        The clip's, then one for each face, that seen in the most frames first.
    """
    judge = detector or load_detector()
    return clip_rows(path, judge, sampling, name=name, sure=True) or []


def clip_rows(
    path: str, detector: Detector, sampling: Sampling | None = None, *, name: str | None = None, sure: bool = False
) -> list[VideoVerdict] | None:
    """Judge what is a clip by its first bytes, or by its name; None where it is none, or is an image by its bytes.

    Parameters
    ----------
    path, detector, sampling, name
        As `score_clip` takes them.
    sure : bool
        Whether it is taken for a clip in any case.
    """
    shown, digest = name or path, None
    try:
        with on_disk(path) as file:
            if not sure and not _is_clip(file, shown):
                return None
            digest = _digest(file)
            if not container(_head(file)):  # or FFmpeg takes a list of other files or of URLs for a clip
                raise cause(file)
            with Clip(file, sampling or Sampling()) as clip:
                tracks = _follow(clip, detector)
            facts = ClipFacts(clip.taken, clip.fps, clip.duration, clip.limit)
            return verdicts_on(shown, digest, facts, tracks, detector)
    except ImageError as error:
        failed = VideoVerdict(shown, digest, None, None, None, None, detector.bundle.ref, ErrorRef.of(error))
        return [failed] if sure or names_video(shown) else None


def _is_clip(file: str, name: str) -> bool:
    if container(head := _head(file)):
        return True
    try:
        return names_video(name) and not sniff(head)
    except ImageError:
        return names_video(name)


def _head(file: str) -> bytes:
    with open(file, "rb") as opened:
        return opened.read(_HEAD)


def _digest(file: str) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


class _Seen(NamedTuple):
    """A face in a frame, with what was measured of it."""

    track: int
    time: float
    box: Box
    face: Face
    values: Values
    picture: bytes


def _follow(clip: Clip, detector: Detector) -> list[Track]:
    """Find the faces of all sampled frames, follow and judge them; the track with the most sights first."""
    sights: dict[int, list[Sight]] = defaultdict(list)
    for track, sight in _judged(_seen(clip, detector), detector):
        sights[track].append(sight)
    ordered = sorted(sights.values(), key=lambda one: (-len(one), one[0].time, one[0].box))
    return [Track(number, tuple(one)) for number, one in enumerate(ordered, 1)]


def _seen(clip: Clip, detector: Detector) -> Iterator[_Seen]:
    tracker = Tracker(max(_PATIENCE[0], _PATIENCE[1] * clip.step))
    before: Histogram | None = None
    for time, bgr in clip.frames():
        after = colors(bgr)
        if before is not None and is_cut(before, after):
            tracker.cut()
        before = after
        faces = detector.find_faces(bgr)
        boxes = [face.square or (0, 0, bgr.shape[1], bgr.shape[0]) for face in faces]
        for track, box, face in zip(tracker.follow(time, boxes), boxes, faces, strict=True):
            values = detector.bundle.measure(face.views)
            picture = _picture(bgr, box) if clip.sampling.pictures else b""
            yield _Seen(track, time, box, face._replace(views=()), values, picture)


def _picture(bgr: Pixels, box: Box) -> bytes:
    from pipelines.report import thumbnail  # here: only a report needs it

    return thumbnail(bgr, box)


def _judged(seen: Iterable[_Seen], detector: Detector) -> Iterator[tuple[int, Sight]]:
    """Judge faces as they come, several at once."""
    waiting = iter(seen)
    while some := list(islice(waiting, _TOGETHER)):
        values = np.concatenate([one.values for one in some])
        for one, judged in zip(some, detector.judge(values, [len(one.values) for one in some]), strict=True):
            doubt = "; ".join(filter(None, (one.face.doubt, judged.strange))) or None
            yield one.track, Sight(one.time, one.box, judged.probability, doubt, one.picture)
