"""Joins the rows of a large store with its manifest, in memory that grows by about 300 bytes a row and no feature."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from features.rows import Rows, open_rows
from features.store import FeatureStore
from models.sequence import Stored
from pipelines.dataset import held_back
from pipelines.kinds import chosen, is_forged

if TYPE_CHECKING:
    import pandas

__all__ = ["Choose", "Joined", "for_forgeries", "join", "packed"]

Choose = Callable[["pandas.Series[bool]"], "pandas.Series[bool]"]
"""Says of which images, given whether a network may have learnt from each."""

_AT_ONCE: Final = 1 << 18  # rows whose texts are held as objects
_REPEATING: Final = ("group", "kind", "source", "split")  # columns of few different texts
_Digests = npt.NDArray[np.bytes_]
_Places = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Joined:
    """What `join` gives.

    Attributes
    ----------
    rows : DataFrame
        `sha256`, `variant`, `label`, `group`, `source`, `split` and `forged` of each row, in the order of the store.
    values : Stored
        The features of each row.
    left_out : mapping
        How many images cannot be used, by reason.
    images, missing : int
        How many can be used, and how many of them have no features.
    """

    rows: "pandas.DataFrame"
    values: Stored
    left_out: Mapping[str, int]
    images: int
    missing: int


def join(store: FeatureStore, names: Sequence[str] | None, choose: Choose, without: Sequence[str]) -> Joined:
    """Find what a booster may be fitted and judged on, as `pipelines.training_data` has it.

    Parameters
    ----------
    store : FeatureStore
        The store.
    names : sequence of str, optional
        The features; all by default.
    choose : callable
        Says which images are wanted.
    without : sequence of str
        The kinds of fakes that are left out.

    Raises
    ------
    UnknownNameError
        There are no fakes of a kind that is to be left out.
    StoreError
        The store cannot be read.
    """
    rows = open_rows(store, names)
    digests, images, left_out = _images(store, choose, without)
    keys = _keys(rows)
    at = _find(packed(keys["sha256"]), digests)
    found = np.zeros(len(images), bool)
    found[at[at >= 0]] = True
    places = np.flatnonzero(_used(at, keys["variant"], images))
    table = images.iloc[at[places]].reset_index(drop=True)
    for name in ("sha256", "variant"):
        table[name] = keys[name].iloc[places].array
    table["source"] = table["source"].cat.remove_unused_categories()
    return Joined(table, Stored(rows, places.astype(np.int64)), left_out, len(images), int(np.sum(~found)))


def _used(at: _Places, variants: "pandas.Series[str]", images: "pandas.DataFrame") -> _Mask:
    """Choose rows of images that are used, variants for training only, and what two shards hold once."""
    import pandas

    plain = (variants == "").to_numpy()
    codes = pandas.Categorical(variants).codes
    repeated = pandas.DataFrame({"at": at, "variant": codes}).duplicated().to_numpy()
    if not len(images):
        return np.zeros(len(at), bool)
    train = (images["split"] == "train").to_numpy()[at]
    used: _Mask = (at >= 0) & (train | plain) & ~repeated
    return used


def _images(
    store: FeatureStore, choose: Choose, without: Sequence[str]
) -> tuple[_Digests, "pandas.DataFrame", dict[str, int]]:
    """List the images of a manifest, each once: their sha256, ascending, and what is known of them."""
    manifest = store.manifest()
    total = len(manifest)
    sound = (manifest.pop("error").fillna("") == "").to_numpy()
    manifest = manifest if sound.all() else manifest[sound].copy()
    for name in _REPEATING:
        manifest[name] = manifest[name].fillna("").astype("category")
    digests = packed(manifest["sha256"])
    kept, torn = _once(digests, manifest)
    digests, images = digests[kept], manifest.drop(columns=["sha256", "path"]).iloc[kept]
    left_out = {"failed": total - len(manifest), "labelled_both": torn, "repeated": len(manifest) - torn - len(kept)}
    del manifest
    wanted: _Mask = choose(_learnt(images)).to_numpy(np.bool_, copy=True)
    if without:
        labels, kinds, sources = (images[name].tolist() for name in ("label", "kind", "source"))
        unwanted = np.array(chosen(labels, kinds, sources, without), np.bool_)
        left_out["kinds"] = int(np.sum(unwanted))
        wanted &= ~unwanted
    images = images[wanted].astype({"label": int})
    return digests[wanted], images.assign(forged=for_forgeries(images)).drop(columns="kind"), left_out


def for_forgeries(images: "pandas.DataFrame") -> _Mask:
    """Tell which images are there for the forgeries: these, and the reals of a data set whose fakes are all forged.

    Parameters
    ----------
    images : DataFrame
        Their `label`, `kind` and `source`, each of which may be missing but the first.
    """
    fakes = images["label"].to_numpy(np.int64) == 1
    kinds, sources = (images[name].astype("object").fillna("").astype("category").cat for name in ("kind", "source"))
    forged = fakes & np.array([is_forged(kind) for kind in kinds.categories], bool)[kinds.codes]
    count, rows = len(sources.categories), (forged, fakes & ~forged)
    made, found = (np.bincount(sources.codes[some], minlength=count) for some in rows)
    alone = (made > 0) & (found == 0)
    there: _Mask = forged | (~fakes & alone[sources.codes])
    return there


def _learnt(images: "pandas.DataFrame") -> "pandas.Series[bool]":
    """Tell which images a network may have learnt from."""
    group = images["group"].cat
    held = np.array([held_back(str(name)) for name in group.categories], bool)
    of_image: Any = held[group.codes] if len(held) else np.zeros(len(images), bool)
    learnt: pandas.Series[bool] = (images["split"] == "train") & ~of_image
    return learnt


def _once(digests: _Digests, manifest: "pandas.DataFrame") -> tuple[_Places, int]:
    """Choose of equal sha256 the first path, and none where labels differ; gives also how many rows those are."""
    order = np.argsort(digests, kind="stable")
    ordered = digests[order]
    same = ordered[1:] == ordered[:-1]
    repeated = np.append(same, False) | np.insert(same, 0, False) if len(ordered) else np.zeros(0, bool)
    single = order[~repeated]
    codes = np.cumsum(~np.insert(same, 0, False))[: len(order)]
    some = manifest.iloc[order[repeated]].assign(row=order[repeated], code=codes[repeated])
    torn = some.groupby("code")["label"].transform("nunique") > 1
    first = some[~torn].sort_values("path").drop_duplicates("code")["row"].to_numpy(np.int64)
    kept = np.concatenate([single, first])
    return kept[np.argsort(digests[kept], kind="stable")], int(torn.sum())


def _keys(rows: Rows) -> "pandas.DataFrame":
    """Read the keys of all rows."""
    import pandas

    tables = [
        pandas.DataFrame(rows.keys(first, min(first + _AT_ONCE, len(rows))), columns=["sha256", "variant"], dtype="str")
        for first in range(0, len(rows), _AT_ONCE)
    ]
    return pandas.concat(tables, ignore_index=True)


def packed(texts: "pandas.Series[str]") -> _Digests:
    """Hold sha256 in hex as bytes, which sort as the texts do: (n,), 64 bytes each."""
    packed = np.empty(len(texts), "S64")
    for first, last in _ranges(len(texts)):
        packed[first:last] = texts.iloc[first:last].tolist()
    return packed


def _ranges(rows: int) -> Iterator[tuple[int, int]]:
    for first in range(0, rows, _AT_ONCE):
        yield first, min(first + _AT_ONCE, rows)


def _find(asked: _Digests, among: _Digests) -> _Places:
    """Find the place of each in an ascending list; -1 where it is not there."""
    if not len(among):
        return np.full(len(asked), -1)
    at = np.empty(len(asked), np.int64)
    for first, last in _ranges(len(asked)):
        some = asked[first:last]
        near = np.minimum(np.searchsorted(among, some), len(among) - 1)
        at[first:last] = np.where(among[near] == some, near, -1)
    return at
