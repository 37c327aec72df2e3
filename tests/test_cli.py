"""The command line: statuses, formats, streams, and what it says when something is wrong."""

import csv
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import cli
from models.calibration import OperatingPoints
from tests.images import corpus, jpeg, photo, png
from tests.portraits import beside, portrait

ROOT = Path(__file__).resolve().parents[1]

Ended = tuple[int, str, str]


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> Ended:
    """Run the command line in this process: exit status, standard output, standard error."""
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def start(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(ROOT / "cli.py"), *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **options)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for seed in range(4):
        (folder / f"{seed}.jpg").write_bytes(jpeg(photo(seed, 224)))
    return folder


def test_rows_are_ndjson_where_no_terminal_reads(
    capsys: pytest.CaptureFixture[str], images: Path, small_detector: Path
) -> None:
    status, out, err = run(capsys, "score", images, "--model", small_detector, "--ordered")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [row["path"] for row in rows] == [str(path) for path in sorted(images.iterdir())]
    assert list(rows[0]) == [
        "schema", "path", "sha256", "probability", "verdict", "reason", "face", "model", "error"
    ]  # fmt: skip
    assert sum(int(part.split()[0]) for part in err.split(",")) == 4


def test_every_format_holds_every_row(
    capsys: pytest.CaptureFixture[str], images: Path, small_detector: Path, tmp_path: Path
) -> None:
    (images / "bad.jpg").write_bytes(b"text")
    common = ["score", images, "--model", small_detector, "--faces", "off", "--ordered", "--quiet"]
    _, out, err = run(capsys, *common, "--format", "json")
    rows = json.loads(out)
    assert err == ""
    read = list(csv.DictReader(io.StringIO(run(capsys, *common, "--format", "csv")[1])))
    assert [row["path"] for row in read] == [row["path"] for row in rows]
    assert read[-1]["error.type"] == "not_an_image"
    assert float(read[0]["probability"]) == rows[0]["probability"]
    table = run(capsys, *common, "--format", "table")[1].splitlines()
    assert [line.split()[2] for line in table[1:]] == [row["path"] for row in rows]
    assert run(capsys, *common, "-o", tmp_path / "rows.json")[1] == ""
    assert json.loads((tmp_path / "rows.json").read_text()) == rows


@pytest.mark.parametrize(
    ("good", "bad", "options", "expected"),
    [(1, 0, [], 0), (0, 1, [], 1), (0, 0, [], 1), (2, 1, [], 3), (0, 1, ["--fail-on", "fake"], 1)],
)
def test_the_status_says_how_it_went(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, small_detector: Path, good: int, bad: int, options: list[str],
    expected: int
) -> None:  # fmt: skip
    (tmp_path / "list").write_text("")
    inputs = [f"@{tmp_path / 'list'}", *(f"{tmp_path}/missing-{index}.jpg" for index in range(bad))]
    for index in range(good):
        (tmp_path / f"{index}.jpg").write_bytes(jpeg(photo(index)))
        inputs.append(str(tmp_path / f"{index}.jpg"))
    assert run(capsys, "score", *inputs, "--model", small_detector, *options)[0] == expected


def test_a_fake_that_was_found_is_status_4(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, images: Path, small_detector: Path
) -> None:
    (images / "bad.jpg").write_bytes(b"")
    arguments = ["score", images, "--model", small_detector, "--faces", "off"]
    for verdict, expected in (("fake", 4), ("uncertain", 3), ("real", 3)):
        monkeypatch.setattr("models.bundle.Bundle.decide", lambda self, probability, said=verdict: said)
        assert run(capsys, *arguments, "--fail-on", "fake")[0] == expected
        assert run(capsys, *arguments)[0] == 3


def test_every_face_is_a_row_and_an_image_without_one_no_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, images: Path, small_detector: Path
) -> None:
    (images / "faces.png").write_bytes(png(beside(portrait(0.75), portrait(2.25))))
    status, out, err = run(capsys, "score", images, "--model", small_detector, "--ordered", "--jobs", "1")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [row["verdict"] for row in rows[:4]] == ["no_face"] * 4
    assert all(row["probability"] is row["error"] is row["face"] is None for row in rows[:4])
    assert [Path(row["path"]).name for row in rows[4:]] == ["faces.png"] * 2
    assert rows[4]["face"][2] > rows[5]["face"][2]
    assert "4 no_face" in err
    monkeypatch.setattr("models.bundle.Bundle.decide", lambda self, probability: "fake")
    status, _, err = run(capsys, "score", images, "--model", small_detector, "--fail-on", "fake")
    assert (status, err) == (4, "1 fake, 4 no_face, 1 uncertain\n")


