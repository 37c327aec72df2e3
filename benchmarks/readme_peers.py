"""The figures of README.md on detectors and feature packages by others, and the picture beside them.

python -m benchmarks.readme_peers -o docs/peers.svg        draws the picture
"""

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.markdown import interval, paragraph, source, spread, table
from benchmarks.record import ROOT
from benchmarks.sources import FiguresError, Sources
from pipelines.bench_charts import Axis
from pipelines.page import safe

__all__ = ["BLOCKS", "draw", "main"]

_LEFT, _WIDE, _RIGHT, _ROW, _FOOT = 205.0, 330.0, 255.0, 20.0, 44.0  # of the picture, in pixels

_STYLE: Final = """<style>
text { fill: #1f2328; font: 12px sans-serif } .head { font-weight: bold } .ground { fill: #ffffff }
.ours { fill: #0b62a4 } .theirs { fill: #c2621b } .grid { stroke: #d0d0d0 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .ground { fill: #0d1117 } .grid { stroke: #444c56 }
.ours { fill: #6cb8f0 } .theirs { fill: #ff9a5c }
}
</style>"""

Row = Mapping[str, Any]


def _peers(sources: Sources) -> str:
    figures = sources.result("peers")
    _require(sources, figures["models"])
    detectors, blocks = _halves(figures)
    return "\n\n".join(
        [
            paragraph(
                f"One core, one image at a time, from file to result: {figures['images']} test crops of 224 px,",
                "as many real as fake, on which all take turns, each in a process of its own and those by others in a",
                f"virtual environment of their own ({sources.machine('peers')}). Medians of a round, with the least",
                f"and the greatest of {figures['rounds']}; the slowest see only the first of the images. AUC on",
                f"{figures['judged']:,} test crops, of source videos that ours never saw, with 95 % intervals from",
                "videos drawn anew. Those by others are as they come, not fitted to these data. Weights in int8 have",
                f"seven bits; {figures['calibration']} calibration images set the scale of what flows between them.",
            ),
            table(("detector", "ms an image", "x `fast`", "AUC", ""), [_detector(row) for row in detectors]),
            "![Milliseconds an image and AUC of every detector and shared block](docs/peers.svg)",
            paragraph(
                "What mahotas and pyfeats share with ours, block by block: no two measure exactly the same, so that",
                "the last column says what each does. Without the file: the planes are in memory already.",
            ),
            table(
                ("block", "by", "ms an image", "x ours", "x ours, without the file", ""),
                [_block(row) for row in blocks],
            ),
            source("python -m benchmarks.peers WORK", "benchmarks/results/peers.json"),
        ]
    )


def _require(sources: Sources, models: Mapping[str, str]) -> None:
    """Raise FiguresError unless the detectors that were timed are those that ship."""
    other = [name for name, digest in models.items() if digest != sources.digest_of(name)]
    if other:
        raise FiguresError(f"peers.json judged another {' and '.join(other)} than what ships; run it again")


def _halves(figures: Row) -> tuple[list[Row], list[Row]]:
    """Part the rows into detectors and blocks."""
    rows = figures["peers"]
    return [row for row in rows if row["block"] is None], [row for row in rows if row["block"]]


def _detector(row: Row) -> tuple[str, ...]:
    if row["reason"]:
        return _titled(row), "not measured", "", "", _cell(row["reason"])
    ratio = "1" if row["over"] == row["name"] else _times(row["ratio"])
    return _titled(row), spread(row["milliseconds"], 1), ratio, _auc(row["auc"]), _cell(row["note"])


def _block(row: Row) -> tuple[str, ...]:
    block, by = f"`{row['block']}`", _titled({**row, "name": row["package"] or "ours"})
    if row["reason"]:
        return block, by, "not measured", "", "", _cell(row["reason"])
    ratios = ("1", "1") if row["over"] == row["name"] else (_times(row["ratio"]), _times(row["ratio_measuring"]))
    return block, by, spread(row["milliseconds"], 2), *ratios, _cell(row["note"])


def _titled(row: Row) -> str:
    """Name a row, with the version of a package that the project does not bring."""
    package, version = row["package"], row["version"]
    told = row["requirements"] and version
    return row["name"].replace(package, f"{package} {version}", 1) if told else str(row["name"])


