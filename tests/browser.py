"""A headless Chromium that shows pages, and what tests ask of any page."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

__all__ = ["AA", "FAINT", "Browser", "browser", "chrome", "chromium", "need_chromium", "until"]

AA = 4.5
"""The least contrast of text (WCAG 2.2, 1.4.3)."""

_SHAPES = 3.0  # the least contrast of what a drawing needs (WCAG 2.2, 1.4.11)

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
)
_MISSING = "no browser: install chromium and chromium-driver"


class Browser:
    """One page at a time."""

    def __init__(self, driver: "Chrome") -> None:
        self.driver = driver

    def open(self, page: Path | str, *, width: int = 1200, height: int = 900, scheme: str = "light") -> None:
        """Show a file or an address in a window of some size, in the colours of `scheme`."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.driver.get(page.as_uri() if isinstance(page, Path) else page)

    def ask(self, script: str, *values: object) -> Any:
        """Run a script in the page and give what it returns."""
        return self.driver.execute_script(script, *values)

    def press(self, *keys: str, shift: bool = False) -> None:
        """Press keys, one after the other."""
        from selenium.webdriver import ActionChains, Keys

        for key in keys:
            chain = ActionChains(self.driver)
            (chain.key_down(Keys.SHIFT).send_keys(key).key_up(Keys.SHIFT) if shift else chain.send_keys(key)).perform()

    def complaints(self) -> list[str]:
        """Take what the console holds, errors and warnings alike."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def roles(self) -> list[tuple[str, str]]:
        """List roles and names, as a screen reader is told them."""
        self.driver.execute_cdp_cmd("Accessibility.enable", {})
        nodes = self.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        self.driver.execute_cdp_cmd("Accessibility.disable", {})
        return [
            (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")
        ]

    def faint(self) -> list[str]:
        """Name texts and lines that stand out too little from what is behind them."""
        return [str(found) for found in self.ask(FAINT, AA, _SHAPES)]


def until(holds: Callable[[], object], seconds: float = 40) -> None:
    """Wait until something holds; fails where it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"this did not come within {seconds:g} s"
        time.sleep(0.05)


def need_chromium() -> None:
    """Skip the test where the browser is missing, and fail it in CI."""
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        if os.environ.get("CI") == "true":
            pytest.fail(_MISSING)
        pytest.skip(_MISSING)


@contextmanager
def chromium(*flags: str) -> "Iterator[Chrome]":
    """Run a headless Chromium; raises FileNotFoundError where it is missing."""
    from selenium import webdriver

    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver:
        raise FileNotFoundError(_MISSING)
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*_FLAGS, *flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as chrome:
        yield chrome


@pytest.fixture(scope="session")
def chrome() -> "Iterator[Chrome]":
    """The browser of all tests."""
    need_chromium()
    with chromium() as driver:
        yield driver


@pytest.fixture
def browser(chrome: "Chrome") -> Browser:
    """The browser on an empty page, with no complaint of an earlier test."""
    chrome.get("about:blank")
    chrome.get_log("browser")
    return Browser(chrome)


FAINT = """
const [text, shape] = arguments;
const parse = (color) => {
  const [r, g, b, a = 1] = color.match(/[\\d.]+/g).map(Number);
  return { rgb: [r, g, b], a };
};
const luminance = ({ rgb }) => {
  const [r, g, b] = rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = parse(getComputedStyle(at).backgroundColor);
    if (color.a === 1) return color;
    if (color.a > 0) throw new Error("half transparent ground");
  }
  return { rgb: [255, 255, 255], a: 1 };
};
const contrast = (a, b) => {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
};
const found = [];
let looked = 0;
for (const element of document.body.querySelectorAll("*")) {
  const style = getComputedStyle(element);
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const drawn = element.ownerSVGElement;
  const pairs = [];
  if (drawn && element.tagName === "text") pairs.push([style.fill, text]);
  else if (drawn && ["path", "rect"].includes(element.tagName) && !element.matches(".grid, .band"))
    pairs.push([style.stroke === "none" ? style.fill : style.stroke, shape]);
  else if (!drawn && own && !["SCRIPT", "STYLE", "NOSCRIPT"].includes(element.tagName)) pairs.push([style.color, text]);
  for (const [color, least] of pairs) {
    looked += 1;
    const ratio = contrast(parse(color), ground(element));
    if (ratio < least) found.push(`${element.tagName} ${element.className} ${color}: ${ratio.toFixed(2)}`);
  }
}
if (looked < 10) found.push(`only ${looked} things were looked at`);
return found;
"""
"""Lists what has too little contrast; arguments are the least of text and of shapes."""
