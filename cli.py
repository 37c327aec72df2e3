"""The command line: parse arguments, call one pipeline, print; nothing else.

Nothing numeric is imported here, so that `--help` answers at once; each command imports its pipeline when it runs.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli_dataset import dataset_app
from cli_forge import forge_app
from cli_measure import measure_app
from cli_serve import serve_app
from cli_store import store_app
from pipelines import __version__
from pipelines.console import (
    HELP,
    Datasets,
    EngineName,
    Every,
    Fake,
    MaxFpr,
    MaxFrames,
    MaxMiss,
    Memory,
    Model,
    Prior,
    Real,
    Run,
    Scheduler,
    ShardTimeout,
    Status,
    Without,
    command,
    run_app,
)
from pipelines.render import Output, Row, choose_format, write_rows

if TYPE_CHECKING:
    from models.verdict import Verdict

__all__ = ["app", "main"]

app = typer.Typer(
    help="Tell deepfake face images from authentic ones.",
    add_completion=False,
    context_settings=HELP,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
bundle_app = typer.Typer(help="Look into trained detectors.", rich_markup_mode=None)
app.add_typer(measure_app)
app.add_typer(forge_app)
app.add_typer(serve_app)
app.add_typer(store_app)
app.add_typer(dataset_app, name="dataset")
app.add_typer(bundle_app, name="bundle")


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"fauxface {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and end.")
    ] = False,
) -> None:
    pass


@command(app)
def demo(
    run: Run,
    out: Annotated[str, typer.Option(metavar="DIR", help="Where the corpus and the results go.")] = "runs/demo",
    model: Model = "fast",
) -> int:
    """Walk the whole path in a minute: make a corpus, extract, train, score."""
    from pipelines import demo as task

    run.write_record(task.demo(out, model=model, workers=run.jobs, say=run.say))
    return Status.DONE


@command(app)
def extract(
    run: Run,
    datasets: Datasets,
    out: Annotated[str, typer.Option(metavar="CACHE", help="The feature store to make or to go on with.")],
    profile: Annotated[str, typer.Option(metavar="NAME", help="What to measure: fast or full.")] = "fast",
    network: Annotated[
        str | None, typer.Option(metavar="DIR|BUNDLE", help="The network of profile full; else that of model full.")
    ] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the network computes.")] = "cpu",
    faces: Annotated[
        Literal["auto", "off"], typer.Option(help="Measure the largest face in every image, or every image whole.")
    ] = "off",
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Measure training images in this form too: mirror, shared, resized, shared-2."
        ),
    ] = None,
    engine: EngineName = "local",
    scheduler: Scheduler = None,
    shard_timeout: ShardTimeout = None,
    real: Real = None,
    fake: Fake = None,
    errors: Annotated[str | None, typer.Option(metavar="FILE", help="Write the images that failed there.")] = None,
) -> int:
    """Measure data sets and cache the features; resumes."""
    from pipelines import extract as task
    from pipelines.dataset import read_dataset
    from pipelines.engine_choice import Setup

    samples = read_dataset(datasets, real=real or (), fake=fake or ())
    with run.follow("extract") as progress:
        summary = task.extract(
            samples,
            out,
            profile=profile,
            network=network,
            device=device,
            faces=faces,
            variants=variant or (),
            workers=run.jobs,
            engine=Setup(engine, scheduler, shard_timeout),
            progress=progress,
            say=run.say,
        )
    if errors:
        with Output(errors) as output:
            write_rows(task.failures(out), choose_format(None, errors), output, columns=("path", "error"))
    run.write_record(summary.to_json())
    return Status.of(summary.total, summary.failed)


@command(app)
def train(
    run: Run,
    cache: Annotated[str, typer.Argument(metavar="CACHE", help="A feature store.")],
    out: Annotated[str, typer.Option(metavar="BUNDLE", help="The folder to write the detector to.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What the detector is called.")] = None,
    without: Without = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The same cache and seed give the same detector.")] = 0,
    engine: EngineName = "local",
    scheduler: Scheduler = None,
    memory: Memory = None,
) -> int:
    """Fit, calibrate and test a detector on cached features."""
    from pipelines import train as task
    from pipelines.engine_choice import Setup

    with run.follow("train") as progress:
        task.train(
            cache,
            out,
            name=name,
            without=without or (),
            seed=seed,
            threads=run.jobs or 0,
            engine=Setup(engine, scheduler),
            memory=None if memory is None else memory * 1e9,
            progress=lambda done, total, _: progress(done, total),
            say=run.say,
        )
    run.write_record({"bundle": out, **task.summary(out)})
    return Status.DONE


@command(app)
def train_network(
    run: Run,
    datasets: Datasets,
    out: Annotated[str, typer.Option(metavar="DIR", help="The folder to write the network to; resumes.")],
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")] = "auto",
    minutes: Annotated[float, typer.Option(min=0, metavar="N", help="About how long it may take.")] = 60.0,
    init: Annotated[
        str | None, typer.Option(metavar="BUNDLE|CHECKPOINT", help="Go on from this network, not from ImageNet's.")
    ] = None,
    without: Without = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of batches, augmentation and dropout.")] = 0,
    real: Real = None,
    fake: Fake = None,
) -> int:
    """Fine-tune the network on data sets, with a head of its own for forgeries; resumes."""
    from pipelines import train_network as task
    from pipelines.dataset import read_dataset

    samples = read_dataset(datasets, real=real or (), fake=fake or ())
    with run.follow("train-network") as progress:
        record = task.train_network(
            samples,
            out,
            init=init,
            without=without or (),
            device=device,
            minutes=minutes,
            seed=seed,
            threads=run.jobs,
            progress=progress,
            say=run.say,
        )
    run.write_record({"network": out, **record})
    return Status.DONE


@command(app)
def score(
    run: Run,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Files, folders, globs, zips, @LIST, or - for standard input."),
    ],
    model: Model = "fast",
    faces: Annotated[
        Literal["auto", "off"], typer.Option(help="Find every face, a row each, or score every image whole.")
    ] = "auto",
    ordered: Annotated[bool, typer.Option("--ordered", help="Rows in the order of the inputs.")] = False,
    fail_on: Annotated[Literal["fake"] | None, typer.Option(help="End with status 4 where one is found.")] = None,
    prior: Prior = None,
    max_fpr: MaxFpr = None,
    max_miss: MaxMiss = None,
    engine: EngineName = "local",
    scheduler: Scheduler = None,
    shard_timeout: ShardTimeout = None,
    every: Every = 0.2,
    max_frames: MaxFrames = 300,
    report: Annotated[
        str | None, typer.Option(metavar="FILE.html", help="Write the rows as a page too, with small pictures.")
    ] = None,
) -> int:
    """Give verdicts on the faces in images and clips, a row each."""
    from pipelines import score as task
    from pipelines.engine_choice import Setup
    from pipelines.inputs import ALL, STDIN, expand
    from pipelines.video_jobs import Sampling, columns_of

    lazy = STDIN in paths and run.jobs == 1  # then rows come while paths are still being written
    inputs = expand(paths, suffixes=ALL) if lazy else list(expand(paths, suffixes=ALL))
    tally: Counter[str] = Counter()  # of rows: one of an input that failed, at least one of any other

    def rows(verdicts: "Iterable[Verdict]") -> Iterator[Row]:
        for verdict in verdicts:
            tally[verdict.verdict or "failed"] += 1
            yield verdict.to_json()

    with run.follow("score") as progress:
        verdicts = task.score(
            inputs,
            model=model,
            faces=faces,
            workers=run.jobs,
            engine=Setup(engine, scheduler, shard_timeout),
            ordered=ordered,
            prior=prior,
            max_fpr=max_fpr,
            max_miss=max_miss,
            sampling=Sampling(every, max_frames, pictures=report is not None),
            say=run.say,
            progress=progress,
        )
        if report:
            from pipelines.report import Terms, reported

            points = task.load_detector(model, faces, "cpu", max_fpr, max_miss).bundle.points
            verdicts = reported(verdicts, report, Terms(points, max_fpr, max_miss, prior))
        run.write_rows(rows(verdicts), *columns_of(inputs, task.COLUMNS, task.SHOWN))
    run.say(", ".join(f"{count:,} {name}" for name, count in sorted(tally.items())) or "no images were named")
    return Status.FOUND if fail_on and tally[fail_on] else Status.of(tally.total(), tally["failed"])


@command(app)
def explain(
    run: Run,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Whatever `score` takes.")],
    model: Model = "fast",
    faces: Annotated[
        Literal["auto", "off"], typer.Option(help="Find every face, a row each, or explain every image whole.")
    ] = "auto",
    out: Annotated[
        str | None, typer.Option(metavar="DIR", help="Write a page and a picture of every image there.")
    ] = None,
) -> int:
    """Say why: what speaks for fake and for real, in words, in numbers and on a map."""
    from pipelines import explain as task
    from pipelines.inputs import expand

    failed: list[bool] = []

    def rows(found: Iterable[Row]) -> Iterator[Row]:
        for row in found:
            failed.append(row["verdict"]["error"] is not None)
            yield row

    with run.follow("explain") as progress:
        found = task.explain(expand(images), model=model, faces=faces, out=out, workers=run.jobs, progress=progress)
        run.write_rows(rows(found), task.COLUMNS, task.SHOWN)
    return Status.of(len(failed), sum(failed))


BundleArgument = Annotated[str, typer.Argument(metavar="NAME|PATH", help="A detector that ships, or a bundle.")]


@command(bundle_app)
def inspect(run: Run, path: BundleArgument) -> int:
    """Show what a detector says of itself, without loading it."""
    from models import bundle

    run.write_record(bundle.inspect(bundle.resolve(path)))
    return Status.DONE


@command(bundle_app)
def verify(run: Run, path: BundleArgument) -> int:
    """Check that a detector is whole and loads."""
    from models import bundle

    problems = bundle.verify(bundle.resolve(path))
    run.write_record({"bundle": path, "whole": not problems, "problems": problems})
    return Status.NOTHING if problems else Status.DONE


@command(app)
def doctor(run: Run) -> int:
    """Check the installation, down to a self-test."""
    from pipelines import doctor as task

    findings = list(task.doctor())
    run.write_rows((finding.to_json() for finding in findings), list(task.SHOWN), task.SHOWN)
    return Status.NOTHING if any(finding.status == "broken" for finding in findings) else Status.DONE


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its status."""
    name = "python cli.py" if sys.argv[0].endswith("cli.py") else "fauxface"
    sys.exit(run_app(app, sys.argv[1:] if arguments is None else arguments, name))


if __name__ == "__main__":
    main()
