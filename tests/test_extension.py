"""The extension in a real browser, beside a real server, on pages with images of their own and of another site.

A copy of the extension has in its manifest what a person would have allowed.
"""

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Browser, need_chromium, until
from tests.extended import EXTENSION, Extended, browser_with, site
from tests.images import jpeg, photo
from tests.portraits import beside, portrait
from tests.serving import Server, serving

pytest.importorskip("fastapi")

ALL = "http://127.0.0.1/*"


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Extended]:
    """A browser whose user has let the extension read all that this machine serves."""
    need_chromium()
    folder = tmp_path_factory.mktemp("allowed") / "extension"
    shutil.copytree(EXTENSION, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["host_permissions"] = [ALL]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with browser_with(folder) as browser:
        yield browser


@pytest.fixture(scope="module")
def untouched() -> Iterator[Extended]:
    """A browser with the extension as it comes."""
    need_chromium()
    with browser_with(EXTENSION) as browser:
        yield browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page with an image of its own, one of another site, one without a face, a broken one and one far below."""
    own, other = tmp_path_factory.mktemp("own"), tmp_path_factory.mktemp("other")
    (own / "own.jpg").write_bytes(jpeg(portrait()))
    (own / "none.jpg").write_bytes(jpeg(photo(1)))
    (own / "small.jpg").write_bytes(jpeg(photo(1, (48, 48))))
    (own / "cut.jpg").write_bytes(jpeg(portrait())[:12000])
    (own / "below.jpg").write_bytes(jpeg(portrait(0.9)))
    (other / "two.jpg").write_bytes(jpeg(beside(portrait(), portrait(1.5))))
    with site(own) as here, site(other) as there:
        (own / "index.html").write_text(
            "<!doctype html><title>A page</title><meta http-equiv=Content-Security-Policy"
            f" content=\"default-src 'none'; img-src 'self' {there} data:; style-src 'unsafe-inline'\">"
            "<style>body { margin: 20px } img { display: inline-block } div { display: block !important }"
            " #two { width: 400px; height: 400px; object-fit: cover; border: 5px solid; padding: 3px }</style>"
            f'<img id=own src="own.jpg" width=256><img id=two src="{there}/two.jpg">'
            '<img id=none src="none.jpg" width=100><img id=small src="small.jpg"><img id=cut src="cut.jpg" width=100>'
            '<p style="height: 3000px"></p><img id=below src="below.jpg" width=200>'
        )
        yield f"{here}/index.html"


def other(browser: Browser) -> str:
    return str(browser.ask("return document.getElementById('two').src"))


def place(browser: Browser, name: str) -> list[float]:
    found = browser.ask(
        "const { left, top, width, height } = document.getElementById(arguments[0]).getBoundingClientRect();"
        "return [left, top, width, height]",
        name,
    )
    return [float(value) for value in found]


def done(found: Any, count: int) -> bool:
    texts = [mark["text"] for mark in found["marks"]]
    return len(texts) >= count and not any("checking" in text for text in texts)


def test_the_least_is_asked_for() -> None:
    manifest = json.loads((EXTENSION / "manifest.json").read_text())
    assert manifest["manifest_version"] == 3
    assert manifest["permissions"] == ["activeTab", "contextMenus", "scripting", "storage"]
    assert manifest["host_permissions"] == ["http://127.0.0.1:8000/*"]
    assert "content_scripts" not in manifest
    assert "web_accessible_resources" not in manifest
    readme = (EXTENSION / "README.md").read_text()
    assert all(f"`{asked}`" in readme for asked in manifest["permissions"] + manifest["host_permissions"])
    sources = "".join(file.read_text() for file in EXTENSION.glob("*.js"))
    assert sorted(file.name for file in EXTENSION.glob("*.js") if "fetch(" in file.read_text()) == [
        "check.js",
        "page.js",
        "server.js",
    ]
    assert "innerHTML" not in sources
    assert "eval(" not in sources


@pytest.mark.parametrize("name", ["own", "two"])
def test_an_image_is_checked_from_the_menu(extended: Extended, server: Server, page: str, name: str) -> None:
    extended.keep(server.address)
    extended.visit(page)
    address = str(extended.ask("return document.getElementById(arguments[0]).src", name))
    extended.click(page, address)
    until(lambda: done(extended.drawn(page), 1))
    found = extended.drawn(page)
    with urllib.request.urlopen(address) as image:
        rows = server.ask("/v1/score", image.read()).json["results"]
    said = [f"{row['verdict']}, probability {round(100 * row['probability'])} % (fast)" for row in rows]
    assert all(one in found["note"] for one in said)
    assert "never proof about a person" in found["note"]
    (mark,) = found["marks"]
    assert mark["text"] == "".join(f"{row['verdict']} {round(100 * row['probability'])} %" for row in rows)
    assert mark["at"] == pytest.approx(place(extended, name), abs=1)
    assert len(mark["faces"]) == len(rows)
    assert extended.ask("return document.querySelector('fauxface-marks').shadowRoot") is None


def test_boxes_lie_on_the_faces(extended: Extended, server: Server, page: str) -> None:
    extended.keep(server.address)
    extended.visit(page)
    address = str(extended.ask("return document.getElementById('own').src"))
    extended.click(page, address)
    extended.click(page, other(extended))
    until(lambda: done(extended.drawn(page), 2))
    own, two = extended.drawn(page)["marks"]
    left, top, *_ = own["at"]
    (row,) = server.ask("/v1/score", urllib.request.urlopen(address).read()).json["results"]
    assert own["faces"][0] == pytest.approx(
        [left + row["face"][0] / 2, top + row["face"][1] / 2, row["face"][2] / 2, row["face"][3] / 2], abs=1
    )
    rows = server.ask("/v1/score", urllib.request.urlopen(other(extended)).read()).json["results"]
    left, top, *_ = two["at"]
    scale = 400 / 768  # the picture is 1280 x 768 and fills a square of 400 from its middle
    x, y, side, _ = rows[0]["face"]
    expected = [left + 8 + (400 - 1280 * scale) / 2 + x * scale, top + 8 + y * scale, side * scale, side * scale]
    assert two["faces"][0] == pytest.approx(expected, abs=1.5)
    extended.ask("scrollTo(0, 100)")
    until(lambda: abs(extended.drawn(page)["marks"][0]["at"][1] - top + 276) < 400)
    until(lambda: extended.drawn(page)["marks"][1]["at"][1] == pytest.approx(top - 100, abs=1))


def test_a_page_is_marked_as_it_comes_into_view(extended: Extended, server: Server, page: str) -> None:
    extended.keep(server.address)
    extended.visit(page)
    with extended.popup() as popup:
        until(lambda: not popup.ask("document.getElementById('mark').disabled"))
        assert popup.ask("document.getElementById('said').textContent") == ""
        popup.ask("document.getElementById('mark').click()")
        until(lambda: done(extended.drawn(page), 4))
        texts = [mark["text"] for mark in extended.drawn(page)["marks"]]
        assert sorted(text.split()[0] for text in texts if "%" not in text) == ["no", "not"]
        assert any("not judged: " in text and "truncated" in text for text in texts)
        assert len(texts) == 4
    assert extended.drawn(page)["note"] == ""
    extended.ask("scrollTo(0, 3500)")
    until(lambda: done(extended.drawn(page), 5))
    assert [mark["hidden"] for mark in extended.drawn(page)["marks"]].count(False) < 5
    extended.ask("const one = document.getElementById('below'); one.src = 'none.jpg'")
    until(lambda: any(mark["text"] == "no face" and not mark["hidden"] for mark in extended.drawn(page)["marks"]))
    with extended.popup() as popup:
        until(lambda: popup.ask("document.getElementById('mark').checked"))
        popup.ask("document.getElementById('mark').click()")
        until(lambda: extended.drawn(page)["marks"] == [])


def test_nothing_goes_anywhere_else(extended: Extended, server: Server, page: str) -> None:
    extended.keep(server.address)
    extended.visit(page)
    extended.click(page, other(extended))
    until(lambda: done(extended.drawn(page), 1))
    asked = extended.worker.ask("performance.getEntriesByType('resource').map((one) => one.name)")
    allowed = (server.address, page.rsplit("/", 1)[0], other(extended), "chrome-extension://", "data:")
    assert any(name.startswith(server.address) for name in asked)
    assert [name for name in asked if not name.startswith((*allowed, "http://127.0.0.1:"))] == []
    token = "chrome.storage.local.get('token').then(() => 'read', () => 'refused')"
    found = extended.worker.ask(
        "chrome.tabs.query({}).then((all) => chrome.scripting.executeScript({ target: { tabId: all.find((one) =>"
        f" one.url === {json.dumps(page)}).id }}, func: () => {token} }})).then(([one]) => one.result)"
    )
    assert found == "refused"


def test_a_server_that_is_gone_and_a_wrong_token_are_said(extended: Extended, page: str, tmp_path: Path) -> None:
    with serving(tmp_path, "--token", "s\u00e9same") as locked:
        extended.keep(locked.address, "wrong")
        noted(extended, page, "the server wants its token: give it in the settings")
        extended.keep(locked.address, "s\u00e9same")
        noted(extended, page, "probability")
    noted(extended, page, f"no answer from the server at {locked.address}")
    assert "not judged" in extended.drawn(page)["marks"][0]["text"]


def noted(extended: Extended, page: str, text: str) -> None:
    """Check an image on the page as it is loaded anew, until the note says something."""
    extended.visit(page)
    extended.click(page, other(extended))
    until(lambda: text in extended.drawn(page)["note"])


def fill(browser: Browser, **values: str) -> None:
    for name, value in values.items():
        browser.driver.find_element("id", name).clear()
        browser.driver.find_element("id", name).send_keys(value)
    browser.driver.find_element("css selector", "[type=submit]").click()


def said(browser: Browser) -> str:
    return str(browser.ask("return document.getElementById('said').textContent"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_settings_are_kept_and_tried(extended: Extended, server: Server, scheme: str) -> None:
    address = f"chrome-extension://{extended.name}/options.html"
    extended.visit(address, scheme)
    fill(extended, address="ftp://example.org", token="")
    until(lambda: "That is no address" in said(extended))
    assert extended.ask("return document.activeElement.id") == "address"
    fill(extended, address=f"{server.address}/", token=" word ")
    until(lambda: said(extended) == "Saved. The server answers, with fast.")
    assert extended.worker.ask("chrome.storage.local.get()") == {"address": server.address, "token": "word"}
    assert extended.faint() == []
    roles = extended.roles()
    assert {("textbox", "Address of the server"), ("textbox", "Token"), ("button", "Save and try")} <= set(roles)
    extended.visit(address, scheme)
    until(lambda: extended.ask("return document.getElementById('address').value") == server.address)
    assert f"--allow-origin chrome-extension://{extended.name}" in str(extended.ask("return document.body.textContent"))
    assert extended.ask("return document.documentElement.scrollWidth <= innerWidth")
    assert [line for line in extended.complaints() if "favicon" not in line] == []
    extended.keep(server.address)


def test_a_server_lets_the_extension_in_where_the_browser_was_not_allowed_to(
    untouched: Extended, tmp_path: Path
) -> None:
    ask = "fetch('{}/v1/models').then((answer) => answer.status, () => 'refused')"
    with serving(tmp_path) as shut:
        assert untouched.worker.ask(ask.format(shut.address)) == "refused"
    with serving(tmp_path, "--allow-origin", f"chrome-extension://{untouched.name}", "--token", "t") as let:
        assert untouched.worker.ask(ask.format(let.address)) == 401
        untouched.keep(let.address, "t")
        untouched.driver.get(f"chrome-extension://{untouched.name}/options.html")
        found = untouched.driver.execute_async_script(
            "const done = arguments[0]; import('/server.js').then((server) => server.models()).then(done, done)"
        )
        assert found == ["fast"]


def test_an_image_that_may_not_be_read_is_said(untouched: Extended, page: str) -> None:
    address = page.replace("index.html", "own.jpg")
    untouched.driver.get(f"chrome-extension://{untouched.name}/options.html")
    found = untouched.driver.execute_async_script(
        "const done = arguments[1];"
        "import('/check.js').then((one) => one.check(arguments[0])).catch((error) => done(error.message))",
        address,
    )
    assert found == f"the image cannot be read: allow fauxface to read images of {address.split('/')[2]}"
