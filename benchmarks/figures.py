"""Writes the figures of README.md and of pages in docs/ from the result files, or checks that they agree.

A figure stands between `<!-- figures:NAME -->` and `<!-- /figures:NAME -->`; what was typed there by hand is lost.

    python -m benchmarks.figures            writes them
    python -m benchmarks.figures --check    fails where a page says anything else
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import readme, reliability_page, sizing, speed_page, targets
from benchmarks.markdown import paragraph
from benchmarks.record import ROOT
from benchmarks.sources import FiguresError, Sources

__all__ = ["PAGES", "Page", "main", "rewrite"]


@dataclass(frozen=True)
class Page:
    """A page with places for figures.

    Attributes
    ----------
    path : Path
        The file.
    blocks : mapping
        What writes each figure, by its name.
    patient : bool
        Whether a figure that was not measured, or of another detector, is said to be so; else it is refused.
    """

    path: Path
    blocks: Mapping[str, Callable[[Sources], str]]
    patient: bool = False

    def write(self, name: str, sources: Sources) -> str:
        """Write one figure."""
        try:
            return self.blocks[name](sources)
        except FiguresError as error:
            if not self.patient:
                raise
            return paragraph(f"Not measured: {str(error).partition(';')[0]}.")


PAGES: Final = (
    Page(ROOT / "README.md", readme.BLOCKS),
    Page(ROOT / "docs" / "results.md", targets.BLOCKS, patient=True),
    Page(ROOT / "docs" / "reliability.md", reliability_page.BLOCKS, patient=True),
    Page(ROOT / "docs" / "speed.md", speed_page.BLOCKS, patient=True),
    Page(ROOT / "docs" / "scale.md", sizing.BLOCKS, patient=True),
)
"""Every page with figures."""


def rewrite(text: str, page: Page, sources: Sources) -> str:
    """Put every figure of a page in its place.

    Parameters
    ----------
    text : str
        What the page says.
    page : Page
        Which it is.
    sources : Sources
        Where the figures come from.

    Raises
    ------
    FiguresError
        A source is missing or out of date; the text lacks a place or has one that nothing fills.
    """
    name, places = page.path.name, re.findall(r"<!-- figures:(\w+) -->", text)
    if sorted(places) != sorted(page.blocks):
        raise FiguresError(
            f"{name} has places for {', '.join(places) or 'no figures'}, not for {', '.join(page.blocks)}"
        )
    for place in page.blocks:
        start, end = f"<!-- figures:{place} -->", f"<!-- /figures:{place} -->"
        before, _, rest = text.partition(start)
        _, closed, after = rest.partition(end)
        if not closed:
            raise FiguresError(f"{name} lacks {end} after {start}")
        text = f"{before}{start}\n\n{page.write(place, sources)}\n\n{end}{after}"
    return text


def main(
    arguments: Sequence[str] | None = None, *, pages: Sequence[Page] = PAGES, sources: Sources | None = None
) -> None:
    """Write or check the figures; ends with a message and status 1 where that fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page says anything else")
    options = parser.parse_args(arguments)
    try:
        for page in pages:
            _keep(page, sources or Sources(), check=options.check)
    except FiguresError as error:
        sys.exit(f"error: {error}")


def _keep(page: Page, sources: Sources, *, check: bool) -> None:
    text = page.path.read_text()
    written = rewrite(text, page, sources)
    if check and written != text:
        raise FiguresError(f"{page.path.name} and the result files disagree; run: python -m benchmarks.figures")
    if not check:
        page.path.write_text(written)


if __name__ == "__main__":
    main()
