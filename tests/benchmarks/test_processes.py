"""The tree of processes below one: who is in it, in which role, and that memory is read in bytes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.processes import look

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")

MEBIBYTE = 1 << 20
WORKER = "import sys; sys.stdout.write('ready'); sys.stdout.flush(); sys.stdin.read()"
PARENT = f"""
import subprocess, sys
held = bytes(64 << 20) + b"x"
command = [sys.executable, "-c", {WORKER!r}, "loky.backend" + ".popen_loky"]
with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
    child.stdout.read(5)
    sys.stdout.write("ready")
    sys.stdout.flush()
    sys.stdin.read()
    child.stdin.close()
"""


@contextmanager
def family() -> Iterator[int]:
    """Run a process that holds 64 MiB and has a child that is called like a worker; its number."""
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        assert parent.stdout.read(5) == b"ready"
        yield parent.pid
        parent.stdin.close()


def test_a_parent_and_its_worker_are_found_with_their_memory() -> None:
    with family() as pid:
        now, most = look(pid, "VmRSS"), look(pid, "VmHWM")
    assert [process.role for process in now] == ["parent", "worker"]
    assert now[0].pid == pid != now[1].pid
    assert 64 * MEBIBYTE < now[0].memory < 256 * MEBIBYTE
    assert 1 * MEBIBYTE < now[1].memory < 64 * MEBIBYTE
    assert all(high.memory >= low.memory for low, high in zip(now, most, strict=True))


def test_what_has_ended_is_left_out() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
        assert look(ended.pid, "VmRSS") == []
