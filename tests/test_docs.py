"""The README is true: its commands run as they stand, and it names every command and option that there is."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

import cli
from pipelines import __version__
from tests.clips import clip, moving
from tests.images import corpus, jpeg, photo, png
from tests.portraits import beside, portrait

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
SCREEN = 60  # lines


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def commands() -> Iterator[str]:
    """Every command of the README that can run anywhere, in order."""
    for line in "".join(blocks("bash")).splitlines():
        if "cli.py" in line and "demo" not in line:
            yield line.partition(" #")[0].strip()


def leaves(group: TyperGroup, prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    """Every command with its long options."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from leaves(command, f"{prefix}{name} ")
        else:
            yield (
                f"{prefix}{name}",
                [max(option.opts, key=len) for option in command.params if option.opts[0][0] == "-"],
            )


COMMANDS = dict(leaves(typer.main.get_group(cli.app)))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program beside the files that the README speaks of."""
    root = tmp_path_factory.mktemp("checkout")
    for package in ("features", "models", "pipelines"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    for module in ROOT.glob("cli*.py"):
        shutil.copy(module, root)
    (root / "photos").mkdir()
    (root / "photo.jpg").write_bytes(jpeg(portrait()))
    (root / "photos" / "a.jpg").write_bytes(jpeg(beside(portrait(), portrait(1.5))))
    (root / "photos" / "b.jpg").write_bytes(jpeg(photo(2)))
    (root / "photos" / "c.png").write_bytes(png(photo(3)))
    clip(root / "clip.mp4", moving(6))
    (root / "list.txt").write_text("photo.jpg\nphotos/a.jpg\n")
    with zipfile.ZipFile(root / "set.zip", "w") as archive:
        archive.write(root / "photo.jpg", "photo.jpg")
    _write_kaggle(root / "deepfake-faces.zip", corpus(root / "corpus", 60, size=64))
    return root


def _write_kaggle(path: Path, images: Path) -> None:
    """Pack a corpus in the layout of Kaggle's deepfake-faces."""
    with zipfile.ZipFile(path, "w") as archive:
        rows = ["videoname,original_width,original_height,label,original"]
        for image in sorted((images / "real").iterdir()):
            rows += [f"v{image.stem}.mp4,64,64,REAL,", f"f{image.stem}.mp4,64,64,FAKE,v{image.stem}.mp4"]
            archive.write(image, f"faces_224/v{image.name}")
            archive.write(images / "fake" / image.name, f"faces_224/f{image.name}")
        archive.writestr("metadata.csv", "\n".join(rows) + "\n")


def run(root: Path, script: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", script], cwd=root, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )


def test_there_are_commands_to_run() -> None:
    assert len(list(commands())) >= 12


def test_every_command_runs_as_it_stands(checkout: Path) -> None:
    for command in commands():
        done = run(checkout, command)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert "Traceback" not in done.stderr


def test_the_lines_of_python_run(checkout: Path) -> None:
    (code,) = blocks("python")
    (checkout / "lines.py").write_text(code)
    done = run(checkout, "python lines.py")
    assert 0 <= float(done.stdout) <= 1


@pytest.mark.parametrize("target", re.findall(r"`?make (\w+)", README))
def test_every_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_named(command: str) -> None:
    assert f"`{command}" in README
    assert [option for option in COMMANDS[command] if option not in README] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_the_options_that_all_share(command: str) -> None:
    assert {"--format", "--output", "--quiet", "--jobs", "--debug"} <= set(COMMANDS[command])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([*command.split(), "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert [option for option in COMMANDS[command] if option not in shown] == []


def test_every_option_of_the_readme_exists() -> None:
    known = {option for options in COMMANDS.values() for option in options} | {"--version", "--help"}
    known |= {option.replace("--", "--no-", 1) for option in known}
    own = re.sub(r"^(curl|dask) .*$", "", README, flags=re.MULTILINE)
    assert set(re.findall(r"--[a-z][a-z-]*", own)) <= known


def test_the_first_screen_says_how_to_start() -> None:
    screen = "\n".join(README.splitlines()[:SCREEN])
    for said in ("make demo", "make test", "cli.py score", "libgomp1", "What a verdict means, and what it does not"):
        assert said in screen


def test_the_version_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"fauxface {__version__}\n"
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_the_hook_checks_what_make_checks() -> None:
    assert re.findall(r"entry: (.*)", (ROOT / ".pre-commit-config.yaml").read_text()) == ["make check"]
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("make check test")
