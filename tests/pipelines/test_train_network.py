"""Training the network from data to a folder: interrupted or not, resumed, finished, refused."""

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import cli
from features import device
from features.device import Device
from features.errors import DatasetError, DeviceError, OutputError, UnknownNameError
from features.network_onnx import to_onnx
from models.bundle import resolve
from models.checkpoint import CHECKPOINT, NETWORK, read_network
from models.cnn import Plan, Settings
from models.weights import RECORD
from pipelines import network_run
from pipelines.dataset import Sample, read_dataset
from pipelines.network_quality import HeadQuality, Quality
from pipelines.network_run import LOG
from pipelines.train_network import train_network
from tests.forgeries import forgeries
from tests.images import corpus

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = Settings(batch=4, rate=1e-4, evaluations=2, head_share=0.4)
STEPS = 5
MOST = {"train": 3, "validation": 3}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus(tmp_path_factory.mktemp("corpus"), 60, size=64)


@pytest.fixture(scope="module")
def samples(faces: Path) -> list[Sample]:
    return read_dataset([str(faces)])


@pytest.fixture(autouse=True)
def _few_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_run, "_MOST", MOST)


def train(samples: list[Sample], out: Path, **options: Any) -> dict[str, Any]:
    return train_network(samples, out, **{"settings": SETTINGS, "steps": STEPS, "threads": 1, **options})


