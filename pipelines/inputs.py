"""What the user names becomes a stream of inputs: files, folders, globs, zips, lists and standard input.

Nothing that was named vanishes: what cannot be opened is passed on as it is, so that its row carries the error.
"""

import glob
import io
import os
import sys
import zipfile
from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Final, cast

from features.decode import sniff
from features.errors import ImageError
from features.source import MEMBER, READ_ERRORS
from features.storage import Remote, locate

__all__ = ["ALL", "STDIN", "SUFFIXES", "VIDEOS", "Input", "apart", "below_shared", "expand", "names_video"]

Input = str | bytes
"""The path of an image, or the bytes of the one that came on standard input."""

STDIN: Final = "-"
"""Stands for standard input: one image, or a list of paths."""

# fmt: off
SUFFIXES: Final = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff",
    ".gif", ".heic", ".heif", ".avif", ".jp2",  # not measured: their rows say so
)
# fmt: on
"""The endings, in lower case, by which a folder or a zip is searched for images."""

VIDEOS: Final = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi")
"""The endings of clips, in lower case."""

ALL: Final = SUFFIXES + VIDEOS
"""The endings of images and of clips."""

_HEAD = 16  # bytes within which every image header has a control character, and a path has none


def expand(
    arguments: Sequence[str], *, stdin: io.BufferedReader | None = None, suffixes: tuple[str, ...] = SUFFIXES
) -> Iterator[Input]:
    """Name every image behind the arguments of a command, lazily and in a stable order.

    Parameters
    ----------
    arguments : sequence of str
        A file, a folder (searched to any depth), a glob, a zip (its members), `@list` (a file with one path a line)
        or `-` (standard input: paths, one a line or each ended by a NUL byte; or the bytes of one image).
    stdin : buffered reader, optional
        What `-` reads; standard input unless given.
    suffixes : tuple of str
        The endings, in lower case, by which a folder or a zip is searched.

    Yields
    ------
    str or bytes
        Paths, members as `archive.zip!/name.jpg`; bytes only for an image on standard input.
    """
    for argument in arguments:
        if argument == STDIN:
            yield from _standard_input(stdin or cast(io.BufferedReader, sys.stdin.buffer), suffixes)
        elif argument.startswith("@"):
            yield from _listed(argument, suffixes)
        elif glob.has_magic(argument) and not os.path.lexists(argument):
            yield from _globbed(argument, suffixes)
        else:
            yield from _path(argument, suffixes)


def names_video(entry: Input) -> bool:
    """Tell whether an input is named like a clip."""
    return isinstance(entry, str) and entry.lower().endswith(VIDEOS)


def below_shared(paths: Sequence[str]) -> list[str]:
    """Give each path, without its ending and with slashes, as seen from the folder that all of them share."""
    whole = [Path(os.path.normpath(Path(path.replace(MEMBER, "/")).absolute())) for path in paths]
    shared = os.path.commonpath([path.parent for path in whole] or [Path()])
    return [path.relative_to(shared).with_suffix("").as_posix() for path in whole]


def apart(names: Sequence[str]) -> list[str]:
    """Give names that differ, whatever the case of letters: what came before gets a number, `A~2` after `a`."""
    taken: set[str] = set()
    chosen = []
    for name in names:
        numbered = chain([name], (f"{name}~{number}" for number in count(2)))
        free = next(one for one in numbered if one.casefold() not in taken)
        taken.add(free.casefold())
        chosen.append(free)
    return chosen


def _path(path: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    """Yield a file itself, or what a folder or a zip holds."""
    place = locate(path)
    if path.lower().endswith(".zip") and place.is_file():
        yield from _members(path, suffixes)
    elif isinstance(place, Remote):
        yield from _remote(place, suffixes)
    elif place.is_dir():
        yield from _files(path, suffixes)
    else:
        yield path


def _remote(place: Remote, suffixes: tuple[str, ...]) -> Iterator[str]:
    """Yield the images below what a URL names; itself where there are none, or where it cannot be listed."""
    try:
        names = place.below() if place.is_dir() else []
    except OSError:
        names = []
    yield from [str(place / name) for name in names if name.lower().endswith(suffixes)] or [str(place)]


def _files(folder: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    """Yield the images below a folder, sorted in each; itself where it holds none, and every folder not listable."""
    unlisted: list[str] = []
    empty = True
    for parent, folders, names in os.walk(folder, onerror=lambda error: unlisted.append(error.filename)):
        folders.sort()
        for name in sorted(names):
            if name.lower().endswith(suffixes):
                empty = False
                yield f"{parent.rstrip(os.sep)}{os.sep}{name}"
    yield from unlisted or ([folder] if empty else [])


def _members(archive: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    """Yield the images in a zip; where it has none or is damaged, an address whose row says so."""
    try:
        with locate(archive).open("rb") as file, zipfile.ZipFile(file) as opened:
            names = sorted(name for name in opened.namelist() if name.lower().endswith(suffixes))
    except READ_ERRORS:
        names = []
    yield from (f"{archive}{MEMBER}{name}" for name in names or [""])


def _globbed(pattern: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    """Yield what the matches of a pattern hold, in order; itself where it matches nothing or is malformed."""
    path = Path(pattern)
    try:
        matches = sorted(str(match) for match in Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    except ValueError:
        matches = []
    for match in matches or [pattern]:
        yield from _path(match, suffixes)


def _listed(argument: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    if not Path(argument[1:]).is_file():
        yield argument
        return
    with open(argument[1:], "rb") as file:
        yield from _paths(file, suffixes)


def _standard_input(stream: io.BufferedReader, suffixes: tuple[str, ...]) -> Iterator[Input]:
    if _is_image(stream.peek()):
        yield stream.read()
    else:
        yield from _paths(stream, suffixes)


def _is_image(head: bytes) -> bool:
    """Tell an image from a list of paths, one of which may begin with `BM` or `GIF8` as images do."""
    try:
        return bool(sniff(head)) and min(head[:_HEAD]) < ord("\t")
    except ImageError:
        return False


def _paths(file: io.BufferedReader, suffixes: tuple[str, ...]) -> Iterator[str]:
    """Yield what the lines (or NUL-ended records) of a list name; blank lines are nothing."""
    separator = b"\0" if b"\0" in file.peek() else b"\n"
    for line in _split(file, separator):
        if path := line if separator == b"\0" else line.strip(b"\r"):
            yield from _path(os.fsdecode(path), suffixes)


def _split(file: io.BufferedReader, separator: bytes) -> Iterator[bytes]:
    """Yield records as they arrive, without their separator."""
    rest = b""
    while block := file.read1():
        *whole, rest = (rest + block).split(separator)
        yield from whole
    if rest:
        yield rest
