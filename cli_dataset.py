"""The `dataset` commands of the command line: parse arguments, call one pipeline, print; nothing else."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipelines.console import Datasets, Fake, Real, Run, Status, command
from pipelines.render import Output, choose_format, write_rows

if TYPE_CHECKING:
    from pipelines.dataset import Sample

__all__ = ["dataset_app"]

dataset_app = typer.Typer(
    help="Look into data sets, gather and audit them, and make face crops of pictures.", rich_markup_mode=None
)
"""The commands below `dataset`."""


@command(dataset_app)
def describe(run: Run, datasets: Datasets, real: Real = None, fake: Fake = None) -> int:
    """Count images, sizes, formats, groups and duplicates."""
    from pipelines import dataset as task

    samples = task.read_dataset(datasets, real=real or (), fake=fake or ())
    run.write_record(task.describe(samples, workers=run.jobs).to_json())
    return Status.DONE


@command(dataset_app)
def crop(
    run: Run,
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="Data sets or whatever `score` takes: files, folders, zips."),
    ],
    out: Annotated[str, typer.Option(metavar="DIR", help="The folder for the crops and their manifest.csv.")],
    real: Real = None,
    fake: Fake = None,
) -> int:
    """Cut out faces in the framing of the training data."""
    from pipelines import crop as task

    with run.follow("crop") as progress:
        summary = task.crop(sources, out, real=real or (), fake=fake or (), workers=run.jobs, progress=progress)
    run.write_record(summary.to_json())
    return Status.of(summary.total, summary.failed)


def _write_manifest(run: Run, samples: "Sequence[Sample]") -> None:
    """Write a manifest where results go, and say how it splits."""
    from pipelines import collect

    run.write_rows(collect.manifest_rows(samples, run.output), collect.columns_of(samples))
    for line in collect.count_splits(samples):
        run.say(line)


@command(dataset_app)
def split(run: Run, datasets: Datasets, real: Real = None, fake: Fake = None) -> int:
    """Write a manifest with the split of every image, by group."""
    from pipelines.dataset import read_dataset

    _write_manifest(run, read_dataset(datasets, real=real or (), fake=fake or ()))
    return Status.DONE


@command(dataset_app)
def merge(run: Run, datasets: Datasets, real: Real = None, fake: Fake = None) -> int:
    """Write one manifest of several data sets, groups kept apart."""
    from pipelines import collect

    with run.follow("merge") as progress:
        merged = collect.merge(datasets, real=real or (), fake=fake or (), workers=run.jobs, progress=progress)
    _write_manifest(run, merged.samples)
    run.say(f"{merged.renamed:,} groups renamed, {merged.joined:,} joined, {merged.unreadable:,} images unreadable")
    return Status.of(len(merged.samples), merged.unreadable)


@command(dataset_app)
def dedupe(
    run: Run,
    datasets: Datasets,
    distance: Annotated[
        int, typer.Option(min=0, max=64, metavar="BITS", help="How far the hashes of one picture differ, of 256 bits.")
    ] = 12,
    dropped: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write what was left out, and why, there.")
    ] = None,
    real: Real = None,
    fake: Fake = None,
) -> int:
    """Write a manifest without duplicates and without pictures under both labels."""
    from pipelines import dedupe as task
    from pipelines.dataset import read_dataset

    samples = read_dataset(datasets, real=real or (), fake=fake or ())
    with run.follow("dedupe") as progress:
        found = task.dedupe(samples, distance=distance, workers=run.jobs, progress=progress)
    if dropped:
        with Output(dropped) as output:
            rows = (row._asdict() for row in found.dropped)
            write_rows(rows, choose_format(None, dropped), output, columns=task.Dropped._fields)
    _write_manifest(run, found.samples)
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in found.count().items()) or "nothing"
    run.say(f"left out: {reasons}; {found.joined:,} groups joined")
    return Status.of(len(samples), found.count().get("unreadable", 0))


@command(dataset_app)
def check(run: Run, datasets: Datasets, real: Real = None, fake: Fake = None) -> int:
    """Decode every image, a row for each that is broken."""
    from pipelines import dedupe as task
    from pipelines.dataset import read_dataset

    samples = read_dataset(datasets, real=real or (), fake=fake or ())
    with run.follow("check") as progress:
        broken = task.check(samples, workers=run.jobs, progress=progress)
    run.write_rows((row._asdict() for row in broken), task.Broken._fields)
    run.say(f"{len(samples):,} images, {len(broken):,} broken")
    return Status.of(len(samples), len(broken))


@command(dataset_app)
def audit(
    run: Run,
    datasets: Datasets,
    out: Annotated[str | None, typer.Option(metavar="FILE", help="Write the whole record there, as JSON.")] = None,
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="The most images of each class to decode, by sha256.")
    ] = 5000,
    fail_on: Annotated[
        Literal["warning", "problem"] | None, typer.Option(help="End with status 4 where one is found, or worse.")
    ] = None,
    real: Real = None,
    fake: Fake = None,
) -> int:
    """Look for leaks, shortcuts and imbalance, a row for each finding."""
    from pipelines import audit as task
    from pipelines.dataset import read_dataset

    samples = read_dataset(datasets, real=real or (), fake=fake or ())
    record = task.audit(samples, limit=limit, workers=run.jobs, follow=run.follow)
    if out:
        with Output(out) as output:
            output.write(json.dumps(record, indent=2) + "\n")
    run.write_rows(record["findings"], list(task.SHOWN), task.SHOWN)
    levels = Counter(record["levels"])
    run.say(", ".join(f"{count:,} {level}" for level, count in levels.items()))
    found = levels["problem"] + (levels["warning"] if fail_on == "warning" else 0)
    return Status.FOUND if fail_on and found else Status.DONE
