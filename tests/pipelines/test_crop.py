"""Crops of faces: what is cut, what is copied, what it is called, and that no picture vanishes."""

import csv
import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

import cli
from features.decode import Pixels
from features.errors import DatasetError, OutputError
from features.frame import load_pixels
from features.framing import frame_faces
from pipelines.crop import LEFT_OUT, MANIFEST, Crop, LeftOut, crop
from pipelines.dataset import read_dataset
from tests.conftest import SampleFaces
from tests.faces import astronaut, bgr_of, set_into
from tests.images import jpeg, photo

Rows = list[dict[str, str]]


def rows_of(folder: Path, name: str = MANIFEST) -> Rows:
    with open(folder / name, newline="", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def save(path: Path, bgr: Pixels) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jpeg(bgr[..., ::-1], 95))
    return path


def close_up(side: int = 260) -> Pixels:
    """A picture that is a crop already."""
    (framed,) = frame_faces(astronaut(2))
    return np.asarray(cv2.resize(framed.pixels, (side, side)), dtype=np.uint8)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two faces, one face, a crop, a wall, a text, and one more face deeper down."""
    root = tmp_path / "photos"
    save(root / "two.jpg", set_into(set_into(bgr_of("brick"), 120, 130, 150), 70, 380, 350))
    save(root / "one.jpg", astronaut())
    save(root / "crop.JPG", close_up())
    save(root / "wall.jpg", bgr_of("brick"))
    (root / "text.jpg").write_bytes(b"text")
    save(root / "deep" / "one.jpg", astronaut(1.5))
    return root


def test_every_face_of_unlabelled_pictures_is_cut(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = crop([str(photos)], str(out), workers=1)
    assert (summary.total, summary.crops, summary.no_face, summary.failed, summary.doubtful) == (6, 5, 1, 1, 0)
    names = {"faces/two-1.png", "faces/two-2.png", "faces/one-1.png", "faces/deep/one-1.png", "faces/crop-1.JPG"}
    assert files_of(out) == names | {MANIFEST, LEFT_OUT}
    rows = rows_of(out)
    assert {row["path"] for row in rows} == names
    for row in rows:
        assert (row["label"], row["kind"], row["source"]) == ("", "", "")
        assert row["group"] == row["picture"]
        assert Path(row["picture"]).is_file()
        assert Path(row["picture"]).stem == Path(row["path"]).stem[:-2]


def test_a_crop_has_the_pixels_of_its_picture(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    crop([str(photos)], str(out), workers=1)
    for row in rows_of(out):
        picture, written = load_pixels(row["picture"]), out / row["path"]
        x, y, w, h = (int(row[name]) for name in "xywh")
        np.testing.assert_array_equal(load_pixels(written), picture[y : y + h, x : x + w])
        assert w == h >= 70
        assert 0.8 < 1.08 * float(row["face"]) / w < 1.2
        assert 0.5 < float(row["presence"]) <= 1
        assert abs(float(row["roll"])) < 25


def test_what_is_a_crop_already_is_copied(photos: Path, tmp_path: Path) -> None:
    crop([str(photos / "crop.JPG")], str(tmp_path / "out"), workers=1)
    assert (tmp_path / "out/faces/crop-1.JPG").read_bytes() == (photos / "crop.JPG").read_bytes()
    bare = photos / "bare"
    (photos / "crop.JPG").rename(bare)
    crop([str(bare)], str(tmp_path / "bare"), workers=1)
    assert files_of(tmp_path / "bare") == {"faces/bare-1.jpeg", MANIFEST, LEFT_OUT}


def test_what_gave_no_crop_is_listed_with_its_reason(photos: Path, tmp_path: Path) -> None:
    crop([str(photos), str(tmp_path / "absent.jpg")], str(tmp_path / "out"), workers=1)
    reasons = {Path(row["path"]).name: row["reason"].partition(":")[0] for row in rows_of(tmp_path / "out", LEFT_OUT)}
    assert reasons == {"wall.jpg": "no_face", "text.jpg": "not_an_image", "absent.jpg": "unreadable_file"}


def test_a_doubtful_face_is_written_and_said_to_be(tmp_path: Path) -> None:
    picture = save(tmp_path / "small.jpg", astronaut(0.34))
    summary = crop([str(picture)], str(tmp_path / "out"), workers=1)
    (row,) = rows_of(tmp_path / "out")
    assert summary.doubtful == 1
    assert row["doubt"] == f"a face of {float(row['face']):.0f} pixels; a verdict needs 40"


def test_a_turned_face_is_upright_in_its_crop(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", astronaut())
    save(tmp_path / "b.jpg", np.ascontiguousarray(np.rot90(astronaut(), 3)))
    crop([str(tmp_path)], str(tmp_path.with_name("out_turned")), workers=1)
    upright, turned = rows_of(tmp_path.with_name("out_turned"))
    assert float(turned["roll"]) == pytest.approx(90, abs=12)
    one, other = (load_pixels(tmp_path.with_name("out_turned") / row["path"]) for row in (upright, turned))
    alike = np.corrcoef(one.ravel(), cv2.resize(other, one.shape[1::-1]).ravel())[0, 1]
    assert alike > 0.7


# Data sets


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A data set in class folders: two originals, a fake of one of them, and one without a face."""
    root = tmp_path / "set"
    save(root / "real" / "sub" / "a.jpg", astronaut())
    save(root / "real" / "b.jpg", set_into(set_into(bgr_of("brick"), 120, 130, 150), 70, 380, 350))
    save(root / "fake" / "sub" / "a.jpg", close_up())
    save(root / "fake" / "wall.jpg", bgr_of("brick"))
    return root


