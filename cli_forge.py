"""The command that makes fakes: parse arguments, call one pipeline, print; nothing else."""

from typing import Annotated

import typer

from pipelines.console import Fake, Real, Run, Status, command

__all__ = ["forge_app"]

forge_app = typer.Typer(rich_markup_mode=None)
"""A command that stands beside those of `cli`."""


@command(forge_app)
def forge(
    run: Run,
    reals: Annotated[
        list[str],
        typer.Argument(metavar="REALS...", help="Data sets, of which the real images are taken, or pictures."),
    ],
    out: Annotated[str, typer.Option(metavar="DIR", help="The folder for pairs, masks and manifest; resumes.")],
    families: Annotated[
        str | None, typer.Option(metavar="A,B", help="Families of forgeries, with commas between; all unless given.")
    ] = None,
    per_image: Annotated[int, typer.Option(min=1, metavar="N", help="How many families forge each image.")] = 1,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The same images and seed give the same files.")] = 0,
    real: Real = None,
    fake: Fake = None,
) -> int:
    """Make fakes from real faces, with masks that say where."""
    from pipelines import forge as task

    wanted = [name.strip() for name in families.split(",")] if families is not None else None
    samples = task.read_reals(reals, real=real or (), fake=fake or ())
    with run.follow("forge") as progress:
        summary = task.forge(
            samples, out, families=wanted, per_image=per_image, seed=seed, jobs=run.jobs, progress=progress
        )
    run.write_record(summary.to_json())
    return Status.of(summary.originals, summary.failed)
