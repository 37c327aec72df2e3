"""Data sets become one labelled, grouped and split table, and a description of it.

The split follows from the group alone, so that it depends neither on order nor on what else is in the set.
"""

import hashlib
import io
import warnings
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from features.decode import sniff
from features.errors import DatasetError, ImageError
from features.source import read_bytes
from pipelines.engine import cores, map_jobs
from pipelines.frames_layouts import settle_groups
from pipelines.layouts import Classes, read_layout
from pipelines.tree import Row

__all__ = [
    "HELD_BACK_PERCENT",
    "LABELS",
    "SPLITS",
    "Description",
    "Sample",
    "describe",
    "held_back",
    "read_apart",
    "read_dataset",
    "split_of",
]

LABELS: Final = ("real", "fake")
"""The names of the labels 0 and 1."""

SPLITS: Final = ("train", "validation", "calibration", "test")
"""The parts of a split: 80, 5, 5 and 10 per cent of the groups."""

HELD_BACK_PERCENT: Final = 20
"""The share of the training groups that the network does not learn from."""

_UPPER_PERCENT = (80, 85, 90, 100)
_EXAMPLES = 10
_READ_AT_ONCE = 256
_K = TypeVar("_K", bound=Hashable)


@dataclass(frozen=True, slots=True, order=True)
class Sample:
    """One labelled image.

    Attributes
    ----------
    path : str
        A file, or a member of a zip (`set.zip!/faces/a.jpg`).
    label : int
        0 real, 1 fake.
    group : str
        What must not be torn apart by a split: an original and all fakes made from it.
    kind : str
        How it was made, as far as the data set tells.
    source : str
        The name of its data set.
    split : str
        One of `SPLITS`, by its group.
    own_split : str
        The part that its data set came with, as far as it tells; for audits, nothing else heeds it.
    original_size : (int, int), optional
        Width and height in pixels before the image was resized, where its data set tells.
    origins : tuple of str
        The videos or people it was made from, where its data set tells.
    mask : str
        A grey image, as large, of how much of each pixel was forged, 0 to 255; empty where there is none.
    """

    path: str
    label: int
    group: str
    kind: str
    source: str
    split: str
    own_split: str = field(default="", compare=False)
    original_size: tuple[int, int] | None = field(default=None, compare=False)
    origins: tuple[str, ...] = field(default=(), compare=False)
    mask: str = field(default="", compare=False)


def split_of(group: str) -> str:
    """Assign a group to one of `SPLITS` by the sha256 of its name (its first 8 bytes, modulo 100)."""
    digest = hashlib.sha256(group.encode("utf-8", "surrogateescape")).digest()
    percent = int.from_bytes(digest[:8], "big") % 100
    return next(split for split, upper in zip(SPLITS, _UPPER_PERCENT, strict=True) if percent < upper)


