"""A result file says how it came about and nothing private; medians are held against their limits."""

import json
from pathlib import Path

import pytest

from benchmarks.record import ROOT, judge, round_all, spread, unpack, write


def test_a_result_names_command_and_machine_but_no_private_path(tmp_path: Path) -> None:
    given = ["--data", str(ROOT.parent / "shared" / "a.zip"), str(tmp_path / "cache"), "-o", str(ROOT / "b.json")]
    write(tmp_path / "made" / "b.json", "speed", given, {"figure": 1 / 3})
    record = json.loads((tmp_path / "made" / "b.json").read_text())
    assert record["command"] == "python -m benchmarks.speed --data ../shared/a.zip .../cache -o b.json"
    assert record["figures"] == {"figure": 0.333333}
    assert {"processor", "cores", "cores_used", "system", "python", "libraries"} == set(record["machine"])
    assert "numpy" in record["machine"]["libraries"]
    assert str(ROOT.parent) not in json.dumps(record)
    assert str(tmp_path) not in json.dumps(record)


def test_floats_are_rounded_wherever_they_stand() -> None:
    assert round_all({"a": [1234567.8, {"b": 0.00012345678}], "n": 12345678, "yes": True}) == {
        "a": [1234570.0, {"b": 0.000123457}],
        "n": 12345678,
        "yes": True,
    }


def test_a_spread_is_the_median_with_its_bounds() -> None:
    assert spread([3.0, 1.0, 9.0]) == {"median": 3.0, "min": 1.0, "max": 9.0}


@pytest.mark.parametrize(
    ("limits", "holds"),
    [({"at_most": 3.0}, True), ({"at_most": 2.9}, False), ({"at_least": 3.0}, True), ({"at_least": 3.1}, False)],
)
def test_the_median_is_held_against_the_limit(limits: dict[str, float], holds: bool) -> None:
    judged = judge([3.0, 1.0, 9.0], **limits)
    assert judged == {"median": 3.0, "min": 1.0, "max": 9.0, **limits, "holds": holds}


def test_the_same_images_are_unpacked_each_time(images: Path, tmp_path: Path) -> None:
    paths = unpack([str(images)], 7, tmp_path / "one")
    again = unpack([str(images)], 5, tmp_path / "two")
    assert len(paths) == 7
    assert {Path(path).parent.name for path in paths} <= {"real", "fake"}
    assert [Path(path).read_bytes() for path in paths[:5]] == [Path(path).read_bytes() for path in again]
    originals = {path.read_bytes() for path in images.rglob("*.jpg")}
    assert {Path(path).read_bytes() for path in paths} <= originals
