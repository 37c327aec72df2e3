"""Faces: each gets its row, in order of size, and the same bits in any company; what limits a verdict says so."""

import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from features.decode import Pixels
from features.frame import Frame
from features.framing import MIN_FACE, Framed, frame_faces
from models.bundle import Bundle
from models.verdict import Verdict
from pipelines import score as module
from pipelines.score import NO_FACE, Detector, load_detector, score
from tests.conftest import SampleFaces
from tests.images import jpeg, photo, png
from tests.portraits import FACE, beside, portrait


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector("fast")


@pytest.fixture(scope="module")
def whole() -> Detector:
    return load_detector("fast", faces="off")


def tight(scale: float = 2.25) -> Pixels:
    """Crop the portrait as training crops are."""
    picture = portrait(scale)
    x, y, side, _ = frame_faces(np.ascontiguousarray(picture[..., ::-1]))[0].square or (0, 0, 0, 0)
    return np.ascontiguousarray(picture[y : y + side, x : x + side])


def said(detector: Detector, picture: Pixels, monkeypatch: pytest.MonkeyPatch, verdict: str = "fake") -> Verdict:
    """Judge a picture of one face by a detector that always says the same."""
    monkeypatch.setattr(Bundle, "decide", lambda self, probability: verdict)
    (found,) = detector.score_faces(picture)
    assert found.probability is not None
    return found


