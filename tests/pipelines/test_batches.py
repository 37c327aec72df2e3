"""Batches: which images the network may learn from, which come together, and how they are loaded."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from features.augment import augment
from features.errors import DatasetError, UnreadableFileError
from features.frame import Frame
from pipelines.batches import Picture, draw_batches, load_batches, read_rows
from pipelines.dataset import HELD_BACK_PERCENT, Sample, held_back, read_dataset, split_of
from tests.images import corpus


def rows(groups: int, fakes: int = 2) -> list[Sample]:
    """One real image and some fakes of it in each group."""
    return [
        Sample(f"{group}/{i}.jpg", int(i > 0), str(group), "", "", "train")
        for group in range(groups)
        for i in range(1 + fakes)
    ]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    return read_dataset([str(corpus(tmp_path_factory.mktemp("corpus"), 60, size=64))])


def test_a_fifth_of_the_groups_is_held_back_across_the_split() -> None:
    groups = [f"group{i}" for i in range(20_000)]
    held = [group for group in groups if held_back(group)]
    assert len(held) / len(groups) == pytest.approx(HELD_BACK_PERCENT / 100, abs=0.01)
    shares = Counter(split_of(group) for group in held)
    assert shares["train"] / len(held) == pytest.approx(0.8, abs=0.02)  # another hash than that of the split
    assert held_back("zqkdjuoqfm.mp4") == held_back("zqkdjuoqfm.mp4")


def test_rows_are_those_of_training_and_validation_that_are_not_held_back(samples: list[Sample]) -> None:
    found = read_rows(samples)
    train, validation = found.parts["train"], found.parts["validation"]
    assert {s.path for s in train} == {s.path for s in samples if s.split == "train" and not held_back(s.group)}
    assert {s.path for s in validation} == {s.path for s in samples if s.split == "validation"}
    held = [s for s in samples if s.split == "train" and held_back(s.group)]
    assert found.held_back == (len({s.group for s in held}), len(held))
    assert found.held_back[0] > 3
    assert list(found.left_out.values()) == [0, 0, 0]
    digests = [found.digests[s.path] for s in train]
    assert digests == sorted(digests)


def test_the_digest_says_which_images_not_where_they_lie(samples: list[Sample], tmp_path: Path) -> None:
    moved = read_dataset([str(corpus(tmp_path / "elsewhere", 60, size=64))])
    assert read_rows(moved).digest == read_rows(samples[::-1]).digest
    turned = next(s for s in samples if s.label and s.split == "train" and not held_back(s.group))
    others = [sample for sample in samples if sample != turned]
    assert read_rows([*others, replace(turned, label=0)]).digest != read_rows(samples).digest


def test_several_processes_read_the_same(samples: list[Sample]) -> None:
    one, two = read_rows(samples), read_rows(samples, workers=2)
    assert one.digest == two.digest
    assert one.parts == two.parts


def test_what_cannot_be_used_is_left_out_and_counted(samples: list[Sample], tmp_path: Path) -> None:
    train = [s for s in samples if s.split == "train" and not held_back(s.group)]
    copies = {name: str(tmp_path / f"{name}.jpg") for name in ("broken", "repeated", "torn")}
    Path(copies["broken"]).write_bytes(b"\xff\xd8\xff damaged")
    for name, original in (("repeated", train[0]), ("torn", train[1])):
        Path(copies[name]).write_bytes(Path(original.path).read_bytes())
    extra = [
        replace(train[0], path=copies["broken"]),
        replace(train[0], path=copies["repeated"]),
        replace(train[1], path=copies["torn"], label=1 - train[1].label),
    ]
    found = read_rows([*samples, *extra])
    assert found.left_out == {"failed": 1, "labelled_both": 2, "repeated": 1}
    assert len(found.parts["train"]) == len(train) - 1
    assert found.to_json()["left_out"] == found.left_out


def test_a_sample_is_balanced_and_fixed(samples: list[Sample]) -> None:
    found = read_rows(samples)
    chosen = found.sample("train", 5)
    assert [sample.label for sample in chosen] == [0] * 5 + [1] * 5
    reals = sorted(found.digests[s.path] for s in found.parts["train"] if s.label == 0)
    assert [found.digests[sample.path] for sample in chosen[:5]] == reals[:5]
    whole = Counter(sample.label for sample in found.sample("validation"))
    assert whole[0] == whole[1] > 0


@pytest.mark.parametrize(("split", "label"), [("train", 0), ("validation", 1)])
def test_each_part_needs_both_classes(samples: list[Sample], split: str, label: int) -> None:
    with pytest.raises(DatasetError, match=f"the {split} part has .* needs both"):
        read_rows([sample for sample in samples if (sample.split, sample.label) != (split, label)])


def test_batches_are_balanced_and_hold_no_group_twice() -> None:
    table = rows(20)
    for batch in islice(draw_batches(table, 16, seed=0), 60):
        assert [table[row].label for row in batch] == [0] * 8 + [1] * 8
        assert len({table[row].group for row in batch}) == 16


def test_every_row_comes_as_often_as_any_other() -> None:
    table = rows(40, fakes=1)
    for batches in (10, 100):  # one round and ten
        drawn = Counter(row for batch in islice(draw_batches(table, 8, seed=3), batches) for row in batch)
        counts = [drawn[row] for row in range(80)]
        assert max(counts) - min(counts) <= 2  # a row may wait across the seam of two rounds
        assert sum(count == batches / 10 for count in counts) >= 70


def test_batches_depend_on_the_seed_alone() -> None:
    first, again, other = (list(islice(draw_batches(rows(30), 8, seed=seed), 20)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_small_sets_make_small_batches() -> None:
    assert len(next(draw_batches(rows(7), 32, seed=0))) == 6
    assert len(next(draw_batches(rows(2), 32, seed=0))) == 2
    with pytest.raises(DatasetError, match="two groups"):
        next(draw_batches(rows(1), 32, seed=0))


@pytest.mark.parametrize("threads", [1, 3])
def test_pictures_are_loaded_in_order_and_augmented_by_their_seed(samples: list[Sample], threads: int) -> None:
    paths = [sample.path for sample in samples[:9]]
    plain = [[(path, None) for path in paths[at : at + 2]] for at in range(0, 9, 2)]
    found = np.concatenate(list(load_batches(plain, threads=threads)))
    assert np.array_equal(found, np.stack([Frame.load(path).bgr for path in paths]))
    ((varied,),) = load_batches([[(paths[0], (1, 2, 3))]], threads=threads)
    assert np.array_equal(varied, augment(Frame.load(paths[0]).bgr, np.random.default_rng((1, 2, 3))))


def test_batches_are_asked_for_a_few_ahead_only(samples: list[Sample]) -> None:
    asked = 0

    def endless() -> Iterator[list[Picture]]:
        nonlocal asked
        while True:
            asked += 1
            yield [(samples[0].path, None)]

    loaded = load_batches(endless())
    next(loaded)
    assert 2 <= asked <= 4


def test_an_image_that_went_away_is_an_error(samples: list[Sample]) -> None:
    with pytest.raises(UnreadableFileError):
        list(load_batches([[(samples[0].path, None)], [("gone.jpg", None)]]))
