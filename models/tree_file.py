"""Reads `booster.onnx` from its bytes: onnxruntime takes a good part of a start to lay the trees out.

The file is a protocol buffer (https://protobuf.dev/programming-guides/encoding): fields one after another, each a tag
and a value. Only the form that `models.tree_text.to_onnx` writes is read, and all that bears on a score has to be as it
is written there. onnxruntime reads the same file and gives the same scores.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from features.errors import BundleError
from features.runtime import check_size

__all__ = ["MOST_LEAVES", "Forest", "read"]

MOST_LEAVES: Final = 64
"""Of a tree: `models.trees` tells leaves apart by the bits of a word."""

_WIDEST, _MOST_SPLITS = 1_000_000, 1 << 22  # features; splits, were all trees as large as the largest
_VARINT, _CHUNK = 0, 2  # kinds of values, as the format numbers them
_SIZES: Final = {1: 8, 5: 4}  # in bytes, of values of the other kinds
_LONGEST: Final = 5  # bytes of a number
_GRAPH, _NODE, _INPUT, _ATTRIBUTE = (7,), (1,), (11,), 5  # numbers of fields, from onnx.proto
_SHAPE, _DIMENSION, _SIZE = (2, 1, 2), 1, (1,)  # from an input to its dimensions
_OPERATOR: Final = ((4, b"TreeEnsembleRegressor"), (7, b"ai.onnx.ml"))
_SETTINGS: Final = {
    "aggregate_function": b'"\x03SUM\xa0\x01\x03',
    "n_targets": b"\x18\x01\xa0\x01\x02",
    "post_transform": b'"\x04NONE\xa0\x01\x03',
}
_NODES: Final = ("tree", "feature", "truenode", "falsenode")  # what tables of nodes refer to
_INTEGER, _FLOAT, _BRANCH, _LEAF = b"@", b"=", b"J\x0aBRANCH_LEQ", b"J\x04LEAF"  # tags of what tables list; their modes
_TABLES, _TABLE_END = 11, 3  # how many there are; bytes at the end of one that name its type
_COUNTING: Final = b"".join(_INTEGER + bytes([number]) for number in range(2 * MOST_LEAVES))  # 0, 1, 2 and so on

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Span = tuple[int, int]


class Forest(NamedTuple):
    """Binary trees side by side: t trees of at most s splits, filled up with splits that any row passes left.

    Attributes
    ----------
    width : int
        How many features a row has.
    splits : (t,) int64 array
        How many splits each tree has; it has one leaf more.
    features : (t, s) int64 array
        What a split asks about.
    thresholds : (t, s) float32 array
        A row goes left where its value is no greater.
    left, right : (t, s) int64 array
        The nodes below a split. Splits are numbered from the root, 0, on, each before those below it; then leaves are.
        What a tree lacks leads to 2 s.
    leaves : (t, s + 1) float32 array
        What each leaf adds to a score.
    """

    width: int
    splits: Integers
    features: Integers
    thresholds: Floats
    left: Integers
    right: Integers
    leaves: Floats


def read(data: bytes) -> Forest:
    """Read a file that `models.tree_text.to_onnx` wrote; BundleError where it is anything else."""
    check_size(data, "booster.onnx")
    try:
        graph = _only(data, (0, len(data)), _GRAPH)
        return _forest(_width(data, graph), _tables(data, _only(data, graph, _NODE)))
    except (IndexError, KeyError, ValueError) as error:
        raise BundleError(f"booster.onnx is a model of something else: {error}") from error


def _walk(data: bytes, span: Span) -> Iterator[tuple[int, Span]]:
    """Yield the number of each field, and where its value lies."""
    at, end = span
    while at < end:
        tag, at = _number(data, at)
        start, kind = at, tag & 7
        if kind == _VARINT:
            size = _number(data, at)[1] - at
        elif kind == _CHUNK:
            size, start = _number(data, at)
        else:
            size = _SIZES[kind]
        at = start + size
        if at > end:
            raise ValueError("cut short")
        yield tag >> 3, (start, at)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Decode a number of seven bits a byte, the last first; gives where it ends."""
    value = 0
    for place in range(_LONGEST):
        byte = data[at + place]
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    raise ValueError("a number is too long")


def _only(data: bytes, span: Span, path: Sequence[int]) -> Span:
    """Go down fields that each are the only one of their number."""
    for wanted in path:
        found = [place for number, place in _walk(data, span) if number == wanted]
        if len(found) != 1:
            raise ValueError(f"it has {len(found)} fields of number {wanted}, not one")
        span = found[0]
    return span


def _width(data: bytes, graph: Span) -> int:
    shape = _only(data, _only(data, graph, _INPUT), _SHAPE)
    _, columns = (place for number, place in _walk(data, shape) if number == _DIMENSION)
    width, _ = _number(data, _only(data, columns, _SIZE)[0])
    if not 0 < width <= _WIDEST:
        raise ValueError(f"its rows have {width} features")
    return width


