"""What measuring whole data sets takes: time, rate, the most memory of parent and workers; then a second run.

Memory is the peak of the resident set (VmHWM), read from /proc for every process of the tree while it runs (Linux).

    python -m benchmarks.extract_all --data ONE.zip TWO.zip --out CACHE -o benchmarks/results/extract_all.json
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.processes import PERIOD, Process, look
from benchmarks.record import DATA, ROOT, judge, make_parser, scratch, write
from features.store import FeatureStore

__all__ = ["MOST_MEGABYTES", "main", "measure"]

MOST_MEGABYTES: Final = 500
"""The most memory of a worker, in megabytes (10**6 bytes)."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result."""
    parser = make_parser(__doc__)
    parser.add_argument("--data", nargs="+", default=[DATA], help=f"data sets (default: {DATA})")
    parser.add_argument("--out", type=Path, metavar="CACHE", help="a new store, kept (default: a temporary one)")
    parser.add_argument("--variant", action="append", default=[], metavar="NAME", help="as `extract` takes it")
    options = parser.parse_args(arguments)
    with scratch() as folder:
        out = options.out or folder / "cache"
        if out.exists():
            parser.error(f"{out} exists; the first run has to start from nothing")
        figures = measure(options.data, out, variants=options.variant)
    write(options.output, "extract_all", arguments, figures)


def measure(sources: Sequence[str], out: Path, *, variants: Sequence[str] = ()) -> dict[str, Any]:
    """Run `extract` twice on the data sets; JSON values, times in seconds, memory in megabytes.

    Parameters
    ----------
    sources : sequence of str
        Data sets.
    out : Path
        The store to make.
    variants : sequence of str
        What to measure of the training images beside themselves.
    """
    places = [str(Path(source).resolve()) for source in sources]
    chosen = [word for name in variants for word in ("--variant", name)]
    command = [sys.executable, "cli.py", "extract", *places, "--out", str(out.resolve()), *chosen, "--quiet"]
    with scratch() as folder:
        first, processes, seconds = _extract(command, folder / "first.json")
        second, _, again = _extract(command, folder / "second.json")
    rows = sum(len(shard.keys) for shard in FeatureStore(out).shards())
    peaks = {
        role: sorted(process.memory / 1e6 for process in processes if process.role == role)
        for role in ("parent", "worker", "helper")
    }
    return {
        "summary": {name: first[name] for name in ("total", "done", "cached", "failed", "profile", "digest")},
        "seconds": seconds,
        "rows": rows,
        "rows_per_second": rows / seconds,
        "megabytes": peaks,
        "megabytes_of_a_worker": judge([max(peaks["worker"] or peaks["parent"])], at_most=MOST_MEGABYTES),
        "second_run": {"seconds": again, "done": second["done"], "cached": second["cached"]},
    }


def _extract(command: Sequence[str], summary: Path) -> tuple[dict[str, Any], list[Process], float]:
    """Run `extract` and watch its processes: its summary, them, and the seconds it took."""
    started, seen = time.monotonic(), dict[int, Process]()
    with subprocess.Popen([*command, "-o", str(summary)], cwd=ROOT) as process:
        while process.poll() is None:
            seen |= {one.pid: one for one in look(process.pid, "VmHWM")}  # its greatest, so the last look tells all
            time.sleep(PERIOD)
    seconds = time.monotonic() - started
    if process.returncode not in (0, 3):  # 3: some images failed, and the summary counts them
        raise subprocess.CalledProcessError(process.returncode, command)
    return json.loads(summary.read_text()), list(seen.values()), seconds


if __name__ == "__main__":
    main()
