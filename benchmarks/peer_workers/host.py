"""The process in which a peer is timed: it needs nothing but Python, and whatever the peer's worker imports.

    PYTHON host.py WORKER.py PACKAGE [ARGUMENT ...]

The worker's `make` takes the arguments and gives two steps: one reads a file, the other measures what the first gave
and returns how fake that is, or None where it does not say. A line of JSON comes back once the worker is open. From
then on each line of standard input is a list of paths, and the answer a line with a record for each.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

__all__ = ["Steps", "main", "timed"]

Steps = tuple[Callable[[str], Any], Callable[[Any], float | None]]


def main(arguments: Sequence[str]) -> None:
    """Open a worker, and answer until standard input closes."""
    worker, package, *rest = arguments
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a package prints must not stand among the answers
    sys.path.insert(0, str(Path(worker).parent))
    steps: Steps = import_module(Path(worker).stem).make(*rest)
    print(json.dumps({"version": version(package) if package else None}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps([timed(steps, path) for path in json.loads(line)]), file=answers, flush=True)


def timed(steps: Steps, path: str) -> dict[str, Any]:
    """Take one image through both steps.

    Returns
    -------
    dict
        `seconds` from the file to the result, `measuring`, those of the second step, and `score`; or `error`.
    """
    read, measure = steps
    started = perf_counter()
    try:
        found = read(path)
        opened = perf_counter()
        score = measure(found)
    except Exception as error:  # of a package that can raise anything
        return {"error": f"{type(error).__name__}: {error}"}
    ended = perf_counter()
    return {"seconds": ended - started, "measuring": ended - opened, "score": None if score is None else float(score)}


if __name__ == "__main__":
    main(sys.argv[1:])
