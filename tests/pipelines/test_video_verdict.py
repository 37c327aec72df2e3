"""From frames to a face, from faces to a clip: by hand, then as properties."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calibration import with_prior
from pipelines.score import NO_FACE, Detector, load_detector
from pipelines.video_verdict import (
    LEAST,
    NOT_CALIBRATED,
    ClipFacts,
    Sight,
    Track,
    VideoVerdict,
    clip_log_odds,
    log_odds,
    main_faces,
    probability_of,
    track_doubt,
    verdicts_on,
)
from tests.verdicts import POINTS

ODDS = st.floats(-20, 20)


@pytest.fixture(scope="module")
def detector() -> Detector:
    found = load_detector("fast")
    return replace(found, bundle=replace(found.bundle, points=POINTS))


def track(
    chances: Sequence[float], number: int = 1, doubts: Sequence[str | None] = (), sides: Sequence[int] = ()
) -> Track:
    filled = zip(chances, [*doubts, *[None] * len(chances)], [*sides, *[100] * len(chances)], strict=False)
    return Track(
        number,
        tuple(Sight(at / 5, (at, 0, side, side), chance, doubt) for at, (chance, doubt, side) in enumerate(filled)),
    )


def judge(
    tracks: Sequence[Track], detector: Detector, frames: int = 10, limit: str | None = None
) -> list[VideoVerdict]:
    return verdicts_on("a.mp4", "ab" * 32, ClipFacts(frames, 25.0, 2.0, limit), tracks, detector)


def test_log_odds_come_back_and_are_finite() -> None:
    assert log_odds(0.5) == 0.0
    assert log_odds(0.9) == pytest.approx(math.log(9))
    assert probability_of(math.log(9)) == pytest.approx(0.9)
    assert math.isfinite(log_odds(0.0))
    assert log_odds(1.0) == pytest.approx(-log_odds(0.0), rel=1e-5)


def test_a_face_gets_the_mean_log_odds_of_its_frames(detector: Detector) -> None:
    _, face = judge([track([0.9, 0.5, 0.1])], detector)
    assert face.probability == pytest.approx(0.5)
    _, face = judge([track([0.99, 0.99, 0.99, 0.5])], detector)  # log 99 three times and 0, over 4
    assert face.probability == pytest.approx(99**0.75 / (1 + 99**0.75))
    assert (face.verdict, face.reason) == ("fake", NOT_CALIBRATED)


@pytest.mark.parametrize("frames", [3, 300])
def test_frames_that_are_alike_say_what_one_says_however_many_they_are(detector: Detector, frames: int) -> None:
    clip, face = judge([track([0.85] * frames)], detector, frames)
    assert clip.probability == face.probability == pytest.approx(0.85)
    assert clip.verdict == face.verdict == "uncertain"
    assert clip.reason is not None
    assert clip.reason.startswith("between the points")
    assert clip.reason.endswith(NOT_CALIBRATED)


def test_one_frame_that_sticks_out_decides_nothing(detector: Detector) -> None:
    clip, _ = judge([track([0.05] * 9 + [0.9999])], detector)
    assert clip.verdict == "real"


@pytest.mark.parametrize(
    ("faces", "expected"),
    [([1.5], 1.5), ([2.0, 2.0], 2.0), ([math.log(9), math.log(1)], math.log(5)), ([math.log(3), -1e3], math.log(1.5))],
)
def test_a_clip_has_the_mean_odds_of_its_faces(faces: list[float], expected: float) -> None:
    assert clip_log_odds(faces) == pytest.approx(expected)


@given(st.lists(ODDS, min_size=1, max_size=20))
def test_a_clip_lies_below_its_most_fake_looking_face_by_log_k_at_most(faces: list[float]) -> None:
    assert max(faces) - math.log(len(faces)) - 1e-9 <= clip_log_odds(faces) <= max(faces) + 1e-9
    assert clip_log_odds(faces[::-1]) == pytest.approx(clip_log_odds(faces))


@given(st.lists(ODDS, min_size=1, max_size=20), st.floats(0.01, 5))
def test_a_clip_looks_more_fake_where_a_face_does(faces: list[float], more: float) -> None:
    assert clip_log_odds([faces[0] + more, *faces[1:]]) > clip_log_odds(faces) - 1e-9


def test_a_forged_face_among_others_makes_the_clip_fake_if_it_is_clear_enough(detector: Detector) -> None:
    others = [track([0.05] * 10, number) for number in (2, 3)]
    clip, fake, *_ = judge([track([0.999] * 10), *others], detector)
    assert (clip.verdict, fake.verdict) == ("fake", "fake")
    assert clip.probability is not None
    assert 1 / 3 * 999 < clip.probability / (1 - clip.probability) < 1 / 3 * 999 + 0.1
    clip, fake, *_ = judge([track([0.93] * 10), *others], detector)  # odds 13.3 among three faces are 4.5
    assert (clip.verdict, fake.verdict) == ("uncertain", "fake")


def test_faces_seen_for_a_short_time_or_in_doubt_do_not_decide(detector: Detector) -> None:
    long, quarter, short = track([0.05] * 40), track([0.05] * 10, 2), track([0.9999] * 9, 3)
    doubted = track([0.9999] * 30, 4, ["too dark"] * 30)
    clip, *faces = judge([long, doubted, quarter, short], detector, 60)
    assert clip.clip is not None
    assert (clip.clip.tracks, clip.clip.main) == (4, (1, 2))
    assert clip.verdict == "real"
    assert [face.verdict for face in faces] == ["real", "uncertain", "real", "fake"]


def test_main_faces_of_none_are_none() -> None:
    assert main_faces([]) == []


@pytest.mark.parametrize(
    ("chances", "doubts", "frames", "said"),
    [
        ([0.5] * LEAST, [], 10, None),
        ([0.5], [], 1, None),
        ([0.5] * 2, [], 10, "seen in 2 of 10 frames; a verdict needs 3"),
        ([0.5] * 6, ["dark"] * 3, 10, None),
        ([0.5] * 6, ["dark"] * 4, 10, "in doubt in 4 of the 6 frames that show it: dark"),
        ([0.5] * 6, ["dark", "small", "dark", "small", "dark"], 10, "in doubt in 5 of the 6 frames that show it: dark"),
        ([0.5] * 3, ["dark"], 10, "in doubt in 1 of the 3 frames that show it: dark"),
    ],
)
def test_too_few_frames_free_of_doubt_give_no_verdict(
    chances: list[float], doubts: list[str | None], frames: int, said: str | None
) -> None:
    assert track_doubt(track(chances, doubts=doubts), frames) == said


def test_frames_in_doubt_do_not_count_and_neither_do_they_choose_the_picture(detector: Detector) -> None:
    seen = track([0.05, 0.999, 0.05, 0.05, 0.05], doubts=[None, "small"], sides=[100, 300, 100, 120, 100])
    _, face = judge([seen], detector)
    assert face.probability == pytest.approx(0.05)
    assert face.face == (3, 0, 120, 120)


def test_a_clip_of_doubtful_faces_is_uncertain(detector: Detector) -> None:
    clip, _ = judge([track([0.999] * 2)], detector)
    assert clip.verdict == "uncertain"
    assert clip.probability == pytest.approx(0.999)
    assert clip.reason == f"no face of it can be judged; {NOT_CALIBRATED}"


def test_a_clip_without_faces_says_so(detector: Detector) -> None:
    (clip,) = judge([], detector, limit="looked at every 3 s")
    assert (clip.verdict, clip.probability) == ("no_face", None)
    assert clip.reason == f"{NO_FACE}; looked at every 3 s"


def test_a_limit_is_told_with_the_clip(detector: Detector) -> None:
    clip, face = judge([track([0.999] * 5)], detector, limit="ends at 1.0 s")
    assert clip.reason == f"ends at 1.0 s; {NOT_CALIBRATED}"
    assert face.reason == NOT_CALIBRATED


def test_rows_are_those_of_images_and_two_keys_more(detector: Detector) -> None:
    clip, face = (one.to_json() for one in judge([track([0.9, 0.5, 0.1])], detector))
    assert list(clip) == list(face)
    assert list(clip)[-3:] == ["error", "track", "clip"]
    assert clip["track"] is None
    assert clip["clip"] == {"frames": 10, "fps": 25.0, "duration": 2.0, "tracks": 1, "main": [1]}
    assert face["clip"] is None
    assert face["track"] == {
        "id": 1,
        "from": 0.0,
        "to": 0.4,
        "frames": 3,
        "probabilities": [[0.0, 0.9], [0.2, 0.5], [0.4, 0.1]],
    }
    assert json.loads(json.dumps(clip)) == clip


def test_a_prior_moves_every_probability_and_no_verdict(detector: Detector) -> None:
    before = judge([track([0.95] * 5), track([0.05] * 5, 2)], detector)
    after = [one.moved(0.01) for one in before]
    assert [one.verdict for one in after] == [one.verdict for one in before]
    assert before[1].probability is not None
    assert after[1].probability == with_prior(before[1].probability, 0.01)
    assert after[1].track is not None
    assert np.allclose([sight.probability for sight in after[1].track.sights], with_prior(0.95, 0.01))
    assert after[0].faces == tuple(after[1:])
    failed = VideoVerdict("a", None, None, None, None, None, detector.bundle.ref)
    assert failed.moved(0.01) is failed
