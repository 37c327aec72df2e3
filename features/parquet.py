"""Parquet files that are whole or absent: written under a temporary name, brought to the disk, renamed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import OutputError, StoreError, reason_of
from features.storage import Place, Remote, write_whole

__all__ = ["read_columns", "read_floats", "write_table"]


def write_table(path: Place, table: pa.Table, **options: Any) -> None:
    """Write a table whole, compressed; raise OutputError where that fails. `options` are pyarrow's `write_table`'s."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table, sink, compression="zstd", compression_level=1, use_dictionary=False, write_statistics=False, **options
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
    except (OSError, pa.ArrowException, KeyError) as error:
        raise StoreError(f"{path} is damaged ({error}); delete it and run extract again") from error


def read_floats(path: Place, names: Sequence[str]) -> npt.NDArray[np.float32]:
    """Read float columns, without gaps: (n, len(names)) float32, a transposed view; raises as `read_columns` does."""
    table = read_columns(path, names)
    columns = np.empty((len(names), table.num_rows), np.float32)
    for column, chunks in zip(columns, table.columns, strict=True):
        column[:] = chunks.combine_chunks().to_numpy()
    return columns.T
