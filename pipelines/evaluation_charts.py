"""The charts of an evaluation, each with its figures in a table below it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import ceil, floor
from typing import Any, Final

from pipelines.bench_charts import Axis, Dot, Series, Stroke, chart, dots
from pipelines.page import interval, safe, table

__all__ = ["curves", "robustness", "slices"]

Record = Mapping[str, Any]

_SHARES: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_READ_AT: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.9)  # of a curve, for its table

_BY: Final = {
    "kind": "kind",
    "source": "data set",
    "size": "shorter side, pixels",
    "original_size": "shorter side before resizing, pixels",
    "brightness": "brightness, mean luma",
    "sharpness": "sharpness, standard deviation of the Laplacian",
    "face_size": "side of the face, pixels",
}


def curves(models: Sequence[Record]) -> list[str]:
    """Draw what the balanced images give: ROC, precision and recall, calibration, and histograms of both classes.

    Parameters
    ----------
    models : sequence of mapping
        Of a record of `evaluate`; those that met one class only are left out.
    """
    known = [model for model in models if model["curves"]]
    if not known:
        return []
    return [_roc(known), _precision_recall(known), _reliability(known), *map(_histogram, known)]


def _figure(title: str, drawing: str, figures: str) -> str:
    told = f"<details><summary>{safe(title)}: the figures</summary>{figures}</details>"
    return f"<figure><figcaption>{safe(title)}</figcaption>{drawing}{told}</figure>"


def _roc(models: Sequence[Record]) -> str:
    title, text = "ROC", "Share of fakes found against share of reals accused, over all thresholds."
    series = [Series(model["name"], model["curves"]["roc"]) for model in models]
    x, y = Axis("reals called fake", 0, 1, _SHARES), Axis("fakes called fake", 0, 1, _SHARES)
    rows = [
        [f"{at:g}", *(f"{max(found for false, found in one.points if false <= at):.3f}" for one in series)]
        for at in _READ_AT
    ]
    return _figure(
        title,
        chart(title, text, x, y, series, diagonal=True),
        table("Share of fakes found", ["where at most this share of reals is called fake", *_names(models)], rows),
    )


def _precision_recall(models: Sequence[Record]) -> str:
    title, text = "Precision and recall", "Share of fakes among what is called fake, against share of fakes found."
    series = [Series(model["name"], model["curves"]["pr"]) for model in models]
    x, y = Axis("fakes called fake", 0, 1, _SHARES), Axis("precision", 0, 1, _SHARES)
    rows = [
        [f"{at:g}", *(f"{max(right for found, right in one.points if found >= at):.3f}" for one in series)]
        for at in _READ_AT
    ]
    return _figure(
        title,
        chart(title, text, x, y, series),
        table("Highest precision", ["where at least this share of fakes is found", *_names(models)], rows),
    )


def _reliability(models: Sequence[Record]) -> str:
    title = "Reliability"
    text = (
        "Share of fakes, with its interval, among images of like probability; on the diagonal the probabilities hold."
    )
    series = [
        Series(
            model["name"],
            [(bin_["probability"], bin_["fakes"]["value"]) for bin_ in model["reliability"]],
            bars=[
                (bin_["probability"], bin_["fakes"]["low"], bin_["fakes"]["high"])
                for bin_ in model["reliability"]
                if bin_["fakes"]["low"] is not None
            ],
        )
        for model in models
    ]
    rows = [
        [
            f"{safe(model['name'])}, {bin_['low']:.3f} to {bin_['high']:.3f}",
            f"{bin_['rows']:,}",
            f"{bin_['probability']:.3f}",
            interval(bin_["fakes"]),
        ]
        for model in models
        for bin_ in model["reliability"]
    ]
    x, y = Axis("mean probability", 0, 1, _SHARES), Axis("share of fakes", 0, 1, _SHARES)
    head = ["detector, probabilities", "images", "mean probability", "share of fakes"]
    return _figure(title, chart(title, text, x, y, series, diagonal=True), table("Bins of probability", head, rows))


def _histogram(model: Record) -> str:
    """Draw how the probabilities of either class are spread; the bins of the reliability diagram hold the counts."""
    title = f"Probabilities that {model['name']} gives"
    text = "Share of each class in bins of equal width."
    bins = [
        (bin_["low"], bin_["high"], bin_["rows"], round(bin_["rows"] * bin_["fakes"]["value"]))
        for bin_ in model["reliability"]
    ]
    fakes = sum(found for *_, found in bins)
    reals = sum(rows - found for *_, rows, found in bins)
    high = max(max((rows - found) / reals, found / fakes) for *_, rows, found in bins)
    series = [
        Series("real images", _steps([(low, up, (rows - found) / reals) for low, up, rows, found in bins])),
        Series("fake images", _steps([(low, up, found / fakes) for low, up, rows, found in bins])),
    ]
    rows_of = [[f"{low:.3f} to {up:.3f}", f"{rows - found:,}", f"{found:,}"] for low, up, rows, found in bins]
    return _figure(
        title,
        chart(title, text, Axis("probability", 0, 1, _SHARES), _from_zero("share of the class", high), series),
        table("Images by probability", ["probability", "real", "fake"], rows_of),
    )


def _steps(bars: Iterable[Stroke]) -> list[tuple[float, float]]:
    """Outline bars (low, high, height), with the ground between those that do not touch."""
    places = [(0.0, 0.0)]
    for low, high, height in bars:
        if low - places[-1][0] > 1e-6:
            places += [(places[-1][0], 0.0), (low, 0.0)]
        places += [(low, height), (high, height)]
    return [*places, (places[-1][0], 0.0)]


def _names(models: Sequence[Record]) -> list[str]:
    return [safe(model["name"]) for model in models]


def _from_zero(title: str, high: float) -> Axis:
    """Make an axis from 0 to a round number above `high`, in at most five steps."""
    high = min(1.0, max(high, 0.02))
    step = next(step for step in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if 5 * step >= high)
    count = ceil(round(high / step, 6))
    return Axis(title, 0, count * step, [round(step * number, 3) for number in range(count + 1)])


def _to_one(title: str, low: float) -> Axis:
    """Make an axis from a round number below `low` to 1."""
    tenth = min(9, max(0, floor(10 * low)))
    every = 1 if tenth >= 5 else 2
    return Axis(title, tenth / 10, 1, [number / 10 for number in range(10, tenth - 1, -every)])


def slices(models: Sequence[Record]) -> Iterator[str]:
    """Draw AUC and reals called fake of the parts of what was judged, for each way to part it into more than one.

    Parameters
    ----------
    models : sequence of mapping
        Of a record of `evaluate`.
    """
    found = {(part["by"], part["name"]): part for model in models for part in model["slices"]}
    for by, keys in groupby(found, key=lambda key: key[0]):
        parts = [name for _, name in keys]
        if len(parts) > 1:
            yield _slice(models, by, parts, "auc", "AUC")
            yield _slice(models, by, parts, "reals_called_fake", "reals called fake")


def _slice(models: Sequence[Record], by: str, parts: Sequence[str], figure: str, name: str) -> str:
    held = [{part["name"]: part for part in model["slices"] if part["by"] == by} for model in models]
    title = f"{name} by {_BY.get(by, by)}"
    values = [(part, [_dot(own[part][figure]) if part in own else None for own in held]) for part in parts]
    rows = [
        [
            safe(f"{part}, {model['name']}") + (" (against all reals)" if own[part]["against_all_reals"] else ""),
            f"{own[part]['real']:,}",
            f"{own[part]['fake']:,}",
            *(interval(own[part][kind]) for kind in ("auc", "accuracy", "reals_called_fake", "coverage")),
        ]
        for part in parts
        for model, own in zip(models, held, strict=True)
        if part in own
    ]
    head = ["part, detector", "real", "fake", "AUC", "accuracy", "reals called fake", "coverage"]
    axis = _axis(figure, name, [dot for _, dots_ in values for dot in dots_ if dot])
    text = "The value of each part, with its interval."
    return _figure(
        title, dots(title, text, axis, [model["name"] for model in models], values), table(safe(title), head, rows)
    )


def _dot(figure: Mapping[str, float | None]) -> Dot | None:
    value, low, high = (figure[name] for name in ("value", "low", "high"))
    return None if value is None or low is None or high is None else (value, low, high)


def _axis(figure: str, name: str, known: Sequence[Dot]) -> Axis:
    if figure == "auc":
        return _to_one(name, min((low for _, low, _ in known), default=0.0))
    return _from_zero(name, max((high for *_, high in known), default=0.01))


def robustness(models: Sequence[Record]) -> Iterator[str]:
    """Draw what each perturbation leaves of AUC, and how many reals it gets accused, level by level from none.

    Parameters
    ----------
    models : sequence of mapping
        Of a record of `evaluate`, all with robustness.
    """
    axes = [_axis(figure, name, _all(models, figure)) for figure, name in _DRAWN.items()]
    for perturbation in dict.fromkeys(level["perturbation"] for level in models[0]["robustness"]["levels"]):
        for figure, axis in zip(_DRAWN, axes, strict=True):
            yield _perturbed(models, perturbation, figure, axis)


_DRAWN: Final = {"auc": "AUC", "reals_called_fake": "reals called fake"}


def _all(models: Sequence[Record], figure: str) -> list[Dot]:
    measured = [
        found for model in models for found in (model["robustness"]["baseline"], *model["robustness"]["levels"])
    ]
    return [dot for found in measured if (dot := _dot(found[figure]))]


def _perturbed(models: Sequence[Record], perturbation: str, figure: str, y: Axis) -> str:
    runs = [[model["robustness"]["baseline"], *_levels(model, perturbation)] for model in models]
    steps = runs[0][1:]
    name = perturbation.replace("-", " ").replace("jpeg", "JPEG").replace("webp", "WebP")
    title = f"{name}: {_DRAWN[figure]}"
    strengths = ["none", *(f"{step['value']:g}" for step in steps)]
    x = Axis(steps[0]["unit"], 0, len(steps), range(len(steps) + 1), names=strengths)
    places = [[(float(at), dot) for at, found in enumerate(run) if (dot := _dot(found[figure]))] for run in runs]
    series = [
        Series(model["name"], [(at, dot[0]) for at, dot in run], band=[(at, dot[1], dot[2]) for at, dot in run])
        for model, run in zip(models, places, strict=True)
    ]
    rows = [
        [safe(f"{strength}, {model['name']}"), *(interval(run[at][kind]) for kind in _OF_A_LEVEL)]
        for at, strength in enumerate(strengths)
        for model, run in zip(models, runs, strict=True)
    ]
    text = "From the images as they are to the strongest level, with intervals."
    head = [f"{safe(steps[0]['unit'])}, detector", *map(str, _OF_A_LEVEL.values())]
    return _figure(title, chart(title, text, x, y, series), table(safe(title), head, rows))


_OF_A_LEVEL: Final = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "reals_called_fake": "reals called fake",
    "fakes_called_real": "fakes called real",
    "coverage": "coverage",
}


def _levels(model: Record, perturbation: str) -> list[Record]:
    return [level for level in model["robustness"]["levels"] if level["perturbation"] == perturbation]
