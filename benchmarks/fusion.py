"""Ways to let boosted trees and a network decide together, compared on calibration groups, which none was fitted on.

The network's logit alone; the forensic trees alone, from the groups that the network learnt from; both weighed; one
booster over the whole vector from the groups that were held back, in a single stage; and what `train` makes of all.

    python -m benchmarks.fusion BUNDLE CACHE -o benchmarks/results/fusion.json
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.record import make_parser, write
from features.embedding import logits_of
from features.errors import BundleError
from features.store import FeatureStore
from models.booster import BoosterParams, fit
from models.bundle import Bundle, load
from models.calibration import Calibration
from models.files import read_bounded
from models.intervals import Figure, Resamples, differences, figures
from models.metrics import METRICS
from models.tree_text import to_onnx
from models.trees import Trees
from pipelines.training_data import read_data

__all__ = ["SINGLE", "main", "measure"]

SINGLE: Final = BoosterParams(
    learning_rate=0.05, num_leaves=15, feature_fraction=0.1, lambda_l2=10.0, max_trees=600, early_stopping_rounds=100
)
"""What governs the booster of a single stage: the best of some that were tried on validation groups."""

_SHOWN: Final = ("auc", "accuracy", "tpr_at_fpr_1")
_MOST_BYTES: Final = 1 << 28

Floats = npt.NDArray[np.float64]
Values = npt.NDArray[np.float32]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result."""
    parser = make_parser(__doc__)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="a detector that was trained on CACHE")
    parser.add_argument("cache", type=Path, metavar="CACHE", help="a feature store of profile full")
    parser.add_argument("--resamples", type=int, default=1000, help="of the groups, for the intervals (default: 1000)")
    options = parser.parse_args(arguments)
    found = measure(options.bundle, options.cache, resamples=options.resamples)
    write(options.output, "fusion", arguments, found)


def measure(path: Path, cache: Path, *, params: BoosterParams = SINGLE, resamples: int = 1000) -> dict[str, Any]:
    """Score the calibration groups in every way; JSON values.

    Raises
    ------
    BundleError
        The detector has no network, or was measured otherwise than the store.
    """
    store, bundle = FeatureStore(cache), load(path)
    if bundle.start is None or bundle.feature_set.digest != store.feature_set.digest:
        raise BundleError(f"{path}: not a detector of profile full that was trained on {cache}")
    data = read_data(store)
    rows = data.judging("calibration")
    part, groups = data.take(rows), data.rows["group"][rows].to_numpy()
    names = store.feature_set.names
    single = fit(data.part("train"), data.part("validation"), names, params=params)
    ways = {
        "network alone": part.held[:, names.index(logits_of(store.feature_set)[0])].astype(np.float64),
        **_stages(path, bundle.manifest["training"]["stages"][0], bundle, part.held),
        "one booster, one stage": Trees(to_onnx(single.text)).scores(part.held).astype(np.float64),
        "two stages": bundle.scores(part.held).astype(np.float64),
    }
    judged = {way: Calibration.fit(scores, part.labels).probability(scores) for way, scores in ways.items()}
    metrics, drawn = {name: METRICS[name] for name in _SHOWN}, Resamples.draw(groups, resamples)

    def over(way: str, other: str) -> dict[str, Figure]:
        return differences(part.labels, judged[way], judged[other], groups, _SHOWN, resamples=resamples)

    return {
        "bundle": bundle.digest,
        "images": data.counts["calibration"],
        "ways": {way: figures(metrics, part.labels, found, drawn) for way, found in judged.items()},
        "over_network_alone": {way: over(way, "network alone") for way in list(judged)[1:]},
        "two_stages_over": {way: over("two stages", way) for way in list(judged)[:-1]},
    }


def _stages(path: Path, first: int, bundle: Bundle, values: Values) -> dict[str, Floats]:
    """Score rows by the trees of the first stage, and by these and the logit together."""
    import lightgbm

    assert bundle.start is not None
    booster = lightgbm.Booster(model_str=read_bounded(path / "booster.txt", _MOST_BYTES).decode())
    trees = np.asarray(booster.predict(values, raw_score=True, num_iteration=first), np.float64)
    start = bundle.start.terms(values, bundle.feature_set.names).sum(axis=1)
    return {"forensic trees alone": trees, "network and forensic trees, weighed": start + trees}


if __name__ == "__main__":
    main()