def test_a_data_set_keeps_labels_groups_and_kinds(labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = crop([str(labelled)], str(out), workers=1)
    assert (summary.total, summary.crops, summary.no_face, summary.failed) == (4, 3, 1, 0)
    assert files_of(out) == {"real/sub/a.png", "real/b.png", "fake/sub/a.jpg", MANIFEST, LEFT_OUT}
    old_samples = read_dataset([str(labelled)])
    before = {Path(old.path).relative_to(labelled).with_suffix(""): old for old in old_samples}
    samples = read_dataset([str(out)])
    assert len(samples) == 3
    for sample in samples:
        old = before[Path(sample.path).relative_to(out).with_suffix("")]
        assert (sample.label, sample.group, sample.kind, sample.split) == (old.label, old.group, old.kind, old.split)
    assert {row["source"] for row in rows_of(out)} == {"set"}
    assert {Path(row["picture"]) for row in rows_of(out)} == {Path(old.path) for old in before.values()} - {
        labelled / "fake" / "wall.jpg"
    }


def test_the_label_belongs_to_the_largest_face(labelled: Path, tmp_path: Path) -> None:
    crop([str(labelled)], str(tmp_path / "out"), workers=1)
    (row,) = (row for row in rows_of(tmp_path / "out") if row["path"] == "real/b.png")
    assert float(row["face"]) == pytest.approx(120, rel=0.15)


def test_other_class_folders_can_be_named(tmp_path: Path) -> None:
    save(tmp_path / "set" / "people" / "a.jpg", astronaut())
    save(tmp_path / "set" / "swaps" / "a.jpg", close_up())
    crop([str(tmp_path / "set")], str(tmp_path / "out"), real=["people"], fake=["swaps"], workers=1)
    assert {(row["path"], row["label"], row["kind"], row["group"]) for row in rows_of(tmp_path / "out")} == {
        ("real/people/a.png", "real", "people", "a"),
        ("fake/swaps/a.jpg", "fake", "swaps", "a"),
    }


def test_a_broken_data_set_is_refused_and_not_taken_for_pictures(labelled: Path, photos: Path, tmp_path: Path) -> None:
    (photos / MANIFEST).write_text("path,label\none.jpg,maybe\n")
    for sources in ([photos], [labelled, photos / "one.jpg"]):
        with pytest.raises(DatasetError):
            crop([str(source) for source in sources], str(tmp_path / "out"), workers=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.realdata
def test_real_crops_come_through_as_they_are(sample_faces: SampleFaces, tmp_path: Path) -> None:
    folder = sample_faces(20)
    summary = crop([str(folder)], str(tmp_path / "out"), workers=1)
    assert summary.total == summary.crops + summary.no_face == 40
    out, rows = tmp_path / "out", rows_of(tmp_path / "out")
    same = [(out / row["path"]).read_bytes() == Path(row["picture"]).read_bytes() for row in rows]
    assert sum(same) >= 36


# Names


def test_names_never_collide(tmp_path: Path) -> None:
    faces = ["a.jpg", "a.jpeg", "A.jpg", "a-1.jpg", "b/a.jpg", "b/A.jpg", "b/a/1.jpg", "a~2.jpg"]
    for name in faces:
        save(tmp_path / "in" / name, astronaut())
    save(tmp_path / "more" / "a.jpg", astronaut())
    with zipfile.ZipFile(tmp_path / "in" / "set.zip", "w") as archive:
        for member in ("../a.jpg", "x/a.jpg"):
            archive.writestr(member, (tmp_path / "in/a.jpg").read_bytes())
    sources = [tmp_path / "in" / "b" / "a.jpg", tmp_path / "in", tmp_path / "more", tmp_path / "in" / "set.zip"]
    summary = crop([str(source) for source in sources], str(tmp_path / "out"), workers=1)
    rows = rows_of(tmp_path / "out")
    assert summary.crops == len(rows) == len({row["path"].casefold() for row in rows}) == len(faces) + 3
    assert {row["path"] for row in rows} | {MANIFEST, LEFT_OUT} == files_of(tmp_path / "out")
    assert {row["path"] for row in rows} >= {
        "faces/in/b/a-1.png",
        "faces/in/a-1-1.png",
        "faces/more/a-1.png",
        "faces/in/set.zip/x/a-1.png",
    }


def test_names_that_are_not_text_survive(tmp_path: Path) -> None:
    picture = save(tmp_path / "caf\udce9,\n.jpg", astronaut())
    crop([str(picture), str(picture)], str(tmp_path / "out"), workers=1)
    (row,) = rows_of(tmp_path / "out")
    assert row["picture"] == str(picture)
    assert (tmp_path / "out" / row["path"]).is_file()


def test_members_of_a_zip_are_pictures_too(tmp_path: Path) -> None:
    picture = save(tmp_path / "a.jpg", astronaut())
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.write(picture, "x/a.jpg")
        archive.write(picture, "y/a.jpg")
    crop([str(tmp_path / "set.zip")], str(tmp_path / "out"), workers=1)
    assert {(row["path"], row["group"]) for row in rows_of(tmp_path / "out")} == {
        (f"faces/{name}/a-1.png", f"{tmp_path}/set.zip!/{name}/a.jpg") for name in "xy"
    }


# Runs


def test_workers_change_nothing(photos: Path, tmp_path: Path) -> None:
    for number in range(16):  # more than one job
        (photos / f"{number:02d}.jpg").write_bytes(jpeg(photo(number, 64)))
    seen: list[tuple[int, int | None]] = []
    crop([str(photos)], str(tmp_path / "one"), workers=1)
    crop([str(photos)], str(tmp_path / "two"), workers=2, progress=lambda done, total: seen.append((done, total)))
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    for name in files_of(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert seen == [(done, 22) for done in range(1, 23)]


def test_a_second_run_writes_everything_anew(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    crop([str(photos)], str(out), workers=1)
    first = (out / MANIFEST).read_bytes()
    (out / "faces" / "one-1.png").write_bytes(b"")
    crop([str(photos)], str(out), workers=1)
    assert (out / MANIFEST).read_bytes() == first
    assert load_pixels(out / "faces" / "one-1.png").size > 0
    crop([str(photos / "deep")], str(out), workers=1)
    assert [row["path"] for row in rows_of(out)] == ["faces/one-1.png"]
    assert rows_of(out, LEFT_OUT) == []


def test_a_run_that_broke_off_can_be_repeated_and_lists_nothing(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(bgr: Pixels) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.crop.frame_faces", fail)
        with pytest.raises(ZeroDivisionError) as raised:
            crop([str(photos)], str(tmp_path / "out"), workers=1)
    assert any(str(photos) in note for note in raised.value.__notes__)
    assert rows_of(tmp_path / "out") == []
    assert crop([str(photos)], str(tmp_path / "out"), workers=1).crops == 5


def test_a_folder_that_holds_something_else_is_refused(photos: Path, tmp_path: Path) -> None:
    for name in ("notes.txt", MANIFEST):
        (tmp_path / "mine" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "mine" / name).write_text("path,label\n")
        with pytest.raises(OutputError, match="holds something else than crops"):
            crop([str(photos)], str(tmp_path / "mine"), workers=1)
    assert files_of(tmp_path / "mine") == {"notes.txt", MANIFEST}
    with pytest.raises(OutputError, match="cannot write to"):
        crop([str(photos)], str(tmp_path / "mine" / "notes.txt"), workers=1)


def test_a_folder_inside_a_source_is_refused(photos: Path) -> None:
    for out in (photos, photos / "crops"):
        with pytest.raises(OutputError, match="lies inside"):
            crop([str(photos)], str(out), workers=1)
    assert not (photos / "crops").exists()


def test_the_command_reports_like_others(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: object) -> tuple[int, dict[str, object]]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["dataset", "crop", *map(str, arguments), "--jobs", "1", "--quiet"])
        return int(ended.value.code or 0), json.loads(capsys.readouterr().out)

    status, record = run(photos, "--out", tmp_path / "out")
    assert (status, record["crops"], record["failed"], record["framing"]) == (3, 5, 1, "framing/1")
    assert run(photos / "wall.jpg", "--out", tmp_path / "out")[0] == 0
    assert run(photos / "text.jpg", "--out", tmp_path / "out")[0] == 1


def test_the_tables_have_the_columns_of_their_rows(photos: Path, tmp_path: Path) -> None:
    crop([str(photos)], str(tmp_path / "out"), workers=1)
    assert tuple(rows_of(tmp_path / "out")[0]) == Crop._fields
    assert tuple(rows_of(tmp_path / "out", LEFT_OUT)[0]) == LeftOut._fields
