"""A benchmark as one HTML file: tables, charts, what was done, and what it cannot show."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.metrics import METRICS, VERDICT_METRICS, curves
from pipelines.bench_charts import STYLE, Axis, Series, chart, decades
from pipelines.bench_quality import COMPARED, Contestant

__all__ = ["page"]

_SHARES: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_BINS: Final = 10

_NAMES: Final = {
    "auc": "AUC",
    "average_precision": "average precision",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "eer": "equal error rate (less is better)",
    "tpr_at_fpr_1": "true positive rate at 1 % false positives",
    "ece": "calibration error, 15 bins (less is better)",
    "brier": "Brier score (less is better)",
    "coverage": "coverage: share that gets a verdict",
    "verdict_accuracy": "accuracy of verdicts",
    "reals_called_fake": "reals called fake (less is better)",
    "fakes_called_real": "fakes called real (less is better)",
}

_CSS: Final = """
:root { color-scheme: light dark; --back: #fff; --fore: #1a1a1a; --line: #bbb; }
@media (prefers-color-scheme: dark) { :root { --back: #161616; --fore: #e8e8e8; --line: #555; } }
body { background: var(--back); color: var(--fore); font: 16px/1.5 system-ui, sans-serif; max-width: 74rem;
  margin: 2rem auto; padding: 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0; }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top; }
small { white-space: nowrap; }
code { overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); gap: 1.5rem; }
figure { margin: 0; }
figcaption { font-weight: 600; }
"""


def page(record: Mapping[str, Any], labels: npt.NDArray[np.int64], contestants: Sequence[Contestant]) -> str:
    """Write the page of a benchmark.

    Parameters
    ----------
    record : mapping
        Command, machine and figures, as `benchmark` gives them.
    labels : (n,) int array
        Of the images that were judged: 0 real, 1 fake.
    contestants : sequence of Contestant
        What judged them.
    """
    figures = record["figures"]
    images, counts = figures["images"], figures["images"]["test"]
    first = (
        f"{counts['real']:,} real and {counts['fake']:,} fake images of {escape(', '.join(images['sources']))},"
        f" {'test groups' if images['groups'] == 'test' else 'all groups'}: every detector judged the same ones."
    )
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>',
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
            f"<title>fauxface benchmark</title>\n<style>{_CSS}{STYLE}</style>\n</head>\n<body>",
            f"<h1>Detectors side by side</h1>\n<p>{first}</p>",
            _section("Pictures", f'<div class="charts">{"".join(_charts(figures, labels, contestants))}</div>'),
            _section("How good they are", _quality(figures), _differences(figures)),
            _section("What a verdict costs", _speed(figures), _scaling(figures)),
            _section("What was done", _protocol(figures)),
            _section("What it cannot show", _limits(figures)),
            _section("Made by", f"<p><code>{escape(record['command'])}</code></p>", _machine(record["machine"])),
            "</body>\n</html>\n",
        ]
    )


def _section(title: str, *parts: str) -> str:
    return "\n".join([f"<section>\n<h2>{title}</h2>", *parts, "</section>"])


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table of cells that are HTML already; the first of each row is its head."""
    body = [
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>' for name, *cells in rows
    ]
    columns = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    return "\n".join(
        [
            f'<div class="wide"><table>\n<caption>{caption}</caption>\n<thead><tr>{columns}</tr></thead>\n<tbody>',
            *body,
            "</tbody>\n</table></div>",
        ]
    )


def _interval(figure: Mapping[str, float | None], sign: str = "") -> str:
    value, low, high = (figure[name] for name in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "not defined"
    return f"{value:{sign}.3f} <small>({low:{sign}.3f} to {high:{sign}.3f})</small>"


def _spread(values: Mapping[str, float], digits: int = 1) -> str:
    return f"{values['median']:,.{digits}f} <small>({values['min']:,.{digits}f} to {values['max']:,.{digits}f})</small>"


def _quality(figures: Mapping[str, Any]) -> str:
    quality = figures["quality"]
    rows = [
        [_NAMES[name], *(_interval(found[name]) for found in quality.values())] for name in (*METRICS, *VERDICT_METRICS)
    ]
    return _table("Figures with 95 % intervals", ["figure", *map(escape, quality)], rows)


def _differences(figures: Mapping[str, Any]) -> str:
    rows = [
        [f"{escape(pair['of'])} minus {escape(pair['over'])}", *(_interval(pair[name], "+") for name in COMPARED)]
        for pair in figures["differences"]
    ]
    title = "Differences with paired 95 % intervals: one that excludes zero is more than chance"
    return _table(title, ["pair", *(_NAMES[name] for name in COMPARED)], rows) if rows else ""


def _where(entry: Mapping[str, Any]) -> str:
    return f"{entry['detector']}, {entry['runtime']}" + (", GPU" if entry["device"] == "cuda" else "")


def _speed(figures: Mapping[str, Any]) -> str:
    rows = [
        [
            escape(_where(entry)),
            *(f"{1e3 * entry['latency']['one'][share]:,.2f}" for share in ("p50", "p95", "p99")),
            *(_spread(entry["throughput"]["one"][batch]) for batch in ("batch_1", "batch_32")),
            _spread(entry["start"], 2),
            *(f"{entry['memory'][batch] / 1e6:,.0f}" for batch in ("batch_1", "batch_32")),
            f"{entry['size'] / 1e6:,.2f}",
        ]
        for entry in figures["speed"]
    ]
    head = [
        *("detector, where", "latency p50, ms", "p95", "p99", "images/s, batch 1", "batch 32", "first verdict, s"),
        *("peak memory, MB, batch 1", "batch 32", "on disk, MB"),
    ]
    return _table("One process on one core, from reading a file to its verdict", head, rows)


def _scaling(figures: Mapping[str, Any]) -> str:
    both = [entry for entry in figures["speed"] if entry["throughput"]["two"]]
    rows = [
        [
            escape(_where(entry)),
            *(f"{1e3 * entry['latency']['two'][share]:,.2f}" for share in ("p50", "p95", "p99")),
            *(_spread(entry["throughput"]["two"][batch]) for batch in ("batch_1", "batch_32")),
        ]
        for entry in both
    ]
    head = ["detector, where", "latency p50, ms", "p95", "p99", "images/s of both, batch 1", "batch 32"]
    if not rows:
        return "<p>Two processes side by side were not timed: there is one core.</p>"
    return _table("Two processes side by side, a core each", head, rows)


def _charts(figures: Mapping[str, Any], labels: npt.NDArray[np.int64], contestants: Sequence[Contestant]) -> list[str]:
    reals, fakes, hits = [], [], []
    for found in contestants:
        false, true, precision = curves(labels, found.probabilities)
        reals.append(Series(found.name, _points(false, true)))
        fakes.append(Series(found.name, _points(true, precision)))
        hits.append(Series(found.name, _reliability(labels, found.probabilities)))
    share = [Axis(title, 0, 1, _SHARES) for title in ("reals called fake", "fakes called fake", "precision")]
    chance, said = Axis("mean probability", 0, 1, _SHARES), Axis("share of fakes", 0, 1, _SHARES)
    return [
        _figure("ROC", "Share of fakes found against share of reals accused.", share[0], share[1], reals, True),
        _figure("Precision and recall", "Precision against share of fakes found.", share[1], share[2], fakes, False),
        _figure("Calibration", "Share of fakes among images of like probability.", chance, said, hits, True),
        _against_speed(figures),
    ]


def _points(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> list[tuple[float, float]]:
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _figure(title: str, text: str, x: Axis, y: Axis, series: Sequence[Series], diagonal: bool) -> str:
    return f"<figure><figcaption>{title}</figcaption>{chart(title, text, x, y, series, diagonal=diagonal)}</figure>"


def _reliability(labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]) -> list[tuple[float, float]]:
    """Give mean probability and share of fakes in bins of equal width that hold any image."""
    cell = np.minimum((probabilities * _BINS).astype(np.int64), _BINS - 1)
    filled = [cell == number for number in range(_BINS) if (cell == number).any()]
    return [(float(probabilities[held].mean()), float(labels[held].mean())) for held in filled]


def _against_speed(figures: Mapping[str, Any]) -> str:
    rates = [entry["throughput"]["one"]["batch_1"]["median"] for entry in figures["speed"]]
    found = [figures["quality"][entry["detector"]]["auc"] for entry in figures["speed"]]
    series = [
        Series(_where(entry), [(rate, auc["value"])], line=False, bars=[(rate, auc["low"], auc["high"])])
        for entry, rate, auc in zip(figures["speed"], rates, found, strict=True)
    ]
    steps = decades(min(rates) * 0.8, max(rates) * 1.25)
    low = np.floor(10 * min(auc["low"] for auc in found)) / 10
    ticks = np.round(np.linspace(low, 1, 6), 3).tolist()
    x, y = Axis("images a second, batch 1, one core", steps[0], steps[-1], steps, log=True), Axis("AUC", low, 1, ticks)
    text = "AUC with its interval against images a second on a logarithmic axis; up and to the right is better."
    return _figure("Quality against speed", text, x, y, series, False)


def _protocol(figures: Mapping[str, Any]) -> str:
    images, effort = figures["images"], figures["effort"]
    calibration = images["calibration"]
    left = ", ".join(f"{count:,} {reason}" for reason, count in images["left_out"].items()).replace("_", " ")
    said = [
        f"Images of {'the test groups' if images['groups'] == 'test' else 'all groups, whatever part they fall in'},"
        " each content once, judged whole, as face crops want it; as many fakes as reals, those of lowest sha256."
        f" Left out: {left}.",
        "Accuracy is that of probability &gt;= 0.5 over all images. Each bundle brings its own calibration and"
        " operating points. A network alone (CNN) is the network of that bundle with its own logit: calibrated by"
        " Platt's sigmoid and given operating points in the same way on the calibration groups here"
        f" ({calibration['real']:,} real, {calibration['fake']:,} fake images).",
        f"Intervals: percentiles of {effort['resamples']:,} bootstrap resamples of whole groups; differences are taken"
        " on the same resamples for both.",
        f"Every timing is a fresh process on one core with one thread, {effort['rounds']} rounds in which all detectors"
        f" take turns, {effort['seconds']:g} s for each size of batch, {effort['files']} files that the system has in"
        " its cache. Latency is that of single images, pooled over rounds; images/s and first verdict are medians, with"
        " the least and the greatest. First verdict counts from the start of the process, imports included.",
        "In onnxruntime a network alone computes its logit and nothing else. In torch it runs with channels last, keeps"
        " freed memory, and is read from the same file by way of the package onnx, which its memory and its first"
        " verdict include. A bundle also takes the sha256 of each file, as verdicts have it. Size on disk is that of"
        " the bundle, and of the network's file for a network alone.",
    ]
    return "<ul>" + "".join(f"<li>{line}</li>" for line in said) + "</ul>"


def _limits(figures: Mapping[str, Any]) -> str:
    said = [
        "Other data: these are images of these sources; other generators, framings and recompressions will give other"
        " figures, for each detector in its own way.",
        "Strangers: the groups keep an original and its fakes together, not all pictures of one person.",
        "Other machines: ratios of speed move with the processor, and two cores may be two threads of one.",
        "Other networks: ResNet-50, Xception and EfficientNet-B4 are missing as references of speed, since their code"
        " is not part of this program.",
    ]
    if figures["images"]["groups"] == "all":
        said.insert(0, "<strong>Unseen images: with --all a detector may meet what it was trained on.</strong>")
    if figures["effort"]["rounds"] == 1:
        said.insert(
            0, "<strong>Anything at all: with --quick, few images and short timings, figures mean little.</strong>"
        )
    return "<ul>" + "".join(f"<li>{line}</li>" for line in said) + "</ul>"


def _machine(machine: Mapping[str, Any]) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    said = (
        f"{machine['processor']}, {machine['cores_used']} cores in use, {machine['system']}, Python {machine['python']}"
    )
    return f"<p>{escape(said)}; {escape(libraries)}</p>"
