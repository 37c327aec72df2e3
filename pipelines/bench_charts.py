"""Charts as SVG that stands inside a page: no library, no script; every series has a colour, a dash and a mark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from pipelines.page import safe

__all__ = ["STYLE", "Axis", "Series", "chart", "decades", "dots"]

Point = tuple[float, float]
Stroke = tuple[float, float, float]
Dot = tuple[float, float, float]

_LEFT, _TOP, _WIDE, _HIGH = 64.0, 12.0, 380.0, 280.0  # of the area that is drawn in
_FOOT = 46.0  # below it, for numbers and the name of the axis
_ROW = 18.0  # of the legend, and of a dot
_NAME = 1.3  # rows that the name above dots takes
_MARKS_A_LINE = 6  # where a line has many points
_DASHES: Final = ("none", "7 3", "2 3", "9 3 2 3", "12 4", "4 2")

STYLE: Final = """
:root { --c0: #0b62a4; --c1: #b84300; --c2: #00714f; --c3: #95367a; --c4: #7a5c00; --c5: #4a4a4a; --grid: #d8d8d8; }
@media screen and (prefers-color-scheme: dark) {
  :root { --c0: #6cb8f0; --c1: #ff9a5c; --c2: #4fd0a2; --c3: #e69bcc; --c4: #e8c650; --c5: #c4c4c4; --grid: #444; }
}
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); gap: 1.5rem; }
figure { margin: 0; min-width: 0; }
figcaption { font-weight: 600; }
svg { width: 100%; max-width: 34rem; height: auto; font-size: 12px; }
@media (max-width: 30rem) { svg { font-size: 16px; } }
svg text { fill: currentColor; }
svg .band { stroke: none; opacity: .2; }
svg .grid { stroke: var(--grid); fill: none; }
svg .frame { stroke: currentColor; fill: none; }
"""
"""What a page with charts has in its style sheet."""


@dataclass(frozen=True)
class Axis:
    """What an axis shows: from `low` to `high`, with numbers at `ticks`; on a logarithmic one all are above zero.

    `names`, where given, stand at the ticks instead of their numbers.
    """

    title: str
    low: float
    high: float
    ticks: Sequence[float]
    log: bool = False
    names: Sequence[str] = ()

    @property
    def labels(self) -> list[str]:
        """What stands at the ticks."""
        return list(self.names) or [f"{tick:g}" for tick in self.ticks]

    def share(self, value: float) -> float:
        """Place a value: 0 at the low end, 1 at the high one, never beyond."""
        low, high, at = (math.log(x) if self.log else x for x in (self.low, self.high, max(value, self.low)))
        return min(1.0, (at - low) / (high - low))


@dataclass(frozen=True)
class Series:
    """Points with a name.

    Attributes
    ----------
    name : str
        For the legend.
    points : sequence of (x, y)
        In order.
    line : bool
        Whether they are joined.
    bars : sequence of (x, low, high)
        Intervals of y, a stroke each.
    band : sequence of (x, low, high)
        Intervals of y along a line, as an area behind it.
    """

    name: str
    points: Sequence[Point]
    line: bool = True
    bars: Sequence[Stroke] = ()
    band: Sequence[Stroke] = ()


def decades(low: float, high: float) -> list[float]:
    """List 1, 2 and 5 times powers of ten, from the last at most `low` to the first at least `high`."""
    steps = [
        factor * 10.0**power
        for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for factor in (1, 2, 5)
    ]
    first = max(index for index, step in enumerate(steps) if step <= low)
    last = min(index for index, step in enumerate(steps) if step >= high)
    return steps[first : max(last, first + 1) + 1]


def chart(title: str, text: str, x: Axis, y: Axis, series: Sequence[Series], *, diagonal: bool = False) -> str:
    """Draw series into axes.

    Parameters
    ----------
    title : str
        What the chart shows.
    text : str
        The same in words, for those who do not see it.
    x, y : Axis
        The axes.
    series : sequence of Series
        Where there are several, each gets a line of the legend.
    diagonal : bool
        Whether a line from corner to corner is drawn.
    """
    foot, named = _TOP + _HIGH + _FOOT, len(series) > 1
    parts = [
        *_begin(title, text, foot + named * _ROW * len(series)),
        *_axes(x, y),
        *([_path([(0, 0), (1, 1)], 'class="grid"')] if diagonal else []),
    ]
    for index, one in enumerate(series):
        places = [(x.share(at), y.share(value)) for at, value in one.points]
        bars, band = (
            [(x.share(at), y.share(low), y.share(high)) for at, low, high in some] for some in (one.bars, one.band)
        )
        parts += [f"<g {_pen(index)}>", *_area(index, band), *_drawn(index, places, bars, line=one.line)]
        parts += [_key(index, one, foot), "</g>"] if named else ["</g>"]
    return "\n".join([*parts, "</svg>"])


def dots(title: str, text: str, x: Axis, names: Sequence[str], rows: Sequence[tuple[str, Sequence[Dot | None]]]) -> str:
    """Draw values with their intervals, one under the other.

    Parameters
    ----------
    title : str
        What the chart shows.
    text : str
        The same in words, for those who do not see it.
    x : Axis
        Of the values.
    names : sequence of str
        Of the series; where there are several, each gets a line of the legend.
    rows : sequence of (name, dots)
        A value, low and high for each series, None where there is none.
    """
    high = _ROW * sum(_NAME + len(values) + 0.2 for _, values in rows)
    foot, keys = _TOP + high + _FOOT, [Series(name, (), line=False) for name in names if len(names) > 1]
    level, parts = _TOP, [*_begin(title, text, foot + _ROW * len(keys)), *_across(x, high)]
    for name, values in rows:
        parts.append(f'<text x="{_LEFT + 5:g}" y="{level + 0.85 * _ROW:.1f}">{safe(name)}</text>')
        parts += [
            f"<g {_pen(index)}>{_dot(index, x, dot, level + _ROW * (_NAME + index + 0.3))}</g>"
            for index, dot in enumerate(values)
            if dot
        ]
        level += _ROW * (_NAME + len(values) + 0.2)
    legend = [f"<g {_pen(index)}>{_key(index, one, foot)}</g>" for index, one in enumerate(keys)]
    return "\n".join([*parts, *legend, "</svg>"])


def _dot(index: int, x: Axis, dot: Dot, level: float) -> str:
    at, low, high = (_LEFT + _WIDE * x.share(value) for value in dot)
    return f'<path d="M{low:.1f} {level:.1f}H{high:.1f}"/>{_mark(index, at, level)}'


def _begin(title: str, text: str, height: float) -> list[str]:
    return [
        f'<svg viewBox="0 0 {_LEFT + _WIDE + 20:g} {height:g}" role="img" aria-label="{safe(f"{title}. {text}")}">',
        f"<title>{safe(title)}</title>\n<desc>{safe(text)}</desc>",
    ]


def _across(x: Axis, high: float) -> list[str]:
    """Draw the frame, and the axis below it."""
    bottom = _TOP + high
    ticks = [(_LEFT + _WIDE * x.share(tick), safe(said)) for tick, said in zip(x.ticks, x.labels, strict=True)]
    return [
        *(f'<path class="grid" d="M{at:.1f} {_TOP:g}V{bottom:g}"/>' for at, _ in ticks),
        f'<rect class="frame" x="{_LEFT:g}" y="{_TOP:g}" width="{_WIDE:g}" height="{high:g}"/>',
        *(f'<text x="{at:.1f}" y="{bottom + 16:g}" text-anchor="middle">{said}</text>' for at, said in ticks),
        f'<text x="{_LEFT + _WIDE / 2:g}" y="{bottom + 34:g}" text-anchor="middle">{safe(x.title)}</text>',
    ]


def _axes(x: Axis, y: Axis) -> list[str]:
    bottom, middle = _TOP + _HIGH, _TOP + _HIGH / 2
    up = [(bottom - _HIGH * y.share(tick), safe(said)) for tick, said in zip(y.ticks, y.labels, strict=True)]
    return [
        *(f'<path class="grid" d="M{_LEFT:g} {at:.1f}H{_LEFT + _WIDE:g}"/>' for at, _ in up),
        *_across(x, _HIGH),
        *(f'<text x="{_LEFT - 6:g}" y="{at + 4:.1f}" text-anchor="end">{said}</text>' for at, said in up),
        f'<text transform="translate(14 {middle:g}) rotate(-90)" text-anchor="middle">{safe(y.title)}</text>',
    ]


def _pen(index: int) -> str:
    return f'stroke="var(--c{index % 6})" fill="none" stroke-width="2"'


def _drawn(index: int, places: Sequence[Point], bars: Sequence[Stroke], *, line: bool) -> list[str]:
    """Draw points that are placed, with their intervals: all of them marked, or a few along a line."""
    marked = _spaced(places) if len(places) > 2 * _MARKS_A_LINE else places
    ends = [_path([(at, low), (at, high)], "") for at, low, high in bars]
    return [
        *([_path(places, f'stroke-dasharray="{_DASHES[index % len(_DASHES)]}"')] if line else []),
        *ends,
        *(_mark(index, _LEFT + _WIDE * at, _TOP + _HIGH * (1 - value)) for at, value in marked),
    ]


def _area(index: int, band: Sequence[Stroke]) -> list[str]:
    around = [(at, high) for at, _, high in band] + [(at, low) for at, low, _ in reversed(band)]
    return [_path(around, f'class="band" fill="var(--c{index % 6})"')] if around else []


def _path(places: Sequence[Point], attributes: str) -> str:
    """Join places; those that fall on the same tenth of a unit are drawn once."""
    spots = [f"{_LEFT + _WIDE * at:.1f} {_TOP + _HIGH * (1 - value):.1f}" for at, value in places]
    kept = spots[:1] + [after for before, after in pairwise(spots) if after != before]
    return f'<path {attributes} d="M{"L".join(kept)}"/>'


def _spaced(places: Sequence[Point]) -> list[Point]:
    """Choose a few places at about equal distances along their line."""
    lengths = [math.dist(*pair) for pair in pairwise(places)]
    step, walked = sum(lengths) / (_MARKS_A_LINE + 1), 0.0
    chosen: list[Point] = []
    for place, length in zip(places[1:], lengths, strict=True):
        walked += length
        if step and walked >= step and len(chosen) < _MARKS_A_LINE:
            chosen.append(place)
            walked = 0.0
    return chosen


def _key(index: int, series: Series, top: float) -> str:
    """Draw a line of the legend that begins at `top`."""
    level = top + _ROW * (index + 0.4)
    dash = f'stroke-dasharray="{_DASHES[index % len(_DASHES)]}"'
    line = f'<path {dash} d="M{_LEFT:g} {level:.1f}h40"/>' if series.line else ""
    text = f'<text x="{_LEFT + 50:g}" y="{level + 4:.1f}" stroke="none" fill="currentColor">{safe(series.name)}</text>'
    return f"{line}{_mark(index, _LEFT + 20, level)}{text}"


def _mark(index: int, x: float, y: float) -> str:
    return f'<path stroke-dasharray="none" d="M{x:.1f} {y:.1f}{_MARKS[index % len(_MARKS)]}"/>'


_MARKS: Final = (
    "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "m-4-4h8v8h-8z",
    "m0-5l5 9h-10z",
    "m0-5l5 5l-5 5l-5-5z",
    "m-4-4l8 8m0-8l-8 8",
    "m0 5l-5-9h10z",
    "m-5 0h10m-5-5v10",
)
