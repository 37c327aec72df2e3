"""What is left of a feature store when `extract` is killed at random moments: after one more run, the same rows.

`extract` and its workers get SIGKILL, all at once, again and again on one store; then it runs once to its end. That
store is compared with one that was never interrupted: rows, values bit for bit, manifest, no row twice in any file.

    python -m benchmarks.kill_resume -o benchmarks/results/kill_resume.json
"""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from benchmarks.record import DATA, ROOT, make_parser, scratch, unpack, write
from features.store import FeatureStore

__all__ = ["compare", "finish", "kill", "main", "measure"]

_SHARES = (0.05, 0.25)  # of the time of an uninterrupted run, between which a run is killed


def main(arguments: Sequence[str] | None = None) -> None:
    """Kill, compare, and write the result; the exit status is 1 where the stores differ."""
    parser = make_parser(__doc__)
    parser.add_argument("--data", nargs="+", default=[DATA], help=f"data sets (default: {DATA})")
    parser.add_argument("--images", type=int, default=20000, help="default: 20000")
    parser.add_argument("--kills", type=int, default=20, help="default: 20")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    options = parser.parse_args(arguments)
    figures = measure(options.data, images=options.images, kills=options.kills, seed=options.seed)
    write(options.output, "kill_resume", arguments, figures)
    if not figures["same"]:
        sys.exit("the stores differ")


def measure(sources: Sequence[str], *, images: int, kills: int, seed: int) -> dict[str, Any]:
    """Kill `extract` that many times while it lives, let it finish, compare; JSON values, times in seconds.

    Parameters
    ----------
    sources : sequence of str
        Data sets.
    images : int
        How many of them to measure.
    kills : int
        How often to kill.
    seed : int
        Of the moments.
    """
    moments = random.Random(seed)
    with scratch() as folder:
        count = len(unpack(sources, images, folder / "images"))
        whole, killed = folder / "whole", folder / "killed"
        started = monotonic()
        finish(folder / "images", whole)
        seconds = monotonic() - started
        history: list[dict[str, float]] = []
        while len(history) < kills:
            after = seconds * moments.uniform(*_SHARES)
            if kill(folder / "images", killed, after):
                history.append({"after": after, "rows_kept": _rows_kept(killed)})
        finish(folder / "images", killed)
        verdicts = compare(whole, killed)
    return {
        "images": count,
        "uninterrupted_seconds": seconds,
        "kills": len(history),
        "kills_with_rows_missing": sum(kill["rows_kept"] < count for kill in history),
        "history": history,
        **verdicts,
        "same": all(verdicts.values()),
    }


def _command(images: Path, store: Path) -> list[str]:
    return [sys.executable, "cli.py", "extract", str(images), "--out", str(store), "--quiet", "-o", os.devnull]


def finish(images: Path, store: Path) -> None:
    """Extract to the end."""
    subprocess.run(_command(images, store), cwd=ROOT, check=True)


def kill(images: Path, store: Path, after: float) -> bool:
    """Start `extract` in a process group of its own and kill the group; whether it was still alive then."""
    process = subprocess.Popen(_command(images, store), cwd=ROOT, start_new_session=True)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def _rows_kept(store: Path) -> int:
    return len({key for shard in FeatureStore(store).shards() for key in shard.keys})


def compare(one: Path, other: Path) -> dict[str, bool]:
    """Compare two stores of the same images.

    Returns
    -------
    dict
        Whether `rows` (keys and names), `values` (bit for bit) and `manifest` agree, and whether each store holds
        every row `once`, whatever Parquet file one reads it from.
    """
    stores = FeatureStore(one), FeatureStore(other)
    a, b = (store.load() for store in stores)
    rows = (a.sha256, a.variant, a.names) == (b.sha256, b.variant, b.names)
    return {
        "rows": rows,
        "values": rows and bool(np.array_equal(a.values.view(np.uint32), b.values.view(np.uint32))),
        "manifest": stores[0].manifest().equals(stores[1].manifest()),
        "once": all(
            sum(len(shard.keys) for shard in store.shards()) == len(found.sha256)
            for store, found in zip(stores, (a, b), strict=True)
        ),
    }


if __name__ == "__main__":
    main()
