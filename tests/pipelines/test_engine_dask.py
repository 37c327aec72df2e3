"""A Dask cluster does what the local engine does, to the last bit, and outlives its workers."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

import cli
from features.errors import FeatureMismatchError, MissingExtraError, UnknownNameError, WorkerError
from features.store import FeatureStore
from pipelines import engine_dask as module
from pipelines import extract as extraction
from pipelines import score as scoring
from pipelines.dataset import read_dataset
from pipelines.engine_choice import LOCAL, Engine, Setup, open_engine
from pipelines.engine_faults import Work, halve
from pipelines.extract import extract
from pipelines.inputs import expand
from pipelines.measure import Job as Measured
from pipelines.measure import Outcome, measure
from pipelines.score import score
from tests.images import corpus
from tests.pipelines.test_engine_faults import Job, blame, chunks, flat, hang, kill, process, refuse
from tests.pipelines.test_extract import assert_same_store

pytest.importorskip("distributed", reason="needs the extra cluster")

ROOT = Path(__file__).parents[2]
DASK = str(Path(sys.executable).parent / "dask")


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


class Machines:
    """A scheduler and workers as processes of their own, in a folder that is not the client's."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", self.address.rpartition(":")[2])
        self.workers: list[subprocess.Popen[bytes]] = []

    def add(self, *options: str) -> "subprocess.Popen[bytes]":
        self.workers.append(self._start("worker", self.address, "--nthreads", "1", *(options or ("--no-nanny",))))
        return self.workers[-1]

    def _start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [DASK, *arguments, "--no-dashboard"],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.stack.callback(process.wait)
        self.stack.callback(end, process)
        return process

    def open(self) -> "Engine":
        """Connect for the rest of the test, with a minute for each job."""
        return self.stack.enter_context(open_engine(Setup("dask", self.address, 60)))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Two workers that no test may harm."""
    with ExitStack() as stack:
        machines = Machines(tmp_path_factory.mktemp("machines"), stack)
        machines.add()
        machines.add()
        yield machines


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    """A scheduler without workers yet."""
    (tmp_path / "elsewhere").mkdir()
    with ExitStack() as stack:
        yield Machines(tmp_path / "elsewhere", stack)


def slow(folder: str, job: Job) -> list[int | str]:
    """Note every start of a job, and take a while."""
    Path(folder, f"{job[0]}.{os.getpid()}").touch()
    time.sleep(0.5)
    return list(job)


def work(run: Callable[[Job], list[int | str]], *needs: str) -> Work[Job, list[int | str]]:
    return Work(run, halve, blame, needs)


def test_two_workers_extract_what_this_machine_does(
    two: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = corpus(Path("data"), 40, size=64)
    (data / "fake/0003.jpg").write_bytes(b"no image")
    extract(read_dataset(["data"]), "local", workers=1)
    with pytest.raises(SystemExit) as ended:
        cli.main(["extract", "data", "--out", "dask", "--engine", "dask", "--scheduler", two.address, "--quiet"])
    assert ended.value.code == 3
    summary = json.loads(capsys.readouterr().out)
    assert (summary["total"], summary["done"], summary["failed"]) == (80, 79, 1)
    assert_same_store(Path("local"), Path("dask"))
    assert not list(Path("dask").rglob("*.tmp"))


def test_workers_of_its_own_where_no_scheduler_is_named(tmp_path: Path) -> None:
    samples = read_dataset([str(corpus(tmp_path / "data", 20, size=64))])
    extract(samples, str(tmp_path / "local"), workers=1)
    summary = extract(samples, str(tmp_path / "dask"), workers=1, engine=Setup("dask"))
    assert (summary.total, summary.done) == (40, 40)
    assert_same_store(tmp_path / "local", tmp_path / "dask")


def test_processes_of_its_own_look_at_themselves_less_often() -> None:
    import dask

    before = {key: dask.config.get(key) for key in module.QUIET}
    with open_engine(Setup("dask"), 1) as engine:
        assert isinstance(engine, module.Cluster)
        for key, value in module.QUIET.items():
            assert list(engine.client.run(dask.config.get, key).values()) == [value]
    assert {key: dask.config.get(key) for key in module.QUIET} == before
    assert before.keys() == module.QUIET.keys()
    assert all(before[key] != module.QUIET[key] for key in before)


def test_the_page_gives_those_who_start_a_cluster_the_same_settings() -> None:
    import dask

    lines = re.findall(r"^export (DASK_\w+)=(\w+)$", (ROOT / "docs" / "scale.md").read_text(), re.MULTILINE)
    given = dask.config.collect(paths=[], env=dict(lines))
    assert {key: dask.config.get(key, config=given) for key in module.QUIET} == module.QUIET


def deadly(job: Measured) -> Outcome:
    """Measure, unless the image of that name is there, which kills its process as a broken codec might."""
    if any(path.endswith("0007.jpg") and "/fake/" in path for path, _ in job.images):
        os.kill(os.getpid(), signal.SIGKILL)
    return measure(job)


@pytest.mark.parametrize("engine", ["local", "dask"])
def test_an_image_that_kills_its_process_is_a_failed_row(
    engine: str, two: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = read_dataset([str(corpus(tmp_path / "data", 40, size=64))])
    setup = Setup("dask", two.address) if engine == "dask" else LOCAL
    monkeypatch.setattr(extraction, "measure", deadly)
    summary = extract(samples, str(tmp_path / "c"), workers=2, engine=setup)
    assert (summary.total, summary.done, summary.failed) == (80, 79, 1)
    ((path, error),) = ((row["path"], row["error"]) for row in extraction.failures(str(tmp_path / "c")))
    assert path.endswith("fake/0007.jpg")
    assert error.startswith("worker: the process died that worked on this")
    monkeypatch.undo()
    assert extract(samples, str(tmp_path / "c"), workers=1).done == 1
    extract(samples, str(tmp_path / "whole"), workers=1)
    assert_same_store(tmp_path / "whole", tmp_path / "c")


def test_two_workers_score_what_this_machine_does(
    two: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_detector: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    corpus(Path("data"), 20, size=128)
    inputs = [*expand(["data"]), "data/missing.jpg"]
    setup = Setup("dask", two.address)
    local = list(score(inputs, model=str(small_detector), faces="off", workers=1))
    assert list(score(inputs, model=str(small_detector), faces="off", engine=setup, ordered=True)) == local
    monkeypatch.setattr(scoring, "_score_chunk", deadly_chunk)
    (blamed,) = score(inputs[:1], model=str(small_detector), faces="off", engine=setup)
    assert (blamed.path, blamed.probability) == (inputs[0], None)
    assert blamed.error
    assert blamed.error.type == "worker"


def deadly_chunk(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_results_come_in_order_where_that_is_asked(two: Machines) -> None:
    with open_engine(Setup("dask", two.address)) as engine:
        assert engine.workers == 2
        values = flat(engine.map(work(partial(kill, ())), chunks(40, 2), ordered=True))
    assert values == [2 * number for number in range(40)]


def test_jobs_run_in_a_child_of_each_worker(two: Machines) -> None:
    with open_engine(Setup("dask", two.address)) as engine:
        pids = set(flat(engine.map(work(process), chunks(12, 1))))
    assert not pids & {os.getpid(), *(worker.pid for worker in two.workers)}


def test_few_jobs_are_with_the_scheduler_at_a_time(two: Machines) -> None:
    taken = []

    def jobs() -> Iterator[Job]:
        for number in range(1000):
            taken.append(number)
            yield (number,)

    with open_engine(Setup("dask", two.address)) as engine:
        results = engine.map(work(partial(kill, ())), jobs())
        next(results)
        assert len(taken) <= 8
        results.close()  # type: ignore[attr-defined]


def test_a_poisoned_input_costs_itself_and_no_worker(two: Machines) -> None:
    with open_engine(Setup("dask", two.address)) as engine:
        values = flat(engine.map(work(partial(kill, (9,))), chunks(24, 8)))
    assert [value for value in values if isinstance(value, str)] == [
        "9 worker: the process died that worked on this; a crash, or memory ran out"
    ]
    assert len(values) == 24
    assert all(worker.poll() is None for worker in two.workers)


def test_a_second_command_leaves_the_children_of_the_first_alone(machines: Machines) -> None:
    machines.add()
    with open_engine(Setup("dask", machines.address)) as engine:
        first = flat(engine.map(work(process), [(1,)]))
        with open_engine(Setup("dask", machines.address)) as another:
            assert flat(another.map(work(process), [(1,)])) == first
        assert flat(engine.map(work(process), [(1,)])) == first


def test_what_comes_along_with_the_greeting_is_no_error(two: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    import distributed

    greetings = []

    def disturbed(scheduler: str, timeout: float) -> distributed.Client:
        greetings.append(scheduler)
        assert len(greetings) > 1, "as Dask does where a second message came along with the first"
        return connect(scheduler, timeout=timeout)  # type: ignore[no-untyped-call]

    connect = distributed.Client
    monkeypatch.setattr(distributed, "Client", disturbed)
    with open_engine(Setup("dask", two.address)) as engine:
        assert engine.workers == 2
    assert greetings == [two.address] * 2


def test_a_run_that_is_done_tells_the_other_clients_nothing(two: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import Client

    told: list[object] = []
    with open_engine(Setup("dask", two.address)) as engine:
        monkeypatch.setattr(Client, "cancel", lambda _, futures: told.append(futures))
        assert len(flat(engine.map(work(partial(kill, ())), chunks(4, 2)))) == 4
    assert told == []


def test_a_hang_ends_at_the_limit(two: Machines) -> None:
    with open_engine(Setup("dask", two.address, 1.0)) as engine:
        values = flat(engine.map(work(partial(hang, (2,))), chunks(4, 2)))
    assert sorted(value for value in values if isinstance(value, int)) == [0, 2, 6]
    assert "2 worker: no result after 1 seconds" in values


def test_an_error_comes_home_as_it_is(two: Machines) -> None:
    with (
        open_engine(Setup("dask", two.address)) as engine,
        pytest.raises(UnknownNameError, match="did you mean 'color'"),
    ):
        flat(engine.map(work(refuse), chunks(4, 2)))


def test_a_worker_that_does_not_see_the_files_is_named(
    two: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    seen.write_bytes(b"what this machine sees")
    with open_engine(Setup("dask", two.address)) as engine:
        assert flat(engine.map(work(partial(kill, ()), str(seen)), chunks(4, 2))) != []
        needs = module._Needs.of([str(seen)])
        for file, cause in (((str(seen), "0" * 64), "another file"), ((str(tmp_path / "no"), "0" * 64), "cannot read")):
            monkeypatch.setattr(module._Needs, "of", lambda paths, file=file: needs._replace(files=(file,)))
            with pytest.raises(WorkerError, match=f"the worker on .* does not see {file[0]} .*{cause}.*same paths"):
                flat(engine.map(work(partial(kill, ())), chunks(4, 2)))


def test_a_worker_that_measures_otherwise_is_refused(two: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    needs = module._Needs.of([])._replace(features="f" * 64)
    monkeypatch.setattr(module._Needs, "of", lambda paths: needs)
    with (
        open_engine(Setup("dask", two.address)) as engine,
        pytest.raises(FeatureMismatchError, match=r"measures otherwise .*install the same version"),
    ):
        flat(engine.map(work(partial(kill, ())), chunks(4, 2)))


@pytest.mark.parametrize("options", [["--no-nanny"], ["--nanny"]])
def test_a_killed_worker_loses_nothing_and_doubles_nothing(
    machines: Machines, tmp_path: Path, options: list[str]
) -> None:
    started = tmp_path / "started"
    started.mkdir()
    first, _ = machines.add(*options), machines.add(*options)
    results = machines.open().map(work(partial(slow, str(started))), chunks(24, 2))
    values = [*next(results), *next(results), *next(results)]
    os.killpg(first.pid, signal.SIGKILL)
    assert sorted([*values, *flat(results)]) == list(range(24))


def test_without_any_worker_left_the_run_ends(
    machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 2.0)
    with pytest.raises(WorkerError, match="has no workers; start some with: dask worker"):
        machines.open()
    monkeypatch.setattr(module, "_PATIENCE", 60.0)
    worker = machines.add()
    engine = machines.open()
    monkeypatch.setattr(module, "_PATIENCE", 1.0)
    results = engine.map(work(partial(slow, str(tmp_path))), chunks(24, 2))
    next(results)
    os.killpg(worker.pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match=r"no worker is left at tcp://.*run the command again"):
        flat(results)


def test_a_lost_scheduler_ends_the_run(machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machines.add()
    results = machines.open().map(work(partial(slow, str(tmp_path))), chunks(24, 2))
    next(results)
    monkeypatch.setattr(module, "_PATIENCE", 1.0)
    threading.Timer(0.1, os.killpg, (machines.scheduler.pid, signal.SIGKILL)).start()
    with pytest.raises(WorkerError, match=r"the scheduler at tcp://.* was lost; .*run the command again"):
        flat(results)


def test_without_a_scheduler_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 1.0)
    for address in (f"tcp://127.0.0.1:{free_port()}", "nonsense://x"):
        with (
            pytest.raises(WorkerError, match=f"no Dask scheduler answers at {address}"),
            open_engine(Setup("dask", address)),
        ):
            pass


def test_without_dask_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'fauxface\[cluster\]'"), open_engine(Setup("dask")):
        pass


def test_the_probe_of_a_store_leaves_nothing(tmp_path: Path) -> None:
    with FeatureStore(tmp_path).probe() as path:
        assert len(path.read_bytes()) == 16
    assert not list(tmp_path.iterdir())
