"""An explanation as one HTML file: pictures with what they show in words, and a table of numbers beside each."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

import numpy as np

from models.contributions import Share
from pipelines.bench_charts import STYLE
from pipelines.explain_map import SIDE
from pipelines.explain_panels import Picture
from pipelines.explain_record import Explained
from pipelines.explain_sheet import encode, headline, pictures
from pipelines.page import begin, end, plain, section, table

__all__ = ["page"]

_CSS: Final = """
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); gap: 1.5rem; }
figure { margin: 0; }
figure img { width: 100%; height: auto; display: block; }
figcaption strong { display: block; }
figcaption { font-size: .9rem; font-weight: 400; }
svg.bar { width: 10rem; height: .8rem; }
svg.bar .fake { fill: var(--c1); }
svg.bar .real { fill: var(--c0); }
svg.bar line { stroke: currentColor; }
.numbers td, .numbers th { font-size: .85rem; }
"""
_TABLE: Final = 7  # cells a side of the map as a table
_LIMITS: Final = (
    "The map shows where values were measured that counted, not where a picture was altered; how far the two agree is"
    " measured by <code>benchmarks/evidence.py</code>.",
    "A contribution says what the detector made of a value, in the company of all others: it is no proof, and another"
    " detector may weigh it otherwise.",
    "Names of places (eyes, mouth) hold for a face that fills the picture as the detector's framing has it.",
    "Log odds are those before calibration; they add up to the score, from which the probability follows.",
)


def page(name: str, faces: Sequence[Explained]) -> str:
    """Write the page of all faces of an image.

    Parameters
    ----------
    name : str
        What the image is called.
    faces : sequence of Explained
        The largest first, as `score` lists them.
    """
    several = len(faces) > 1
    model = faces[0].verdict.model
    parts = [
        section(f"Face {number} of {len(faces)}" if several else "Verdict", *_face(face), name=f"face{number}")
        for number, face in enumerate(faces, 1)
    ]
    limits = section("How to read it", "<ul>" + "".join(f"<li>{line}</li>" for line in _LIMITS) + "</ul>")
    made = f"<p>Detector <code>{escape(model.name)}</code>, digest <code>{escape(model.digest)}</code></p>"
    return "\n".join(
        [
            begin(f"Why: {name}", STYLE + _CSS) + "<main>",
            f"<h1>Why: {escape(plain(name))}</h1>",
            *parts,
            limits,
            made,
            "</main>" + end(),
        ]
    )


def _face(explained: Explained) -> Iterable[str]:
    yield f"<p><strong>{escape(headline(explained))}</strong></p>"
    if explained.verdict.reason:
        yield f"<p>{escape(plain(explained.verdict.reason))}</p>"
    yield f"<p>{escape(explained.summary)}</p>"
    yield f'<div class="pictures">{"".join(_figure(picture) for picture in pictures(explained))}</div>'
    yield _reasons(explained)
    yield _shares("What the families of values contribute, in log odds", explained.families)
    yield _shares("The same by block", explained.blocks)
    yield _map(explained)


def _figure(picture: Picture) -> str:
    data = base64.b64encode(encode(picture.bgr)).decode()
    height, width = picture.bgr.shape[:2]
    return (
        f'<figure><img src="data:image/png;base64,{data}" width="{width}" height="{height}"'
        f' alt="{escape(picture.title)}: {escape(picture.text)}"/>'
        f"<figcaption><strong>{escape(picture.title)}</strong>{escape(picture.text)}</figcaption></figure>"
    )


def _reasons(explained: Explained) -> str:
    rows = [
        (
            f"{number}",
            escape(reason.sentence),
            f"{reason.contribution:+.3f}",
            f"<code>{escape(reason.name)}</code>",
            f"{reason.value:.4g}",
        )
        for number, reason in enumerate(explained.reasons, 1)
    ]
    return table("What counted most", ("", "in words", "log odds", "value", "measured"), rows)


def _shares(caption: str, found: Mapping[str, Share]) -> str:
    longest = max((abs(share.total) for share in found.values()), default=0.0) or 1.0
    rows = [
        (escape(name), _bar(share.total / longest), f"{share.total:+.3f}", f"{share.fake:+.3f}", f"{share.real:+.3f}")
        for name, share in sorted(found.items(), key=lambda item: -abs(item[1].total))
    ]
    return table(caption, ("", "real | fake", "in all", "for fake", "for real"), rows)


def _bar(share: float) -> str:
    """Draw a bar from the middle: to the right for fake, to the left for real; the number beside it says the same."""
    left, side = (50.0, "fake") if share > 0 else (50.0 + 50 * share, "real")
    return (
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="{side}" x="{left:.1f}" y="0" width="{50 * abs(share):.1f}" height="8"/>'
        '<line x1="50" y1="0" x2="50" y2="8"/></svg>'
    )


def _map(explained: Explained) -> str:
    fold = SIDE // _TABLE
    sums = explained.map.reshape(_TABLE, fold, _TABLE, fold).sum(axis=(1, 3))
    rows = [(f"row {number}", *(f"{value:+.3f}" for value in row)) for number, row in enumerate(sums.tolist(), 1)]
    head = ("", *(f"column {number}" for number in range(1, _TABLE + 1)))
    total = float(np.sum(sums))
    caption = f"The evidence map in numbers, log odds a cell of {_TABLE} by {_TABLE}; {total:+.3f} in all"
    return f'<div class="numbers">{table(caption, head, rows)}</div>'
