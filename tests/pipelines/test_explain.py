"""Explanations from the command line: the verdict is that of score, everything adds up, pages ask for nothing."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import cli
from models.bundle import load
from models.contributions import Explainer, cells_of
from pipelines.explain import explain, explain_image
from pipelines.explain_record import SCHEMA, TOP, Explained, row
from pipelines.explain_sheet import headline, pictures, sheet
from pipelines.page import plain
from pipelines.score import load_detector
from tests.images import jpeg, photo, png
from tests.portraits import beside, portrait

Ended = tuple[int, str, str]


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> Ended:
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face of two sizes, one alone in a folder below under the same name, a texture, and what is no image."""
    root = tmp_path_factory.mktemp("images")
    (root / "below").mkdir()
    (root / "a.png").write_bytes(png(beside(portrait(0.75), portrait(1.5))))
    (root / "a.jpg").write_bytes(jpeg(portrait(1.5)))
    (root / "below" / "a.jpg").write_bytes(jpeg(portrait(), 90))
    (root / "bad.jpg").write_bytes(b"text")
    (root / "none <b>.jpg").write_bytes(jpeg(photo(1)))
    return root


@pytest.fixture(scope="module")
def explained(small_detector: Path, images: Path) -> list[Explained]:
    detector = load_detector(str(small_detector))
    explainer = Explainer(load(small_detector), small_detector)
    data = (images / "a.png").read_bytes()
    return explain_image(detector, explainer, data, detector.score_faces(data, path="a & b.png"))


def test_a_broken_file_among_the_inputs_stops_nothing(
    capsys: pytest.CaptureFixture[str], images: Path, small_detector: Path, tmp_path: Path
) -> None:
    common = [images, "--model", small_detector, "--quiet", "--format", "ndjson"]
    status, out, err = run(capsys, "explain", *common, "--out", tmp_path / "why")
    rows = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (3, "")
    scored = run(capsys, "score", *common, "--ordered")[1].splitlines()
    assert [json.dumps(found["verdict"]) for found in rows] == scored
    assert [Path(found["verdict"]["path"]).name for found in rows] == [
        "a.jpg", "a.png", "a.png", "bad.jpg", "none <b>.jpg", "a.jpg"
    ]  # fmt: skip
    assert [found["verdict"]["error"] is None for found in rows] == [True, True, True, False, True, True]
    assert all(found["score"] is found["map"] is found["page"] is None for found in rows[3:5])
    files = {str(file.relative_to(tmp_path / "why")) for file in (tmp_path / "why").rglob("*") if file.is_file()}
    assert files == {f"{stem}.{kind}" for stem in ("a", "a~2", "below/a") for kind in ("html", "png")}
    assert [found["page"] and str(Path(found["page"]).relative_to(tmp_path / "why")) for found in rows] == [
        "a.html", "a~2.html", "a~2.html", None, None, "below/a.html"
    ]  # fmt: skip
    for found in rows:
        if found["picture"]:
            drawn = cv2.imread(found["picture"])
            assert drawn is not None
            assert drawn.shape[1] == 1120


def test_every_part_of_a_row_adds_up_to_its_score(images: Path, small_detector: Path) -> None:
    for found in explain([str(images / "a.png"), str(images / "a.jpg")], model=str(small_detector)):
        assert found["schema"] == SCHEMA
        for parts in (found["families"], found["blocks"]):
            assert found["base"] + sum(part["total"] for part in parts.values()) == pytest.approx(
                found["score"], abs=1e-9
            )
            assert all(
                part["total"] == pytest.approx(part["fake"] + part["real"], abs=1e-12) for part in parts.values()
            )
        assert 0 <= found["placed"] <= 1
        strengths = [abs(reason["contribution"]) for reason in found["features"]]
        assert strengths == sorted(strengths, reverse=True)
        assert 0 < len(strengths) <= TOP
        sides = [("fake" if reason["contribution"] > 0 else "real") for reason in found["features"]]
        assert [reason["sentence"].rstrip(".").split()[-1] for reason in found["features"]] == sides


def test_the_score_explained_is_the_one_that_was_calibrated(explained: list[Explained], small_detector: Path) -> None:
    calibration = load(small_detector).calibration
    assert len(explained) == 2
    for one in explained:
        probability = calibration.probability(np.array([one.contributions.score], np.float32))[0]
        assert probability == pytest.approx(one.verdict.probability, abs=1e-5)
        assert f"probability {one.verdict.probability:.3f}" in headline(one)


def test_the_map_of_a_row_adds_up_to_what_has_a_place(explained: list[Explained]) -> None:
    for one in explained:
        cells = cells_of(one.contributions.names)
        placed = sum(amount for cell, amount in zip(cells, one.contributions.amounts.tolist(), strict=True) if cell)
        assert np.sum(row(one.verdict, one)["map"]) == pytest.approx(placed, abs=1e-3)


