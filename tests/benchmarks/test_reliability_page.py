"""The page of what was tried: a row a check, with the command that repeats it."""

import json
from pathlib import Path

from benchmarks import reliability_page


def record(**checks: dict[str, object]) -> str:
    return json.dumps({"command": "", "machine": {}, "figures": {"checks": checks}})


def test_each_check_is_a_row_with_its_outcomes_and_its_command(tmp_path: Path) -> None:
    kill = {"part": "stores", "asked": 200, "tried": 1200, "same": 1199, "lost": 1}
    hang = {"part": "server", "asked": 3, "tried": 3, "answered": 3}
    (tmp_path / "a.json").write_text(record(kill=kill))
    (tmp_path / "b.json").write_text(record(hang=hang))
    page = tmp_path / "page.md"
    reliability_page.main([str(tmp_path / "a.json"), str(tmp_path / "b.json"), "-o", str(page)])
    head, rule, *rows = [line for line in page.read_text().splitlines() if line.startswith("|")]
    assert head.count("|") == rule.count("|") == 6
    assert rows == [
        "| kill | stores | 1,200 | same 1,199, lost 1 |"
        " `python -m benchmarks.reliability stores --only kill --tries 200 -o FILE` |",
        "| hang | server | 3 | answered 3 | `python -m benchmarks.reliability server --only hang --tries 3 -o FILE` |",
    ]
