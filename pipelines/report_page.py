"""The page of verdicts as HTML: what a verdict means, totals, and a row each.

Rows are laid out as grids; their roles are spelled out, since some browsers then no longer take them for a table's.
"""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import simplejpeg

from models.calibration import FAKES_MISSED, REALS_ACCUSED, OperatingPoints, with_prior
from models.verdict import ModelRef, Verdict
from pipelines.bench_charts import STYLE as CHARTS
from pipelines.inputs import STDIN
from pipelines.page import begin, end, safe, section
from pipelines.report_look import SCRIPT, STYLE
from pipelines.video_report import STYLE as CLIPS
from pipelines.video_report import facts_of

__all__ = ["KINDS", "Terms", "bottom", "row", "top"]

KINDS: Final = {"fake": "fake", "uncertain": "uncertain", "real": "real", "no_face": "no face", "failed": "failed"}
"""What a row can come to, in the order in which totals are listed, and how it is called."""


@dataclass(frozen=True)
class Terms:
    """On what terms verdicts were given; a page explains them before the first.

    Attributes
    ----------
    points : OperatingPoints
        From where on it is `fake`, and below what `real`, at equal priors.
    max_fpr, max_miss : float or None
        The shares of real and of fake calibration images that the points were placed by; None for the usual ones.
    prior : float or None
        Share of fakes that probabilities were moved to.
    """

    points: OperatingPoints
    max_fpr: float | None = None
    max_miss: float | None = None
    prior: float | None = None

    @property
    def shown(self) -> OperatingPoints:
        """The points on the scale of probabilities that were moved."""
        if self.prior is None:
            return self.points
        return OperatingPoints(
            with_prior(self.points.fake_from, self.prior), with_prior(self.points.real_below, self.prior)
        )


def row(verdict: Verdict, kind: str, reasons: Sequence[str], picture: bytes | str, more: str = "") -> str:
    """Write a row.

    Parameters
    ----------
    verdict : Verdict
        What it says.
    kind : str
        One of KINDS.
    reasons : sequence of str
        What else it says of why.
    picture : bytes or str
        A JPEG, or why there is none.
    more : str
        HTML below all that, as wide as the row.
    """
    chance = verdict.probability
    value = "" if chance is None else f' data-chance="{chance!r}"'
    return "\n".join(
        [
            f'<tr role="row" class="{kind}"{value}>',
            _preview(picture),
            f'<td role="cell" class="verdict">{KINDS[kind]}</td>',
            f'<td role="cell" class="chance">{_chance(chance)}</td>',
            f'<th role="rowheader" scope="row" class="path">{_path(verdict)}</th>',
            f'<td role="cell" class="why">{_why(verdict, reasons)}</td>',
            *([f'<td role="cell" class="more">{more}</td>'] if more else []),
            "</tr>\n",
        ]
    )


def _preview(picture: bytes | str) -> str:
    if isinstance(picture, str):
        return f'<td role="cell" class="preview none">{safe(picture)}</td>'
    height, width, _, _ = simplejpeg.decode_jpeg_header(picture)
    source = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
    return (
        f'<td role="cell" class="preview"><img src="{source}" width="{width}" height="{height}" alt=""'
        ' decoding="async"/></td>'
    )


def _chance(value: float | None) -> str:
    if value is None:
        return "none"
    bar = f'<rect width="{100 * value:.1f}" height="1"/>'
    return f'{value:.4f}<svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">{bar}</svg>'


def _path(verdict: Verdict) -> str:
    shown = safe("standard input" if verdict.path in (None, STDIN) else str(verdict.path))
    parts = [f"<bdi>{shown}</bdi>"]
    if facts := facts_of(verdict):
        parts.append(f"<small>{safe(facts)}</small>")
    if verdict.face:
        x, y, width, height = verdict.face
        parts.append(f"<small>face of {width} x {height} pixels at {x}, {y}</small>")
    if verdict.sha256:
        parts.append(f'<small class="digest">sha256 {verdict.sha256}</small>')
    return "".join(parts)


_CLEAR: Final = {"fake": "reaches the point for fake", "real": "lies below the point for real"}


def _why(verdict: Verdict, reasons: Sequence[str]) -> str:
    said = verdict.error.message if verdict.error else verdict.reason or _CLEAR.get(verdict.verdict or "", "")
    points = "".join(f"<li>{safe(reason)}</li>" for reason in reasons)
    return safe(said) + (f"<ul>{points}</ul>" if points else "")


