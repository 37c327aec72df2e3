"""What the server counts, in the text format of Prometheus."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

__all__ = ["BUCKETS", "Metrics"]

BUCKETS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Upper bounds of the histogram of durations, in seconds."""


class Metrics:
    """Counts since the server started.

    Attributes
    ----------
    rows : Counter
        Rows by what they came to.
    """

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._received = 0
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0

    def note(self, path: str, status: int, received: int, seconds: float) -> None:
        """Count an answered request.

        Parameters
        ----------
        path : str
            One of few; not what the client makes up.
        status : int
            As answered.
        received : int
            Bytes of its body.
        seconds : float
            From its head to the end of the answer.
        """
        self._requests[path, status] += 1
        self._received += received
        self._buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds

    def text(self, gauges: Mapping[str, float]) -> str:
        """Write all of it, with values that are taken now."""
        return "\n".join([*self._counters(), *self._histogram(), *_gauges(gauges)]) + "\n"

    def _counters(self) -> Iterator[str]:
        yield "# TYPE fauxface_requests_total counter"
        for (path, status), count in sorted(self._requests.items()):
            yield f'fauxface_requests_total{{path="{path}",status="{status}"}} {count}'
        yield "# TYPE fauxface_rows_total counter"
        for kind, count in sorted(self.rows.items()):
            yield f'fauxface_rows_total{{verdict="{kind}"}} {count}'
        yield "# TYPE fauxface_received_bytes_total counter"
        yield f"fauxface_received_bytes_total {self._received}"

    def _histogram(self) -> Iterator[str]:
        yield "# TYPE fauxface_request_seconds histogram"
        total = 0
        for bound, count in zip([*map(str, BUCKETS), "+Inf"], self._buckets, strict=True):
            total += count
            yield f'fauxface_request_seconds_bucket{{le="{bound}"}} {total}'
        yield f"fauxface_request_seconds_sum {self._seconds:.6f}"
        yield f"fauxface_request_seconds_count {total}"


def _gauges(values: Mapping[str, float]) -> Iterator[str]:
    for name, value in values.items():
        yield f"# TYPE fauxface_{name} {'counter' if name.endswith('_total') else 'gauge'}"
        yield f"fauxface_{name} {value:g}"
