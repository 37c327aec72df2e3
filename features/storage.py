"""Where files are: on this machine's file system, or behind a URL that fsspec knows (`s3://`, `gs://`, `memory://`).

A path of the file system (`file://` too) stays a `Path`, and nothing is imported for it. Anything else becomes a
`Remote`, which has those methods of a `Path` that are needed here. An object store puts objects whole or not at all.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from features.errors import MissingExtraError

__all__ = ["TEMPORARY", "Place", "Remote", "absolute", "is_url", "list_files", "locate", "rename", "write_whole"]

TEMPORARY: Final = ".tmp"
"""How the name of a file ends that is not whole yet."""

_PACKAGES: Final = {"s3": ("s3fs", "cluster"), "gs": ("gcsfs", "gcs"), "memory": ("fsspec", "cluster")}
_SCHEMES: Final = {*_PACKAGES, "file"}  # and not http: a table from elsewhere must not make this fetch pages


@dataclass(frozen=True, order=True)
class Remote(os.PathLike[str]):
    """A file or folder behind a URL; methods are those of `Path`, and raise OSError."""

    url: str

    def __str__(self) -> str:
        return self.url

    def __fspath__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> "Remote":
        return Remote(f"{self.url.rstrip('/')}/{name}")

    @property
    def _key(self) -> PurePosixPath:
        return PurePosixPath(self.url.partition("://")[2])

    @property
    def name(self) -> str:
        """The last part."""
        return self._key.name

    @property
    def suffix(self) -> str:
        """The ending, with its dot."""
        return self._key.suffix

    @property
    def parent(self) -> "Remote":
        """The folder above."""
        return Remote(self.url.rstrip("/").rpartition("/")[0])

    def with_suffix(self, suffix: str) -> "Remote":
        """Name the neighbour of another ending."""
        return self.parent / self._key.with_suffix(suffix).name

    def exists(self) -> bool:
        """Whether there is anything."""
        with self._files() as (files, path):
            return bool(files.exists(path))

    def is_file(self) -> bool:
        """Whether it is a file."""
        with self._files() as (files, path):
            return bool(files.isfile(path))

    def is_dir(self) -> bool:
        """Whether it is a folder, which on an object store means that something is in it."""
        with self._files() as (files, path):
            return bool(files.isdir(path))

    def size(self) -> int:
        """How many bytes the file has."""
        with self._files() as (files, path):
            return int(files.size(path))

    def iterdir(self) -> Iterator["Remote"]:
        """Yield what is in the folder."""
        with self._files() as (files, path):
            names = [PurePosixPath(found).name for found in files.ls(path, detail=False)]
        return (self / name for name in names)

    def below(self) -> list[str]:
        """List the files below the folder, however deep, by their paths inside it, sorted."""
        with self._files() as (files, path):
            top = PurePosixPath(path)
            return sorted(str(PurePosixPath(found).relative_to(top)) for found in files.find(path))

    def open(self, mode: str = "rb") -> Any:
        """Open the file for reading; blocks are fetched as they are needed."""
        with self._files() as (files, path):
            return files.open(path, mode)

    def read_bytes(self) -> bytes:
        """Read the whole file."""
        with self._files() as (files, path):
            return bytes(files.cat_file(path))

    def write_bytes(self, data: bytes | memoryview) -> int:
        """Write the whole file."""
        with self._files() as (files, path):
            files.pipe_file(path, bytes(data))
        return len(data)

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the file."""
        if missing_ok and not self.exists():
            return
        with self._files() as (files, path):
            files.rm_file(path)

    def replace(self, target: "Remote") -> "Remote":
        """Move the file to the place of another."""
        if target != self:
            target.write_bytes(self.read_bytes())
            self.unlink()
        return target

    @contextmanager
    def _files(self) -> Iterator[tuple[Any, str]]:
        """Give fsspec's file system and the path in it; whatever goes wrong is an OSError."""
        scheme = self.url.partition("://")[0]
        try:
            from fsspec.core import url_to_fs

            files, path = url_to_fs(self.url)
            files.invalidate_cache()  # others write there too
            yield files, path
        except OSError:
            raise
        except ImportError as error:
            raise MissingExtraError(*_PACKAGES[scheme]) from error
        except Exception as error:  # of the libraries behind fsspec
            raise OSError(f"{type(error).__name__}: {error}") from error


Place = Path | Remote
"""A file or folder, wherever it is."""


def is_url(path: str | os.PathLike[str]) -> bool:
    """Tell `s3://bucket/key` and the like, of the schemes that are known, from a path of the file system."""
    scheme, mark, _ = os.fspath(path).partition("://")
    return bool(mark) and scheme in _SCHEMES


def locate(path: str | os.PathLike[str]) -> Place:
    """Find out whether a path is of this machine's file system or behind a URL."""
    name = os.fspath(path)
    if not is_url(name):
        return Path(name)
    return Path(name.removeprefix("file://")) if name.startswith("file://") else Remote(name)


def absolute(path: str | os.PathLike[str]) -> str:
    """Give a path that means the same in every folder; a URL does."""
    name = os.fspath(path)
    return name if is_url(name) else str(Path.cwd() / name)


def list_files(folder: Place) -> list[Place]:
    """List what is in a folder, sorted; nothing where there is no folder."""
    return sorted(folder.iterdir()) if folder.is_dir() else []


def rename(place: Place, suffix: str) -> Place:
    """Give a file another ending, in the place of what has that name; raises OSError where that fails."""
    if isinstance(place, Remote):
        return place.replace(place.with_suffix(suffix))
    return place.replace(place.with_suffix(suffix))


def write_whole(place: Place, data: bytes | memoryview) -> None:
    """Put a whole file there, or leave there what was; raises OSError where it cannot be written."""
    if isinstance(place, Remote):
        place.write_bytes(data)
        return
    temporary = place.with_name(f"{place.name}.{os.getpid()}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(place)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
