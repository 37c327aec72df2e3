"""A URL serves as a path does: stores, images and bundles live in memory and on an S3 server, over real HTTP."""

import os
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from features.errors import BundleError, DatasetError, MissingExtraError, OutputError, StoreError, UnreadableFileError
from features.source import read_bytes
from features.storage import Remote, absolute, is_url, list_files, locate, write_whole
from features.store import FeatureStore
from models import bundle
from models.files import local_folder, replace_folder
from pipelines.dataset import read_dataset
from pipelines.engine_choice import Setup
from pipelines.extract import extract
from pipelines.inputs import expand
from pipelines.score import load_detector, score
from tests.images import corpus, jpeg, photo

pytest.importorskip("fsspec", reason="needs the extra cluster")


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An S3 server of moto in a process of its own, and a bucket on it."""
    pytest.importorskip("moto", reason="needs the extra dev")
    pytest.importorskip("s3fs", reason="needs the extra cluster")
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port = opened.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    settings = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        try:
            _make_bucket(port)
            yield "s3://faces"
        finally:
            server.kill()
            server.wait()


def _make_bucket(port: int) -> None:
    import s3fs

    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)
    s3fs.S3FileSystem(anon=False).mkdir("faces")


@pytest.fixture(params=["memory", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a folder that is not there yet."""
    if request.param == "s3":
        return f"{request.getfixturevalue('s3')}/{tmp_path.name}"
    return f"memory://{tmp_path.name}-{os.getpid()}"


