"""The commands that measure detectors: parse arguments, call one pipeline, print; nothing else."""

from typing import Annotated, Literal

import typer

from pipelines.console import Datasets, EngineName, Fake, Real, Run, Scheduler, ShardTimeout, Status, command

__all__ = ["measure_app"]

measure_app = typer.Typer(rich_markup_mode=None)
"""Commands that stand beside those of `cli`."""


@command(measure_app)
def evaluate(
    run: Run,
    datasets: Datasets,
    out: Annotated[str, typer.Option(metavar="DIR", help="The folder for the results; resumes.")],
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", metavar="NAME|PATH", help="A detector; fast unless given.")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--all", help="Judge all groups of data sets that no model was trained on.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=2, metavar="N", help="The most images to judge.")] = None,
    faces: Annotated[
        Literal["auto", "off"], typer.Option(help="Judge the largest face in every image, or every image whole.")
    ] = "off",
    robustness: Annotated[
        bool, typer.Option("--robustness/--no-robustness", help="Judge perturbed images too.")
    ] = True,
    card: Annotated[bool, typer.Option("--card", help="Write the model cards anew, from what was measured.")] = False,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the bootstrap.")] = 0,
    engine: EngineName = "local",
    scheduler: Scheduler = None,
    shard_timeout: ShardTimeout = None,
    real: Real = None,
    fake: Fake = None,
) -> int:
    """Measure detectors: figures with intervals, slices, robustness."""
    from pipelines import evaluate as task
    from pipelines.engine_choice import Setup

    wanted = task.Task(
        sources=datasets,
        models=model or ["fast"],
        whole=whole,
        limit=limit,
        faces=faces,
        perturbed=robustness,
        card=card,
        seed=seed,
        real=real or (),
        fake=fake or (),
    )
    setup = Setup(engine, scheduler, shard_timeout)
    record = task.evaluate(wanted, out, follow=run.follow, workers=run.jobs, engine=setup)
    run.write_rows(task.table(record), list(task.SHOWN), task.SHOWN)
    for line in (*record["warnings"], *task.worst(record), f"{out}: {task.PAGE} and {task.RECORD}"):
        run.say(line)
    return Status.SOME if record["images"]["left_out"]["failed"] else Status.DONE


@command(measure_app)
def benchmark(
    run: Run,
    datasets: Datasets,
    out: Annotated[str, typer.Option(metavar="DIR", help="The folder for benchmark.json and benchmark.html.")],
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="NAME|PATH", help="A detector, and its network alone; all that ship."),
    ] = None,
    whole: Annotated[bool, typer.Option("--all", help="Judge images of all groups, not of the test groups.")] = False,
    limit: Annotated[int | None, typer.Option(min=2, metavar="N", help="The most images to judge.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few images and repeats: see that it works.")] = False,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where networks are timed besides the CPU.")
    ] = "cpu",
    references: Annotated[
        bool | None,
        typer.Option(
            "--references/--no-references",
            help="Time ResNet-50, Xception and EfficientNet-B4 too; with torch the default, unless --quick.",
        ),
    ] = None,
    real: Real = None,
    fake: Fake = None,
) -> int:
    """Stand detectors side by side: quality, speed, size."""
    from pipelines import benchmark as task

    wanted = task.Task(datasets, model or (), whole, limit, quick, device, real or (), fake or (), references)
    record = task.benchmark(wanted, out, follow=run.follow, workers=run.jobs, say=run.say)
    run.write_rows(task.table(record), list(task.SHOWN), task.SHOWN)
    run.say(f"{out}: {task.PAGE} and {task.RECORD}")
    return Status.SOME if record["figures"]["images"]["left_out"]["failed"] else Status.DONE
