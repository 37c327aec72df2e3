"""Where bytes come from: files and members of zips; whatever else is refused by name, at once and without memory."""

import contextlib
import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features import source
from features.errors import ImageError, ImageTooLargeError, UnreadableFileError
from features.source import MAX_BYTES, open_archive, read_bytes, split_member

DATA = bytes(range(256)) * 20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "image.jpg"
    path.write_bytes(DATA)
    return path


def make_zip(path: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("faces/", b"")
        archive.writestr("faces/a.jpg", DATA)
        archive.writestr("faces/empty.jpg", b"")
    return path


def refusal(path: str | Path) -> str:
    with pytest.raises(UnreadableFileError) as caught:
        read_bytes(path)
    return str(caught.value)


def test_a_file_is_read_whole_by_string_or_path(file: Path) -> None:
    assert read_bytes(file) == read_bytes(str(file)) == DATA


def test_an_empty_file_gives_no_bytes(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert read_bytes(tmp_path / "empty") == b""


@pytest.mark.parametrize(
    "name", ["new\nline.jpg", "späce and ünïcode.jpg", os.fsdecode(b"latin-\xe9.jpg"), "-", "a!b.jpg"]
)
def test_odd_names_are_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(DATA)
    assert read_bytes(tmp_path / name) == DATA


def test_a_link_is_followed(file: Path) -> None:
    link = file.with_name("link.jpg")
    link.symlink_to(file)
    assert read_bytes(link) == DATA


def test_links_to_nowhere_and_in_circles_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "absent")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    assert refusal(tmp_path / "dangling") == "no such file or directory"
    assert "symbolic links" in refusal(tmp_path / "circle")


def test_missing_folder_and_null_byte_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "absent.jpg") == "no such file or directory"
    assert refusal(tmp_path) == "this is a folder; no image was found in it, or it was not searched"
    assert refusal("a\0b.jpg") == "embedded null byte"
    assert refusal("") == "no such file or directory"


def test_a_file_without_permission_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(name: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr(source, "_open_at_once", deny)
    assert refusal(file) == "permission denied"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_of_mode_zero_is_refused(file: Path) -> None:
    file.chmod(0)
    assert refusal(file) == "permission denied"


def read_elsewhere(path: str | Path) -> str:
    """Read in another process, which is given ten seconds and 1 GiB of memory; what it printed."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))\n"
        "from features.errors import ImageError\n"
        "from features.source import read_bytes\n"
        "try: print(len(read_bytes(sys.argv[1])))\n"
        "except ImageError as error: print(error.code, error)"
    )
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()


def test_a_pipe_without_a_writer_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert read_elsewhere(tmp_path / "pipe.jpg").startswith("unreadable_file not a regular file")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/urandom"])
def test_devices_are_refused(device: str) -> None:
    assert read_elsewhere(device).startswith("unreadable_file not a regular file")


def test_a_link_to_a_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    assert "not a regular file" in read_elsewhere(tmp_path / "zero.png")


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket may not be long
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
        assert refusal("socket.jpg")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.bmp").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert read_elsewhere(tmp_path / "huge.bmp").startswith("image_too_large")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_equals_the_file(tmp_path: Path, method: int) -> None:
    archive = make_zip(tmp_path / "set.zip", method)
    assert read_bytes(f"{archive}!/faces/a.jpg") == DATA
    assert read_bytes(f"{archive}!/faces/empty.jpg") == b""


def test_an_archive_is_opened_once(tmp_path: Path) -> None:
    archive = str(make_zip(tmp_path / "set.zip"))
    assert open_archive(archive) is open_archive(archive)


def test_members_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "set.zip")
    assert "no item named 'faces/b.jpg'" in refusal(f"{archive}!/faces/b.jpg")
    assert refusal(f"{archive}!/faces/") == "this is a folder; no image was found in it, or it was not searched"
    assert refusal(f"{tmp_path}/absent.zip!/a.jpg") == "no such file or directory"
    assert refusal(f"{archive}!/")


def test_what_is_no_zip_is_refused(file: Path) -> None:
    assert refusal(f"{file}!/a.jpg") == "File is not a zip file"


def test_a_locked_member_is_refused(tmp_path: Path) -> None:
    raw = bytearray(make_zip(tmp_path / "set.zip").read_bytes())
    with zipfile.ZipFile(tmp_path / "set.zip") as archive:
        at = archive.getinfo("faces/a.jpg").header_offset
    raw[at + 6] |= 1  # the flag of encryption, in the member's own header and in the directory
    raw[raw.index(b"faces/a.jpg", raw.index(b"PK\1\2")) - 46 + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(raw)
    assert "encrypted" in refusal(f"{tmp_path / 'locked.zip'}!/faces/a.jpg")


def test_a_damaged_member_is_refused(tmp_path: Path) -> None:
    raw = bytearray(make_zip(tmp_path / "set.zip", zipfile.ZIP_STORED).read_bytes())
    raw[raw.index(DATA) + 100] ^= 1
    (tmp_path / "damaged.zip").write_bytes(raw)
    assert "CRC" in refusal(f"{tmp_path / 'damaged.zip'}!/faces/a.jpg")


def test_a_member_larger_than_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_zip(tmp_path / "set.zip")
    monkeypatch.setattr(source, "MAX_BYTES", len(DATA) - 1)
    with pytest.raises(ImageTooLargeError):
        read_bytes(f"{archive}!/faces/a.jpg")


def test_a_folder_may_be_named_like_an_archive(tmp_path: Path) -> None:
    folder = tmp_path / "wow!"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(DATA)
    archive = make_zip(folder / "set.zip")
    assert read_bytes(folder / "a.jpg") == DATA
    assert read_bytes(f"{archive}!/faces/a.jpg") == DATA
    assert split_member(f"{archive}!/faces/a.jpg") == (str(archive), "faces/a.jpg")
    assert split_member(str(folder / "a.jpg")) is None


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    position=st.integers(0, 10**6),
    value=st.integers(0, 255),
    cut=st.integers(0, 200),
    method=st.sampled_from([0, 8, 12, 14]),
)
def test_any_damage_to_an_archive_is_an_image_error(
    tmp_path: Path, position: int, value: int, cut: int, method: int
) -> None:
    raw = bytearray(make_zip(tmp_path / "set.zip", method).read_bytes())
    raw[position % len(raw)] = value
    (tmp_path / "damaged.zip").write_bytes(raw[: len(raw) - (cut if cut < 20 else 0)])
    open_archive.cache_clear()
    with contextlib.suppress(ImageError):
        assert read_bytes(f"{tmp_path / 'damaged.zip'}!/faces/a.jpg") == DATA
