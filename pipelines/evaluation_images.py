"""What an evaluation is asked to do, and which images it judges: those that are sound, each once."""

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.errors import DatasetError, ImageError, WorkerError
from features.frame import load_pixels
from features.source import split_member
from models.intervals import RESAMPLES
from models.metrics import balanced
from pipelines.batches import sound_images
from pipelines.dataset import LABELS, Sample, read_dataset
from pipelines.engine_choice import Engine
from pipelines.machine import public

__all__ = ["Chosen", "Task", "choose"]

_FEW: Final = 100  # images of a class, below which figures say little


@dataclass(frozen=True)
class Task:
    """What is evaluated on what.

    Attributes
    ----------
    sources : sequence of str
        Data sets, as `read_dataset` takes them.
    models : sequence of str
        Names of detectors that ship, or paths of bundles.
    whole : bool
        Whether images of all groups are judged, not of the test groups alone; of a data set that one of the models
        was trained on, only the test groups are.
    limit : int, optional
        The most images to judge, those of lowest sha256, half of them real.
    faces : str
        `off` judges images whole, `auto` the largest face in each.
    perturbed : bool
        Whether images are judged under every perturbation too.
    card : bool
        Whether the model cards are written anew.
    resamples, seed : int
        Of the bootstrap.
    real, fake : sequence of str
        As `read_dataset` takes them.
    """

    sources: Sequence[str]
    models: Sequence[str] = ("fast",)
    whole: bool = False
    limit: int | None = None
    faces: str = "off"
    perturbed: bool = True
    card: bool = False
    resamples: int = RESAMPLES
    seed: int = 0
    real: Sequence[str] = ()
    fake: Sequence[str] = ()

    def command(self, out: str) -> str:
        """Write the command that does this; of an absolute path only the name is told."""
        words = ["python", "cli.py", "evaluate", *map(public, self.sources), "--out", public(out)]
        repeated = {"--model": self.models, "--real": self.real, "--fake": self.fake}
        words += [word for option, values in repeated.items() for value in values for word in (option, public(value))]
        switches = (("--all", self.whole), ("--no-robustness", not self.perturbed), ("--card", self.card))
        words += [option for option, given in switches if given]
        valued = (("--limit", self.limit, None), ("--faces", self.faces, "off"), ("--seed", self.seed, 0))
        words += [word for option, value, usual in valued if value != usual for word in (option, str(value))]
        return shlex.join(words)


@dataclass(frozen=True, eq=False)
class Chosen:
    """The images that are judged.

    Attributes
    ----------
    samples : sequence of Sample
        By sha256 ascending, each image once.
    digests : sequence of str
        Their sha256.
    groups : str
        `test`, `all`, or `mixed`: all groups of some data sets, the test groups of others.
    left_out : mapping
        How many images were not used, by reason.
    failures : sequence of dict
        `path`, `type` and `message` of each image that cannot be judged.
    warnings : sequence of str
        What limits the figures.
    """

    samples: Sequence[Sample]
    digests: Sequence[str]
    groups: str
    left_out: Mapping[str, int]
    failures: Sequence[Mapping[str, str]]
    warnings: Sequence[str]

    @property
    def balanced(self) -> npt.NDArray[np.intp]:
        """Positions of as many reals as fakes, those of lowest sha256; of all where there is one class."""
        chosen = balanced(np.array([sample.label for sample in self.samples]), self.digests)
        return chosen if len(chosen) else np.arange(len(self.samples))

    @property
    def groups_of_images(self) -> npt.NDArray[np.str_]:
        """The group of each image."""
        return np.array([sample.group for sample in self.samples])

    @property
    def original_sizes(self) -> npt.NDArray[np.float64]:
        """Shorter side in pixels before the image was resized; NaN where its data set does not tell."""
        sizes = [sample.original_size for sample in self.samples]
        return np.array([min(size) if size else np.nan for size in sizes], np.float64)

    def at(self, positions: npt.NDArray[np.intp]) -> "Chosen":
        """Take some of the images."""
        kept = positions.tolist()
        samples, digests = ([values[at] for at in kept] for values in (self.samples, self.digests))
        return Chosen(list(samples), list(digests), self.groups, self.left_out, self.failures, self.warnings)

    def to_json(self) -> dict[str, Any]:
        """Count what is judged and what is not."""
        even = [self.samples[at] for at in self.balanced.tolist()]
        return {
            **_count(self.samples),
            "sources": {
                source: _by_label([sample for sample in self.samples if sample.source == source])
                for source in sorted({sample.source for sample in self.samples})
            },
            "balanced": _count(even),
            "left_out": dict(self.left_out),
            "failures": list(self.failures),
        }


