"""What each block and each family of a feature store is worth: the AUC of it alone, and of all others without it.

Beside it stands what each block costs. Only the training groups of the store are used, so that validation, calibration
and test stay untouched; of a store that a network measured, those that were held back from it. By a hash of the group
70 % of them are fitted, 10 % stop the fit, 20 % judge. The boosters are small and averaged over seeds. Beside the
differences stands how much a difference of two such averages moves by the draw of rows and columns alone.

    python -m benchmarks.ablation CACHE -o benchmarks/results/ablation.json
"""

import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.boosters import PARTS, Job, auc_of, read
from benchmarks.record import DATA, make_parser, scratch, unpack, write
from benchmarks.stages import Stages, medians
from features.embedding import network_of, open_network
from features.spec import FeatureSet
from features.store import FeatureStore
from models.booster import BoosterParams
from models.weights import Weights
from pipelines.engine import cores, map_jobs

__all__ = ["PARAMS", "Fits", "main", "measure", "noise"]

PARAMS: Final = BoosterParams(learning_rate=0.1, num_leaves=31, max_trees=300, early_stopping_rounds=40)
"""A booster small enough to be fitted a hundred times."""

_WARM_UP = 20

Say = Callable[[str], None]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result."""
    parser = make_parser(__doc__)
    parser.add_argument("cache", type=Path, metavar="CACHE", help="a feature store")
    parser.add_argument("--data", nargs="+", default=[DATA], help=f"images to time blocks on (default: {DATA})")
    parser.add_argument("--rows", type=int, default=12000, help="of the training groups, half real (default: 12000)")
    parser.add_argument("--seeds", type=int, default=3, help="boosters for each figure (default: 3)")
    parser.add_argument("--images", type=int, default=300, help="to time blocks on (default: 300)")
    parser.add_argument("--jobs", type=int, default=cores(), help="boosters fitted at once (default: one a core)")
    options = parser.parse_args(arguments)
    sizes = {"rows": options.rows, "seeds": options.seeds, "images": options.images}
    figures = measure(options.cache, options.data, **sizes, workers=options.jobs)
    write(options.output, "ablation", arguments, figures)


def measure(
    cache: Path,
    sources: Sequence[str],
    *,
    rows: int,
    seeds: int,
    images: int,
    params: BoosterParams = PARAMS,
    workers: int = 1,
    say: Say = lambda line: print(line, file=sys.stderr, flush=True),
) -> dict[str, Any]:
    """Time every block; fit boosters with all blocks, with each block or family alone, and without it; JSON values.

    Parameters
    ----------
    cache : Path
        A feature store.
    sources : sequence of str
        Data sets to time the blocks on.
    rows : int
        The most images of the training groups to use.
    seeds : int
        Boosters for each choice of blocks; twice as many for all blocks, which every other choice is compared with.
    images : int
        The most images to time the blocks on.
    params : BoosterParams
        Of every fit.
    workers : int
        Processes that fit; the blocks are timed by one.
    say : callable
        Told of each figure as it comes.
    """
    features = FeatureStore(cache).feature_set
    own, marginal = _time(cache, features, sources, images)
    fits = Fits(cache, rows, params, workers, say)
    names = [spec.name for spec in features.blocks]
    whole = fits.run({"all": names}, 2 * seeds)["all"]
    parts = {name: [name] for name in names} | _families(names)
    alone = fits.run(parts, seeds)
    without = fits.run({f"no {part}": [n for n in names if n not in left] for part, left in parts.items()}, seeds)
    auc = statistics.mean(whole)

    def worth(part: str) -> dict[str, float]:
        lost = auc - statistics.mean(without[f"no {part}"])
        return {"auc_alone": statistics.mean(alone[part]), "auc_lost_without": lost}

    return {
        "feature_set": features.digest,
        "rows": {part: int(np.sum(read(cache, rows).parts == part)) for part, _ in PARTS},
        "seeds": seeds,
        "auc": {"mean": auc, "values": whole},
        "noise": noise([whole, *without.values()], seeds),
        "blocks": {
            spec.name: {
                "values": len(spec.names),
                "own_microseconds": own[spec.name],
                "marginal_microseconds": marginal[spec.name],
                **worth(spec.name),
            }
            for spec in features.blocks
        },
        "families": {family: {"blocks": len(members), **worth(family)} for family, members in _families(names).items()},
    }


def _families(names: Sequence[str]) -> dict[str, list[str]]:
    """Gather blocks by the first part of their names."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[name.partition(".")[0]].append(name)
    return dict(found)


@dataclass(frozen=True)
class Fits:
    """Fits boosters of one thread each, several at once."""

    cache: Path
    rows: int
    params: BoosterParams
    workers: int
    say: Say

    def run(self, choices: Mapping[str, Sequence[str]], seeds: int) -> dict[str, list[float]]:
        """Give the AUC of each choice of blocks with each seed, by the title of the choice."""
        jobs = [
            Job(self.cache, self.rows, self.params, tuple(blocks), seed)
            for blocks in choices.values()
            for seed in range(seeds)
        ]
        aucs = map_jobs(auc_of, jobs, workers=self.workers, ordered=True)
        titles = [title for title in choices for _ in range(seeds)]
        found: dict[str, list[float]] = defaultdict(list)
        for title, auc in zip(titles, aucs, strict=True):
            found[title].append(auc)
            self.say(f"{len(found)}/{len(choices)} {title}: AUC {auc:.4f}")
        return found


def _time(
    cache: Path, features: FeatureSet, sources: Sequence[str], images: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Time each block: its own time, and its marginal time; microseconds an image."""
    stages = Stages(features, open_network(Weights.read(cache).onnx) if network_of(features) else None)
    with scratch() as folder:
        paths = unpack(sources, images, folder)
        for path in paths[:_WARM_UP]:
            stages.time_vector(path)
        own = medians(stages.time_vector(path) for path in paths)
    return own, stages.marginal(own)


def noise(repeated: Sequence[Sequence[float]], seeds: int) -> float:
    """Estimate the standard deviation of a difference between means over 2 x `seeds` and `seeds` boosters.

    The deviation of one booster is pooled over choices of blocks; 0 where there is but one seed.
    """
    variance = statistics.mean(statistics.variance(values) for values in repeated if len(values) > 1)
    return math.sqrt(variance * (1 / (2 * seeds) + 1 / seeds))


if __name__ == "__main__":
    main()
