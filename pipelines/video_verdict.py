"""From the probabilities of single frames to a verdict on a face that was followed, and on a clip.

A face. The frames of a track show one face under one light through one codec: they err together, so that their log
odds may not be added up as those of independent images are. Their mean is taken instead: frames that are all alike
then say what one of them says, however many there are, and a few that stick out decide nothing. Wherever frames do
differ the mean is steadier than one image is, so that its probability errs towards the middle.

A clip. Say that it is forged where one of its k main faces is, each as likely as the others, and that the other faces
look alike either way. By Bayes' rule the odds of the clip are then the mean of the odds of its faces: log odds between
those of the most fake-looking face and log k less. So the more faces there are, the more one of them alone has to say,
as it is more likely that one looks fake by chance. Where several are forged this claims too little.

Both go through the operating points of single images. No set of clips was at hand to calibrate on: every verdict says
so.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from models.calibration import with_prior
from models.verdict import Verdict
from pipelines.score import NO_FACE, Detector

__all__ = [
    "LEAST",
    "NOT_CALIBRATED",
    "ClipFacts",
    "Sight",
    "Track",
    "VideoVerdict",
    "clip_log_odds",
    "log_odds",
    "main_faces",
    "probability_of",
    "track_doubt",
    "verdicts_on",
]

LEAST: Final = 3
"""Sampled frames without a doubt that a verdict on a face needs, where the clip has as many."""

NOT_CALIBRATED: Final = "calibrated on single images, not on clips"
"""What limits every verdict."""

_MAIN: Final = 0.25  # of the frames of the longest track, from which on a track counts for the clip
_SOUND: Final = 0.5  # of a track's frames that must be free of doubt
_CERTAIN: Final = 1e-12  # log odds stay finite


class Sight(NamedTuple):
    """A face in one sampled frame.

    Attributes
    ----------
    time : float
        Seconds.
    box : (x, y, w, h)
        What was judged, in pixels of the frame.
    probability : float
        That the frame alone gives, calibrated.
    doubt : str or None
        Why it cannot be trusted.
    picture : bytes
        A small JPEG of the face; empty where none was kept.
    """

    time: float
    box: tuple[int, int, int, int]
    probability: float
    doubt: str | None = None
    picture: bytes = b""


@dataclass(frozen=True, slots=True)
class Track:
    """A face that was followed: seconds from its first to its last sight, and each sight."""

    number: int
    sights: tuple[Sight, ...]

    @property
    def sound(self) -> list[Sight]:
        """The sights that can be trusted; all of them where none can."""
        return [sight for sight in self.sights if not sight.doubt] or list(self.sights)

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return {
            "id": self.number,
            "from": round(self.sights[0].time, 3),
            "to": round(self.sights[-1].time, 3),
            "frames": len(self.sights),
            "probabilities": [[round(sight.time, 3), sight.probability] for sight in self.sights],
        }


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """A clip.

    Attributes
    ----------
    frames : int
        How many were looked at.
    fps, duration : float or None
        Frames a second and seconds, by its header.
    limit : str or None
        What of it was not looked at; the reason of its verdict says so.
    tracks : int
        Faces that were followed.
    main : tuple of int
        The tracks that its verdict rests on.
    """

    frames: int
    fps: float | None
    duration: float | None
    limit: str | None = None
    tracks: int = 0
    main: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON values."""
        length = None if self.duration is None else round(self.duration, 3)
        return {
            "frames": self.frames,
            "fps": None if self.fps is None else round(self.fps, 3),
            "duration": length,
            "tracks": self.tracks,
            "main": list(self.main),
        }


