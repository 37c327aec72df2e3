"""Clips from end to end: each kind of file, each kind of failure, through the command line too."""

import csv
import hashlib
import json
import zipfile
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

import cli
from features.errors import VideoError
from pipelines import video as module
from pipelines.inputs import expand
from pipelines.score import Detector, load_detector, score
from pipelines.video import Sampling, clip_rows, score_clip
from pipelines.video_verdict import NOT_CALIBRATED, VideoVerdict, log_odds
from tests.clips import CODECS, SIZE, clip, moving, shots
from tests.images import jpeg, photo
from tests.portraits import portrait

Make = Callable[[str], Path]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector("fast")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 3 seconds with one face."""
    return clip(tmp_path_factory.mktemp("clips") / "one.avi", moving(30))


@pytest.mark.parametrize("suffix", CODECS)
def test_every_kind_of_file_gets_a_row_for_the_clip_and_one_for_its_face(
    suffix: str, detector: Detector, tmp_path: Path
) -> None:
    made = clip(tmp_path / f"a{suffix}", moving(15))
    whole, face = score_clip(str(made), detector)
    assert whole.clip is not None
    assert (whole.clip.frames, whole.clip.tracks, whole.clip.main) == (8, 1, (1,))
    assert (whole.path, whole.sha256) == (str(made), hashlib.sha256(made.read_bytes()).hexdigest())
    assert whole.face is None
    assert face.track is not None
    assert [sight.time for sight in face.track.sights] == pytest.approx([at / 5 for at in range(8)], abs=0.002)
    assert face.face is not None
    assert 100 < face.face[2] < 130
    assert whole.probability == face.probability


def test_a_face_is_judged_frame_by_frame_as_an_image_is(one: Path, detector: Detector) -> None:
    _, face = score_clip(str(one), detector)
    frames = list(moving(30))[::2]
    assert face.track is not None
    assert len(face.track.sights) == len(frames)
    mean = np.mean([log_odds(sight.probability) for sight in face.track.sights])
    assert log_odds(face.probability or 0.0) == pytest.approx(mean)


def test_the_probabilities_are_those_of_the_frames_to_the_last_bit(one: Path, detector: Detector) -> None:
    import cv2

    capture, frames = cv2.VideoCapture(str(one), cv2.CAP_FFMPEG), []
    while (read := capture.read())[0]:
        frames.append(read[1][..., ::-1])
    _, face = score_clip(str(one), detector)
    alone = [detector.score(np.ascontiguousarray(frame)) for frame in frames[::2]]
    assert face.track is not None
    assert [sight.probability for sight in face.track.sights] == [verdict.probability for verdict in alone]
    assert [sight.box for sight in face.track.sights] == [verdict.face for verdict in alone]


def test_two_faces_are_two_tracks(detector: Detector, tmp_path: Path) -> None:
    whole, *faces = score_clip(str(clip(tmp_path / "a.avi", moving(20, faces=2))), detector)
    assert whole.clip is not None
    assert whole.clip.main == (1, 2)
    starts = [face.track.sights[0].box[0] for face in faces if face.track]
    assert abs(starts[1] - starts[0] - SIZE[0] // 2) < 5
    for face, start in zip(faces, starts, strict=True):
        assert face.track is not None
        assert len(face.track.sights) == 10
        assert face.track.sights[-1].box[0] == pytest.approx(start + 4 * 18, abs=6)


def test_a_face_that_is_hidden_for_a_moment_is_the_same_one_and_after_a_cut_another(
    detector: Detector, tmp_path: Path
) -> None:
    frames = list(moving(36))
    frames[12:16] = shots(4)
    _, *faces = score_clip(str(clip(tmp_path / "a.avi", frames)), detector)
    assert [len(face.track.sights) for face in faces if face.track] == [16]
    other = [np.asarray(255 - frame, np.uint8) for frame in shots(2)]
    _, *faces = score_clip(str(clip(tmp_path / "b.avi", [*moving(14), *other, *moving(10)])), detector)
    assert [face.track.sights[0].time for face in faces if face.track] == pytest.approx([0.0, 1.6])


def test_faces_off_judges_whole_frames(one: Path) -> None:
    _, *rows = score_clip(str(one), load_detector("fast", faces="off"))
    (face,) = rows
    assert face.face == (0, 0, *SIZE)
    assert face.track is not None
    assert len(face.track.sights) == 15


def test_a_clip_without_a_face_says_so(detector: Detector, tmp_path: Path) -> None:
    (whole,) = score_clip(str(clip(tmp_path / "a.mp4", shots(10))), detector)
    assert (whole.verdict, whole.probability, whole.error) == ("no_face", None, None)
    assert whole.clip is not None
    assert whole.clip.frames == 5


def test_a_truncated_clip_is_judged_as_far_as_it_goes(one: Path, detector: Detector, tmp_path: Path) -> None:
    data = one.read_bytes()
    (tmp_path / "a.avi").write_bytes(data[: len(data) // 2])
    whole, face = score_clip(str(tmp_path / "a.avi"), detector)
    assert whole.reason is not None
    assert "truncated or damaged, judged as far as it decodes" in whole.reason
    assert face.probability is not None


def test_bits_do_not_depend_on_how_many_frames_are_judged_together(
    one: Path, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = score_clip(str(one), detector)
    monkeypatch.setattr(module, "_TOGETHER", 1)
    assert [row.to_json() for row in score_clip(str(one), detector)] == [row.to_json() for row in before]


def test_pictures_are_kept_only_where_they_are_asked_for(one: Path, detector: Detector) -> None:
    for pictures in (False, True):
        _, face = score_clip(str(one), detector, Sampling(pictures=pictures))
        assert face.track is not None
        assert all(bool(sight.picture) == pictures for sight in face.track.sights)


BAD = {
    "empty.mp4": (b"", "empty_file", "the file is empty"),
    "text.mp4": (b"hello there\n" * 9, "video", "no clip: its first bytes"),
    "list.mp4": (b"#EXTM3U\n/etc/passwd\n", "video", "no clip: its first bytes"),
    "sound.mp4": (
        b"\0\0\0\x10ftypM4A \0\0\0\0\0\0\0\x40moov\0\0\0\x21hdlr" + b"\0" * 8 + b"soun",
        "video",
        "sound only",
    ),
    "head.mkv": (b"\x1aE\xdf\xa3", "video", "names no track of pictures"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_clip_is_a_row_with_its_error(name: str, detector: Detector, tmp_path: Path) -> None:
    data, kind, said = BAD[name]
    (tmp_path / name).write_bytes(data)
    (row,) = score_clip(str(tmp_path / name), detector)
    assert (row.verdict, row.probability, row.clip, row.track) == (None, None, None, None)
    assert row.error is not None
    assert row.error.type == kind
    assert said in row.error.message
    assert VideoError.code == "video"


def test_content_decides_and_the_name_only_where_it_says_nothing(one: Path, detector: Detector, tmp_path: Path) -> None:
    (tmp_path / "image.mp4").write_bytes(jpeg(portrait()))
    (tmp_path / "clip.jpg").write_bytes(one.read_bytes())
    (tmp_path / "noise.jpg").write_bytes(b"hello there")
    assert clip_rows(str(tmp_path / "image.mp4"), detector) is None
    assert clip_rows(str(tmp_path / "noise.jpg"), detector) is None
    rows = list(score([str(tmp_path / name) for name in ("image.mp4", "clip.jpg", "noise.jpg")], ordered=True))
    assert [isinstance(row, VideoVerdict) for row in rows] == [False, True, True, False]
    assert rows[0].face is not None
    assert rows[1].path == str(tmp_path / "clip.jpg")
    assert rows[3].error is not None
    assert rows[3].error.type == "not_an_image"


def test_clips_among_images_keep_their_places_and_change_no_bit(one: Path, detector: Detector, tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        (tmp_path / f"{seed}.jpg").write_bytes(jpeg(photo(seed, 200)))
    images = [str(tmp_path / f"{seed}.jpg") for seed in (1, 2, 3)]
    mixed = list(score([images[0], str(one), images[1], images[2]], ordered=True))
    assert [Path(row.path or "").name for row in mixed] == ["1.jpg", "one.avi", "one.avi", "2.jpg", "3.jpg"]
    assert [row for row in mixed if not isinstance(row, VideoVerdict)] == list(score(images, ordered=True))
    assert mixed[1:3] == score_clip(str(one), detector)


def test_folders_and_zips_are_searched_for_clips_where_they_are_wanted(tmp_path: Path, one: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in ("a.jpg", "b.MP4", "c.webm", "d.txt"):
        (tmp_path / "d" / name).write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "e.zip", "w") as archive:
        archive.write(one, "f/one.avi")
    found = list(expand([str(tmp_path / "d"), str(tmp_path / "e.zip")], suffixes=(".jpg", ".mp4", ".webm", ".avi")))
    assert [str(path).rpartition("/")[2] for path in found] == ["a.jpg", "b.MP4", "c.webm", "one.avi"]
    assert [str(path).rpartition("/")[2] for path in expand([str(tmp_path / "d")])] == ["a.jpg"]
    rows = list(score(found[-1:]))
    assert [row.path for row in rows] == [found[-1]] * 2
    assert rows[0].sha256 == hashlib.sha256(one.read_bytes()).hexdigest()


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main([*arguments, "--jobs", "1", "--quiet"])
    return int(ended.value.code or 0)


def test_the_command_line_gives_the_rows(one: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.ndjson"
    assert run("score", str(one), "--every", "0.5", "-o", str(out)) == 0
    whole, face = map(json.loads, out.read_text().splitlines())
    assert whole["schema"] == face["schema"] == "fauxface.verdict/1"
    assert whole["clip"]["frames"] == face["track"]["frames"] == 6
    assert whole["reason"].endswith(NOT_CALIBRATED)
    assert run("score", str(one), "--max-frames", "3", "-o", str(out)) == 0
    assert "looked at every 1.00 s, not every 0.2 s" in json.loads(out.read_text().splitlines()[0])["reason"]


def test_csv_has_more_columns_where_a_clip_is_named(one: Path, tmp_path: Path) -> None:
    out, image = tmp_path / "o.csv", tmp_path / "a.jpg"
    image.write_bytes(jpeg(photo(1, 200)))
    assert run("score", str(one), str(image), "--ordered", "-o", str(out)) == 0
    whole, face, picture = csv.DictReader(out.read_text().splitlines())
    assert (whole["clip.frames"], whole["track.id"]) == ("15", "")
    assert (face["clip.frames"], face["track.id"], face["track.frames"]) == ("", "1", "15")
    assert picture["track.id"] == picture["clip.frames"] == ""
    assert run("score", str(image), "-o", str(out)) == 0
    assert "track" not in out.read_text()


def test_statuses_are_those_of_images(one: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "o.ndjson")
    (tmp_path / "bad.mp4").write_bytes(b"")
    assert run("score", str(tmp_path / "bad.mp4"), "-o", out) == 1
    assert run("score", str(tmp_path / "bad.mp4"), str(one), "-o", out) == 3
    assert run("score", str(one), "--every", "0", "-o", out) == 2
    assert run("score", str(one), "--max-fpr", "0.9", "--fail-on", "fake", "-o", out) == 4


def test_a_prior_moves_the_probabilities_of_clips(one: Path) -> None:
    before, after = (list(score([str(one)], prior=prior)) for prior in (None, 0.5))
    moved = list(score([str(one)], prior=0.01))
    assert [row.probability for row in after] == pytest.approx([row.probability for row in before])
    assert all((low.probability or 1) < (row.probability or 0) for low, row in zip(moved, before, strict=True))


def test_several_clips_are_judged_in_several_processes_alike(one: Path, tmp_path: Path) -> None:
    other = clip(tmp_path / "b.mkv", chain(moving(10), shots(2)))
    paths = [str(one), str(other)]
    alone = [row.to_json() for row in score(paths, workers=1, ordered=True)]
    assert [row.to_json() for row in score(paths, workers=2, ordered=True)] == alone
