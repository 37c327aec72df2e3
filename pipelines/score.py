"""Gives a verdict on every image, one row each as it is done, whatever becomes of the others."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from itertools import chain, islice
from typing import Final, NamedTuple

import numpy as np

from features.decode import Pixels
from features.errors import ImageError, UnknownNameError
from features.frame import WORKING_SIZE, Frame
from features.source import read_bytes
from features.spec import Values
from models.bundle import Bundle, load, resolve
from models.calibration import with_prior
from models.verdict import ErrorRef, ModelRef, Verdict
from pipelines.engine import cores, map_jobs
from pipelines.inputs import STDIN, Input

__all__ = ["COLUMNS", "FACES", "SHOWN", "Detector", "Source", "load_detector", "score"]

FACES: Final = ("auto", "off")
"""How faces are found; until they are, every image is scored whole."""

# fmt: off
COLUMNS: Final = (
    "path", "sha256", "probability", "verdict", "reason", "face",
    "model.name", "model.digest", "error.type", "error.message",
)
# fmt: on
"""The columns of a verdict in csv."""

SHOWN: Final = {"verdict": 9, "probability": 11, "path": 0, "error.message": 0}
"""The columns of a verdict in a table, and their widths."""

_CHUNK = 64  # images a job: the trees judge them together, which costs half of one by one and gives the same bits
_FEW = 256  # inputs that one process scores in less time than it takes to start others

_TOO_SMALL = (
    f"{{1}}x{{0}} pixels had to be enlarged, which looks like forging; a verdict needs {WORKING_SIZE} both ways"
)

Source = str | os.PathLike[str] | bytes | Pixels
"""What an image is given as."""


@dataclass(frozen=True, eq=False)
class Detector:
    """A bundle that gives verdicts on images."""

    bundle: Bundle

    def score(self, source: Source, *, path: str | None = None) -> Verdict:
        """Judge one image; what is wrong with it stands in the verdict and is not raised.

        Parameters
        ----------
        source : path, bytes or array
            A file, a member of a zip (`set.zip!/a.jpg`), a whole encoded image, or uint8 pixels: (H, W) grey,
            (H, W, 3) RGB or (H, W, 4) RGBA.
        path : str, optional
            What the verdict names as its path; that of `source` unless given.
        """
        if path is None and isinstance(source, str | os.PathLike):
            path = os.fspath(source)
        return self.score_all([(source, path)])[0]

    def score_all(self, sources: Sequence[tuple[Source, str | None]]) -> list[Verdict]:
        """Judge images together: each verdict is to the last bit what `score` gives for its image alone.

        Parameters
        ----------
        sources : sequence of (source, path)
            As `score` takes them.
        """
        measured = [self._measure(source) for source, _ in sources]
        vectors = [found.values for found in measured if isinstance(found, _Measured)]
        probabilities = iter(self.bundle.probability(np.stack(vectors)).tolist() if vectors else ())
        return [
            self._verdict(path, found, next(probabilities))
            if isinstance(found, _Measured)
            else Verdict(path, found.digest, None, None, None, None, self._ref, ErrorRef.of(found.error))
            for (_, path), found in zip(sources, measured, strict=True)
        ]

    def _measure(self, source: Source) -> "_Measured | _Failed":
        digest = None
        try:
            data = read_bytes(source) if isinstance(source, str | os.PathLike) else source
            digest = hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else None
            frame = Frame.load(data)
            return _Measured(digest, frame.size, self.bundle.feature_set.compute(frame))
        except ImageError as error:
            return _Failed(digest, error)

    def _verdict(self, path: str | None, measured: "_Measured", probability: float) -> Verdict:
        verdict, reason = self.bundle.decide(probability), None
        if min(measured.size) < WORKING_SIZE:
            verdict, reason = "uncertain", _TOO_SMALL.format(*measured.size)
        elif verdict == "uncertain":
            reason = self._uncertain
        return Verdict(path, measured.digest, probability, verdict, reason, None, self._ref)

    @cached_property
    def _ref(self) -> ModelRef:
        return self.bundle.ref

    @cached_property
    def _uncertain(self) -> str:
        points = self.bundle.points
        return f"between the points for real ({points.real_below:.4f}) and for fake ({points.fake_from:.4f})"


class _Measured(NamedTuple):
    """An image that has a vector: its sha256 where it came as bytes, its height and width, its values."""

    digest: str | None
    size: tuple[int, int]
    values: Values


class _Failed(NamedTuple):
    """An image that has none: its sha256 where it came as bytes, and what is wrong."""

    digest: str | None
    error: ImageError


@lru_cache(maxsize=4)
def load_detector(model: str = "fast") -> Detector:
    """Load a detector, once a process.

    Parameters
    ----------
    model : str
        The name of one that ships (`fast`), or the path of a bundle.

    Raises
    ------
    UnknownNameError, BundleError, FeatureMismatchError
        Where there is none, or it is damaged or measures otherwise than this version.
    """
    return Detector(load(resolve(model)))


def score(
    inputs: Iterable[Input],
    *,
    model: str = "fast",
    faces: str = "auto",
    workers: int | None = None,
    ordered: bool = False,
    prior: float | None = None,
) -> Iterator[Verdict]:
    """Judge every input; verdicts come as they are done.

    Parameters
    ----------
    inputs : iterable of str or bytes
        Paths (`pipelines.inputs.expand` makes them); the bytes of an image get the path `-`.
    model : str
        As `load_detector` takes it.
    faces : str
        One of `FACES`.
    workers : int, optional
        Processes; unless given one for few inputs, else as many as there are cores. Verdicts do not depend on it.
        One process takes inputs as they come, several need all of them named first.
    ordered : bool
        Whether verdicts come in the order of the inputs.
    prior : float, optional
        Share of fakes among such images, between 0 and 1: probabilities are moved to it, verdicts stay.

    Raises
    ------
    UnknownNameError, BundleError, FeatureMismatchError
        As `load_detector` raises them, at once; and for an unknown value of `faces`.
    """
    if faces not in FACES:
        raise UnknownNameError("way to find faces", faces, FACES)
    load_detector(model)  # what is wrong with it shows before any process is started
    if workers != 1:
        inputs = list(inputs)  # here and not by a thread that feeds processes, where no interrupt would reach it
        workers = workers or (1 if len(inputs) < _FEW else cores())
    chunks = _chunks(iter(inputs), _CHUNK if isinstance(inputs, Sequence) else 1)  # what is still coming may not wait
    return chain.from_iterable(map_jobs(partial(_score_chunk, model, prior), chunks, workers=workers, ordered=ordered))


def _chunks(inputs: Iterator[Input], size: int) -> Iterator[list[Input]]:
    while chunk := list(islice(inputs, size)):
        yield chunk


def _score_chunk(model: str, prior: float | None, chunk: list[Input]) -> list[Verdict]:
    detector = load_detector(model)
    verdicts = detector.score_all([(entry, STDIN if isinstance(entry, bytes) else entry) for entry in chunk])
    return verdicts if prior is None else [_moved(verdict, prior) for verdict in verdicts]


def _moved(verdict: Verdict, prior: float) -> Verdict:
    if verdict.probability is None:
        return verdict
    return replace(verdict, probability=with_prior(verdict.probability, prior))
