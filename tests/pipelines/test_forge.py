"""Forging data sets: pairs, masks, manifest; resuming, failing, and the command."""

import csv
import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import cli
from features.errors import DatasetError, OutputError, UnknownNameError
from features.frame import load_pixels
from pipelines import forge as task
from pipelines.dataset import Sample, read_dataset, split_of
from pipelines.forge import FORGERIES, MANIFEST, SETTINGS, forge, read_reals
from pipelines.forge_geometry import alike
from pipelines.forge_pair import Listed
from pipelines.forge_parts import Forged, Forgery, Portrait
from tests.conftest import SampleFaces
from tests.images import jpeg, photo

SIDE = 96


def paint(target: Portrait, donor: Portrait | None, rng: np.random.Generator) -> Forged:
    """A forgery that can be told at a glance: a square of noise in the middle."""
    mask = np.zeros(target.bgr.shape[:2], np.float32)
    mask[32:64, 32:64] = 1
    bgr = target.bgr.copy()
    bgr[32:64, 32:64] = rng.integers(0, 256, (32, 32, 3))
    return Forged(bgr, mask, {"level": float(rng.uniform())})


def copy(target: Portrait, donor: Portrait | None, rng: np.random.Generator) -> Forged:
    """A forgery that shows its donor."""
    assert donor is not None
    return Forged(donor.bgr, np.ones(target.bgr.shape[:2], np.float32), {})


def stumble(target: Portrait, donor: Portrait | None, rng: np.random.Generator) -> Forged:
    """A forgery that OpenCV refuses."""
    cv2.resize(target.bgr, (0, 0))
    raise AssertionError


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Forgery]:
    forgeries = {"blend": paint, "graphics": paint, "swap": copy, "warp": paint}
    monkeypatch.setattr(task, "FORGERIES", forgeries)
    monkeypatch.setattr(task, "_WITH_DONOR", {"swap"})
    monkeypatch.setattr("pipelines.forge_pair.find_portrait", lambda bgr: Portrait(bgr, np.zeros((468, 2), np.float32)))
    return forgeries


