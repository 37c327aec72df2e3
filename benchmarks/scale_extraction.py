"""Extraction on two Dask workers: its throughput beside other ways to use two cores, and with workers killed."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

import numpy as np

from benchmarks.cluster import Machine, start
from benchmarks.kill_resume import compare
from benchmarks.record import ROOT, judge, scratch, spread, unpack
from features.store import FeatureStore
from pipelines.compact import compact

__all__ = ["DEAREST", "LEAST", "extraction", "kills"]

LEAST: Final = 0.9
"""Of the throughput of independent runs, what a cluster reaches at least."""

DEAREST: Final = 1.1
"""Times the seconds of the local engine, what a cluster takes at most."""

_WORKERS: Final = 2
_ATTEMPTS: Final = 3  # runs a kill, as some have ended before their moment
_SHARES: Final = (0.1, 0.9)  # of the time of an uninterrupted run, between which a worker is killed


def extraction(sources: Sequence[str], size: int, rounds: int) -> dict[str, Any]:
    """Measure the same images in three ways in turn; JSON values, times in seconds, the start of commands included.

    `independent` are two local runs of one process side by side, each of half of the images; `local` is one run of two
    processes; `dask` one run on two workers of one thread, started before.

    Parameters
    ----------
    sources : sequence of str
        Data sets.
    size : int
        How many images.
    rounds : int
        How often.
    """
    with scratch() as folder, start(_made(folder / "cluster")) as machine:
        paths = unpack(sources, size, folder / "all")
        halves = [_link(paths[turn::_WORKERS], folder / f"half{turn}") for turn in range(_WORKERS)]
        ways: dict[str, Callable[[Path], list[list[str]]]] = {
            "independent": lambda to: [_extract(half, _part(to, half), "--jobs", "1") for half in halves],
            "local": lambda to: [_extract(folder / "all", to, "--jobs", str(_WORKERS))],
            "dask": lambda to: [_extract(folder / "all", to, *_on(machine))],
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(rounds):
            for way in [*ways][turn % len(ways) :] + [*ways][: turn % len(ways)]:
                seconds[way].append(_time(ways[way](folder / f"{way}{turn}")))
        stores = {way: folder / f"{way}{rounds - 1}" for way in ways}
        verdicts = compare(stores["local"], stores["dask"])
        verdicts["independent"] = _same_rows(stores["local"], [_part(stores["independent"], half) for half in halves])
        image_bytes = sum(Path(path).stat().st_size for path in paths)
        figures = {"bytes_an_image": image_bytes / len(paths), **_kept(stores["local"])}
    return {
        "images": len(paths),
        "workers": _WORKERS,
        "seconds": {way: spread(values) for way, values in seconds.items()},
        "images_per_second": {way: spread([len(paths) / value for value in seconds[way]]) for way in ways},
        "throughput_of_dask_to_independent": judge(_ratios(seconds, "independent", "dask"), at_least=LEAST),
        "seconds_of_dask_to_local": judge(_ratios(seconds, "dask", "local"), at_most=DEAREST),
        **figures,
        **verdicts,
        "same": all(verdicts.values()),
    }


def _ratios(seconds: dict[str, list[float]], above: str, below: str) -> list[float]:
    return [high / low for high, low in zip(seconds[above], seconds[below], strict=True)]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _link(paths: Sequence[str], folder: Path) -> Path:
    """Give some images a second name below a folder, with their labels."""
    for path in map(Path, paths):
        to = folder / path.parent.name / path.name
        to.parent.mkdir(parents=True, exist_ok=True)
        to.hardlink_to(path)
    return folder


def _part(to: Path, half: Path) -> Path:
    return to.with_name(f"{to.name}_{half.name}")


def _on(machine: Machine) -> list[str]:
    return ["--engine", "dask", "--scheduler", machine.address]


def _extract(images: Path, store: Path, *options: str) -> list[str]:
    to = ["--out", str(store), "--quiet", "-o", os.devnull]
    return [sys.executable, "cli.py", "extract", str(images), *to, *options]


def _time(commands: Sequence[Sequence[str]]) -> float:
    """Run commands side by side; seconds until the last has ended."""
    started = monotonic()
    running = [subprocess.Popen(command, cwd=ROOT) for command in commands]
    for process in running:
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, process.args)
    return monotonic() - started


def _same_rows(whole: Path, parts: Sequence[Path]) -> bool:
    """Compare a store with several that have its rows together, bit for bit."""
    one = FeatureStore(whole).load()
    some = [FeatureStore(part).load() for part in parts]
    keys = np.concatenate([part.sha256 for part in some])
    values = np.concatenate([part.values for part in some])
    keys, first = np.unique(keys, return_index=True)
    return keys.tolist() == one.sha256 and values[first].tobytes() == one.values.tobytes()


def _kept(store: Path) -> dict[str, Any]:
    """Say what a store takes on the disk, before and after it is compacted."""
    before = _bytes(store)
    summary = compact(str(store))
    features = FeatureStore(store).feature_set
    return {
        "columns": len(features.names),
        "feature_set": features.digest,
        "bytes_a_row": before / summary.rows,
        "bytes_a_row_compacted": _bytes(store) / summary.rows,
    }


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def kills(sources: Sequence[str], size: int, rounds: int, seed: int) -> dict[str, Any]:
    """Extract once in peace, then again and again with a worker killed at a random moment; JSON values.

    Parameters
    ----------
    sources : sequence of str
        Data sets.
    size : int
        How many images.
    rounds : int
        How many kills, each in a run and a store of its own.
    seed : int
        Of the moments.
    """
    moments = random.Random(seed)
    with scratch() as folder, start(_made(folder / "cluster")) as machine:
        count, whole = len(unpack(sources, size, folder / "all")), folder / "whole"
        seconds = _time([_extract(folder / "all", whole, *_on(machine))])
        history: list[dict[str, Any]] = []
        for attempt in range(_ATTEMPTS * rounds):
            store, after = folder / f"killed{attempt}", seconds * moments.uniform(*_SHARES)
            kill = _kill_one(machine, folder / "all", store, after, moments)
            if kill.pop("alive"):
                history.append(kill | compare(whole, store))
            if len(history) == rounds:
                break
    same = all(all(kill[name] for name in ("ended", "rows", "values", "manifest", "once")) for kill in history)
    return {
        "images": count,
        "uninterrupted_seconds": seconds,
        "kills": len(history),
        "history": history,
        "same": same and len(history) == rounds,
    }


def _kill_one(machine: Machine, images: Path, store: Path, after: float, moments: random.Random) -> dict[str, Any]:
    """Run `extract`, kill one worker meanwhile, let the run end; its nanny starts the worker again."""
    machine.wait(_WORKERS)
    victim = moments.choice(sorted(machine.workers()))
    with subprocess.Popen(_extract(images, store, *_on(machine)), cwd=ROOT) as process:
        sleep(after)
        alive, kept = process.poll() is None, _rows(store)
        os.kill(victim, signal.SIGKILL)
        ended = process.wait() == 0
    return {"after": after, "rows_then": kept, "alive": alive, "ended": ended}


def _rows(store: Path) -> int:
    return sum(len(shard.keys) for shard in FeatureStore(store).shards())
