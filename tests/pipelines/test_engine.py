"""Jobs map over processes: complete, lazily, on one thread each, and nothing outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import cv2
import pytest

from features.errors import UnknownNameError, WorkerError
from pipelines.engine import cores, map_jobs

SLEEPERS = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from pipelines.engine import map_jobs

def sleep(job):
    Path({folder!r}, str(os.getpid())).touch()
    time.sleep(60)

list(map_jobs(sleep, range(4), workers=2))
"""

GROWERS = """
import os, sys, time
sys.path.insert(0, {root!r})
from pipelines.engine import map_jobs

def grow(job):
    time.sleep(0.3)
    if job > 1:
        sys.kept = b"x" * 400_000_000
    return os.getpid()

pids = list(map_jobs(grow, range(16), workers=2))
print(len(pids), len(set(pids)) > 2)
"""


def double(job: int) -> int:
    return 2 * job


def process(job: int) -> int:
    time.sleep(0.02)
    return os.getpid()


def threads(job: int) -> tuple[str | None, str | None, int]:
    import features.frame

    assert features.frame.WORKING_SIZE
    return os.environ.get("OMP_NUM_THREADS"), os.environ.get("OPENBLAS_NUM_THREADS"), cv2.getNumThreads()


def refuse(job: int) -> int:
    raise UnknownNameError("block", "colour", ["color"])


def die(job: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return job


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended but was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(pid)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_gives_its_result(workers: int) -> None:
    assert sorted(map_jobs(double, range(40), workers=workers)) == [2 * job for job in range(40)]


def test_ordered_results_come_in_the_order_of_the_jobs() -> None:
    assert list(map_jobs(double, range(40), workers=2, ordered=True)) == [2 * job for job in range(40)]


def test_no_jobs_give_no_results() -> None:
    assert list(map_jobs(double, [], workers=2)) == []


def test_one_worker_takes_jobs_only_when_asked() -> None:
    taken = []

    def jobs() -> Iterator[int]:
        for job in range(5):
            taken.append(job)
            yield job

    results = map_jobs(double, jobs())
    assert (next(results), taken) == (0, [0])


def test_several_workers_take_few_jobs_ahead() -> None:
    taken = []

    def jobs() -> Iterator[int]:
        for job in range(1000):
            taken.append(job)
            yield job

    results = map_jobs(process, jobs(), workers=2)
    assert isinstance(results, Generator)
    next(results)
    results.close()
    assert len(taken) < 100


def test_workers_are_other_processes_with_one_thread_each() -> None:
    assert os.getpid() not in set(map_jobs(process, range(4), workers=2))
    assert set(map_jobs(threads, range(4), workers=2)) == {("1", "1", 1)}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_comes_home_as_it_is(workers: int) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'color'"):
        list(map_jobs(refuse, range(3), workers=workers))


def test_a_dead_worker_is_named() -> None:
    with pytest.raises(WorkerError, match="memory ran out"):
        list(map_jobs(die, range(3), workers=2))


def test_a_worker_that_grows_is_replaced_without_a_word() -> None:
    pytest.importorskip("psutil")  # with it joblib looks after the memory of its workers
    code = GROWERS.format(root=str(Path(__file__).parents[2]))
    command = [sys.executable, "-W", "error::UserWarning", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("16 True\n", "")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_closing_early_stops_the_workers() -> None:
    results = map_jobs(process, range(1000), workers=2)
    assert isinstance(results, Generator)
    pid = next(results)
    results.close()
    assert gone(pid)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    with subprocess.Popen([sys.executable, "-c", SLEEPERS.format(root=root, folder=str(tmp_path))]) as parent:
        end = time.monotonic() + 30
        while len(pids := [int(path.name) for path in tmp_path.iterdir()]) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        parent.kill()
    assert len(pids) == 2
    assert all(gone(pid) for pid in pids)


def test_cores_are_those_that_may_be_used() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
