"""Parquet files that are whole or absent: written under a temporary name, brought to the disk, renamed."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import OutputError, StoreError

__all__ = ["TEMPORARY", "cause_of", "read_columns", "read_floats", "write_table"]

TEMPORARY: Final = ".tmp"
"""How the name of a file ends that is not whole yet."""


def write_table(path: Path, table: pa.Table, **options: Any) -> None:
    """Write a table whole, compressed; raise OutputError where that fails. `options` are pyarrow's `write_table`'s."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table, sink, compression="zstd", compression_level=1, use_dictionary=False, write_statistics=False, **options
    )
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            file.write(sink.getvalue())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {cause_of(error)}") from error


def read_columns(path: Path, names: Sequence[str]) -> pa.Table:
    """Read some columns of a Parquet file; raise StoreError where that fails."""
    try:
        with pq.ParquetFile(path) as file:
            return file.read(columns=list(names), use_threads=False).select(list(names))
    except (OSError, pa.ArrowException, KeyError) as error:
        raise StoreError(f"{path} is damaged ({error}); delete it and run extract again") from error


def read_floats(path: Path, names: Sequence[str]) -> npt.NDArray[np.float32]:
    """Read float columns, without gaps: (n, len(names)) float32, a transposed view; raises as `read_columns` does."""
    table = read_columns(path, names)
    columns = np.empty((len(names), table.num_rows), np.float32)
    for column, chunks in zip(columns, table.columns, strict=True):
        column[:] = chunks.combine_chunks().to_numpy()
    return columns.T


def cause_of(error: OSError) -> str:
    """Say in lower case what the system had against it."""
    return (error.strerror or str(error)).lower()
