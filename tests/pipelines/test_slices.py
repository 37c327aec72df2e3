"""Slices by hand: fifths, kinds without reals of their own, and what has one value only."""

from itertools import pairwise

import numpy as np

from pipelines.slices import slices
from tests.pipelines.judgements import judgements

NAN = float("nan")


def test_fifths_divide_the_rows_at_the_quintiles() -> None:
    labels, values = [0, 1] * 10, list(map(float, range(20)))
    judged = judgements(labels, [0.2, 0.8] * 10, ["real", "fake"] * 10, facts={"brightness": values})
    found = [part for part in slices(judged) if part["by"] == "brightness"]
    assert [(part["low"], part["high"]) for part in found] == [(0, 3), (4, 7), (8, 11), (12, 15), (16, 19)]
    assert found[0]["name"] == "0 to 3"
    assert all((part["real"], part["fake"], part["auc"]["value"]) == (2, 2, 1) for part in found)


def test_equal_values_stay_together_and_unknown_ones_stay_out() -> None:
    values = [NAN, 5.0, 5.0, 5.0, 5.0, 5.0, 9.0, 9.0, 10.0, NAN]
    judged = judgements([0, 1] * 5, [0.2, 0.8] * 5, ["real", "fake"] * 5, facts={"size": values})
    found = [part for part in slices(judged) if part["by"] == "size"]
    assert sum(part["rows"] for part in found) == 8
    edges = [(part["low"], part["high"]) for part in found]
    assert edges[0] == (5, 5)
    assert all(low > high for (_, high), (low, _) in pairwise(edges))


def test_a_fact_of_one_value_or_none_is_no_slice() -> None:
    facts = {"size": [224.0] * 4, "face_size": [NAN] * 4}
    judged = judgements([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8], ["real"] * 4, facts=facts)
    assert [part["by"] for part in slices(judged)] == ["kind", "source"]


def test_a_kind_of_fakes_stands_against_the_reals_of_its_data_set() -> None:
    judged = judgements(
        [0, 0, 1, 1, 0],
        [0.1, 0.6, 0.5, 0.9, 0.99],
        ["real", "fake", "uncertain", "fake", "fake"],
        kinds=["original", "original", "swap", "paint", ""],
        sources=["videos", "videos", "videos", "videos", "photos"],
    )
    found = {part["name"]: part for part in slices(judged) if part["by"] == "kind"}
    assert [(name, part["against_all_reals"]) for name, part in found.items()] == [
        ("not told", False), ("original", False), ("paint", True), ("swap", True),
    ]  # fmt: skip
    assert (found["swap"]["real"], found["swap"]["fake"], found["swap"]["auc"]["value"]) == (2, 1, 0.5)
    assert found["paint"]["auc"]["value"] == 1
    assert (found["original"]["reals_called_fake"]["value"], found["original"]["auc"]["value"]) == (0.5, None)
    assert found["not told"]["reals_called_fake"]["value"] == 1


def test_slices_of_the_same_rows_repeat() -> None:
    rng = np.random.default_rng(2)
    judged = judgements(
        [0, 1] * 20, rng.random(40).tolist(), ["fake"] * 40, facts={"sharpness": rng.random(40).tolist()}
    )
    assert list(slices(judged)) == list(slices(judged))
