"""Pieces of Markdown that the figures of README.md are made of."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = ["interval", "limit", "paragraph", "source", "spread", "table"]

_WIDTH: Final = 120


def paragraph(*parts: str) -> str:
    """Join parts by spaces and wrap them."""
    return textwrap.fill(" ".join(parts), _WIDTH, break_long_words=False, break_on_hyphens=False)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def source(command: str, file: str) -> str:
    """Name a result file and the command that made it."""
    return f"(`{command}`, [{file}]({file}))"


def interval(figure: Mapping[str, float], digits: int = 3) -> str:
    """Write the interval of a figure."""
    return f"{figure['low']:.{digits}f} to {figure['high']:.{digits}f}"


def spread(values: Mapping[str, float], digits: int) -> str:
    """Write a median, with the least and the greatest."""
    median, least, most = (f"{values[name]:,.{digits}f}" for name in ("median", "min", "max"))
    return f"{median} ({least} to {most})"


def limit(judged: Mapping[str, Any]) -> str:
    """Write the limit of a figure, and whether it was missed; nothing where it has none."""
    if "holds" not in judged:
        return ""
    kind = "at most" if "at_most" in judged else "at least"
    return f"{kind} {judged[kind.replace(' ', '_')]:g}{'' if judged['holds'] else ', **missed**'}"
