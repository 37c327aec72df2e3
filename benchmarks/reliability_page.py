"""The figures of docs/reliability.md, a function each: what was tried to break it, how often, and what came of it."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from benchmarks.markdown import paragraph, source, table
from benchmarks.reliability import PARTS
from benchmarks.sources import Sources

__all__ = ["BLOCKS", "FAULTS"]

FAULTS: Final = frozenset(
    {
        "commands failed",
        "could not be mounted",
        "decoded slower than 10 s",
        "defects",
        "differs",
        "failed",
        "failures",
        "hung",
        "left_behind",
        "lost",
        "lost or differs",
        "lost or wrong",
        "neighbours changed",
        "silently wrong",
        "workers_that_died",
    }
)
"""Outcomes of a check that must not be."""

_OWN: Final = ("tried", "asked", "part")


def _tried(sources: Sources) -> str:
    checks = {name: check for part in PARTS for name, check in sources.result(f"reliability/{part}")["checks"].items()}
    trials, faults = sum(check["tried"] for check in checks.values()), sum(map(_faults, checks.values()))
    return "\n\n".join(
        [
            paragraph(
                f"{trials:,} trials, {faults:,} faults: a batch that crashed, a neighbour that changed, a wait over",
                "10 seconds, an input without a row, a store or detector that was lost or silently wrong.",
            ),
            table(
                ("what is done", "trials", "faults", "what happened", "command"),
                [_row(name, check) for name, check in checks.items()],
            ),
        ]
    )


def _faults(check: Mapping[str, Any]) -> int:
    return sum(check.get(name, 0) for name in FAULTS)


def _row(name: str, check: Mapping[str, Any]) -> tuple[str, ...]:
    options = [check["part"], "--only", name, "--tries", str(check["asked"]), "-o", "FILE"]
    command = shlex.join(["python", "-m", "benchmarks.reliability", *options])
    return name, f"{check['tried']:,}", f"{_faults(check):,}", ", ".join(_outcomes(check)), f"`{command}`"


def _outcomes(check: Mapping[str, Any]) -> Iterator[str]:
    """Write what came of the trials, faults only where there are some."""
    for name, count in check.items():
        if name not in _OWN and (count or name not in FAULTS):
            yield f"{'status ' if name.isdigit() else ''}{name.replace('_', ' ')}: {count:,}"


def _fuzzed(sources: Sources) -> str:
    targets = sources.result("fuzz")["targets"]
    rows = [
        (
            f"`{name}`",
            f"{found['executions']:,}",
            f"{found['crashes']:,}",
            f"{found['coverage_of_seeds']:,} to {found['coverage']:,}",
            f"{found['seconds']:,.0f}",
        )
        for name, found in targets.items()
    ]
    executions, crashes = (sum(found[name] for found in targets.values()) for name in ("executions", "crashes"))
    return "\n\n".join(
        [
            f"{executions:,} executions, {crashes:,} crashes.",
            table(("what is read", "executions", "crashes", "branches reached, from the seeds on", "seconds"), rows),
            _made("fuzz", sources),
        ]
    )


def _same(sources: Sources) -> str:
    figures = sources.of_this_detector("instruction_sets", lambda figures: str(figures["model"]))
    rows = [
        (
            name,
            f"{level['same_bits']:.2%}",
            f"{level['within']:.2%}",
            f"{level['q99']:.5f}",
            f"{level['largest']:.4f}",
            f"{level['verdicts']:,}",
        )
        for name, level in figures["levels"].items()
    ]
    head = ("instructions left", "same bits", f"within {figures['tolerance']:g}", "99th per cent", "most", "verdicts")
    return "\n\n".join(
        [
            paragraph(
                f"`fast` on {figures['images']:,} test faces, beside the same processor with all that it can do: how",
                "far probabilities move, and how many verdicts differ. `again` is that once more.",
            ),
            table(head, rows),
            _made("instruction_sets", sources),
        ]
    )


def _memory(sources: Sources) -> str:
    figures = sources.result("memory")
    rows = [
        (f"{jobs} process{'es' if int(jobs) > 1 else ''}, {role}", *(f"{sizes[when]:.0f}" for when in _WHEN))
        for jobs, run in figures["jobs"].items()
        for role, sizes in run["megabytes"].items()
    ]
    kept = all(judged["holds"] for judged in figures["growth"].values())
    return "\n\n".join(
        [
            paragraph(
                f"`score` on {figures['images']:,} images, resident memory in MB;",
                "every image has one row."
                if figures["every_image"] and figures["one_row_each"]
                else "ROWS ARE MISSING.",
                "It stays as it is." if kept else "IT GROWS.",
            ),
            table(("", "early", "late", "most"), rows),
            _made("memory", sources),
        ]
    )


_WHEN: Final = ("early", "late", "most")


def _made(name: str, sources: Sources) -> str:
    return source(sources.command(name), f"../benchmarks/results/{name}.json")


BLOCKS: Final[Mapping[str, Callable[[Sources], str]]] = {
    "tried": _tried,
    "fuzzed": _fuzzed,
    "same": _same,
    "memory": _memory,
}
"""What writes these figures."""
