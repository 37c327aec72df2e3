"""What a Dask worker does when it ends: it takes the children along that did its jobs."""

from distributed import Worker, WorkerPlugin

from pipelines.engine_faults import end_children

__all__ = ["EndChildren"]


class EndChildren(WorkerPlugin):
    """Kills the children of a worker that closes, which would wait for them."""

    name = "fauxface-children"
    idempotent = True  # a second command would have it torn down, and the children of the first with it

    def teardown(self, worker: Worker) -> None:
        """Kill them."""
        end_children()
