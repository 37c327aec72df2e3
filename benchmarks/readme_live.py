"""The figures of README.md on what answers while one waits: the server, the camera page, clips."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks.markdown import limit, paragraph, source, spread, table
from benchmarks.sources import Sources

__all__ = ["BLOCKS"]

_SCRIPTS: Final = ("serve", "camera", "video")


def _live(sources: Sources) -> str:
    return "\n\n".join(
        [
            paragraph(
                "The detector `fast` and a server of one worker on one core, the browser or client on the others",
                f"({sources.machine('serve')}); medians, with the least and the greatest.",
            ),
            table(("while one waits", "figure", "limit"), [*_camera(sources), *_video(sources)]),
            _served(sources.result("serve")),
            "\n".join(source(f"python -m benchmarks.{name}", f"benchmarks/results/{name}.json") for name in _SCRIPTS),
        ]
    )


def _camera(sources: Sources) -> list[tuple[str, ...]]:
    figures = sources.result("camera")
    width, height = figures["pixels"]
    titles = {
        "end_to_end": f"camera page, {width} x {height}, from capture to overlay, ms",
        "verdicts_per_second": f"the same, verdicts a second, over {figures['seconds']} s",
        "server": "the same, the server's part of a frame, ms",
    }
    return [(title, spread(figures[name], 1), limit(figures[name])) for name, title in titles.items()]


def _video(sources: Sources) -> list[tuple[str, ...]]:
    figures = sources.result("video")
    height, clip, judged = figures["pixels"][1], figures["clip"], figures["seconds_per_second"]
    title = f"clip of {height} lines and {clip['duration']:.0f} s, every {figures['every']:g} s: its length, times"
    return [(title, spread(judged, 2), limit(judged))]


def _served(figures: Mapping[str, Any]) -> str:
    rows = [
        (connections, f"{load['requests_per_second']:,.0f}", f"{load['p50']:.0f}", f"{load['p99']:.0f}")
        for connections, load in figures["connections"].items()
    ]
    overload, memory = figures["overload"], figures["memory"]
    refused, after = overload["refused"], overload["afterwards"]
    soon = f", half of them within {refused['p50']:.0f} ms" if refused else ""
    growth = " and ".join(f"{found['median'] - 1:+.1%} ({part})" for part, found in memory["growth"].items())
    return "\n\n".join(
        [
            paragraph(
                f"`POST /v1/score` with face crops of 224 px ({figures['bytes'] / 1000:.0f} kB at the median), faces",
                "looked for in each:",
            ),
            table(("connections", "requests a second", "p50, ms", "p99, ms"), rows),
            paragraph(
                f"With {overload['connections']} connections where {overload['max_concurrent']} are served,",
                f"{overload['refused_share']:.0%} of the requests were sent away{soon}; afterwards",
                f"{after['served_share']:.0%} were answered again, at {after['p50']:.0f} ms. Over",
                f"{memory['requests']:,} requests ({memory['failed']} failed) resident memory changed by {growth}",
                f"after the first {memory['first']:,}.",
            ),
        ]
    )


BLOCKS: Final[Mapping[str, Callable[[Sources], str]]] = {"live": _live}
"""What writes each of these figures."""
