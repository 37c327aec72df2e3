"""An evaluation on a cluster says what the local one says, and outlives an image that kills its process."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import cli
from features.errors import BundleError, WorkerError
from pipelines import batches, evaluation_rows
from pipelines.dataset import read_dataset
from pipelines.engine_choice import Engine, Local, Setup, open_engine
from pipelines.evaluate import RECORD
from pipelines.evaluation_rows import AS_IT_IS, Wanted, judge
from tests.images import corpus
from tests.pipelines.test_engine_dask import Machines

pytest.importorskip("distributed", reason="needs the extra cluster")

OPTIONS = ("--no-robustness", "--all", "--limit", "24", "--quiet")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with ExitStack() as stack:
        machines = Machines(tmp_path_factory.mktemp("machines"), stack)
        machines.add()
        machines.add()
        yield machines


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = corpus(tmp_path_factory.mktemp("data") / "faces", 20, size=64)
    (root / "fake/0003.jpg").write_bytes(b"no image")
    return root


def run(*arguments: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["evaluate", *arguments, *OPTIONS])
    assert ended.value.code == 3
    found: dict[str, Any] = json.loads(Path(arguments[arguments.index("--out") + 1], RECORD).read_text())
    return found


def test_a_cluster_finds_what_this_machine_finds(
    cluster: Machines, data: Path, small_detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("faces").symlink_to(data)
    common = ("faces", "--model", str(small_detector))
    local = run(*common, "--out", "local", "--jobs", "1")
    dask = run(*common, "--out", "dask", "--engine", "dask", "--scheduler", cluster.address)
    for name in ("images", "models", "protocol", "warnings"):
        assert dask[name] == local[name]
    assert local["images"]["failures"][0]["path"] == "fake/0003.jpg"
    (left,), (right,) = (list(Path(name, "rows").iterdir()) for name in ("local", "dask"))
    rows = [evaluation_rows._read(folder).sort_values("sha256").reset_index(drop=True) for folder in (left, right)]
    assert len(rows[0]) == 24
    assert rows[0].equals(rows[1])
    assert not list(tmp_path.rglob("*.tmp"))


def wanted(data: Path, count: int) -> list[Wanted]:
    samples = [sample for sample in read_dataset([str(data)]) if "/real/" in sample.path][:count]
    sound = batches.sound_images(samples)
    return [Wanted(sample.path, sound.digests[sample.path], (AS_IT_IS, "jpeg-50")) for sample in samples]


@pytest.mark.parametrize("engine", ["local", "dask"])
def test_an_image_that_kills_its_process_fails_alone(
    engine: str, cluster: Machines, data: Path, small_detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = wanted(data, 5)
    setup = Setup("dask", cluster.address) if engine == "dask" else Setup("local", None, 60)
    with open_engine(setup, 2) as opened:
        with monkeypatch.context() as patched:
            patched.setattr(evaluation_rows, "_judge_job", judge_deadly)
            rows = judge(images, tmp_path, model=str(small_detector), faces="off", engine=opened)
        failed = rows[rows["error"] != ""]
        assert failed["key"].tolist() == [AS_IT_IS, "jpeg-50"]
        assert failed["sha256"].unique().tolist() == [image.sha256 for image in images if "0002" in image.path]
        assert failed["error"].str.startswith("worker: the process died").all()
        again = judge(images, tmp_path, model=str(small_detector), faces="off", engine=opened)
    alone = judge(images, tmp_path / "alone", model=str(small_detector), faces="off")
    assert (again["error"] == "").all()
    assert again.equals(alone)


_JUDGE = evaluation_rows._judge_job


def judge_deadly(job: evaluation_rows._Job) -> evaluation_rows._Found:
    """End the process where the job has a certain image."""
    if any(image.path.endswith("0002.jpg") for image in job.wanted):
        os.kill(os.getpid(), signal.SIGKILL)
    return _JUDGE(job)


def digests_deadly(paths: list[tuple[str, ...]]) -> list[tuple[str, str]]:
    if any(path.endswith("0002.jpg") for path, _ in paths):
        os.kill(os.getpid(), signal.SIGKILL)
    return _DIGESTS(paths)


_DIGESTS = batches._digests


def test_an_image_that_kills_what_decodes_it_is_left_out(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [sample for sample in read_dataset([str(data)]) if "/real/" in sample.path][:5]
    monkeypatch.setattr(batches, "_digests", digests_deadly)
    sound = batches.sound_images(samples, engine=Local(1, 60.0))
    assert sound.lost == {sample.path for sample in samples if sample.path.endswith("0002.jpg")}
    assert len(sound.images) == 4
    assert sound.left_out["failed"] == 1


class Elsewhere(Local):
    """This process, as if it were another machine."""

    shared = True


def test_a_worker_with_another_detector_is_refused(
    data: Path, small_detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine: Engine = Elsewhere(1)
    job = evaluation_rows._Job("0" * 64, str(small_detector), "off", tmp_path, tuple(wanted(data, 1)))
    with pytest.raises(BundleError, match="is another detector on"):
        evaluation_rows._judge_job(job)
    monkeypatch.chdir(data.parent)
    (image,) = wanted(data, 1)
    near = image._replace(path=str(Path(image.path).relative_to(data.parent)))
    rows = judge([near], tmp_path, model=str(small_detector), faces="off", engine=engine)
    assert rows["error"].tolist() == ["", ""]


def test_blame_names_every_row(data: Path, tmp_path: Path) -> None:
    job = evaluation_rows._Job("", "fast", "off", tmp_path, tuple(wanted(data, 2)))
    found = evaluation_rows._blame(job, "it died")
    assert (found.rows, found.failed["error"].tolist()) == (4, [f"{WorkerError.code}: it died"] * 4)
