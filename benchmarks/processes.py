"""The processes of a run of the command line and the memory they have, read from /proc (Linux)."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

__all__ = ["PERIOD", "Memory", "Process", "look"]

PERIOD: Final = 0.2
"""Seconds between looks at the processes."""

Memory = Literal["VmRSS", "VmHWM"]
"""The resident set as it is, or the greatest that it was."""

_WORKER: Final = "loky.backend.popen_loky"  # in the command line of a worker
_HELPER: Final = "resource_tracker"


class Process(NamedTuple):
    """A process of the tree: `parent`, `worker` or `helper`, and its memory in bytes."""

    pid: int
    role: str
    memory: int


def look(root: int, memory: Memory) -> list[Process]:
    """Find the processes of the tree below one and their memory; what ends meanwhile is left out."""
    return [process for pid in _tree(root) for process in _read(pid, memory)]


def _read(pid: int, memory: Memory) -> Iterator[Process]:
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_text()
        role = "worker" if _WORKER in command else "helper" if _HELPER in command else "parent"
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(memory):
                yield Process(pid, role, 1024 * int(line.split()[1]))


def _tree(root: int) -> Iterator[int]:
    yield root
    with contextlib.suppress(OSError):
        for children in Path(f"/proc/{root}/task").glob("*/children"):
            for child in children.read_text().split():
                yield from _tree(int(child))