@dataclass(frozen=True, slots=True)
class VideoVerdict(Verdict):
    """The judgement of a clip, or of one face that was followed through it.

    Attributes
    ----------
    track : Track or None
        The face; None for the clip.
    clip : ClipFacts or None
        The clip; None for a face, and where the clip failed.
    faces : tuple of VideoVerdict
        Of a clip, the verdicts on its faces; they are rows of their own and not part of its row.
    """

    track: Track | None = None
    clip: ClipFacts | None = None
    faces: tuple["VideoVerdict", ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the row as JSON values: that of an image, then `track` and `clip`."""
        bare = Verdict(
            self.path, self.sha256, self.probability, self.verdict, self.reason, self.face, self.model, self.error
        )
        track, clip = (part and part.to_json() for part in (self.track, self.clip))
        return {**bare.to_json(), "track": track, "clip": clip}

    def moved(self, prior: float) -> "VideoVerdict":
        """Move every probability as that of an image is moved."""
        if self.probability is None:
            return self
        sights = [
            one._replace(probability=with_prior(one.probability, prior))
            for one in (self.track.sights if self.track else ())
        ]
        return replace(
            self,
            probability=with_prior(self.probability, prior),
            track=self.track and replace(self.track, sights=tuple(sights)),
            faces=tuple(face.moved(prior) for face in self.faces),
        )


def log_odds(probability: float) -> float:
    """Give log(p / (1 - p)), finite."""
    bounded = min(max(probability, _CERTAIN), 1 - _CERTAIN)
    return math.log(bounded / (1 - bounded))


def probability_of(odds: float) -> float:
    """Turn log odds back into a probability."""
    return 1 / (1 + math.exp(-odds))


def clip_log_odds(faces: Sequence[float]) -> float:
    """Give the log of the mean odds of faces: those of a clip one of whose faces may be forged.

    Parameters
    ----------
    faces : sequence of float
        Log odds of each, at equal priors; at least one.
    """
    most = max(faces)
    return most + math.log(sum(math.exp(one - most) for one in faces) / len(faces))


def verdicts_on(
    path: str, digest: str, facts: ClipFacts, tracks: Sequence[Track], detector: Detector
) -> list[VideoVerdict]:
    """Judge a clip and its faces.

    Parameters
    ----------
    path, digest : str
        What the verdicts name as its path and sha256.
    facts : ClipFacts
        What was looked at.
    tracks : sequence of Track
        Its faces, that with the most sights first.
    detector : Detector
        Names the verdicts.

    Returns
    -------
    list of VideoVerdict
        The clip's, then one for each track, in order.
    """
    blank = VideoVerdict(path, digest, None, None, None, None, detector.bundle.ref)
    doubts = [track_doubt(track, facts.frames) for track in tracks]
    faces = tuple(_on_face(blank, track, doubt, detector) for track, doubt in zip(tracks, doubts, strict=True))
    main = main_faces([face for face, doubt in zip(faces, doubts, strict=True) if not doubt])
    clip = replace(facts, tracks=len(tracks), main=tuple(face.track.number for face in main if face.track))
    return [replace(_on_clip(blank, facts, faces, main, detector), clip=clip, faces=faces), *faces]


def main_faces(faces: Sequence[VideoVerdict]) -> list[VideoVerdict]:
    """Choose the faces that decide on a clip: those seen in a quarter as many frames as the one seen in the most."""
    most = max((len(face.track.sights) for face in faces if face.track), default=0)
    return [face for face in faces if face.track and len(face.track.sights) >= _MAIN * most]


def track_doubt(track: Track, frames: int) -> str | None:
    """Say why no verdict on a track can be trusted; `frames` is how many of the clip were looked at."""
    doubts = Counter(sight.doubt for sight in track.sights if sight.doubt)
    seen, needed = len(track.sights), min(LEAST, frames)
    sound = seen - doubts.total()
    if sound >= max(needed, _SOUND * seen):
        return None
    if sound < needed <= seen or doubts.total() > _SOUND * seen:
        return f"in doubt in {doubts.total()} of the {seen} frames that show it: {doubts.most_common(1)[0][0]}"
    return f"seen in {seen} of {frames} frames; a verdict needs {needed}"


def _on_face(blank: VideoVerdict, track: Track, doubt: str | None, detector: Detector) -> VideoVerdict:
    odds = [log_odds(sight.probability) for sight in track.sound]
    probability = probability_of(math.fsum(odds) / len(odds))
    largest = max(track.sound, key=lambda sight: sight.box[2] * sight.box[3])
    return replace(_decided(blank, probability, [doubt], [], detector), face=largest.box, track=track)


def _on_clip(
    blank: VideoVerdict,
    facts: ClipFacts,
    faces: Sequence[VideoVerdict],
    main: Sequence[VideoVerdict],
    detector: Detector,
) -> VideoVerdict:
    if not faces:
        reason = "; ".join(filter(None, (NO_FACE, facts.limit)))
        return replace(blank, verdict="no_face", reason=reason)
    doubt = None if main else "no face of it can be judged"
    chances = [face.probability or 0.0 for face in main or main_faces(faces)]
    alone = len(chances) == 1
    probability = chances[0] if alone else probability_of(clip_log_odds([log_odds(chance) for chance in chances]))
    return _decided(blank, probability, [doubt], [facts.limit], detector)


def _decided(
    blank: VideoVerdict,
    probability: float,
    doubts: Sequence[str | None],
    limits: Sequence[str | None],
    detector: Detector,
) -> VideoVerdict:
    """Name the verdict on a probability, unless there is a doubt, and give the reasons."""
    verdict = "uncertain" if any(doubts) else detector.bundle.decide(probability)
    undecided = detector.between if verdict == "uncertain" and not any(doubts) else None
    reason = "; ".join(filter(None, (*doubts, undecided, *limits, NOT_CALIBRATED)))
    return replace(blank, probability=probability, verdict=verdict, reason=reason)
