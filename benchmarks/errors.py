"""What one detector gets wrong and another right: how often, on what images, and how they look.

Validation groups, balanced, so that what is learnt from it may be used. Wrong is on the other side of probability 0.5.
The sheets show the reals and the fakes that are farthest apart in probability, for people to look at.

    python -m benchmarks.errors DATASET... --sheets runs/errors -o benchmarks/results/errors.json
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.framing import sheet
from benchmarks.record import balanced_images, make_parser, write
from features.frame import Frame, load_pixels
from pipelines.dataset import LABELS, Sample, read_dataset
from pipelines.image_facts import STATISTICS, statistics
from pipelines.score import score
from pipelines.slices import fifths

__all__ = ["main", "measure"]

_FACTS: Final = ("brightness", "contrast", "sharpness", "saturation")
_ON_A_SHEET: Final = 40

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def main(arguments: Sequence[str] | None = None) -> None:
    """Judge, compare, and write the result and the sheets."""
    parser = make_parser(__doc__)
    parser.add_argument("data", nargs="+", metavar="DATASET", help="data sets")
    parser.add_argument("--model", default="fast", help="the detector whose errors are looked at (default: fast)")
    parser.add_argument("--beside", default="full", help="the one that it is held against (default: full)")
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="write contact sheets there")
    options = parser.parse_args(arguments)
    known = read_dataset(options.data)
    samples = balanced_images(known, 2 * len(known), "validation")
    labels = np.array([sample.label for sample in samples])
    own, other = (_probabilities(samples, model) for model in (options.model, options.beside))
    if options.sheets:
        _write_sheets(options.sheets, samples, labels, own - other)
    figures = {"model": options.model, "beside": options.beside, **measure(labels, own, other, _facts(samples))}
    write(options.output, "errors", arguments, figures)


def _probabilities(samples: Sequence[Sample], model: str) -> Floats:
    rows = score([sample.path for sample in samples], model=model, faces="off", ordered=True)
    return np.array([row.probability for row in rows], np.float64)


def _facts(samples: Sequence[Sample]) -> dict[str, Floats]:
    """Measure each image: what any eye sees, and the side that it had before its data set resized it, where told."""
    seen = np.array([statistics(Frame.load(sample.path)) for sample in samples])
    sides = [sample.original_size[0] if sample.original_size else np.nan for sample in samples]
    return {"original side": np.array(sides), **{name: seen[:, STATISTICS.index(name)] for name in _FACTS}}


def measure(labels: Labels, own: Floats, other: Floats, facts: Mapping[str, Floats]) -> dict[str, Any]:
    """Count errors of one detector, of the other, and of the one alone; JSON values.

    Parameters
    ----------
    labels : (n,) int64 array
        0 real, 1 fake.
    own, other : (n,) float64 array
        The probabilities that each detector gives.
    facts : mapping
        What is known of each image, by name: (n,) float64, NaN where it is not.

    Returns
    -------
    dict
        `real` and `fake`: the shares that are wrong; `by`: the same of all images by fifths of each fact that divides
        them, the lowest first, with the greatest value of each fifth.
    """
    wrong = {"own": (own >= 0.5) != labels, "other": (other >= 0.5) != labels}
    wrong["own_alone"] = wrong["own"] & ~wrong["other"]

    def shares(chosen: npt.NDArray[np.bool_]) -> dict[str, Any]:
        return {"images": int(chosen.sum()), **{name: float(errors[chosen].mean()) for name, errors in wrong.items()}}

    by = {name: [{"most": most, **shares(rows)} for _, most, rows in fifths(values)] for name, values in facts.items()}
    return {
        **{name: shares(labels == label) for label, name in enumerate(LABELS)},
        "by": {name: parts for name, parts in by.items() if parts},
    }


def _write_sheets(folder: Path, samples: Sequence[Sample], labels: Labels, apart: Floats) -> None:
    """Show the reals that the one holds for fake far more than the other does, and the fakes far less."""
    folder.mkdir(parents=True, exist_ok=True)
    for label, name in enumerate(LABELS):
        order = np.argsort(apart if label else -apart, kind="stable")
        shown = [at for at in order.tolist() if labels[at] == label][:_ON_A_SHEET]
        cv2.imwrite(str(folder / f"{name}.png"), sheet([load_pixels(samples[at].path) for at in shown]))


if __name__ == "__main__":
    main()