def held_back(group: str) -> bool:
    """Tell whether a training group is kept from the network: one in five, by a hash other than that of `split_of`.

    The booster learns from the network's embeddings of these groups, which the network was not fitted on.
    """
    plain = group.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")  # as manifests have it
    digest = hashlib.sha256(f"held back: {plain}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 100 < HELD_BACK_PERCENT


def read_dataset(sources: Sequence[str], *, real: Sequence[str] = (), fake: Sequence[str] = ()) -> list[Sample]:
    """Read one or several data sets as one, sorted by path.

    Parameters
    ----------
    sources : sequence of str
        Folders, zips or tables in one of the layouts of `pipelines.layouts`; their order does not matter.
    real, fake : sequence of str
        Names of class folders instead of `real` and `fake`, in any case.

    Raises
    ------
    DatasetError
        Where a source is missing, of no known layout, holds no images or has an unknown label; where an
        image is listed as real and as fake; where a folder name that was given is not found.
    """
    return list(_once(sorted(chain.from_iterable(read_apart(sources, real=real, fake=fake)))))


def read_apart(sources: Sequence[str], *, real: Sequence[str] = (), fake: Sequence[str] = ()) -> list[list[Sample]]:
    """Read data sets as `read_dataset` does, each to a list of its own; an image may be in several.

    Raises
    ------
    DatasetError
        As `read_dataset` raises it, but for an image that is listed as real and as fake.
    """
    classes = _classes(real, fake)
    parts = [_read(source, classes) for source in sources]
    if not parts:
        raise DatasetError("no data set was given")
    settled = iter(settle_groups(list(chain.from_iterable(parts))))
    samples = [[_sample(row) for row in islice(settled, len(part))] for part in parts]
    _check_names((*real, *fake), chain.from_iterable(samples))
    return samples


def _classes(real: Sequence[str], fake: Sequence[str]) -> Classes:
    classes = {name.lower(): 0 for name in real or ("real",)}
    for name in fake or ("fake",):
        if classes.setdefault(name.lower(), 1) == 0:
            raise DatasetError(f"folders named {name!r} cannot be both real and fake")
    return classes


def _read(source: str, classes: Classes) -> list[Row]:
    """Read the rows of one source, which are of the data set that its table names, else of one of its own name."""
    path = Path(source).absolute()
    name = path.name if path.is_dir() else path.stem
    return [row._replace(source=row.source or name) for row in read_layout(source, classes)]


def _sample(row: Row) -> Sample:
    own = (row.path, row.label, row.group, row.kind, row.source)
    return Sample(*own, split_of(row.group), row.split, row.size, row.origins, row.mask)


def _check_names(names: Sequence[str], samples: Iterable[Sample]) -> None:
    """Refuse a class folder that was asked for and is nowhere: most often a slip of the pen."""
    found = {sample.kind.lower() for sample in samples}
    if absent := [name for name in names if name.lower() not in found]:
        raise DatasetError(f"no images below a folder named {' or '.join(absent)}")


def _once(samples: Sequence[Sample]) -> Iterator[Sample]:
    """Yield each path once; `samples` are sorted by path."""
    last: Sample | None = None
    for sample in samples:
        if last is None or sample.path != last.path:
            yield sample
        elif sample.label != last.label:
            raise DatasetError(f"{sample.path} is listed as real and as fake")
        last = sample


@dataclass(frozen=True)
class Description:
    """What a data set holds.

    Attributes
    ----------
    images : int
        How many rows it has.
    labels, kinds, sources : mapping
        Images by each of their values.
    splits : mapping
        Images by split and label.
    groups : mapping
        `all` groups, those of `both_labels`, and the images of the `largest`.
    formats, sizes : mapping
        Images by format and, most frequent first, by width and height in pixels, as their headers say.
    errors : mapping
        Images that cannot be read, by the code of the error.
    duplicates : mapping
        `sets` of images with the same bytes, the `images` in them, sets `across_labels` and `across_splits`, and
        `examples`: the paths of the first sets.
    """

    images: int
    labels: Mapping[str, int]
    kinds: Mapping[str, int]
    sources: Mapping[str, int]
    splits: Mapping[str, Mapping[str, int]]
    groups: Mapping[str, int]
    formats: Mapping[str, int]
    sizes: Mapping[str, int]
    errors: Mapping[str, int]
    duplicates: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return asdict(self)


class _Header(NamedTuple):
    """What the bytes of one image say without being decoded."""

    sha256: str
    kind: str
    size: str
    error: str


def describe(samples: Sequence[Sample], *, workers: int | None = None) -> Description:
    """Count what a data set holds; every image is read, none is decoded.

    Parameters
    ----------
    samples : sequence of Sample
        The data set.
    workers : int, optional
        Processes; one a core by default.
    """
    chunks = [[sample.path for sample in chunk] for chunk in _chunks(samples)]
    results = map_jobs(_read_headers, chunks, workers=min(workers or cores(), len(chunks)) or 1, ordered=True)
    headers = [header for chunk in results for header in chunk]
    labels = [LABELS[sample.label] for sample in samples]
    return Description(
        images=len(samples),
        labels=_count(labels),
        kinds=_count(sample.kind for sample in samples if sample.kind),
        sources=_count(sample.source for sample in samples),
        splits={split: _count(LABELS[s.label] for s in samples if s.split == split) for split in SPLITS},
        groups=_count_groups(samples),
        formats=_count(header.kind for header in headers if header.kind),
        sizes=_count(header.size for header in headers if header.size),
        errors=_count(header.error for header in headers if header.error),
        duplicates=_count_duplicates(samples, headers),
    )


def _chunks(samples: Sequence[Sample]) -> Iterator[Sequence[Sample]]:
    return (samples[at : at + _READ_AT_ONCE] for at in range(0, len(samples), _READ_AT_ONCE))


def _count(values: Iterable[str]) -> dict[str, int]:
    """Count values, most frequent first, then by name."""
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _gather(samples: Sequence[Sample], keys: Iterable[_K]) -> dict[_K, list[Sample]]:
    """Gather the samples of each key."""
    gathered: dict[_K, list[Sample]] = defaultdict(list)
    for sample, key in zip(samples, keys, strict=True):
        gathered[key].append(sample)
    return gathered


def _count_groups(samples: Sequence[Sample]) -> dict[str, int]:
    groups = _gather(samples, [sample.group for sample in samples]).values()
    return {
        "all": len(groups),
        "both_labels": sum(len({sample.label for sample in group}) > 1 for group in groups),
        "largest": max(map(len, groups), default=0),
    }


def _count_duplicates(samples: Sequence[Sample], headers: Sequence[_Header]) -> dict[str, Any]:
    alike = _gather(samples, [header.sha256 for header in headers])
    sets = [group for sha256, group in alike.items() if sha256 and len(group) > 1]
    return {
        "sets": len(sets),
        "images": sum(map(len, sets)),
        "across_labels": sum(len({sample.label for sample in group}) > 1 for group in sets),
        "across_splits": sum(len({sample.split for sample in group}) > 1 for group in sets),
        "examples": [[sample.path for sample in group] for group in sets[:_EXAMPLES]],
    }


def _read_headers(paths: Sequence[str]) -> list[_Header]:
    return [_read_header(path) for path in paths]


def _read_header(path: str) -> _Header:
    try:
        data = read_bytes(path)
        kind = sniff(data)
    except ImageError as error:
        return _Header("", "", "", error.code)
    return _Header(hashlib.sha256(data).hexdigest(), kind, _size(data), "")


def _size(data: bytes) -> str:
    """Read `WIDTHxHEIGHT` from a header, before any EXIF orientation."""
    from PIL import Image

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
            return f"{image.width}x{image.height}"
    except Exception:  # whatever a parser stumbles on
        return "unknown"
