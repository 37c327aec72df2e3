"""Every script runs on toy images and writes the figures that README.md is made of."""

import shutil
from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks import ablation, extract_all, kill_resume, speed, startup
from features.store import FeatureStore
from pipelines.dataset import read_dataset
from pipelines.extract import extract
from tests.benchmarks.conftest import Run
from tests.images import corpus
from tests.toy import QUICK


def test_speed(run: Run, images: Path, small_detector: Path) -> None:
    record = run(speed.main, "--data", images, "--model", small_detector, "--images", 24, "--rounds", 1)
    figures = record["figures"]
    assert (figures["images"], figures["images_of_twin"]) == (24, 3)
    assert figures["microseconds"]["twin"]["median"] > figures["microseconds"]["path"]["median"]
    assert figures["microseconds"]["path"]["median"] > figures["microseconds"]["imread"]["median"]
    assert figures["ratios"]["path_to_imread"]["at_most"] == 10
    assert figures["ratios"]["twin_to_path"]["at_least"] == 20
    assert figures["stages"]["decode"] > 0


def test_startup(run: Run, small_detector: Path) -> None:
    figures = run(startup.main, "--model", small_detector, "--runs", 1)["figures"]
    seconds, limits = figures["seconds"], figures["limits"]
    assert limits["help_over_python"]["median"] == pytest.approx(
        seconds["help"]["median"] - seconds["python"]["median"], rel=1e-3
    )
    assert limits["verdict"]["median"] > limits["help_over_python"]["median"] > 0


def test_kill_resume(run: Run, images: Path) -> None:
    figures = run(kill_resume.main, "--data", images, "--kills", 2)["figures"]
    assert (figures["images"], figures["kills"], len(figures["history"])) == (24, 2, 2)
    assert figures["same"]


def test_stores_that_differ_are_told_apart(images: Path, tmp_path: Path) -> None:
    samples = read_dataset([str(images)])
    one, other, third = (tmp_path / name for name in ("one", "other", "third"))
    extract(samples, str(one), workers=1)
    shutil.copytree(one, other)
    assert all(kill_resume.compare(one, other).values())
    store = FeatureStore(other)
    found = store.load()
    values = found.values.copy()
    values[0, 0] += 1
    keys = list(zip(found.sha256, found.variant, strict=True))
    features = store.feature_set
    for shard in store.shards():
        shard.path.unlink()
    store.write_shard(features, keys, values)
    assert kill_resume.compare(one, other) == {"rows": True, "values": False, "manifest": True, "once": True}
    store.write_shard(features, keys[:3], found.values[:3])
    assert not kill_resume.compare(one, other)["once"]
    extract(samples[1:], str(third), workers=1)
    assert kill_resume.compare(one, third) == {"rows": False, "values": False, "manifest": False, "once": True}


def test_extract_all(run: Run, images: Path, tmp_path: Path) -> None:
    figures = run(extract_all.main, "--data", images, "--out", tmp_path / "cache")["figures"]
    assert figures["summary"]["done"] == figures["rows"] == figures["second_run"]["cached"] == 24
    assert figures["second_run"]["done"] == 0
    assert 20 < figures["megabytes"]["parent"][0] < 2000
    assert figures["megabytes_of_a_worker"]["holds"]


def test_extract_all_begins_with_nothing(run: Run, images: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        run(extract_all.main, "--data", images, "--out", tmp_path)


def test_ablation(images: Path, tmp_path: Path) -> None:
    extract(read_dataset([str(corpus(tmp_path / "corpus", 60, size=64))]), str(tmp_path / "cache"), workers=1)
    told: list[str] = []
    figures = ablation.measure(
        tmp_path / "cache", [str(images)], rows=90, seeds=1, images=4, params=QUICK, say=told.append
    )
    blocks = FeatureStore(tmp_path / "cache").feature_set.blocks
    assert list(figures["blocks"]) == [spec.name for spec in blocks]
    assert sum(figures["rows"].values()) <= 90
    assert list(figures["families"]) == ["spectrum", "dct", "residual", "texture", "grid", "color"]
    assert sum(family["blocks"] for family in figures["families"].values()) == len(blocks)
    assert figures["families"]["color"] == {
        "blocks": 1,
        **{figure: figures["blocks"]["color.global"][figure] for figure in ("auc_alone", "auc_lost_without")},
    }
    assert len(told) == 2 + 2 * (len(blocks) + 6)
    assert figures["auc"]["mean"] > 0.8
    assert figures["noise"] >= 0
    for spec in blocks:
        block = figures["blocks"][spec.name]
        assert block["values"] == len(spec.names)
        assert block["marginal_microseconds"] >= block["own_microseconds"] > 0


def test_bench_prints_each_limit_and_fails_where_one_is_missed() -> None:
    judged = {"median": 12.0, "min": 11.0, "max": 13.0, "at_most": 10, "holds": False}
    kept = {"median": 25.0, "min": 24.0, "max": 26.0, "at_least": 20, "holds": True}
    (missed, line), (holds, other) = bench.lines({"ratios": {"path": judged, "twin": kept}}, "ratios", "x")
    assert (missed, holds) == (False, True)
    assert line.startswith("path")
    assert line.endswith("at most 10: MISSED")
    assert other.endswith("at least 20: holds")


def test_bench_runs_both(images: Path, small_detector: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = ["--model", str(small_detector)]
    with pytest.raises(SystemExit) as ended:
        bench.main(
            {
                "speed": ["--data", str(images), "--images", "10", "--rounds", "1", *model],
                "startup": ["--runs", "1", *model],
            }
        )
    shown = capsys.readouterr().out
    assert ended.value.code == ("MISSED" in shown)
    assert [line.split()[0] for line in shown.splitlines()] == [
        "path_to_imread",
        "command_line_to_imread",
        "twin_to_path",
        "help_over_python",
        "verdict",
    ]
