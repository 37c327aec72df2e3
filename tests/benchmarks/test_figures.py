"""The README says what the result files say, and what is missing or out of date is named."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.figures import Page, main, rewrite
from benchmarks.readme import BLOCKS
from benchmarks.sources import FiguresError, Sources
from models.bundle import load
from tests.benchmarks.made_up import detector_results

SHOWN = ("auc", "average_precision", "accuracy", "balanced_accuracy", "eer", "tpr_at_fpr_1", "coverage")
PAGE = Page(Path("README.md"), BLOCKS)
README = "\n\n".join(["# title", *(f"<!-- figures:{name} -->\n\n<!-- /figures:{name} -->" for name in BLOCKS), "end\n"])


def judged(median: float, **limit: float) -> dict[str, Any]:
    return {"median": median, "min": median - 0.5, "max": median + 0.5, **limit, "holds": True}


def results(digest: str, manifest_digest: str) -> dict[str, dict[str, Any]]:
    """Figures of every script, by its name."""
    policies = {"shipped": {"auc": 0.861, "reals_from_the_point_for_fake": 0.006}, "linear": {"auc": 0.852}}
    return {
        "speed": speed(digest),
        "startup": {"limits": {"help_over_python": judged(0.05, at_most=0.3), "verdict": judged(0.25, at_most=1)}},
        "ablation": ablation(digest),
        "kill_resume": {"images": 6000, "kills": 20, "kills_with_rows_missing": 15, "same": True},
        "extract_all": {
            "summary": {"total": 42150},
            "seconds": 120.0,
            "rows": 75000,
            "rows_per_second": 625.0,
            "megabytes": {"worker": [181.0, 190.0]},
            "megabytes_of_a_worker": judged(190.0, at_most=500),
            "second_run": {"seconds": 3.21},
        },
        "framing": {
            "models": [judged_framing(manifest_digest), judged_framing("before")],
            "images": {"real": 400, "fake": 398},
        },
        "faces": {
            "recall": {"FFHQ": {"40": {"recall": 0.875}, "60": {"recall": 1.0}}},
            "milliseconds": {
                "224": judged(3.0, at_most=4),
                "1080": judged(14.0, at_most=15),
                "512": {"median": 5.0, "min": 4.0, "max": 6.0},
            },
            "false_finds": {"photographs": 95, "with_a_find": 2, "patches": 100, "patches_with_a_find": 0},
        },
        "resize_policy": {
            "model": {"digest": manifest_digest},
            "images": {"real": 500, "fake": 499},
            "as_it_is": {"auc": 0.877},
            "arrivals": {"112": policies, "640x480": policies},
        },
        **detector_results(manifest_digest),
    }


def judged_framing(digest: str) -> dict[str, Any]:
    return {
        "model": {"digest": digest},
        "off": {"auc": 0.891},
        "auto": {"auc": 0.889, "whole": 0.985, "no_face": 0.012},
        **{name: {"auc": 0.868, "no_face": 0.021} for name in ("photograph", "out_of_focus")},
    }


def speed(digest: str) -> dict[str, Any]:
    return {
        "model": {"feature_set": digest},
        "images": 2000,
        "values": 2198,
        "microseconds": {step: judged(1394.0) for step in ("imread", "path", "twin", "command_line")},
        "ratios": {
            "path_to_imread": judged(9.0, at_most=10),
            "command_line_to_imread": judged(9.0, at_most=10),
            "twin_to_path": judged(26.0, at_least=20),
        },
    }


def ablation(digest: str) -> dict[str, Any]:
    block = {"values": 252, "marginal_microseconds": 104.4, "auc_alone": 0.7, "auc_lost_without": -0.00123}
    return {
        "feature_set": digest,
        "rows": {"fit": 8400, "stop": 1200, "judge": 2400},
        "seeds": 3,
        "auc": {"mean": 0.8123},
        "noise": 0.0021,
        "blocks": {"dct.moments": block},
    }


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """Result files and a detector that agree with each other."""
    tested = {name: {"value": 0.8741, "low": 0.8611, "high": 0.8899} for name in SHOWN}
    manifest = {
        "feature_set": {"digest": "f" * 64},
        "metrics": {"test_balanced": tested | {"real": 1210, "fake": 1211, "groups": 990}},
    }
    found = Sources(tmp_path / "results", tmp_path / "fast")
    found.results.mkdir()
    found.detector.mkdir()
    text = json.dumps(manifest)
    (found.detector / "manifest.json").write_text(text)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "manifest.json").write_text(text)
    machine = {"processor": "Some CPU", "system": "Linux x86_64", "python": "3.11.7"}
    for name, figures in results("f" * 64, hashlib.sha256(text.encode()).hexdigest()).items():
        record = {"command": f"python {name}", "machine": machine, "figures": figures}
        (found.results / name).parent.mkdir(exist_ok=True)
        (found.results / f"{name}.json").write_text(json.dumps(record))
    return found


def spoil(sources: Sources, name: str, key: str, value: object) -> None:
    path = sources.results / f"{name}.json"
    record = json.loads(path.read_text())
    record["figures"][key] = value
    path.write_text(json.dumps(record))


def test_every_figure_stands_in_its_place(sources: Sources) -> None:
    text = rewrite(README, PAGE, sources)
    assert text.startswith("# title\n\n<!-- figures:")
    assert text.endswith("\n\nend\n")
    block = dict(re.findall(r"<!-- figures:(\w+) -->\n\n(.+?)\n\n<!-- /figures:\1 -->", text, re.DOTALL))
    assert list(block) == list(BLOCKS)
    assert "1,210 real and 1,211 fake" in block["headline"]
    assert "AUC of **0.874**" in " ".join(block["headline"].split())
    assert "`full` **0.970** (0.960 to 0.980)" in " ".join(block["headline"].split())
    strangers = "photographs of FFHQ `full` calls 10% fake, of 100 faces that StyleGAN made whole 40% real."
    assert strangers in " ".join(block["headline"].split())
    assert "1.2 ms with `full`" in " ".join(block["headline"].split())
    assert "0.861 to 0.890" in block["quality"]
    assert "accuracy 0.9022" in block["quality"]
    assert "AUC 0.64" in block["quality"]
    assert "| 640x480 | 0.861 | 0.852 | 0.6% |" in block["resize"]
    assert "| 9.0 (8.5 to 9.5) x imread | at most 10 |" in block["speed"]
    assert "| 26.0 (25.5 to 26.5) x the path above | at least 20 |" in block["speed"]
    assert "| `dct.moments` | 252 | 104 | 0.700 | -0.0012 |" in block["blocks"]
    assert "| `fast` over `CNN of full` | -0.0500 (-0.0600 to -0.0400) |" in block["detectors"]
    assert "| `fast` | onnxruntime | 1.20 | 3.40 | 811 | 0.30 |" in block["detectors"]
    assert "| reals called fake (meant: 1 %) | 25.0% (24.0% to 26.0%) |" in block["evaluation"]
    assert "| JPEG, level 5 | 0.700 | 0.700 |" in block["evaluation"]
    assert "| worst | detector | value (as they are) |" in block["evaluation"]
    assert "| FFHQ: photographs that get a verdict | 60.0% | 60.0% |" in block["evaluation"]
    assert "| two stages | 0.9650 (0.9550 to 0.9750) | +0.0050 (-0.0050 to +0.0150) |" in block["fusion"]
    assert "| `embedding` | 2 | 0.944 | +0.0411 |" in block["families"]
    assert "| `full`: the map | 6.2% | 6.2% | 6.2% | 0.062 (0.050 to 0.070) |" in block["evidence"]
    assert "| camera page, 640 x 480, from capture to overlay, ms | 1.5 (1.2 to 1.8) | at most 60 |" in block["live"]
    assert "| clip of 1080 lines and 30 s, every 0.2 s: its length, times | 1.50 (1.25 to 1.75) |" in block["live"]
    assert "| 1 | 77 | 31 | 63 |" in block["live"]
    assert "62% of the requests were sent away, half of them within 31 ms" in " ".join(block["live"].split())
    assert "changed by +1.2% (front) and +3.1% (worker)" in " ".join(block["live"].split())
    assert "20 random moments" in block["store"]
    assert "the same rows, bit for bit" in " ".join(block["store"].split())


def test_every_block_names_commands_and_files(sources: Sources) -> None:
    for name, block in BLOCKS.items():
        if name != "headline":
            assert re.search(r"\(`python [^`]+`, \[(\S+\.json)\]\(\1\)\)", block(sources)), name


def test_writing_twice_changes_nothing(sources: Sources) -> None:
    once = rewrite(README, PAGE, sources)
    assert rewrite(once, PAGE, sources) == once


def test_the_check_fails_until_it_is_written_and_after_any_edit(
    sources: Sources, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(README)
    pages = [Page(readme, BLOCKS)]
    with pytest.raises(SystemExit, match="disagree"):
        main(["--check"], pages=pages, sources=sources)
    assert readme.read_text() == README
    main([], pages=pages, sources=sources)
    main(["--check"], pages=pages, sources=sources)
    readme.write_text(readme.read_text().replace("0.861", "0.961"))
    with pytest.raises(SystemExit, match="disagree"):
        main(["--check"], pages=pages, sources=sources)


@pytest.mark.parametrize("name", ["speed", "startup", "ablation", "kill_resume", "extract_all", "resize_policy"])
def test_a_missing_result_is_named_with_its_command(sources: Sources, name: str) -> None:
    (sources.results / f"{name}.json").unlink()
    with pytest.raises(FiguresError, match=rf"{name}.json is missing; make it with: python -m benchmarks.{name} "):
        rewrite(README, PAGE, sources)


def test_a_missing_detector_is_named(sources: Sources) -> None:
    (sources.detector / "manifest.json").unlink()
    with pytest.raises(FiguresError, match=r"manifest\.json is missing"):
        rewrite(README, PAGE, sources)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("speed", "model", {"feature_set": "0"}),
        ("ablation", "feature_set", "0"),
        ("resize_policy", "model", {"digest": "0"}),
        ("benchmark/benchmark", "detectors", [{"name": "fast", "sha256": "0"}]),
        ("evaluation/evaluation", "models", [{"name": "full", "digest": "0"}]),
        ("elsewhere/evaluation", "models", [{"name": "fast", "digest": "0"}]),
        ("fusion", "bundle", "0"),
        ("evidence_full", "model", {"digest": "0"}),
    ],
)
def test_a_result_of_another_detector_is_refused(sources: Sources, name: str, key: str, value: object) -> None:
    spoil(sources, name, key, value)
    with pytest.raises(FiguresError, match=rf"{name}.json .*run it again"):
        rewrite(README, PAGE, sources)


def test_what_is_missed_is_said(sources: Sources) -> None:
    spoil(
        sources,
        "startup",
        "limits",
        {"help_over_python": judged(0.05, at_most=0.3), "verdict": judged(2, at_most=1) | {"holds": False}},
    )
    spoil(sources, "kill_resume", "same", False)
    text = rewrite(README, PAGE, sources)
    assert "at most 1, **missed**" in text
    assert "**not the same rows" in " ".join(text.split())


@pytest.mark.parametrize("name", BLOCKS)
def test_a_place_that_is_missing_or_open_is_named(sources: Sources, name: str) -> None:
    with pytest.raises(FiguresError, match="places"):
        rewrite(README.replace(f"<!-- figures:{name} -->", ""), PAGE, sources)
    with pytest.raises(FiguresError, match=f"/figures:{name}"):
        rewrite(README.replace(f"<!-- /figures:{name} -->", ""), PAGE, sources)


def test_the_figures_fit_a_real_detector(sources: Sources, small_detector: Path) -> None:
    bundle = load(small_detector)
    for name, figures in results(bundle.feature_set.digest, bundle.digest).items():
        path = sources.results / f"{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"figures": figures}))
    real = Sources(sources.results, small_detector)
    value = bundle.manifest["metrics"]["test_balanced"]["auc"]["value"]
    assert f"**{value:.3f}**" in rewrite(README, PAGE, real)


def test_a_patient_page_says_what_is_missing(sources: Sources) -> None:
    (sources.results / "fusion.json").unlink()
    text = rewrite(README, Page(PAGE.path, BLOCKS, patient=True), sources)
    assert re.search(r"figures:fusion -->\n\nNot measured:\s\S*fusion\.json\sis\smissing\.\n", text)
    assert text.count("Not measured") == 1


def test_every_page_says_what_the_results_say() -> None:
    main(["--check"])
