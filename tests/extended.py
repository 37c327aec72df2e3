"""A browser with the extension in it, and a site whose pages it is tried on.

The browser's own menus and questions cannot be answered without a window: the handler of the menu is called with what
the menu would give it.
"""

import http.server
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Browser, chromium, until

__all__ = ["EXTENSION", "Extended", "Target", "browser_with", "site"]

websocket = pytest.importorskip("websocket")

EXTENSION = Path(__file__).resolve().parents[1] / "extension"
"""As it is in the repository."""

MARKS = """(async () => {
  const tab = (await chrome.tabs.query({})).find((one) => (one.url || one.pendingUrl)?.startsWith(ADDRESS));
  const [{ result }] = await chrome.scripting.executeScript({ target: { tabId: tab.id }, func: () => {
    const host = document.querySelector("fauxface-marks");
    if (!host) return { marks: [], note: "" };
    const root = chrome.dom.openOrClosedShadowRoot(host);
    const box = (one) => {
      const { left, top, width, height } = one.getBoundingClientRect();
      return [left, top, width, height];
    };
    return {
      marks: [...root.querySelectorAll(".mark")].map((one) => ({
        hidden: one.hidden, text: one.textContent, at: box(one), faces: [...one.querySelectorAll(".face")].map(box),
      })),
      note: root.querySelector(".note")?.textContent ?? "",
    };
  } });
  return result;
})()"""


class Target:
    """A page or a worker of the browser, spoken to by Chrome's protocol."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, suppress_origin=True, timeout=30)
        self._number = 0

    def ask(self, script: str) -> Any:
        """Run a script and give what it returns, or what its promise comes to."""
        self._number += 1
        values = {"expression": script, "awaitPromise": True, "returnByValue": True, "userGesture": True}
        request = {"id": self._number, "method": "Runtime.evaluate", "params": values}
        self._socket.send(json.dumps(request))
        while (said := json.loads(self._socket.recv())).get("id") != self._number:
            pass
        assert "exceptionDetails" not in said["result"], said["result"]["exceptionDetails"]
        return said["result"]["result"].get("value")

    def close(self) -> None:
        self._socket.close()


class Extended(Browser):
    """A browser with the extension in it."""

    worker: Target

    def targets(self, ending: str) -> list[str]:
        """List the addresses of what the browser shows or runs, by how its URL ends."""
        where = self.driver.capabilities["goog:chromeOptions"]["debuggerAddress"]
        with urllib.request.urlopen(f"http://{where}/json") as answer:
            found = json.load(answer)
        return [one["webSocketDebuggerUrl"] for one in found if one["url"].split("?")[0].endswith(ending)]

    @property
    def name(self) -> str:
        return str(self.worker.ask("chrome.runtime.id"))

    def keep(self, address: str, token: str = "") -> None:
        self.worker.ask(f"chrome.storage.local.set({json.dumps({'address': address, 'token': token})})")

    def visit(self, address: str, scheme: str = "light") -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.driver.get(address)

    def click(self, page: str, image: str) -> None:
        """Do what the entry of the menu does."""
        info = json.dumps({"menuItemId": "check", "srcUrl": image, "pageUrl": page, "frameId": 0})
        find = f"chrome.tabs.query({{}}).then((all) => all.find((one) => one.url === {json.dumps(page)}))"
        self.worker.ask(f"{find}.then((tab) => chrome.contextMenus.onClicked.dispatch({info}, tab))")

    def drawn(self, page: str) -> Any:
        return self.worker.ask(MARKS.replace("ADDRESS", json.dumps(page)))

    @contextmanager
    def popup(self) -> Iterator[Target]:
        """Open the popup over the page in the window, as a click on the button does."""
        self.worker.ask("chrome.action.openPopup()")
        until(lambda: self.targets("popup.html"))
        page = Target(self.targets("popup.html")[0])
        until(lambda: page.ask("document.readyState") == "complete")
        try:
            yield page
        finally:
            page.ask("setTimeout(() => close(), 50)")
            page.close()
            until(lambda: not self.targets("popup.html"))


@contextmanager
def browser_with(extension: Path) -> Iterator[Extended]:
    """Run a browser with an extension, once its worker listens."""
    with chromium(f"--load-extension={extension}", "--window-size=1000,900") as driver:
        browser = Extended(driver)
        until(lambda: browser.targets("/background.js"))
        browser.worker = Target(browser.targets("/background.js")[0])
        until(lambda: browser.worker.ask("globalThis.chrome?.contextMenus?.onClicked.hasListeners() ?? false"))
        yield browser
        browser.worker.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """Serve a folder; gives its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
