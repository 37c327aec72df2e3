"""The page of verdicts: whole, in order, the same every time, harmless, and clear about what cannot be written."""

import base64
import errno
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from xml.dom import minidom

import cv2
import numpy as np
import pytest

import cli
from features.errors import OutputError
from features.source import read_bytes
from models.calibration import OperatingPoints
from models.verdict import ErrorRef, ModelRef, Verdict
from pipelines import report as module
from pipelines.page import digest
from pipelines.report import THUMBNAIL, Terms, reported, thumbnail
from pipelines.report_look import SCRIPT
from tests.images import jpeg, photo
from tests.verdicts import MODEL, POINTS, judged, verdicts

TERMS = Terms(POINTS)


@pytest.fixture
def rows(tmp_path: Path) -> list[Verdict]:
    folder = tmp_path / "images"
    folder.mkdir()
    return verdicts(folder)


def write(rows: Sequence[Verdict], path: Path, terms: Terms = TERMS) -> str:
    assert list(reported(rows, path, terms)) == list(rows)
    return path.read_text()


def document(text: str) -> minidom.Document:
    return minidom.parseString(text.replace("<!doctype html>", "").replace(SCRIPT, ""))


def text_of(node: minidom.Node) -> str:
    return "".join(child.data if isinstance(child, minidom.Text) else text_of(child) for child in node.childNodes)


def body(text: str) -> list[minidom.Element]:
    return document(text).getElementsByTagName("tbody")[0].getElementsByTagName("tr")


def test_the_most_probable_fakes_come_first_and_what_failed_last(rows: list[Verdict], tmp_path: Path) -> None:
    found = body(write(rows, tmp_path / "r.html"))
    kinds = [row.getAttribute("class") for row in found]
    chances = [float(row.getAttribute("data-chance")) for row in found if row.hasAttribute("data-chance")]
    assert kinds == ["fake", "fake", "uncertain", "uncertain", "real", "no_face", "failed", "failed"]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] == 0.9973


def test_the_page_is_the_same_in_whatever_order_rows_come(rows: list[Verdict], tmp_path: Path) -> None:
    once = write(rows, tmp_path / "a.html")
    assert write(rows[::-1], tmp_path / "b.html") == once
    assert str(tmp_path / "a.html") not in once


def test_a_row_says_what_the_verdict_says(rows: list[Verdict], tmp_path: Path) -> None:
    first, second, *_, last = (text_of(row) for row in body(write(rows, tmp_path / "r.html")))
    for said in ("fake", "0.9973", "two faces.jpg", "face of 60 x 60 pixels at 10, 20", rows[0].sha256):
        assert str(said) in first
    assert "reaches the point for fake" in second
    assert "the file is empty" in last
    assert "none" in last


def test_totals_and_model_are_told_before_the_rows(rows: list[Verdict], tmp_path: Path) -> None:
    text = write(rows, tmp_path / "r.html")
    head = text[: text.index("<tbody")]
    found = re.findall(r'<div class="(\w+)"><dt>[\w ]+</dt><dd>(\d+)</dd>', head)
    assert found == [("fake", "2"), ("uncertain", "2"), ("real", "1"), ("no_face", "1"), ("failed", "2")]
    assert "Verdicts on 7 images" in head
    assert MODEL.name in head
    assert MODEL.digest in head


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        (Terms(POINTS), ["half of all", "0.9000", "0.2000", "1 % or fewer", "5 % or fewer"]),
        (Terms(POINTS, prior=0.1), ["if 10 % of all", "0.5000", "0.0270"]),
        (Terms(POINTS, max_fpr=0.001, max_miss=0.1), ["0.1 % or fewer", "10 % or fewer"]),
    ],
)
def test_what_a_verdict_means_comes_first(terms: Terms, said: list[str], tmp_path: Path) -> None:
    text = write([], tmp_path / "r.html", terms)
    meaning = text[text.index('id="meaning"') : text.index('id="totals"')]
    assert text.index('id="meaning"') < text.index("<tbody")
    for one in said:
        assert one in meaning


