"""What all commands of the command line share: their options, how they write, how they end."""

import functools
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Annotated, Any, Final, Literal

import typer

from features.errors import FauxfaceError, UnknownNameError
from pipelines.progress import Progress, follow
from pipelines.render import Output, Row, choose_format, write_record, write_rows

__all__ = [
    "HELP",
    "Datasets",
    "EngineName",
    "Every",
    "Fake",
    "MaxFpr",
    "MaxFrames",
    "MaxMiss",
    "Memory",
    "Model",
    "Prior",
    "Real",
    "Run",
    "Scheduler",
    "ShardTimeout",
    "Status",
    "Without",
    "command",
    "run_app",
]

HELP: Final = {"help_option_names": ["-h", "--help"]}
"""What every command knows of help."""

Model = Annotated[str, typer.Option("--model", "-m", metavar="NAME|PATH", help="A detector that ships, or a bundle.")]
"""A detector."""

Real = Annotated[list[str] | None, typer.Option("--real", metavar="NAME", help="A folder name that means real.")]
"""Folder names that mean real."""

Fake = Annotated[list[str] | None, typer.Option("--fake", metavar="NAME", help="A folder name that means fake.")]
"""Folder names that mean fake."""

Without = Annotated[
    list[str] | None,
    typer.Option(metavar="KIND", help="Leave out fakes: found, forged, or a family such as forged.swap; repeats."),
]
"""Kinds of fakes that are not learnt from."""

Datasets = Annotated[
    list[str],
    typer.Argument(metavar="DATASET...", help="Folders, zips, CSV or Parquet tables; several are read as one."),
]
"""Data sets that are read as one."""

EngineName = Annotated[
    Literal["local", "dask"], typer.Option("--engine", help="Where to compute: on this machine, or on a Dask cluster.")
]
"""Where jobs run."""

Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="A Dask scheduler; without one, --engine dask starts --jobs workers here."),
]
"""The scheduler of a cluster."""

ShardTimeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS", min=0.1, help="When a process counts as hung; 3600 with --engine dask, else never."
    ),
]
"""How long a job may take."""

Memory = Annotated[
    float | None,
    typer.Option(min=0, metavar="GB", help="What the training may take; unless told, what the machine has left."),
]
"""How much memory there is."""

Every = Annotated[
    float, typer.Option("--every", min=0.01, metavar="SECONDS", help="Of a clip, a frame is looked at this often.")
]
"""How often a clip is looked at."""

MaxFrames = Annotated[
    int, typer.Option("--max-frames", min=1, metavar="N", help="At most so many of a clip, spread over all of it.")
]
"""How many frames of a clip are looked at."""


def _probability(value: float | None) -> float | None:
    if value is not None and not 0 < value < 1:
        raise typer.BadParameter(f"expected a number between 0 and 1, both excluded, not {value:g}")
    return value


Prior = Annotated[
    float | None,
    typer.Option(callback=_probability, help="Share of fakes to expect; moves probabilities, not verdicts."),
]
"""A prior."""

MaxFpr = Annotated[
    float | None,
    typer.Option(callback=_probability, help="Share of real calibration images that may be called fake; 0.01."),
]
"""What places the point for fake."""

MaxMiss = Annotated[
    float | None,
    typer.Option(callback=_probability, help="Share of fake calibration images that may be called real; 0.05."),
]
"""What places the point for real."""


class Status(IntEnum):
    """How a command ends."""

    DONE = 0
    NOTHING = 1  # nothing succeeded
    USAGE = 2
    SOME = 3  # some inputs failed
    FOUND = 4  # what --fail-on names
    INTERRUPTED = 130
    UNREAD = 141  # whoever read the results went away

    @classmethod
    def of(cls, total: int, failed: int) -> "Status":
        """Judge a run by how many of its inputs failed."""
        if failed == total:
            return cls.NOTHING
        return cls.SOME if failed else cls.DONE