def _cell(text: str) -> str:
    """Keep text from ending a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def _times(ratio: Mapping[str, float] | None) -> str:
    return spread(ratio, 1) if ratio else ""


def _auc(figure: Mapping[str, Any] | None) -> str:
    if not figure or figure["value"] is None:
        return "gives no score"
    return f"{figure['value']:.3f} ({interval(figure)})"


def draw(figures: Row) -> str:
    """Draw milliseconds an image as bars on a logarithmic axis, AUC beside them: an SVG for light and for dark.

    Parameters
    ----------
    figures : mapping
        Those that `benchmarks.peers` writes.
    """
    titles = ("detectors", "blocks that others share")
    groups = [(title, rows) for title, rows in zip(titles, _halves(figures), strict=True) if rows]
    bottom = _ROW * (sum(1 + len(rows) for _, rows in groups) + 0.5)
    axis = _axis([row["milliseconds"]["median"] for _, rows in groups for row in rows if not row["reason"]])
    width, height = _LEFT + _WIDE + _RIGHT, bottom + _FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img">',
        "<title>Milliseconds an image, and AUC</title>",
        _STYLE,
        f'<rect class="ground" width="{width:g}" height="{height:g}"/>',
        *_grid(axis, bottom),
    ]
    level = 0.25 * _ROW
    for title, rows in groups:
        parts.append(_text(8, level, title, 'class="head"'))
        parts += [_bar(axis, row, level + _ROW * (at + 1)) for at, row in enumerate(rows)]
        level += _ROW * (1 + len(rows))
    return "\n".join([*parts, "</svg>", ""])


def _axis(values: Sequence[float]) -> Axis:
    """Make an axis of whole powers of ten around the values."""
    low, high = (math.log10(edge) for edge in (min(values, default=1.0), max(values, default=1.0)))
    powers = range(math.floor(low - 0.05), math.ceil(high) + 1)
    ticks = [10.0**power for power in powers]
    return Axis("milliseconds an image, one core (logarithmic)", ticks[0], ticks[-1], ticks, log=True)


def _grid(axis: Axis, bottom: float) -> list[str]:
    places = [(_LEFT + _WIDE * axis.share(tick), label) for tick, label in zip(axis.ticks, axis.labels, strict=True)]
    return [
        *(f'<path class="grid" d="M{at:.1f} 4V{bottom:g}"/>' for at, _ in places),
        *(_text(at, bottom, label, 'text-anchor="middle"') for at, label in places),
        _text(_LEFT + _WIDE / 2, bottom + _ROW, axis.title, 'text-anchor="middle"'),
    ]


def _bar(axis: Axis, row: Row, level: float) -> str:
    """Draw a row that begins at a level: its name, its bar, and its figures on the right."""
    name = _text(_LEFT - 8, level, _titled(row), 'text-anchor="end"')
    if row["reason"]:
        return name + _text(_LEFT + 6, level, "not measured")
    time, kind = row["milliseconds"]["median"], "theirs" if row["package"] else "ours"
    said = f"{time:.1f} ms" if time >= 1 else f"{time:.2f} ms"
    said += f", AUC {_auc(row['auc'])}" if row["auc"] else ""
    size = f'width="{max(1.0, _WIDE * axis.share(time)):.1f}" height="{0.7 * _ROW:g}"'
    bar = f'<rect class="{kind}" x="{_LEFT:g}" y="{level + 0.15 * _ROW:.1f}" {size}/>'
    return name + bar + _text(_LEFT + _WIDE + 10, level, said)


def _text(x: float, level: float, said: str, attributes: str = "") -> str:
    return f'<text x="{x:.1f}" y="{level + 0.72 * _ROW:.1f}" {attributes}>{safe(said)}</text>'


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the result, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--result", type=Path, default=ROOT / "benchmarks/results/peers.json", metavar="FILE")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the picture to write")
    options = parser.parse_args(arguments)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(draw(json.loads(options.result.read_text())["figures"]))


BLOCKS: Final[Mapping[str, Callable[[Sources], str]]] = {"peers": _peers}
"""What writes these figures."""

if __name__ == "__main__":
    main()