def put(root: str, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        Remote(f"{root}/{name}").write_bytes(data)


def test_paths_of_this_machine_stay_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("a/b.jpg") == Path("a/b.jpg")
    assert locate("file:///a/b.jpg") == Path("/a/b.jpg")
    assert [is_url(name) for name in ("a/b", "s3://a/b", "http://a/b", "memory://a")] == [False, True, False, True]
    assert absolute("a.zip!/b.jpg") == str(tmp_path / "a.zip!/b.jpg")
    assert absolute("s3://a/b") == "s3://a/b"


def test_local_paths_load_no_fsspec() -> None:
    code = "import sys, pipelines.score, features.store; features.store.FeatureStore('x').shards(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "features.storage" in loaded
    assert not {"fsspec", "distributed", "dask"} & set(loaded)


def test_files_come_back_and_go(root: str) -> None:
    folder = Remote(root)
    assert (folder.exists(), list_files(folder)) == (False, [])
    put(root, {"b.bin": b"two", "a.bin": b"one", "deep/c.bin": b"three"})
    assert [entry.name for entry in list_files(folder)] == ["a.bin", "b.bin", "deep"]
    assert folder.below() == ["a.bin", "b.bin", "deep/c.bin"]
    a = folder / "a.bin"
    assert (a.is_file(), a.is_dir(), folder.is_dir()) == (True, False, True)
    assert (a.size(), a.suffix, a.parent) == (3, ".bin", folder)
    with a.open() as file:
        assert file.read() == b"one"
    write_whole(a, b"another")
    assert a.read_bytes() == b"another"
    assert a.replace(a.with_suffix(".old")).read_bytes() == b"another"
    assert not a.exists()
    a.unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        a.read_bytes()


def test_images_and_members_of_archives_are_read(root: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("x/1.jpg", jpeg(photo(1, 64)))
    put(root, {"1.jpg": jpeg(photo(1, 64)), "set.zip": (tmp_path / "set.zip").read_bytes()})
    assert read_bytes(f"{root}/1.jpg") == read_bytes(f"{root}/set.zip!/x/1.jpg") == jpeg(photo(1, 64))
    with pytest.raises(UnreadableFileError):
        read_bytes(f"{root}/2.jpg")


def test_a_store_behind_a_url_holds_what_a_local_one_does(root: str, tmp_path: Path) -> None:
    samples = read_dataset([str(corpus(tmp_path / "data", 20, size=64))])
    extract(samples, str(tmp_path / "local"), workers=1)
    extract(samples[:30], root, workers=1)
    summary = extract(samples, root, workers=1)
    assert (summary.done, summary.cached) == (10, 30)
    here, there = FeatureStore(tmp_path / "local"), FeatureStore(root)
    assert here.manifest().equals(there.manifest())
    assert here.load().values.tobytes() == there.load().values.tobytes()
    with there.probe() as probe:
        assert len(probe.read_bytes()) == 16
    assert not [name for name in Remote(root).below() if name.endswith(".tmp")]
    there.tidy(there.feature_set)
    assert len(there.load().sha256) == 40


def test_a_folder_that_holds_something_else_is_refused(root: str) -> None:
    put(root, {"letter.txt": b"private"})
    with pytest.raises(StoreError, match="choose another"):
        FeatureStore(root).prepare()


def test_a_bundle_travels(root: str, small_detector: Path) -> None:
    files = {path.name: path.read_bytes() for path in small_detector.iterdir()}
    replace_folder(root, files, bundle.MANIFEST)
    assert bundle.verify(root) == []
    assert bundle.inspect(root) == bundle.inspect(small_detector)
    image = jpeg(photo(3))
    assert load_detector(root, "off").score(image) == load_detector(str(small_detector), "off").score(image)
    with pytest.raises(BundleError, match="nothing is there"):
        bundle.resolve(f"{root}/no")


def test_nothing_else_is_replaced_by_a_bundle(root: str) -> None:
    put(root, {"letter.txt": b"private"})
    with pytest.raises(OutputError, match="is not a bundle"):
        replace_folder(root, {bundle.MANIFEST: b"{}"}, bundle.MANIFEST)


def test_a_local_folder_is_itself(tmp_path: Path) -> None:
    assert local_folder(tmp_path) == tmp_path


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r"s3fs is not installed.*fauxface\[cluster\]"):
        read_bytes("s3://bucket/a.jpg")
    with pytest.raises(MissingExtraError, match=r"gcsfs is not installed.*fauxface\[gcs\]"):
        read_bytes("gs://bucket/a.jpg")


def test_a_server_that_does_not_answer_is_an_error_of_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs", reason="needs the extra cluster")
    from fsspec import get_filesystem_class

    def refuse(self: object, path: str) -> int:
        raise RuntimeError("no route")

    monkeypatch.setattr(get_filesystem_class("memory"), "size", refuse)
    with pytest.raises(UnreadableFileError, match="RuntimeError: no route"):
        read_bytes("memory://a.jpg")


def test_a_cluster_extracts_to_an_s3_server(s3: str, tmp_path: Path) -> None:
    samples = read_dataset([str(corpus(tmp_path / "data", 20, size=64))])
    extract(samples, str(tmp_path / "local"), workers=1)
    out = f"{s3}/cluster"
    summary = extract(samples, out, workers=1, engine=Setup("dask"))
    assert (summary.total, summary.done) == (40, 40)
    assert FeatureStore(out).load().values.tobytes() == FeatureStore(tmp_path / "local").load().values.tobytes()


def test_images_behind_a_url_are_scored(root: str, small_detector: Path) -> None:
    put(root, {"x/1.jpg": jpeg(photo(1)), "x/notes.txt": b"no image"})
    inputs = [*expand([root]), *expand([f"{root}/2.jpg"])]
    assert inputs == [f"{root}/x/1.jpg", f"{root}/2.jpg"]
    verdicts = list(score(inputs, model=str(small_detector), faces="off", workers=1))
    assert [verdict.error is None for verdict in verdicts] == [True, False]


def test_data_sets_behind_a_url_are_read_as_local_ones(root: str, tmp_path: Path) -> None:
    folder = corpus(tmp_path / "data", 3, size=64)
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for name in names:
            archive.write(folder / name, name)
    put(root, {f"data/{name}": (folder / name).read_bytes() for name in names})
    put(root, {"data.zip": (tmp_path / "data.zip").read_bytes(), "set.csv": b"path,label\ndata/real/0000.jpg,real\n"})
    local = read_dataset([str(folder)])
    for source, before in ((f"{root}/data", f"{root}/data/"), (f"{root}/data.zip", f"{root}/data.zip!/")):
        there = read_dataset([source])
        assert [sample.path for sample in there] == [f"{before}{name}" for name in names]
        assert [(s.label, s.group, s.split) for s in there] == [(s.label, s.group, s.split) for s in local]
        assert all(read_bytes(sample.path)[:2] == b"\xff\xd8" for sample in there)
    (listed,) = read_dataset([f"{root}/set.csv"])
    assert (listed.path, listed.label) == (f"{root}/data/real/0000.jpg", 0)
    with pytest.raises(DatasetError, match="does not exist"):
        read_dataset([f"{root}/no"])
