"""What the page shows of clips: a timeline and pictures of each face, readable by anybody."""

from itertools import pairwise
from pathlib import Path
from xml.dom import minidom

import pytest

from models.calibration import OperatingPoints, with_prior
from models.verdict import Verdict
from pipelines.page import safe
from pipelines.report import Terms, reported, thumbnail
from pipelines.report_look import SCRIPT
from pipelines.video_report import facts_of, picture_of, timeline
from pipelines.video_verdict import ClipFacts, Sight, Track, VideoVerdict
from tests.browser import Browser
from tests.images import photo
from tests.verdicts import MODEL, POINTS, judged


def face(number: int, seen: int = 20, path: str = "a.mp4") -> VideoVerdict:
    chances = [0.5 + 0.4 * ((at * number) % 7) / 7 for at in range(seen)]
    sights = [
        Sight(at / 5, (at, 0, 60 + at, 60 + at), chance, None, thumbnail(photo(at + 1, 60)))
        for at, chance in enumerate(chances)
    ]
    largest = sights[-1].box
    return VideoVerdict(path, "cd" * 32, 0.7, "uncertain", "why", largest, MODEL, track=Track(number, tuple(sights)))


def whole(faces: int = 2, path: str = "a.mp4", duration: float | None = 12.0) -> VideoVerdict:
    found = tuple(face(number, path=path) for number in range(1, faces + 1))
    facts = ClipFacts(60, 25.0, duration, None, faces, tuple(range(1, faces + 1)))
    return VideoVerdict(path, "cd" * 32, 0.95, "fake", "why", None, MODEL, clip=facts, faces=found)


def elements(html: str, name: str) -> list[minidom.Element]:
    return list(minidom.parseString(f"<div>{html}</div>").getElementsByTagName(name))


def write(path: Path, *clips: VideoVerdict, terms: Terms | None = None) -> str:
    rows: list[Verdict] = [row for clip in clips for row in (clip, *clip.faces)]
    assert list(reported(rows, path, terms or Terms(POINTS))) == rows
    return path.read_text()


def test_a_chart_has_a_line_for_each_face_and_each_point() -> None:
    html = timeline(whole(), POINTS)
    for said in ("face 1", "face 2", "point for fake, 0.9000", "point for real, 0.2000", "seconds"):
        assert said in html
    (svg,) = elements(html, "svg")
    assert "face 1: uncertain, 0.7000; face 2: uncertain, 0.7000" in svg.getAttribute("aria-label")


def test_pictures_are_spread_over_the_time_of_a_face() -> None:
    html = timeline(whole(1), POINTS)
    assert len(elements(html, "img")) == 6
    times = [float(str(small.childNodes[0].nodeValue).partition(" s")[0]) for small in elements(html, "small")]
    assert (times[0], times[-1]) == (0.0, 3.8)
    assert all(0.5 < later - earlier < 0.9 for earlier, later in pairwise(times))


def test_a_face_with_few_pictures_shows_each_once() -> None:
    clip = whole(1)
    few = VideoVerdict("a.mp4", None, 0.7, "uncertain", None, None, MODEL, clip=clip.clip, faces=(face(1, seen=2),))
    assert len(elements(timeline(few, POINTS), "img")) == 2


def test_many_faces_are_not_all_drawn_and_it_is_said() -> None:
    html = timeline(whole(9), POINTS)
    assert "5 more that were seen in fewer frames" in html
    assert "face 5" not in html


def test_only_clips_with_faces_have_a_timeline() -> None:
    assert timeline(face(1), POINTS) == ""
    assert timeline(whole(0), POINTS) == ""


def test_the_picture_is_that_of_the_largest_sight() -> None:
    one = face(1)
    assert one.track is not None
    assert picture_of(one) == one.track.sights[-1].picture
    assert picture_of(whole()) == one.track.sights[-1].picture
    assert picture_of(whole(0)) is None


def test_a_row_says_what_it_is_about() -> None:
    assert facts_of(whole()) == "the clip of 12.0 s, frames looked at: 60, faces followed: 2"
    assert facts_of(whole(duration=None)).startswith("the clip of unknown length")
    assert facts_of(face(2)) == "face 2 of the clip, 0.0 to 3.8 s, frames that show it: 20"
    assert facts_of(judged("a.jpg", 0.5, "uncertain")) == ""
    assert facts_of(VideoVerdict("a.mp4", None, None, None, None, None, MODEL)) == ""


def test_a_page_of_clips_is_whole_and_harmless(tmp_path: Path) -> None:
    text = write(tmp_path / "r.html", whole(path="<b>.mp4"), whole(path="b.mp4"))
    assert "Verdicts on 2 clips" in text
    assert "6 rows, one for each face and each clip" in text
    assert "Neither was calibrated on clips" in text
    assert safe("<b>.mp4") in text
    assert "<b>.mp4" not in text
    page = minidom.parseString(text.replace("<!doctype html>", "").replace(SCRIPT, ""))
    rows = page.getElementsByTagName("tbody")[0].getElementsByTagName("tr")
    assert [len(row.getElementsByTagName("svg")) for row in rows] == [2, 2, 1, 1, 1, 1]
    assert all(row.getElementsByTagName("img") for row in rows)


def test_a_page_of_images_speaks_of_no_clips(tmp_path: Path) -> None:
    for _ in reported([judged("a.jpg", 0.5, "uncertain")], tmp_path / "r.html", Terms(POINTS)):
        pass
    text = (tmp_path / "r.html").read_text()
    assert "Verdicts on 1 image<" in text
    assert "one for each face." in text
    assert "on clips" not in text


def test_points_move_with_the_prior(tmp_path: Path) -> None:
    terms = Terms(POINTS, prior=0.1)
    assert terms.shown == OperatingPoints(with_prior(0.9, 0.1), with_prior(0.2, 0.1))
    assert Terms(POINTS).shown == POINTS
    assert "point for fake, 0.5000" in write(tmp_path / "r.html", whole(), terms=terms)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1200])
def test_a_browser_shows_it_without_a_complaint(browser: Browser, scheme: str, width: int, tmp_path: Path) -> None:
    write(tmp_path / "r.html", whole(4))
    browser.open(tmp_path / "r.html", width=width, scheme=scheme)
    assert browser.complaints() == []
    assert browser.faint() == []
    assert browser.ask("return document.documentElement.scrollWidth") <= width
    assert browser.ask("return [...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    assert browser.ask("return document.querySelector('td.more').getBoundingClientRect().width") > 0.8 * width - 64
    assert any(name.startswith("Probability of a fake over time") for _, name in browser.roles())
