"""The pages in a real browser: they sort, filter and search, ask for nothing, and can be read by anybody."""

from pathlib import Path

import pytest

from pipelines.evaluation_page import evaluation_page
from pipelines.report import Terms, reported
from tests.browser import Browser
from tests.evaluations import evaluation
from tests.verdicts import POINTS, verdicts

NARROW = 320


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("report")
    (root / "images").mkdir()
    reasons = ["noise inside the face is weaker than around it"]
    for _ in reported(verdicts(root / "images"), root / "r.html", Terms(POINTS), reasons=lambda _: reasons):
        pass
    return root / "r.html"


@pytest.fixture(scope="module")
def pages(report: Path) -> dict[str, Path]:
    (report.parent / "evaluation.html").write_text(evaluation_page(evaluation("fast", "full")))
    return {"report": report, "evaluation": report.parent / "evaluation.html"}


def names(browser: Browser) -> list[str]:
    """Name the files of the rows that show, in order."""
    return [
        str(name).rpartition("/")[2]
        for name in browser.ask(
            "return [...document.querySelectorAll('tbody tr')].filter((row) => row.checkVisibility())"
            ".map((row) => row.querySelector('bdi').textContent)"
        )
    ]


def status(browser: Browser) -> str:
    return str(browser.ask("return document.querySelector('[role=status]').textContent"))


def click(browser: Browser, css: str, at: int = 0) -> None:
    browser.driver.find_elements("css selector", css)[at].click()


def focused(browser: Browser) -> str:
    return str(browser.ask("const at = document.activeElement; return at.value || at.textContent || at.id"))


def test_verdicts_are_filtered(browser: Browser, report: Path) -> None:
    browser.open(report)
    assert len(names(browser)) == 8
    assert status(browser) == "8 of 8 rows shown, sorted by probability, descending"
    for kind in ("real", "no_face", "failed", "uncertain"):
        click(browser, f"input[value={kind}]")
    assert names(browser) == ["two faces.jpg", "b10.jpg"]
    assert status(browser).startswith("2 of 8 rows shown")
    click(browser, "input[value=fake]")
    assert status(browser).endswith("no row fits the search and the verdicts chosen")
    click(browser, "button[type=reset]")
    browser.driver.execute_async_script("setTimeout(arguments[0])")
    assert len(names(browser)) == 8


def test_paths_are_searched(browser: Browser, report: Path) -> None:
    browser.open(report)
    search = browser.driver.find_element("id", "search")
    search.send_keys(" TWO faces")
    assert names(browser) == ["two faces.jpg"] * 2
    search.clear()
    search.send_keys("<img")
    assert names(browser) == ["<img src=x onerror=alert(1)>.jpg"]
    search.clear()
    search.send_keys("sha256")
    assert len(names(browser)) == 8


def test_rows_are_sorted(browser: Browser, report: Path) -> None:
    browser.open(report)
    best = names(browser)
    assert best[:2] == ["two faces.jpg", "b10.jpg"]
    click(browser, "th button", 1)
    assert names(browser) == [*best[:5][::-1], *best[5:]]  # what has no probability stays last
    assert status(browser).endswith("sorted by probability, ascending")
    click(browser, "th button", 2)
    assert [name for name in names(browser) if name[0] == "b"] == ["b9.jpg", "b10.jpg"]
    click(browser, "th button", 0)
    kinds = browser.ask("return [...document.querySelectorAll('tbody tr')].map((row) => row.className)")
    assert kinds == ["fake", "fake", "uncertain", "uncertain", "real", "no_face", "failed", "failed"]
    click(browser, "th button", 0)
    assert browser.ask("return document.querySelector('tbody tr').className") == "failed"
    states = browser.ask("return [...document.querySelectorAll('th[data-key]')].map((th) => th.ariaSort)")
    assert states == ["descending", None, None]


