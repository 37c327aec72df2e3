"""An evaluation as one HTML file: headline, curves, counts, slices, robustness, and what it cannot show."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pipelines.bench_charts import STYLE
from pipelines.evaluation_charts import curves, robustness, slices
from pipelines.page import FIGURES, begin, end, interval, safe, section, table

__all__ = ["evaluation_page"]

Record = Mapping[str, Any]

_HEADLINE: Final = ("auc", "accuracy", "tpr_at_fpr_1", "reals_called_fake", "coverage", "ece")
_MATRIX: Final = ("auc", "reals_called_fake", "coverage")
_MORE: Final = ("accuracy", "balanced_accuracy", "tpr_at_fpr_1", "fakes_called_real", "ece")

_CSS: Final = """
.head { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.4rem, 1fr)); gap: .75rem; margin: 0 0 1rem; }
.head div { background: var(--bed); border-left: .35rem solid var(--c0); padding: .4rem .9rem; }
.head dt { font-size: .9rem; min-height: 3em; }
.head dd { margin: 0; font-size: 1.4rem; font-variant-numeric: tabular-nums; }
.head small { display: block; font-size: .85rem; color: var(--soft); }
.pair { display: flex; flex-wrap: wrap; gap: 0 3rem; }
.pair .wide { max-width: 100%; }
.warn { border-left: .35rem solid var(--c1); background: var(--bed); padding: .5rem .5rem .5rem 1.6rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; list-style: none; }
a { color: var(--focus); }
nav a { display: inline-block; padding: .3rem 0; }
summary { padding: .3rem 0; cursor: pointer; }
figure summary { font-size: .9rem; }
figcaption::first-letter { text-transform: uppercase; }
"""


def evaluation_page(record: Record) -> str:
    """Write the page of an evaluation.

    Parameters
    ----------
    record : mapping
        As `evaluate` gives it, and as it stands in evaluation.json.
    """
    models = record["models"]
    parts = {
        "headline": ("Headline", [*map(_headline, models), _quality(models)]),
        "curves": ("Curves", [_charts(curves(models)), _ON_BALANCED]),
        "counts": ("What was called what", [_confusion(model) for model in models]),
        "matrix": ("Detectors and data sets", _matrix(models)),
        "slices": ("Slices", [_charts(slices(models))]),
        "robustness": ("Robustness", _robustness(models)),
        "protocol": ("What was done", [_protocol(record), _failures(record)]),
        "limits": ("What it cannot show", [_limits()]),
        "made": ("Made by", [f"<p><code>{safe(record['command'])}</code></p>", _machine(record["machine"])]),
    }
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, (title, _) in parts.items())
    return "\n".join(
        [
            begin("fauxface evaluation", STYLE + _CSS),
            '<a class="skip" href="#headline">Skip to the figures</a>',
            f"<header><h1>Evaluation of {safe(', '.join(model['name'] for model in models))}</h1>",
            f'<p>{_judged(record)}</p>\n<nav aria-label="Contents"><ul>{links}</ul></nav></header>\n<main>',
            _list(map(safe, record["warnings"]), "warn"),
            *(section(title, *held, name=name) for name, (title, held) in parts.items()),
            "</main>" + end(),
        ]
    )


_ON_BALANCED: Final = "<p>All curves are of the balanced images: as many fakes as reals.</p>"


_GROUPS: Final = {
    "test": "test groups",
    "all": "all groups of data sets that no detector here was trained on",
    "mixed": "all groups of data sets that no detector here was trained on, test groups of the others",
}


def _judged(record: Record) -> str:
    images, groups = record["images"], _GROUPS[record["protocol"]["groups"]]
    sources = ", ".join(safe(name) for name in images["sources"])
    return (
        f"{images['real']:,} real and {images['fake']:,} fake images of {sources}, {groups}, in {images['groups']:,}"
        " groups. Every figure has its 95 % interval, from a bootstrap over groups."
    )


def _list(lines: Iterable[str], kind: str = "plain") -> str:
    items = "".join(f"<li>{line}</li>" for line in lines)
    return f'<ul class="{kind}">{items}</ul>' if items else ""


def _charts(figures: Iterable[str]) -> str:
    drawn = "".join(figures)
    return f'<div class="charts">{drawn}</div>' if drawn else "<p>Nothing to draw: one class, or one part, only.</p>"


def _headline(model: Record) -> str:
    found = model["figures"]["balanced"] or model["figures"]["all"]
    what = "balanced images" if model["figures"]["balanced"] else "all images, of one class"
    boxes = "".join(f"<div><dt>{FIGURES[name]}</dt><dd>{interval(found[name])}</dd></div>" for name in _HEADLINE)
    return (
        f"<h3>{safe(model['name'])}</h3>\n<p>On {found['rows']:,} {what}. Always naming the larger class would be"
        f' right for {found["majority"]:.3f} of them.</p>\n<dl class="head">{boxes}</dl>'
    )


def _quality(models: Sequence[Record]) -> str:
    parts = [
        (model, part, found) for model in models for part in ("balanced", "all") if (found := model["figures"][part])
    ]
    head = ["figure", *(safe(f"{model['name']}, {part}") for model, part, _ in parts)]
    rows = [
        *([said, *(interval(found[name]) for *_, found in parts)] for name, said in FIGURES.items()),
        ["accuracy of always naming the larger class", *(f"{found['majority']:.3f}" for *_, found in parts)],
        *(
            [said, *(f"{found[name]:,}" for *_, found in parts)]
            for name, said in (
                ("real", "real images"),
                ("fake", "fake images"),
                ("groups", "groups"),
                ("no_face", "images without a face"),
            )
        ),
    ]
    return table("All figures with 95 % intervals", head, rows)


def _confusion(model: Record) -> str:
    """Tabulate the balanced images, and all images in a part that unfolds, unless they are all there is."""
    even, every = (model["confusion"][part] for part in ("balanced", "all"))
    points = model["operating_points"]
    names = {
        "verdicts": f"Verdicts: fake from {points['fake_from']:.4f}, real below {points['real_below']:.4f}",
        "half": "One point: fake from 0.5",
    }
    told, folded = (
        f'<div class="pair">{"".join(_counts(said, found[kind]) for kind, said in names.items())}</div>'
        for found in (even or every, every)
    )
    more = f"<details><summary>{safe(model['name'])}: all images</summary>{folded}</details>" if even else ""
    return f"<h3>{safe(model['name'])}, {'balanced' if even else 'all'} images</h3>\n{told}{more}"


def _counts(caption: str, found: Mapping[str, Mapping[str, int]]) -> str:
    """Tabulate what images of each class were called, and the share of the class."""
    columns = [
        name for name in next(iter(found.values())) if name != "no_face" or any(row[name] for row in found.values())
    ]
    rows = [
        [
            f"{name} images",
            *(f"{row[column]:,} <small>({_share(row[column], sum(row.values()))})</small>" for column in columns),
        ]
        for name, row in found.items()
    ]
    return table(caption, ["", *(f"called {column.replace('_', ' ')}" for column in columns)], rows)


def _share(part: int, total: int) -> str:
    return f"{100 * part / total:.1f} %" if total else "none"


def _matrix(models: Sequence[Record]) -> list[str]:
    more = "".join(_of_sources(models, name) for name in _MORE)
    return [
        *(_of_sources(models, name) for name in _MATRIX),
        f"<details><summary>Further figures of each data set</summary>{more}</details>",
        "<p>A data set with both classes is balanced; one with a single class defines only some figures.</p>",
    ]


def _of_sources(models: Sequence[Record], name: str) -> str:
    held = [{source["source"]: source for source in model["sources"]} for model in models]
    first = held[0]
    rows = [
        [
            f"{safe(source)} <small>({found['real']:,} real, {found['fake']:,} fake)</small>",
            *(interval(own[source][name]) if source in own else "not judged" for own in held),
        ]
        for source, found in first.items()
    ]
    return table(FIGURES[name], ["data set", *(safe(model["name"]) for model in models)], rows)


def _robustness(models: Sequence[Record]) -> list[str]:
    tried = [model for model in models if model["robustness"]]
    if not tried:
        return ["<p>Perturbed images were not judged.</p>"]
    return [
        "<p>The balanced images, perturbed alike in both classes and judged at the same thresholds. Bands are 95 %"
        " intervals.</p>",
        _list(line for model in tried for line in _worst(model)),
        _charts(robustness(tried)),
    ]


def _worst(model: Record) -> list[str]:
    base, worst = model["robustness"]["baseline"], model["robustness"]["worst"]
    return [
        f"<strong>{safe(model['name'])}, worst {FIGURES[name].partition(' (')[0]}</strong>:"
        f" {interval(found['value'])} under {safe(found['name'])}; {interval(base[name])} as they are."
        for name, found in worst.items()
        if found
    ]


def _protocol(record: Record) -> str:
    protocol, images = record["protocol"], record["images"]
    left = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in images["left_out"].items())
    faces = (
        "Every image was judged whole" if protocol["faces"] == "off" else "Of every image its largest face was judged"
    )
    limit = f", at most {protocol['limit']:,} images" if protocol["limit"] else ""
    said = [
        f"{faces}{limit}, each content once. Left out: {left}.",
        f"Intervals: percentiles of {protocol['resamples']:,} bootstrap resamples of whole groups (seed"
        f" {protocol['seed']}).",
        "Balanced: as many fakes as reals, those of lowest sha256. Accuracy is that of probability &gt;= 0.5; verdicts"
        " are those of the operating points that each detector brings along. Neither was chosen on these images.",
        *(
            f"{safe(model['name'])}: profile {safe(model['profile'])}, digest"
            f" <code>{safe(model['digest'])}</code>, trained on {_sources(model['trained_on'])}."
            for model in record["models"]
        ),
    ]
    return _list(said)


def _sources(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{safe(name)} ({count:,})" for name, count in counts.items())


def _failures(record: Record) -> str:
    failed = record["images"]["failures"]
    if not failed:
        return ""
    rows = [[f"<bdi>{safe(one['path'])}</bdi>", safe(one["message"])] for one in failed]
    told = table("Images that could not be judged", ["path", "why"], rows)
    return f"<details><summary>Images that could not be judged: {len(failed):,}</summary>{told}</details>"


def _limits() -> str:
    said = [
        "Other data: these are images of these sources; other generators, framings and recompressions will give other"
        " figures.",
        "Strangers: groups keep an original and its fakes together, not all pictures of one person.",
        "Other perturbations: each was applied alone, at the levels shown; what people do to images combines them.",
        "Chance raises the calibration error of few images, and more so that of resamples.",
    ]
    return _list(said)


def _machine(machine: Record) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    said = (
        f"{machine['processor']}, {machine['cores_used']} cores in use, {machine['system']}, Python {machine['python']}"
    )
    return f"<p>{safe(said)}; {safe(libraries)}</p>"
