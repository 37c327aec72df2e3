"""The `dataset` commands of the command line: parse arguments, call one pipeline, print; nothing else."""

from typing import Annotated

import typer

from pipelines.console import Datasets, Fake, Real, Run, Status, command

__all__ = ["dataset_app"]

dataset_app = typer.Typer(help="Look into data sets, and make face crops of pictures.", rich_markup_mode=None)
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
        list[str], typer.Argument(metavar="SOURCE", help="Data sets, or whatever `score` takes: files, folders, zips.")
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
