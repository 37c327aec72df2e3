"""How well the full detector does on forgeries of a kind that it never learnt from, kind by kind.

For each kind: a network, a store and a detector of its own, trained without it; then its fakes of the test groups
beside the reals of its data set. What is made is kept in WORK, where a later run goes on.

    python -m benchmarks.unseen WORK FOUND... --forged FORGED --init checkpoints/found -o FILE

`--init` names a network that learnt from no forgery, as the one in checkpoints; where the fakes of the data sets
themselves are left out, the network starts from ImageNet's weights, learns from FORGED alone, and has twice the time.
"""

import argparse
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import numpy as np

from benchmarks.record import make_parser, write
from features.store import FeatureStore
from models.bundle import Bundle, load
from models.intervals import Resamples, figures
from models.metrics import METRICS
from pipelines.dataset import Sample, read_dataset
from pipelines.extract import extract
from pipelines.kinds import FOUND, family_of
from pipelines.train import train
from pipelines.train_network import train_network
from pipelines.training_data import Data, read_data

__all__ = ["main", "measure", "prepare"]

_SHOWN: Final = ("auc", "tpr_at_fpr_1")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is not trained yet, measure, and write the result."""
    parser = make_parser(__doc__)
    parser.add_argument("work", type=Path, metavar="WORK", help="the folder for networks, stores and detectors")
    parser.add_argument("data", nargs="+", metavar="DATASET", help="data sets with fakes of their own")
    parser.add_argument("--forged", required=True, metavar="FORGED", help="what `forge` made")
    parser.add_argument("--init", metavar="BUNDLE|CHECKPOINT", help="a network that learnt from no forgery")
    parser.add_argument("--minutes", type=float, default=12.0, help="for each network (default: 12)")
    parser.add_argument("--steps", type=int, help="of each network, instead of minutes")
    parser.add_argument("--kind", action="append", metavar="KIND", help="only these; repeats (default: every kind)")
    parser.add_argument("--resamples", type=int, default=1000, help="of the groups, for the intervals (default: 1000)")
    options = parser.parse_args(arguments)
    samples = read_dataset([*options.data, options.forged])
    kinds = options.kind or sorted({family_of(sample) for sample in samples} - {""})
    found = {kind: measure(*prepare(samples, kind, options), kind, options.resamples) for kind in kinds}
    aucs = [one["unseen"]["auc"]["value"] for one in found.values()]
    write(options.output, "unseen", arguments, {"kinds": found, "mean_auc": fmean(aucs), "worst_auc": min(aucs)})


def prepare(samples: Sequence[Sample], kind: str, options: argparse.Namespace) -> tuple[Bundle, Data]:
    """Make the detector that never learnt from a kind, or go on making it; give it and all rows of its store."""
    own = options.work / kind
    fresh = kind == FOUND
    train_network(
        samples,
        own / "network",
        init=None if fresh else options.init,
        without=[kind],
        minutes=options.minutes * (2 if fresh else 1),
        steps=options.steps and options.steps * (2 if fresh else 1),
    )
    _lay_forensic(samples, options.work / "forensic", own / "features")
    extract(samples, str(own / "features"), profile="full", network=str(own / "network"))
    if not (own / "bundle" / "manifest.json").exists():
        train(own / "features", own / "bundle", name=f"without {kind}", without=[kind])
    return load(own / "bundle"), read_data(FeatureStore(own / "features"))


def _lay_forensic(samples: Sequence[Sample], once: Path, store: Path) -> None:
    """Begin a store with what is measured without a network, the same for every kind."""
    if store.exists():
        return
    extract(samples, str(once))
    half = store.with_name("features.part")
    shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(once, half)
    half.rename(store)


def measure(bundle: Bundle, data: Data, kind: str, resamples: int) -> dict[str, Any]:
    """Judge the test groups: the unseen kind, and each that the detector learnt from; JSON values."""
    rows, values = data.rows[data.mask("test")].reset_index(drop=True), data.part("test").held
    scores = bundle.scores(values).astype(np.float64)
    labels = rows["label"].to_numpy(int)
    families = np.array(list(_families(rows["kind"].fillna("").tolist(), labels.tolist())))
    sources = rows["source"].to_numpy()
    judged = {}
    for family in sorted(set(families) - {""}):
        fakes = families == family
        chosen = fakes | ((labels == 0) & np.isin(sources, sources[fakes]))
        metrics = {name: METRICS[name] for name in _SHOWN}
        drawn = Resamples.draw(rows["group"].to_numpy()[chosen], resamples)
        judged[family] = {
            "fakes": int(fakes.sum()),
            "reals": int(chosen.sum() - fakes.sum()),
            **figures(metrics, labels[chosen], scores[chosen], drawn),
        }
    return {
        "unseen": judged.pop(kind),
        "learnt": judged,
        "bundle": bundle.digest,
        "network_steps": bundle.manifest["network"]["training"]["steps"]["steps"],
        "further_share": bundle.manifest["training"]["further_share"],
    }


def _families(kinds: Sequence[str], labels: Sequence[int]) -> Iterator[str]:
    for kind, label in zip(kinds, labels, strict=True):
        yield family_of(Sample("", int(label), "", kind, "", ""))


if __name__ == "__main__":
    main()
