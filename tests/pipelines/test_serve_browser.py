"""The page in a real browser: upload, paste, camera, explanation; it asks for nothing from elsewhere."""

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.browser import Browser, chromium, need_chromium, until
from tests.camera import FLAGS, film
from tests.images import jpeg, photo
from tests.portraits import beside, portrait
from tests.serving import Server, serving

pytest.importorskip("fastapi")

NARROW = 320


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server"), "--model", "fast", "--model", "full") as running:
        yield running


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    (root / "two.jpg").write_bytes(jpeg(beside(portrait(), portrait(1.5))))
    (root / "none.jpg").write_bytes(jpeg(photo(1)))
    (root / "cut.jpg").write_bytes(jpeg(photo(1))[:3000])
    (root / "<img src=x onerror=alert(1)>.jpg").write_bytes(jpeg(portrait()))
    return root


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser whose camera shows a file: a face that moves to and fro."""
    need_chromium()
    clip = film(tmp_path_factory.mktemp("film") / "face.mjpeg")
    with chromium(*FLAGS, f"--use-file-for-fake-video-capture={clip}") as driver:
        yield Browser(driver)


def show(browser: Browser, server: Server, *, width: int = 1200, scheme: str = "light") -> None:
    browser.open(server.address, width=width, scheme=scheme)
    until(lambda: browser.ask("return document.querySelectorAll('#model option').length") > 0)


def give(browser: Browser, *files: Path) -> None:
    browser.driver.find_element("id", "files").send_keys("\n".join(map(str, files)))
    until(lambda: str(browser.ask("return document.getElementById('status').textContent")).startswith("Judged"))


def texts(browser: Browser, css: str) -> list[str]:
    found = browser.ask("return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)", css)
    return [str(text) for text in found]


def test_a_verdict_is_explained_before_one_is_shown(browser: Browser, server: Server) -> None:
    show(browser, server)
    place = browser.ask(
        "return ['meaning', 'give'].map((id) => document.getElementById(id).getBoundingClientRect().top)"
    )
    assert 0 < place[0] < place[1] < 900
    meaning = texts(browser, "#meaning")[0]
    points = server.ask("/v1/models").json["models"][0]["points"]
    assert f"({round(100 * points['fake_from'])} %)" in meaning
    assert "never proof about a person" in meaning


def test_images_are_judged(browser: Browser, server: Server, images: Path) -> None:
    show(browser, server)
    give(browser, *sorted(images.iterdir()))
    assert sorted(texts(browser, "#list h3")) == sorted(file.name for file in images.iterdir())
    said = "\n".join(texts(browser, "#list > li"))
    assert "no face" in said
    assert "that says nothing" not in said
    assert "damaged or truncated" in said
    assert "face 1: " in said
    rows = server.ask("/v1/score", (images / "two.jpg").read_bytes()).json["results"]
    assert all(f"probability {round(100 * row['probability'])} %" in said for row in rows)
    assert len(texts(browser, "#list canvas")) == 3
    assert len(texts(browser, "#list button")) == 3
    assert [line for line in browser.complaints() if " 422 " not in line] == []
    browser.driver.find_element("id", "clear").click()
    assert texts(browser, "#list > li") == []


def test_the_model_can_be_chosen(browser: Browser, server: Server, images: Path) -> None:
    show(browser, server)
    browser.driver.find_element("css selector", "#model option[value=full]").click()
    give(browser, images / "two.jpg")
    assert "(full)" in texts(browser, "#list > li")[0]


def test_an_image_is_pasted_and_one_is_dropped(browser: Browser, server: Server, images: Path) -> None:
    show(browser, server)
    browser.ask(
        """
        const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
        for (const [kind, make] of [
          ["paste", (clipboardData) => new ClipboardEvent("paste", { clipboardData, bubbles: true })],
          ["drop", (dataTransfer) => new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true })],
        ]) {
          const data = new DataTransfer();
          data.items.add(new File([bytes], `${kind}.jpg`, { type: "image/jpeg" }));
          document.body.dispatchEvent(make(data));
        }
        """,
        base64.b64encode((images / "two.jpg").read_bytes()).decode(),
    )
    until(lambda: sorted(texts(browser, "#list h3")) == ["drop.jpg", "paste.jpg"])


def test_an_explanation_opens_and_closes_by_keyboard(browser: Browser, server: Server, images: Path) -> None:
    show(browser, server)
    give(browser, images / "two.jpg")
    browser.ask("document.querySelectorAll('.faces button')[1].focus()")
    browser.press("\ue007")
    until(lambda: texts(browser, "#why figcaption strong"))
    assert texts(browser, "#why figcaption strong")[:2] == ["Evidence map", "In the picture"]
    assert browser.ask("return [...document.querySelectorAll('#why img')].every((one) => one.naturalWidth > 0)")
    assert texts(browser, "#why-title") == ["Why: two.jpg, face 2"]
    rows = server.ask("/v1/explain", (images / "two.jpg").read_bytes()).json["results"]
    assert rows[1]["summary"] in texts(browser, "#why-body")[0]
    assert browser.faint() == []
    browser.press("\ue00c")
    assert not browser.ask("return document.getElementById('why').open")
    assert browser.ask("return document.activeElement.textContent") == "Why?"
    assert browser.complaints() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read(browser: Browser, server: Server, images: Path, scheme: str) -> None:
    show(browser, server, scheme=scheme)
    give(browser, *sorted(images.iterdir()))
    assert browser.faint() == []
    roles = browser.roles()
    assert ("heading", "What a verdict means") in roles
    assert ("button", "Why: two.jpg, face 2") in roles
    assert ("combobox", "Detector") in roles
    assert all(name for role, name in roles if role in ("button", "link", "combobox", "image", "textbox"))


def test_a_narrow_window_does_not_scroll_sideways(browser: Browser, server: Server, images: Path) -> None:
    show(browser, server, width=NARROW)
    give(browser, *sorted(images.iterdir()))
    assert browser.ask("return document.documentElement.scrollWidth") <= NARROW


def test_nothing_is_asked_of_others(browser: Browser, server: Server, images: Path) -> None:
    for path in ("/", "/docs"):
        browser.driver.get(server.address + path)
        time.sleep(0.5)
        asked = browser.ask("return performance.getEntriesByType('resource').map((one) => one.name)")
        assert asked
        assert all(str(name).startswith(server.address) for name in asked)


def test_a_token_is_asked_for_and_kept(browser: Browser, images: Path, tmp_path: Path) -> None:
    with serving(tmp_path, "--token", "s\u00e9same") as locked:
        browser.driver.get(locked.address)
        until(lambda: browser.ask("return !document.getElementById('unlock').hidden"))
        assert browser.ask("return document.activeElement.id") == "token"
        for word in ("wrong", "s\u00e9same"):
            browser.driver.find_element("id", "token").clear()
            browser.driver.find_element("id", "token").send_keys(word)
            browser.press("\ue007")
            time.sleep(0.5)
        until(lambda: browser.ask("return document.getElementById('unlock').hidden"))
        give(browser, images / "none.jpg")
        assert "no face" in texts(browser, "#list > li")[0]
        show(browser, locked)


def test_a_server_that_is_gone_is_said(browser: Browser, images: Path, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        show(browser, server)
        server.stop()
        give(browser, images / "none.jpg")
        assert "the server does not answer" in texts(browser, "#list > li")[0]


_SENT = """
window.sent = [];
const encode = HTMLCanvasElement.prototype.toBlob;
HTMLCanvasElement.prototype.toBlob = function (...given) {
  window.sent.push([this.width, this.height]);
  return encode.apply(this, given);
};
"""
_MIDDLE = """
const one = document.getElementById("overlay");
const { data } = one.getContext("2d").getImageData(0, 0, one.width, one.height);
const at = [...Array(one.width * one.height).keys()].filter((i) => data[4 * i + 3] > 0);
const middle = (values) => (Math.min(...values) + Math.max(...values)) / 2;
return [middle(at.map((i) => i % one.width)), middle(at.map((i) => Math.floor(i / one.width)))];
"""


def test_the_camera_sends_what_lies_around_the_face_and_the_whole_now_and_then(camera: Browser, server: Server) -> None:
    show(camera, server)
    camera.ask(_SENT)
    switch = camera.driver.find_element("id", "camera-switch")
    switch.click()
    until(lambda: int(camera.ask("return document.getElementById('camera').dataset.verdicts ?? 0")) > 20)
    x, y = camera.ask(_MIDDLE)
    sent = camera.ask("return window.sent")
    switch.click()
    assert sent[0] == [640, 480]
    assert [640, 480] in sent[5:]
    assert any(250 < width < 400 and 200 < height < 400 for width, height in sent)
    assert 180 < x < 350  # the middle of the face moves from 202 to 322, at 112
    assert 60 < y < 160


def test_the_camera_is_judged_live(camera: Browser, server: Server) -> None:
    show(camera, server)
    switch = camera.driver.find_element("id", "camera-switch")
    switch.click()
    until(lambda: int(camera.ask("return document.getElementById('camera').dataset.verdicts ?? 0")) > 20)
    assert "verdicts a second" in texts(camera, "#camera-rate")[0]
    assert "%" in texts(camera, "#camera-said")[0]
    size = camera.ask("const one = document.getElementById('overlay'); return [one.width, one.height]")
    assert size == [640, 480]
    assert drawn(camera) > 200
    assert switch.get_attribute("aria-pressed") == "true"
    assert camera.faint() == []
    switch.click()
    assert not camera.driver.find_element("id", "camera").is_displayed()
    assert camera.ask("return document.getElementById('video').srcObject") is None
    assert camera.complaints() == []


def drawn(browser: Browser) -> int:
    """Count pixels of the overlay that are not clear."""
    found = browser.ask(
        "const one = document.getElementById('overlay');"
        "const { data } = one.getContext('2d').getImageData(0, 0, one.width, one.height);"
        "return data.filter((value, at) => at % 4 === 3 && value).length"
    )
    return int(found)


def test_the_film_is_one(tmp_path: Path) -> None:
    data = film(tmp_path / "a.mjpeg").read_bytes()
    first = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert first is not None
    assert first.shape == (480, 640, 3)