def test_a_whole_image_is_explained_without_a_face(
    capsys: pytest.CaptureFixture[str], images: Path, small_detector: Path
) -> None:
    common = ["explain", images / "none <b>.jpg", "--model", small_detector, "--faces", "off"]
    status, out, _ = run(capsys, *common)
    assert status == 0
    assert json.loads(out)["score"] is not None
    read = next(csv.DictReader(io.StringIO(run(capsys, *common, "--format", "csv")[1])))
    assert float(read["score"]) == json.loads(out)["score"]
    head, line = run(capsys, *common, "--format", "table")[1].splitlines()
    assert head.split() == ["verdict", "probability", "path", "summary", "message"]
    assert "What speaks most for fake" in line


def test_an_image_on_standard_input_has_its_page(tmp_path: Path, small_detector: Path) -> None:
    (found,) = explain([jpeg(photo(2))], model=str(small_detector), faces="off", out=str(tmp_path))
    assert found["verdict"]["path"] == "-"
    assert Path(found["page"]).read_text().startswith("<!doctype html>")


def test_several_processes_give_the_same_rows(images: Path, small_detector: Path) -> None:
    paths = [str(images / "a.jpg"), str(images / "bad.jpg"), str(images / "a.png")]
    alone = list(explain(paths, model=str(small_detector), workers=1))
    seen: list[tuple[int, int | None]] = []
    both = explain(paths, model=str(small_detector), workers=2, progress=lambda *state: seen.append(state))
    assert list(both) == alone
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_place_that_cannot_be_written_is_said_at_once(
    capsys: pytest.CaptureFixture[str], images: Path, small_detector: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    status, out, err = run(capsys, "explain", images, "--model", small_detector, "--out", tmp_path / "file" / "why")
    assert (status, out) == (1, "")
    assert "cannot be made: not a directory" in err


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and whether all are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def written(images: Path, small_detector: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("why")
    rows = list(explain([str(images / "a.png")], model=str(small_detector), out=str(out)))
    return Path(rows[0]["page"]).read_text()


def test_the_page_asks_for_nothing_and_styles_no_tag(written: str) -> None:
    tags = Tags(written)
    assert tags.open == []
    asked = [value for _, given in tags.found for name, value in given.items() if name in ("src", "href", "srcset")]
    assert asked
    assert all(str(value).startswith("data:image/png;base64,") for value in asked)
    assert not any("style" in given or any(name.startswith("on") for name in given) for _, given in tags.found)
    assert not re.search(r"url\(|@import|<script|<link|<iframe", written)


def test_every_picture_of_the_page_has_words_and_a_table_of_numbers(written: str, explained: list[Explained]) -> None:
    tags = Tags(written)
    alts = [given["alt"] for tag, given in tags.found if tag == "img"]
    assert len(alts) == 2 * 7
    assert all(alt and len(alt) > 30 for alt in alts)
    assert written.count("The evidence map in numbers") == 2 * 2
    for one in explained:
        assert f"{one.placed:.0%} of the evidence has a place" in written
        for reason in one.reasons:
            assert f"{reason.contribution:+.3f}" in written
        for share in one.families.values():
            assert f"{share.total:+.3f}" in written


def test_a_name_cannot_write_html(explained: list[Explained]) -> None:
    from pipelines.explain_page import page

    name = 'x"><script>alert(1)</script>\u202egpj.\n'
    text = page(name, explained)
    assert "<script" not in text
    assert plain(name).count("\\") == 2
    assert Tags(text).open == []


def test_the_sheet_shows_every_face(explained: list[Explained]) -> None:
    drawn = cv2.imdecode(np.frombuffer(sheet(explained), np.uint8), cv2.IMREAD_COLOR)
    alone = cv2.imdecode(np.frombuffer(sheet(explained[:1]), np.uint8), cv2.IMREAD_COLOR)
    assert drawn is not None
    assert alone is not None
    assert drawn.shape[0] > 1.5 * alone.shape[0]
    assert (drawn[: alone.shape[0] - 100] != 255).any()
    shown = pictures(explained[0])
    assert [one.title for one in shown] == [
        "Measured", "Evidence map", "In the picture", "Spectrum", "Noise residual", "Texture (LBP)", "DCT energy"
    ]  # fmt: skip
    assert (shown[0].bgr == explained[0].frame.bgr).all()


def test_the_map_is_drawn_where_the_face_is(explained: list[Explained]) -> None:
    for one in explained:
        place = pictures(one)[2].bgr.astype(int)
        scale = place.shape[1] / one.picture.shape[1]
        small = cv2.resize(one.picture, place.shape[1::-1], interpolation=cv2.INTER_AREA).astype(int)
        x, y, side, _ = (round(scale * value) for value in one.verdict.face or (0, 0, 0, 0))
        outside = np.ones(place.shape[:2], bool)
        outside[max(0, y - 4) : y + side + 4, max(0, x - 4) : x + side + 4] = False
        assert (place[outside] == small[outside]).all()
        assert (place[~outside] != small[~outside]).any()


def test_a_verdict_that_was_not_reached_has_no_explanation(small_detector: Path) -> None:
    detector = load_detector(str(small_detector))
    (verdict,) = detector.score_faces(b"text")
    found: dict[str, Any] = row(verdict)
    assert found["verdict"]["error"]["type"] == "not_an_image"
    assert [key for key, value in found.items() if value is not None] == ["schema", "verdict"]
