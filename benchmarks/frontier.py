"""What the fast path costs and how well it does, as block after block is left out: the frontier of speed against AUC.

Blocks go in the order of the AUC that an ablation lost without each, for every microsecond that it saved. At each step
the whole path, from reading a file to its row, is timed against a bare `cv2.imread` of the same files, all steps in
turns on one core; the decision is that of the shipped trees, whatever was measured. Then small boosters are fitted, as
`benchmarks.ablation` does it, on groups of the training part alone.

    python -m benchmarks.frontier CACHE -o benchmarks/results/frontier.json
"""

import hashlib
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.ablation import PARAMS, Fits, noise
from benchmarks.record import DATA, ROOT, judge, make_parser, one_core, scratch, spread, unpack, write
from benchmarks.speed import Step, interleave, ratios
from features.errors import DatasetError
from features.frame import Frame
from features.source import read_bytes
from features.spec import FeatureSet
from features.store import FeatureStore
from models.verdict import Verdict
from pipelines.engine import cores
from pipelines.score import Detector, load_detector

__all__ = ["MOST_IMREADS", "MOST_LOST", "main", "measure", "steps_of", "title"]

MOST_IMREADS: Final = 6
"""The path should cost at most this many bare `cv2.imread` of the same files."""

MOST_LOST: Final = 0.005
"""AUC that may be lost on the way there."""

_ABLATION: Final = ROOT / "benchmarks" / "results" / "ablation.json"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result."""
    parser = make_parser(__doc__)
    parser.add_argument("cache", type=Path, metavar="CACHE", help="a feature store without a network")
    parser.add_argument("--ablation", type=Path, default=_ABLATION, help="a result of benchmarks.ablation")
    parser.add_argument("--data", nargs="+", default=[DATA], help=f"images to time the path on (default: {DATA})")
    parser.add_argument("--model", default="fast", help="the detector that decides (default: fast)")
    parser.add_argument("--rows", type=int, default=24000, help="of the training groups, half real (default: 24000)")
    parser.add_argument("--seeds", type=int, default=4, help="boosters for each step (default: 4)")
    parser.add_argument("--images", type=int, default=1000, help="to time the path on (default: 1000)")
    parser.add_argument("--jobs", type=int, default=cores(), help="boosters fitted at once (default: one a core)")
    options = parser.parse_args(arguments)
    found = json.loads(options.ablation.read_text())["figures"]
    detector = load_detector(options.model, faces="off")
    seconds = _time(options.data, detector, steps_of(found), options.images)
    fits = Fits(options.cache, options.rows, PARAMS, options.jobs, lambda line: print(line, flush=True))
    write(options.output, "frontier", arguments, measure(found, seconds, fits, options.seeds))


def steps_of(ablation: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """List what is left out at each step, first nothing: one block more each time, until two are left."""
    blocks: Mapping[str, Mapping[str, float]] = ablation["blocks"]
    order = sorted(blocks, key=lambda name: blocks[name]["auc_lost_without"] / blocks[name]["marginal_microseconds"])
    return [(), *accumulate((name,) for name in order[:-2])]


def measure(ablation: Mapping[str, Any], seconds: Mapping[str, list[float]], fits: Fits, seeds: int) -> dict[str, Any]:
    """Fit boosters at every step, and put AUC and time together; JSON values.

    Parameters
    ----------
    ablation : mapping
        What `benchmarks.ablation` found of the same features.
    seconds : mapping
        Seconds an image, chunk by chunk, of `imread` and of each step by `title`.
    fits : Fits
        Fits the boosters.
    seeds : int
        Boosters for each step; twice as many for the first, which every other is compared with.

    Raises
    ------
    DatasetError
        The store measures something else than the ablation did.
    """
    features = FeatureStore(fits.cache).feature_set
    if features.digest != ablation["feature_set"]:
        raise DatasetError(f"{fits.cache}: measured otherwise than the ablation says")
    steps = steps_of(ablation)
    kept = {title(left): [spec.name for spec in features.blocks if spec.name not in left] for left in steps}
    first, *others = kept
    aucs = fits.run({first: kept[first]}, 2 * seeds) | fits.run({step: kept[step] for step in others}, seeds)
    rows = list(_rows(features, steps, aucs, seconds))
    allowed = [row for row in rows if row["auc_lost"] <= MOST_LOST]
    best = min(allowed, key=lambda row: row["microseconds"]["median"])
    return {
        "feature_set": features.digest,
        "seeds": seeds,
        "noise": noise(list(aucs.values()), seeds),
        "most_lost": MOST_LOST,
        "imread_microseconds": spread([1e6 * value for value in seconds["imread"]]),
        "steps": rows,
        "best": best["left_out"],
    }


def _rows(
    features: FeatureSet,
    steps: Sequence[tuple[str, ...]],
    aucs: Mapping[str, Sequence[float]],
    seconds: Mapping[str, Sequence[float]],
) -> Iterator[dict[str, Any]]:
    whole = statistics.mean(aucs[title(())])
    for left in steps:
        auc = statistics.mean(aucs[title(left)])
        yield {
            "left_out": list(left),
            "values": sum(len(spec.names) for spec in features.blocks if spec.name not in left),
            "auc": auc,
            "auc_lost": whole - auc,
            "microseconds": spread([1e6 * value for value in seconds[title(left)]]),
            "path_to_imread": judge(ratios(seconds, title(left), "imread"), at_most=MOST_IMREADS),
        }


def title(left_out: Sequence[str]) -> str:
    """Name a step."""
    return f"without {', '.join(left_out)}" if left_out else "whole"


def _time(
    sources: Sequence[str], detector: Detector, steps: Sequence[tuple[str, ...]], images: int
) -> dict[str, list[float]]:
    """Time the path at every step and a bare imread, in turns; seconds an image by step and chunk."""
    paths_of: dict[str, Step] = {"imread": lambda chunk: sum(cv2.imread(path) is not None for path in chunk)}
    paths_of |= {title(left): _path(detector, left) for left in steps}
    with scratch() as folder:
        return interleave(paths_of, unpack(sources, images, folder))


def _path(detector: Detector, left_out: Sequence[str]) -> Step:
    """Do what `score` does, but measure without some blocks: their values are zero."""
    whole = detector.bundle.feature_set
    used = FeatureSet(whole.profile, tuple(spec for spec in whole.blocks if spec.name not in left_out))
    columns = np.concatenate([np.full(len(spec.names), spec in used.blocks) for spec in whole.blocks])

    def path(chunk: Sequence[str]) -> int:
        values, digests = np.zeros((len(chunk), len(columns)), np.float32), []
        for row, name in enumerate(chunk):
            data = read_bytes(name)
            digests.append(hashlib.sha256(data).hexdigest())
            values[row, columns] = used.measure([Frame.load(data)])[0]
        judged = detector.judge(values, [1] * len(chunk))
        verdicts = (
            Verdict(name, digest, found.probability, "real", None, None, detector.bundle.ref)
            for name, digest, found in zip(chunk, digests, judged, strict=True)
        )
        return sum(len(json.dumps(verdict.to_json())) > 0 for verdict in verdicts)

    return path


if __name__ == "__main__":
    one_core()
    main()
