"""Parquet files that are whole or absent: written under a temporary name, brought to the disk, renamed."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from features import checksum
from features.errors import OutputError, StoreError, reason_of
from features.storage import Place, Remote, write_whole

__all__ = ["damaged", "read_columns", "read_floats", "read_names", "write_table"]

_GROUP: Final = 5000  # rows that are read together where few are wanted


def write_table(path: Place, table: pa.Table, **options: Any) -> None:
    """Write a table whole, compressed; raise OutputError where that fails. `options` are pyarrow's `write_table`'s."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=_GROUP,
        compression="zstd",
        compression_level=1,
        use_dictionary=False,
        write_statistics=False,
        **options,
    )
    try:
        write_whole(path, memoryview(sink.getvalue()))
    except OSError as error:
        raise OutputError(f"cannot write {path}: {reason_of(error)}") from error


def read_columns(path: Place, names: Sequence[str]) -> pa.Table:
    """Read some columns of a Parquet file; raise StoreError where that fails."""
    try:
        with pq.ParquetFile(path.open() if isinstance(path, Remote) else path) as file:
            return file.read(columns=list(names), use_threads=False).select(list(names))
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise damaged(path, str(error)) from error


def read_names(path: Place) -> list[str]:
    """List the columns of a Parquet file; raises as `read_columns` does."""
    try:
        with pq.ParquetFile(path.open() if isinstance(path, Remote) else path) as file:
            return list(file.schema_arrow.names)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise damaged(path, str(error)) from error


def read_floats(path: Place, names: Sequence[str]) -> npt.NDArray[np.float32]:
    """Read float columns, without gaps: (n, len(names)) float32, a transposed view.

    Raises
    ------
    StoreError
        As `read_columns`, and where a column is not what its checksum says.
    """
    table = read_columns(path, names)
    columns = np.empty((len(names), table.num_rows), np.float32)
    try:
        for column, chunks in zip(columns, table.columns, strict=True):
            column[:] = chunks.combine_chunks().to_numpy()
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise damaged(path, str(error)) from error
    for column, field in zip(columns, table.schema, strict=True):
        if not checksum.agrees(field.metadata, checksum.of_values(field.name, column)):
            raise damaged(path, f"the checksum of {field.name} differs")
    return columns.T


def damaged(path: Place, reason: str) -> StoreError:
    """Say that a file cannot be trusted, why, and what helps."""
    return StoreError(f"{path} is damaged ({reason}); run extract again: it sets aside what is damaged")
