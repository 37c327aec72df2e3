"""Detectors side by side: the same images for all, what each figure is worth, and fresh processes that are timed."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.dom import minidom

import numpy as np
import pytest

import cli
from features.embedding import open_network
from features.errors import DatasetError, DeviceError, MissingExtraError, WorkerError
from features.frame import Frame
from models.bundle import load
from models.calibration import Calibration, OperatingPoints
from models.intervals import evaluate
from pipelines import bench_speed, bench_worker, benchmark
from pipelines.bench_charts import Axis, Series, chart, decades
from pipelines.bench_page import page
from pipelines.bench_quality import Contestant, Images, choose_images, judge_images
from pipelines.bench_references import NOTE, REFERENCES
from pipelines.bench_speed import Effort, logit_only, measure_speed
from pipelines.bench_worker import BATCHES, Job, judge_of
from pipelines.dataset import Sample, read_dataset
from pipelines.engine import cores
from pipelines.extract import extract
from pipelines.score import load_detector
from pipelines.train import train
from tests.images import corpus
from tests.networks import onnx_of, training_folder
from tests.toy import QUICK

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus(tmp_path_factory.mktemp("corpus"), 70, size=96)  # the least side that gets a verdict


@pytest.fixture(scope="module")
def samples(folder: Path) -> list[Sample]:
    return read_dataset([str(folder)])


@pytest.fixture(scope="module")
def full(samples: list[Sample], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that has a network."""
    root = tmp_path_factory.mktemp("full")
    extract(samples, str(root / "cache"), profile="full", network=str(training_folder(root / "network")), workers=1)
    train(root / "cache", root / "bundle", params=QUICK, threads=1, resamples=5)
    return root / "bundle"


@pytest.fixture(scope="module")
def images(samples: list[Sample]) -> Images:
    return choose_images(samples, whole=False, limit=None, workers=1)


@pytest.fixture(scope="module")
def contestants(small_detector: Path, full: Path, images: Images) -> list[Contestant]:
    return judge_images([str(small_detector), str(full)], images, workers=1, count=lambda number: None)


