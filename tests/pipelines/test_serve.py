"""The server in a process of its own: the same rows as the command line, every refusal as it is meant, a clean end."""

import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import cli
from features.errors import BundleError, MissingExtraError, ServerError, UnknownNameError
from pipelines import serve as module
from tests.images import jpeg, photo, png
from tests.portraits import beside, portrait
from tests.serving import ROOT, Server, form, serving

pytest.importorskip("fastapi")

FACE = jpeg(portrait())
WHOLE = jpeg(photo(1))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server"), "--jobs", "2", "--model", "fast", "--model", "full") as running:
        yield running


def packed(files: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", kind) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def command_line(command: str, *arguments: str) -> list[bytes]:
    """Run a command; its lines."""
    script = [sys.executable, str(ROOT / "cli.py"), command, "--format", "ndjson", "--quiet", "--jobs", "1", *arguments]
    done = subprocess.run(script, capture_output=True, check=False)
    return done.stdout.splitlines()


def without_path(line: bytes) -> bytes:
    """Take the path out of a row and leave every other byte."""
    path = json.dumps(json.loads(line)["path"])
    return line.replace(f'"path": {path}'.encode(), b'"path": null', 1)


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", []),
        ("?faces=off", ["--faces", "off"]),
        ("?model=full", ["--model", "full"]),
        ("?prior=0.01", ["--prior", "0.01"]),
        ("?max_fpr=0.1&max_miss=0.2&faces=off", ["--max-fpr", "0.1", "--max-miss", "0.2", "--faces", "off"]),
    ],
)
def test_rows_are_those_of_the_command_line(server: Server, tmp_path: Path, query: str, options: list[str]) -> None:
    images = {"a.jpg": jpeg(beside(portrait(), portrait(1.5))), "b.jpg": WHOLE, "c.png": png(photo(3))}
    for name, data in images.items():
        (tmp_path / name).write_bytes(data)
        rows = [without_path(line) for line in command_line("score", *options, str(tmp_path / name))]
        answer = server.ask(f"/v1/score{query}", data)
        assert answer.status == 200
        assert answer.body == b'{"results": [' + b", ".join(rows) + b"]}"


def test_several_images_and_their_names(server: Server) -> None:
    body, kind = form([("in \u00e4.jpg", FACE), ("b.png", png(photo(3))), ("cut.jpg", FACE[:3000])])
    answer = server.ask("/v1/score", body, kind)
    assert answer.status == 200
    first, second, third = answer.json["results"]
    assert (first["path"], first["face"] is None) == ("in \u00e4.jpg", False)
    assert (second["path"], second["verdict"]) == ("b.png", "no_face")
    assert (third["path"], third["verdict"], third["error"]["type"]) == ("cut.jpg", None, "corrupt_image")
    assert {**first, "path": None} == server.ask("/v1/score", FACE).json["results"][0]


def test_one_file_of_a_form_is_one_image(server: Server) -> None:
    body, kind = form([("a.jpg", FACE)])
    assert server.ask("/v1/score", body, kind).json["results"][0]["path"] == "a.jpg"
    body, kind = form([("a.jpg", b"x")])
    assert server.ask("/v1/score", body, kind).error == "not_an_image"


def test_a_zip_gives_a_row_for_each_image_by_name(server: Server) -> None:
    body = packed({"b/face.jpg": FACE, "a.png": png(photo(3)), "notes.txt": b"x", "c.jpg": b""})
    for answer in (server.ask("/v1/score", body, "application/zip"), server.ask("/v1/score", *form([("s.zip", body)]))):
        assert answer.status == 200
        assert [row["path"] for row in answer.json["results"]] == ["a.png", "b/face.jpg", "c.jpg"]
        assert answer.json["results"][2]["error"]["type"] == "empty_file"


def test_a_damaged_member_stands_in_its_row(server: Server) -> None:
    body = packed({"a.jpg": FACE, "b.jpg": WHOLE}).replace(FACE[1000:1010], b"0123456789")
    first, second = server.ask("/v1/score?faces=off", body, "application/zip").json["results"]
    assert (first["error"]["type"], first["sha256"]) == ("unreadable_file", None)
    assert first["model"] == second["model"]
    assert second["error"] is None