def test_one_failed_input_of_one_is_nothing_and_beside_a_picture_without_faces_some(
    capsys: pytest.CaptureFixture[str], images: Path, small_detector: Path
) -> None:
    arguments = ["score", images / "missing.jpg", "--model", small_detector]
    assert run(capsys, *arguments)[0] == 1
    assert run(capsys, *arguments, images / "0.jpg")[0] == 3


def test_a_table_tells_faces_apart(capsys: pytest.CaptureFixture[str], tmp_path: Path, small_detector: Path) -> None:
    path = tmp_path / "faces.png"
    path.write_bytes(png(beside(portrait(), portrait(1.5))))
    _, out, _ = run(capsys, "score", path, "--model", small_detector, "--format", "table")
    lines = [line.partition(str(path))[2].strip() for line in out.splitlines()[1:]]
    assert len(set(lines)) == 2
    assert all(len(json.loads(line)) == 4 for line in lines)


def test_operating_points_move_on_request(
    capsys: pytest.CaptureFixture[str], images: Path, small_detector: Path
) -> None:
    common = ["score", images, "--model", small_detector, "--faces", "off", "--ordered", "--format", "json"]
    usual = run(capsys, *common)
    assert run(capsys, *common, "--max-fpr", "0.01", "--max-miss", "0.05")[:2] == usual[:2]
    status, out, err = run(capsys, *common, "--max-fpr", "0.45", "--max-miss", "0.45")
    kept = json.loads((small_detector / "manifest.json").read_text())["calibration_scores"]
    points = OperatingPoints.of_scores(kept, max_fpr=0.45, max_miss=0.45)
    assert status == usual[0]
    for before, row in zip(json.loads(usual[1]), json.loads(out), strict=True):
        assert row["probability"] == before["probability"]
        assert row["verdict"] == (None if row["error"] else points.decide(row["probability"]))
    assert "too few" not in err
    told = run(capsys, *common, "--max-fpr", "0.0001")[2]
    assert told.count("real calibration images are too few for a share of 0.0001 false positives") == 1
    assert "too few" not in run(capsys, *common, "--max-fpr", "0.0001", "--quiet")[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["scroe"], "No such command 'scroe'. Did you mean 'score'?"),
        (["score", "x", "--modle", "y"], "No such option: --modle. Did you mean '--model'"),
        (["--verison"], "Did you mean '--version'?"),
        (["score", "x", "--model", "fsat"], "no model 'fsat'"),
        (["score", "x", "--faces", "on"], "'on' is not one of 'auto', 'off'"),
        (["extract", "x", "--out", "y", "--faces", "on"], "'on' is not one of 'auto', 'off'"),
        (["score", "x", "--format", "xml"], "'xml' is not one of 'table', 'json', 'ndjson', 'csv'"),
        (["score", "x", "--jobs", "0"], "0 is not in the range x>=1"),
        (["score", "x", "--jobs", "many"], "'many' is not a valid int"),
        (["score", "x", "--prior", "1.5"], "expected a number between 0 and 1, both excluded, not 1.5"),
        (["score", "x", "--max-fpr", "0"], "expected a number between 0 and 1, both excluded, not 0"),
        (["score", "x", "--max-miss", "5"], "expected a number between 0 and 1, both excluded, not 5"),
        (["score"], "Missing argument"),
        (["bundle"], "Missing command"),
    ],
)
def test_wrong_usage_is_status_2_and_says_what_was_meant(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert said in err


def test_a_wrong_profile_is_wrong_usage(capsys: pytest.CaptureFixture[str], images: Path, tmp_path: Path) -> None:
    faces = corpus(tmp_path / "set", 1, size=64)
    status, _, err = run(capsys, "extract", faces, "--out", tmp_path / "cache", "--profile", "fats")
    assert (status, "did you mean 'fast'?" in err) == (2, True)


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys)
    assert (status, out.startswith("Usage: ")) == (0, True)


def test_an_error_is_a_line_and_a_traceback_only_on_demand(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["train", tmp_path / "missing", "--out", tmp_path / "bundle"]
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert "Traceback" in run(capsys, *arguments, "--debug")[2]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError("libgomp.so.1: cannot open shared object file"), "apt-get install libgomp1"),
        (ZeroDivisionError("x"), "ZeroDivisionError: x (a defect; --debug shows where)"),
    ],
)
def test_what_nobody_foresaw_is_a_line_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("pipelines.doctor.doctor", fail)
    status, _, err = run(capsys, "doctor")
    assert (status, said in err, "Traceback" in err) == (1, True, False)


