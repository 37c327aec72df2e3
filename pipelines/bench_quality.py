"""The detectors of a benchmark, and what each says of the same images.

From a bundle that measures with a network comes a second detector: the network alone, calibrated as bundles are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.embedding import logits_of, network_of
from features.errors import DatasetError
from features.frame import Frame
from models.bundle import NETWORK_ONNX, resolve
from models.calibration import Calibration, OperatingPoints
from models.intervals import differences, evaluate
from models.metrics import balanced
from pipelines.batches import Sound, sound_images
from pipelines.dataset import LABELS, Sample
from pipelines.engine import map_jobs
from pipelines.machine import named_apart
from pipelines.score import load_detector

__all__ = ["COMPARED", "Contestant", "Images", "choose_images", "judge_images", "measure_quality"]

COMPARED: Final = ("auc", "accuracy", "tpr_at_fpr_1")
"""The figures whose differences are measured, detector against detector."""

_CHUNK: Final = 32  # images a job

Floats = npt.NDArray[np.float64]
Count = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Images:
    """What is judged.

    Attributes
    ----------
    test : sequence of Sample
        Equally many images of both classes, by sha256 ascending.
    calibration : sequence of Sample
        What a network that is judged alone is calibrated on.
    left_out : mapping
        How many images of the test part were not used, by reason.
    """

    test: Sequence[Sample]
    calibration: Sequence[Sample]
    left_out: Mapping[str, int]

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Of the test images, 0 real, 1 fake."""
        return _labels(self.test)


@dataclass(frozen=True, eq=False)
class Contestant:
    """A detector with its probabilities for the test images.

    Attributes
    ----------
    name : str
        Unlike that of any other.
    model : str
        The folder of its bundle.
    pure : bool
        Whether it is the network alone.
    digest : str
        The sha256 of its bundle's manifest, or of its network.
    files : sequence of str
        What of its bundle it consists of.
    calibration, points
        From scores to probabilities to verdicts.
    probabilities : (n,) float64 array
        That each test image is fake.
    """

    name: str
    model: str
    pure: bool
    digest: str
    files: Sequence[str]
    calibration: Calibration
    points: OperatingPoints
    probabilities: Floats

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum((Path(self.model) / name).stat().st_size for name in self.files)