def test_it_can_be_used_by_keyboard_alone(browser: Browser, report: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.open(report)
    stops = []
    for _ in range(11):
        browser.press(Keys.TAB)
        stops.append(focused(browser))
        assert browser.ask("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
        box = browser.ask("const box = document.activeElement.getBoundingClientRect(); return [box.left, box.width]")
        assert box[0] >= 0
        assert box[1] >= 15
    assert stops == [
        "Skip to the verdicts", "fake", "uncertain", "real", "no_face", "failed", "search", "Show all",
        "Verdict", "Probability", "Path",
    ]  # fmt: skip
    browser.press(Keys.ENTER)
    assert status(browser).endswith("sorted by path, ascending")
    assert focused(browser) == "Path"
    browser.press(*[Keys.TAB] * 9, shift=True)
    browser.press(Keys.SPACE)
    assert status(browser).startswith("6 of 8 rows shown")


def test_the_link_at_the_top_skips_to_the_rows(browser: Browser, report: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.open(report)
    browser.press(Keys.TAB, Keys.ENTER, Keys.TAB)
    assert focused(browser) == "fake"
    assert browser.ask("return document.querySelector('#rows h2').getBoundingClientRect().top") < 100


def test_a_screen_reader_finds_its_way(browser: Browser, report: Path) -> None:
    browser.open(report)
    roles = browser.roles()
    kinds = [role for role, _ in roles]
    for role in ("banner", "main", "contentinfo", "search", "status", "table"):
        assert kinds.count(role) == 1, role
    assert [name for role, name in roles if role == "region"] == ["What a verdict means", "Totals", "Verdicts"]
    assert [name for role, name in roles if role == "columnheader"] == [
        "Picture", "Verdict", "Probability", "Path", "Why"
    ]  # fmt: skip
    assert kinds.count("row") == 9
    assert kinds.count("rowheader") == 8
    assert ("table", "Verdicts") in roles
    assert ("searchbox", "Search paths and sha256") in roles
    assert [name for role, name in roles if role == "checkbox"][:2] == ["fake (2)", "uncertain (2)"]
    assert [name for role, name in roles if role == "button"] == ["Show all", "Verdict", "Probability", "Path"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report", "evaluation"])
def test_everything_stands_out_from_what_is_behind_it(
    browser: Browser, pages: dict[str, Path], name: str, scheme: str
) -> None:
    browser.open(pages[name], scheme=scheme)
    ground = browser.ask("return getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 22, 22)"}[scheme]
    browser.ask("for (const part of document.querySelectorAll('details')) part.open = true")
    assert browser.faint() == []


def test_the_look_at_contrast_sees_what_is_faint(browser: Browser, report: Path) -> None:
    browser.open(report)
    browser.ask("document.querySelector('h1').style.color = '#888'")
    assert [found.partition(":")[0] for found in browser.faint()] == ["H1  rgb(136, 136, 136)"]


@pytest.mark.parametrize("name", ["report", "evaluation"])
def test_a_phone_shows_it_without_scrolling_aside(browser: Browser, pages: dict[str, Path], name: str) -> None:
    browser.open(pages[name], width=NARROW, height=640)
    browser.ask("for (const part of document.querySelectorAll('details')) part.open = true")
    width, shown = browser.ask("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width == shown <= NARROW
    beyond = browser.ask(
        "return [...document.body.querySelectorAll('*')].filter((e) => !e.closest('.wide'))"
        f".filter((e) => e.getBoundingClientRect().right > {shown}).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert beyond == []


def test_a_finger_finds_what_it_has_to_touch(browser: Browser, report: Path) -> None:
    browser.open(report, width=NARROW, height=640)
    sizes = browser.ask(
        "return [...document.querySelectorAll('button, input[type=search], fieldset label')]"
        ".map((e) => e.getBoundingClientRect().height)"
    )
    assert len(sizes) == 10
    assert min(sizes) >= 44


@pytest.mark.parametrize("name", ["report", "evaluation"])
def test_nothing_is_complained_of_and_nothing_asked_for(browser: Browser, pages: dict[str, Path], name: str) -> None:
    browser.complaints()
    browser.open(pages[name])
    assert browser.complaints() == []
    loaded = browser.ask(
        "return performance.getEntriesByType('resource').map((e) => e.name).filter((name) => !name.startsWith('data:'))"
    )
    assert loaded == []
    pictures = browser.ask("return [...document.images].map((image) => image.naturalWidth)")
    assert len(pictures) == (6 if name == "report" else 0)
    assert all(0 < width <= 96 for width in pictures)


def test_what_gets_into_a_page_can_neither_run_nor_reach_out(browser: Browser, report: Path) -> None:
    browser.open(report)
    blocked = browser.driver.execute_async_script(
        """
        const done = arguments[0], seen = [];
        window.ran = false;
        addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
        document.querySelector("main").insertAdjacentHTML(
          "beforeend", "<img src='http://127.0.0.1:9/x.png'><img src='data:,' onerror='window.ran = true'>");
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
        fetch("http://127.0.0.1:9/").catch(() => setTimeout(() => done([seen.sort(), window.ran]), 50));
        """
    )
    assert blocked == [["connect-src", "img-src", "script-src-attr", "script-src-elem"], False]
    browser.complaints()


def test_it_stays_still_and_prints_whole(browser: Browser, report: Path) -> None:
    browser.open(report)
    moving = browser.ask(
        "return [...document.querySelectorAll('*')].filter((e) => { const s = getComputedStyle(e);"
        " return s.transitionDuration !== '0s' || s.animationName !== 'none'; }).length"
    )
    assert moving == 0
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not browser.ask("return document.getElementById('find').checkVisibility()")
        assert browser.ask("return getComputedStyle(document.querySelector('tbody tr')).contentVisibility") == "visible"
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_without_scripts_every_row_is_there(browser: Browser, report: Path) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open(report)
        shown = browser.driver.find_elements("css selector", "tbody tr")
        assert len([row for row in shown if row.is_displayed()]) == 8
        assert not browser.driver.find_element("id", "find").is_displayed()
        assert "Without scripts" in browser.driver.find_element("css selector", "noscript").text
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_rows_off_the_screen_wait_to_be_laid_out(browser: Browser, report: Path) -> None:
    browser.open(report)
    laid = browser.ask("return getComputedStyle(document.querySelector('tbody tr')).contentVisibility")
    assert laid == "auto"
