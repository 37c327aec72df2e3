"""Frames of Celeb-DF and FaceForensics++: who was made from whom decides the groups."""

from pathlib import Path

import pytest

from features.errors import DatasetError
from pipelines.dataset import Sample, read_dataset
from pipelines.frames_layouts import MOST_TIED
from tests.pipelines.test_dataset import pack, touch

CELEB = (
    "Celeb-real/id0_0000/0.png",
    "Celeb-real/id1_0000.mp4/0.png",
    "Celeb-real/id16_0000_12.png",
    "Celeb-real/frames/id7_0003/000.png",
    "Celeb-synthesis/id0_id1_0000/0.png",
    "Celeb-synthesis/id16_id1_0000_7.png",
    "YouTube-real/00170/000.png",
    "YouTube-real/00171_3.png",
)
FORENSICS = (
    "original_sequences/youtube/c23/frames/000/0000.png",
    "original_sequences/youtube/c23/frames/003/0000.png",
    "original_sequences/youtube/c40/faces/555/001.png",
    "manipulated_sequences/Deepfakes/c23/frames/000_003/0000.png",
    "manipulated_sequences/FaceSwap/raw/frames/003_000.mp4/0000.png",
    "manipulated_sequences/NeuralTextures/c23/000_003_0012.png",
)


def groups(samples: list[Sample]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for sample in samples:
        found.setdefault(sample.group, set()).add("/".join(sample.path.split("/")[-2:]))
    return found


@pytest.mark.parametrize("packed", [False, True])
def test_celeb_df_ties_people_that_were_swapped(tmp_path: Path, packed: bool) -> None:
    folder = touch(tmp_path / "Celeb-DF-v2", *CELEB)
    samples = read_dataset([pack(folder, "Celeb-DF-v2/") if packed else str(folder)])
    assert {group: len(paths) for group, paths in groups(samples).items()} == {
        "celeb-df/id0": 5,
        "celeb-df/id7": 1,
        "celeb-df/youtube-00170": 1,
        "celeb-df/youtube-00171": 1,
    }
    assert {(sample.kind, sample.label) for sample in samples} == {
        ("Celeb-real", 0),
        ("Celeb-synthesis", 1),
        ("YouTube-real", 0),
    }
    assert {sample.origins for sample in samples if sample.label} == {
        ("celeb-df/id0", "celeb-df/id1"),
        ("celeb-df/id16", "celeb-df/id1"),
    }


def test_where_too_many_people_are_tied_the_target_is_the_group(tmp_path: Path) -> None:
    chain = [f"Celeb-synthesis/id{i}_id{i + 1}_0000/0.png" for i in range(MOST_TIED)]
    touch(tmp_path, *chain, "Celeb-real/id1_0000/0.png", "Celeb-synthesis/id90_id91_0000/0.png")
    found = groups(read_dataset([str(tmp_path)]))
    assert found["celeb-df/id1"] == {"id1_0000/0.png", "id1_id2_0000/0.png"}
    assert found["celeb-df/id90"] == {"id90_id91_0000/0.png"}
    assert len(found) == MOST_TIED + 1


def test_as_many_as_allowed_stay_one_group(tmp_path: Path) -> None:
    touch(tmp_path, *(f"Celeb-synthesis/id{i}_id{i + 1}_0000/0.png" for i in range(MOST_TIED - 1)))
    assert set(groups(read_dataset([str(tmp_path)]))) == {"celeb-df/id0"}


def test_celeb_df_comes_with_a_list_for_testing(tmp_path: Path) -> None:
    touch(tmp_path, *CELEB)
    (tmp_path / "List_of_testing_videos.txt").write_text(
        "1 YouTube-real/00170.mp4\n0 Celeb-synthesis/id0_id1_0000.mp4\n"
    )
    tested = [sample for sample in read_dataset([str(tmp_path)]) if sample.own_split == "test"]
    assert {sample.origins[0] for sample in tested} == {"celeb-df/youtube-00170", "celeb-df/id0"}
    assert {sample.own_split for sample in read_dataset([str(tmp_path)])} == {"test", "train"}


@pytest.mark.parametrize("packed", [False, True])
def test_forensics_joins_the_pairs(tmp_path: Path, packed: bool) -> None:
    folder = touch(tmp_path / "ff", *FORENSICS)
    samples = read_dataset([pack(folder) if packed else str(folder)])
    assert {group: len(paths) for group, paths in groups(samples).items()} == {"ff++/000": 5, "ff++/555": 1}
    assert sorted((s.kind, s.label) for s in samples if s.label) == [
        ("Deepfakes", 1),
        ("FaceSwap", 1),
        ("NeuralTextures", 1),
    ]
    assert {sample.kind for sample in samples if not sample.label} == {"youtube"}


def test_pairs_are_joined_over_folders_that_are_read_together(tmp_path: Path) -> None:
    reals = touch(tmp_path / "a", "original_sequences/youtube/c23/frames/003/0000.png")
    fakes = touch(tmp_path / "b", "manipulated_sequences/FaceShifter/c23/frames/000_003/0000.png")
    assert set(groups(read_dataset([str(reals), str(fakes)]))) == {"ff++/000"}


def test_actors_are_people_not_videos(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "original_sequences/actors/c23/frames/01__hugging_happy/0.png",
        "original_sequences/actors/c23/frames/02__kitchen/0.png",
        "original_sequences/actors/c23/frames/03__kitchen/0.png",
        "manipulated_sequences/DeepFakeDetection/c23/frames/01_02__hugging_happy__YVGY8LOK/0.png",
    )
    found = groups(read_dataset([str(tmp_path)]))
    assert {group: len(paths) for group, paths in found.items()} == {"ff++/actor-01": 3, "ff++/actor-03": 1}


def test_a_frame_that_names_no_video_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "Celeb-synthesis/misc/a.png")
    with pytest.raises(
        DatasetError, match=r"misc/a\.png is below Celeb-synthesis, yet no part of its path names a video"
    ):
        read_dataset([str(tmp_path)])


def test_class_folders_come_first(tmp_path: Path) -> None:
    touch(tmp_path, "real/Celeb-real/a.png", "fake/Celeb-synthesis/b.png")
    assert {sample.kind for sample in read_dataset([str(tmp_path)])} == {"real", "fake"}
