"""What the process that starts `extract` has to remember of every image: its sample, its hash, the key of its row."""

import hashlib
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Final

from benchmarks.cluster import megabytes
from pipelines.dataset import Sample, split_of
from pipelines.hashing import Hashed

__all__ = ["client"]

_GROUP: Final = 50


def client(size: int) -> dict[str, Any]:
    """Make what `size` images leave in memory, and see how much a process of its own grew; bytes an image.

    A process that has freed memory before would take that first, and seem to grow by less.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(_remember, size).result()


def _remember(size: int) -> dict[str, Any]:
    before = megabytes(os.getpid())["now"]
    samples = [_sample(index) for index in range(size)]
    hashes = [Hashed(hashlib.sha256(sample.path.encode()).hexdigest(), "") for sample in samples]
    present = {(hashed.sha256, "") for hashed in hashes}
    grown = megabytes(os.getpid())["now"] - before
    return {"images": len(present), "bytes_an_image": 1e6 * grown / size, "each_once": len(present) == size}


def _sample(index: int) -> Sample:
    group = f"set/{index // _GROUP:09d}"
    return Sample(f"/data/set/part/{index:012d}.jpg", index % 2, group, "swap", "set", split_of(group))
