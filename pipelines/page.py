"""What every page has: one file that asks for nothing, the same look in light and dark, tables that scroll alone."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

__all__ = ["FIGURES", "begin", "digest", "end", "interval", "plain", "safe", "section", "table"]

FIGURES: Final = {
    "auc": "AUC",
    "average_precision": "average precision",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "eer": "equal error rate (less is better)",
    "tpr_at_fpr_1": "true positive rate at 1 % false positives",
    "ece": "calibration error, 15 bins (less is better)",
    "brier": "Brier score (less is better)",
    "log_loss": "log loss (less is better)",
    "coverage": "coverage: share that gets a verdict",
    "verdict_accuracy": "accuracy of verdicts",
    "reals_called_fake": "reals called fake (less is better)",
    "fakes_called_real": "fakes called real (less is better)",
}
"""What figures are called, in the order in which pages show them."""

_CSS: Final = """
:root { color-scheme: light dark; --back: #fff; --fore: #1a1a1a; --soft: #5a5a5a; --line: #bbb; --bed: #f3f3f3;
  --focus: #0b62a4; }
@media screen and (prefers-color-scheme: dark) {
  :root { --back: #161616; --fore: #e8e8e8; --soft: #aaa; --line: #555; --bed: #242424; --focus: #6cb8f0; }
}
body { background: var(--back); color: var(--fore); font: 16px/1.5 system-ui, sans-serif; max-width: 74rem;
  margin: 2rem auto; padding: 0 1rem; overflow-wrap: break-word; }
h1, h2, h3 { line-height: 1.25; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0; }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top; }
small { white-space: nowrap; }
code { overflow-wrap: anywhere; }
.skip { position: absolute; left: -100rem; }
.skip:focus { position: static; }
@media print {
  :root { color-scheme: light; --back: #fff; --fore: #000; --soft: #444; --line: #999; --bed: #fff; }
  body { max-width: none; margin: 0; font-size: 10pt; }
  .skip { display: none; }
}
"""


def begin(title: str, style: str = "", script: str = "") -> str:
    """Begin a page: its head, and the start of its body.

    Parameters
    ----------
    title : str
        What the page is, as plain text.
    style : str
        Rules beside the common ones.
    script : str
        The one script that `end` may add; any other, and everything from elsewhere, is forbidden to the browser.
    """
    rules = _CSS + style
    scripts = f"'{digest(script)}'" if script else "'none'"
    policy = (
        f"default-src 'none'; img-src data:; style-src '{digest(rules)}'; script-src {scripts};"
        " base-uri 'none'; form-action 'none'"
    )
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}"/>',
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
            '<meta name="referrer" content="no-referrer"/>',
            f"<title>{safe(title)}</title>\n<style>{rules}</style>\n</head>\n<body>\n",
        ]
    )


def end(script: str = "") -> str:
    """End a page, with the script that `begin` was told of."""
    return f"{f'<script>{script}</script>' if script else ''}\n</body>\n</html>\n"


def digest(text: str) -> str:
    """Give the sha256 of a style or script in the form of a content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def plain(text: str) -> str:
    """Escape characters that do not show, or would steer how a line is drawn: names of files are not to be trusted."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def safe(text: str) -> str:
    """Make text of any origin, names of files above all, harmless HTML that shows as that text."""
    return escape(plain(text))


def section(title: str, *parts: str, name: str = "") -> str:
    """Put parts that are HTML under a heading; with a `name`, which links can go to, it is a landmark."""
    marked = f' id="{name}" aria-labelledby="{name}-title"' if name else ""
    heading = f'<h2 id="{name}-title">' if name else "<h2>"
    return "\n".join([f"<section{marked}>\n{heading}{title}</h2>", *parts, "</section>"])


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table of cells that are HTML already; the first of each row is its head.

    Where it is wider than the page it scrolls by itself, by keyboard too.
    """
    body = [
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>' for name, *cells in rows
    ]
    columns = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    return "\n".join(
        [
            f'<div class="wide" role="region" tabindex="0" aria-label="{caption}">',
            f"<table>\n<caption>{caption}</caption>\n<thead><tr>{columns}</tr></thead>\n<tbody>",
            *body,
            "</tbody>\n</table></div>",
        ]
    )


def interval(figure: Mapping[str, float | None], sign: str = "") -> str:
    """Write a value with its interval, both as HTML; `sign` is that of a format."""
    value, low, high = (figure[name] for name in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "not defined"
    return f"{value:{sign}.3f} <small>({low:{sign}.3f} to {high:{sign}.3f})</small>"