@pytest.fixture(scope="module")
def finished(samples: list[Sample], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was trained without interruption."""
    out = tmp_path_factory.mktemp("network")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_run, "_MOST", MOST)
        train(samples, out)
    return out


def test_the_folder_holds_network_record_and_log(finished: Path, samples: list[Sample]) -> None:
    assert sorted(file.name for file in finished.iterdir()) == [LOG, RECORD, NETWORK]
    record = json.loads((finished / RECORD).read_text())
    assert record["architecture"] == "lite0"
    training = record["training"]
    assert training["steps"] == {"steps": 5, "head_steps": 2}
    assert training["stopped_after"] == 5
    assert training["held_back"]["percent"] == 20
    assert training["rows"]["train"]["real"] + training["rows"]["train"]["fake"] + training["held_back"]["rows"] == len(
        [sample for sample in samples if sample.split == "train"]
    )
    assert record["validation"].keys() == {"rows", "auc", "tpr_at_fpr_1"}
    assert 0 <= record["validation"]["auc"] <= 1
    assert not {"heads", "located"} & record.keys()  # as it was before there were several
    assert not {"map_weight", "kinds", "without"} & {*training, *training["settings"]}
    lines = [json.loads(line) for line in (finished / LOG).read_text().splitlines()]
    assert lines == record["history"]
    assert [line["step"] for line in lines] == [3, 5]
    assert {"loss", "rate", "train_auc", "validation_auc"} <= set(lines[0])
    best = max(lines, key=lambda line: line["validation_auc"])
    assert training["best_step"] == best["step"]


KILLED = """
import json, os, signal, sys
from pipelines import network_run
from pipelines.dataset import read_dataset
from tests.pipelines.test_train_network import MOST, train
faces, out, last = sys.argv[1:]
network_run._MOST = MOST
network_run._SAVED_EVERY = 0.0
def progress(done, total):
    if done == 4 * int(last):
        os.kill(os.getpid(), signal.SIGKILL)
train(read_dataset([faces]), out, progress=progress)
"""


def test_killed_again_and_again_it_comes_to_the_same_bytes(
    faces: Path, samples: list[Sample], finished: Path, tmp_path: Path
) -> None:
    out = tmp_path / "network"
    for last, done in ((2, 1), (5, 4)):  # killed after a step and before it is saved
        command = [sys.executable, "-c", KILLED, str(faces), str(out), str(last)]
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
        assert not (out / NETWORK).exists()
        said: list[str] = []
        shutil.copytree(out, tmp_path / f"at{last}")
        train(samples, tmp_path / f"at{last}", say=said.append)
        assert said[-1] == f"5 steps, going on after {done}"
    for folder in ("at2", "at5"):
        for name in (NETWORK, RECORD, LOG):
            assert (tmp_path / folder / name).read_bytes() == (finished / name).read_bytes()
        assert not (tmp_path / folder / CHECKPOINT).exists()


def test_a_finished_training_is_not_repeated(finished: Path, samples: list[Sample], tmp_path: Path) -> None:
    out = shutil.copytree(finished, tmp_path / "network")
    said: list[str] = []
    assert train(samples, out, say=said.append) == json.loads((out / RECORD).read_text())
    assert "is finished" in said[-1]
    with pytest.raises(OutputError, match=r"network.json: of a training with other data, settings, seed"):
        train(samples, out, seed=1)


def test_a_checkpoint_of_another_training_is_left_alone(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_run, "_SAVED_EVERY", 0.0)

    def stop(done: int, total: int) -> None:
        if done == 2 * SETTINGS.batch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(samples, tmp_path, progress=stop)
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(OutputError, match="choose another folder"):
        train(samples, tmp_path, settings=replace(SETTINGS, rate=1e-3))
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert train(samples, tmp_path, steps=99)["training"]["stopped_after"] == 5  # the steps are the checkpoint's


def test_init_goes_on_from_a_network(finished: Path, samples: list[Sample], tmp_path: Path) -> None:
    said: list[str] = []
    record = train(samples, tmp_path / "on", init=str(finished), steps=1, say=said.append)
    assert record["training"]["steps"] == {"steps": 1, "head_steps": 0}  # the head is trained
    assert record["training"]["begun_with"] == json.loads((finished / RECORD).read_text())["files"][NETWORK]
    before, after = read_network(finished), read_network(tmp_path / "on")
    weights = zip(before.state_dict().values(), after.state_dict().values(), strict=True)
    moved = [float((old - new).abs().max()) for old, new in weights]
    assert 0 < max(moved) < 0.1
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "network.onnx").write_bytes(to_onnx(before))
    train(samples, tmp_path / "onnx", init=str(bundle), steps=1)
    same = read_network(tmp_path / "onnx").state_dict()
    assert all(torch.equal(same[name], weight) for name, weight in after.state_dict().items())


def test_init_that_is_not_there(samples: list[Sample], tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'fast'"):
        train(samples, tmp_path, init="fastt")


def test_it_stops_where_validation_gains_nothing(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aucs = iter([0.5, 0.7, 0.5, 0.6, 0.5, 0.7])  # training and validation in turn

    def quality(self: object, network: object, part: str, most: int | None = None) -> Quality:
        return Quality(2, {"found": HeadQuality(2, next(aucs, 1.0), 0.0)}, {}, None)

    monkeypatch.setattr(network_run.Task, "quality", quality)
    settings = replace(SETTINGS, evaluations=5, patience=2, head_share=1.0)
    record = train(samples, tmp_path, settings=settings)
    assert [entry["validation_auc"] for entry in record["history"]] == [0.7, 0.6, 0.7]
    assert (record["training"]["stopped_after"], record["training"]["best_step"]) == (3, 1)


def test_the_time_decides_the_number_of_steps(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[float] = []

    def fit_plan(network: Any, settings: Any, device: Any, batch: Any, *, seconds: float, evaluated: int) -> Any:
        left.append(seconds)
        assert batch[0].shape == (4, 224, 224, 3)
        assert evaluated == 12
        return Plan(2, 1)

    monkeypatch.setattr(network_run, "fit_plan", fit_plan)
    assert train(samples, tmp_path, steps=None, minutes=5)["training"]["stopped_after"] == 2
    assert 200 < left[0] < 300


@pytest.mark.parametrize("data", ["samples", "both"])
def test_cuda_runs_the_same_code(
    data: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "cuda_available", lambda: True)
    monkeypatch.setitem(device.DEVICES, "cuda", Device("cpu", half=True))
    record = train(request.getfixturevalue(data), tmp_path, device="cuda", steps=1)
    assert record["training"]["stopped_after"] == 1


def test_cuda_without_a_gpu(samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "cuda_available", lambda: False)
    with pytest.raises(DeviceError, match="no GPU"):
        train(samples, tmp_path / "network", device="cuda")
    assert not (tmp_path / "network").exists()


def test_a_class_is_missing(samples: list[Sample], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="needs both"):
        train([sample for sample in samples if sample.label], tmp_path)


def test_the_command(
    faces: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(network_run, "fit_plan", lambda *given, **named: Plan(1, 1))
    out = tmp_path / "network"
    arguments = ["train-network", str(faces), "--out", str(out), "--minutes", "1", "--jobs", "1", "--format", "json"]
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    captured = capsys.readouterr()
    assert not ended.value.code
    assert captured.err.splitlines() == ["device: the CPU, no GPU was found", "1 steps"]
    record = json.loads(captured.out)
    assert record.pop("network") == str(out)
    assert record == json.loads((out / RECORD).read_text())


def test_without_torch_the_command_says_what_to_install(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(device, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        cli.main(["train-network", str(faces), "--out", str(tmp_path / "network")])
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "error: torch is not installed; install it with: pip install 'fauxface[neural]'\n"
    )


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return forgeries(tmp_path_factory.mktemp("forgeries"), 60)


@pytest.fixture(scope="module")
def both(faces: Path, forged: Path) -> list[Sample]:
    return read_dataset([str(faces), str(forged)])


@pytest.fixture(scope="module")
def two_heads(both: list[Sample], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was trained on both kinds of evidence, from the network that ships."""
    out = tmp_path_factory.mktemp("two heads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_run, "_MOST", MOST)
        train(both, out, init="full")
    return out


def moved(before: torch.Tensor, after: torch.Tensor) -> float:
    return float((after - before).detach().abs().max())


def test_each_kind_of_evidence_has_its_head(two_heads: Path) -> None:
    record = json.loads((two_heads / RECORD).read_text())
    assert (record["heads"], record["located"]) == (["found", "forged"], True)
    assert record["training"]["kinds"]["train"].keys() == {"found", "forged.blend", "forged.swap"}
    assert record["training"]["steps"] == {"steps": 5, "head_steps": 0}  # the head of found fakes is trained
    assert record["training"]["settings"]["map_weight"] == 0.5
    told = record["validation"]
    assert told["auc"] == sum(head["auc"] for head in told["heads"].values()) / 2
    assert told["families"].keys() == {"found", "forged.blend", "forged.swap"}
    assert told["map"]["rows"] > 0
    lines = [json.loads(line) for line in (two_heads / LOG).read_text().splitlines()]
    assert lines == record["history"]
    assert lines[0]["validation"]["auc"] == lines[0]["validation_auc"]
    assert lines[0]["train"]["heads"].keys() == {"found", "forged"}
    network = read_network(two_heads)
    assert network.form == {"architecture": "lite0", "heads": ["found", "forged"], "located": True}
    shipped = read_network(resolve("full"))
    assert 0 < moved(shipped.classifier.weight[0], network.classifier.weight[0]) < 0.01
    assert network.classifier.weight[1].any()
    assert network.locator is not None
    assert network.locator.weight.any()


def test_heads_and_map_are_resumed_to_the_same_bytes(
    both: list[Sample], two_heads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_run, "_SAVED_EVERY", 0.0)
    for last in (2, 4):

        def stop(done: int, total: int, last: int = last) -> None:
            if done == 4 * last:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(both, tmp_path, init="full", progress=stop)
    said: list[str] = []
    train(both, tmp_path, init="full", say=said.append)
    assert said[-1] == "5 steps, going on after 3"
    for name in (NETWORK, RECORD, LOG):
        assert (tmp_path / name).read_bytes() == (two_heads / name).read_bytes()


def test_a_network_goes_on_with_the_heads_of_its_data(two_heads: Path, both: list[Sample], tmp_path: Path) -> None:
    record = train(both, tmp_path, init=str(two_heads), steps=1, without=["found", "forged.swap"])
    assert (record["heads"], record["located"]) == (["forged"], True)
    assert record["training"]["without"] == ["found", "forged.swap"]
    assert record["training"]["kinds"]["train"].keys() == {"forged.blend"}
    assert record["training"]["steps"]["head_steps"] == 0
    before, after = read_network(two_heads), read_network(tmp_path)
    assert 0 < moved(before.classifier.weight[1], after.classifier.weight[0]) < 0.01


def test_a_kind_that_is_not_there_is_a_slip(both: list[Sample], tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'forged\.swap'"):
        train(both, tmp_path / "out", without=["forged.swop"])
    assert not (tmp_path / "out").exists()


def test_the_command_leaves_kinds_out(
    forged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(network_run, "fit_plan", lambda *given, **named: Plan(1, 1))
    arguments = ["train-network", str(forged), "--out", str(tmp_path), "--jobs", "1", "--format", "json"]
    with pytest.raises(SystemExit) as ended:
        cli.main([*arguments, "--without", "forged.blend"])
    assert not ended.value.code
    record = json.loads(capsys.readouterr().out)
    assert (record["heads"], record["training"]["without"]) == (["forged"], ["forged.blend"])
