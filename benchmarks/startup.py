"""How long the command line takes to answer: `--help` over a bare `python -c pass`, one verdict from a cold start.

Every run is a process of its own, one after the other in turns; files are in the system's cache, byte code is written.

    python -m benchmarks.startup -o benchmarks/results/startup.json
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import cv2

from benchmarks.record import ROOT, judge, make_parser, scratch, spread, write
from models.bundle import resolve
from pipelines.doctor import specimen

__all__ = ["HELP_OVER_PYTHON", "VERDICT", "main", "measure"]

HELP_OVER_PYTHON: Final = 0.3
"""Seconds that `--help` may take longer than a bare interpreter."""

VERDICT: Final = 0.5
"""Seconds that the verdict on one image may take from a cold start."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result."""
    parser = make_parser(__doc__)
    parser.add_argument("--model", default="fast", help="a detector that ships, or the path of a bundle")
    parser.add_argument("--runs", type=int, default=10, help="of each command (default: 10)")
    options = parser.parse_args(arguments)
    write(options.output, "startup", arguments, measure(options.model, runs=options.runs))


def measure(model: str, *, runs: int) -> dict[str, Any]:
    """Time each command `runs` times, after one run that does not count; JSON values, times in seconds.

    Parameters
    ----------
    model : str
        A detector that ships, or the path of a bundle.
    runs : int
        How often each command runs.
    """
    with scratch() as folder:
        image = folder / "image.jpg"
        cv2.imwrite(str(image), specimen()[..., ::-1])
        commands = _commands(resolve(model).absolute(), image)
        turns = [{name: _seconds(command) for name, command in commands.items()} for _ in range(runs + 1)][1:]
    seconds = {name: [turn[name] for turn in turns] for name in commands}
    over = [turn["help"] - turn["python"] for turn in turns]
    return {
        "runs": runs,
        "seconds": {"python": spread(seconds["python"]), "help": spread(seconds["help"])},
        "limits": {
            "help_over_python": judge(over, at_most=HELP_OVER_PYTHON),
            "verdict": judge(seconds["verdict"], at_most=VERDICT),
        },
    }


def _commands(model: Path, image: Path) -> dict[str, list[str]]:
    return {
        "python": ["-c", "pass"],
        "help": ["cli.py", "--help"],
        "verdict": ["cli.py", "score", str(image), "--model", str(model), "--quiet"],
    }


def _seconds(command: Sequence[str]) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = perf_counter()
    subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - started


if __name__ == "__main__":
    main()