def _tables(data: bytes, node: Span) -> dict[str, bytes]:
    """Give the bytes of each table of the one operator, by name."""
    tables: dict[str, bytes] = {}
    for number, (start, end) in _walk(data, node):
        if number == _ATTRIBUTE:
            _, (first, last) = next(_walk(data, (start, end)))
            tables[data[first:last].decode("ascii")] = data[last:end]
    for number, text in _OPERATOR:
        _expect("operator", data[slice(*_only(data, node, (number,)))], text)
    for name, setting in _SETTINGS.items():
        _expect(name, tables.pop(name), setting)
    if len(tables) != _TABLES:
        raise ValueError(f"it has {len(tables)} tables, not {_TABLES}")
    return {name: table[:-_TABLE_END] for name, table in tables.items()}


def _expect(name: str, found: bytes, expected: bytes) -> None:
    if found != expected:
        raise ValueError(f"its {name} is another")


def _forest(width: int, tables: Mapping[str, bytes]) -> Forest:
    owners = _integers(tables["target_treeids"])
    if not len(owners) or owners[0] or not np.isin(np.diff(owners), (0, 1)).all():
        raise ValueError("its leaves are not listed tree by tree")
    splits = np.bincount(owners) - 1
    if splits.max() >= MOST_LEAVES or len(splits) * splits.max() > _MOST_SPLITS:
        raise ValueError(f"it has trees of more than {MOST_LEAVES} leaves, or too many of them")
    for name, expected in _listing(splits.tolist()):
        _expect(name, tables[name], expected)
    return _side_by_side(width, splits, tables)


def _listing(splits: Sequence[int]) -> Iterator[tuple[str, bytes]]:
    """Yield the tables that the sizes of the trees determine: of each its splits, then its leaves."""
    yield "nodes_modes", b"".join(_BRANCH * count + _LEAF * (count + 1) for count in splits)
    yield "nodes_nodeids", b"".join(_COUNTING[: 4 * count + 2] for count in splits)
    yield "target_nodeids", b"".join(_COUNTING[2 * count : 4 * count + 2] for count in splits)
    yield "target_ids", _COUNTING[:2] * (sum(splits) + len(splits))


def _side_by_side(width: int, splits: Integers, tables: Mapping[str, bytes]) -> Forest:
    """Lay the trees out as a `Forest`."""
    sizes, numbers = 2 * splits + 1, np.arange(splits.max() + 1)
    real, firsts = numbers[:-1] < splits[:, None], np.cumsum(sizes) - sizes
    places = np.where(real, firsts[:, None] + numbers[:-1], 0)
    owners, features, left, right = (_integers(tables[f"nodes_{name}ids"]) for name in _NODES)
    values = _floats(tables["nodes_values"])
    if not np.array_equal(owners, np.repeat(np.arange(len(sizes)), sizes)) or features.max() >= width:
        raise ValueError("its nodes are not listed tree by tree, or ask about no feature")
    if {len(table) for table in (features, left, right, values)} != {len(owners)}:
        raise ValueError("its tables are not of one length")
    below = tuple(np.where(real, nodes[places], sizes.max() - 1) for nodes in (left, right))
    _check_order(real, sizes, firsts, below)
    leaves = np.zeros((len(splits), len(numbers)), np.float32)
    leaves[numbers <= splits[:, None]] = _floats(tables["target_weights"])
    thresholds = np.where(real, values[places], np.float32(np.inf))
    if not np.isfinite(leaves).all():
        raise ValueError("it has a leaf of no finite value")
    return Forest(width, splits, features[places], thresholds, below[0], below[1], leaves)


def _check_order(real: Flags, sizes: Integers, firsts: Integers, below: Sequence[Integers]) -> None:
    """Raise ValueError unless every node but the root is below just one split, and that has a lower number."""
    numbers = np.arange(real.shape[1])
    astray = [real & ((nodes <= numbers) | (nodes >= sizes[:, None])) for nodes in below]
    if np.any(astray):
        raise ValueError("a split leads out of its tree, or back")
    found = np.bincount(np.concatenate([(firsts[:, None] + nodes)[real] for nodes in below]), minlength=sizes.sum())
    found[firsts] += 1
    if not (found == 1).all():
        raise ValueError("two splits lead to one node")


def _integers(table: bytes) -> Integers:
    """Decode numbers, each behind its tag."""
    given = np.frombuffer(table, np.uint8)
    ends = np.flatnonzero(given < 128)
    tags, lasts = ends[::2], ends[1::2]
    lengths = lasts - tags
    if len(tags) != len(lasts) or lengths.max(initial=0) > _LONGEST or (given[tags] != _INTEGER[0]).any():
        raise ValueError("a table of numbers is malformed")
    values = np.zeros(len(tags), np.int64)
    for place in range(lengths.max(initial=0)):
        longer = np.flatnonzero(lengths > place)
        values[longer] |= (given[tags[longer] + 1 + place].astype(np.int64) & 127) << 7 * place
    return values


def _floats(table: bytes) -> Floats:
    """Decode float32, each behind its tag."""
    given = np.frombuffer(table, np.uint8).reshape(-1, 5)
    if (given[:, 0] != _FLOAT[0]).any():
        raise ValueError("a table of values is malformed")
    return np.ascontiguousarray(given[:, 1:]).view("<f4").ravel()