@pytest.mark.parametrize(
    "name",
    [
        "<img src=x onerror=alert(1)>.jpg",
        "</script><script>alert(1)</script>.jpg",
        '"><svg onload=alert(1)>.jpg',
        "&lt;b&gt; &amp;.jpg",
        "line\nbreak\x00\x1b[31m.jpg",
        "not utf-8 \udcff.jpg",
        "gpj.\u202eexe",
    ],
)
def test_no_name_is_more_than_text(name: str, tmp_path: Path) -> None:
    row = judged(name, 0.5, "uncertain", reason=name)
    bad = Verdict(name, None, None, None, None, None, ModelRef(name, name), ErrorRef("x", name))
    text = write([row, bad], tmp_path / "r.html")
    read = document(text)  # well formed, so nothing opened or closed what it should not
    assert {node.tagName for node in read.getElementsByTagName("td")[0].childNodes if node.nodeType == 1} == set()
    assert not read.getElementsByTagName("img")
    assert text.count("<script") == 1
    shown = text_of(read.getElementsByTagName("bdi")[0])
    assert shown.isprintable()
    if name.isprintable():
        assert shown == name
    assert not {"\u202e", "\x1b", "\x00"} & set(text)


def test_the_browser_is_forbidden_everything_but_this_file(rows: list[Verdict], tmp_path: Path) -> None:
    text = write(rows, tmp_path / "r.html")
    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[0]
    (style,), (script,) = (
        re.findall(r"<style>(.*?)</style>", text, re.S),
        re.findall(r"<script>(.*?)</script>", text, re.S),
    )
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert f"style-src '{digest(style)}'" in policy
    assert f"script-src '{digest(script)}'" in policy
    assert "unsafe" not in policy
    outside = text.replace(policy, "").replace("http-equiv", "")
    assert not re.search(r"https?:|url\(|@import|src=\"(?!data:)|href=\"(?!#)", outside)


def test_pictures_are_small_and_show_the_face(rows: list[Verdict], tmp_path: Path) -> None:
    first = body(write(rows, tmp_path / "r.html"))[0].getElementsByTagName("img")[0]
    data = base64.b64decode(first.getAttribute("src").removeprefix("data:image/jpeg;base64,"))
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert (
        (first.getAttribute("width"), first.getAttribute("height")) == ("60", "60") == tuple(map(str, shown.shape[:2]))
    )
    whole = photo(1, (120, 160))[..., ::-1]
    assert np.abs(shown.astype(float) - whole[20:80, 10:70]).mean() < 6


@pytest.mark.parametrize(
    ("size", "expected"), [((50, 40), (50, 40)), ((96, 192), (48, 96)), ((1000, 10), (96, 1)), ((96, 96), (96, 96))]
)
def test_a_picture_keeps_its_shape_and_is_never_enlarged(size: tuple[int, int], expected: tuple[int, int]) -> None:
    small = cv2.imdecode(np.frombuffer(thumbnail(photo(1, size)), np.uint8), cv2.IMREAD_COLOR)
    assert small is not None
    assert small.shape == (*expected, 3)
    assert max(small.shape) <= THUMBNAIL


def test_an_image_that_cannot_be_shown_says_why(rows: list[Verdict], tmp_path: Path) -> None:
    changed, gone = Path(str(rows[0].path)), Path(str(rows[2].path))
    changed.write_bytes(jpeg(photo(99)))
    gone.unlink()
    found = [text_of(row) for row in body(write([*rows, judged("-", 0.1, "real")], tmp_path / "r.html"))]
    assert "no picture: the file has changed since it was judged" in found[0]
    assert "no picture: no such file" in next(text for text in found if gone.name in text)
    assert "no picture: it came on standard input" in next(text for text in found if "standard input" in text)


