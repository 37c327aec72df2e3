"""Batches: which images the network may learn from, which come together, and how they are loaded."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.augment import augment
from features.errors import DatasetError, UnreadableFileError
from features.frame import Frame
from pipelines.batches import Picture, load_batches, read_rows
from pipelines.dataset import HELD_BACK_PERCENT, Sample, held_back, read_dataset, split_of
from tests.forgeries import FAMILIES, forgeries
from tests.images import corpus, png


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


@pytest.mark.parametrize("threads", [1, 3])
def test_pictures_are_loaded_in_order_and_augmented_by_their_seed(samples: list[Sample], threads: int) -> None:
    paths = [sample.path for sample in samples[:9]]
    plain = [[Picture(path) for path in paths[at : at + 2]] for at in range(0, 9, 2)]
    found = np.concatenate([loaded.pixels for loaded in load_batches(plain, threads=threads)])
    assert np.array_equal(found, np.stack([Frame.load(path).bgr for path in paths]))
    ((varied, *_), cells) = next(load_batches([[Picture(paths[0], (1, 2, 3))]], threads=threads))
    assert np.isnan(cells).all()
    assert np.array_equal(varied, augment(Frame.load(paths[0]).bgr, np.random.default_rng((1, 2, 3))))


def test_batches_are_asked_for_a_few_ahead_only(samples: list[Sample]) -> None:
    asked = 0

    def endless() -> Iterator[list[Picture]]:
        nonlocal asked
        while True:
            asked += 1
            yield [Picture(samples[0].path)]

    loaded = load_batches(endless())
    next(loaded)
    assert 2 <= asked <= 4


def test_an_image_that_went_away_is_an_error(samples: list[Sample]) -> None:
    with pytest.raises(UnreadableFileError):
        list(load_batches([[Picture(samples[0].path)], [Picture("gone.jpg")]]))


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    return read_dataset([str(forgeries(tmp_path_factory.mktemp("forgeries"), 60))])


def test_rows_say_which_heads_they_need(samples: list[Sample], forged: list[Sample]) -> None:
    plain, own, both = (read_rows(rows) for rows in (samples, forged, [*samples, *forged]))
    assert (plain.heads, plain.located) == (("found",), False)
    assert (own.heads, own.located) == (("forged",), True)
    assert (both.heads, both.located) == (("found", "forged"), True)
    assert "kinds" not in plain.to_json()
    counted = both.to_json()["kinds"]["train"]
    assert counted.keys() == {"found", "forged.blend", "forged.swap"}
    assert sum(counted.values()) == both.to_json()["rows"]["train"]["fake"]


def test_the_digest_covers_kinds_and_masks(forged: list[Sample], tmp_path: Path) -> None:
    whole = read_rows(forged)
    at = forged.index(next(sample for sample in whole.parts["train"] if sample.label))
    (tmp_path / "other.png").write_bytes(png(np.zeros((64, 64), np.uint8)))
    for other in (replace(forged[at], kind="forged.other"), replace(forged[at], mask=str(tmp_path / "other.png"))):
        assert read_rows([*forged[:at], other, *forged[at + 1 :]]).digest != whole.digest


def test_a_forgery_whose_mask_does_not_decode_is_left_out(forged: list[Sample]) -> None:
    at = next(i for i, s in enumerate(forged) if s.mask and s.split == "train" and not held_back(s.group))
    found = read_rows([*forged[:at], replace(forged[at], mask="gone.png"), *forged[at + 1 :]])
    assert found.left_out["failed"] == 1
    assert forged[at].path not in found.digests


def test_a_head_needs_fakes_in_both_parts(samples: list[Sample], forged: list[Sample]) -> None:
    for part, other in (("validation", "train"), ("train", "validation")):
        rows = [*samples, *(s for s in forged if s.label == 0 or s.split == other)]
        with pytest.raises(DatasetError, match=f"the {part} part has no forged fakes, .* --without forged"):
            read_rows(rows)


def test_a_sample_has_fakes_of_each_head_and_their_own_reals(samples: list[Sample], forged: list[Sample]) -> None:
    found = read_rows([*samples, *forged])
    drawn = Counter((one.label, one.source) for one in found.sample("train", 5))
    assert len(drawn) == 4
    assert set(drawn.values()) == {5}
    whole = Counter((one.label, one.source) for one in found.sample("validation"))
    assert all(whole[0, source] == whole[1, source] for _, source in whole)


def test_a_mask_becomes_the_shares_of_the_cells(forged: list[Sample]) -> None:
    blend = next(s for s in forged if s.kind == "forged.blend")
    swap = next(s for s in forged if s.kind == "forged.swap")
    loaded = next(load_batches([[Picture(s.path, None, s.mask) for s in (blend, swap)]]))
    row = [1, 1, 1, 0.5, 0, 0, 0]
    np.testing.assert_allclose(loaded.cells[0], np.tile(row, (7, 1)), atol=0.04)  # the mask is enlarged, and rings
    np.testing.assert_allclose(loaded.cells[1], np.tile(row[::-1], (7, 1)).T, atol=0.04)
    assert np.array_equal(loaded.pixels[0], Frame.load(blend.path).bgr)


def test_a_mask_moves_with_its_image(forged: list[Sample]) -> None:
    blend = next(s for s in forged if s.kind == "forged.blend")
    pictures = [Picture(blend.path, (0, seed), blend.mask) for seed in range(24)]
    loaded = next(load_batches([pictures]))
    bright = loaded.pixels.astype(float).mean(axis=3).reshape(-1, 7, 32, 7, 32).mean(axis=(2, 4))
    for cells, light, picture in zip(loaded.cells, bright, pictures, strict=True):
        assert light[cells > 0.9].mean() > light[cells < 0.1].mean() + 15
        assert picture.seed is not None
        expected = augment(Frame.load(blend.path).bgr, np.random.default_rng(picture.seed))
        assert any(np.array_equal(expected, pixels) for pixels in loaded.pixels)
    flipped = [cells[:, 0].mean() < cells[:, -1].mean() for cells in loaded.cells]
    assert 4 < sum(flipped) < 20


def test_the_families_are_told_apart(forged: list[Sample]) -> None:
    assert {sample.kind for sample in forged} == {"", *(f"forged.{family}" for family in FAMILIES)}
    assert all(bool(sample.mask) == bool(sample.label) for sample in forged)