def test_from_images_to_verdicts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    faces, cache, bundle = corpus(tmp_path / "set", 60, size=64), tmp_path / "cache", tmp_path / "bundle"
    (faces / "real" / "bad.jpg").write_bytes(b"text")
    status, out, _ = run(capsys, "dataset", "describe", faces)
    assert (status, json.loads(out)["images"]) == (0, 121)
    arguments = ["extract", faces, "--out", cache, "--jobs", "1", "--errors", tmp_path / "errors.csv"]
    status, out, _ = run(capsys, *arguments)
    summary = json.loads(out)
    assert (status, summary["total"], summary["failed"]) == (3, 121, 1)
    (failed,) = csv.DictReader((tmp_path / "errors.csv").read_text().splitlines())
    assert failed["path"].endswith("bad.jpg")
    assert failed["error"].startswith("not_an_image: ")
    status, out, _ = run(capsys, "train", cache, "--out", bundle, "--name", "mine", "--jobs", "1")
    trained = json.loads(out)
    assert (status, trained["name"]) == (0, "mine")
    status, out, _ = run(capsys, "bundle", "inspect", bundle)
    assert (status, json.loads(out)["digest"]) == (0, trained["digest"])
    assert run(capsys, "bundle", "verify", bundle)[0] == 0
    (bundle / "booster.txt").write_text("x")
    status, out, _ = run(capsys, "bundle", "verify", bundle)
    assert (status, json.loads(out)["whole"]) == (1, False)
    assert len(json.loads(out)["problems"]) == 1


def test_extracting_faces_needs_a_store_of_faces(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    faces, cache = corpus(tmp_path / "set", 2, size=64), tmp_path / "cache"
    (faces / "real" / "0000.jpg").write_bytes(jpeg(portrait()))
    status, out, _ = run(capsys, "extract", faces, "--out", cache, "--faces", "auto", "--jobs", "1")
    assert (status, json.loads(out)["done"], json.loads(out)["failed"]) == (3, 1, 3)
    status, _, err = run(capsys, "extract", faces, "--out", cache)
    assert status == 1
    assert "(--faces auto), not whole images (--faces off); choose another folder" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("to_file", [True, False])
def test_a_full_disk_is_status_1(images: Path, small_detector: Path, to_file: bool) -> None:
    arguments = ["score", images, "--model", small_detector, "--quiet", *(["-o", "/dev/full"] if to_file else [])]
    with open("/dev/full", "wb") as full, start(*arguments, stdout=full) as process:
        assert process.stderr is not None
        err = process.stderr.read().decode()
    name = "/dev/full" if to_file else "standard output"
    assert (process.returncode, err) == (1, f"error: cannot write to {name}: no space left on device\n")


def test_a_reader_that_goes_away_ends_it_quietly(images: Path, small_detector: Path) -> None:
    with start("score", *[images] * 50, "--model", small_detector, "--jobs", "1", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupt_leaves_every_row_so_far(images: Path, small_detector: Path, tmp_path: Path, jobs: int) -> None:
    rows = tmp_path / "rows.ndjson"
    (tmp_path / "list").write_text(f"{images / '0.jpg'}\n" * 20_000)
    arguments = ["score", f"@{tmp_path / 'list'}", "--model", small_detector, "--jobs", jobs, "-o", rows]
    with start(*arguments) as process:
        assert process.stderr is not None
        wait_for(lambda: rows.exists() and rows.stat().st_size > 0)
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
    assert (process.returncode, err) == (130, b"")
    assert all(json.loads(line)["error"] is None for line in rows.read_text().splitlines())


def test_rows_come_while_paths_are_still_being_written(images: Path, small_detector: Path) -> None:
    arguments = ["score", "-", "--model", small_detector, "--jobs", "1", "--quiet"]
    with start(*arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for name in ("0.jpg", "1.jpg"):
            process.stdin.write(f"{images / name}\n".encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["path"] == str(images / name)
        process.stdin.close()
        assert process.wait() == 0


def wait_for(condition: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_an_image_comes_through_a_pipe(images: Path, small_detector: Path) -> None:
    command = [sys.executable, str(ROOT / "cli.py"), "score", "-", "--model", str(small_detector), "--quiet"]
    data = (images / "0.jpg").read_bytes()
    (row,) = subprocess.run(command, input=data, capture_output=True, check=True).stdout.splitlines()
    assert json.loads(row)["path"] == "-"


def test_names_that_are_not_text_survive(images: Path, small_detector: Path) -> None:
    name = f"{images}/caf\udce9\n.jpg"
    (images / "0.jpg").rename(name)
    command = [sys.executable, str(ROOT / "cli.py"), "score", name, "--model", str(small_detector), "--quiet"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert json.loads(done.stdout)["path"] == name
