"""Says why images get their verdicts: what each value contributes, in words, in numbers and where on the face."""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

from features.errors import ImageError, OutputError, reason_of
from features.frame import Frame, load_pixels
from features.framing import frame_faces
from features.source import read_bytes
from models.bundle import resolve
from models.contributions import Explainer
from models.files import replace_file
from models.verdict import Verdict
from pipelines.engine import cores, map_jobs
from pipelines.explain_page import page
from pipelines.explain_record import Explained, row
from pipelines.explain_sheet import sheet
from pipelines.inputs import STDIN, Input, apart, below_shared
from pipelines.progress import counted
from pipelines.score import Detector, load_detector

__all__ = ["COLUMNS", "SHOWN", "explain", "explain_image"]

# fmt: off
COLUMNS: Final = (
    "verdict.path", "verdict.sha256", "verdict.probability", "verdict.verdict", "verdict.reason", "verdict.face",
    "score", "base", "placed", "summary", "page", "picture", "verdict.error.type", "verdict.error.message",
)
# fmt: on
"""The columns of an explanation in csv."""

SHOWN: Final = {
    "verdict.verdict": 9, "verdict.probability": 11, "verdict.path": 0, "summary": 0, "verdict.error.message": 0
}  # fmt: skip
"""The columns of an explanation in a table, and their widths."""

_FEW: Final = 32  # images that one process explains in less time than it takes to start others


def explain(
    inputs: Iterable[Input],
    *,
    model: str = "fast",
    faces: str = "auto",
    out: str | None = None,
    workers: int | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Explain the verdict on every face of every image, in order; what is wrong with one stands in its row.

    Parameters
    ----------
    inputs : iterable of str or bytes
        As `pipelines.inputs.expand` makes them.
    model, faces : str
        As `load_detector` takes them.
    out : str, optional
        The folder for a page and a picture of each image; those of an earlier run are replaced.
    workers : int, optional
        Processes; unless given one for few images, else as many as there are cores.
    progress : callable, optional
        Called with the number of images that are finished and that there are.

    Yields
    ------
    dict
        A row each as `pipelines.explain_record.row` gives it, all JSON values.

    Raises
    ------
    UnknownNameError, BundleError, FeatureMismatchError
        As `load_detector` raises them, at once.
    OutputError
        `out` cannot be written.
    """
    _open(model, faces)
    entries = list(inputs)
    names = apart(below_shared([_path(entry) for entry in entries]))
    if out is not None:
        _prepare(Path(out))
    job = partial(_explain, model, faces, out)
    workers = workers or (1 if len(entries) < _FEW else cores())
    images = map_jobs(job, list(zip(entries, names, strict=True)), workers=workers, ordered=True)
    return chain.from_iterable(counted(images, progress, len(entries)) if progress else images)


def explain_image(detector: Detector, explainer: Explainer, source: Input, verdicts: list[Verdict]) -> list[Explained]:
    """Take the verdicts on the faces of one image apart.

    Parameters
    ----------
    detector, explainer
        Of one bundle.
    source : str or bytes
        The image.
    verdicts : list of Verdict
        What the detector said of it: where that is an error or `no_face`, there is nothing to explain.
    """
    if verdicts[0].probability is None:
        return []
    picture = load_pixels(source)
    framed = frame_faces(picture) if detector.faces == "auto" else [None]
    views = [face.views if face else (Frame.of(picture),) for face in framed]
    values = detector.bundle.measure(list(chain.from_iterable(views)))
    found = explainer.explain(values, [len(shown) for shown in views])
    return [
        Explained(verdict, contributions, shown[0], face, picture)
        for verdict, contributions, shown, face in zip(verdicts, found, views, framed, strict=True)
    ]


@lru_cache(maxsize=4)
def _open(model: str, faces: str) -> tuple[Detector, Explainer]:
    """Load a detector and what takes its scores apart, once a process."""
    detector = load_detector(model, faces)
    return detector, Explainer(detector.bundle, resolve(model))


def _path(entry: Input) -> str:
    return STDIN if isinstance(entry, bytes) else entry


def _prepare(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made: {reason_of(error)}") from error


def _explain(model: str, faces: str, out: str | None, named: tuple[Input, str]) -> list[dict[str, Any]]:
    """Explain one image, and write its files."""
    entry, name = named
    detector, explainer = _open(model, faces)
    source = _read(entry)
    verdicts = detector.score_faces(source, path=_path(entry))
    found = explain_image(detector, explainer, source, verdicts)
    if not found:
        return [row(verdict) for verdict in verdicts]
    files = None if out is None else _write(Path(out), name, _path(entry), found)
    return [row(explained.verdict, explained, files) for explained in found]


def _read(entry: Input) -> Input:
    """Read an image once; what cannot be read stays a path, and its verdict says why."""
    try:
        return read_bytes(entry) if isinstance(entry, str) else entry
    except ImageError:
        return entry


def _write(out: Path, name: str, path: str, found: list[Explained]) -> tuple[str, str]:
    files = (out / f"{name}.html", out / f"{name}.png")
    for file, data in zip(files, (page(path, found).encode("utf-8", "backslashreplace"), sheet(found)), strict=True):
        replace_file(file, data)
    return str(files[0]), str(files[1])
