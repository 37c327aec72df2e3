"""Fits one booster on several workers of a Dask cluster, each on rows of its own that it reads from the store.

Dask places the jobs and brings the booster home; what the fit itself needs to say, LightGBM says by its own sockets.
A worker holds the bins of its rows, and those of the validation part, by which all stop at the same tree.
(`lightgbm.DaskLGBMClassifier` fits the same way, but on Dask collections: all values would be in the workers' memory.)
"""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final
from urllib.parse import urlparse

from features.errors import WorkerError
from features.storage import absolute, locate
from models.booster import BoosterParams, Fitted, Part, Peers, Progress, fit
from models.sequence import Stored
from pipelines.engine_dask import Cluster

__all__ = ["Together"]

_LEAST_ROWS: Final = 100  # of a worker: LightGBM fails where one has none
_DRAWS: Final = 5  # of ports, until no two workers of a machine have the same


@dataclass(frozen=True)
class _Share:
    """What one worker fits."""

    train: Part
    validation: Part
    names: tuple[str, ...]
    params: BoosterParams | None
    seed: int
    threads: int
    peers: Peers | None


@dataclass(frozen=True)
class Together:
    """Fits as `models.booster.fit` does, on all workers of a cluster."""

    cluster: Cluster

    def shares(self, rows: int) -> list[slice]:
        """Divide rows among the workers, each a range of the store."""
        count = max(1, min(len(self.cluster.threads), rows // _LEAST_ROWS))
        ends = [rows * number // count for number in range(count + 1)]
        return [slice(*pair) for pair in pairwise(ends)]

    def __call__(
        self,
        train: Part,
        validation: Part,
        names: Sequence[str],
        *,
        params: BoosterParams | None = None,
        seed: int = 0,
        threads: int = 0,
        progress: Progress | None = None,
    ) -> Fitted:
        """Fit a booster; the result depends on the number of workers, not on which they are.

        Parameters
        ----------
        train, validation : Part
            Their values Stored.
        names, params, seed
            As `fit` takes them.
        threads, progress
            Of no meaning here: a worker uses as many threads as the smallest one has, and nothing tells how far it is.

        Raises
        ------
        DatasetError
            Values that are not finite.
        WorkerError
            A worker is lost, or does not see the store.
        """
        shares = self.shares(len(train.labels))
        whole = _Share(
            _anywhere(train),
            _anywhere(validation),
            tuple(names),
            params,
            seed,
            min(self.cluster.threads.values()),
            None,
        )
        jobs = [replace(whole, train=whole.train.at(rows)) for rows in shares]
        if len(jobs) > 1:
            machines = self._meet(len(jobs))
            ports = [int(machine.rpartition(":")[2]) for machine in machines]
            jobs = [replace(job, peers=Peers(machines, port)) for job, port in zip(jobs, ports, strict=True)]
        return self.cluster.together(_fit, jobs, _seen(whole.train))[0]

    def _meet(self, count: int) -> tuple[str, ...]:
        """Find a free port on each worker: `host:port`."""
        hosts = [str(urlparse(address).hostname) for address in self.cluster.threads][:count]
        for _ in range(_DRAWS):
            ports = self.cluster.together(_free_port, list(range(count)))
            found = tuple(f"{host}:{port}" for host, port in zip(hosts, ports, strict=True))
            if len(set(found)) == count:
                return found
        raise WorkerError("workers of one machine were given the same port again and again; run the command again")


def _anywhere(part: Part) -> Part:
    """Let values be found from every folder."""
    if not isinstance(part.values, Stored):
        raise TypeError("a cluster reads values from their store")
    rows = part.values.rows
    parts = tuple(replace(one, path=locate(absolute(one.path))) for one in rows.parts)
    return replace(part, values=replace(part.values, rows=replace(rows, parts=parts)))


def _seen(part: Part) -> list[str]:
    """Name a file that all workers have to see."""
    assert isinstance(part.values, Stored)
    return [str(one.path) for one in part.values.rows.parts[:1]]


def _free_port(_: Any) -> int:
    with socket.socket() as opened:
        opened.bind(("", 0))
        return int(opened.getsockname()[1])


def _fit(share: _Share) -> Fitted:
    from lightgbm.basic import LightGBMError

    parts = share.train, share.validation
    try:
        with _quiet():
            return fit(
                *parts, share.names, params=share.params, seed=share.seed, threads=share.threads, peers=share.peers
            )
    except LightGBMError as error:
        raise WorkerError(f"workers that fitted together lost each other: {error}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Send to standard error what LightGBM's thread that listens writes to standard output, which is for results."""
    output = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(output, 1)
        os.close(output)
