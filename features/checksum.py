"""Checksums of what a shard holds: an altered bit is noticed where it is read.

Each column carries the CRC-32 of its values in its metadata, and a record that of its bytes. They are of what was
meant, not of how Parquet lays it out, so nothing between writing and reading goes unseen. Shards from before there were
checksums carry none and are read as they are.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["KEY", "agrees", "of_bytes", "of_texts", "of_values"]

KEY: Final = b"crc32"
"""Where metadata keep a checksum."""


def of_bytes(data: bytes) -> bytes:
    """Give the CRC-32 (ISO 3309) of bytes, eight hex digits."""
    return b"%08x" % zlib.crc32(data)


def of_values(name: str, column: npt.NDArray[np.float32]) -> bytes:
    """Give the checksum of a column: its name, then its (n,) float32 values in C order, little-endian."""
    return b"%08x" % zlib.crc32(column.astype("<f4", copy=False).data, zlib.crc32(name.encode()))


def of_texts(texts: Sequence[str]) -> bytes:
    """Give the checksum of texts in their order; none holds a NUL."""
    return of_bytes("\0".join(texts).encode())


def agrees(metadata: Mapping[bytes, bytes] | None, found: bytes) -> bool:
    """Tell whether a checksum is the one that metadata keep, or they keep none."""
    return (metadata or {}).get(KEY, found) == found
