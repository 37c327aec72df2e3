"""Writes the figures of README.md from the result files and the shipped detector, or checks that they agree.

A figure stands between `<!-- figures:NAME -->` and `<!-- /figures:NAME -->`; what was typed there by hand is lost.

    python -m benchmarks.figures            writes them
    python -m benchmarks.figures --check    fails where README.md says anything else
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.readme import BLOCKS, TRIVIAL_AUC
from benchmarks.record import ROOT
from benchmarks.sources import FiguresError, Sources

__all__ = ["BLOCKS", "TRIVIAL_AUC", "FiguresError", "Sources", "main", "rewrite"]


def rewrite(text: str, sources: Sources) -> str:
    """Put every figure in its place.

    Parameters
    ----------
    text : str
        README.md.
    sources : Sources
        Where the figures come from.

    Raises
    ------
    FiguresError
        A source is missing or out of date; the text lacks a place or has one that nothing fills.
    """
    places = re.findall(r"<!-- figures:(\w+) -->", text)
    if sorted(places) != sorted(BLOCKS):
        raise FiguresError(f"README.md has places for {', '.join(places) or 'no figures'}, not for {', '.join(BLOCKS)}")
    for name, block in BLOCKS.items():
        start, end = f"<!-- figures:{name} -->", f"<!-- /figures:{name} -->"
        if end not in text.partition(start)[2]:
            raise FiguresError(f"README.md lacks {end} after {start}")
        before, _, rest = text.partition(start)
        text = f"{before}{start}\n\n{block(sources)}\n\n{end}{rest.partition(end)[2]}"
    return text


def main(
    arguments: Sequence[str] | None = None, *, readme: Path = ROOT / "README.md", sources: Sources | None = None
) -> None:
    """Write or check the figures; ends with a message and status 1 where that fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where README.md says anything else")
    options = parser.parse_args(arguments)
    text = readme.read_text()
    try:
        written = rewrite(text, sources or Sources())
        if options.check and written != text:
            raise FiguresError("README.md and the result files disagree; run: python -m benchmarks.figures")
    except FiguresError as error:
        sys.exit(f"error: {error}")
    if not options.check:
        readme.write_text(written)


if __name__ == "__main__":
    main()
