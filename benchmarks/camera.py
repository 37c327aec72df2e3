"""What the live view of the web page takes: from a frame's capture to the box over its face, in a headless Chromium.

`python cli.py serve --jobs 1` runs on one core of its own (the last; the browser takes the others, where there are
any). Chromium's fake camera plays a film of 640x480 pixels that the script makes: a photograph of a face that moves to
and fro. The page tells of each verdict when its frame was captured and when its box was drawn. What the server needs
for a frame is the time in its log, from a request's head to the end of its answer; its processor time stands beside.

    python -m benchmarks.camera -o benchmarks/results/camera.json
"""

import json
import re
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks.record import judge, make_parser, scratch, write
from benchmarks.serve import Server, running
from models.bundle import resolve
from tests.browser import Browser, chromium, until
from tests.camera import FLAGS, film

__all__ = ["END_TO_END", "SERVER", "VERDICTS", "Shown", "main", "measure", "per_second", "server_times"]

END_TO_END: Final = 60
"""Milliseconds from the capture of a frame to its box, at the median, at most."""

VERDICTS: Final = 15
"""Verdicts a second in a tenth of the time, at the median, at least."""

SERVER: Final = 12
"""Milliseconds of the server for a frame, at the median, at most."""

_WARM_UP = 3.0  # seconds
_TENTHS = 10
_ANSWER = re.compile(r"^POST /v1/score 200 .* ([\d.]+) ms$", re.MULTILINE)
_LISTEN = """
window.shown = [];
const camera = document.getElementById("camera");
camera.addEventListener("verdict", ({ detail }) => window.shown.push([detail.now, detail.took]));
document.getElementById("camera-switch").click();
"""


class Shown(NamedTuple):
    """A box that was drawn: when, on the page's clock, and how long after the frame's capture; milliseconds."""

    at: float
    took: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result."""
    parser = make_parser(__doc__)
    parser.add_argument("--model", default="fast", help="a detector that ships, or the path of a bundle")
    parser.add_argument("--seconds", type=float, default=60, help="how long the camera is on (default: 60)")
    options = parser.parse_args(arguments)
    write(options.output, "camera", arguments, measure(options.model, options.seconds))


def measure(model: str, seconds: float) -> dict[str, Any]:
    """Measure for some seconds; JSON values, times in milliseconds."""
    found = str(resolve(model).absolute())
    with scratch() as folder, running(found, folder) as server:
        clip = film(folder / "face.mjpeg")
        with chromium(*FLAGS, f"--use-file-for-fake-video-capture={clip}") as driver:
            shown, processor = _watch(Browser(driver), server, seconds)
        times = server_times(server.log.read_text())[-len(shown) :]
    if len(shown) < 2:
        raise RuntimeError(f"{len(shown)} verdicts were shown in {seconds:g} s")
    rates = per_second(shown, seconds)
    return {
        "model": json.loads((resolve(model) / "manifest.json").read_text())["name"],
        "pixels": [640, 480],
        "seconds": seconds,
        "verdicts": len(shown),
        "end_to_end": {**judge([one.took for one in shown], at_most=END_TO_END), "p99": _p99([o.took for o in shown])},
        "verdicts_per_second": judge(rates, at_least=VERDICTS),
        "longest_gap": max(after.at - before.at for before, after in pairwise(shown)),
        "server": {**judge(times, at_most=SERVER), "p99": _p99(times), "processor": 1000 * processor / len(shown)},
    }


def _watch(browser: Browser, server: Server, seconds: float) -> tuple[list[Shown], float]:
    """Leave the camera on; give what was shown after a while, and the seconds of processor time of the server."""
    browser.open(server.address)
    until(lambda: browser.ask("return document.querySelectorAll('#model option').length") > 0)
    browser.ask(_LISTEN)
    until(lambda: browser.ask("return window.shown.length") > 0)
    time.sleep(min(_WARM_UP, seconds))
    before = server.processor()
    browser.ask("window.shown = []")
    time.sleep(seconds)
    shown = [Shown(*one) for one in browser.ask("return window.shown")]
    return shown, server.processor() - before


def server_times(log: str) -> list[float]:
    """Take the milliseconds of every image that was judged from what a server said."""
    return [float(found) for found in _ANSWER.findall(log)]


def per_second(shown: Sequence[Shown], seconds: float) -> list[float]:
    """Count verdicts a second in each tenth of the time, from the first on."""
    ends = [one.at for one in shown]
    edges = ends[0] + np.linspace(0, 1000 * seconds, _TENTHS + 1)
    return [float(count) * _TENTHS / seconds for count in np.histogram(ends, edges)[0]]


def _p99(values: Sequence[float]) -> float:
    return float(np.quantile(values, 0.99))


if __name__ == "__main__":
    main()