def bomb(side: int) -> bytes:
    """A PNG that announces `side` by `side` pixels and has a few bytes."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


BAD = {
    "empty": (b"", "image/jpeg", 422, "empty_file"),
    "one byte": (b"x", "image/jpeg", 422, "not_an_image"),
    "text": (b"hello" * 50, "image/png", 422, "not_an_image"),
    "truncated": (FACE[: len(FACE) // 2], "image/jpeg", 422, "corrupt_image"),
    "cut png": (png(photo(1))[:-100], "image/png", 422, "corrupt_image"),
    "tiny": (png(photo(1, 8)), "image/png", 422, "image_too_small"),
    "gif": (b"GIF89a" + bytes(100), "image/gif", 415, "unsupported_image"),
    "bomb": (bomb(60_000), "image/png", 413, "image_too_large"),
    "no image": (b"{}", "application/json", 415, "unsupported_media_type"),
    "page": (b"<p>", "text/html", 415, "unsupported_media_type"),
    "no zip": (b"PK\3\4" + bytes(40), "application/zip", 422, "corrupt_zip"),
    "empty zip": (packed({}), "application/zip", 422, "empty_zip"),
    "zip of texts": (packed({"a.txt": b"x"}), "application/zip", 422, "empty_zip"),
    "form without mark": (b"x", "multipart/form-data", 422, "corrupt_form"),
    "form cut": (form([("a.jpg", FACE)])[0][:-30], form([])[1], 422, "corrupt_form"),
    "form without file": (form([])[0], form([])[1], 422, "empty_form"),
    "zip bomb": (packed({"a.bmp": bytes(80 << 20)}, zipfile.ZIP_DEFLATED), "application/zip", 413, "request_too_large"),
    "crowded zip": (packed({f"{i}.jpg": b"" for i in range(101)}), "application/zip", 413, "too_many_images"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_bad_is_refused_and_the_next_is_judged(server: Server, name: str) -> None:
    body, kind, status, code = BAD[name]
    answer = server.ask("/v1/score", body, kind)
    assert (answer.status, answer.error) == (status, code), answer.body
    assert answer.json["error"]["message"]
    assert server.ask("/v1/score", WHOLE).status == 200


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("model=fats", "did you mean 'fast'"),
        ("model=/etc", "no model '/etc'"),
        ("faces=on", "faces: "),
        ("prior=1", "prior: "),
        ("max_fpr=x", "max_fpr: "),
        ("face=off", "did you mean 'faces'"),
    ],
)
def test_what_is_asked_wrongly_is_refused(server: Server, query: str, said: str) -> None:
    answer = server.ask(f"/v1/score?{query}", WHOLE)
    assert answer.status == 422
    assert said in answer.json["error"]["message"]


def test_an_explanation_is_that_of_the_command_line(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(FACE)
    (line,) = command_line("explain", str(tmp_path / "a.jpg"))
    answer = server.ask("/v1/explain", FACE)
    row = line.replace(json.dumps(str(tmp_path / "a.jpg")).encode(), b"null", 1)
    assert answer.body.startswith(b'{"results": [' + row + b'], "pictures": [[')
    (pictures,) = answer.json["pictures"]
    assert {"Measured", "Evidence map", "In the picture"} <= {picture["title"] for picture in pictures}
    assert all(picture["png"].startswith("iVBOR") for picture in pictures)


def test_what_cannot_be_explained(server: Server) -> None:
    assert server.ask("/v1/explain", b"x").error == "not_an_image"
    assert server.ask("/v1/explain", *form([("a.jpg", FACE), ("b.jpg", FACE)])).error == "too_many_images"
    without = server.ask("/v1/explain", WHOLE).json
    assert without["pictures"] == []
    assert without["results"][0]["verdict"]["verdict"] == "no_face"


def test_the_detectors_are_listed(server: Server) -> None:
    found = server.ask("/v1/models").json
    assert [one["model"] for one in found["models"]] == ["fast", "full"]
    assert all(0 < one["points"]["real_below"] < one["points"]["fake_from"] < 1 for one in found["models"])
    assert found["models"][0]["digest"] == server.ask("/v1/score", WHOLE).json["results"][0]["model"]["digest"]


def test_metrics_count(server: Server) -> None:
    def value(name: str) -> float:
        lines = server.ask("/metrics").body.decode().splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(name)), 0.0)

    name, kind = 'fauxface_requests_total{path="/v1/score",status="200"}', 'fauxface_rows_total{verdict="no_face"}'
    before, rows, received = value(name), value(kind), value("fauxface_received_bytes_total")
    assert server.ask("/v1/score", WHOLE).status == 200
    assert (value(name), value(kind)) == (before + 1, rows + 1)
    assert value("fauxface_received_bytes_total") == pytest.approx(received + len(WHOLE), rel=1e-4)
    assert value("fauxface_workers ") == 2


def test_every_answer_has_the_headers(server: Server) -> None:
    for path in ("/", "/app.js", "/docs", "/healthz", "/v1/models", "/none"):
        headers = server.ask(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers
    assert server.ask("/none").error == "not_found"
    assert server.ask("/v1/score").status == 405


def test_the_documentation_names_what_there_is(server: Server) -> None:
    api, page = server.ask("/openapi.json").json, server.ask("/docs").body.decode()
    assert {"/v1/score", "/v1/explain", "/v1/models", "/healthz", "/readyz", "/metrics"} == set(api["paths"])
    assert all(path in page for path in api["paths"])
    assert "max_miss" in page
    assert "<script" not in page
    assert "//" not in page.replace("http://127.0.0.1:8000/", "")


def test_the_log_holds_sizes_and_status_only(server: Server) -> None:
    server.ask("/v1/score?faces=off", *form([("secret-name.jpg", FACE)]))
    server.ask("/secret-path")
    log = server.log.read_text()
    assert "POST /v1/score 200" in log
    assert "secret" not in log
    assert "faces=off" not in log


def test_a_worker_that_dies_is_replaced(server: Server) -> None:
    first, second = server.workers()
    os.kill(first, signal.SIGKILL)
    assert server.ask("/v1/score", WHOLE).status in (200, 503)
    until = time.monotonic() + 60
    while len(server.workers()) < 2 or first in server.workers() or server.ask("/readyz").json["ready"] < 2:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert second in server.workers()
    assert [server.ask("/v1/score", WHOLE).status for _ in range(4)] == [200] * 4


def test_an_image_that_takes_too_long_costs_its_worker_and_nobody_else(tmp_path: Path) -> None:
    large = jpeg(photo(2, 4000))
    with serving(tmp_path, "--timeout", "0.15") as server:
        (before,) = server.workers()
        answer = server.ask("/v1/score", large)
        assert (answer.status, answer.error) == (503, "too_slow")
        assert answer.headers["retry-after"] == "1"
        until = time.monotonic() + 60
        while server.ask("/readyz").status != 200:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert before not in server.workers()
        (row,) = server.ask("/v1/score?faces=off", WHOLE).json["results"]
        assert row["probability"] is not None
        answer = server.ask("/v1/score", *form([("large.jpg", large), ("also.jpg", large)]))
        kinds = {row["error"]["type"] for row in answer.json["results"]} if answer.status == 200 else {answer.error}
        assert kinds <= {"worker", "slow", "busy", "not_ready"}


def test_bytes_at_the_limit(tmp_path: Path) -> None:
    with serving(
        tmp_path, "--max-bytes", str(len(FACE)), "--max-pixels", str(224 * 224), "--max-images", "2"
    ) as server:
        assert server.ask("/v1/score?faces=off", WHOLE).status == 200
        assert server.ask("/v1/score", FACE).error == "image_too_large"
        answer = server.ask("/v1/score", FACE + b"\0")
        assert (answer.status, answer.error) == (413, "request_too_large")
        small = png(photo(1, 32))
        assert server.ask("/v1/score", *form([("a", small)] * 2)).status == 200
        assert server.ask("/v1/score", *form([("a", small)] * 3)).error == "too_many_images"
        assert server.ask("/v1/score?faces=off", jpeg(photo(1, (224, 225)))).error == "image_too_large"
        host, port = server.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as undeclared:
            head = (
                f"POST /v1/score HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n"
            )
            piece = f"{len(FACE) + 1:x}\r\n".encode() + FACE + b"\0\r\n0\r\n\r\n"
            undeclared.sendall(head.encode() + b"\r\n" + piece)
            assert undeclared.recv(100).startswith(b"HTTP/1.1 413")


def test_more_requests_than_there_are_places(tmp_path: Path) -> None:
    large = jpeg(photo(2, 3000))
    with serving(tmp_path, "--max-concurrent", "2") as server, ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: server.ask("/v1/score", large), range(8)))
        counts = {status: sum(answer.status == status for answer in answers) for status in (200, 429)}
        assert counts[200] >= 2
        assert counts[429] >= 1
        assert sum(counts.values()) == 8
        refused = next(answer for answer in answers if answer.status == 429)
        assert (refused.error, refused.headers["retry-after"]) == ("too_many_requests", "1")
        assert server.ask("/v1/score", WHOLE).status == 200


def test_a_token_is_asked_for(tmp_path: Path) -> None:
    with serving(tmp_path, env={"FAUXFACE_TOKEN": "s\u00e9same"}) as server:
        for path in ("/v1/models", "/metrics"):
            assert server.ask(path).error == "unauthorized"
        answer = server.ask("/v1/score", FACE)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        wrong = ("Bearer ", "Bearer sesame", "Basic s\u00e9same", "s\u00e9same", "Bearer s\u00e9same2")
        for said in wrong:
            assert server.ask("/v1/models", Authorization=said.encode().decode("latin-1")).status == 401
        right = "bearer s\u00e9same".encode().decode("latin-1")
        assert server.ask("/v1/score", FACE, Authorization=right).status == 200
        assert [server.ask(path).status for path in ("/", "/healthz", "/readyz", "/docs")] == [200] * 4
        assert "s\u00e9same" not in server.log.read_text()


def test_only_origins_that_are_allowed_may_read(tmp_path: Path) -> None:
    origin = "chrome-extension://abc"
    with serving(tmp_path, "--allow-origin", origin, "--token", "t") as server:
        import urllib.request

        for asked, allowed in ((origin, origin), ("https://example.org", None)):
            headers = {"Origin": asked, "Access-Control-Request-Method": "POST"}
            headers["Access-Control-Request-Headers"] = "authorization,content-type"
            request = urllib.request.Request(f"{server.address}/v1/score", method="OPTIONS", headers=headers)
            try:
                with urllib.request.urlopen(request) as response:
                    found = response.headers.get("access-control-allow-origin")
            except urllib.error.HTTPError as error:
                found = error.headers.get("access-control-allow-origin")
            assert found == allowed
        assert server.ask("/v1/models", Origin=origin).headers["access-control-allow-origin"] == origin


def test_it_is_not_ready_before_it_is_and_ends_when_told(tmp_path: Path) -> None:
    with serving(tmp_path, ready=False) as server:
        assert server.ask("/healthz").status == 200
        first = server.ask("/readyz")
        if first.status == 503:
            assert server.ask("/v1/score", WHOLE).status in (200, 503)
        server.wait()
        pids = server.workers()
        large, answers = jpeg(photo(2, 3000)), []
        asking = threading.Thread(target=lambda: answers.append(server.ask("/v1/score", large)))
        asking.start()
        while "requests_running 1" not in server.ask("/metrics").body.decode():
            time.sleep(0.01)
        assert server.stop() == 0
        asking.join()
        assert answers[0].status == 200
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_an_interrupt_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, ready=False) as server:
        while not (pids := server.workers()):
            time.sleep(0.01)
        assert server.stop() == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_workers_do_not_outlive_a_server_that_is_killed(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        pids = server.workers()
        server.process.kill()
        server.process.wait()
        until = time.monotonic() + 20
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            assert time.monotonic() < until
            time.sleep(0.05)


def test_what_cannot_be_served_is_said_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'fast'"):
        module.serve(["fats"])
    with pytest.raises(BundleError):
        module.serve([str(tmp_path / "none")])
    with pytest.raises(ServerError, match="--token"):
        module.serve(["fast"], host="0.0.0.0")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ServerError, match="in use"):
        module.serve(["fast"], port=taken.getsockname()[1])
    monkeypatch.setattr(module, "_NEEDED", ("no_such_module",))
    with pytest.raises(MissingExtraError, match=r"pip install 'fauxface\[serve\]'"):
        module.serve()


def test_workers_that_never_start_end_the_server(tmp_path: Path, small_detector: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in small_detector.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "booster.onnx").write_bytes(b"x")
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), "serve", "--port", "0", "--model", str(broken), "--jobs", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "worker processes do not start" in done.stderr
    assert "booster.onnx" in done.stderr


def test_the_command_passes_its_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(module, "serve", lambda models, **options: given.update(options, models=models))
    arguments = [
        "serve",
        "--host",
        "0.0.0.0",
        "--port",
        "0",
        "-m",
        "full",
        "--without-token",
        "--max-bytes",
        "9",
        "--timeout",
        "2",
        "-j",
        "3",
    ]
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 0
    assert (given["models"], given["host"], given["open_to_all"], given["workers"]) == (["full"], "0.0.0.0", True, 3)
    assert (given["limits"].max_bytes, given["limits"].timeout) == (9, 2)
