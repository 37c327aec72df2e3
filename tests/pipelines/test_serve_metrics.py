"""What is counted adds up, and is written as Prometheus reads it."""

import re

from pipelines.serve_metrics import BUCKETS, Metrics


def test_counts_add_up() -> None:
    metrics = Metrics()
    for seconds, status in ((0.004, 200), (0.005, 200), (0.3, 429), (99.0, 200)):
        metrics.note("/v1/score", status, 10, seconds)
    metrics.rows.update(["fake", "fake", "real"])
    lines = metrics.text({"workers": 2, "worker_restarts_total": 1}).splitlines()
    assert 'fauxface_requests_total{path="/v1/score",status="200"} 3' in lines
    assert 'fauxface_rows_total{verdict="fake"} 2' in lines
    assert "fauxface_received_bytes_total 40" in lines
    assert 'fauxface_request_seconds_bucket{le="0.005"} 2' in lines
    assert 'fauxface_request_seconds_bucket{le="0.5"} 3' in lines
    assert 'fauxface_request_seconds_bucket{le="30.0"} 3' in lines
    assert 'fauxface_request_seconds_bucket{le="+Inf"} 4' in lines
    assert "fauxface_request_seconds_count 4" in lines
    assert "# TYPE fauxface_workers gauge" in lines
    assert "# TYPE fauxface_worker_restarts_total counter" in lines


def test_every_line_is_a_type_or_a_value() -> None:
    metrics = Metrics()
    metrics.note("/", 200, 0, 0.1)
    for line in metrics.text({"workers": 1}).splitlines():
        assert re.fullmatch(r"# TYPE \w+ (counter|gauge|histogram)|\w+(\{[^{}]*\})? [0-9.e+]+", line)
    assert list(BUCKETS) == sorted(BUCKETS)
