"""docs/scale.md says what the result files say, and what is not measured is named."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import cli
from benchmarks.figures import Page, rewrite
from benchmarks.sizing import BLOCKS, Price, size_of
from benchmarks.sources import FiguresError, Sources

ROOT = Path(__file__).parents[2]
PAGE = Page(ROOT / "docs" / "scale.md", BLOCKS, patient=True)
TEXT = "\n\n".join(["# title", *(f"<!-- figures:{name} -->\n<!-- /figures:{name} -->" for name in BLOCKS), "end\n"])


def judged(median: float, holds: bool = True, **limit: float) -> dict[str, Any]:
    return {"median": median, "min": median, "max": median, **limit, "holds": holds}


def quality() -> dict[str, Any]:
    trained = {
        way: {"auc": {"value": value}, "rows": {"train": {"real": 9000, "fake": 8000}}}
        for way, value in (("local", 0.8712), ("dask", 0.8701))
    }
    return {"workers": 2, "trained": trained, "apart": judged(0.0011, at_most=0.005)}


def made_up() -> dict[str, dict[str, Any]]:
    """Two workers take 36 s for 20,000 images: 3.6 ms of a core each, a core hour a million."""
    cost = {"rows": 1000, "columns": 10, "seconds": 0.5, "bytes": 2_000_000}
    return {
        "scale_extraction": {
            "feature_set": "f",
            "images": 20000,
            "workers": 2,
            "seconds": {"dask": judged(36)},
            "images_per_second": {"dask": judged(555.6)},
            "bytes_an_image": 5000,
            "bytes_a_row_compacted": 7000,
            "columns": 2000,
            "throughput_of_dask_to_independent": judged(0.95, at_least=0.9),
            "seconds_of_dask_to_local": judged(1.2, holds=False, at_most=1.1),
            "same": True,
        },
        "scale_kills": {"kills": 10, "same": True},
        "scale_scheduler": {
            "jobs": 100000,
            "seconds": 400,
            "milliseconds_a_job": 4,
            "megabytes": {name: {"before": 100, "after": 120, "peak": 150} for name in ("scheduler", "client")},
        },
        "scale_quality": quality(),
        "scale_client": {"bytes_an_image": 600},
        "scale_store": {
            "rows": 10**6,
            "columns": 301,
            "bytes": 432_100_000,
            "seconds_to_compact": 50,
            "shards": {"small": 1000, "large": 50},
            "small": {"open": judged(1.5)},
            "large": {"open": judged(0.004, at_most=1), "columns": cost, "rows": cost},
        },
        "scale_training": {
            "rows": 10**7,
            "columns": 301,
            "megabytes": judged(5000, at_most=6000),
            "estimates": {"megabytes_of_training": 6747, "megabytes_of_bins": 2408, "megabytes_of_all_values": 12040},
        },
    }


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "detector").mkdir()
    (tmp_path / "detector" / "manifest.json").write_text(json.dumps({"feature_set": {"digest": "f"}}))
    (tmp_path / "results").mkdir()
    machine = {"processor": "P", "system": "S", "python": "3"}
    for name, figures in made_up().items():
        record = {"command": "c", "machine": machine, "figures": figures}
        (tmp_path / "results" / f"{name}.json").write_text(json.dumps(record))
    return Sources(tmp_path / "results", tmp_path / "detector")


def test_sizes_follow_from_what_was_measured(sources: Sources) -> None:
    size = size_of(10**9, sources, Price(core_hour=0.1, gigabyte_month=0.02))
    assert size["core_hours"] == pytest.approx(1000)
    assert size["dollars"] == pytest.approx(100)
    assert (size["images"], size["features"]) == (5e12, 7e12)
    assert size["dollars_a_month"] == pytest.approx(240)
    assert size["jobs"] == 10**6
    assert (size["client"], size["bins"]) == (6e11, 2e12)
    assert size["feedable"] == pytest.approx(3.6 / 0.004)


def test_figures_stand_where_they_belong(sources: Sources) -> None:
    text = rewrite(TEXT, PAGE, sources)
    assert rewrite(text, PAGE, sources) == text
    assert "Not measured" not in text
    assert "| core hours to extract | 1 | 100 | 10,000 |" in text
    assert "| features, compacted | 7 GB | 700 GB | 70 TB |" in text
    assert "| scheduler memory | 150 MB | 150 MB | not measured |" in text
    flat = " ".join(text.split())
    assert "0.95 (0.95 to 0.95) of the throughput of two independent runs side by side (at least 0.9: holds)" in flat
    assert "1.20 (1.20 to 1.20) times the seconds of the local engine (at most 1.1: missed)" in flat
    assert "they keep 900 cores busy" in flat
    assert "opens in 4.0 ms once it is compacted (at most 1 s: holds), in 1.50 s before" in flat
    assert "17,000 images of deepfake-faces, a booster of this machine alone reaches an AUC of 0.8712" in flat
    assert "one of 2 workers 0.8701 (at most 0.005 apart: holds)" in flat
    assert "10 runs, each with `kill -9`" in flat
    assert "took 5 GB at its peak (at most 6 GB: holds); `train` had estimated 6.7 GB. The bins alone" in flat


def test_what_is_missing_or_of_other_features_is_said(sources: Sources) -> None:
    (sources.results / "scale_kills.json").unlink()
    (sources.detector / "manifest.json").write_text(json.dumps({"feature_set": {"digest": "another"}}))
    text = rewrite(TEXT, PAGE, sources)
    assert re.search(r"figures:kills -->\n\nNot measured:\s\S*scale_kills\.json\sis\smissing\.\n", text)
    assert text.count("Not measured: scale_extraction.json is of other features") == 2
    with pytest.raises(FiguresError, match="other features"):
        size_of(10, sources)


def test_commands_of_the_page_exist(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "scale.md").read_text()
    for name in ("extract", "compact"):
        assert re.search(rf"^fauxface {name} ", text, re.MULTILINE)
        with pytest.raises(SystemExit) as ended:
            cli.main([name, "--help"])
        assert ended.value.code == 0
    assert "[default: 20000" in capsys.readouterr().out
