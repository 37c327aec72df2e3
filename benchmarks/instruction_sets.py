"""How far probabilities of the fast detector move on a processor that can do less: libraries told to do without.

The same images are scored by `cli.py score`, in processes of their own, where OpenCV, IPP, NumPy, libjpeg-turbo, glibc
and OpenBLAS leave out instruction sets that they would use. onnxruntime, which adds up the trees, has no such switch.

    python -m benchmarks.instruction_sets -o benchmarks/results/instruction_sets.json
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.record import DATA, ROOT, make_parser, scratch, unpack, write
from models.bundle import inspect, resolve

__all__ = ["LEVELS", "TOLERANCE", "jumps", "main", "measure"]

TOLERANCE: Final = 0.001
"""How far a probability may move."""

_512: Final = {
    "OPENCV_CPU_DISABLE": "AVX512-SKX",
    "OPENCV_IPP": "avx2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD",
    "OPENBLAS_CORETYPE": "Haswell",
}
_256: Final = {
    "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,FP16,AVX",
    "OPENCV_IPP": "sse42",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD,-AVX2,-AVX,-FMA,-FMA4",
    "OPENBLAS_CORETYPE": "Nehalem",
    "JSIMD_FORCESSE2": "1",
}
_LEAST: Final = _256 | {
    "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,FP16,AVX,SSE4.2,SSE4.1",
    "OPENCV_IPP": "disabled",
    "JSIMD_FORCENONE": "1",
}

LEVELS: Final[Mapping[str, Mapping[str, str]]] = {"again": {}, "AVX2": _512, "SSE4.2": _256, "SSE3": _LEAST}
"""By the most that is left: what the environment says. `again` is this processor once more, and must move nothing."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Score, compare, and write the result."""
    parser = make_parser(__doc__)
    parser.add_argument("--data", nargs="+", default=[DATA], help=f"data sets (default: {DATA})")
    parser.add_argument("--images", type=int, default=2000, help="default: 2000")
    parser.add_argument("--model", default="fast", help="a detector that ships, or the path of a bundle")
    options = parser.parse_args(arguments)
    figures = measure(options.data, images=options.images, model=options.model)
    write(options.output, "instruction_sets", arguments, figures)


def measure(sources: Sequence[str], *, images: int, model: str) -> dict[str, Any]:
    """Score the same images at every level; JSON values.

    Parameters
    ----------
    sources : sequence of str
        Data sets.
    images : int
        How many of them.
    model : str
        As `score` takes it.
    """
    with scratch() as folder:
        unpack(sources, images, folder / "images")
        before = _score(folder / "images", model, {})
        found = {name: jumps(before, _score(folder / "images", model, said)) for name, said in LEVELS.items()}
    digest = inspect(resolve(model))["digest"]
    return {"model": digest, "images": len(before), "tolerance": TOLERANCE, "levels": found}


def jumps(before: Mapping[str, tuple[float, str]], now: Mapping[str, tuple[float, str]]) -> dict[str, Any]:
    """Compare probabilities and verdicts by path.

    Returns
    -------
    dict
        The shares of rows that are `same_bits` and `within` the tolerance, the `largest` jump, its 99th per cent
        quantile, and how many `verdicts` differ.
    """
    moved = np.array([abs(now[path][0] - probability) for path, (probability, _) in before.items()])
    return {
        "same_bits": float((moved == 0).mean()),
        "within": float((moved <= TOLERANCE).mean()),
        "q99": float(np.quantile(moved, 0.99)),
        "largest": float(moved.max()),
        "verdicts": sum(now[path][1] != verdict for path, (_, verdict) in before.items()),
    }


def _score(folder: Path, model: str, said: Mapping[str, str]) -> dict[str, tuple[float, str]]:
    command = [sys.executable, "cli.py", "score", str(folder), "--model", model, "--faces", "off", "--format", "ndjson"]
    done = subprocess.run(
        [*command, "--quiet"], cwd=ROOT, env={**os.environ, **said}, stdout=subprocess.PIPE, check=True
    )
    rows = map(json.loads, done.stdout.splitlines())
    return {row["path"]: (row["probability"], row["verdict"]) for row in rows}


if __name__ == "__main__":
    main()
