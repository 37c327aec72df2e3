"""Searches what governs the forensic trees, and which features they need: a budget of small boosters.

Trials (Optuna's TPE, Bergstra et al. 2011) and the order of the features follow from groups of the training part; what
they found is compared with the defaults, and with all features, on the validation groups, with other seeds.

    python -m benchmarks.search CACHE -o benchmarks/results/search.json
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import optuna

from benchmarks.ablation import PARAMS, noise
from benchmarks.boosters import FOLDS, VALIDATION, Job, auc_of, gains_of
from benchmarks.record import make_parser, write
from features.store import FeatureStore
from models.booster import BoosterParams
from pipelines.engine import cores, map_jobs

__all__ = ["SHARES", "SPACE", "Search", "main", "measure", "order"]

SPACE: Final[dict[str, tuple[float, float]]] = {
    "num_leaves": (7, 64),
    "min_child_samples": (5, 200),
    "feature_fraction": (0.03, 1.0),
    "bagging_fraction": (0.4, 1.0),
    "lambda_l2": (0.1, 100.0),
}
"""Between what values each parameter is searched, evenly in its logarithm; those of whole numbers stay whole."""

SHARES: Final = (0.06, 0.12, 0.25, 0.5)
"""Of the features, those that are kept at each size."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, and write the result."""
    parser = make_parser(__doc__)
    parser.add_argument("cache", type=Path, metavar="CACHE", help="a feature store without a network")
    parser.add_argument("--rows", type=int, default=12000, help="of the training groups, half real (default: 12000)")
    parser.add_argument("--trials", type=int, default=40, help="sets of parameters (default: 40)")
    parser.add_argument("--seeds", type=int, default=3, help="boosters for each figure (default: 3)")
    parser.add_argument("--jobs", type=int, default=cores(), help="boosters fitted at once (default: one a core)")
    options = parser.parse_args(arguments)
    search = Search(options.cache, options.rows, PARAMS, options.seeds, options.jobs)
    write(options.output, "search", arguments, measure(search, options.trials))


@dataclass(frozen=True)
class Search:
    """Fits boosters on one store, several at once.

    Attributes
    ----------
    cache : Path
        A feature store.
    rows : int
        Images of the training groups to use.
    params : BoosterParams
        The defaults.
    seeds : int
        Boosters for each figure.
    workers : int
        Processes that fit.
    """

    cache: Path
    rows: int
    params: BoosterParams
    seeds: int
    workers: int

    def job(self, params: BoosterParams | None = None, seed: int = 0) -> Job:
        """Describe a booster that sees everything."""
        blocks = tuple(spec.name for spec in FeatureStore(self.cache).feature_set.blocks)
        return Job(self.cache, self.rows, params or self.params, blocks, seed)

    def map(self, jobs: Sequence[Job]) -> list[float]:
        """Give the AUC of each booster."""
        return list(map_jobs(auc_of, jobs, workers=self.workers, ordered=True))

    def judged(self, job: Job) -> list[float]:
        """Give the AUC on the validation groups with seeds that no choice was made by."""
        return self.map([replace(job, seed=1 + seed, judged=VALIDATION) for seed in range(self.seeds)])


def measure(search: Search, trials: int) -> dict[str, Any]:
    """Search parameters, then features with the default parameters; judge what was found; JSON values."""
    tried = list(_trials(search, trials))
    best = max(tried, key=lambda trial: float(trial["auc"]))
    names = order(search)
    kept = [names[: max(1, round(share * len(names)))] for share in SHARES]
    plain = search.job()
    default = search.judged(plain)
    found = search.judged(search.job(replace(search.params, **best["params"])))
    fewer = [search.judged(replace(plain, features=tuple(some))) for some in kept]
    return {
        "trials": tried,
        "default": {"params": asdict(search.params), **_mean(default)},
        "best": {"params": best["params"], **_mean(found)},
        "features": {str(len(some)): _mean(aucs) for some, aucs in zip(kept, fewer, strict=True)},
        "all_features": len(names),
        "first_features": names[:20],
        "noise": noise([default, found, *fewer], search.seeds),
    }


def _mean(aucs: Sequence[float]) -> dict[str, Any]:
    return {"auc": statistics.mean(aucs), "aucs": list(aucs)}


def _trials(search: Search, trials: int) -> Iterator[dict[str, Any]]:
    """Try sets of parameters, as many at once as there are workers, each told of all before it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    for first in range(0, trials, search.workers):
        asked = [study.ask() for _ in range(min(search.workers, trials - first))]
        drawn = [_draw(trial, search.params) for trial in asked]
        aucs = search.map([search.job(replace(search.params, **params)) for params in drawn])
        for trial, params, auc in zip(asked, drawn, aucs, strict=True):
            study.tell(trial, auc)
            yield {"params": params, "auc": auc}


def _draw(trial: optuna.Trial, defaults: BoosterParams) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    for name, (low, high) in SPACE.items():
        if isinstance(getattr(defaults, name), int):
            drawn[name] = trial.suggest_int(name, int(low), int(high), log=True)
        else:
            drawn[name] = trial.suggest_float(name, low, high, log=True)
    return drawn


def order(search: Search) -> list[str]:
    """List the features, first those whose gain ranks high in the fold where it ranks lowest."""
    jobs = [replace(search.job(), without=fold) for fold in range(FOLDS)]
    folds = list(map_jobs(gains_of, jobs, workers=search.workers, ordered=True))
    names = list(folds[0])
    ranks = [np.argsort(np.argsort([-gains[name] for name in names], kind="stable")) for gains in folds]
    return [names[at] for at in np.argsort(np.max(ranks, axis=0), kind="stable")]


if __name__ == "__main__":
    main()
