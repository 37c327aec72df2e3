"""Verdicts: the same whatever the way in, the company, the order and the number of processes; errors stay in rows.

The images here are textures, taken whole; `test_score_faces` looks for faces.
"""

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from features.errors import BundleError, UnknownNameError
from features.frame import Frame, load_pixels
from models.bundle import Bundle
from models.calibration import OperatingPoints
from models.novelty import Floats, Novelty, Values, fit
from models.verdict import Verdict
from pipelines import score as module
from pipelines.inputs import Input
from pipelines.score import Detector, Source, load_detector
from pipelines.score import score as score_any
from tests.images import jpeg, photo, png

score = partial(score_any, faces="off")


@pytest.fixture(scope="module")
def detector(small_detector: Path) -> Detector:
    return load_detector(str(small_detector), faces="off")


@pytest.fixture(scope="module")
def model(small_detector: Path) -> str:
    return str(small_detector)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = tmp_path_factory.mktemp("images")
    for seed in range(70):
        (root / f"{seed:02d}.jpg").write_bytes(jpeg(photo(seed, 224 + seed)))
    return sorted(map(str, root.iterdir()))


BAD = {
    "empty.jpg": (b"", "empty_file"),
    "text.jpg": (b"hello", "not_an_image"),
    "cut.jpg": (jpeg(photo(1))[:3000], "corrupt_image"),
    "tiny.png": (png(photo(1, 8)), "image_too_small"),
    "anim.gif": (b"GIF89a" + bytes(100), "unsupported_image"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_an_image_stands_in_its_verdict(detector: Detector, tmp_path: Path, name: str) -> None:
    data, code = BAD[name]
    (tmp_path / name).write_bytes(data)
    verdict = detector.score(tmp_path / name)
    assert verdict.error is not None
    assert verdict.error.type == code
    assert (verdict.path, verdict.probability, verdict.verdict) == (str(tmp_path / name), None, None)
    assert verdict.sha256 is not None


def test_a_missing_file_has_no_digest(detector: Detector, tmp_path: Path) -> None:
    verdict = detector.score(tmp_path / "missing.jpg")
    assert verdict.sha256 is None
    assert verdict.error is not None
    assert verdict.error.type == "unreadable_file"


def test_the_way_in_does_not_matter(detector: Detector, tmp_path: Path) -> None:
    rgb = photo(5)
    data = png(rgb)
    (tmp_path / "a.png").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("in/a.png", data)
    ways: list[Source] = [str(tmp_path / "a.png"), tmp_path / "a.png", f"{tmp_path}/a.zip!/in/a.png", data, rgb]
    verdicts = [detector.score(way) for way in ways]
    assert len({verdict.probability for verdict in verdicts}) == 1
    assert [verdict.sha256 for verdict in verdicts] == [verdicts[0].sha256] * 4 + [None]
    assert [verdict.path for verdict in verdicts[3:]] == [None, None]


def test_a_verdict_follows_the_operating_points(detector: Detector, images: list[str]) -> None:
    points = detector.bundle.points
    for verdict in map(detector.score, images):
        assert verdict.probability is not None
        assert verdict.verdict == points.decide(verdict.probability)
        assert (verdict.reason is None) == (verdict.verdict != "uncertain")
        assert verdict.model == detector.bundle.ref


@pytest.mark.parametrize(("size", "judged"), [(96, True), (95, False), (40, False), (500, True)])
def test_a_small_image_gets_no_verdict(
    detector: Detector, monkeypatch: pytest.MonkeyPatch, size: int, judged: bool
) -> None:
    monkeypatch.setattr(Bundle, "decide", lambda self, probability: "fake")
    verdict = detector.score(np.ascontiguousarray(photo(1, 600)[:size]))
    assert verdict.probability is not None
    assert verdict.verdict == ("fake" if judged else "uncertain")
    assert (verdict.reason is None) == judged
    assert judged or f"600x{size} pixels; enlarged" in str(verdict.reason)


def test_what_is_uncertain_says_why(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(detector.bundle), "decide", lambda self, probability: "uncertain")
    points = detector.bundle.points
    reason = f"between the points for real ({points.real_below:.4f}) and for fake ({points.fake_from:.4f})"
    assert detector.score(photo(1)).reason == reason


class Far:
    """Stands in for a Novelty: every view is at the distances given, one after another, and the limit is 1."""

    def __init__(self, *distances: float) -> None:
        self.left = list(distances)
        self.calls: list[int] = []

    def distances(self, values: Values) -> Floats:
        self.calls.append(len(values))
        taken, self.left = self.left[: len(values)], self.left[len(values) :]
        return np.array(taken)

    def judge(self, distances: Sequence[float]) -> str | None:
        return f"too far: {distances}" if max(distances) > 1 else None


def strange(detector: Detector, *distances: float) -> Detector:
    return replace(detector, bundle=replace(detector.bundle, novelty=cast(Novelty, Far(*distances))))


def test_what_is_strange_gets_a_probability_and_no_verdict(detector: Detector, images: list[str]) -> None:
    plain = detector.score(images[0])
    far = strange(detector, 1.5).score(images[0])
    assert far == replace(plain, verdict="uncertain", reason="too far: [1.5]")
    assert strange(detector, 1.0).score(images[0]) == plain


def test_distances_are_measured_once_for_all_images(detector: Detector, images: list[str], tmp_path: Path) -> None:
    bad = tmp_path / "cut.jpg"
    bad.write_bytes(BAD["cut.jpg"][0])
    one = strange(detector, 0.5, 2.0, 0.5)
    rows = one.score_all([(path, path) for path in (images[0], str(bad), images[1], images[2])])
    assert [row[0].reason is not None and "too far" in row[0].reason for row in rows] == [False, False, True, False]
    assert cast(Far, one.bundle.novelty).calls == [3]


def test_a_reason_names_all_that_withholds_a_verdict(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    small = strange(detector, 2.0).score(photo(1, 95))
    assert small.verdict == "uncertain"
    assert small.reason is not None
    assert re.fullmatch(r"95x95 pixels; enlarged.*; too far: \[2\.0\]", small.reason)
    monkeypatch.setattr(type(detector.bundle), "decide", lambda self, probability: "uncertain")
    assert strange(detector, 2.0).score(photo(1)).reason == "too far: [2.0]"  # the points no longer matter


def test_a_real_novelty_judges_alone_as_in_company(detector: Detector, images: list[str]) -> None:
    values = detector.bundle.measure([Frame.of(load_pixels(Path(path).read_bytes())) for path in images])
    onnx = fit(values)
    middle = float(np.median(Novelty(onnx, 1.0).distances(values)))
    one = replace(detector, bundle=replace(detector.bundle, novelty=Novelty(onnx, middle)))
    together = [rows[0] for rows in one.score_all([(path, path) for path in images])]
    assert together == [one.score(path) for path in images]
    flagged = [verdict.reason is not None and "unlike the images" in verdict.reason for verdict in together]
    assert sum(flagged) == len(images) // 2
    assert all(verdict.probability is not None for verdict in together)


def test_points_move_on_request(detector: Detector, model: str, images: list[str]) -> None:
    kept = detector.bundle.manifest["calibration_scores"]
    usual = load_detector(model, "off", "cpu", 0.01, 0.05).bundle.points
    assert usual == detector.bundle.points
    for max_fpr, max_miss in ((0.3, None), (None, 0.3), (0.3, 0.3)):
        points = OperatingPoints.of_scores(kept, max_fpr=max_fpr or 0.01, max_miss=max_miss or 0.05)
        moved = load_detector(model, faces="off", max_fpr=max_fpr, max_miss=max_miss)
        assert moved.bundle.points == points
        assert moved.bundle.ref == detector.bundle.ref
        for verdict in score(images[:10], model=model, max_fpr=max_fpr, max_miss=max_miss):
            assert verdict.probability is not None
            assert verdict.verdict == points.decide(verdict.probability)


def test_processes_score_with_the_moved_points(model: str, images: list[str]) -> None:
    alone = list(score(images, model=model, workers=1, ordered=True, max_fpr=0.4, max_miss=0.4))
    assert list(score(images, model=model, workers=2, ordered=True, max_fpr=0.4, max_miss=0.4)) == alone


def test_too_few_calibration_images_are_told_once(detector: Detector, model: str, images: list[str]) -> None:
    said: list[str] = []
    list(score(images[:3], model=model, max_fpr=0.0001, say=said.append))
    few = len(detector.bundle.manifest["calibration_scores"]["real"])
    assert said[0].startswith(f"{few} real calibration images are too few for a share of 0.0001 false positives")
    assert len(said) == 2  # nor are they enough for the usual share of misses
    list(score(images[:3], model=model, say=said.append))
    assert len(said) == 2


def test_a_bundle_without_calibration_scores_keeps_its_points(
    detector: Detector, monkeypatch: pytest.MonkeyPatch, images: list[str]
) -> None:
    old = replace(
        detector.bundle,
        name="old",
        manifest={key: value for key, value in detector.bundle.manifest.items() if key != "calibration_scores"},
    )
    monkeypatch.setattr(module, "load", lambda path, device: old)
    load_detector.cache_clear()
    try:
        assert load_detector(faces="off").score(images[0]).verdict is not None
        with pytest.raises(BundleError, match=r"old keeps no probabilities of calibration images.* train it with"):
            load_detector(faces="off", max_fpr=0.02)
    finally:
        load_detector.cache_clear()


@pytest.mark.parametrize("share", [0.0, 1.0, 3.0])
def test_shares_that_are_none_are_refused(model: str, share: float) -> None:
    with pytest.raises(ValueError, match=r"max_fpr lies between 0 and 1, both excluded, not"):
        score(["x"], model=model, max_fpr=share)


def test_company_processes_and_order_do_not_matter(detector: Detector, model: str, images: list[str]) -> None:
    alone = [detector.score(path) for path in images]
    assert list(score(images, model=model, workers=1)) == alone
    assert list(score(reversed(images), model=model, workers=1)) == alone[::-1]
    assert list(score(images, model=model, workers=2, ordered=True)) == alone
    assert sorted(score(images, model=model, workers=2), key=lambda verdict: str(verdict.path)) == alone


def test_images_judged_together_get_what_each_gets_alone(detector: Detector, images: list[str], tmp_path: Path) -> None:
    bad = tmp_path / "cut.jpg"
    bad.write_bytes(BAD["cut.jpg"][0])
    paths = [*images[:20], str(bad), *images[20:40]]
    assert detector.score_all([(path, path) for path in paths]) == [[detector.score(path)] for path in paths]
    assert detector.score_all([(str(bad), None)])[0][0].error is not None
    assert detector.score_all([]) == []


def test_one_process_scores_as_inputs_come(model: str, images: list[str]) -> None:
    taken: list[Input] = []

    def inputs() -> Iterator[Input]:
        for path in images:
            taken.append(path)
            yield path

    verdicts = score(inputs(), model=model, workers=1)
    next(verdicts)
    assert len(taken) == 1
    next(verdicts)
    assert len(taken) == 2


@pytest.mark.parametrize(("count", "expected"), [(0, 1), (3, 1), (4, 7), (9, 7)])
def test_many_inputs_get_every_core(
    model: str, monkeypatch: pytest.MonkeyPatch, images: list[str], count: int, expected: int
) -> None:
    used: list[tuple[int, int]] = []

    def run(
        setup: object, judge: object, jobs: Iterator[list[Input]], *, ref: object, workers: int, ordered: bool
    ) -> Iterator[list[Verdict]]:
        used.append((workers, sum(len(job) for job in jobs)))
        return iter([])

    monkeypatch.setattr(module, "run", run)
    monkeypatch.setattr(module, "cores", lambda: 7)
    monkeypatch.setattr(module, "_FEW", {"off": 4})
    list(score(images[:count], model=model))
    assert used == [(expected, count)]


def test_the_bytes_of_standard_input_get_its_name(model: str) -> None:
    (verdict,) = score([jpeg(photo(1))], model=model)
    assert verdict.path == "-"
    assert verdict.probability is not None


def test_a_prior_moves_probabilities_and_no_verdict(model: str, images: list[str], tmp_path: Path) -> None:
    inputs = [*images[:5], str(tmp_path / "missing.jpg")]
    plain = list(score(inputs, model=model))
    moved = list(score(inputs, model=model, prior=0.01))
    assert [verdict.verdict for verdict in moved] == [verdict.verdict for verdict in plain]
    for before, after in zip(plain[:5], moved, strict=False):
        assert before.probability is not None
        assert after.probability is not None
        odds = before.probability / (1 - before.probability) / 99
        assert after.probability == pytest.approx(odds / (1 + odds))
    assert moved[5].probability is None


def test_wrong_names_are_refused_before_any_input_is_taken(model: str) -> None:
    with pytest.raises(UnknownNameError, match="no way to find faces 'outo'; did you mean 'auto'"):
        score(["x"], model=model, faces="outo")
    with pytest.raises(UnknownNameError, match="no model 'fsat'"):
        score(["x"], model="fsat")
    with pytest.raises(BundleError):
        score(["x"], model="no/such/bundle")


def test_scoring_loads_no_training_library(model: str, images: list[str]) -> None:
    code = (
        "import sys; from pipelines.score import load_detector\n"
        "assert load_detector(sys.argv[1]).score(sys.argv[2]).verdict == 'no_face'\n"
        "assert load_detector(sys.argv[1], faces='off').score(sys.argv[2]).probability is not None\n"
        "print(*sys.modules)"
    )
    command = [sys.executable, "-c", code, model, images[0]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "onnxruntime" in loaded
    assert not loaded & {"lightgbm", "onnx", "pandas", "pyarrow", "scipy", "sklearn", "skimage", "torch", "joblib"}


@pytest.mark.realdata
def test_real_faces_are_all_judged(model: str, deepfake_faces: Path) -> None:
    with zipfile.ZipFile(deepfake_faces) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")][:50]
        inputs = [f"{deepfake_faces}!/{name}" for name in names]
        verdicts = list(score(inputs, model=model, ordered=True))
        assert [verdict.path for verdict in verdicts] == inputs
        assert all(verdict.error is None for verdict in verdicts)
        first = archive.read(names[0])
    assert verdicts[0].probability == load_detector(model, faces="off").score(first).probability