def choose_images(samples: Sequence[Sample], *, whole: bool, limit: int | None, workers: int) -> Images:
    """Decode the images of the test and of the calibration groups, and take as many reals as fakes of the former.

    Parameters
    ----------
    samples : sequence of Sample
        The data set.
    whole : bool
        Whether images of all groups are judged, not of the test groups alone.
    limit : int, optional
        The most images to judge, those of lowest sha256.
    workers : int
        Processes.

    Raises
    ------
    DatasetError
        There is no real, or no fake image to judge.
    """
    test = sound_images([sample for sample in samples if whole or sample.split == "test"], workers=workers)
    calibration = sound_images([sample for sample in samples if sample.split == "calibration"], workers=workers)
    _require_both(test.images, "judge" if whole else "judge in the test groups")
    chosen = [test.images[at] for at in balanced(_labels(test.images), _digests(test))]
    if limit:
        classes = [[sample for sample in chosen if sample.label == label][: max(1, limit // 2)] for label in (0, 1)]
        kept = set(chain.from_iterable(classes))
        chosen = [sample for sample in chosen if sample in kept]
    return Images(chosen, calibration.images, {**test.left_out, "not_chosen": len(test.images) - len(chosen)})


def judge_images(models: Sequence[str], images: Images, *, workers: int, count: Count) -> list[Contestant]:
    """Let every detector judge the test images; of one that has a network, also the network alone.

    Parameters
    ----------
    models : sequence of str
        Names of detectors that ship, or paths of bundles.
    images : Images
        The images.
    workers : int
        Processes.
    count : callable
        Called with the number of images that each job took.

    Raises
    ------
    UnknownNameError, BundleError, FeatureMismatchError
        As `load_detector` raises them.
    DatasetError
        There is a network, and no real or no fake image to calibrate it on.
    """
    found: dict[str, Contestant] = {}
    for model in models:
        for contestant in _judge(str(resolve(model).absolute()), images, found, workers, count):
            found.setdefault(contestant.digest, contestant)
    return _named_apart(list(found.values()))


def _judge(model: str, images: Images, known: Mapping[str, Contestant], workers: int, count: Count) -> list[Contestant]:
    bundle = load_detector(model, "off").bundle
    job = partial(_judge_chunk, model)
    rows = np.concatenate(list(_map(job, images.test, workers, count)))
    files = sorted(found.name for found in Path(model).iterdir())
    own = Contestant(bundle.name, model, False, bundle.digest, files, bundle.calibration, bundle.points, rows[:, 0])
    network = network_of(bundle.feature_set)
    if network is None or network in known:
        return [own]
    _require_both(images.calibration, f"calibrate the network of {bundle.name} on in the calibration groups")
    logits = np.concatenate(list(_map(partial(_logits_of_chunk, model), images.calibration, workers, count)))
    labels = _labels(images.calibration)
    calibration = Calibration.fit(logits, labels)
    points = OperatingPoints.fit(calibration.probability(logits), labels)
    probabilities = calibration.probability(rows[:, 1])
    name = f"CNN of {bundle.name}"
    return [own, Contestant(name, model, True, network, [NETWORK_ONNX], calibration, points, probabilities)]


def _map(
    job: Callable[[Sequence[str]], Floats], samples: Sequence[Sample], workers: int, count: Count
) -> Iterator[Floats]:
    """Run a job on chunks of images, in order."""
    paths = [sample.path for sample in samples]
    chunks = [paths[at : at + _CHUNK] for at in range(0, len(paths), _CHUNK)]
    results = map_jobs(job, chunks, workers=min(workers, len(chunks)), ordered=True)
    for chunk, result in zip(chunks, results, strict=True):
        count(len(chunk))
        yield result


def _judge_chunk(model: str, paths: Sequence[str]) -> Floats:
    """Give each image's probability and its logit of the network's first head, NaN without a network; (n, 2)."""
    bundle = load_detector(model, "off").bundle
    values = bundle.measure([Frame.load(path) for path in paths])
    heads, names = logits_of(bundle.feature_set), bundle.feature_set.names
    logits = values[:, names.index(heads[0])] if heads else np.full(len(paths), np.nan)
    return np.stack([bundle.probability(values), logits.astype(np.float64)], axis=1)


def _logits_of_chunk(model: str, paths: Sequence[str]) -> Floats:
    network = load_detector(model, "off").bundle.network
    assert network is not None
    return network.run(tuple(Frame.load(path) for path in paths))["logit"][:, 0].astype(np.float64)


def _named_apart(contestants: Sequence[Contestant]) -> list[Contestant]:
    names = named_apart([found.name for found in contestants], [found.digest for found in contestants])
    return [replace(found, name=name) for found, name in zip(contestants, names, strict=True)]


def measure_quality(
    contestants: Sequence[Contestant], images: Images, *, resamples: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Measure each detector, and each pair of them on the same resamples.

    Returns
    -------
    dict, list of dict
        What `evaluate` gives, by name; and for each pair `{"of", "over", **differences}`.
    """
    labels, groups = images.labels, [sample.group for sample in images.test]
    quality = {
        found.name: evaluate(labels, found.probabilities, groups, found.points, resamples=resamples)
        for found in contestants
    }
    pairs = [
        {
            "of": one.name,
            "over": other.name,
            **differences(labels, one.probabilities, other.probabilities, groups, COMPARED, resamples=resamples),
        }
        for one, other in combinations(contestants, 2)
    ]
    return quality, pairs


def _labels(samples: Sequence[Sample]) -> npt.NDArray[np.int64]:
    return np.array([sample.label for sample in samples], np.int64)


def _digests(found: Sound) -> list[str]:
    return [found.digests[sample.path] for sample in found.images]


def _require_both(samples: Sequence[Sample], purpose: str) -> None:
    reals, fakes = (sum(sample.label == label for sample in samples) for label in (0, 1))
    if not reals or not fakes:
        raise DatasetError(
            f"{reals} {LABELS[0]} and {fakes} {LABELS[1]} images to {purpose}; both are needed: give more groups"
        )
