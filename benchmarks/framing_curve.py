"""Draws what a wrong framing costs, from the result file of `benchmarks.framing`.

python -m benchmarks.framing_curve -o docs/framing.png
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from benchmarks.record import ROOT

__all__ = ["draw", "main"]

_PANELS: Final = (("scale", "width of the crop, in widths of the framing"), ("shift", "shift, in sides of the framing"))
_COLOURS: Final = ("#1f5fa8", "#b4552d", "#555555")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the result, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--result", type=Path, default=ROOT / "benchmarks/results/framing.json", metavar="FILE")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the picture to write")
    options = parser.parse_args(arguments)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    draw(json.loads(options.result.read_text())["figures"], options.output)


def draw(figures: dict[str, Any], output: Path) -> None:
    """Draw AUC against scale and shift: one line a detector, and dashed what `auto` reaches on the same pictures."""
    figure, panels = plt.subplots(1, len(_PANELS), figsize=(10, 4), sharey=True, layout="constrained")
    for panel, (kind, label) in zip(panels, _PANELS, strict=True):
        for found, colour in zip(figures["models"], _COLOURS, strict=False):
            _draw_line(panel, found, kind, colour)
        panel.set_xlabel(label)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("AUC on test faces set into out-of-focus scenes")
    panels[0].legend(loc="lower center", fontsize="small")
    figure.savefig(output, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _draw_line(panel: Axes, found: dict[str, Any], kind: str, colour: str) -> None:
    places = [float(place) for place in found[kind]]
    name = found["name"]
    panel.plot(places, list(found[kind].values()), "o-", color=colour, label=f"{name}, cropped so, --faces off")
    panel.axhline(found["out_of_focus"]["auc"], color=colour, linestyle="--", label=f"{name}, --faces auto")


if __name__ == "__main__":
    main()
