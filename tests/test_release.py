"""What is published is the same whenever it is built, and holds what the program needs."""

import io
import re
import tarfile
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import release
from tests.release import ROOT, locked, missing, normalise, tracked

checkout = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="asks git what is in the repository")


def packed(names: list[str], mtime: int, mode: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode, entry.uname = 1, mtime, mode, "somebody"
            archive.addfile(entry, io.BytesIO(b"x"))
    return stream.getvalue()


def test_an_archive_is_the_same_whoever_packs_it() -> None:
    one = normalise(packed(["a/b", "a/c"], 5, 0o600), 1000)
    assert one == normalise(packed(["a/c", "a/b"], 7, 0o664), 1000)
    with tarfile.open(fileobj=io.BytesIO(one)) as archive:
        assert [(m.name, m.mtime, m.mode, m.uname) for m in archive] == [(n, 1000, 0o644, "") for n in ("a/b", "a/c")]


def test_what_a_wheel_lacks_is_listed() -> None:
    assert missing(["b", "c"], ["b", "a"]) == ["a"]


@checkout
def test_what_has_to_be_in_a_wheel() -> None:
    names = tracked()
    for needed in ("cli.py", "cli_serve.py", "models/pretrained/fast/manifest.json", "pipelines/web/index.html"):
        assert needed in names
    assert any(name.startswith("features/weights/") for name in names)
    assert not any(name.startswith(("tests/", "benchmarks/", "docs/")) for name in names)


@checkout
def test_every_file_of_the_program_is_declared() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert sorted(settings["py-modules"]) == sorted(path.stem for path in ROOT.glob("cli*.py"))
    for package in settings["packages"]:
        held = {path for pattern in settings["package-data"][package] for path in (ROOT / package).glob(pattern)}
        others = {Path(ROOT, name) for name in tracked() if name.startswith(f"{package}/") and name[-3:] != ".py"}
        assert others <= held


def requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["dev"]]
    own = next(Requirement(line) for line in lines if line.startswith("fauxface"))
    lines += [line for extra in sorted(own.extras) for line in extras[extra]]
    return [found for found in map(Requirement, lines) if found.name != "fauxface"]


@pytest.mark.parametrize("wanted", requirements(), ids=str)
def test_the_lock_has_what_is_required(wanted: Requirement) -> None:
    versions = {canonicalize_name(name): version for name, version in locked().items()}
    assert wanted.specifier.contains(versions[canonicalize_name(wanted.name)]), "make lock"


def test_every_version_of_the_lock_has_its_hashes() -> None:
    entries = re.split(r"^(?=[A-Za-z0-9])", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)[1:]
    assert len(entries) == len(locked()) > 100
    assert all("--hash=sha256:" in entry for entry in entries)


def test_what_fails_ends_the_release() -> None:
    with pytest.raises(SystemExit, match="no such"):
        release._run("python", "-c", "import sys; sys.exit('no such thing')")
