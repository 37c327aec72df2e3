"""A benchmark as one HTML file: tables, charts, what was done, and what it cannot show."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.metrics import METRICS, VERDICT_METRICS, curves
from pipelines.bench_charts import STYLE, Axis, Series, chart, decades
from pipelines.bench_quality import COMPARED, Contestant
from pipelines.bench_references import NOTE, REFERENCES
from pipelines.page import FIGURES, begin, end, interval, section, table

__all__ = ["page"]

_SHARES: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_BINS: Final = 10


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
            begin("fauxface benchmark", STYLE) + "<main>",
            f"<h1>Detectors side by side</h1>\n<p>{first}</p>",
            section("Pictures", f'<div class="charts">{"".join(_charts(figures, labels, contestants))}</div>'),
            section("How good they are", _quality(figures), _differences(figures)),
            section("What a verdict costs", _speed(figures), _scaling(figures)),
            section("What was done", _protocol(figures)),
            section("What it cannot show", _limits(figures)),
            section("Made by", f"<p><code>{escape(record['command'])}</code></p>", _machine(record["machine"])),
            "</main>" + end(),
        ]
    )


def _spread(values: Mapping[str, float], digits: int = 1) -> str:
    return f"{values['median']:,.{digits}f} <small>({values['min']:,.{digits}f} to {values['max']:,.{digits}f})</small>"


def _quality(figures: Mapping[str, Any]) -> str:
    quality = figures["quality"]
    rows = [
        [FIGURES[name], *(interval(found[name]) for found in quality.values())] for name in (*METRICS, *VERDICT_METRICS)
    ]
    return table("Figures with 95 % intervals", ["figure", *map(escape, quality)], rows)


def _differences(figures: Mapping[str, Any]) -> str:
    rows = [
        [f"{escape(pair['of'])} minus {escape(pair['over'])}", *(interval(pair[name], "+") for name in COMPARED)]
        for pair in figures["differences"]
    ]
    title = "Differences with paired 95 % intervals: one that excludes zero is more than chance"
    return table(title, ["pair", *(FIGURES[name] for name in COMPARED)], rows) if rows else ""


def _where(entry: Mapping[str, Any]) -> str:
    where = f"{entry['detector']}, {entry['runtime']}" + (", GPU" if entry["device"] == "cuda" else "")
    return f"{where} ({entry['note']})" if entry["note"] else where


def _speed(figures: Mapping[str, Any]) -> str:
    rows = [
        [
            escape(_where(entry)),
            *(f"{1e3 * entry['latency']['one'][share]:,.2f}" for share in ("p50", "p95", "p99")),
            *(_spread(entry["throughput"]["one"][batch]) for batch in ("batch_1", "batch_32")),
            _spread(entry["start"], 2),
            *(f"{entry['memory'][batch] / 1e6:,.0f}" for batch in ("batch_1", "batch_32")),
            "" if entry["size"] is None else f"{entry['size'] / 1e6:,.2f}",
        ]
        for entry in figures["speed"]
    ]
    head = [
        *("detector, where", "latency p50, ms", "p95", "p99", "images/s, batch 1", "batch 32", "first verdict, s"),
        *("peak memory, MB, batch 1", "batch 32", "on disk, MB"),
    ]
    return table("One process on one core, from reading a file to its verdict", head, rows)


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
    return table("Two processes side by side, a core each", head, rows)


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
    judged = [entry for entry in figures["speed"] if not entry["note"]]
    rates = [entry["throughput"]["one"]["batch_1"]["median"] for entry in judged]
    found = [figures["quality"][entry["detector"]]["auc"] for entry in judged]
    series = [
        Series(_where(entry), [(rate, auc["value"])], line=False, bars=[(rate, auc["low"], auc["high"])])
        for entry, rate, auc in zip(judged, rates, found, strict=True)
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
        f" take turns, {effort['seconds']:g} s (and one batch at least) for each size of batch, {effort['files']} files"
        " that the system has in its cache. Latency is that of single images, pooled over rounds; images/s and first"
        " verdict are medians, with the least and the greatest. First verdict counts from the start of the process,"
        " imports included.",
        "In onnxruntime a network alone computes its logit and nothing else. In torch it runs with channels last, keeps"
        " freed memory, and is read from the same file by way of the package onnx, which its memory and its first"
        " verdict include. A bundle also takes the sha256 of each file, as verdicts have it. Size on disk is that of"
        " the bundle, and of the network's file for a network alone.",
        *_references(figures),
    ]
    return "<ul>" + "".join(f"<li>{line}</li>" for line in said) + "</ul>"


def _references(figures: Mapping[str, Any]) -> list[str]:
    """Say what the references are, where there are any."""
    named = dict.fromkeys(entry["detector"] for entry in figures["speed"] if entry["note"])
    if not named:
        return []
    each = "; ".join(f"{name}: {REFERENCES[name].size} px, {REFERENCES[name].source}" for name in named)
    return [
        f"Networks by others are references: {NOTE}. They run in torch as a network alone does, with one logit and"
        " batch normalisation folded into the convolutions, from reading a file to the logit; images are brought to"
        " the usual size of each. Their first verdict is the first logit, and weights are drawn, not read."
        f" {each}."
    ]


def _limits(figures: Mapping[str, Any]) -> str:
    said = [
        "Other data: these are images of these sources; other generators, framings and recompressions will give other"
        " figures, for each detector in its own way.",
        "Strangers: the groups keep an original and its fakes together, not all pictures of one person.",
        "Other machines: ratios of speed move with the processor, and two cores may be two threads of one.",
        "Other networks: what those of others would find on these images was not measured.",
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
