"""Makes fakes from the real images of data sets, each a pair with its original, and says where every pixel was forged.

    OUT/real/NAME.jpg           the original, degraded and saved as its fakes are
    OUT/fake/FAMILY/NAME.jpg    a forgery of it
    OUT/mask/FAMILY/NAME.png    how much of each pixel was forged, 0 to 255
    OUT/manifest.csv            a row an image, which `read_dataset` reads: the columns of `forge_pair.Listed`
    OUT/settings.json           what was asked for; only a run that asks for the same can go on with the folder

Every draw follows from the seed, the sha256 of the image and the family; how many processes there are changes nothing.
"""

import csv
import hashlib
import io
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

from features.errors import DatasetError, ImageError, OutputError, UnknownNameError, reason_of
from features.source import read_bytes
from models.files import replace_file
from pipelines.dataset import LABELS, Sample, read_dataset, split_of
from pipelines.engine import cores, map_jobs
from pipelines.forge_blend import self_blend
from pipelines.forge_graphics import render
from pipelines.forge_pair import Failure, Listed, Outcome, Task, forge_image, names_of, rng_of
from pipelines.forge_parts import Forgery
from pipelines.forge_resampled import resample
from pipelines.forge_swap import swap
from pipelines.forge_warp import warp
from pipelines.inputs import apart, below_shared, expand
from pipelines.layouts import has_layout
from pipelines.progress import Progress, counted
from pipelines.render import Output

__all__ = ["FORGERIES", "MANIFEST", "SETTINGS", "Summary", "forge", "read_reals"]

FORGERIES: Final[Mapping[str, Forgery]] = {
    "blend": self_blend,
    "resampled": resample,
    "swap": swap,
    "warp": warp,
    "graphics": render,
}
"""The families of forgeries by name."""

MANIFEST: Final = "manifest.csv"
"""The table of the images."""

SETTINGS: Final = "settings.json"
"""The file by which a folder of forgeries is known."""

_JOURNAL: Final = ".rows.ndjson"  # the rows so far, until the manifest is written
_SCHEMA: Final = "fauxface.forge/1"  # rises whenever the same settings give other bytes
_WITH_DONOR: Final = frozenset({"graphics", "swap"})
_DONORS: Final = 8  # that are tried
_READ_AT_ONCE: Final = 256
_FEW: Final = 32  # images that one process forges in less time than it takes to start others


