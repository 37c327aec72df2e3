"""Says how good detectors are on labelled images, how sure that is, and what they do not withstand."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from features.errors import BundleError, DatasetError
from models.bundle import CARD, Bundle, resolve
from models.card import model_card
from models.files import replace_file
from models.intervals import Resamples
from pipelines.engine_choice import LOCAL, Engine, Setup, open_engine
from pipelines.evaluation_figures import (
    Judged,
    confusion,
    curves_of,
    reliability,
    robustness,
    sources,
    whole_block,
)
from pipelines.evaluation_images import Chosen, Task, choose
from pipelines.evaluation_page import evaluation_page
from pipelines.evaluation_rows import AS_IT_IS, FACTS, Wanted, judge
from pipelines.machine import machine, named_apart, round_all
from pipelines.progress import Progress
from pipelines.robustness import LEVELS
from pipelines.score import load_detector
from pipelines.slices import slices

if TYPE_CHECKING:
    import pandas

__all__ = ["PAGE", "RECORD", "SCHEMA", "SHOWN", "Task", "evaluate", "table", "worst"]

SCHEMA: Final = "fauxface.evaluation/1"
"""Name and version of the record's form; it rises when a key changes its meaning."""

RECORD: Final = "evaluation.json"
"""The command, the machine and all figures."""

PAGE: Final = "evaluation.html"
"""The same to look at: one file that asks nothing of the network."""

SHOWN: Final = {
    "model": 10,
    "images": 24,
    "real": 6,
    "fake": 6,
    "auc": 6,
    "accuracy": 8,
    "tpr_at_fpr_1": 12,
    "ece": 6,
    "reals_called_fake": 17,
    "fakes_called_real": 17,
    "coverage": 8,
}
"""The columns of the table, and their widths."""

Follow = Callable[[str], AbstractContextManager[Progress]]


def evaluate(
    task: Task, out: str, *, follow: Follow, workers: int | None = None, engine: Setup = LOCAL
) -> dict[str, Any]:
    """Judge images with every model, and write RECORD and PAGE below `out`; goes on where an earlier run was stopped.

    Parameters
    ----------
    task : Task
        What is to be done.
    out : str
        The folder; rows are kept there too.
    follow : callable
        Makes what reports how far a step has come.
    workers : int, optional
        Processes; one a core by default. No figure depends on it.
    engine : Setup
        Where images are decoded and judged; no figure depends on it.

    Returns
    -------
    dict
        The record.

    Raises
    ------
    UnknownNameError, BundleError, FeatureMismatchError
        A model cannot be loaded, or may not get another card.
    DatasetError
        There is nothing to judge, or a card is wanted from other images than the test groups of the model's own data.
    WorkerError, OutputError
        No worker of a cluster is left, or one does not see the files; something cannot be written.
    """
    with open_engine(engine, workers) as opened:
        return _evaluate(task, out, follow, opened)


