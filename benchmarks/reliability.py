"""Tries what should not break, many times, and counts what happened.

A check takes how often to try and gives a JSON record: `tried`, and how many of the trials came to each outcome. Those
of a part stand in its CHECKS, by name, with how often they are tried unless told.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from benchmarks import reliability_images, reliability_server, reliability_stores
from benchmarks.record import make_parser, write

__all__ = ["PARTS", "Check", "main"]

Check = tuple[Callable[[int], dict[str, Any]], int]
"""What is tried, and how often unless told."""

PARTS: Final[Mapping[str, Mapping[str, Check]]] = {
    "images": reliability_images.CHECKS,
    "stores": reliability_stores.CHECKS,
    "server": reliability_server.CHECKS,
}
"""The checks, by part and by name."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the checks of a part, or some of them, and write the result file after each."""
    options = _options(arguments)
    figures = {}
    for name, (check, usual) in PARTS[options.part].items():
        if not options.only or name in options.only:
            tries = options.tries or usual
            figures[name] = {**check(tries), "asked": tries, "part": options.part}
            write(options.output, "reliability", arguments, {"checks": figures})


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("part", choices=list(PARTS), help="which checks to run")
    parser.add_argument("--only", action="append", metavar="NAME", help="run only the check of that name; repeats")
    parser.add_argument("--tries", type=int, metavar="N", help="try each so often, instead of as often as is usual")
    options = parser.parse_args(arguments)
    for name in options.only or ():
        if name not in PARTS[options.part]:
            parser.error(f"{name!r} is no check of {options.part}; known: {', '.join(PARTS[options.part])}")
    return options


if __name__ == "__main__":
    main()