def choose(
    task: Task,
    trained_on: Collection[str],
    *,
    engine: Engine,
    progress: Callable[[int, int], None] | None = None,
) -> Chosen:
    """Decode the images that are asked for and keep those that are sound, each once.

    Parameters
    ----------
    task : Task
        What is asked for.
    trained_on : collection of str
        The data sets of which never more than the test groups are judged.
    engine : Engine
        Where they are decoded.
    progress : callable, optional
        Called with the number of images that are decoded and that there are.

    Raises
    ------
    DatasetError
        A data set cannot be read; no image is left.
    """
    samples = read_dataset(task.sources, real=task.real, fake=task.fake)
    wanted = [s for s in samples if s.split == "test" or (task.whole and s.source not in trained_on)]
    sound = sound_images(wanted, engine=engine, progress=progress)
    if not sound.images:
        groups = "any group" if task.whole else "the test groups; --all judges every group"
        raise DatasetError(f"none of {len(samples)} images can be judged: {len(wanted)} are of {groups}")
    kept = _limited(sound.images, task.limit)
    failed = [sample.path for sample in wanted if sample.path not in sound.digests]
    return Chosen(
        kept,
        [sound.digests[sample.path] for sample in kept],
        _groups(samples, trained_on, whole=task.whole),
        {**sound.left_out, "not_chosen": len(sound.images) - len(kept)},
        [_failure(path, path in sound.lost) for path in failed],
        list(_warnings(kept, trained_on, whole=task.whole, failed=len(failed))),
    )


def _limited(samples: Sequence[Sample], limit: int | None) -> list[Sample]:
    """Take at most `limit` of images that come by sha256, half of them of either class where there are both."""
    classes = [[sample for sample in samples if sample.label == label] for label in (0, 1)]
    if not limit or not all(classes):
        return list(samples[: limit or None])
    chosen = {sample for members in classes for sample in members[: max(1, limit // 2)]}
    return [sample for sample in samples if sample in chosen]


def _groups(samples: Sequence[Sample], trained_on: Collection[str], *, whole: bool) -> str:
    bound = {sample.source in trained_on for sample in samples} if whole else {True}
    return "mixed" if len(bound) > 1 else ("test" if bound == {True} else "all")


def _failure(path: str, deadly: bool) -> dict[str, str]:
    """Say why an image cannot be judged, and which it is, without the folders of this machine."""
    member = split_member(path)
    name = f"{Path(member[0]).name}!/{member[1]}" if member else "/".join(Path(path).parts[-2:])
    if deadly:
        return {"path": name, "type": WorkerError.code, "message": "the process died that decoded this, or it hung"}
    try:
        load_pixels(path)
    except ImageError as error:
        return {"path": name, "type": error.code, "message": str(error)}
    return {"path": name, "type": "unreadable_file", "message": "could not be read a moment ago"}


def _warnings(samples: Sequence[Sample], trained_on: Collection[str], *, whole: bool, failed: int) -> Iterator[str]:
    found = {sample.source for sample in samples}
    for source in sorted(found & set(trained_on)) if whole else ():
        yield f"Of {source}, which a model was trained on, only the test groups were judged."
    for source in sorted(found - set(trained_on)) if not whole else ():
        yield f"Of {source} only the test groups were judged; --all judges every group."
    if failed:
        yield f"{failed} images could not be read and have no part in any figure."
    for name, count in _by_label(samples).items():
        if count < _FEW:
            many, effect = (f"only {count:,}", "say little") if count else ("no", "are missing")
            yield f"There are {many} {name} images; figures that need them {effect}."


def _count(samples: Sequence[Sample]) -> dict[str, int]:
    return {**_by_label(samples), "groups": len({sample.group for sample in samples})}


def _by_label(samples: Sequence[Sample]) -> dict[str, int]:
    return {name: sum(sample.label == label for sample in samples) for label, name in enumerate(LABELS)}
