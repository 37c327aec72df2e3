"""The jobs of scoring: inputs that are judged together, wherever that is."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby, islice
from pathlib import Path

from features.errors import WorkerError
from features.storage import is_url
from models.verdict import ErrorRef, ModelRef, Verdict
from pipelines.engine_choice import Setup, open_engine
from pipelines.engine_faults import Work, halve
from pipelines.inputs import STDIN, Input, names_video

__all__ = ["Chunk", "at_home", "chunks_of", "name_of", "run"]

Chunk = list[Input]
"""The inputs of a job."""


def run(
    setup: Setup,
    judge: Callable[[Chunk], list[list[Verdict]]],
    chunks: Iterable[Chunk],
    *,
    ref: ModelRef,
    workers: int,
    ordered: bool,
) -> Iterator[list[list[Verdict]]]:
    """Judge chunks; an input that ends the process which judges it gets a verdict that says so.

    Parameters
    ----------
    setup : Setup
        Where.
    judge : callable
        Gives the verdicts of each input of a chunk.
    chunks : iterable of list
        The inputs.
    ref : ModelRef
        Who judges.
    workers : int
        Processes of this machine.
    ordered : bool
        Whether verdicts come in the order of the inputs.
    """
    with open_engine(setup, workers) as engine:
        yield from engine.map(Work(judge, halve, partial(_blame, ref)), chunks, ordered=ordered)


def _blame(ref: ModelRef, chunk: Chunk, reason: str) -> list[list[Verdict]]:
    error = ErrorRef.of(WorkerError(reason))
    return [[Verdict(name_of(entry), None, None, None, None, None, ref, error)] for entry in chunk]


def chunks_of(inputs: Iterator[Input], size: int) -> Iterator[Chunk]:
    """Take inputs in chunks of `size`, as they come; a clip is a chunk of its own."""
    for is_clip, some in groupby(inputs, names_video):
        while chunk := list(islice(some, 1 if is_clip else size)):
            yield chunk


def name_of(entry: Input) -> str:
    """Give the path that a verdict names."""
    return STDIN if isinstance(entry, bytes) else entry


def at_home(folder: str, entry: Input) -> Input:
    """Find an input whose path is as seen from `folder`; from here where that is empty."""
    return entry if isinstance(entry, bytes) or not folder or is_url(entry) else str(Path(folder, entry))
