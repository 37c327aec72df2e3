"""Scores every image as it is and under every perturbation, and keeps the rows, so that a killed run goes on.

A worker decodes an image once, judges all that is missing of it, and writes the rows of its job as one Parquet shard
under `rows/MODEL-FACES/`, whole or not at all: a kill loses the jobs in hand. Rows are known by the digest of the
detector, the sha256 of the image and the key of the level (`pipelines.robustness`); one with an error is tried again.
"""

import hashlib
import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from features.decode import Pixels
from features.errors import BundleError, FauxfaceError, ImageError, OutputError, WorkerError, reason_of
from features.frame import Frame, load_pixels
from features.framing import FRAMING
from features.planes import laplacian
from features.storage import absolute
from features.store import FeatureStore
from models.files import replace_file
from pipelines import engine_faults
from pipelines.engine_choice import Engine, Local
from pipelines.robustness import perturb
from pipelines.score import load_detector

if TYPE_CHECKING:
    import pandas

__all__ = ["AS_IT_IS", "COLUMNS", "FACTS", "Wanted", "judge"]

AS_IT_IS: Final = ""
"""The key of the rows of unchanged images."""

FACTS: Final = ("size", "brightness", "sharpness", "face_size")
"""What is noted of an image as it is; NaN elsewhere.

`size`: its shorter side in pixels. `brightness`: mean luma, 0 to 255. `sharpness`: standard deviation of the 3x3
Laplacian of luma; both at the working size. `face_size`: side of the square that was judged in pixels, NaN where that
is the whole image.
"""

COLUMNS: Final = ("sha256", "key", "probability", "verdict", "error", *FACTS)
"""What a shard holds; `probability` is NaN where there is none."""

_ROWS_A_JOB: Final = 1024
_LEAST_ROWS: Final = 32
_AT_ONCE: Final = 64  # pictures: trees that judge many at once cost half, with the same bits
_BYTES_AT_ONCE: Final = 1 << 26


class Wanted(NamedTuple):
    """An image, and what is wanted of it: keys of levels, or AS_IT_IS."""

    path: str
    sha256: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class _Job:
    digest: str
    model: str
    faces: str
    folder: Path
    wanted: tuple[Wanted, ...] = ()


class _Picture(NamedTuple):
    sha256: str
    key: str
    pixels: Pixels


