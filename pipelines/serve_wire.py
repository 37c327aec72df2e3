"""What passes between the server and its worker processes: a head of JSON, and bytes.

A message is two lengths (big-endian, 4 bytes each), the head and the body.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, NamedTuple

__all__ = ["LENGTHS", "Message", "Setting", "pack", "read", "unpack"]

LENGTHS: Final = struct.Struct(">II")
"""The lengths of head and body, in bytes."""


@dataclass(frozen=True)
class Setting:
    """What a worker is started with.

    Attributes
    ----------
    models : sequence of str
        As `load_detector` takes them; requests name them by these names.
    max_pixels : int
        The most pixels an image may announce.
    parent : int
        The process that it does not outlive.
    """

    models: Sequence[str]
    max_pixels: int
    parent: int


class Message(NamedTuple):
    """A head of JSON values, and bytes."""

    head: dict[str, Any]
    body: bytes = b""


def pack(head: dict[str, Any], body: bytes = b"") -> bytes:
    """Write all of a message but its body, which follows it."""
    text = json.dumps(head).encode()
    return LENGTHS.pack(len(text), len(body)) + text


def unpack(text: bytes, body: bytes) -> Message:
    """Make a message of the bytes of its head and of its body."""
    return Message(json.loads(text), body)


def read(stream: BinaryIO) -> Message | None:
    """Read a message; None where the other side has gone."""
    lengths = stream.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    head, body = LENGTHS.unpack(lengths)
    text, data = stream.read(head), stream.read(body)
    return unpack(text, data) if len(data) == body else None
