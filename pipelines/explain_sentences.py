"""Says in plain words what a value measures and what it counts for: a table of templates by block and statistic.

Values that compare parts of one picture (a cell with the picture's mean, the inside of the face with its surroundings)
say by their sign which part has more. Of the others a sentence says what counted, and not whether it is high or low:
that would need typical values, which detectors do not keep.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import hypot
from typing import Final, NamedTuple

from features.frame import WORKING_SIZE
from models.contributions import Cell

__all__ = ["say", "where"]


class _Template(NamedTuple):
    """Words for the values whose names match `name`: a subject, and what is said of it above and below zero."""

    name: str
    subject: str
    above: str = ""
    below: str = ""


_MOMENTS: Final = {
    "log_mean": "the average strength of",
    "log_square": "the energy of",
    "log_variance": "the energy of",
    "log_kurtosis": "how much single peaks dominate in",
    "zeros": "the share of the picture without",
}
_COLOURS: Final = {"y": "brightness", "cr": "redness", "cb": "blueness"}
_SIZES: Final = {"y1": "full", "y2": "half", "y4": "quarter"}
_GRAIN: Final = {"square3": "fine-grained noise", "median": "specks and sharp edges"}
_NEIGHBOURS: Final = {
    "p01": "steps from a pixel to its right neighbour",
    "p10": "steps from a pixel to its lower neighbour",
    "p11": "steps from a pixel to its diagonal neighbour",
    "haar_hh": "chequered patterns in squares of 2x2 pixels",
}
_BANDS: Final = {
    "h1": "coarse upright detail",
    "v1": "coarse level detail",
    "d1": "coarse slanted detail",
    "h2": "fine upright detail",
    "v2": "fine level detail",
    "d2": "fine slanted detail",
}
_HARALICK: Final = {
    "contrast": "how far brightness differs {offset}",
    "correlation": "how closely brightness is followed {offset}",
    "energy": "how few pairs of brightness there are {offset}",
    "homogeneity": "how little brightness changes {offset}",
}
_SHAPES: Final = (
    "bright specks",
    "tips of bright lines",
    "tips of bright lines",
    "corners",
    "edges",
    "edges",
    "inner corners",
    "tips of dark lines",
    "dark specks and flat spots",
    "irregular patterns",
)
_COARSENESS: Final = ("very coarse", "coarse", "rather coarse", "medium", "rather fine", "fine", "very fine")
_STRIPES: Final = ("upright", "steep", "gently sloping", "level")
_DIRECTIONS: Final = {"h": "from left to right", "v": "from top to bottom"}
_NOISE_STEPS: Final = ("--", "-", "0", "+", "++")
_CONTRASTS: Final = {
    "inner_outer": ("inside the face", "around it"),
    "core_rim": ("in the middle of the face", "towards its rim"),
    "left_right": ("in the left half of the picture", "in the right half"),
    "eyes_mouth": ("at the height of the eyes", "at that of the mouth"),
    "top_bottom": ("at the top of the picture", "at the bottom"),
}


def _period(cycles: float) -> str:
    return f"{WORKING_SIZE / cycles:.3g}"


def _ring(text: str) -> str:
    return _period(int(text) + 1)  # a ring is two bins wide


def _peak(text: str) -> str:
    v, u = (int(part) for part in text.split("u"))
    return _period(hypot(min(v, WORKING_SIZE - v), u))


def _coefficient(text: str) -> str:
    v, u = int(text[1]), int(text[3])
    grade = ("coarse", "medium", "fine")[(max(v, u) > 2) + (max(v, u) > 5)]
    turn = "slanted" if v and u else ("level" if v else "upright")
    return f"{grade} {turn} detail"


@cache
def _uniform_codes() -> tuple[int, ...]:
    """List the uniform patterns as `features.texture` numbers them: ascending codes, at most two changes round them."""
    return tuple(code for code in range(256) if (code ^ ((code >> 1) | (code & 1) << 7)).bit_count() <= 2)


def _pattern(text: str) -> str:
    codes = _uniform_codes()
    return _SHAPES[codes[int(text)].bit_count() if int(text) < len(codes) else 9]


def _plane(text: str) -> str:
    return f"brightness at {_SIZES[text]} size" if text in _SIZES else _COLOURS[text]


def _phase(text: str) -> str:
    return "over the edges of JPEG's 8x8 blocks" if text == "7" else f"at place {int(text) + 1} of JPEG's 8x8 blocks"


def _pair(text: str) -> str:
    first, second = text.split("_")
    return f"{_COLOURS[first]} and {_COLOURS[second]}"


def _offset(text: str) -> str:
    way = {"h": "right", "v": "down"}[text[0]]
    return f"{text[1]} pixel{'s' * (text[1] != '1')} further {way}, at quarter size,"


def _layer(text: str) -> str:
    return "last layers" if text == "head" else f"layers of stage {text.removeprefix('stage')}"


_WORDS: Final[Mapping[str, Callable[[str], str]]] = {
    "plane": _COLOURS.__getitem__,
    "sized": _plane,
    "ring": _ring,
    "peak": _peak,
    "band": lambda text: _COARSENESS[int(text)],
    "sector": lambda text: _STRIPES[int(text)],
    "half": {"low": "coarse", "high": "fine"}.__getitem__,
    "moment": _MOMENTS.__getitem__,
    "coefficient": _coefficient,
    "direction": _DIRECTIONS.__getitem__,
    "phase": _phase,
    "steps": lambda text: " ".join(_NOISE_STEPS[int(digit)] for digit in text),
    "grain": _GRAIN.__getitem__,
    "lag": lambda text: f"{text} pixel{'s' * (text != '1')}",
    "pair": _pair,
    "neighbour": _NEIGHBOURS.__getitem__,
    "pattern": _pattern,
    "shape": lambda text: _SHAPES[int(text)],
    "offset": _offset,
    "detail": _BANDS.__getitem__,
    "global": {"mean": "the average of", "std": "how much the picture varies in"}.__getitem__,
    "layer": _layer,
    "evidence": {"found": "the fakes of data sets", "forged": "forgeries made for training"}.__getitem__,
    "channel": str,
    "pooled": {"mean": "how strongly", "std": "how unevenly"}.__getitem__,
}
"""What becomes of each named part of a name."""

_CELL: Final = r"r\d+c\d+"
_MORE, _LESS = "is stronger than in the picture on average", "is weaker than in the picture on average"


def _on_grid(block: str, group: str, subject: str) -> tuple[_Template, ...]:
    """Write the templates of a map: its cells, its contrasts, its mean and its deviation."""
    return (
        _Template(rf"{block}\.{group}\.{_CELL}", f"{subject} {{place}}", _MORE, _LESS),
        *(
            _Template(
                rf"{block}\.{group}\.{name}",
                subject,
                f"is stronger {first} than {second}",
                f"is weaker {first} than {second}",
            )
            for name, (first, second) in _CONTRASTS.items()
        ),
        _Template(rf"{block}\.{group}\.mean", f"the overall strength of {subject}"),
        _Template(rf"{block}\.{group}\.std", f"how unevenly {subject} is spread over the picture"),
    )


_TABLE: Final = (
    _Template(
        r"spectrum\.radial\.(?P<plane>\w+)\.ring\.k(?P<ring>\d+)",
        "the strength of waves of about {ring} pixels in {plane}, within the whole spectrum,",
    ),
    _Template(
        r"spectrum\.radial\.(?P<plane>\w+)\.sector\.b(?P<band>\d)s(?P<sector>\d)",
        "{band} {sector} stripes in {plane}",
        "are stronger than stripes of other directions",
        "are weaker than stripes of other directions",
    ),
    _Template(
        r"spectrum\.radial\.(?P<plane>\w+)\.slope\.(?P<half>\w+)",
        "how fast the spectrum of {plane} falls in its {half} half",
    ),
    _Template(
        r"spectrum\.peaks\.v(?P<peak>\d+u\d+)",
        "a pattern that repeats every {peak} pixels, as enlarging and JPEG leave it,",
        "stands out from the spectrum around it",
        "does not stand out from the spectrum around it",
    ),
    _Template(
        r"dct\.moments\.(?P<moment>\w+)\.(?P<coefficient>v\du\d)", "{moment} {coefficient} in blocks of 8x8 pixels"
    ),
    _Template(
        r"dct\.benford\.\w+\.(?P<coefficient>v\du\d)",
        "how far the first digits of {coefficient} stray from the law of photographs (Benford's)",
    ),
    _Template(
        r"dct\.grid_phase\.(?P<direction>\w)\.p(?P<phase>\d)",
        "the step from pixel to pixel {direction}, {phase},",
        "is larger than at the other places",
        "is smaller than at the other places",
    ),
    _Template(
        r"residual\.cooccurrence\.square3\.(?P<steps>\d+)", "how often the noise of neighbouring pixels runs {steps}"
    ),
    _Template(r"residual\.moments\.(?P<grain>\w+)\.(?P<moment>log_\w+|zeros)", "{moment} {grain}"),
    _Template(
        r"residual\.moments\.median\.lag(?P<lag>\d)(?P<direction>\w)",
        "noise, compared with the noise {lag} further {direction},",
        "is like it",
        "is opposite to it",
    ),
    _Template(
        r"residual\.channels\.(?P<pair>\w+)", "noise in {pair}", "rises and falls together", "runs against each other"
    ),
    _Template(r"residual\.npr\.(?P<neighbour>\w+)\.(?P<moment>\w+)", "{moment} {neighbour}"),
    _Template(r"texture\.lbp\.(?P<sized>\w+)\.u(?P<pattern>\d+)", "the share of {pattern} in {sized}"),
    _Template(
        rf"texture\.lbp_grid\.(?P<sized>\w+)\.ri(?P<shape>\d)\.{_CELL}", "the share of {shape} in {sized} {place}"
    ),
    *(_Template(rf"texture\.glcm\.(?P<offset>\w\d)\.{name}", subject) for name, subject in _HARALICK.items()),
    *_on_grid(r"grid\.chroma_noise", r"(?P<plane>\w+)", "noise in {plane}"),
    *_on_grid(r"grid\.dct", r"(?P<detail>\w+)", "{detail}"),
    _Template(
        rf"grid\.color\.(?P<plane>\w+)\.{_CELL}",
        "{plane} {place}",
        "is higher than in the picture on average",
        "is lower than in the picture on average",
    ),
    _Template(r"color\.global\.(?P<global>\w+)\.(?P<plane>\w+)", "{global} {plane}"),
    _Template(
        r"embedding\.stages\.(?P<layer>\w+)\.(?P<pooled>\w+)\.c(?P<channel>\d+)",
        "{pooled} the neural network responds in the {layer} (map {channel})",
    ),
    _Template(
        r"embedding\.logit\.value", "the neural network's own judgement", "leans towards fake", "leans towards real"
    ),
    _Template(
        r"embedding\.logit\.(?P<evidence>found|forged)",
        "the neural network's judgement by {evidence}",
        "leans towards fake",
        "leans towards real",
    ),
    _Template(
        rf"embedding\.map\.value\.{_CELL}",
        "what the neural network sees {place}",
        "looks forged",
        "looks untouched",
    ),
)
"""What is said of the values, the first row that matches a name; every value of every profile has one."""

_HEIGHTS: Final = (
    (0.2, "at the forehead"),
    (0.42, "at the height of the eyes"),
    (0.62, "at the height of the nose"),
    (0.82, "at the height of the mouth"),
    (1.0, "at the chin"),
)
_SIDES: Final = ((1 / 3, "on the left"), (2 / 3, "in the middle"), (1.0, "on the right"))


def where(cell: Cell) -> str:
    """Say where a cell lies in a face that fills the picture as the framing has it; left and right as one sees it."""
    down, across = ((at + 0.5) / cell.side for at in (cell.row, cell.column))
    return f"{_word(_SIDES, across)} {_word(_HEIGHTS, down)}"


def _word(table: Sequence[tuple[float, str]], share: float) -> str:
    return next(word for end, word in table if share <= end)


def say(name: str, value: float, amount: float, cell: Cell | None = None) -> str:
    """Say what a value measures and what it counts for.

    Parameters
    ----------
    name : str
        The feature.
    value : float
        What was measured.
    amount : float
        What it contributes: above zero it speaks for fake, else for real.
    cell : Cell, optional
        Where it was measured.

    Returns
    -------
    str
        One sentence.

    Raises
    ------
    KeyError
        There are no words for the feature.
    """
    template, parts = _find(name)
    words = {part: _WORDS[part](text) for part, text in parts.items()}
    place = where(cell) if cell else ""
    subject = template.subject.format(**words, place=place)
    claim = template.above if value > 0 else template.below
    counts = f"{claim}, which speaks" if claim else "speaks"
    return f"{subject[0].upper()}{subject[1:]} {counts} for {'fake' if amount > 0 else 'real'}."


def _find(name: str) -> tuple[_Template, dict[str, str]]:
    for template in _TABLE:
        if match := re.fullmatch(template.name, name):
            return template, match.groupdict()
    raise KeyError(f"no words for {name}")
