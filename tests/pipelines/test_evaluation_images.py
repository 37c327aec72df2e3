"""Which images are judged: of which groups, each once, how many of either class, and what is said of the others."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from features.errors import DatasetError
from pipelines.dataset import read_dataset
from pipelines.engine_choice import Local
from pipelines.evaluation_images import Chosen, Task, choose
from tests.images import corpus, jpeg, photo


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A data set of 30 reals and their 30 fakes."""
    return corpus(tmp_path / "faces", 30, size=40)


def chosen(*sources: Path, whole: bool = True, limit: int | None = None, trained_on: tuple[str, ...] = ()) -> Chosen:
    return choose(Task([str(s) for s in sources], whole=whole, limit=limit), trained_on, engine=Local(1))


def test_only_the_test_groups_are_judged_unless_all_are_wanted(faces: Path) -> None:
    test = [sample.path for sample in read_dataset([str(faces)]) if sample.split == "test"]
    assert 0 < len(test) < 60
    found = chosen(faces, whole=False)
    assert sorted(sample.path for sample in found.samples) == test
    assert found.groups == "test"
    assert len(chosen(faces).samples) == 60
    assert chosen(faces).groups == "all"


def test_of_training_data_never_more_than_the_test_groups(faces: Path, tmp_path: Path) -> None:
    other = corpus(tmp_path / "other", 10, seed=1, size=40)
    found = chosen(faces, other, trained_on=("faces",))
    assert {s.split for s in found.samples if s.source == "faces"} == {"test"}
    assert sum(s.source == "other" for s in found.samples) == 20
    assert found.groups == "mixed"
    assert any("Of faces, which a model was trained on" in line for line in found.warnings)
    assert chosen(faces, trained_on=("faces",)).groups == "test"


def test_images_come_once_by_digest_and_the_others_are_counted(faces: Path) -> None:
    shutil.copy(faces / "real" / "0000.jpg", faces / "real" / "copy.jpg")
    shutil.copy(faces / "real" / "0001.jpg", faces / "fake" / "both.jpg")
    (faces / "fake" / "broken.jpg").write_bytes(jpeg(photo(9, 40))[:300])
    (faces / "fake" / "text.jpg").write_text("not an image")
    found = chosen(faces)
    assert found.left_out == {"failed": 2, "labelled_both": 2, "repeated": 1, "not_chosen": 0}
    assert list(found.digests) == sorted(set(found.digests))
    assert len(found.samples) == 59
    assert [(f["path"], f["type"]) for f in found.failures] == [
        ("fake/broken.jpg", "corrupt_image"), ("fake/text.jpg", "not_an_image"),
    ]  # fmt: skip
    assert any(line.startswith("2 images could not be read") for line in found.warnings)


def test_a_limit_takes_half_of_either_class_of_lowest_digest(faces: Path) -> None:
    everything, some = chosen(faces), chosen(faces, limit=9)
    assert [s.label for s in some.samples].count(0) == [s.label for s in some.samples].count(1) == 4
    for label in (0, 1):
        of = [s.path for s in everything.samples if s.label == label]
        assert [s.path for s in some.samples if s.label == label] == of[:4]
    assert some.left_out["not_chosen"] == 52


def test_one_class_is_judged_and_said(tmp_path: Path) -> None:
    corpus(tmp_path / "faces", 6, size=40)
    shutil.rmtree(tmp_path / "faces" / "fake")
    found = chosen(tmp_path / "faces", limit=5)
    assert len(found.samples) == 5
    assert found.balanced.tolist() == [0, 1, 2, 3, 4]
    assert "There are no fake images; figures that need them are missing." in found.warnings
    assert "There are only 5 real images; figures that need them say little." in found.warnings


def test_nothing_to_judge_says_what_would_help(tmp_path: Path) -> None:
    faces = corpus(tmp_path / "faces", 1, size=40)
    assert not any(sample.split == "test" for sample in read_dataset([str(faces)]))
    with pytest.raises(DatasetError, match="none of 2 images can be judged: 0 are of the test groups; --all"):
        chosen(faces, whole=False)


def test_the_balanced_part_has_as_many_of_either_class(faces: Path) -> None:
    for path in sorted((faces / "real").iterdir())[:20]:
        path.unlink()
    found = chosen(faces)
    part = found.at(found.balanced)
    assert [s.label for s in part.samples].count(0) == [s.label for s in part.samples].count(1) == 10
    assert found.to_json()["balanced"] == {"real": 10, "fake": 10, "groups": len({s.group for s in part.samples})}
    assert found.to_json()["sources"] == {"faces": {"real": 10, "fake": 30}}


def test_original_sizes_come_from_the_data_set(tmp_path: Path) -> None:
    folder = tmp_path / "kaggle" / "faces_224"
    folder.mkdir(parents=True)
    rows = ["videoname,original_width,original_height,label,original"]
    for index, label in enumerate(["REAL", "FAKE"]):
        (folder / f"v{index}.jpg").write_bytes(jpeg(photo(index, 40)))
        rows.append(f"v{index}.mp4,{100 + index},{90 + index},{label},")
    (folder.parent / "metadata.csv").write_text("\n".join(rows) + "\n")
    assert sorted(chosen(folder.parent).original_sizes.tolist()) == [90, 91]
    assert np.isnan(chosen(corpus(tmp_path / "plain", 2, size=40)).original_sizes).all()


def test_the_command_is_the_one_that_was_given() -> None:
    task = Task(
        ["/data/a.zip", "b"], ["fast", "/models/mine"], whole=True, limit=50, faces="auto", perturbed=False, seed=3
    )
    assert task.command("/tmp/out") == (
        "python cli.py evaluate .../a.zip b --out .../out --model fast --model .../mine --all --no-robustness"
        " --limit 50 --faces auto --seed 3"
    )
    assert Task(["b"], card=True).command("out") == "python cli.py evaluate b --out out --model fast --card"
