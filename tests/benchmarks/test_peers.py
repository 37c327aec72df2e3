"""Peers side by side, made up here: what a worker says is what is told of it, and one that fails is told to have."""

import json
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks import peer_table, peers, readme_peers
from benchmarks.peer_table import PEERS, Environment, Peer, prepare
from benchmarks.peer_workers import own
from benchmarks.record import ROOT
from benchmarks.sources import FiguresError, Sources
from features.errors import WorkerError
from features.runtime import open_model
from models.bundle import NETWORK_ONNX
from pipelines.bench_speed import logit_only
from tests.images import corpus, photo

EFFORT = peers.Effort(images=4, judged=100, rounds=2, calibration=3)
KNOWS = (
    "from pathlib import Path\ndef truth(path): return int(Path(path).stem) % 2\n"  # they come real, fake, real, ...
)
WORKERS = {
    "right": KNOWS + "def make(): print('hello'); return str, truth\n",
    "wrong": KNOWS + "def make(): return str, lambda path: -truth(path)\n",
    "silent": "def make(): return str, lambda path: None\n",
    "slow": "import time\ndef make(): return str, lambda path: time.sleep(0.02)\n",
    "shut": "def make(): raise RuntimeError('no weights')\n",
    "gone": "import os\ndef make(): return str, lambda path: os._exit(3)\n",
    "refuses": "def make(): return str, lambda path: int('x')\n",
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What was measured of each of WORKERS, and of one whose package is nowhere."""
    folder = tmp_path_factory.mktemp("peers")
    faces = corpus(folder / "faces", 60, size=32)
    found = peers.measure([str(faces)], folder, EFFORT, [made(folder, name) for name in WORKERS])
    assert (found["images"], found["rounds"], found["calibration"]) == (4, 2, 3)
    return {row["name"]: row for row in found["peers"]}


def made(folder: Path, name: str, **options: Any) -> Peer:
    path = folder / f"{name}.py"
    path.write_text(WORKERS[name])
    return Peer(name, path, over="silent", **options)


def test_scores_are_those_that_the_workers_gave(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["right"]["auc"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert rows["wrong"]["auc"]["value"] == 0.0
    assert rows["right"]["judged"] == rows["wrong"]["judged"] > 4
    assert rows["silent"]["auc"] is None
    assert rows["silent"]["reason"] is None


def test_time_is_that_of_the_worker(rows: dict[str, dict[str, Any]]) -> None:
    slow, silent = rows["slow"], rows["silent"]
    assert slow["milliseconds"]["min"] >= 20 > silent["milliseconds"]["median"]
    assert slow["ratio"]["median"] > 2
    assert silent["ratio"]["median"] == 1


def test_a_peer_that_fails_says_why_and_the_others_go_on(rows: dict[str, dict[str, Any]]) -> None:
    reasons = {name: row["reason"] for name, row in rows.items() if row["reason"]}
    assert reasons == {
        "shut": "ended with status 1: RuntimeError: no weights",
        "gone": "ended with status 3: no message",
        "refuses": "fails on every image: ValueError: invalid literal for int() with base 10: 'x'",
    }
    assert all("milliseconds" not in rows[name] for name in reasons)


def test_medians_of_rounds_and_their_ratio() -> None:
    ours, theirs = (peers._Seat(Peer(name, Path("x"), over="ours", block="b")) for name in ("ours", "theirs"))
    ours.rounds = [answers(0.002, 0.001, 0.003), answers(0.002, 0.002, 0.002)]
    theirs.rounds = [[*answers(0.008, 0.008), {"error": "no"}], answers(0.012, 0.012, 0.012)]
    found = peers._times(theirs, [ours, theirs])
    assert found["milliseconds"] == pytest.approx({"median": 10, "min": 8, "max": 12})
    assert found["ratio"] == pytest.approx({"median": 5, "min": 4, "max": 6})
    assert found["measuring"] == pytest.approx({"median": 5, "min": 4, "max": 6})
    assert found["images"] == 3


def answers(*seconds: float) -> list[dict[str, Any]]:
    return [{"seconds": value, "measuring": value / 2, "score": None} for value in seconds]


def test_the_project_is_hidden_from_workers_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    look = (
        "from importlib.util import find_spec\ndef make(): return str, lambda path: find_spec('benchmarks') is not None"
    )
    for name, seen in (("other.py", 0.0), (peer_table.OWN, 1.0)):
        (tmp_path / name).write_text(look)
        peer = Peer(name, tmp_path / name, environment=Environment("numpy"))
        with peers.open_worker(sys.executable, peer, []) as worker:
            assert worker.opened == {"version": np.__version__}
            assert [answer["score"] for answer in worker.ask(["a", "b"])] == [seen, seen]


def test_an_environment_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    (tmp_path / "thing").mkdir()
    monkeypatch.setattr(peer_table, "_run", ran.append)
    python = prepare(Environment("thing", ("thing", "other<2")), tmp_path)
    assert [command[1:3] for command in ran] == [["-m", "venv"], ["-m", "pip"]]
    assert ran[1][-2:] == ["thing", "other<2"]
    assert prepare(Environment("thing", ("thing", "other<2")), tmp_path) == python
    assert len(ran) == 2
    prepare(Environment("thing", ("thing",)), tmp_path)
    assert len(ran) == 4
    assert prepare(Environment("numpy"), tmp_path) == sys.executable


def test_what_cannot_be_installed_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(WorkerError, match="cannot be installed"):
        prepare(Environment("thing", ("thing",)), tmp_path)
    monkeypatch.undo()
    with pytest.raises(WorkerError, match="cannot be installed: ERROR: none of that name"):
        peer_table._run([sys.executable, "-c", "import sys; sys.exit('ERROR: none of that name\\nHint: look')"])


def test_every_peer_has_its_worker_and_the_row_it_is_divided_by() -> None:
    names = [peer.name for peer in PEERS]
    assert len(set(names)) == len(names)
    assert all(peer.worker.is_file() and peer.over in names for peer in PEERS)
    assert {peer.environment.package for peer in PEERS} >= {
        "mahotas",
        "pyfeats",
        "sahu65",
        "phorensics",
        "scikit-image",
    }


def test_int8_is_smaller_and_says_nearly_the_same() -> None:
    network = logit_only((ROOT / "checkpoints" / "found" / NETWORK_ONNX).read_bytes())  # these pictures move its logit
    faces = [np.ascontiguousarray(photo(seed)[None, ..., ::-1]) for seed in range(4)]
    small = own.quantise(network, faces)
    said = [np.array([_logit(data, face) for face in faces]) for data in (network, small)]
    assert len(small) < 0.7 * len(network)
    assert 0 < np.abs(said[0] - said[1]).max() < 1
    assert np.corrcoef(said[0], said[1])[0, 1] > 0.95


def _logit(network: bytes, face: Any) -> float:
    return float(open_model(network, "network").run(["logit"], {"pixels": face})[0][0, 0])


def test_blocks_of_ours_leave_the_file_out_of_measuring(tmp_path: Path) -> None:
    face = corpus(tmp_path, 1) / "real" / "0000.jpg"
    read, measure = own.make("block", "texture.glcm")
    frame = read(str(face))
    assert {"pyramid", "planes", "chroma"} <= set(vars(frame))
    assert measure(frame) is None


def figures(rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    told = [row | {"note": f"note of {name}"} for name, row in rows.items()]
    told.append(told[0] | {"name": "thing b.lock", "block": "b.lock", "package": "thing", "version": "1.2"})
    told[-1] |= {"requirements": ["thing"], "ratio_measuring": told[0]["ratio"]}
    return {"images": 4, "judged": 12, "rounds": 2, "calibration": 3, "models": {}, "peers": told}


def test_table_and_picture_hold_every_row(rows: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    found = figures(rows)
    machine = {"processor": "AMD", "system": "Linux", "python": "3.11"}
    record = tmp_path / "peers.json"
    record.write_text(json.dumps({"command": "x", "machine": machine, "figures": found}))
    text = readme_peers.BLOCKS["peers"](Sources(results=tmp_path))
    assert re.search(r"\| right \| [\d.]+ \([^|]+\) \| [^|]+ \| 1\.000 \(1\.000 to 1\.000\) \| note of right \|", text)
    assert "| gone | not measured |  |  | ended with status 3: no message |" in text
    assert "| `b.lock` | thing 1.2 |" in text
    readme_peers.main(["--result", str(record), "-o", str(tmp_path / "docs" / "peers.svg")])
    drawn = ElementTree.parse(tmp_path / "docs" / "peers.svg").getroot()
    said = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {*rows, "thing 1.2 b.lock"} <= set(said)
    assert said.count("not measured") == 3
    assert "prefers-color-scheme: dark" in (tmp_path / "docs" / "peers.svg").read_text()


def test_bars_are_as_long_as_the_times(rows: dict[str, dict[str, Any]]) -> None:
    spread = {"median": 1.0, "min": 1.0, "max": 1.0}
    times = [rows["silent"] | {"milliseconds": spread | {"median": value}} for value in (1.0, 10.0, 100.0)]
    drawn = ElementTree.fromstring(readme_peers.draw({"peers": times}))
    bars = [float(one.get("width", 0)) for one in drawn.iter("{http://www.w3.org/2000/svg}rect") if one.get("x")]
    assert len(bars) == 3
    assert bars[2] - bars[1] == pytest.approx(bars[1] - bars[0], abs=0.2)
    assert bars[0] < bars[1] < bars[2]


def test_figures_of_another_detector_are_refused(rows: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    record = {"command": "x", "machine": {}, "figures": figures(rows) | {"models": {"fast": "another"}}}
    (tmp_path / "peers.json").write_text(json.dumps(record))
    with pytest.raises(FiguresError, match="another fast"):
        readme_peers.BLOCKS["peers"](Sources(results=tmp_path))
