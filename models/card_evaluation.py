"""What a model card takes from an evaluation: counts of verdicts, slices, robustness, and what failed most."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

__all__ = ["confusion_section", "failures", "robustness_section", "slices_section"]

_BY: Final = {
    "kind": "Kind",
    "source": "Data set",
    "size": "Shorter side, pixels",
    "original_size": "Shorter side before resizing, pixels",
    "brightness": "Brightness (mean luma)",
    "sharpness": "Sharpness (standard deviation of the Laplacian)",
    "face_size": "Side of the face, pixels",
}
_ONE_OF_EACH: Final = 30  # images of a class, below which a slice is no known failure but chance


def confusion_section(model: Mapping[str, Any]) -> str:
    """Count the verdicts on all test images by what they are."""
    counts = model["confusion"]["all"]["verdicts"]
    named = [name for name in ("real", "uncertain", "fake", "no_face") if any(row[name] for row in counts.values())]
    rows = [[f"{true} images", *(f"{row[name]:,}" for name in named)] for true, row in counts.items()]
    head = ["verdict", *(f"`{name}`" for name in named)]
    return f"\nVerdicts on all test images:\n\n{_table(head, rows)}\n"


def slices_section(model: Mapping[str, Any]) -> str:
    """Tabulate the slices; one that is all there is says nothing and is left out."""
    parts = [(by, list(found)) for by, found in groupby(model["slices"], key=lambda part: part["by"])]
    rows = [
        [_BY[by], part["name"], f"{part['real']:,} + {part['fake']:,}", *map(_value, _figures(part))]
        for by, found in parts
        if len(found) > 1
        for part in found
    ]
    if not rows:
        return ""
    head = ["by", "from", "real + fake", "AUC", "accuracy", "reals called fake"]
    return f"\n## Slices of the test part\n\n{_table(head, rows)}\n"


def robustness_section(model: Mapping[str, Any]) -> str:
    """Tabulate what each level of each perturbation leaves of AUC, and how many reals it gets accused."""
    if (found := model["robustness"]) is None:
        return ""
    rows = [
        [f"{name.replace('-', ' ')} ({levels[0]['unit']})", *map(_level, levels)]
        for name, levels in _grouped(found["levels"])
    ]
    base = found["baseline"]
    head = ["perturbation", *(f"level {number}" for number in range(1, max(map(len, rows))))]
    return (
        "\n## Robustness\n\n"
        "The balanced test images, perturbed alike in both classes, judged at the same thresholds. In each cell: the\n"
        "strength, then AUC, accuracy, and the share of real images called fake. As they are:"
        f" {_three(base)}.\n\n{_table(head, rows)}\n"
    )


def failures(model: Mapping[str, Any]) -> str:
    """Name where the detector was worst, as list items: perturbations, and slices that are large enough."""
    said = []
    if model["robustness"]:
        worst = model["robustness"]["worst"]
        for figure, what in (("auc", "Least AUC"), ("reals_called_fake", "Most real images called fake")):
            if found := worst[figure]:
                said.append(f"{what} under perturbation: {found['name']}, {_value(found['value'])}.")
    large = [part for part in model["slices"] if min(part["real"], part["fake"]) >= _ONE_OF_EACH]
    if large:
        low = min(large, key=lambda part: part["auc"]["value"])
        high = max(large, key=lambda part: part["reals_called_fake"]["value"])
        said.append(f"Least AUC of a slice: {_where(low)}, {_value(low['auc'])}.")
        said.append(f"Most real images called fake in a slice: {_where(high)}, {_value(high['reals_called_fake'])}.")
    return "".join(f"- {line}\n" for line in said)


def _grouped(levels: Sequence[Mapping[str, Any]]) -> Iterable[tuple[str, list[Mapping[str, Any]]]]:
    return ((name, list(found)) for name, found in groupby(levels, key=lambda level: str(level["perturbation"])))


def _figures(part: Mapping[str, Any]) -> list[Mapping[str, float | None]]:
    return [part["auc"], part["accuracy"], part["reals_called_fake"]]


def _where(part: Mapping[str, Any]) -> str:
    name = _BY[part["by"]]
    return f"{name[0].lower()}{name[1:]} {part['name']}"


def _level(level: Mapping[str, Any]) -> str:
    return f"{level['value']:g}: {_three(level)}"


def _three(found: Mapping[str, Any]) -> str:
    return ", ".join(
        "-" if figure["value"] is None else f"{figure['value']:.{digits}f}"
        for figure, digits in zip(_figures(found), (3, 3, 4), strict=True)
    )


def _value(figure: Mapping[str, float | None]) -> str:
    if figure["value"] is None:
        return "not defined"
    if figure["low"] is None:
        return f"{figure['value']:.4f}"
    return f"{figure['value']:.4f} ({figure['low']:.4f} to {figure['high']:.4f})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
