"""Fuzzes what reads untrusted bytes, guided by coverage: images, zips, the manifest of a store, bundles.

A crash is kept below the folder of findings, and the target goes on until it has had its executions. An execution that
takes over 10 seconds or 2 GB counts as a crash.
"""

import argparse
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import Any, Final

from benchmarks.record import ROOT, make_parser, scratch, write
from features.store import FeatureStore
from tests import hostile

__all__ = ["ARCHIVE", "BUNDLE_FILES", "SEEDS", "fuzz", "main"]

ARCHIVE: Final = ROOT / "tests" / "archives" / "format-2"
"""The bundle that is tampered with."""

BUNDLE_FILES: Final = ("manifest.json", "booster.onnx", "novelty.onnx")
"""Its files that are fuzzed."""

_FLAGS: Final = ("-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-max_len=65536")
_CRASHES: Final = 20  # after which a target is given up


def _images() -> dict[str, bytes]:
    made = hostile.neighbours() | hostile.truncations(20) | hostile.lies() | hostile.odd_kinds()
    return {name: data for name, data in made.items() if len(data) < 65_536}


def _zips() -> dict[str, bytes]:
    made = {}
    for name, kind in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED), ("lzma", zipfile.ZIP_LZMA)):
        stream = BytesIO()
        with zipfile.ZipFile(stream, "w", kind) as opened:
            opened.writestr("a.jpg", b"bytes" * 20)
            opened.writestr("b/c.png", b"")
        made[name] = stream.getvalue()
    return made


def _manifests() -> dict[str, bytes]:
    with scratch() as folder:
        store = FeatureStore(folder)
        store.prepare()
        texts: dict[str, list[object]] = {
            name: ["a", "b"] for name in ("path", "sha256", "group", "kind", "source", "split", "error")
        }
        store.write_manifest({**texts, "label": [0, 1]})
        return {"manifest": (folder / "manifest.parquet").read_bytes()}


def _bundles() -> dict[str, bytes]:
    return {name: bytes([at]) + (ARCHIVE / name).read_bytes() for at, name in enumerate(BUNDLE_FILES)}


SEEDS: Final[Mapping[str, Callable[[], Mapping[str, bytes]]]] = {
    "frame": _images,
    "zip": _zips,
    "manifest": _manifests,
    "bundle": _bundles,
}
"""What each target starts from."""


def fuzz(target: str, runs: int, seconds: int, findings: Path) -> dict[str, Any]:
    """Fuzz a target.

    Parameters
    ----------
    target : str
        One of SEEDS.
    runs, seconds : int
        The most executions, and the most seconds.
    findings : Path
        Where the inputs are kept that crash it.

    Returns
    -------
    dict
        `executions`, `crashes`, `seconds`, and the coverage of the seeds and at the end.
    """
    findings.mkdir(parents=True, exist_ok=True)
    began, executions, crashes, covered = monotonic(), 0, 0, list[int]()
    with scratch() as corpus:
        for name, data in SEEDS[target]().items():
            (corpus / name).write_bytes(data)
        while executions < runs and (left := seconds - int(monotonic() - began)) > 0 and crashes < _CRASHES:
            status, text = _run(target, corpus, runs - executions, left, findings)
            counted = re.search(r"number_of_executed_units: (\d+)", text)
            executions += int(counted[1]) if counted else _last(text)
            covered += [int(found) for found in re.findall(r"(?:INITED|NEW|REDUCE|DONE)\s+cov: (\d+)", text)]
            crashes += status != 0
            if status:
                (findings / f"{target}-{crashes}.log").write_text(text[-20_000:])
            elif not counted:
                break
    bounds = {"coverage_of_seeds": covered[0], "coverage": max(covered)} if covered else {}
    return {"executions": executions, "crashes": crashes, "seconds": monotonic() - began, **bounds}


def _run(target: str, corpus: Path, runs: int, seconds: int, findings: Path) -> tuple[int, str]:
    """Run libFuzzer until it is done or something crashes; gives its exit status and what it wrote."""
    limits = (f"-runs={runs}", f"-max_total_time={seconds}", f"-artifact_prefix={findings}/{target}-")
    command = [sys.executable, "-m", "benchmarks.fuzz_target", target, str(corpus), *_FLAGS, *limits]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    return done.returncode, done.stderr.decode(errors="replace")


def _last(text: str) -> int:
    """Give the number of the last execution that libFuzzer told of before it was ended."""
    return max(map(int, re.findall(r"^#(\d+)", text, re.MULTILINE)), default=0)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--targets", nargs="+", choices=list(SEEDS), default=list(SEEDS), help="what to fuzz; all")
    parser.add_argument("--runs", type=int, default=300_000, metavar="N", help="executions of each target; %(default)s")
    parser.add_argument("--seconds", type=int, default=7200, metavar="S", help="the most for each; %(default)s")
    parser.add_argument("--findings", type=Path, default=ROOT / "runs" / "fuzz", help="where what crashes is kept")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fuzz the targets, and write the result file."""
    options = _options(arguments)
    shutil.rmtree(options.findings, ignore_errors=True)
    figures = {name: fuzz(name, options.runs, options.seconds, options.findings.resolve()) for name in options.targets}
    write(options.output, "fuzz", arguments, {"targets": figures})


if __name__ == "__main__":
    main()