def _evaluate(task: Task, out: str, follow: Follow, engine: Engine) -> dict[str, Any]:
    paths = list(dict.fromkeys(str(resolve(model).absolute()) for model in task.models))
    bundles = [load_detector(path, task.faces).bundle for path in paths]
    trained_on = {source for bundle in bundles for source in _trained_on(bundle)}
    with follow("check") as progress:
        chosen = choose(task, trained_on, engine=engine, progress=progress)
    names = named_apart([bundle.name for bundle in bundles], [bundle.digest for bundle in bundles])
    models = []
    for name, path, bundle in zip(names, paths, bundles, strict=True):
        with follow(f"judge {name}") as progress:
            rows = judge(
                _wanted(chosen, task), Path(out), model=path, faces=task.faces, engine=engine, progress=progress
            )
        models.append({"name": name, **_describe(bundle), **_measure(chosen, rows, task)})
    found = {
        "schema": SCHEMA,
        "command": task.command(out),
        "machine": machine(),
        "protocol": {
            "groups": chosen.groups,
            **{name: getattr(task, name) for name in ("faces", "limit", "resamples", "seed")},
            "robustness": task.perturbed,
        },
        "warnings": list(chosen.warnings),
        "images": chosen.to_json(),
        "models": models,
    }
    record: dict[str, Any] = round_all(found)
    cards = {Path(path) / CARD: _card(bundle, record) for path, bundle in zip(paths, bundles, strict=True) if task.card}
    replace_file(Path(out) / RECORD, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
    replace_file(Path(out) / PAGE, evaluation_page(record).encode())
    for place, text in cards.items():
        replace_file(place, text.encode())
    return record


def _trained_on(bundle: Bundle) -> dict[str, int]:
    return dict(bundle.manifest["training"]["sources"])


def _describe(bundle: Bundle) -> dict[str, Any]:
    return {
        "digest": bundle.digest,
        "profile": bundle.feature_set.profile,
        "trained_on": _trained_on(bundle),
        "operating_points": bundle.points.to_json(),
    }


def _wanted(chosen: Chosen, task: Task) -> list[Wanted]:
    """Ask for every image as it is, and for those of the balanced part under every level."""
    perturbed = set(chosen.balanced.tolist()) if task.perturbed else set()
    return [
        Wanted(sample.path, digest, (AS_IT_IS, *LEVELS) if at in perturbed else (AS_IT_IS,))
        for at, (sample, digest) in enumerate(zip(chosen.samples, chosen.digests, strict=True))
    ]


def _measure(chosen: Chosen, rows: "pandas.DataFrame", task: Task) -> dict[str, Any]:
    """Turn the rows of one model into its part of the record."""
    by_key = dict(list(rows.groupby("key", sort=False)))
    drawn = Resamples.draw(chosen.groups_of_images, task.resamples, task.seed)
    everything, _ = _judged(chosen, by_key[AS_IT_IS], drawn)
    even = everything.balanced().redrawn(task.resamples, task.seed)
    record: dict[str, Any] = {
        "figures": {"balanced": whole_block(even) if even.has_both else None, "all": whole_block(everything)},
        "confusion": {"balanced": confusion(even) if even.has_both else None, "all": confusion(everything)},
        "reliability": reliability(even) if even.rated.has_both else None,
        "curves": curves_of(even) if even.rated.has_both else None,
        "slices": list(slices(everything)),
        "sources": sources(everything, task.resamples, task.seed),
        "robustness": None,
    }
    if task.perturbed:
        at = chosen.balanced
        drawn = Resamples.draw(chosen.groups_of_images[at], task.resamples, task.seed)
        found = [_judged(chosen.at(at), by_key[key], drawn) for key in LEVELS]
        levels = [(level, judged) for level, (judged, _) in zip(LEVELS.values(), found, strict=True)]
        record["robustness"] = robustness(even, levels, [lost for _, lost in found])
    return record


def _judged(chosen: Chosen, rows: "pandas.DataFrame", drawn: Resamples) -> tuple[Judged, int]:
    """Put the rows of one level, in the order of the images, beside what is known of them; counts those that failed."""
    facts = {name: rows[name].to_numpy(np.float64) for name in FACTS}
    judged = Judged(
        labels=np.array([sample.label for sample in chosen.samples], np.int64),
        probabilities=rows["probability"].to_numpy(np.float64),
        verdicts=rows["verdict"].to_numpy(np.str_),
        digests=np.array(chosen.digests),
        groups=chosen.groups_of_images,
        kinds=np.array([sample.kind for sample in chosen.samples]),
        sources=np.array([sample.source for sample in chosen.samples]),
        facts={**facts, "original_size": chosen.original_sizes},
        drawn=drawn,
    )
    sound = (rows["error"] == "").to_numpy()
    return (judged if sound.all() else judged.at(sound)), int(np.sum(~sound))


def _card(bundle: Bundle, record: Mapping[str, Any]) -> str:
    """Write the card of a bundle; what was judged has to be the test part of its own data."""
    if CARD in bundle.manifest["files"]:
        raise BundleError(f"{bundle.name} vouches for its card, as bundles of version 1 do; it cannot get another")
    part = bundle.manifest["training"]["rows"]["test"]
    judged = {name: record["images"][name] for name in part}
    if record["protocol"]["groups"] != "test" or judged != part:
        raise DatasetError(
            f"the card of {bundle.name} tells of the test groups of its own data, {part['real']} real and"
            f" {part['fake']} fake images; judged were {judged['real']} and {judged['fake']}"
        )
    (own,) = (model for model in record["models"] if model["digest"] == bundle.digest)
    return model_card(bundle.manifest, {**record, "model": own})


def table(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give rows of SHOWN: each model on everything, balanced where both classes are there, then on each data set."""
    for model in record["models"]:
        first = model["figures"]["balanced"] or model["figures"]["all"]
        yield _row(model["name"], "balanced" if model["figures"]["balanced"] else "all", first)
        for source in model["sources"]:
            yield _row(model["name"], source["source"], source)


def worst(record: Mapping[str, Any]) -> Iterator[str]:
    """Say of each model under which perturbation it was worst."""
    for model in record["models"]:
        for figure, found in (model["robustness"] or {"worst": {}})["worst"].items():
            if found:
                yield f"{model['name']}: worst {figure}, {found['value']['value']:.4f}, under {found['name']}"


def _row(model: str, images: str, found: Mapping[str, Any]) -> dict[str, Any]:
    measured = {name: found[name]["value"] for name in SHOWN if name not in ("model", "images", "real", "fake")}
    return {"model": model, "images": images, "real": found["real"], "fake": found["fake"], **measured}