@dataclass(frozen=True)
class Summary:
    """What a run of `forge` did.

    Attributes
    ----------
    originals : int
        Real images that were given.
    ignored : int
        Fakes that were given; nothing is made of them.
    kept : int
        Originals whose forgeries an earlier run had finished.
    forged : mapping
        Forgeries that the folder now holds, by family.
    failed : int
        Originals that lack a forgery.
    failures : tuple of Failure
        Which, and why.
    seconds : float
        How long it took.
    """

    originals: int
    ignored: int
    kept: int
    forged: Mapping[str, int]
    failed: int
    failures: tuple[Failure, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return {**asdict(self), "failures": [failure._asdict() for failure in self.failures]}


def read_reals(sources: Sequence[str], *, real: Sequence[str] = (), fake: Sequence[str] = ()) -> list[Sample]:
    """Read data sets, or pictures without labels: those are taken for real, each a group of its own.

    Parameters
    ----------
    sources : sequence of str
        Data sets as `read_dataset` takes them, or else pictures as `pipelines.inputs.expand` names them.
    real, fake : sequence of str
        Names of class folders, as `read_dataset` takes them.

    Raises
    ------
    DatasetError
        As `read_dataset` raises it.
    """
    classes = {name: label for label, name in enumerate(LABELS)}
    if real or fake or any(has_layout(source, classes) for source in sources):
        return read_dataset(sources, real=real, fake=fake)
    paths = [path for path in dict.fromkeys(expand(sources)) if isinstance(path, str)]
    groups = below_shared(paths)
    return [Sample(path, 0, group, "", "", split_of(group)) for path, group in zip(paths, groups, strict=True)]


def forge(
    samples: Sequence[Sample],
    out: str,
    *,
    families: Sequence[str] | None = None,
    per_image: int = 1,
    seed: int = 0,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Forge real images: each by some of the families, drawn so that all are equally frequent; resumes.

    Parameters
    ----------
    samples : sequence of Sample
        The images; fakes among them are ignored.
    out : str
        The folder, made where it is missing.
    families : sequence of str, optional
        Names in `FORGERIES`; all unless given.
    per_image : int
        How many families an image is forged by.
    seed : int
        Of all draws.
    jobs : int, optional
        Processes; unless given one for few images, else as many as there are cores.
    progress : callable, optional
        Called with the number of images that are done and that there are.

    Raises
    ------
    UnknownNameError
        There is no such family.
    DatasetError
        No image is real.
    OutputError
        Where `out` holds something else or what other settings made, or cannot be written.
    """
    started = time.monotonic()
    chosen = _choose(families)
    reals = sorted({sample.path: sample for sample in samples if not sample.label}.values())
    if not reals:
        raise DatasetError("no real image to forge")
    root = Path(out)
    _prepare(root, {"families": list(chosen), "per_image": per_image, "seed": seed, "originals": _digest(reals)})
    workers = jobs or (1 if len(reals) < _FEW else cores())
    tasks, failures = _plan(reals, chosen, min(per_image, len(chosen)), seed, workers)
    rows = _known(root)
    left = [task for task in tasks if not rows.keys() >= set(names_of(task))]
    failures += _forge_all(root, left, rows, workers, progress)
    listed = [rows[name] for task in tasks for name in names_of(task) if name in rows]
    replace_file(root / MANIFEST, _csv(listed))
    (root / _JOURNAL).unlink(missing_ok=True)
    forged = Counter(row.kind.removeprefix("forged.") for row in listed if row.kind)
    return Summary(
        originals=len(reals),
        ignored=sum(sample.label for sample in samples),
        kept=len(tasks) - len(left),
        forged={family: forged[family] for family in chosen},
        failed=len({failure.path for failure in failures}),
        failures=tuple(sorted(failures)),
        seconds=round(time.monotonic() - started, 3),
    )


def _choose(families: Sequence[str] | None) -> dict[str, Forgery]:
    """Look up families, in the order of `FORGERIES`."""
    for name in families or ():
        if name not in FORGERIES:
            raise UnknownNameError("family", name, FORGERIES)
    return {name: forgery for name, forgery in FORGERIES.items() if families is None or name in families}


def _digest(reals: Iterable[Sample]) -> str:
    listed = "\n".join(f"{real.path}\t{real.group}" for real in reals)
    return hashlib.sha256(listed.encode("utf-8", "surrogateescape")).hexdigest()


def _prepare(root: Path, wanted: Mapping[str, Any]) -> None:
    """Make the folder, or check that it holds what these settings made."""
    path = root / SETTINGS
    settings = (json.dumps({"schema": _SCHEMA, **wanted}, indent=2) + "\n").encode()
    try:
        found = path.read_bytes() if path.is_file() else None
        taken = root.exists() and (not root.is_dir() or any(root.iterdir()))
    except OSError as error:
        raise OutputError(f"{root}: cannot be read: {reason_of(error)}") from error
    if taken and (found is None or not found.startswith(b'{\n  "schema": "fauxface.forge/')):
        raise OutputError(f"{root} holds something else than forgeries; name a new folder")
    if found not in (None, settings):
        raise OutputError(f"{root} was made from other images or with other settings; see {path}, or name a new folder")
    replace_file(path, settings)


def _plan(
    reals: Sequence[Sample], chosen: Mapping[str, Forgery], per_image: int, seed: int, workers: int
) -> tuple[list[Task], list[Failure]]:
    """Decide by which families and with which donors each image is forged; tell what cannot be read."""
    chunks = [[real.path for real in reals[at : at + _READ_AT_ONCE]] for at in range(0, len(reals), _READ_AT_ONCE)]
    read = [
        one for chunk in map_jobs(_identify, chunks, workers=min(workers, len(chunks)), ordered=True) for one in chunk
    ]
    names = apart(below_shared([real.path for real in reals]))
    known = [(real, name, one) for real, name, one in zip(reals, names, read, strict=True) if isinstance(one, str)]
    pools = _pools([(real, sha256) for real, _, sha256 in known])
    tasks = []
    for real, name, sha256 in known:
        order = rng_of(seed, sha256, "families").permutation(len(chosen))[:per_image]
        forgeries = {family: chosen[family] for family in (list(chosen)[at] for at in order)}
        donors = {
            family: tuple(_donors(real, sha256, pools[real.split], seed, family))
            for family in forgeries
            if family in _WITH_DONOR
        }
        tasks.append(Task(real, name, sha256, seed, forgeries, donors))
    return tasks, [one for one in read if isinstance(one, Failure)]


_Pool = list[tuple[str, Sample]]  # sha256 and image


def _pools(known: Iterable[tuple[Sample, str]]) -> dict[str, _Pool]:
    """Gather the images of each part of the split, by their sha256: no pixel crosses from one to another."""
    pools: dict[str, _Pool] = {}
    for real, sha256 in known:
        pools.setdefault(real.split, []).append((sha256, real))
    return {split: sorted(pool) for split, pool in pools.items()}


def _donors(real: Sample, sha256: str, pool: _Pool, seed: int, family: str) -> Iterator[str]:
    """Draw a few images of other groups from the same part of the split."""
    order = rng_of(seed, sha256, f"donor of {family}").permutation(len(pool))
    others = (pool[at] for at in order if pool[at][1].group != real.group and pool[at][0] != sha256)
    yield from (other.path for _, other in islice(others, _DONORS))


def _identify(paths: Sequence[str]) -> list[str | Failure]:
    return [_identify_one(path) for path in paths]


def _identify_one(path: str) -> str | Failure:
    """Take the sha256 of an image, or tell why it cannot be read."""
    try:
        return hashlib.sha256(read_bytes(path)).hexdigest()
    except ImageError as error:
        return Failure(path, "", f"{error.code}: {error}")


def _known(root: Path) -> dict[str, Listed]:
    """Read the rows of earlier runs whose files are there: of the manifest, and of a run that was broken off."""
    rows: dict[str, Listed] = {}
    if (root / MANIFEST).is_file():
        text = (root / MANIFEST).read_text("utf-8", "surrogateescape")
        rows |= {row["path"]: Listed(**row) for row in csv.DictReader(io.StringIO(text, newline=""))}
    if (root / _JOURNAL).is_file():
        lines = (root / _JOURNAL).read_text("utf-8").splitlines()
        rows |= {row.path: row for row in (Listed(*json.loads(line)) for line in lines if line.endswith("]"))}
    return {
        path: row for path, row in rows.items() if all((root / name).is_file() for name in (path, row.mask or path))
    }


def _forge_all(
    root: Path, left: Sequence[Task], rows: dict[str, Listed], workers: int, progress: Progress | None
) -> list[Failure]:
    """Forge what is left and add its rows to those that are known; tell what failed."""
    outcomes = map_jobs(partial(forge_image, root), left, workers=min(workers, len(left)) or 1)
    failures: list[Failure] = []
    for outcome in _noted(root, list(rows.values()), counted(outcomes, progress, len(left)) if progress else outcomes):
        rows |= {row.path: row for row in outcome.rows}
        failures += outcome.failures
    return failures


def _noted(root: Path, known: Iterable[Listed], outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Pass outcomes on and note their rows, so that a run that is broken off can be resumed."""
    with Output(str(root / _JOURNAL)) as journal:
        journal.write("".join(f"{json.dumps(row)}\n" for row in known))
        for outcome in outcomes:
            journal.write("".join(f"{json.dumps(row)}\n" for row in outcome.rows))
            yield outcome


def _csv(rows: Iterable[Listed]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Listed._fields)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")
