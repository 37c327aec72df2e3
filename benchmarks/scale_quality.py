"""The same store trained on by this machine alone and by two Dask workers: the AUC of both, and their difference."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, Final

from benchmarks.cluster import start
from benchmarks.record import ROOT, judge, scratch

__all__ = ["MOST_APART", "quality"]

MOST_APART: Final = 0.005
"""How far the AUC of both may lie apart."""


def quality(sources: Sequence[str]) -> dict[str, Any]:
    """Extract data sets once, train in both ways, and take from both bundles what they found on the test groups."""
    with scratch() as folder:
        _run("extract", *sources, "--out", str(folder / "store"))
        (folder / "cluster").mkdir()
        with start(folder / "cluster") as machine:
            ways = {"local": [], "dask": ["--engine", "dask", "--scheduler", machine.address]}
            found = {way: _train(folder / "store", folder / way, *options) for way, options in ways.items()}
    aucs = {way: figures["auc"] for way, figures in found.items()}
    apart = judge([abs(aucs["local"]["value"] - aucs["dask"]["value"])], at_most=MOST_APART)
    return {"workers": 2, "trained": found, "apart": apart, "within": apart["holds"]}


def _train(store: Path, bundle: Path, *options: str) -> Mapping[str, Any]:
    started = monotonic()
    _run("train", str(store), "--out", str(bundle), *options)
    seconds, manifest = monotonic() - started, json.loads((bundle / "manifest.json").read_text())
    training = manifest["training"]
    return {
        "rows": training["rows"],
        "auc": manifest["metrics"]["test_balanced"]["auc"],
        "validation_auc": training["validation_auc"],
        "trees": training["best_iteration"],
        "engine": training.get("engine"),
        "seconds": seconds,
    }


def _run(*arguments: str) -> None:
    command = [sys.executable, "cli.py", *arguments, "--quiet", "-o", os.devnull]
    subprocess.run(command, cwd=ROOT, check=True)
