"""The command that looks after feature stores: parse arguments, call one pipeline, print; nothing else."""

from typing import Annotated

import typer

from pipelines.console import Run, Status, command

__all__ = ["store_app"]

store_app = typer.Typer(rich_markup_mode=None)
"""A command that stands beside those of `cli`."""


@command(store_app)
def compact(
    run: Run,
    store: Annotated[str, typer.Argument(metavar="STORE", help="A feature store, as `extract` fills it.")],
    rows: Annotated[
        int, typer.Option(min=1, metavar="N", help="The most rows that small shards are gathered to.")
    ] = 20_000,
) -> int:
    """Make few large shards of many small ones; safe to kill."""
    from pipelines import compact as task

    with run.follow("compact") as progress:
        summary = task.compact(store, rows=rows, progress=progress)
    run.write_record(summary.to_json())
    return Status.DONE
