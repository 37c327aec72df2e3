"""What a clip is known by, and what is said of one that shows nothing."""

import os
import zipfile
from pathlib import Path

import pytest

from features.errors import EmptyFileError, UnreadableFileError
from pipelines.video_files import cause, container, is_clip, on_disk
from tests.clips import CODECS, clip, moving
from tests.images import jpeg, photo

EBML = b"\x1aE\xdf\xa3"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x18ftypisom", "MP4"),
        (b"\0\0\0\x14ftypqt  ", "MP4"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "MP4"),
        (b"\0\0\x10\0moov", "MP4"),
        (EBML + b"\x9f\x42\x86", "Matroska"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI"),
        (b"\0\0\0\x18ftypheic", None),
        (b"\0\0\0\x18ftypavif", None),
        (b"RIFF\0\0\0\0WEBPVP8 ", None),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"#EXTM3U\nhttp://example.org/a.ts\n", None),
        (b"\xff\xd8\xff\xe0", None),
        (b"", None),
    ],
)
def test_a_container_is_known_by_its_first_bytes(head: bytes, kind: str | None) -> None:
    assert container(head) == kind


@pytest.mark.parametrize("suffix", CODECS)
def test_what_opencv_writes_is_a_clip_by_any_name(suffix: str, tmp_path: Path) -> None:
    made = clip(tmp_path / f"a{suffix}", moving(2))
    assert is_clip(str(made.rename(tmp_path / "a.jpg")))


def test_images_and_what_is_not_there_are_no_clips(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(jpeg(photo(1)))
    assert not is_clip(str(tmp_path / "a.mp4"))
    assert not is_clip(str(tmp_path / "gone.mp4"))
    assert not is_clip(str(tmp_path))


def mp4(*kinds: bytes) -> bytes:
    handlers = b"".join(b"\0\0\0\x21hdlr" + b"\0" * 8 + kind + b"\0" * 13 for kind in kinds)
    return b"\0\0\0\x10ftypisom\0\0\0\0" + (b"\0\0\0\x40moov" + handlers if kinds else b"\0\0\0\x08mdat")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (mp4(b"soun"), "this MP4 file holds sound only, no pictures"),
        (mp4(), "the index of this MP4 file (its moov box) is missing"),
        (mp4(b"text"), "this MP4 file names no track of pictures"),
        (mp4(b"soun", b"vide"), "no frame of this MP4 file decodes"),
        (EBML + b"\0" * 30 + b"\x83\x81\x02", "this Matroska file holds sound only"),
        (EBML, "this Matroska file names no track of pictures"),
        (b"RIFF\0\0\0\0AVI LIST" + b"strh8\0\0\0auds", "this AVI file holds sound only"),
        (b"RIFF\0\0\0\0AVI LIST" + b"strh8\0\0\0vids", "no frame of this AVI file decodes"),
        (b"hello there", "no clip: its first bytes are those of no MP4"),
    ],
)
def test_the_cause_is_named(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(data)
    assert said in str(cause(str(tmp_path / "a.bin")))


def test_tracks_named_at_the_end_of_a_large_file_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(mp4() + b"\0" * (9 << 20) + mp4(b"soun"))
    assert "sound only" in str(cause(str(tmp_path / "a.mp4")))


def test_a_file_is_read_in_place_under_its_full_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_bytes(b"clip")
    monkeypatch.chdir(tmp_path)
    with on_disk("a.mp4") as file:
        assert file == str(tmp_path / "a.mp4")


def test_a_member_and_a_name_that_is_no_text_are_copied_for_a_while(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("b/clip.mp4", b"clip")
    strange = os.fsdecode(bytes(tmp_path) + b"/\xff.mp4")
    Path(strange).write_bytes(b"clip")
    for path in (f"{tmp_path}/a.zip!/b/clip.mp4", strange):
        with on_disk(path) as file:
            assert Path(file).read_bytes() == b"clip"
        assert not Path(file).exists()


def test_what_cannot_be_had_says_why(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "empty.mp4").write_bytes(b"")
    for name in ("gone.mp4", "pipe.mp4", "."):
        with pytest.raises(UnreadableFileError), on_disk(str(tmp_path / name)):
            pass
    with pytest.raises(EmptyFileError), on_disk(str(tmp_path / "empty.mp4")):
        pass
