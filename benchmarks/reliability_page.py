"""Writes docs/reliability.md from result files of `benchmarks.reliability`: what was tried, how often, what came."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.record import make_parser

__all__ = ["main", "page"]

_HEAD: Final = """# What was tried to break it

Each row is a check of `benchmarks/reliability.py`, run by its command; the outcomes are counted, none is assumed.
Written by `python -m benchmarks.reliability_page`; do not edit.

| what | part | trials | what happened | command |
|---|---|---|---|---|
"""

_OWN: Final = ("tried", "asked", "part")


def page(records: Sequence[Mapping[str, Any]]) -> str:
    """Write the page: one row a check.

    Parameters
    ----------
    records : sequence of mapping
        Result files of `benchmarks.reliability`.
    """
    return _HEAD + "\n".join(row for record in records for row in _rows(record)) + "\n"


def _rows(record: Mapping[str, Any]) -> Iterator[str]:
    for name, check in record["figures"]["checks"].items():
        outcomes = ", ".join(f"{key} {value:,}" for key, value in check.items() if key not in _OWN)
        options = [check["part"], "--only", name, "--tries", str(check["asked"]), "-o", "FILE"]
        command = shlex.join(["python", "-m", "benchmarks.reliability", *options])
        yield f"| {name} | {check['part']} | {check['tried']:,} | {outcomes} | `{command}` |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page from the result files that are named."""
    parser = make_parser(__doc__)
    parser.add_argument("results", nargs="+", type=Path, help="result files of benchmarks.reliability")
    options = parser.parse_args(arguments)
    options.output.write_text(page([json.loads(path.read_text()) for path in options.results]))


if __name__ == "__main__":
    main()
