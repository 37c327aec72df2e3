"""A process that dies or hangs costs one input, whichever engine started it; everything else gets its result."""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from features.errors import UnknownNameError, WorkerError
from pipelines.engine_choice import Local, Setup, open_engine
from pipelines.engine_faults import Work, end_children, guarded, halve

Job = tuple[int, ...]

ROOT: Final = Path(__file__).parents[2]


def double(job: Job) -> list[int | str]:
    return [2 * number for number in job]


def kill(poisoned: Job, job: Job) -> list[int | str]:
    if set(job) & set(poisoned):
        os.kill(os.getpid(), signal.SIGKILL)
    return double(job)


def kill_once(mark: str, job: Job) -> list[int | str]:
    """Die where the mark is missing, as a process does that runs out of memory by chance."""
    if 5 in job and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return double(job)


def hang(poisoned: Job, job: Job) -> list[int | str]:
    if set(job) & set(poisoned):
        time.sleep(60)
    return double(job)


def refuse(job: Job) -> list[int | str]:
    raise UnknownNameError("block", "colour", ["color"])


def process(job: Job) -> list[int | str]:
    return [os.getpid()]


def blame(job: Job, reason: str) -> list[int | str]:
    return [f"{job[0]} worker: {reason}"]


@pytest.fixture(autouse=True)
def no_children_left() -> Iterator[None]:
    yield
    end_children()


def chunks(count: int, size: int) -> list[Job]:
    return [tuple(range(at, at + size)) for at in range(0, count, size)]


def flat(results: Iterator[list[int | str]]) -> list[int | str]:
    return [value for part in results for value in part]


def test_a_job_that_goes_well_runs_in_one_lasting_child() -> None:
    first, second = (guarded(Work(process, halve, blame), None, (1,)) for _ in range(2))
    assert first == second != [[os.getpid()]]


def test_the_input_that_kills_is_found_and_the_others_have_their_results() -> None:
    work = Work(partial(kill, (5,)), halve, blame)
    results = guarded(work, None, tuple(range(8)))
    assert results[0] == [0, 2, 4, 6]
    values = [value for part in results for value in part]
    assert [value for value in values if isinstance(value, int)] == [0, 2, 4, 6, 8, 12, 14]
    assert [value for value in values if isinstance(value, str)] == [
        "5 worker: the process died that worked on this; a crash, or memory ran out"
    ]


def test_a_process_killed_by_chance_costs_nothing(tmp_path: Path) -> None:
    for job in ((5,), tuple(range(8))):
        mark = tmp_path / str(len(job))
        results = guarded(Work(partial(kill_once, str(mark)), halve, blame), None, job)
        assert [value for part in results for value in part] == double(job)
        assert mark.exists()


def test_an_error_is_no_fault_of_the_process() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'color'"):
        guarded(Work(refuse, halve, blame), None, (1, 2))


def test_a_hang_ends_at_the_limit() -> None:
    results = guarded(Work(partial(hang, (2,)), halve, blame), 1.0, (1, 2))
    assert results == [[2], ["2 worker: no result after 1 seconds"]]


def test_the_time_that_a_child_takes_to_start_is_no_job_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(1.5)\ndef run(job):\n    return [*job]\n")
    monkeypatch.syspath_prepend(tmp_path)
    run = importlib.import_module("slow_to_import").run
    assert guarded(Work(run, halve, blame), 1.0, (1, 2)) == [[1, 2]]


def test_a_child_that_died_between_two_jobs_costs_nothing() -> None:
    ((child,),) = guarded(Work(process, halve, blame), None, (1,))
    os.kill(int(child), signal.SIGKILL)
    work: Work[Job, list[int | str]] = Work(double, halve, blame)
    assert flat(iter(guarded(work, None, (1, 2)))) == [2, 4]
    assert flat(iter(guarded(work, None, (1, 2)))) == [2, 4]


@pytest.mark.parametrize("ordered", [False, True])
def test_local_processes_outlive_one_that_dies(ordered: bool) -> None:
    work = Work(partial(kill, (13,)), halve, blame)
    values = flat(Local(2).map(work, chunks(40, 4), ordered=ordered))
    (blamed,) = (value for value in values if isinstance(value, str))
    assert blamed.startswith("13 worker: ")
    numbers = [int(value.split()[0]) * 2 if isinstance(value, str) else value for value in values]
    assert (numbers if ordered else sorted(numbers)) == [2 * number for number in range(40)]


def test_two_poisoned_inputs_far_apart_are_both_found() -> None:
    values = flat(Local(2).map(Work(partial(kill, (3, 36)), halve, blame), chunks(40, 4)))
    assert sorted(value.split()[0] for value in values if isinstance(value, str)) == ["3", "36"]
    assert len(values) == 40


@pytest.mark.parametrize("workers", [1, 2])
def test_local_processes_have_a_limit_where_one_is_set(workers: int) -> None:
    values = flat(Local(workers, 1.0).map(Work(partial(hang, (6,)), halve, blame), chunks(8, 2)))
    assert sorted(value for value in values if isinstance(value, int)) == [0, 2, 4, 6, 8, 10, 14]
    assert [value for value in values if isinstance(value, str)] == ["6 worker: no result after 1 seconds"]


def test_one_worker_without_a_limit_is_this_process() -> None:
    assert flat(Local(1).map(Work(process, halve, blame), [(1,)])) == [os.getpid()]
    assert flat(Local(2).map(Work(process, halve, blame), [(1,)], at_most=1)) == [os.getpid()]


def test_a_scheduler_belongs_to_the_cluster_engine() -> None:
    with pytest.raises(WorkerError, match="goes with --engine dask"), open_engine(Setup(scheduler="tcp://x:1")):
        pass


_DIES: Final = """
import os, signal, threading, time
from pipelines.engine_faults import _child, _children
threading.Thread(target=_child, args=(0, time.sleep)).start()
while not (_children and _children[0]._processes):
    time.sleep(0.001)
print(*_children[0]._processes, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_child_that_is_still_starting_ends_with_its_parent() -> None:
    died = subprocess.run([sys.executable, "-c", _DIES], cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=45)
    assert died.returncode == -signal.SIGKILL
    (child,) = map(int, died.stdout.split())
    deadline = time.monotonic() + 20
    while is_running(child):
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.1)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