def test_an_image_is_read_once_for_all_its_faces(
    rows: list[Verdict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counting(path: str) -> bytes:
        read.append(path)
        return read_bytes(path)

    monkeypatch.setattr(module, "read_bytes", counting)
    write(rows, tmp_path / "r.html")
    assert len(read) == len(set(read)) == 5


def test_reasons_that_are_given_are_shown(rows: list[Verdict], tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    said = {rows[0]: ["noise is <weaker> inside", "second"]}
    list(reported(rows, path, TERMS, reasons=lambda verdict: said.get(verdict, ())))
    lists = document(path.read_text()).getElementsByTagName("tbody")[0].getElementsByTagName("ul")
    assert [text_of(item) for item in lists[0].getElementsByTagName("li")] == said[rows[0]]
    assert len(lists) == 1


def test_verdicts_pass_through_as_they_come(rows: list[Verdict], tmp_path: Path) -> None:
    stream = reported(iter(rows), tmp_path / "r.html", TERMS)
    assert next(stream) is rows[0]
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize("stop", ["close", "raise"])
def test_a_run_that_stops_leaves_what_was_there(rows: list[Verdict], tmp_path: Path, stop: str) -> None:
    def some() -> Iterator[Verdict]:
        yield rows[0]
        if stop == "raise":
            raise ConnectionError("of somebody else")
        yield rows[1]

    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "r.html").write_text("before")
    stream = reported(some(), folder / "r.html", TERMS)
    next(stream)
    if stop == "raise":
        with pytest.raises(ConnectionError):
            next(stream)
    else:
        del stream  # as where nobody reads on
    assert [(file.name, file.read_text()) for file in folder.iterdir()] == [("r.html", "before")]


def test_a_missing_folder_is_told_before_the_first_verdict(rows: list[Verdict], tmp_path: Path) -> None:
    path = tmp_path / "missing" / "r.html"
    with pytest.raises(OutputError, match=rf"{path}: cannot be written: no such file or directory"):
        next(reported(rows, path, TERMS))


def test_a_folder_is_no_place_for_a_file(rows: list[Verdict], tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written: this is a folder"):
        next(reported(rows, tmp_path, TERMS))


class FullDisk:
    """A file that takes but a part of what is written once, as on a disk that is full for a moment."""

    def __init__(self) -> None:
        self.wholes = 2

    def __enter__(self) -> "FullDisk":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def tell(self) -> int:
        return 0

    def write(self, data: bytes) -> int:
        self.wholes -= 1
        return 10 if self.wholes == 0 else len(data)


def test_a_disk_that_fills_up_is_told(rows: list[Verdict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: FullDisk())
    with pytest.raises(OutputError, match="cannot be written: no space left on device"):
        list(reported(rows, tmp_path / "r.html", TERMS))
    assert not list(tmp_path.glob("*.html"))


def test_a_disk_that_fills_up_at_the_end_leaves_nothing(
    rows: list[Verdict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="no space left on device"):
        list(reported(rows, tmp_path / "r.html", TERMS))
    assert [file.name for file in tmp_path.iterdir()] == ["images"]


def test_no_verdicts_are_a_page_too(tmp_path: Path) -> None:
    text = write([], tmp_path / "r.html")
    assert "Verdicts on 0 images" in text
    assert body(text) == []


def test_many_rows_take_no_memory(tmp_path: Path) -> None:
    import tracemalloc

    def many(count: int) -> Iterator[Verdict]:
        row = judged("missing.jpg", 0.5, "uncertain", reason="x" * 2000)
        return (replace(row, path=f"{number}.jpg", probability=number / count) for number in range(count))

    tracemalloc.start()
    for _ in reported(many(2000), tmp_path / "r.html", TERMS):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "r.html").stat().st_size > 5_000_000
    assert peak < 2_000_000


def test_score_writes_the_page_beside_its_rows(
    capsys: pytest.CaptureFixture[str], small_detector: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for seed in range(3):
        (tmp_path / "in" / f"{seed}.jpg").write_bytes(jpeg(photo(seed)))
    (tmp_path / "in" / "bad.jpg").write_bytes(b"text")
    common = ["score", str(tmp_path / "in"), "--model", str(small_detector), "--faces", "off", "--ordered"]
    ended = []
    for more in ([], ["--report", str(tmp_path / "r.html")], ["--report", str(tmp_path / "no" / "r.html")]):
        with pytest.raises(SystemExit) as end:
            cli.main([*common, *more])
        ended.append((end.value.code, *capsys.readouterr()))
    assert ended[1] == ended[0]
    assert ended[0][0] == 3
    assert len(body((tmp_path / "r.html").read_text())) == 4
    assert ended[2][0] == 1
    assert "no such file or directory" in ended[2][2]


def test_points_of_a_page_are_those_of_the_detector(tmp_path: Path) -> None:
    text = write([], tmp_path / "r.html", Terms(OperatingPoints(0.5, 0.5)))
    assert "from probability 0.5000 on" in text
