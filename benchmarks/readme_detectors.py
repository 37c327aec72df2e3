"""The figures of README.md that stand detectors side by side, and what evaluations and explanations showed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from benchmarks.markdown import interval, paragraph, source, table
from benchmarks.sources import FiguresError, Sources

__all__ = ["BLOCKS", "ELSEWHERE", "SIDE_BY_SIDE", "TESTED", "milliseconds_of", "quality_of", "strangers"]

SIDE_BY_SIDE: Final = "benchmark/benchmark"
"""The result of `python cli.py benchmark`."""

TESTED: Final = "evaluation/evaluation"
"""That of `evaluate` on the test groups."""

ELSEWHERE: Final = "elsewhere/evaluation"
"""That of `evaluate` on photographs and forgeries from elsewhere."""

_QUALITY: Final = {"auc": "AUC", "accuracy": "accuracy", "tpr_at_fpr_1": "TPR at 1 % FPR", "eer": "EER"}
_WORST: Final = {"auc": "AUC", "accuracy": "accuracy", "reals_called_fake": "reals called fake"}


def quality_of(sources: Sources, detector: str) -> dict[str, Any]:
    """Take the figures of one detector from the comparison of all."""
    return dict(_compared(sources)["quality"][detector])


def milliseconds_of(sources: Sources, detector: str) -> float:
    """Take the median milliseconds of a verdict from the comparison of all detectors, one core, one image at a time."""
    entries = _compared(sources)["speed"]
    return 1000 * min(float(entry["latency"]["one"]["p50"]) for entry in entries if entry["detector"] == detector)


def strangers(sources: Sources, detector: str) -> tuple[tuple[int, float], tuple[int, float]]:
    """Count FFHQ's photographs, and the share that a detector calls fake; StyleGAN's faces, and what it calls real."""
    models = sources.result(ELSEWHERE)["models"]
    _require(sources, [(model["name"], model["digest"]) for model in models], ELSEWHERE)
    (found,) = (model for model in models if model["name"] == detector)
    verdicts = found["confusion"]["all"]["verdicts"]
    counts = {label: sum(verdicts[label].values()) for label in ("real", "fake")}
    wrong = {label: verdicts[label][other] / counts[label] for label, other in (("real", "fake"), ("fake", "real"))}
    return (counts["real"], wrong["real"]), (counts["fake"], wrong["fake"])


def _compared(sources: Sources) -> dict[str, Any]:
    figures = sources.result(SIDE_BY_SIDE)
    _require(sources, [(found["name"], found["sha256"]) for found in figures["detectors"]], SIDE_BY_SIDE)
    return figures


def _detectors(sources: Sources) -> str:
    figures = _compared(sources)
    images = figures["images"]["test"]
    quality = [
        (f"`{name}`", *(f"{found[key]['value']:.3f} ({interval(found[key])})" for key in _QUALITY))
        for name, found in figures["quality"].items()
    ]
    pairs = [
        (f"`{pair['of']}` over `{pair['over']}`", *(_signed(pair.get(key)) for key in _QUALITY))
        for pair in figures["differences"]
    ]
    return "\n\n".join(
        [
            paragraph(
                f"The same {images['real']:,} real and {images['fake']:,} fake images of the test groups, judged in",
                "one run; differences from paired resamples. The network alone is calibrated on the same groups.",
            ),
            table(("detector", *_QUALITY.values()), quality),
            table(("difference", *_QUALITY.values()), pairs),
            paragraph(
                "From reading a file to its verdict, one core, one image at a time; medians and, in the last column,",
                f"start to first verdict ({sources.machine(SIDE_BY_SIDE)}). ResNet-50, Xception and EfficientNet-B4",
                "are there for their speed only: their weights are random.",
            ),
            table(("detector", "runtime", "ms, median", "ms, 99 %", "images a second", "start, s"), _speeds(figures)),
            source(sources.command(SIDE_BY_SIDE), f"benchmarks/results/{SIDE_BY_SIDE}.json"),
        ]
    )


def _speeds(figures: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            f"`{entry['detector']}`",
            entry["runtime"],
            f"{1000 * entry['latency']['one']['p50']:.2f}",
            f"{1000 * entry['latency']['one']['p99']:.2f}",
            f"{entry['throughput']['one']['batch_1']['median']:.0f}",
            f"{entry['start']['median']:.2f}",
        )
        for entry in sorted(figures["speed"], key=lambda entry: float(entry["latency"]["one"]["p50"]))
    ]


def _signed(figure: Mapping[str, float] | None) -> str:
    return "" if figure is None else f"{figure['value']:+.4f} ({figure['low']:+.4f} to {figure['high']:+.4f})"


def _require(sources: Sources, judged: Sequence[tuple[str, str]], name: str) -> None:
    """Refuse a result of other detectors than those that ship."""
    for model, digest in judged:
        shipped = sources.digest_of(model)
        if shipped is not None and shipped != digest:
            raise FiguresError(f"{name}.json judged another {model} than the one that ships; run it again")


def _evaluation(sources: Sources) -> str:
    record, elsewhere = sources.result(TESTED), sources.result(ELSEWHERE)
    for found, name in ((record, TESTED), (elsewhere, ELSEWHERE)):
        _require(sources, [(model["name"], model["digest"]) for model in found["models"]], name)
    names = [f"`{model['name']}`" for model in record["models"]]
    kept = [_calibrated(model) for model in record["models"]]
    worst = [
        (f"{title}: {model['robustness']['worst'][key]['name']}", f"`{model['name']}`", _worst(model, key))
        for model in record["models"]
        for key, title in _WORST.items()
    ]
    return "\n\n".join(
        [
            "Calibration and operating points on the test groups, balanced; reals and fakes of all rows:",
            table(("figure", *names), list(zip(_CALIBRATED, *kept, strict=True))),
            paragraph(
                "AUC after what platforms and people do to images, the mildest and the strongest of five levels each,",
                "applied to both classes alike:",
            ),
            table(("perturbation", *names), _robustness(record["models"])),
            "The worst of all levels, beside the same images as they are:",
            table(("worst", "detector", "value (as they are)"), worst),
            source(sources.command(TESTED), f"benchmarks/results/{TESTED}.json"),
            paragraph(
                "Photographs and forgeries of another kind: FFHQ's photographs and StyleGAN's faces, 300 each, found",
                "and framed with `--faces auto`. StyleGAN's are no face swaps; nothing here was trained on their like.",
            ),
            table(
                ("figure", *(f"`{model['name']}`" for model in elsewhere["models"])), _elsewhere(elsewhere["models"])
            ),
            source(sources.command(ELSEWHERE), f"benchmarks/results/{ELSEWHERE}.json"),
        ]
    )


_CALIBRATED: Final = (
    "expected calibration error",
    "reals called fake (meant: 1 %)",
    "fakes called real (meant: 5 %)",
    "coverage",
    "accuracy of verdicts",
)


def _calibrated(model: Mapping[str, Any]) -> list[str]:
    balanced, whole = model["figures"]["balanced"], model["figures"]["all"]
    return [
        f"{balanced['ece']['value']:.3f} ({interval(balanced['ece'])})",
        _share(whole["reals_called_fake"]),
        _share(whole["fakes_called_real"]),
        _share(balanced["coverage"]),
        _share(balanced["verdict_accuracy"]),
    ]


def _share(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.1%} ({figure['low']:.1%} to {figure['high']:.1%})"


def _robustness(models: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    levels = {(level["perturbation"], level["level"]): level["name"] for level in models[0]["robustness"]["levels"]}
    rows = [("as they are", *(f"{model['robustness']['baseline']['auc']['value']:.3f}" for model in models))]
    for perturbation in dict.fromkeys(kind for kind, _ in levels):
        for level in (1, 5):
            found = [_level(model, perturbation, level) for model in models]
            rows.append((levels[perturbation, level], *(f"{entry['auc']['value']:.3f}" for entry in found)))
    return rows


def _level(model: Mapping[str, Any], perturbation: str, level: int) -> Mapping[str, Any]:
    return next(
        entry
        for entry in model["robustness"]["levels"]
        if (entry["perturbation"], entry["level"]) == (perturbation, level)
    )


def _worst(model: Mapping[str, Any], key: str) -> str:
    worst, before = model["robustness"]["worst"][key]["value"], model["robustness"]["baseline"][key]
    return f"{worst['value']:.3f} ({before['value']:.3f})"


def _elsewhere(models: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    whole = [model["figures"]["all"] for model in models]
    verdicts = [model["confusion"]["all"]["verdicts"] for model in models]

    def told(label: str, *names: str) -> list[str]:
        return [f"{sum(found[label][name] for name in names) / sum(found[label].values()):.1%}" for found in verdicts]

    return [
        ("FFHQ: photographs called fake", *(_share(found["reals_called_fake"]) for found in whole)),
        ("FFHQ: photographs that get a verdict", *told("real", "real", "fake")),
        ("StyleGAN: called fake", *told("fake", "fake")),
        ("StyleGAN: called real", *told("fake", "real")),
        ("AUC between them", *(f"{found['auc']['value']:.3f}" for found in whole)),
    ]


def _evidence(sources: Sources) -> str:
    rows = []
    for name in ("fast", "full"):
        figures = sources.result(f"evidence_{name}")
        _require(sources, [(name, figures["model"]["digest"])], f"evidence_{name}")
        for title, kind in (("the map", "forged"), ("its change by the forgery", "change")):
            found = figures[kind]["all"]
            rows.append(
                (
                    f"`{name}`: {title}",
                    f"{found['inside']['mean']:.1%}",
                    f"{found['inside_of_mean_map']['mean']:.1%}",
                    f"{found['area']['mean']:.1%}",
                    "{:.3f} ({:.3f} to {:.3f})".format(found["auc"]["mean"], *found["auc"]["interval"]),
                )
            )
    figures = sources.result("evidence_fast")
    return "\n\n".join(
        [
            paragraph(
                f"Whether the map shows where: patches of {figures['faces']} real test faces were altered at random",
                "places and sizes. Share of all evidence for fake that lies inside the altered patch, beside that of",
                "the mean map of the other images and the patch's area; AUC of the map's values for the patch (0.5 is",
                "chance):",
            ),
            table(("map", "inside", "inside, mean map", "area", "AUC"), rows),
            "Where the interval holds 0.5, the map says what the detector weighed, not where a picture was altered.",
            source("python -m benchmarks.evidence", "benchmarks/results/evidence_fast.json"),
        ]
    )


def _fusion(sources: Sources) -> str:
    figures = sources.result("fusion")
    _require(sources, [("full", figures["bundle"])], "fusion")
    images = figures["images"]
    rows = [
        (way, f"{found['auc']['value']:.4f} ({interval(found['auc'], 4)})", _signed(gain["auc"]) if gain else "")
        for way, found in figures["ways"].items()
        for gain in [figures["over_network_alone"].get(way)]
    ]
    return "\n\n".join(
        [
            paragraph(
                f"Ways to decide together, AUC on the calibration groups ({images['real']:,} real, {images['fake']:,}",
                "fake), which nothing was fitted on:",
            ),
            table(("way", "AUC", "over the network alone"), rows),
            source("python -m benchmarks.fusion", "benchmarks/results/fusion.json"),
        ]
    )


def _families(sources: Sources) -> str:
    figures = sources.result("ablation_full")
    rows = [
        (f"`{name}`", f"{found['blocks']}", f"{found['auc_alone']:.3f}", f"{found['auc_lost_without']:+.4f}")
        for name, found in figures["families"].items()
    ]
    return "\n\n".join(
        [
            paragraph(
                f"The families of profile `full`: small boosters, {figures['seeds']} seeds each, fitted on groups that",
                f"the network never saw ({figures['rows']['fit']:,} images) and judged on others",
                f"({figures['rows']['judge']:,}). All together: {figures['auc']['mean']:.4f}; the draw of rows and",
                f"columns alone moves the last column by {figures['noise']:.4f}.",
            ),
            table(("family", "blocks", "AUC alone", "AUC lost without"), rows),
            source("python -m benchmarks.ablation", "benchmarks/results/ablation_full.json"),
        ]
    )


BLOCKS: Final[Mapping[str, Callable[[Sources], str]]] = {
    "detectors": _detectors,
    "evaluation": _evaluation,
    "fusion": _fusion,
    "families": _families,
    "evidence": _evidence,
}
"""What writes each of these figures of README.md."""
