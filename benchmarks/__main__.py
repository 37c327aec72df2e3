"""What `make bench` runs: the speed of a verdict and of start-up, as a table; nothing of the checkout is changed.

python -m benchmarks
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.record import DATA, ROOT, scratch

__all__ = ["lines", "main"]


def main(options: Mapping[str, Sequence[str]] | None = None) -> None:
    """Run both scripts, each with the `options` under its name; the exit status is 1 where a limit is missed."""
    chosen = options or {}
    table: list[tuple[bool, str]] = []
    with scratch() as folder:
        if (ROOT / DATA).is_file() or "speed" in chosen:
            table += lines(_run("speed", chosen.get("speed", ()), folder), "ratios", "x")
        else:
            print(
                f"speed is left out: {DATA} is missing; try python -m benchmarks.speed --data DATASET", file=sys.stderr
            )
        table += lines(_run("startup", chosen.get("startup", ()), folder), "limits", "s")
    print("\n".join(line for _, line in table))
    sys.exit(0 if all(holds for holds, _ in table) else 1)


def _run(name: str, options: Sequence[str], folder: Path) -> dict[str, Any]:
    output = folder / f"{name}.json"
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options, "-o", str(output)], cwd=ROOT, check=True)
    return dict(json.loads(output.read_text())["figures"])


def lines(figures: Mapping[str, Any], key: str, unit: str) -> Iterator[tuple[bool, str]]:
    """Yield a line for each limited figure under `key`, and before it whether it holds."""
    for name, judged in figures[key].items():
        values = "".join(f"{judged[part]:10.3f}" for part in ("median", "min", "max"))
        kind = "at_most" if "at_most" in judged else "at_least"
        verdict = "holds" if judged["holds"] else "MISSED"
        yield judged["holds"], f"{name:<24}{values} {unit}   {kind.replace('_', ' ')} {judged[kind]:g}: {verdict}"


if __name__ == "__main__":
    main()