@dataclass(frozen=True)
class Run:
    """The options that every command takes, and what a command does with them."""

    format: Annotated[
        Literal["table", "json", "ndjson", "csv"] | None,
        typer.Option("--format", "-f", help="How results are written: a table on a terminal, ndjson otherwise."),
    ] = None
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Write results there, not to standard output.")
    ] = None
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary on standard error.")] = False
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, metavar="N", help="Processes; every core where it pays.")
    ] = None
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False

    def write_rows(self, rows: Iterable[Row], columns: Sequence[str], shown: Mapping[str, int] | None = None) -> None:
        """Write rows as they come, in the format and to the place asked for."""
        with Output(self.output) as output:
            write_rows(rows, choose_format(self.format, self.output), output, columns=columns, shown=shown)

    def write_record(self, record: Row) -> None:
        """Write one record."""
        with Output(self.output) as output:
            write_record(record, choose_format(self.format, self.output), output)

    def follow(self, task: str) -> AbstractContextManager[Progress]:
        """Show progress, unless it is not wanted or results show it by themselves."""
        return follow(task, quiet=self.quiet, shared=self.output is None and sys.stdout.isatty())

    def say(self, message: str) -> None:
        """Tell the user something that is no result."""
        if not self.quiet:
            print(message, file=sys.stderr)


def command(group: typer.Typer) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Make a function that takes a Run and returns an exit status a command with the options of Run."""
    shared = [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
        for field in fields(Run)
    ]

    def register(function: Callable[..., int]) -> Callable[..., int]:
        def call(**values: Any) -> int:
            run = Run(**{option.name: values.pop(option.name) for option in shared})
            return _guarded(functools.partial(function, run, **values), debug=run.debug)

        _, *own = inspect.signature(function).parameters.values()
        signature = inspect.Signature([*own, *shared])
        call.__dict__.update(__signature__=signature)
        group.command(function.__name__.replace("_", "-"), help=function.__doc__, context_settings=HELP)(call)
        return function

    return register


def _guarded(task: Callable[[], int], *, debug: bool) -> int:
    """Run a command and turn whatever ends it early into a message and an exit status."""
    try:
        return task()
    except KeyboardInterrupt:
        return Status.INTERRUPTED
    except BrokenPipeError:
        return Status.UNREAD
    except Exception as error:
        if debug:
            traceback.print_exc()
        else:
            print(f"error: {_describe(error)}", file=sys.stderr)
        return Status.USAGE if isinstance(error, UnknownNameError) else Status.NOTHING


def _describe(error: Exception) -> str:
    if isinstance(error, FauxfaceError):
        return str(error)
    from pipelines.doctor import explain_import

    return explain_import(error) or f"{type(error).__name__}: {error} (a defect; --debug shows where)"


def run_app(app: typer.Typer, arguments: Sequence[str], name: str) -> int:
    """Run a command line and return its exit status; without arguments, show the help.

    Parameters
    ----------
    app : Typer
        The commands.
    arguments : sequence of str
        Without the program's name.
    name : str
        What the help calls the program.
    """
    try:
        return int(app(list(arguments) or ["--help"], prog_name=name, standalone_mode=False) or 0)
    except typer.TyperException as error:
        print(f"error: {_usage_message(error)}", file=sys.stderr)
        return Status.USAGE
    except KeyboardInterrupt:
        return Status.INTERRUPTED


def _usage_message(error: typer.TyperException) -> str:
    """Say what was wrong with the arguments, what may have been meant, and where to read more."""
    close: Sequence[str] = getattr(error, "possibilities", None) or ()
    message = (error.message if close else error.format_message()).rstrip(".")
    meant = f". Did you mean {' or '.join(map(repr, close))}?" if close else ""
    context: typer.Context | None = getattr(error, "ctx", None)
    return f"{message}{meant}" + (f"\nsee: {context.command_path} --help" if context else "")
