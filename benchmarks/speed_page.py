"""The figures of docs/speed.md, a function each: what the fast path costs beside decoding, and where it goes."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from benchmarks.markdown import limit, paragraph, source, spread, table
from benchmarks.sources import Sources

__all__ = ["BLOCKS"]

Row = tuple[str, ...]

_SETS: Final = {"enlarged": "crops enlarged to it", "in_photographs": "photographs that crops were set into"}
_STAGES: Final = 12  # that are listed one by one


def _limits(sources: Sources) -> str:
    rows = [*_large(sources), *_parallel(sources), *_start(sources)]
    return "\n\n".join(
        [
            table(("what", "measured", "limit", "command"), rows),
            paragraph(f"Medians, with the least and the greatest, on {sources.machine('parallel')}."),
        ]
    )


def _large(sources: Sources) -> Iterator[Row]:
    figures = sources.of_these_features("speed_large", lambda figures: str(figures["model"]["feature_set"]))
    for name, title in _SETS.items():
        judged = figures["ratios"][f"path_to_imread_{name}"]
        what = f"one core, {figures['side']:,} px, read to verdict: {title}"
        yield what, f"{spread(judged, 1)} x imread", limit(judged), _command("speed_large", sources)


def _parallel(sources: Sources) -> Iterator[Row]:
    figures = sources.result("parallel")
    titles = {"with_start": "start-up included", "start_aside": "start-up aside"}
    for name, title in titles.items():
        judged = figures["ratios"][name]
        what = f"throughput of two processes, as a share of two runs side by side, {title}"
        yield what, spread(judged, 2), limit(judged), _command("parallel", sources)


def _start(sources: Sources) -> Iterator[Row]:
    judged = sources.result("startup")["limits"]["verdict"]
    yield "first verdict after the command, seconds", spread(judged, 2), limit(judged), _command("startup", sources)


def _command(name: str, sources: Sources) -> str:
    return f"`{sources.command(name)}`"


def _frontier(sources: Sources) -> str:
    figures = sources.of_these_features("frontier", lambda figures: str(figures["feature_set"]))
    imread = figures["imread_microseconds"]["median"]
    return "\n\n".join(
        [
            paragraph(
                "Blocks are left out in the order of the AUC that an ablation lost without each, for every",
                f"microsecond. The path is timed beside a bare `cv2.imread` ({imread:.0f} µs), all steps in turns on",
                f"one core; AUC is that of small boosters, {figures['seeds']} seeds a step, on groups of the training",
                f"part, where the draw alone moves it by {figures['noise']:.4f} (one standard deviation).",
            ),
            table(
                ("without", "values", "µs", "x imread", "AUC", "AUC lost"),
                [_step(step) for step in figures["steps"]],
            ),
            paragraph(
                "Each row also leaves out what those above it do. The fastest that loses at most",
                f"{figures['most_lost']:g} is {_left_out(figures['best'])}.",
            ),
            source(sources.command("frontier"), "../benchmarks/results/frontier.json"),
        ]
    )


def _step(step: Mapping[str, Any]) -> Row:
    """Write a step: the block that it leaves out beside those of the row above."""
    *others, last = step["left_out"] or [""]
    return (
        f"{'and ' if others else ''}`{last}`" if last else "nothing",
        f"{step['values']:,}",
        f"{step['microseconds']['median']:,.0f}",
        spread(step["path_to_imread"], 1),
        f"{step['auc']:.4f}",
        f"{step['auc_lost']:+.4f}",
    )


def _left_out(names: list[str]) -> str:
    return f"the one without {', '.join(f'`{name}`' for name in names)}" if names else "the whole"


def _profile(sources: Sources) -> str:
    figures = sources.of_these_features("speed", lambda figures: str(figures["model"]["feature_set"]))
    stages = sorted(figures["stages"].items(), key=lambda stage: -stage[1])
    whole = sum(figures["stages"].values())
    rows = [(name, f"{time:.0f}", f"{time / whole:.0%}") for name, time in stages[:_STAGES]]
    rest = sum(time for _, time in stages[_STAGES:])
    return "\n\n".join(
        [
            table(
                ("stage", "µs", "share"),
                [*rows, (f"{len(stages) - _STAGES} more", f"{rest:.0f}", f"{rest / whole:.0%}")],
            ),
            paragraph(
                "Each stage is timed by itself, image by image; in a run of `score` the trees take many rows at once,",
                "and the whole path takes less than the sum.",
            ),
            source("python -m benchmarks.speed", "../benchmarks/results/speed.json"),
        ]
    )


BLOCKS: Final[Mapping[str, Callable[[Sources], str]]] = {
    "limits": _limits,
    "frontier": _frontier,
    "profile": _profile,
}
"""What writes these figures."""