def test_a_face_is_found_cropped_and_judged(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = said(detector, portrait(2.25), monkeypatch)
    assert verdict.face is not None
    x, y, width, height = verdict.face
    assert width == height == pytest.approx(1.08 * 2.25 * FACE, rel=0.05)
    assert (x + width / 2, y + height / 2) == pytest.approx((2.25 * 223, 2.25 * 122), abs=12)
    assert (verdict.verdict, verdict.reason) == ("fake", None)


def test_every_face_is_a_row_the_largest_first(detector: Detector, tmp_path: Path) -> None:
    path = tmp_path / "two.png"
    path.write_bytes(png(beside(portrait(), portrait(2.25), photo(1, 300))))
    large, small = detector.score_faces(path)
    assert large.face is not None
    assert small.face is not None
    assert large.face[2] > 2 * small.face[2]
    assert small.face[0] < 512 < large.face[0]
    assert (large.path, large.sha256) == (small.path, small.sha256) == (str(path), large.sha256)
    assert detector.score(path) == large


def _bgr(rgb: Pixels) -> Pixels:
    return rgb[..., ::-1]


def test_each_face_gets_the_mean_of_its_crop_and_its_mirror_image_wherever_the_others_are(
    detector: Detector, whole: Detector
) -> None:
    left, right = portrait(), portrait(2.25)
    both = beside(left, right)
    large, small = detector.score_faces(both)
    for verdict, alone, shift in ((small, detector.score(left), 0), (large, detector.score(right), left.shape[1])):
        x, y, width, height = verdict.face or (0, 0, 0, 0)
        crop = both[y : y + height, x : x + width]
        views = [
            detector.bundle.feature_set.compute(Frame.load(np.ascontiguousarray(v))) for v in (crop, crop[:, ::-1])
        ]
        assert verdict.probability == detector.bundle.probability(np.stack(views), [2])[0]
        assert alone.face == pytest.approx((x - shift, y, width, height), abs=4)
    assert len({verdict.probability for verdict in (large, small, whole.score(both))}) == 3


@pytest.mark.parametrize("picture", [photo(3), photo(4, (90, 700)), np.full((64, 64), 200, np.uint8)])
def test_no_face_is_a_success_without_a_probability(detector: Detector, picture: Pixels) -> None:
    (verdict,) = detector.score_faces(picture)
    assert (verdict.verdict, verdict.reason) == ("no_face", NO_FACE)
    assert (verdict.probability, verdict.face, verdict.error) == (None, None, None)
    assert str(MIN_FACE) in NO_FACE


def test_a_tight_crop_is_taken_whole_bit_for_bit(
    detector: Detector, whole: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    crop = tight()
    verdict = said(detector, crop, monkeypatch)
    assert (verdict.verdict, verdict.face, verdict.reason) == ("fake", None, None)
    assert verdict == whole.score(crop)


@pytest.mark.parametrize("picture", [portrait(0.35), portrait()[:124]])
def test_a_small_or_cut_face_gets_no_verdict_and_the_reason(
    detector: Detector, monkeypatch: pytest.MonkeyPatch, picture: Pixels
) -> None:
    (framed,) = frame_faces(np.ascontiguousarray(picture[..., ::-1]))
    for verdict in ("fake", "real", "uncertain"):
        found = said(detector, np.ascontiguousarray(picture), monkeypatch, verdict)
        assert (found.verdict, found.face) == ("uncertain", framed.square)
        assert framed.doubt
        assert found.reason is not None
        assert found.reason.startswith(framed.doubt)  # that it is unlike the training images may come after it


def test_a_crop_with_too_few_pixels_gets_no_verdict(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    found = said(detector, portrait(0.75), monkeypatch)
    assert found.face is not None
    assert found.verdict == "uncertain"
    assert str(found.reason).startswith(f"its face of {found.face[2]}x{found.face[3]} pixels; enlarged")
    crop = tight(0.75)
    found = said(detector, crop, monkeypatch)
    assert (found.verdict, found.face) == ("uncertain", None)
    assert str(found.reason).startswith(f"{crop.shape[1]}x{crop.shape[0]} pixels; enlarged")


BETWEEN = "between the points for real"


@pytest.mark.parametrize(
    ("size", "doubt", "note", "decided", "verdict", "reason"),
    [
        (2.25, None, None, "fake", "fake", ""),
        (2.25, None, "note", "fake", "fake", "note"),
        (2.25, None, "note", "uncertain", "uncertain", BETWEEN + ".*; note"),
        (2.25, None, None, "uncertain", "uncertain", BETWEEN + r"[^;]*"),
        (2.25, "doubt", "note", "fake", "uncertain", "doubt"),
        (0.75, "doubt", "note", "fake", "uncertain", "doubt"),
        (0.75, None, "note", "uncertain", "uncertain", "its face of .* enlarged.*"),
    ],
)
def test_the_strongest_reason_stands(
    detector: Detector, monkeypatch: pytest.MonkeyPatch, size: float, doubt: str | None, note: str | None,
    decided: str, verdict: str, reason: str,
) -> None:  # fmt: skip
    def framed(bgr: Pixels) -> list[Framed]:
        return [replace(face, doubt=doubt, note=note) for face in frame_faces(bgr)]

    monkeypatch.setattr(module, "frame_faces", framed)
    found = said(detector, portrait(size), monkeypatch, decided)
    assert found.verdict == verdict
    assert re.fullmatch(reason, found.reason or "")


def test_a_tilted_face_is_judged_upright_and_noted(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    turn = cv2.getRotationMatrix2D((504, 280), 40, 1)
    found = said(detector, np.asarray(cv2.warpAffine(portrait(2.25), turn, (1152, 1152)), np.uint8), monkeypatch)
    assert found.face is not None
    assert "tilted" in str(found.reason)
    assert found.verdict == "fake"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Pictures of two faces, of one, of none, a tight crop and what is no picture, several times."""
    root = tmp_path_factory.mktemp("pictures")
    kinds = {
        "a": jpeg(beside(portrait(), portrait(1.5)), 90), "b": jpeg(portrait(), 90), "c": jpeg(photo(1)),
        "d": jpeg(tight(), 90), "e": b"text",
    }  # fmt: skip
    for turn in range(8):
        for kind, data in kinds.items():
            (root / f"{turn}{kind}").write_bytes(data + bytes([turn]))
    return sorted(map(str, root.iterdir()))


def rows_of(verdicts: Sequence[Verdict], path: str) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.path == path]


def test_company_processes_and_order_do_not_matter(detector: Detector, pictures: list[str]) -> None:
    alone = [detector.score_faces(path) for path in pictures]
    assert [len(rows) for rows in alone] == [2, 1, 1, 1, 1] * 8
    flat = [row for rows in alone for row in rows]
    assert list(score(pictures, workers=1)) == flat
    assert list(score(pictures, workers=2, ordered=True)) == flat
    assert list(score(iter(pictures), workers=1)) == flat
    as_done = list(score(pictures, workers=2))
    assert [rows_of(as_done, path) for path in pictures] == alone
    first = [at for at, verdict in enumerate(as_done) if verdict.path != as_done[at - 1].path]
    assert len(first) == len(pictures), "rows of one picture are apart"


def test_progress_counts_inputs_and_not_rows(pictures: list[str]) -> None:
    seen: list[tuple[int, int | None]] = []
    rows = list(score(pictures, workers=1, progress=lambda *state: seen.append(state)))
    assert (len(rows), seen) == (48, [(done, 40) for done in range(1, 41)])
    list(score(iter(pictures[:2]), workers=1, progress=lambda *state: seen.append(state)))
    assert seen[40:] == [(1, None), (2, None)]


def test_a_prior_moves_every_face(detector: Detector, pictures: list[str]) -> None:
    plain = detector.score_faces(pictures[0])
    moved = list(score(pictures[:1], prior=0.01))
    assert [verdict.face for verdict in moved] == [verdict.face for verdict in plain]
    for before, after in zip(plain, moved, strict=True):
        odds = (before.probability or 0) / (1 - (before.probability or 0)) / 99
        assert after.probability == pytest.approx(odds / (1 + odds))


def test_the_bytes_of_standard_input_are_searched_too() -> None:
    verdicts = list(score([jpeg(beside(portrait(), portrait(1.5)))]))
    assert [verdict.path for verdict in verdicts] == ["-", "-"]
    assert all(verdict.face for verdict in verdicts)


@pytest.mark.realdata
def test_training_crops_get_what_they_get_whole(detector: Detector, whole: Detector, sample_faces: SampleFaces) -> None:
    paths = sorted(sample_faces(40).rglob("*.jpg"))
    found = [detector.score(path) for path in paths]
    taken_whole = [verdict for verdict in found if verdict.verdict != "no_face" and verdict.face is None]
    assert len(taken_whole) >= 0.95 * len(paths)
    for verdict in taken_whole:
        assert verdict.probability == whole.score(str(verdict.path)).probability


@pytest.mark.realdata
def test_a_real_crop_is_found_again_in_a_photograph(
    detector: Detector, deepfake_faces: Path, sample_faces: SampleFaces
) -> None:
    path = sorted((sample_faces(10) / "real").iterdir())[0]
    with zipfile.ZipFile(deepfake_faces) as archive:
        crop = cv2.imdecode(np.frombuffer(archive.read(f"faces_224/{path.name}"), np.uint8), cv2.IMREAD_COLOR)
    assert crop is not None
    wide = np.asarray(cv2.resize(cv2.GaussianBlur(crop, (0, 0), 25), (600, 500)), np.uint8)
    wide[130:354, 200:424] = crop
    face = detector.score(np.ascontiguousarray(wide[..., ::-1])).face
    assert face is not None
    assert (face[0] + face[2] / 2, face[1] + face[3] / 2) == pytest.approx((312, 242), abs=30)
    assert face[2] == pytest.approx(224, rel=0.25)
