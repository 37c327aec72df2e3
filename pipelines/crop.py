"""Cuts the faces out of pictures, framed as the detectors learnt them, and lists where each came from.

Of a data set the largest face of each picture is taken, for its label belongs to that one; of pictures without labels
every face. A crop keeps the picture's own resolution and is written as PNG, so that no new compression enters; a
picture that already is such a crop is copied as it is.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np

from features.decode import sniff
from features.errors import ImageError, NoFaceError, OutputError, reason_of
from features.frame import load_pixels
from features.framing import FRAMING, Framed, frame_faces
from features.source import read_bytes
from pipelines.dataset import LABELS, read_dataset
from pipelines.engine import cores, map_jobs
from pipelines.inputs import STDIN, SUFFIXES, Input, apart, below_shared, expand
from pipelines.layouts import has_layout
from pipelines.progress import counted
from pipelines.render import Output, write_rows
from pipelines.score import NO_FACE

__all__ = ["LEFT_OUT", "MANIFEST", "Crop", "LeftOut", "Summary", "crop"]

MANIFEST: Final = "manifest.csv"
"""The table of the crops, a row a `Crop`; `read_dataset` reads it where there are labels."""

LEFT_OUT: Final = "left_out.csv"
"""The table of the pictures that gave no crop, a row a `LeftOut`."""

_UNLABELLED = "faces"  # the folder of crops without a label
_CLASSES = {name: label for label, name in enumerate(LABELS)}
_CHUNK = 16  # pictures a job
_PART = ".part"  # the ending of a file that is being written
_FEW = 64  # pictures that one process crops in less time than it takes to start others


class Crop(NamedTuple):
    """A crop and where it came from: the columns of `MANIFEST`.

    Attributes
    ----------
    path : str
        The crop, seen from the manifest.
    label, group, kind, source : str
        As its data set has them; without one, the group is the picture's path and the others are empty.
    picture : str
        The path of the picture it was cut from.
    x, y, w, h : int
        Where it lies in the picture, without its turn, in pixels.
    roll : float
        Degrees by which the face is turned clockwise in the picture.
    face : float
        Side of the face's box, in pixels of the picture.
    presence : float
        Confidence of the detector that it is one, 0 to 1.
    doubt, note : str
        Why no verdict on it can be trusted, and what limits one; empty where there is nothing to say.
    """

    path: str
    label: str
    group: str
    kind: str
    source: str
    picture: str
    x: int
    y: int
    w: int
    h: int
    roll: float
    face: float
    presence: float
    doubt: str
    note: str


class LeftOut(NamedTuple):
    """A picture that gave no crop: the columns of `LEFT_OUT`."""

    path: str
    reason: str


@dataclass(frozen=True)
class Summary:
    """What a run of `crop` did.

    Attributes
    ----------
    total, no_face, failed : int
        Pictures: all, those in which no face was found, those that could not be read.
    crops, doubtful : int
        Crops: all, those on which no verdict can be trusted.
    seconds : float
        How long it took.
    framing : str
        Name and version of the framing.
    """

    total: int
    no_face: int
    failed: int
    crops: int
    doubtful: int
    seconds: float
    framing: str = FRAMING

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class _Picture:
    """A picture, what is known of it, and how its crops are named: a path without an ending, seen from the manifest."""

    entry: Input
    group: str
    label: str = ""
    kind: str = ""
    source: str = ""
    stem: str = ""

    @property
    def path(self) -> str:
        return STDIN if isinstance(self.entry, bytes) else self.entry


_Rows = list[Crop] | list[LeftOut]


def crop(
    sources: Sequence[str],
    out: str,
    *,
    real: Sequence[str] = (),
    fake: Sequence[str] = (),
    workers: int | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Summary:
    """Write the framed faces of pictures below a folder, with a manifest and a list of what was left out.

    Parameters
    ----------
    sources : sequence of str
        Data sets as `read_dataset` takes them, or else pictures as `pipelines.inputs.expand` names them.
    out : str
        The folder, made where it is missing. Crops of an earlier run are written over, and its tables replaced.
    real, fake : sequence of str
        Names of class folders, as `read_dataset` takes them.
    workers : int, optional
        Processes; unless given one for few pictures, else as many as there are cores.
    progress : callable, optional
        Called with the number of pictures that are done and that there are.

    Raises
    ------
    DatasetError
        Where a source is a data set that `read_dataset` refuses, or one is and another is not.
    OutputError
        Where `out` holds something else, lies inside a source, or cannot be written.
    """
    started = time.monotonic()
    root = Path(out)
    pictures = _named(_pictures(sources, real, fake))
    _prepare(root, sources)
    chunks = [pictures[at : at + _CHUNK] for at in range(0, len(pictures), _CHUNK)]
    workers = workers or (1 if len(pictures) < _FEW else cores())
    done = chain.from_iterable(map_jobs(partial(_crop_all, root), chunks, workers=workers, ordered=True))
    rows = list(chain.from_iterable(counted(done, progress, len(pictures)) if progress else done))
    crops = [row for row in rows if isinstance(row, Crop)]
    left_out = [row for row in rows if isinstance(row, LeftOut)]
    _write_table(root / LEFT_OUT, LeftOut._fields, left_out)
    _write_table(root / MANIFEST, Crop._fields, crops)
    no_face = sum(row.reason.startswith(f"{NoFaceError.code}:") for row in left_out)
    doubtful = sum(bool(row.doubt) for row in crops)
    seconds = round(time.monotonic() - started, 3)
    return Summary(len(pictures), no_face, len(left_out) - no_face, len(crops), doubtful, seconds)


def _pictures(sources: Sequence[str], real: Sequence[str], fake: Sequence[str]) -> list[_Picture]:
    """List the pictures of data sets, or else of inputs without labels, each a group of its own."""
    if real or fake or any(has_layout(source, _CLASSES) for source in sources):
        samples = read_dataset(sources, real=real, fake=fake)
        return [_Picture(it.path, it.group, LABELS[it.label], it.kind, it.source) for it in samples]
    return [_Picture(entry, STDIN if isinstance(entry, bytes) else entry) for entry in dict.fromkeys(expand(sources))]


def _named(pictures: Sequence[_Picture]) -> list[_Picture]:
    """Give every picture a stem of its own: the folder of its label, and its path below what all pictures share."""
    folders = [picture.label or _UNLABELLED for picture in pictures]
    below = below_shared([picture.path for picture in pictures])
    stems = apart([f"{folder}/{name.removeprefix(f'{folder}/')}" for folder, name in zip(folders, below, strict=True)])
    return [replace(picture, stem=stem) for picture, stem in zip(pictures, stems, strict=True)]


def _prepare(root: Path, sources: Sequence[str]) -> None:
    """Make the folder, or check that it is one of ours; until the run ends, its manifest lists nothing."""
    for source in sources:
        if Path(source).is_dir() and root.resolve().is_relative_to(Path(source).resolve()):
            raise OutputError(f"{root} lies inside {source}: its crops would be sources of the next run")
    try:
        root.mkdir(parents=True, exist_ok=True)
        if any(root.iterdir()) and not _is_ours(root / MANIFEST):
            raise OutputError(f"{root} holds something else than crops; name a new folder")
    except OSError as error:
        raise _failure(root, error) from error
    _write_table(root / MANIFEST, Crop._fields, [])


def _is_ours(manifest: Path) -> bool:
    columns = ",".join(Crop._fields).encode()
    return manifest.is_file() and manifest.read_bytes().startswith(columns)


def _write_table(path: Path, columns: Sequence[str], rows: Sequence[Crop | LeftOut]) -> None:
    """Write a CSV under a temporary name and rename it."""
    part = path.with_name(path.name + _PART)
    with Output(str(part)) as output:
        write_rows((row._asdict() for row in rows), "csv", output, columns=columns)
    part.replace(path)


def _crop_all(root: Path, pictures: Sequence[_Picture]) -> list[_Rows]:
    return [_crop(root, picture) for picture in pictures]


def _crop(root: Path, picture: _Picture) -> _Rows:
    """Write the crops of one picture; returns their rows, or the one that says why there are none."""
    try:
        data = picture.entry if isinstance(picture.entry, bytes) else read_bytes(picture.entry)
        faces = frame_faces(load_pixels(data))
        if not faces:
            raise NoFaceError(NO_FACE)
    except ImageError as error:
        return [LeftOut(picture.path, f"{error.code}: {error}")]
    except Exception as error:  # a fault of ours, not of the picture
        error.add_note(f"while looking for faces in {picture.path}")
        raise
    return list(_write_faces(root, picture, data, faces[:1] if picture.label else faces))


def _write_faces(root: Path, picture: _Picture, data: bytes, faces: Sequence[Framed]) -> Iterator[Crop]:
    for number, face in enumerate(faces, 1):
        stem = picture.stem if picture.label else f"{picture.stem}-{number}"
        suffix, content = (".png", _png(face)) if face.square else (_suffix(picture.path, data), data)
        _write(root / f"{stem}{suffix}", content)
        yield _row(picture, stem + suffix, face)


def _png(face: Framed) -> bytes:
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(face.pixels))
    return encoded.tobytes()


def _suffix(path: str, data: bytes) -> str:
    """Keep the ending of a picture's name, or give it that of its format."""
    suffix = Path(path).suffix
    return suffix if suffix.lower() in SUFFIXES else f".{sniff(data).lower()}"


def _write(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it."""
    part = path.with_name(path.name + _PART)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise _failure(path, error) from error


def _failure(path: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write to {path}: {reason_of(error)}")


def _row(picture: _Picture, path: str, face: Framed) -> Crop:
    height, width = face.pixels.shape[:2]
    x, y, w, h = face.square or (0, 0, width, height)
    return Crop(
        path=path,
        label=picture.label,
        group=picture.group,
        kind=picture.kind,
        source=picture.source,
        picture=picture.path,
        x=x,
        y=y,
        w=w,
        h=h,
        roll=round(face.face.roll, 1),
        face=round(face.face.size, 1),
        presence=round(face.face.presence, 4),
        doubt=face.doubt or "",
        note=face.note or "",
    )