def top(counts: Counter[str], images: int, model: ModelRef | None, terms: Terms, *, clips: int = 0) -> str:
    """Write what comes before the rows.

    Parameters
    ----------
    counts : Counter
        Rows of each of KINDS.
    images : int
        Images that the rows are about.
    model : ModelRef or None
        Who judged; None where nothing was.
    terms : Terms
        What verdicts mean.
    clips : int
        Clips that they are about.
    """
    about = [_count(images, "image")] * (images > 0 or not clips) + [_count(clips, "clip")] * (clips > 0)
    what = "face and each clip" if clips else "face"
    return "\n".join(
        [
            begin("fauxface: verdicts", CHARTS + STYLE + CLIPS, SCRIPT),
            '<a class="skip" href="#rows">Skip to the verdicts</a>',
            f"<header><h1>Verdicts on {' and '.join(about)}</h1>",
            f"<p>{_count(counts.total(), 'row')}, one for each {what}.{_judge(model)}</p></header>\n<main>",
            section("What a verdict means", _meaning(terms, clips > 0), name="meaning"),
            section("Totals", _totals(counts), name="totals"),
            '<section id="rows" aria-labelledby="rows-title">\n<h2 id="rows-title">Verdicts</h2>',
            _controls(counts),
            '<p id="shown" role="status"></p>',
            '<table role="table" id="verdicts" class="rows" aria-labelledby="rows-title">',
            f'<thead role="rowgroup"><tr role="row">{_HEADS}</tr></thead>\n<tbody role="rowgroup">\n',
        ]
    )


def bottom() -> str:
    """Write what comes after the rows."""
    return "\n".join(
        [
            "</tbody>\n</table>\n</section>\n</main>",
            "<footer><p>Made by fauxface. This file is all there is: it asks for nothing from anywhere.</p></footer>",
            end(SCRIPT),
        ]
    )


def _judge(model: ModelRef | None) -> str:
    if model is None:
        return ""
    return f" Judged by <strong>{safe(model.name)}</strong>, digest <code>{safe(model.digest)}</code>."


_HEADS: Final = "".join(
    f'<th role="columnheader" scope="col"{more}>{name}</th>'
    for name, more in (
        ("Picture", ""),
        ("Verdict", ' data-key="verdict" data-first="ascending"'),
        ("Probability", ' data-key="chance" data-first="descending" aria-sort="descending"'),
        ("Path", ' data-key="path" data-first="ascending"'),
        ("Why", ""),
    )
)


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"


def _meaning(terms: Terms, clips: bool) -> str:
    fake, real = (f"{value:.4f}" for value in (terms.shown.fake_from, terms.shown.real_below))
    accused, missed = _percent(terms.max_fpr or REALS_ACCUSED), _percent(terms.max_miss or FAKES_MISSED)
    said = [
        f"<strong>Probability</strong> is the estimated chance that the image is a deepfake, if {_share(terms.prior)}.",
        f"<strong>fake</strong> is said from probability {fake} on: of the real images that the detector was"
        f" calibrated on, {accused} or fewer reach it. <strong>real</strong> is said below {real}: of the fake ones,"
        f" {missed} or fewer stay under it. <strong>uncertain</strong> is said between, and wherever a reason is given"
        " that a verdict cannot be trusted.",
        "Those shares hold for images like the ones it was trained on, and only for them. Other generators, and images"
        " that were resized, filtered or compressed again, may fool it in both directions.",
        "<strong>no face</strong> says nothing about the image, neither that it is real nor that it is not."
        " <strong>failed</strong> means that it could not be read or measured.",
        "A verdict is evidence about the statistics of an image, never proof about a person."
        " <strong>Do not let it decide alone.</strong>",
    ]
    return "<ul>" + "".join(f"<li>{line}</li>" for line in said + [_OF_CLIPS] * clips) + "</ul>"


_OF_CLIPS: Final = (
    "<strong>A face in a clip</strong> gets the probability of the mean log odds of the frames that show it, <strong>a"
    " clip</strong> that of the mean odds of its main faces. Neither was calibrated on clips: take them for less sure."
)


def _share(prior: float | None) -> str:
    return f"{'half' if prior is None else _percent(prior)} of all such images were"


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _totals(counts: Counter[str]) -> str:
    found = [f'<div class="{kind}"><dt>{name}</dt><dd>{counts[kind]:,}</dd></div>' for kind, name in KINDS.items()]
    return f"<dl>{''.join(found)}</dl>"


def _controls(counts: Counter[str]) -> str:
    boxes = "".join(
        f'<label><input type="checkbox" value="{kind}" checked=""/>{name} ({counts[kind]:,})</label>'
        for kind, name in KINDS.items()
    )
    return "\n".join(
        [
            '<form id="find" role="search" aria-label="Rows" hidden="">',
            f"<fieldset><legend>Show</legend>{boxes}</fieldset>",
            '<label for="search">Search paths and sha256 <input type="search" id="search" autocomplete="off"/></label>',
            '<button type="reset">Show all</button>\n</form>',
            "<noscript><p>Without scripts all rows are shown, the most probable fakes first.</p></noscript>",
        ]
    )
