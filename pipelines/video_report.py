"""What the page of verdicts shows of a clip: how probable a fake each face was over time, and what it looked like."""

import base64
import math
from collections.abc import Sequence
from itertools import count as counting
from itertools import takewhile
from typing import Final

from models.calibration import OperatingPoints
from models.verdict import Verdict
from pipelines.bench_charts import Axis, Series, chart
from pipelines.page import safe
from pipelines.video_verdict import Sight, VideoVerdict

__all__ = ["STYLE", "facts_of", "picture_of", "timeline"]

_FACES: Final = 4  # that a chart shows; with the two points no two lines then look alike
_SHOTS: Final = 6  # pictures of a face
_TICKS: Final = 8  # at most, on the axis of time

STYLE: Final = """
.rows td.more { grid-column: 1 / -1; display: grid; gap: 1rem 2rem; margin-top: .8rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.more figcaption { font-weight: 400; color: var(--soft); margin-bottom: .3rem; }
.strip { display: flex; flex-wrap: wrap; gap: .5rem; margin-bottom: .8rem; }
.strip img { width: 4.5rem; }
.rows td.more p { margin: 0; color: var(--soft); }
"""
"""Rules beside those of the page."""


def timeline(clip: VideoVerdict, points: OperatingPoints) -> str:
    """Draw a clip as HTML; empty for what is a single face or has none.

    Parameters
    ----------
    clip : VideoVerdict
        With its `faces`.
    points : OperatingPoints
        On the scale of its probabilities.
    """
    if not clip.faces:
        return ""
    shown = clip.faces[:_FACES]
    rest = len(clip.faces) - len(shown)
    more = f"<p>{rest} more that were seen in fewer frames, in rows of their own</p>" if rest else ""
    return f"<figure>{_chart(clip, shown, points)}</figure>\n<div>{''.join(map(_strip, shown))}{more}</div>"


def picture_of(verdict: VideoVerdict) -> bytes | None:
    """Give the picture of the largest sight of a face, of a clip that of its first face; None where there is none."""
    face = verdict.faces[0] if verdict.faces else verdict
    sights = [sight for sight in face.track.sights if sight.picture] if face.track else []
    best = next((sight for sight in sights if sight.box == face.face), None)
    return (best or sights[0]).picture if sights else None


def facts_of(verdict: Verdict) -> str:
    """Say what a row is about, where it is a clip or a face in one; empty for an image."""
    if not isinstance(verdict, VideoVerdict):
        return ""
    if verdict.track:
        first, last, seen = verdict.track.sights[0].time, verdict.track.sights[-1].time, len(verdict.track.sights)
        return f"face {verdict.track.number} of the clip, {first:.1f} to {last:.1f} s, frames that show it: {seen}"
    if not verdict.clip:
        return ""
    length = f"of {verdict.clip.duration:.1f} s" if verdict.clip.duration else "of unknown length"
    return f"the clip {length}, frames looked at: {verdict.clip.frames}, faces followed: {verdict.clip.tracks}"


def _chart(clip: VideoVerdict, faces: Sequence[VideoVerdict], points: OperatingPoints) -> str:
    tracks = [face.track for face in faces if face.track]
    end = max(sight.time for track in tracks for sight in track.sights)
    long = max(end, (clip.clip.duration or 0.0) if clip.clip else 0.0, 0.1)
    levels = (("point for real", points.real_below), ("point for fake", points.fake_from))  # in the verdicts' colours
    lines = [Series(f"{name}, {level:.4f}", [(0.0, level), (long, level)]) for name, level in levels]
    lines += [Series(f"face {one.number}", [(sight.time, sight.probability) for sight in one.sights]) for one in tracks]
    said = "; ".join(_said(face) for face in faces)
    x = Axis("seconds", 0.0, long, _ticks(long))
    return chart("Probability of a fake over time", said, x, Axis("probability", 0, 1, (0, 0.25, 0.5, 0.75, 1)), lines)


def _ticks(long: float) -> list[float]:
    """List round times from zero to the end, not too many."""
    power = 10.0 ** math.floor(math.log10(long / _TICKS))
    step = next(factor * power for factor in (1, 2, 5, 10) if long / (factor * power) <= _TICKS)
    return list(takewhile(lambda at: at <= long, (round(step * index, 6) for index in counting())))


def _said(face: VideoVerdict) -> str:
    return f"face {face.track.number if face.track else 0}: {face.verdict}, {face.probability or 0.0:.4f}"


def _strip(face: VideoVerdict) -> str:
    sights = [sight for sight in face.track.sights if sight.picture] if face.track else []
    chosen = [sights[at * (len(sights) - 1) // max(1, _SHOTS - 1)] for at in range(_SHOTS)] if sights else []
    shots = "".join(map(_shot, dict.fromkeys(chosen)))
    return f'<figure><figcaption>{safe(_said(face))}</figcaption><div class="strip">{shots}</div></figure>'


def _shot(sight: Sight) -> str:
    source = f"data:image/jpeg;base64,{base64.b64encode(sight.picture).decode()}"
    return f'<span><img src="{source}" alt=""/><small>{sight.time:.1f} s: {sight.probability:.2f}</small></span>'