@pytest.fixture
def reals(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    for label, count in (("real", 24), ("fake", 3)):
        (root / label).mkdir(parents=True)
        for at in range(count):
            (root / label / f"{at:02d}.jpg").write_bytes(jpeg(photo(at, SIDE)))
    return root


def run(reals: Path, out: Path, **options: Any) -> task.Summary:
    return forge(read_dataset([str(reals)]), str(out), jobs=options.pop("jobs", 1), **options)


def rows_of(out: Path) -> list[Listed]:
    return [Listed(**row) for row in csv.DictReader((out / MANIFEST).read_text().splitlines())]


def files_of(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_every_real_image_gets_a_pair_and_a_mask(toys: Mapping[str, Forgery], reals: Path, tmp_path: Path) -> None:
    summary = run(reals, tmp_path / "out")
    assert (summary.originals, summary.ignored, summary.kept, summary.failed) == (24, 3, 0, 0)
    assert sum(summary.forged.values()) == 24
    rows = rows_of(tmp_path / "out")
    assert Counter(row.label for row in rows) == {"real": 24, "fake": 24}
    for row in rows:
        assert row.group == Path(row.original).stem
        assert row.split == split_of(row.group)
        assert Path(row.original).parent == reals / "real"
        if row.label == "fake":
            family = row.kind.removeprefix("forged.")
            assert row.path == f"fake/{family}/{row.group}.jpg"
            assert row.mask == f"mask/{family}/{row.group}.png"
            twin = tmp_path / "out" / "real" / f"{row.group}.jpg"
            assert load_pixels(twin).shape == load_pixels(tmp_path / "out" / row.path).shape
        else:
            assert (row.kind, row.mask) == ("", "")
    names = {row.path for row in rows} | {row.mask for row in rows if row.mask} | {MANIFEST, SETTINGS}
    assert set(files_of(tmp_path / "out")) == names


def test_a_mask_says_where_and_a_pair_is_saved_alike(toys: Mapping[str, Forgery], reals: Path, tmp_path: Path) -> None:
    run(reals, tmp_path / "out", families=["blend"])
    rows = {row.path: row for row in rows_of(tmp_path / "out")}
    saving = ("degraded", "degree", "rescaled", "quality")
    for row in (row for row in rows.values() if row.label == "fake"):
        real, fake = (load_pixels(tmp_path / "out" / path) for path in (f"real/{row.group}.jpg", row.path))
        mask = cv2.imread(str(tmp_path / "out" / row.mask), cv2.IMREAD_UNCHANGED)
        assert mask is not None
        assert mask.dtype == np.uint8
        assert (mask == 255).sum() == mask.astype(bool).sum() == 32 * 32
        differs = np.abs(real.astype(int) - fake).max(axis=2)
        assert differs[:8].max() == differs[-8:].max() == 0  # the same bytes came in, and the same encoder wrote them
        assert differs[32:64, 32:64].mean() > 20
        drawn, twin = json.loads(row.parameters), json.loads(rows[f"real/{row.group}.jpg"].parameters)
        assert {name: drawn[name] for name in saving} == twin
        assert 0 < drawn["level"] < 1


def test_the_result_is_a_data_set(toys: Mapping[str, Forgery], reals: Path, tmp_path: Path) -> None:
    run(reals, tmp_path / "out", per_image=2, families=["blend", "warp"])
    for source in (tmp_path / "out", tmp_path / "out" / MANIFEST):
        samples = read_dataset([str(source)])
        assert Counter(sample.label for sample in samples) == {0: 24, 1: 48}
        assert all(sample.split == split_of(sample.group) for sample in samples)
        assert not any("mask" in sample.path for sample in samples)
    originals = {sample.group: sample.split for sample in read_dataset([str(reals)]) if not sample.label}
    assert {sample.group: sample.split for sample in samples} == originals


def test_families_are_equally_frequent_and_differ_for_an_image(
    toys: Mapping[str, Forgery], reals: Path, tmp_path: Path
) -> None:
    summary = run(reals, tmp_path / "out", per_image=2, families=["warp", "blend", "graphics"])
    assert list(summary.forged) == ["blend", "graphics", "warp"]
    assert sum(summary.forged.values()) == 48
    assert min(summary.forged.values()) >= 10
    families: dict[str, set[str]] = {}
    for row in rows_of(tmp_path / "out"):
        families.setdefault(row.group, set()).add(row.kind)
    assert all(len(kinds) == 3 for kinds in families.values())  # two, and none of the original


def test_donors_are_of_another_group_and_the_same_part(
    toys: Mapping[str, Forgery], reals: Path, tmp_path: Path
) -> None:
    run(reals, tmp_path / "out", families=["swap"])
    samples = {sample.path: sample for sample in read_dataset([str(reals)])}
    fakes = [row for row in rows_of(tmp_path / "out") if row.label == "fake"]
    assert len(fakes) > 10
    for row in fakes:
        donor = samples[json.loads(row.parameters)["donor"]]
        assert donor.label == 0
        assert donor.group != row.group
        assert donor.split == row.split
    assert len({json.loads(row.parameters)["donor"] for row in fakes}) > 5


def test_an_image_without_a_donor_fails_alone(toys: Mapping[str, Forgery], reals: Path, tmp_path: Path) -> None:
    samples = [replace(sample, split="test" if at else "train") for at, sample in enumerate(read_reals([str(reals)]))]
    chosen = [sample for sample in samples if not sample.label][:3]
    one = replace(chosen[0], split="train")
    summary = forge([one, *chosen[1:]], str(tmp_path / "out"), families=["swap"], jobs=1)
    (failure,) = summary.failures
    assert (failure.path, failure.family) == (one.path, "swap")
    assert failure.reason.startswith("dataset: no donor")
    assert not (tmp_path / "out" / "real" / f"{Path(one.path).stem}.jpg").exists()


def test_what_cannot_be_forged_is_told_and_the_rest_goes_on(
    toys: Mapping[str, Forgery], reals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (reals / "real" / "03.jpg").write_bytes(b"text")
    (reals / "real" / "04.jpg").write_bytes(b"")
    monkeypatch.setattr(task, "FORGERIES", {**toys, "warp": stumble})
    summary = run(reals, tmp_path / "out", families=["warp", "blend"], per_image=2)
    assert (summary.originals, summary.failed) == (24, 24)
    assert summary.forged == {"blend": 22, "warp": 0}
    reasons = {(Path(one.path).name, one.family): one.reason.partition(":")[0] for one in summary.failures}
    assert reasons["03.jpg", ""] == "not_an_image"
    assert reasons["04.jpg", ""] == "empty_file"
    assert reasons["05.jpg", "warp"] == "opencv"
    assert Counter(row.label for row in rows_of(tmp_path / "out")) == {"real": 22, "fake": 22}


def test_a_defect_is_not_hidden(
    toys: Mapping[str, Forgery], reals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(target: Portrait, donor: Portrait | None, rng: np.random.Generator) -> Forged:
        raise ZeroDivisionError

    monkeypatch.setattr(task, "FORGERIES", {"blend": fail})
    with pytest.raises(ZeroDivisionError) as raised:
        run(reals, tmp_path / "out")
    assert any("00.jpg by blend" in note for note in raised.value.__notes__)


def test_a_broken_donor_is_passed_over(toys: Mapping[str, Forgery], reals: Path, tmp_path: Path) -> None:
    (reals / "real" / "03.jpg").write_bytes(b"text")
    summary = run(reals, tmp_path / "out", families=["swap"])
    assert [Path(failure.path).name for failure in summary.failures if "no donor" not in failure.reason] == ["03.jpg"]
    assert all("03.jpg" not in json.loads(row.parameters).get("donor", "") for row in rows_of(tmp_path / "out"))


# Runs


def test_the_same_run_gives_the_same_bytes(toys: Mapping[str, Forgery], reals: Path, tmp_path: Path) -> None:
    run(reals, tmp_path / "one", per_image=2)
    run(reals, tmp_path / "two", per_image=2)
    run(reals, tmp_path / "other", per_image=2, seed=1)
    one, two, other = (files_of(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    images = {name for name in one.keys() & other.keys() if name.endswith(".jpg")}
    assert sum(one[name] != other[name] for name in images) > 0.9 * len(images)


def test_processes_change_nothing(reals: Path, tmp_path: Path) -> None:
    pictures = read_reals([str(reals)])[:6]
    seen: list[tuple[int, int | None]] = []
    forge(pictures, str(tmp_path / "one"), families=["blend"], jobs=1)
    forge(
        pictures,
        str(tmp_path / "two"),
        families=["blend"],
        jobs=2,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    assert seen[-1][0] == seen[-1][1] == len([sample for sample in pictures if not sample.label])


def test_a_second_run_keeps_what_is_finished(toys: Mapping[str, Forgery], reals: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(reals, out)
    before = files_of(out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}
    first, second = sorted(out.glob("fake/*/*.jpg"))[:2]
    first.unlink()
    (out / "mask" / second.relative_to(out / "fake").with_suffix(".png")).unlink()
    summary = run(reals, out)
    assert (summary.kept, sum(summary.forged.values())) == (22, 24)
    assert files_of(out) == before
    changed = {path for path, at in times.items() if path.stat().st_mtime_ns != at}
    assert changed == {first, second, out / "real" / first.name, out / "real" / second.name}


def test_a_run_that_broke_off_goes_on(
    toys: Mapping[str, Forgery], reals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(reals, tmp_path / "out", progress=interrupt)
    assert not (tmp_path / "out" / MANIFEST).exists()
    with (tmp_path / "out" / ".rows.ndjson").open("a") as journal:
        journal.write('["real/torn')
    summary = run(reals, tmp_path / "out")
    assert summary.kept == 9
    run(reals, tmp_path / "whole")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_another_folder_is_refused(toys: Mapping[str, Forgery], reals: Path, tmp_path: Path) -> None:
    run(reals, tmp_path / "out")
    for options in ({"seed": 1}, {"per_image": 2}, {"families": ["blend"]}):
        with pytest.raises(OutputError, match="other images or with other settings"):
            run(reals, tmp_path / "out", **options)
    shutil.rmtree(reals / "fake")
    assert run(reals, tmp_path / "out").kept == 24
    (reals / "real" / "00.jpg").unlink()
    with pytest.raises(OutputError, match="other images"):
        run(reals, tmp_path / "out")
    with pytest.raises(OutputError, match="something else"):
        run(reals, reals)
    with pytest.raises(OutputError, match="something else"):
        run(reals, reals / "real" / "01.jpg")


def test_a_full_disk_ends_the_run(
    toys: Mapping[str, Forgery], reals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    (tmp_path / "out").mkdir()
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="no space left on device"):
        run(reals, tmp_path / "out")


def test_names_that_are_wrong_are_refused(reals: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'blend'"):
        run(reals, tmp_path / "out", families=["blnd"])
    fakes = [sample for sample in read_dataset([str(reals)]) if sample.label]
    with pytest.raises(DatasetError, match="no real image"):
        forge(fakes, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_pictures_without_labels_are_real(tmp_path: Path) -> None:
    for name in ("a.jpg", "b/a.jpg"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(jpeg(photo(0, SIDE)))
    samples = read_reals([str(tmp_path / "set")])
    assert [(sample.label, sample.group) for sample in samples] == [(0, "a"), (0, "b/a")]
    assert all(isinstance(sample, Sample) and sample.split == split_of(sample.group) for sample in samples)


# The families, and the command


@pytest.mark.realdata
def test_families_leave_alone_what_lies_outside_their_masks(sample_faces: SampleFaces) -> None:
    from pipelines.forge_portrait import find_portrait

    paths = sorted((sample_faces(20) / "real").iterdir())
    found = [
        portrait for portrait in (find_portrait(load_pixels(path)) for path in paths) if portrait.points is not None
    ]
    for family, forgery in FORGERIES.items():
        for at in range(8):
            points = found[at].points
            assert points is not None
            donor = next(one for one in found[at + 1 :] if one.points is not None and alike(one.points, points))
            forged = forgery(found[at], donor, np.random.default_rng(at))
            changed = (forged.bgr != found[at].bgr).any(axis=2)
            assert not changed[forged.mask == 0].any(), family
            assert changed.any(), family
            assert forged.mask.dtype == np.float32
            assert 0 <= forged.mask.min() < forged.mask.max() <= 1
            json.dumps(dict(forged.parameters))


Command = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: object) -> tuple[int, Any, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["forge", *map(str, arguments), "--jobs", "1"])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), json.loads(out) if out else None, err

    return call


def test_the_command_says_what_it_did(
    toys: Mapping[str, Forgery], command: Command, reals: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    status, record, err = command(reals, "--out", out, "--families", "blend, warp", "--per-image", 2, "--seed", 3)
    assert (status, record["originals"], record["ignored"], record["failed"], err) == (0, 24, 3, 0, "")
    assert record["forged"] == {"blend": 24, "warp": 24}
    assert record["failures"] == []
    (reals / "real" / "02.jpg").write_bytes(b"text")
    status, record, _ = command(reals, "--out", tmp_path / "two", "--families", "blend", "--quiet")
    assert (status, record["failed"]) == (3, 1)
    assert record["failures"][0]["reason"].startswith("not_an_image")
    assert command(reals / "real" / "02.jpg", "--out", tmp_path / "three")[0] == 1


def test_the_command_refuses_what_is_wrong(command: Command, reals: Path, tmp_path: Path) -> None:
    status, _, err = command(reals, "--out", tmp_path / "out", "--families", "blnd")
    assert status == 2
    assert "did you mean 'blend'" in err
    assert command(reals, "--out", tmp_path / "out", "--per-image", 0)[0] == 2
    status, _, err = command(reals, "--out", reals)
    assert status == 1
    assert "something else" in err


def test_the_first_face_of_a_photograph_is_forged_in_its_place(command: Command, tmp_path: Path) -> None:
    from tests.faces import astronaut

    (tmp_path / "set").mkdir()
    cv2.imwrite(str(tmp_path / "set" / "a.png"), astronaut())
    status, record, _ = command(tmp_path / "set", "--out", tmp_path / "out", "--families", "blend")
    assert (status, record["forged"]) == (0, {"blend": 1})
    mask = cv2.imread(str(tmp_path / "out" / "mask" / "blend" / "a.png"), cv2.IMREAD_UNCHANGED)
    assert mask is not None
    assert mask.shape == (512, 512)
    y, x = np.nonzero(mask)
    assert abs(x.mean() - 224) < 30
    assert abs(y.mean() - 130) < 60
    assert mask[250:].max() == 0
