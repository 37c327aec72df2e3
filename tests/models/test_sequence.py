"""Values left in their store give what values in memory give: every row, every bin, every tree."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from features.errors import DatasetError
from features.rows import Rows, open_rows
from features.store import FeatureStore
from models import booster, sequence
from models.booster import BoosterParams, Fitted, Part
from models.sequence import Batches, Stored, Values, in_ranges, leading
from tests import toy

ROWS, WIDTH = 900, 12
PARAMS = BoosterParams(learning_rate=0.1, num_leaves=15, feature_fraction=0.5, max_trees=40)


def fit(parts: tuple[Part, Part], rows: Rows) -> Fitted:
    return booster.fit(*parts, rows.names, params=PARAMS, threads=1)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Seven shards of about 129 rows."""
    return open_rows(FeatureStore(toy.fill(tmp_path_factory.mktemp("cache"), toy.table(ROWS), WIDTH, shards=7)))


@pytest.fixture(params=[1, 50, ROWS], autouse=True)
def at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Rows that are read at once."""
    rows: int = request.param
    monkeypatch.setattr(sequence, "_BYTES", 4 * WIDTH * rows)
    return rows


def labels_of(rows: Rows) -> npt.NDArray[np.int64]:
    table = toy.table(ROWS)
    known = dict(zip(table["sha256"], table["label"], strict=True))
    return np.array([known[sha256] for sha256, _ in rows.keys(0, len(rows))])


def divide() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    chosen = np.random.default_rng(0).random(ROWS) < 0.8
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)


def test_chosen_rows_are_read_in_order(rows: Rows, at_once: int) -> None:
    everything = rows.read(0, ROWS)
    for places in (*divide(), np.arange(300, 340), np.array([899]), np.array([], np.int64)):
        stored = Stored(rows, places)
        assert stored.shape == (len(stored), WIDTH) == (len(places), WIDTH)
        assert stored.at_once == at_once
        np.testing.assert_array_equal(stored.read(), everything[places])
        np.testing.assert_array_equal(stored.read(1, 30), everything[places[1:30]])
        some = list(stored.ranges())
        assert all(0 < len(found) <= at_once for found in some)
        np.testing.assert_array_equal(np.concatenate([everything[:0], *some]), everything[places])


def test_choosing_among_the_chosen(rows: Rows) -> None:
    stored = Stored(rows, np.array([3, 5, 8, 13]))
    assert stored[np.array([True, False, True, False])].places.tolist() == [3, 8]
    assert stored[1:3].places.tolist() == [5, 8]
    assert stored[np.array([0, 3])].places.tolist() == [3, 13]


def test_the_first_features(rows: Rows) -> None:
    narrow, everything = leading(Stored(rows, np.arange(9)), 5), rows.read(0, 9)
    assert isinstance(narrow, Stored)
    np.testing.assert_array_equal(narrow.read(), everything[:, :5])
    np.testing.assert_array_equal(leading(everything, 5), everything[:, :5])


def test_what_is_computed_range_by_range_is_what_is_computed_at_once(rows: Rows) -> None:
    def total(values: Values) -> Values:
        return values[:, 0] + values[:, 1]

    stored = Stored(rows, divide()[0])
    np.testing.assert_array_equal(in_ranges(total, stored), total(stored.read()))
    np.testing.assert_array_equal(in_ranges(total, stored.read()), total(stored.read()))
    assert in_ranges(total, stored[:0]).shape == (0,)


def test_batches_are_slices_and_rows_of_double_precision(rows: Rows) -> None:
    places, _ = divide()
    batches, expected = Batches(Stored(rows, places)), rows.read(0, ROWS)[places]
    assert len(batches) == len(places)
    np.testing.assert_array_equal(batches[10:40], expected[10:40])
    for row in (0, 1, 2, 300, 301, len(places) - 1, 5):
        assert batches[row].dtype == np.float64
        np.testing.assert_array_equal(batches[row], expected[row])


def test_the_trees_are_those_of_values_in_memory(rows: Rows) -> None:
    train, validation = divide()
    everything, labels = rows.read(0, ROWS), labels_of(rows)
    start = np.random.default_rng(1).normal(size=ROWS)
    held, held_back = (Part(everything[at], labels[at], start[at]) for at in (train, validation))
    left, left_back = (Part(Stored(rows, at), labels[at], start[at]) for at in (train, validation))
    in_memory = fit((held, held_back), rows)
    assert fit((left, left_back), rows) == in_memory
    assert in_memory.text.count("Tree=") == in_memory.best_iteration > 5


def test_where_the_sample_for_bins_is_bounded_the_trees_are_nearly_as_good(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, validation = divide()
    everything, labels = rows.read(0, ROWS), labels_of(rows)
    parts = Part(Stored(rows, train), labels[train]), Part(Stored(rows, validation), labels[validation])
    whole = fit(parts, rows)
    monkeypatch.setattr(booster, "SAMPLE_BYTES", 8 * WIDTH * 300)
    monkeypatch.setattr(booster, "_LEAST_SAMPLE", 10)
    bounded = fit(parts, rows)
    assert bounded.text != whole.text
    assert "[bin_construct_sample_cnt: 300]" in bounded.text
    assert bounded.validation_auc == pytest.approx(whole.validation_auc, abs=0.03)
    held = Part(everything[train], labels[train]), Part(everything[validation], labels[validation])
    assert fit(held, rows).text == whole.text


def test_values_that_are_not_finite_are_named(tmp_path: Path) -> None:
    values = toy.vectors([0, 1] * 100, WIDTH)
    values[41, 5] = np.nan
    store = FeatureStore(tmp_path)
    store.prepare()
    store.write_shard(toy.toy_set(WIDTH), [(f"{row:064x}", "") for row in range(200)], values)
    stored = Stored(open_rows(store), np.arange(1, 200))
    part = Part(stored, np.arange(1, 200) % 2)
    with pytest.raises(DatasetError, match=r"toy\.moments\.value\.5 is not finite in row 40"):
        fit((part, part), stored.rows)


def test_a_range_of_a_part_weighs_as_it_does_in_the_whole() -> None:
    labels, values = np.array([0, 1, 1, 1, 1, 1, 0, 1]), np.arange(8, dtype=np.float32)[:, None]
    part = Part(values, labels, np.arange(8.0))
    some = part.at(slice(2, 7))
    np.testing.assert_array_equal(some.values, values[2:7])
    assert some.start is not None
    assert some.start.tolist() == [2, 3, 4, 5, 6]
    np.testing.assert_array_equal(some.weights, part.weights[2:7])
    assert some.at(slice(1)).totals.tolist() == part.totals.tolist() == [[2, 6], [0, 0]]
