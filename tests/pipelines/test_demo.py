"""The demo: the same corpus each time, nothing but pixels tells its classes apart, and the whole path runs on it."""

import importlib.util
import json
from pathlib import Path

import pytest

from features.errors import MissingExtraError
from models.bundle import verify
from pipelines.dataset import SPLITS, read_dataset
from pipelines.demo import demo, make_corpus


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def test_the_corpus_is_several_hundred_balanced_and_split_by_region(listing: Path) -> None:
    samples = read_dataset([str(listing)])
    assert len(samples) >= 300
    assert sum(sample.label for sample in samples) * 2 == len(samples)
    for split in SPLITS:
        assert {sample.label for sample in samples if sample.split == split} == {0, 1}


def test_format_and_compression_give_nothing_away(listing: Path) -> None:
    heads = {path.read_bytes()[:160] for path in listing.parent.glob("*/*.jpg")}
    assert len(heads) == 1  # signature, quantisation tables and size


def test_the_corpus_is_the_same_each_time(listing: Path, tmp_path: Path) -> None:
    again = make_corpus(tmp_path)
    assert again.read_bytes() == listing.read_bytes()
    for line in listing.read_text().splitlines()[1:20]:
        name = line.partition(",")[0]
        assert (tmp_path / name).read_bytes() == (listing.parent / name).read_bytes()


def test_the_whole_path_runs_and_teaches(tmp_path: Path, small_detector: Path) -> None:
    said: list[str] = []
    result = demo(str(tmp_path / "demo"), model=str(small_detector), say=said.append)
    assert result["held_out"]["right"] > 0.7 * result["held_out"]["images"] > 0
    rows = Path(result["held_out"]["rows"]).read_text().splitlines()
    assert len(rows) == result["held_out"]["images"]
    assert result["face"]["probability"] is not None
    assert result["face"]["face"] is not None
    assert all(json.loads(row)["face"] is None for row in rows)
    assert verify(tmp_path / "demo" / "bundle") == []
    assert json.dumps(result)
    text = "\n".join(said)
    assert "the path, not the quality" in text
    assert "python cli.py score FOLDER" in text
    assert "--faces off: they show no faces" in text
    assert result["seconds"] < 60


def test_without_scikit_image_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'fauxface\[demo\]'"):
        demo(str(tmp_path))
