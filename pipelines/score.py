"""Gives a verdict on every face of every image, a row each as it is done, whatever becomes of the others."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from itertools import chain, islice
from typing import Final, NamedTuple

from features.decode import Pixels
from features.errors import BundleError, ImageError, UnknownNameError
from features.frame import Frame, load_pixels
from features.framing import MIN_FACE, frame_faces
from features.source import read_bytes
from features.spec import Values
from models.bundle import Bundle, load, resolve
from models.calibration import FAKES_MISSED, REALS_ACCUSED, OperatingPoints, too_few, with_prior
from models.verdict import ErrorRef, ModelRef, Verdict
from pipelines.engine import cores, map_jobs
from pipelines.inputs import STDIN, Input
from pipelines.progress import counted

__all__ = ["COLUMNS", "FACES", "NO_FACE", "SHOWN", "Detector", "Source", "load_detector", "score"]

FACES: Final = ("auto", "off")
"""How faces are found: `auto` finds each and brings it to the one framing, `off` takes every image whole."""

NO_FACE: Final = f"no face of {MIN_FACE} pixels or more was found"
"""Why an image gets the verdict `no_face`."""

# fmt: off
COLUMNS: Final = (
    "path", "sha256", "probability", "verdict", "reason", "face",
    "model.name", "model.digest", "error.type", "error.message",
)
# fmt: on
"""The columns of a verdict in csv."""

SHOWN: Final = {"verdict": 9, "probability": 11, "path": 0, "face": 0, "error.message": 0}
"""The columns of a verdict in a table, and their widths."""

_CHUNK: Final = {"auto": 16, "off": 64}  # images a job: trees that judge many at once cost half, with the same bits
_FEW: Final = {"auto": 64, "off": 256}  # inputs that one process scores in less time than it takes to start others

_LEAST_SIDE: Final = 96  # pixels; at 64, 3.6 % of real faces would be called fake (benchmarks.resize_policy)

_TOO_SMALL = f"{{}}{{}}x{{}} pixels; enlarged, real faces look forged: a verdict needs {_LEAST_SIDE} both ways"

_Square = tuple[int, int, int, int]
_Setting = tuple[str, str, str, float | None, float | None]  # what load_detector takes

Source = str | os.PathLike[str] | bytes | Pixels
"""What an image is given as."""


@dataclass(frozen=True, eq=False)
class Detector:
    """A bundle that gives verdicts on images.

    Attributes
    ----------
    bundle : Bundle
        What judges.
    faces : str
        One of `FACES`.
    """

    bundle: Bundle
    faces: str = "auto"

    def __post_init__(self) -> None:
        if self.faces not in FACES:
            raise UnknownNameError("way to find faces", self.faces, FACES)

    def score(self, source: Source, *, path: str | None = None) -> Verdict:
        """Judge one image, or the largest face in it; what is wrong with it stands in the verdict and is not raised.

        Parameters
        ----------
        source : path, bytes or array
            A file, a member of a zip (`set.zip!/a.jpg`), a whole encoded image, or uint8 pixels: (H, W) grey,
            (H, W, 3) RGB or (H, W, 4) RGBA.
        path : str, optional
            What the verdict names as its path; that of `source` unless given.
        """
        return self.score_faces(source, path=path)[0]

    def score_faces(self, source: Source, *, path: str | None = None) -> list[Verdict]:
        """Judge every face of one image, the largest first; takes what `score` takes. There is always one verdict."""
        if path is None and isinstance(source, str | os.PathLike):
            path = os.fspath(source)
        return self.score_all([(source, path)])[0]

    def score_all(self, sources: Sequence[tuple[Source, str | None]]) -> list[list[Verdict]]:
        """Judge images together: each gets to the last bit what `score_faces` gives for it alone.

        Parameters
        ----------
        sources : sequence of (source, path)
            As `score` takes them.
        """
        images = [self._read(source) for source, _ in sources]
        faces = [face.views for image in images for face in image.faces]
        values = self.bundle.measure(list(chain.from_iterable(faces)))
        judged = iter(self._judge(values, [len(views) for views in faces]) if faces else ())
        return [self._rows(path, image, judged) for (_, path), image in zip(sources, images, strict=True)]

    def _judge(self, values: Values, views: Sequence[int]) -> "Iterator[_Judged]":
        """Give the probability of each face, and why none can be trusted; `views` is how many rows show each."""
        probabilities = self.bundle.probability(values, views).tolist()
        if (novelty := self.bundle.novelty) is None:
            return (_Judged(probability, None) for probability in probabilities)
        distances = iter(novelty.distances(values).tolist())
        strange = [novelty.judge(list(islice(distances, count))) for count in views]
        return map(_Judged, probabilities, strange)

    def _read(self, source: Source) -> "_Image":
        digest = None
        try:
            data = read_bytes(source) if isinstance(source, str | os.PathLike) else source
            digest = hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else None
            return _Image(digest, self._find_faces(load_pixels(data)))
        except ImageError as error:
            return _Image(digest, [], error)

    def _find_faces(self, bgr: Pixels) -> "list[_Face]":
        if self.faces == "off":
            return [_face((Frame.of(bgr),))]
        return [_face(face.views, face.square, face.doubt, face.note) for face in frame_faces(bgr)]

    def _rows(self, path: str | None, image: "_Image", judged: "Iterator[_Judged]") -> list[Verdict]:
        if image.error:
            return [Verdict(path, image.digest, None, None, None, None, self._ref, ErrorRef.of(image.error))]
        if not image.faces:
            return [Verdict(path, image.digest, None, "no_face", NO_FACE, None, self._ref)]
        return [self._verdict(path, image.digest, face, next(judged)) for face in image.faces]

    def _verdict(self, path: str | None, digest: str | None, face: "_Face", judged: "_Judged") -> Verdict:
        verdict = self.bundle.decide(judged.probability)
        reasons = [face.doubt, judged.strange]
        if any(reasons):
            verdict = "uncertain"
        else:
            reasons = [self._uncertain if verdict == "uncertain" else None, face.note]
        reason = "; ".join(filter(None, reasons)) or None
        return Verdict(path, digest, judged.probability, verdict, reason, face.square, self._ref)

    @cached_property
    def _ref(self) -> ModelRef:
        return self.bundle.ref

    @cached_property
    def _uncertain(self) -> str:
        points = self.bundle.points
        return f"between the points for real ({points.real_below:.4f}) and for fake ({points.fake_from:.4f})"


class _Face(NamedTuple):
    """What is judged at once, a face or a whole image, in one or more views.

    `square` is where it was cropped; `doubt` withholds the verdict, `note` only limits it.
    """

    views: Sequence[Frame]
    square: _Square | None
    doubt: str | None
    note: str | None


def _face(
    views: Sequence[Frame], square: _Square | None = None, doubt: str | None = None, note: str | None = None
) -> _Face:
    height, width = views[0].size
    if not doubt and min(height, width) < _LEAST_SIDE:
        doubt = _TOO_SMALL.format("its face of " if square else "", width, height)
    return _Face(views, square, doubt, note)


class _Image(NamedTuple):
    """An image with what is judged of it: its sha256 where it came as bytes, and why it could not be measured."""

    digest: str | None
    faces: list[_Face]
    error: ImageError | None = None


class _Judged(NamedTuple):
    """What the detector says of a face: its probability, and why it is too strange for a verdict."""

    probability: float
    strange: str | None


@lru_cache(maxsize=4)
def load_detector(
    model: str = "fast",
    faces: str = "auto",
    device: str = "cpu",
    max_fpr: float | None = None,
    max_miss: float | None = None,
) -> Detector:
    """Load a detector, once a process.

    Parameters
    ----------
    model : str
        The name of one that ships (`fast`), or the path of a bundle.
    faces : str
        One of `FACES`.
    device : str
        Where its network computes, if it has one: `cpu`, `cuda` or `auto`.
    max_fpr, max_miss : float, optional
        Shares, between 0 and 1, of its real calibration images that may be called fake, and of the fake ones that may
        be called real: move its operating points. Unless given, 0.01 and 0.05.

    Raises
    ------
    UnknownNameError, BundleError, FeatureMismatchError
        Where there is none, or it is damaged or measures otherwise than this version; the first also for an unknown
        value of `faces`, the second where points are to be moved and it does not keep what that takes.
    ValueError
        A share that is none.
    DeviceError, MissingExtraError
        `cuda` without a GPU, or without torch.
    """
    bundle = load(resolve(model), device)
    if max_fpr is not None or max_miss is not None:
        points = OperatingPoints.of_scores(_kept(bundle), **_shares(max_fpr, max_miss))
        bundle = replace(bundle, points=points)
    return Detector(bundle, faces)


def _kept(bundle: Bundle) -> dict[str, list[float]]:
    """Take the probabilities of the calibration images from a bundle."""
    if "calibration_scores" not in bundle.manifest:
        raise BundleError(
            f"{bundle.name} keeps no probabilities of calibration images, so its operating points cannot be moved:"
            " train it with this version, or leave out max-fpr and max-miss"
        )
    kept: dict[str, list[float]] = bundle.manifest["calibration_scores"]
    return kept


def _shares(max_fpr: float | None, max_miss: float | None) -> dict[str, float]:
    return {
        "max_fpr": REALS_ACCUSED if max_fpr is None else max_fpr,
        "max_miss": FAKES_MISSED if max_miss is None else max_miss,
    }


def score(
    inputs: Iterable[Input],
    *,
    model: str = "fast",
    faces: str = "auto",
    workers: int | None = None,
    ordered: bool = False,
    prior: float | None = None,
    max_fpr: float | None = None,
    max_miss: float | None = None,
    say: Callable[[str], None] | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Iterator[Verdict]:
    """Judge every input; verdicts come as they are done, those of the faces of one input together.

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
    max_fpr, max_miss : float, optional
        As `load_detector` takes them: move the operating points.
    say : callable, optional
        Called with a sentence where the calibration images are too few for such shares.
    progress : callable, optional
        Called with the number of inputs that are finished and that there are, None where that is not known.

    Raises
    ------
    UnknownNameError, BundleError, FeatureMismatchError, ValueError
        As `load_detector` raises them, at once.
    """
    setting = (model, faces, "cpu", max_fpr, max_miss)
    detector = load_detector(*setting)  # what is wrong with it shows before any process is started
    if say and (max_fpr is not None or max_miss is not None):
        for sentence in too_few(_kept(detector.bundle), **_shares(max_fpr, max_miss)):
            say(sentence)
    if workers != 1:
        inputs = list(inputs)  # here and not by a thread that feeds processes, where no interrupt would reach it
        workers = workers or (1 if len(inputs) < _FEW[faces] else cores())
    total = len(inputs) if isinstance(inputs, Sequence) else None
    chunks = _chunks(iter(inputs), 1 if total is None else _CHUNK[faces])  # what is still coming may not wait
    job = partial(_score_chunk, setting, prior)
    images = chain.from_iterable(map_jobs(job, chunks, workers=workers, ordered=ordered))
    return chain.from_iterable(counted(images, progress, total) if progress else images)


def _chunks(inputs: Iterator[Input], size: int) -> Iterator[list[Input]]:
    while chunk := list(islice(inputs, size)):
        yield chunk


def _score_chunk(setting: _Setting, prior: float | None, chunk: list[Input]) -> list[list[Verdict]]:
    detector = load_detector(*setting)
    images = detector.score_all([(entry, STDIN if isinstance(entry, bytes) else entry) for entry in chunk])
    return images if prior is None else [[_moved(verdict, prior) for verdict in image] for image in images]


def _moved(verdict: Verdict, prior: float) -> Verdict:
    if verdict.probability is None:
        return verdict
    return replace(verdict, probability=with_prior(verdict.probability, prior))
