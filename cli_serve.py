"""The command that answers over HTTP: parse arguments, call one pipeline; nothing else."""

from typing import Annotated

import typer

from pipelines.console import Run, Status, command

__all__ = ["serve_app"]

serve_app = typer.Typer(rich_markup_mode=None)
"""A command that stands beside those of `cli`."""


@command(serve_app)
def serve(
    run: Run,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen; only this machine unless given.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="The port; 0 takes a free one.")] = 8000,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="NAME|PATH", help="A detector, again for more; fast and full."),
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="FAUXFACE_TOKEN", metavar="SECRET", help="What clients must know.")
    ] = None,
    without_token: Annotated[
        bool, typer.Option("--without-token", help="Serve other machines without a token.")
    ] = False,
    allow_origin: Annotated[
        list[str] | None, typer.Option(metavar="ORIGIN", help="Let pages of this origin read answers.")
    ] = None,
    max_bytes: Annotated[int, typer.Option(min=1, metavar="N", help="Of a request, and of a zip unpacked.")] = 1 << 26,
    max_pixels: Annotated[int, typer.Option(min=1, metavar="N", help="Of an image.")] = 100_000_000,
    max_images: Annotated[int, typer.Option(min=1, metavar="N", help="In a request.")] = 100,
    timeout: Annotated[
        float, typer.Option(min=0.001, metavar="SECONDS", help="For a request to arrive, and for each image.")
    ] = 30.0,
    max_concurrent: Annotated[int, typer.Option(min=1, metavar="N", help="Requests at a time; more get 429.")] = 64,
) -> int:
    """Answer over HTTP, with a page for people; Ctrl-C or SIGTERM ends it."""
    from pipelines import serve as task
    from pipelines.serve_uploads import Limits

    task.serve(
        model or task.MODELS,
        host=host,
        port=port,
        limits=Limits(max_bytes, max_pixels, max_images, timeout, max_concurrent),
        token=token,
        open_to_all=without_token,
        origins=allow_origin or (),
        workers=run.jobs,
        say=run.say,
    )
    return Status.DONE
