"""Gives a verdict on every face of every image, a row each as it is done, whatever becomes of the others."""

import hashlib
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import Final, NamedTuple

from features.decode import Pixels
from features.errors import BundleError, ImageError, UnknownNameError
from features.frame import Frame, load_pixels
from features.framing import MIN_FACE, frame_faces
from features.source import read_bytes
from features.spec import Values
from features.storage import absolute, is_url
from models.bundle import Bundle, load, resolve
from models.calibration import FAKES_MISSED, REALS_ACCUSED, OperatingPoints, too_few
from models.verdict import ErrorRef, ModelRef, Verdict
from pipelines.engine import cores
from pipelines.engine_choice import LOCAL, Setup
from pipelines.inputs import Input, names_video
from pipelines.progress import counted
from pipelines.score_jobs import at_home, chunks_of, name_of, run
from pipelines.video_jobs import Sampling, judge_inputs

__all__ = ["COLUMNS", "FACES", "NO_FACE", "SHOWN", "Detector", "Face", "Judged", "Source", "load_detector", "score"]

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
        judged = iter(self.judge(values, [len(views) for views in faces]) if faces else ())
        return [self._rows(path, image, judged) for (_, path), image in zip(sources, images, strict=True)]

    def judge(self, values: Values, views: Sequence[int]) -> "Iterator[Judged]":
        """Give the probability of each face, and why none can be trusted.

        Parameters
        ----------
        values : (n, d) float32 array
            Of one view a row, as the bundle measures them; n is not zero.
        views : sequence of int
            How many rows, one after another, show each face.
        """
        probabilities = self.bundle.probability(values, views).tolist()
        if (novelty := self.bundle.novelty) is None:
            return (Judged(probability, None) for probability in probabilities)
        distances = iter(novelty.distances(values).tolist())
        strange = [novelty.judge(list(islice(distances, count))) for count in views]
        return map(Judged, probabilities, strange)

    def _read(self, source: Source) -> "_Image":
        digest = None
        try:
            data = read_bytes(source) if isinstance(source, str | os.PathLike) else source
            digest = hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else None
            return _Image(digest, self.find_faces(load_pixels(data)))
        except ImageError as error:
            return _Image(digest, [], error)

    def find_faces(self, bgr: Pixels) -> "list[Face]":
        """Find what is judged in (H, W, 3) uint8 BGR pixels: every face, or the whole where faces are `off`."""
        if self.faces == "off":
            return [_face((Frame.of(bgr),))]
        return [_face(face.views, face.square, face.doubt, face.note) for face in frame_faces(bgr)]

    def _rows(self, path: str | None, image: "_Image", judged: "Iterator[Judged]") -> list[Verdict]:
        if image.error:
            return [Verdict(path, image.digest, None, None, None, None, self._ref, ErrorRef.of(image.error))]
        if not image.faces:
            return [Verdict(path, image.digest, None, "no_face", NO_FACE, None, self._ref)]
        return [self._verdict(path, image.digest, face, next(judged)) for face in image.faces]

    def _verdict(self, path: str | None, digest: str | None, face: "Face", judged: "Judged") -> Verdict:
        verdict = self.bundle.decide(judged.probability)
        reasons = [face.doubt, judged.strange]
        if any(reasons):
            verdict = "uncertain"
        else:
            reasons = [self.between if verdict == "uncertain" else None, face.note]
        reason = "; ".join(filter(None, reasons)) or None
        return Verdict(path, digest, judged.probability, verdict, reason, face.square, self._ref)

    @cached_property
    def _ref(self) -> ModelRef:
        return self.bundle.ref

    @cached_property
    def between(self) -> str:
        """Why a probability between the operating points decides nothing."""
        points = self.bundle.points
        return f"between the points for real ({points.real_below:.4f}) and for fake ({points.fake_from:.4f})"


class Face(NamedTuple):
    """What is judged at once, a face or a whole image, in one or more views.

    `square` is where it was cropped; `doubt` withholds the verdict, `note` only limits it.
    """

    views: Sequence[Frame]
    square: _Square | None
    doubt: str | None
    note: str | None


def _face(
    views: Sequence[Frame], square: _Square | None = None, doubt: str | None = None, note: str | None = None
) -> Face:
    height, width = views[0].size
    if not doubt and min(height, width) < _LEAST_SIDE:
        doubt = _TOO_SMALL.format("its face of " if square else "", width, height)
    return Face(views, square, doubt, note)


class _Image(NamedTuple):
    """An image with what is judged of it: its sha256 where it came as bytes, and why it could not be measured."""

    digest: str | None
    faces: list[Face]
    error: ImageError | None = None


class Judged(NamedTuple):
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
    engine: Setup = LOCAL,
    ordered: bool = False,
    prior: float | None = None,
    max_fpr: float | None = None,
    max_miss: float | None = None,
    sampling: Sampling | None = None,
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
    engine : Setup
        Where images are judged. All machines have to reach them and the bundle under the same paths.
    ordered : bool
        Whether verdicts come in the order of the inputs.
    prior : float, optional
        Share of fakes among such images, between 0 and 1: probabilities are moved to it, verdicts stay.
    max_fpr, max_miss : float, optional
        As `load_detector` takes them: move the operating points.
    sampling : Sampling, optional
        How frames are taken from clips.
    say : callable, optional
        Called with a sentence where the calibration images are too few for such shares.
    progress : callable, optional
        Called with the number of inputs that are finished and that there are, None where that is not known.

    Raises
    ------
    UnknownNameError, BundleError, FeatureMismatchError, ValueError
        As `load_detector` raises them, at once.
    """
    if engine != LOCAL and (is_url(model) or Path(model).exists()):
        model = absolute(model)
    setting = (model, faces, "cpu", max_fpr, max_miss)
    detector = load_detector(*setting)  # what is wrong with it shows before any process is started
    if say and (max_fpr is not None or max_miss is not None):
        for sentence in too_few(_kept(detector.bundle), **_shares(max_fpr, max_miss)):
            say(sentence)
    if workers != 1:
        inputs = list(inputs)  # here and not by a thread that feeds processes, where no interrupt would reach it
        workers = workers or (1 if len(inputs) < _FEW[faces] and sum(map(names_video, inputs)) < 2 else cores())
    total = len(inputs) if isinstance(inputs, Sequence) else None
    chunks = chunks_of(iter(inputs), 1 if total is None else _CHUNK[faces])  # what is still coming may not wait
    ref = detector.bundle.ref
    job = partial(_score_chunk, setting, prior, sampling, ref, str(Path.cwd()) if engine != LOCAL else "")
    images = chain.from_iterable(run(engine, job, chunks, ref=ref, workers=workers or cores(), ordered=ordered))
    return chain.from_iterable(counted(images, progress, total) if progress else images)


def _score_chunk(
    setting: _Setting, prior: float | None, sampling: Sampling | None, ref: ModelRef, folder: str, chunk: list[Input]
) -> list[list[Verdict]]:
    """Judge inputs, whose paths are as seen from `folder`, by the detector that `ref` names."""
    detector = load_detector(*setting)
    if detector.bundle.ref != ref:
        raise BundleError(f"{setting[0]} is another detector on {socket.gethostname()} than where the run was started")
    images = judge_inputs(detector, [(at_home(folder, entry), name_of(entry)) for entry in chunk], sampling)
    return images if prior is None else [[verdict.moved(prior) for verdict in image] for image in images]
