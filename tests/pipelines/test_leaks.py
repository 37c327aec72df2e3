"""Findings on samples that are made up: each fault is found where it is, and nowhere else."""

from collections.abc import Iterable, Sequence

import pytest

from pipelines.dataset import Sample, split_of
from pipelines.leaks import Finding, count_balance, find_balance, find_leaks, find_near

TRAIN, TEST = "225", "71"  # groups by the split that follows


def sample(
    path: str, label: int, group: str, own: str = "", origins: tuple[str, ...] = (), kind: str = "", source: str = "s"
) -> Sample:
    return Sample(path, label, group, kind, source, split_of(group), own, None, origins)


def levels(findings: Iterable[Finding]) -> dict[str, str]:
    return {finding.check: finding.level for finding in findings}


def leaks(samples: Sequence[Sample], digests: str | None = None) -> dict[str, str]:
    return levels(find_leaks(samples, digests or "abcdefgh"[: len(samples)]))


FINE = {"groups": "ok", "duplicates across splits": "ok", "duplicates across labels": "ok"}
PAIR = [sample("1", 0, TRAIN), sample("2", 1, TEST)]


def test_nothing_leaks_where_nothing_was_planted() -> None:
    assert leaks(PAIR) == FINE


def test_a_group_in_two_parts_of_its_own_split_is_found() -> None:
    torn = [sample("1", 0, "g", "train"), sample("2", 1, "g", "test"), sample("3", 1, "h", "test")]
    (finding, *_) = find_leaks(torn, "abc")
    assert (finding.check, finding.level, finding.examples) == ("groups", "problem", ("g",))
    assert "groups in two parts: 1 (the data set's own splits)" in finding.text


def test_an_origin_in_two_parts_is_found() -> None:
    shared = [sample("1", 1, TRAIN, origins=("x", "y")), sample("2", 1, TEST, origins=("y",))]
    assert leaks(shared) == {**FINE, "origins": "warning"}
    assert leaks(shared[:1]) == {**FINE, "origins": "ok"}


def test_the_same_bytes_in_two_parts_are_found() -> None:
    assert leaks(PAIR[:1] * 2, "aa") == FINE
    assert leaks([sample("1", 0, TRAIN), sample("2", 0, TEST)], "aa") == {
        **FINE,
        "duplicates across splits": "problem",
    }


def test_the_same_bytes_with_both_labels_are_found() -> None:
    both = [sample("1", 0, TRAIN), sample("2", 1, TRAIN)]
    assert leaks(both, "aa") == {**FINE, "duplicates across labels": "problem"}


def test_files_that_cannot_be_read_are_no_duplicates() -> None:
    assert levels(find_leaks(PAIR, ["", ""])) == FINE


NEAR = "near duplicates across "
SAME, OTHER = bytes(32), b"\xff" * 32


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        (sample("1", 0, TRAIN), sample("2", 0, TEST), {"splits"}),
        (sample("1", 0, TRAIN), sample("2", 1, TRAIN), set()),
        (sample("1", 0, TRAIN), sample("2", 1, TEST), {"splits", "labels"}),
        (sample("1", 0, TRAIN), sample("2", 1, "86"), {"labels"}),
        (sample("1", 0, TRAIN), sample("2", 0, "86"), set()),
    ],
)
def test_what_looks_the_same_is_found_across_parts_and_labels(first: Sample, second: Sample, found: set[str]) -> None:
    assert levels(find_near([first, second], [SAME, OTHER])) == {NEAR + "splits": "ok", NEAR + "labels": "ok"}
    findings = list(find_near([first, second], [SAME, SAME]))
    assert {finding.check for finding in findings if finding.level == "warning"} == {NEAR + name for name in found}
    assert [finding.examples for finding in findings if finding.level == "warning"] == [(("1", "2"),)] * len(found)


def balance(*samples: Sample) -> dict[str, str]:
    return levels(find_balance(count_balance(samples)))


def many(count: int, label: int, kind: str = "", source: str = "s") -> list[Sample]:
    return [sample(f"{source}{kind}{number}", label, "g", kind=kind, source=source) for number in range(count)]


def test_a_balanced_set_is_quiet() -> None:
    assert set(balance(*many(5, 0), *many(5, 1)).values()) == {"ok"}


def test_one_class_is_no_data_set() -> None:
    assert balance(*many(5, 1)) == {"labels": "problem"}


def test_a_large_majority_is_a_warning() -> None:
    assert balance(*many(5, 0), *many(95, 1))["labels"] == "warning"
    (finding, *_) = find_balance(count_balance([*many(5, 0), *many(95, 1)]))
    assert "95% are fake" in finding.text


def test_a_source_of_one_label_is_a_warning_unless_it_is_small() -> None:
    both = [*many(50, 0), *many(50, 1)]
    assert balance(*both, *many(10, 1, source="t"))["sources"] == "warning"
    assert balance(*both, *many(2, 1, source="t"))["sources"] == "ok"
    assert balance(*many(50, 0, source="a"), *many(50, 1, source="b"))["sources"] == "warning"


def test_a_kind_that_dominates_others_is_a_warning() -> None:
    found = balance(*many(20, 0), *many(19, 1, "swap"), *many(1, 1, "gan"))
    assert (found["kinds of fake"], found["kinds of real"]) == ("warning", "ok")
    assert balance(*many(20, 0), *many(9, 1, "swap"), *many(9, 1, "gan"))["kinds of fake"] == "ok"


def test_counts_are_by_label() -> None:
    assert count_balance([*many(2, 0, "k"), *many(1, 1)]) == {
        "labels": {"real": 2, "fake": 1},
        "kinds": {"-": {"real": 0, "fake": 1}, "k": {"real": 2, "fake": 0}},
        "sources": {"s": {"real": 2, "fake": 1}},
        "parts": {split_of("g"): {"real": 2, "fake": 1}},
    }