@pytest.fixture(scope="module")
def out(folder: Path, small_detector: Path, full: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command leaves, its standard output beside it."""
    out = tmp_path_factory.mktemp("out") / "made"
    arguments = ["benchmark", str(folder), "--out", str(out), "--quick", "--jobs", "1", "--quiet"]
    models = ["--model", str(small_detector), "-m", str(full)]
    with pytest.raises(SystemExit) as ended:
        cli.main([*arguments, *models, "--format", "json", "-o", f"{out}.json"])
    assert ended.value.code == 0
    return out


@pytest.fixture(scope="module")
def record(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "benchmark.json").read_text()))


# Which images


def test_test_groups_are_judged_balanced_and_each_content_once(samples: list[Sample], images: Images) -> None:
    test = [sample for sample in samples if sample.split == "test"]
    assert set(images.test) <= set(test)
    assert images.labels.sum() * 2 == len(images.test) == len(test)
    assert {sample.split for sample in images.calibration} == {"calibration"}


def test_a_limit_keeps_the_lowest_digests_of_both_classes(samples: list[Sample], images: Images) -> None:
    few = choose_images(samples, whole=False, limit=4, workers=1)
    for label in (0, 1):
        every, kept = ([sample for sample in found.test if sample.label == label] for found in (images, few))
        assert kept == every[:2]
    assert few.left_out["not_chosen"] == len(images.test) - 4
    assert choose_images(samples, whole=True, limit=None, workers=1).labels.sum() == 70


def test_what_cannot_be_read_is_counted(folder: Path, images: Images, small_detector: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    broken = Path(images.test[0].path).relative_to(folder)
    (copy / broken).write_bytes(b"no image")
    found = choose_images(read_dataset([str(copy)]), whole=False, limit=None, workers=1)
    assert found.left_out["failed"] == 1
    assert len(found.test) == len(images.test) - 2
    options = ["--out", str(tmp_path / "out"), "--model", str(small_detector), "--quick", "-q", "-o", os.devnull]
    with pytest.raises(SystemExit) as ended:
        cli.main(["benchmark", str(copy), *options])
    assert ended.value.code == 3


def test_a_missing_class_is_an_error(samples: list[Sample], images: Images, full: Path) -> None:
    reals = [sample for sample in samples if sample.label == 0]
    with pytest.raises(DatasetError, match=r"7 real and 0 fake images to judge in the test groups|0 fake images"):
        choose_images(reals, whole=False, limit=None, workers=1)
    with pytest.raises(DatasetError, match=r"0 real and 0 fake images to calibrate the network of full on"):
        judge_images([str(full)], replace(images, calibration=()), workers=1, count=lambda number: None)


# What is said of them


def test_a_bundle_with_a_network_brings_the_network_alone(contestants: list[Contestant], full: Path) -> None:
    assert [(found.name, found.pure) for found in contestants] == [
        ("fast", False),
        ("full", False),
        ("CNN of full", True),
    ]
    assert contestants[2].digest == load(full).manifest["files"]["network.onnx"]
    assert contestants[1].size == sum(file.stat().st_size for file in full.iterdir())
    assert contestants[2].size == len(onnx_of())


def test_a_bundle_says_what_it_says_to_score(contestants: list[Contestant], images: Images, full: Path) -> None:
    detector = load_detector(str(full), "off")
    expected = [detector.score(sample.path).probability for sample in images.test]
    assert contestants[1].probabilities.tolist() == expected


def test_the_network_alone_is_calibrated_on_the_calibration_groups(
    contestants: list[Contestant], images: Images
) -> None:
    network = open_network(onnx_of())
    logits = {
        name: network.run(tuple(Frame.load(sample.path) for sample in part))["logit"][:, 0]
        for name, part in (("test", images.test), ("calibration", images.calibration))
    }
    labels = np.array([sample.label for sample in images.calibration])
    calibration = Calibration.fit(logits["calibration"], labels)
    assert contestants[2].calibration == calibration
    assert contestants[2].points == OperatingPoints.fit(calibration.probability(logits["calibration"]), labels)
    assert contestants[2].probabilities.tolist() == calibration.probability(logits["test"]).tolist()


def test_processes_and_repeats_do_not_matter(contestants: list[Contestant], images: Images, full: Path) -> None:
    again = judge_images([str(full), str(full)], images, workers=2, count=lambda number: None)
    assert [found.name for found in again] == ["full", "CNN of full"]
    for one, other in zip(again, contestants[1:], strict=True):
        assert one.probabilities.tobytes() == other.probabilities.tobytes()


def test_two_of_one_name_are_told_apart(small_detector: Path, images: Images) -> None:
    found = judge_images([str(small_detector), "fast"], images, workers=1, count=lambda number: None)
    assert [one.name for one in found] == [f"fast {one.digest[:6]}" for one in found]
    assert len({one.name for one in found}) == 2


# What it costs


def test_every_figure_is_measured(record: dict[str, Any]) -> None:
    speed = record["figures"]["speed"]
    assert [(entry["detector"], entry["runtime"], entry["device"]) for entry in speed] == [
        ("fast", "onnxruntime", "cpu"),
        ("full", "onnxruntime", "cpu"),
        ("CNN of full", "onnxruntime", "cpu"),
        ("CNN of full", "torch", "cpu"),
    ]
    for entry in speed:
        for number in ("one", "two") if cores() > 1 else ("one",):
            latency, rate = entry["latency"][number], entry["throughput"][number]
            assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"] < 5
            assert latency["images"] >= 1
            assert all(rate[f"batch_{batch}"]["median"] > 1 for batch in BATCHES)
        assert (entry["throughput"]["two"] is not None) == (cores() > 1)
        assert 0.02 < entry["start"]["median"] < 60
        assert 2e7 < entry["memory"]["batch_1"] <= entry["memory"]["batch_32"]
    rates = [entry["throughput"]["one"]["batch_1"]["median"] for entry in speed]
    assert rates[0] > rates[1]  # a network costs


def job(**values: Any) -> Job:
    return replace(Job("bundle", "", (), None, "cpu", 0.0), **values)


def test_what_is_timed_gives_the_verdicts_of_the_detector(
    contestants: list[Contestant], images: Images, full: Path, tmp_path: Path
) -> None:
    paths = [sample.path for sample in images.test]
    _, whole, alone = contestants
    (tmp_path / "alone.onnx").write_bytes(logit_only(onnx_of()))
    fitted = {"calibration": alone.calibration.to_json(), "points": alone.points.to_json()}
    jobs = [
        (whole, job(model=str(full))),
        (alone, job(kind="onnxruntime", model=str(tmp_path / "alone.onnx"), **fitted)),
        (alone, job(kind="torch", model=str(full / "network.onnx"), **fitted)),
    ]
    for found, one in jobs:
        expected = [found.points.decide(probability) for probability in found.probabilities.tolist()]
        assert list(judge_of(one)(paths)) == expected
        assert [judge_of(one)([path])[0] for path in paths[:2]] == expected[:2]


def test_a_network_alone_computes_nothing_but_its_logit() -> None:
    import onnx

    data = logit_only(onnx_of())
    model, whole = onnx.load_from_string(data), onnx.load_from_string(onnx_of())
    assert [value.name for value in model.graph.output] == ["logit"]
    assert len(model.graph.node) < len(whole.graph.node)
    assert "Sqrt" not in {node.op_type for node in model.graph.node}


def test_a_worker_times_every_batch(small_detector: Path, images: Images, capsys: pytest.CaptureFixture[str]) -> None:
    asked = json.dumps(vars(job(model=str(small_detector), paths=[images.test[0].path], seconds=0.05)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.stdin, "readline", lambda: "go\n", raising=False)
        bench_worker.main([asked])
    first, ready, timed = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["first_verdict"] > 1.7e9
    assert ready == {"ready": True}
    assert all(sum(timed[f"batch_{batch}"]["seconds"]) > 0.04 for batch in BATCHES)


def test_memory_is_that_of_the_process_and_not_of_its_parent() -> None:
    held = bytearray(600_000_000)
    code = "from pipelines.bench_worker import peak_memory; print(peak_memory())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert 2e7 < int(done.stdout) < len(held)
    assert bench_worker.peak_memory() > len(held)


def test_a_process_that_fails_is_an_error(contestants: list[Contestant], images: Images, tmp_path: Path) -> None:
    lost = replace(contestants[0], model=str(tmp_path / "nowhere"), files=())
    effort = Effort(files=1, rounds=1, seconds=0.0)
    with pytest.raises(WorkerError, match=r"ended early: .*no bundle at"):
        measure_speed([lost], images.test, device="cpu", effort=effort, progress=lambda done, total: None)


def places(found: Contestant, device: str, folder: Path) -> list[tuple[str, str, str]]:
    setups = bench_speed._setups(found, job(), device, folder)
    return [(setup.job.kind, setup.runtime, setup.job.device) for setup in setups]


def test_a_gpu_adds_rows_for_what_has_a_network(contestants: list[Contestant], tmp_path: Path) -> None:
    fast, whole, alone = contestants
    assert places(fast, "cuda", tmp_path) == [("bundle", "onnxruntime", "cpu")]
    assert places(whole, "cuda", tmp_path) == [("bundle", "onnxruntime", "cpu"), ("bundle", "torch", "cuda")]
    assert places(alone, "cuda", tmp_path) == [
        ("onnxruntime", "onnxruntime", "cpu"),
        ("torch", "torch", "cpu"),
        ("torch", "torch", "cuda"),
    ]


def test_without_torch_the_network_runs_in_onnxruntime(
    contestants: list[Contestant], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_speed, "find_spec", lambda name: None)
    assert places(contestants[2], "cpu", tmp_path) == [("onnxruntime", "onnxruntime", "cpu")]


# References: their speed only


@pytest.fixture(scope="module")
def compared(
    record: dict[str, Any], contestants: list[Contestant], images: Images, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The record with a reference that was timed too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_speed, "_cores", lambda: [None])
        effort = Effort(files=2, rounds=1, seconds=0.0)
        speed = measure_speed(
            [], images.test, device="cpu", effort=effort, progress=lambda done, total: None, references=["ResNet-50"]
        )
    figures = record["figures"]
    return {**record, "figures": {**figures, "speed": [*figures["speed"], *speed]}}


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_computes_a_logit_for_each_image_and_no_verdict(
    name: str, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, Any]] = []
    opened = bench_worker._in_torch

    def watched(one: Job) -> Any:
        infer = opened(one)

        def infer_and_keep(pixels: Any) -> Any:
            seen.append((pixels, infer(pixels)))
            return seen[-1][1]

        return infer_and_keep

    monkeypatch.setattr(bench_worker, "_in_torch", watched)
    judge = judge_of(job(kind="reference", model=name))
    assert list(judge([sample.path for sample in images.test[:2]])) == [None, None]
    ((pixels, logits),) = seen
    assert pixels.shape == (2, REFERENCES[name].size, REFERENCES[name].size, 3)
    assert pixels.dtype == np.uint8
    assert logits.shape == (2, 1)
    assert np.isfinite(logits).all()


def test_references_run_in_torch_and_on_the_gpu_too() -> None:
    setups = bench_speed._reference_setups(["Xception", "ResNet-50"], job(), "cuda")
    assert [(one.detector, one.runtime, one.size, one.job.kind, one.job.device) for one in setups] == [
        (name, "torch", None, "reference", device) for name in ("Xception", "ResNet-50") for device in ("cpu", "cuda")
    ]
    assert [one.job.device for one in bench_speed._reference_setups(list(REFERENCES), job(), "cpu")] == ["cpu"] * 3


def test_references_are_timed_where_torch_is_unless_it_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(references: bool | None = None, *, quick: bool = False) -> list[str]:
        return benchmark._references(benchmark.Task(["a.zip"], references=references, quick=quick))

    assert chosen() == chosen(True, quick=True) == list(REFERENCES)
    assert chosen(quick=True) == chosen(False) == []
    monkeypatch.setattr(benchmark, "find_spec", lambda name: None)
    monkeypatch.setattr("features.device.find_spec", lambda name: None)
    assert chosen() == []
    with pytest.raises(MissingExtraError):
        chosen(True)


@pytest.mark.parametrize(("options", "wanted"), [(["--references"], True), (["--no-references"], False), ([], None)])
def test_the_command_takes_the_choice_of_references(
    options: list[str], wanted: bool | None, compared: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tasks: list[benchmark.Task] = []

    def remember(task: benchmark.Task, out: str, **values: Any) -> dict[str, Any]:
        tasks.append(task)
        return compared

    monkeypatch.setattr(benchmark, "benchmark", remember)
    written = tmp_path / "table.txt"
    with pytest.raises(SystemExit) as ended:
        cli.main(["benchmark", "a.zip", "--out", "b", *options, "-q", "-f", "table", "-o", str(written)])
    assert ended.value.code == 0
    assert [task.references for task in tasks] == [wanted]
    *others, last = written.read_text().splitlines()
    assert last.startswith("ResNet-50 ")
    assert last.endswith(NOTE)
    assert not any(NOTE in line for line in others)


def test_a_reference_has_speed_and_no_quality(compared: dict[str, Any]) -> None:
    *others, last = compared["figures"]["speed"]
    assert [entry["note"] for entry in others] == [None] * len(others)
    assert (last["detector"], last["runtime"], last["device"]) == ("ResNet-50", "torch", "cpu")
    assert (last["note"], last["size"]) == (NOTE, None)
    assert last["latency"]["one"]["images"] == 1
    assert last["throughput"]["one"]["batch_32"]["median"] > 0.1
    assert 2e7 < last["memory"]["batch_1"] < last["memory"]["batch_32"]
    assert last["start"]["median"] > 0.1
    row = list(benchmark.table(compared))[-1]
    assert list(row) == list(benchmark.SHOWN)
    assert {name for name, value in row.items() if value is None} == {"auc", "accuracy", "tpr_at_fpr_1", "size_mb"}
    assert row["note"] == NOTE


def test_the_page_shows_a_reference_as_speed_only(
    compared: dict[str, Any], images: Images, contestants: list[Contestant], out: Path
) -> None:
    text = page(compared, images.labels, contestants)
    document = minidom.parseString(text.replace("<!doctype html>", ""))
    cells = [
        [cell for cell in row.childNodes if isinstance(cell, minidom.Element)]
        for row in document.getElementsByTagName("tr")
    ]
    rows = [[text_of(cell) for cell in row] for row in cells]
    (found,) = [row for row in rows if row[0].startswith("ResNet-50")]
    assert found[0] == f"ResNet-50, torch ({NOTE})"
    assert found[-1] == ""
    assert all(found[1:-1])
    (picture,) = [svg for svg in document.getElementsByTagName("svg") if "Quality against" in svg.toxml()]
    assert "ResNet-50" not in picture.toxml()
    assert f"references: {NOTE}" in text
    assert REFERENCES["ResNet-50"].source in text
    assert "Xception" not in text
    assert NOTE not in (out / benchmark.PAGE).read_text()


def test_a_device_that_is_not_there_is_an_error(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def follow(task: str) -> Iterator[Any]:
        yield lambda done, total: None

    task = benchmark.Task([str(folder)], device="cuda", quick=True)
    monkeypatch.setattr("features.device.cuda_available", lambda: False)
    with pytest.raises(DeviceError):
        benchmark.benchmark(task, str(tmp_path), follow=follow)
    said: list[str] = []
    assert benchmark._device("auto", said.append) == "cpu"
    assert said == ["device: the CPU, no GPU was found"]
    monkeypatch.setattr("features.device.cuda_available", lambda: True)
    assert benchmark._device("auto", None) == "cuda"
    monkeypatch.setattr("features.device.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError):
        benchmark._device("cuda", None)
    assert not (tmp_path / benchmark.RECORD).exists()


# The record, the table and the page


def test_the_record_says_how_good_each_is(
    record: dict[str, Any], contestants: list[Contestant], images: Images
) -> None:
    figures = record["figures"]
    groups = [sample.group for sample in images.test]
    for found in contestants:
        expected = evaluate(images.labels, found.probabilities, groups, found.points, resamples=50)
        said = figures["quality"][found.name]
        assert said["auc"] == pytest.approx(expected["auc"], rel=1e-5)
        assert said["coverage"] == pytest.approx(expected["coverage"], rel=1e-5)
    pairs = [(pair["of"], pair["over"]) for pair in figures["differences"]]
    assert pairs == [("fast", "full"), ("fast", "CNN of full"), ("full", "CNN of full")]
    for pair in figures["differences"]:
        above, below = (figures["quality"][pair[name]]["auc"]["value"] for name in ("of", "over"))
        assert pair["auc"]["value"] == pytest.approx(above - below, abs=1e-5)
        assert pair["auc"]["low"] <= pair["auc"]["value"] <= pair["auc"]["high"]


def test_the_record_names_command_and_machine_but_no_private_path(record: dict[str, Any], folder: Path) -> None:
    assert set(record) == {"command", "machine", "figures"}
    assert record["command"] == (
        f"python cli.py benchmark .../{folder.name} --out .../made --model .../bundle --model .../bundle --quick"
    )
    assert str(folder.parent) not in json.dumps(record)


def test_the_record_counts_its_images(record: dict[str, Any], images: Images) -> None:
    half = len(images.test) // 2
    assert record["figures"]["images"] == {
        "groups": "test",
        "test": {"real": half, "fake": half},
        "calibration": {name: len(images.calibration) // 2 for name in ("real", "fake")},
        "sources": sorted({sample.source for sample in images.test}),
        "left_out": dict(images.left_out),
    }


def test_the_command_holds_every_option() -> None:
    task = benchmark.Task(["a.zip"], ["full"], True, 100, True, "cuda", ["original"], ["swap"])
    assert task.command("runs/b") == (
        "python cli.py benchmark a.zip --out runs/b --model full --real original --fake swap --all --quick"
        " --limit 100 --device cuda"
    )
    for references, option in ((True, " --references"), (False, " --no-references")):
        command = benchmark.Task(["a.zip"], references=references).command("b")
        assert command == f"python cli.py benchmark a.zip --out b{option}"


def test_the_table_has_a_row_for_each_runtime(out: Path, record: dict[str, Any]) -> None:
    rows = json.loads(Path(f"{out}.json").read_text())
    assert rows == list(benchmark.table(record))
    assert [row["detector"] for row in rows] == ["fast", "full", "CNN of full", "CNN of full"]
    assert all(set(row) == set(benchmark.SHOWN) for row in rows)
    assert rows[0]["auc"] == record["figures"]["quality"]["fast"]["auc"]["value"]


def text_of(element: minidom.Element) -> str:
    return "".join(node.data for node in element.childNodes if isinstance(node, minidom.Text))


def test_the_page_is_whole_and_asks_for_nothing(out: Path, record: dict[str, Any]) -> None:
    text = (out / benchmark.PAGE).read_text()
    document = minidom.parseString(text.replace("<!doctype html>", ""))
    assert not re.search(r"https?:|src=|href=|url\(|@import|<script", text)
    assert "prefers-color-scheme: dark" in text
    titles = [text_of(title) for title in document.getElementsByTagName("title")]
    assert titles[1:] == ["ROC", "Precision and recall", "Calibration", "Quality against speed"]
    assert len(document.getElementsByTagName("table")) == (4 if cores() > 1 else 3)
    auc = record["figures"]["quality"]["full"]["auc"]
    assert f"{auc['value']:.3f} <small>({auc['low']:.3f} to {auc['high']:.3f})</small>" in text
    assert "with --quick, few images" in text
    assert "with --all a detector may meet" not in text


def test_a_chart_tells_series_apart_without_colour() -> None:
    axes = Axis("x", 1, 100, (1, 10, 100), log=True), Axis("y", 0, 1, (0, 1))
    series = [Series(f"<{i}> & more", [(1, 0.1 * i), (10, 0.5), (100, 0.9)]) for i in range(4)]
    document = minidom.parseString(chart("Title", "Words", *axes, series, diagonal=True))
    groups = document.getElementsByTagName("g")
    paths = [g.getElementsByTagName("path") for g in groups]
    pens = [found[0].getAttribute("stroke-dasharray") for found in paths]
    marks = [found[-1].getAttribute("d").partition("m")[2] for found in paths]
    assert len(set(pens)) == len(set(marks)) == 4
    assert [text_of(g.getElementsByTagName("text")[0]) for g in groups] == [one.name for one in series]


def test_points_fall_where_their_values_say() -> None:
    line, logarithm = Axis("", 0.5, 1, ()), Axis("", 10, 1000, (), log=True)
    assert [line.share(value) for value in (0.25, 0.5, 0.75, 1, 2)] == [0, 0, 0.5, 1, 1]
    assert [logarithm.share(value) for value in (1, 10, 100, 1000)] == pytest.approx([0, 0, 0.5, 1])
    drawn = chart("", "", Axis("", 0, 1, ()), Axis("", 0, 1, ()), [Series("", [(0, 0), (0.5, 0.5), (1, 1)])])
    assert 'd="M64.0 292.0L254.0 152.0L444.0 12.0"' in drawn


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(3, 40, [2, 5, 10, 20, 50]), (10, 100, [10, 20, 50, 100]), (0.3, 0.4, [0.2, 0.5]), (1, 1, [1, 2])],
)
def test_steps_of_a_logarithmic_axis_enclose_the_values(low: float, high: float, expected: list[float]) -> None:
    assert decades(low, high) == pytest.approx(expected)
