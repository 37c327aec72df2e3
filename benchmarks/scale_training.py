"""Training on a made-up store that is larger than memory: the peak of the process beside what the store would take.

The store is filled first, by another process than that which trains; few trees are fitted, as memory does not grow with
their number. Bins are one byte a value: what LightGBM keeps of the training rows at least.

    python -m benchmarks.scale_training -o benchmarks/results/scale_training.json
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any, Final

from benchmarks.record import ROOT, judge, make_parser, scratch, write
from benchmarks.synthetic import narrow
from pipelines.training_plan import Plan

__all__ = ["MOST_MEGABYTES", "main", "measure"]

MOST_MEGABYTES: Final = 6000
"""The most memory of the training process, in megabytes (10**6 bytes)."""

_SHARD: Final = 20_000
_FLOAT: Final = 4  # bytes
_FILL: Final = """
import sys
from benchmarks.synthetic import fill
fill(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), shard=int(sys.argv[4]))
"""
_TRAIN: Final = """
import json, os, sys
from benchmarks.cluster import megabytes
from models.booster import BoosterParams
from pipelines.train import train
manifest = train(sys.argv[1], sys.argv[2], params=BoosterParams(max_trees=int(sys.argv[3])), resamples=10)
print(json.dumps({"memory": megabytes(os.getpid()), "training": manifest["training"], "metrics": manifest["metrics"]}))
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result; the exit status is 1 where training takes more memory than it may."""
    parser = make_parser(__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="default: 10000000")
    parser.add_argument("--columns", type=int, default=300, help="at least; whole blocks are taken (default: 300)")
    parser.add_argument("--trees", type=int, default=20, help="default: 20")
    options = parser.parse_args(arguments)
    figures = measure(options.rows, options.columns, options.trees)
    write(options.output, "scale_training", arguments, figures)
    if not figures["megabytes"]["holds"]:
        sys.exit("training took more memory than it may")


def measure(rows: int, columns: int, trees: int) -> dict[str, Any]:
    """Fill a store, train on it in a process of its own; JSON values, times in seconds, memory in megabytes.

    Parameters
    ----------
    rows : int
        Images; 80 per cent of their groups are trained on.
    columns : int
        Features at least.
    trees : int
        The most trees.
    """
    with scratch() as folder:
        store, bundle = str(folder / "store"), str(folder / "bundle")
        _, filling = _run(_FILL, store, str(rows), str(columns), str(_SHARD))
        size = sum(path.stat().st_size for path in Path(store).rglob("*.parquet"))
        said, training = _run(_TRAIN, store, bundle, str(trees))
    found, width = json.loads(said.splitlines()[-1]), len(narrow(columns).names)
    trained = sum(found["training"]["rows"]["train"].values())
    return {
        "rows": rows,
        "columns": width,
        "rows_trained": trained,
        "bytes": size,
        "seconds_to_fill": filling,
        "seconds_to_train": training,
        "trees": trees,
        "megabytes": judge([found["memory"]["peak"]], at_most=MOST_MEGABYTES),
        "estimates": {
            "megabytes_of_all_values": rows * width * _FLOAT / 1e6,
            "megabytes_of_bins": trained * width / 1e6,
            "megabytes_of_training": Plan(rows, width, MOST_MEGABYTES * 1e6).stored / 1e6,
        },
        "training": found["training"],
        "auc": found["metrics"]["test"]["auc"]["value"],
    }


def _run(script: str, *arguments: str) -> tuple[str, float]:
    """Run a script in a process of its own: what it prints, and its seconds."""
    started = monotonic()
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout, monotonic() - started


if __name__ == "__main__":
    main()