def judge(
    wanted: Sequence[Wanted],
    out: Path,
    *,
    model: str,
    faces: str,
    engine: Engine | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> "pandas.DataFrame":
    """Give a row for each key of each image, those that an earlier run left and new ones.

    Parameters
    ----------
    wanted : sequence of Wanted
        Each image once.
    out : path
        The folder of the evaluation; shards go below it.
    model : str
        As `load_detector` takes it.
    faces : str
        `off` judges images whole, `auto` the largest face in each.
    engine : Engine, optional
        Where; in this process unless given.
    progress : callable, optional
        Called with the number of rows that are there and that there will be.

    Returns
    -------
    DataFrame
        COLUMNS, exactly one row for each sha256 and key that is wanted, in their order.

    Raises
    ------
    UnknownNameError, BundleError, FeatureMismatchError
        As `load_detector` raises them.
    WorkerError, OutputError
        No worker of a cluster is left, or one does not see the folder; the rows cannot be written.
    """
    engine = engine or Local(1)
    bundle = load_detector(model, faces).bundle
    folder = out / "rows" / f"{bundle.digest[:16]}-{'off' if faces == 'off' else FRAMING.replace('/', '-')}"
    known = _read(folder)
    done = set(zip(known["sha256"], known["key"], strict=True))
    missing = [
        image._replace(keys=keys)
        for image in wanted
        if (keys := tuple(key for key in image.keys if (image.sha256, key) not in done))
    ]
    total, rows = sum(len(image.keys) for image in wanted), sum(len(image.keys) for image in missing)
    job, finished = _Job(bundle.digest, model, faces, folder), total - rows
    failed = []
    with ExitStack() as stack:
        needs = (stack.enter_context(_shared(folder)),) if engine.shared else ()
        jobs = _jobs(job, missing, rows, engine.workers)
        work = engine_faults.Work(_judge_job, _halve, _blame, needs)
        jobs = map(_anywhere, jobs) if engine.shared else jobs
        for found in engine.map(work, jobs, at_most=None if len(missing) > 1 else 1):
            failed.append(found.failed)
            finished += found.rows
            if progress:
                progress(finished, total)
    return _ordered(wanted, [_read(folder), *failed])


@contextmanager
def _shared(folder: Path) -> Iterator[str]:
    """Lay a file into the folder of the rows, by which workers tell that they see the same."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {reason_of(error)}") from error
    with FeatureStore(folder).probe() as path:
        yield absolute(path)


def _anywhere(job: _Job) -> _Job:
    """Make the paths of a job absolute, so that it means the same on another machine."""
    wanted = tuple(image._replace(path=absolute(image.path)) for image in job.wanted)
    return replace(job, folder=Path(absolute(job.folder)), wanted=wanted)


def _halve(job: _Job) -> list[_Job]:
    return [replace(job, wanted=tuple(part)) for part in engine_faults.halve(list(job.wanted))]


def _jobs(job: _Job, missing: Sequence[Wanted], rows: int, workers: int) -> Iterator[_Job]:
    """Divide what is missing so that jobs have about as many rows, and every worker several of them."""
    most = min(_ROWS_A_JOB, max(_LEAST_ROWS, rows // (4 * workers)))
    held: list[Wanted] = []
    for image in missing:
        held.append(image)
        if sum(len(one.keys) for one in held) >= most:
            yield replace(job, wanted=tuple(held))
            held = []
    if held:
        yield replace(job, wanted=tuple(held))


class _Found(NamedTuple):
    """How many rows a job made, and those of them that failed, which no shard holds."""

    rows: int
    failed: "pandas.DataFrame"


def _blame(job: _Job, reason: str) -> _Found:
    import pandas

    rows = [_failure(image.sha256, key, WorkerError(reason)) for image in job.wanted for key in image.keys]
    return _Found(len(rows), pandas.DataFrame(rows, columns=list(COLUMNS)))


def _judge_job(job: _Job) -> _Found:
    """Judge what a job wants and write its shard."""
    import pandas

    if load_detector(job.model, job.faces).bundle.digest != job.digest:
        raise BundleError(f"{job.model} is another detector on {socket.gethostname()} than where the run was started")

    rows: list[dict[str, Any]] = []
    for batch in _batches(_pictures(job.wanted, rows)):
        rows += _judge_batch(job, batch)
    table = pandas.DataFrame(rows, columns=list(COLUMNS))
    sound = table[table["error"] == ""]
    if len(sound):
        name = hashlib.sha256(json.dumps([list(image) for image in job.wanted]).encode()).hexdigest()[:16]
        replace_file(job.folder / f"{name}.parquet", sound.to_parquet(index=False))
    return _Found(len(rows), table[table["error"] != ""])


def _pictures(wanted: Sequence[Wanted], failed: list[dict[str, Any]]) -> Iterator[_Picture]:
    """Decode each image once and perturb it; a row for what fails goes into `failed`."""
    for path, sha256, keys in wanted:
        try:
            pixels = load_pixels(path)
        except ImageError as error:
            failed += [_failure(sha256, key, error) for key in keys]
            continue
        for key in keys:
            try:
                yield _Picture(sha256, key, perturb(pixels, key, sha256) if key else pixels)
            except ImageError as error:
                failed.append(_failure(sha256, key, error))


def _failure(sha256: str, key: str, error: FauxfaceError) -> dict[str, Any]:
    return {"sha256": sha256, "key": key, "verdict": "", "error": f"{error.code}: {error}"}


def _batches(pictures: Iterator[_Picture]) -> Iterator[list[_Picture]]:
    batch: list[_Picture] = []
    for picture in pictures:
        batch.append(picture)
        if len(batch) == _AT_ONCE or sum(one.pixels.nbytes for one in batch) > _BYTES_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _judge_batch(job: _Job, batch: Sequence[_Picture]) -> Iterator[dict[str, Any]]:
    """Judge pictures, of each the whole or its largest face."""
    verdicts = load_detector(job.model, job.faces).score_all([(one.pixels[..., ::-1], None) for one in batch])
    for picture, (verdict, *_) in zip(batch, verdicts, strict=True):
        yield {
            "sha256": picture.sha256,
            "key": picture.key,
            "probability": verdict.probability,
            "verdict": verdict.verdict or "",
            "error": f"{verdict.error.type}: {verdict.error.message}" if verdict.error else "",
            **(_facts(picture.pixels, verdict.face) if picture.key == AS_IT_IS else {}),
        }


def _facts(bgr: Pixels, face: tuple[int, int, int, int] | None) -> dict[str, float]:
    luma = Frame.of(bgr).luma
    facts = (min(bgr.shape[:2]), luma.mean(), laplacian(luma).std(), face[2] if face else np.nan)
    return dict(zip(FACTS, map(float, facts), strict=True))


def _read(folder: Path) -> "pandas.DataFrame":
    """Read all shards; one that is damaged is removed, and its rows are measured again."""
    import pandas
    import pyarrow

    tables = [pandas.DataFrame(columns=list(COLUMNS))]
    for path in sorted(folder.glob("*.parquet")):
        try:
            tables.append(pandas.read_parquet(path, columns=list(COLUMNS)))
        except (OSError, KeyError, pyarrow.ArrowException):
            path.unlink()
    return _joined(tables)


def _joined(tables: "Sequence[pandas.DataFrame]") -> "pandas.DataFrame":
    import pandas

    held = [table for table in tables if len(table)]
    joined = pandas.concat(held, ignore_index=True) if held else tables[0]
    return joined.drop_duplicates(["sha256", "key"], keep="last")


def _ordered(wanted: Sequence[Wanted], tables: "Sequence[pandas.DataFrame]") -> "pandas.DataFrame":
    """Pick the rows that are wanted, in order."""
    import pandas

    asked = pandas.MultiIndex.from_tuples([(image.sha256, key) for image in wanted for key in image.keys])
    rows = _joined(tables).set_index(["sha256", "key"]).reindex(asked)
    rows.index.names = ["sha256", "key"]
    numbers = dict.fromkeys(("probability", *FACTS), np.float64)
    return rows.reset_index().fillna({"verdict": "", "error": ""}).astype(numbers)
