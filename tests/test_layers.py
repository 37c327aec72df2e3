"""The shape of the code: imports run one way, modules are short and say what they export, start-up is light."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import pytest

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ("cli_dataset", "cli_forge", "cli_measure", "cli_serve", "cli_store")
RANK = {"features": 0, "models": 1, "pipelines": 2, **dict.fromkeys(COMMANDS, 3), "cli": 4}
MODULES = sorted(
    path for layer in RANK for path in [*(ROOT / layer).rglob("*.py"), ROOT / f"{layer}.py"] if path.is_file()
)
SOURCES = [*MODULES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "benchmarks").rglob("*.py"))]
HEAVY = {
    "cv2",
    "lightgbm",
    "numpy",
    "onnx",
    "onnxruntime",
    "pandas",
    "PIL",
    "pyarrow",
    "rich",
    "scipy",
    "sklearn",
    "torch",
}
NOT_TO_SCORE = {"lightgbm", "onnx", "pandas", "pyarrow", "scipy", "sklearn", "skimage", "torch"}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found.add(str(node.module).partition(".")[0])
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_one_way(path: Path) -> None:
    own = RANK[name_of(path).partition(".")[0]]
    upward = {name for name in imports_of(path) if RANK.get(name, -1) > own}
    assert not upward, f"{name_of(path)} imports from a layer above: {upward}"
    assert not imports_of(path) & {"tests", "benchmarks"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_is_pickled(path: Path) -> None:
    assert not imports_of(path) & {"pickle", "dill", "cloudpickle", "shelve", "marshal"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 350


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_functions_are_short(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body and body[-1].end_lineno else 0
            assert lines <= 45, f"{node.name} has {lines} lines"


def public_names(module: ModuleType) -> set[str]:
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
        and not isinstance(value, TypeVar)
    }


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_say_what_they_export(path: Path) -> None:
    module = importlib.import_module(name_of(path))
    if path.name == "__init__.py" and not public_names(module):
        return
    assert list(module.__all__) == sorted(module.__all__, key=sort_key)
    assert set(module.__all__) <= set(vars(module)), "a name in __all__ does not exist"
    if not module.__name__.startswith("cli"):  # whose other functions are commands
        assert public_names(module) <= set(module.__all__), "a public name is not in __all__"


def sort_key(name: str) -> tuple[int, str]:
    """Order as ruff orders `__all__`: constants, classes, the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def loaded_by(code: str) -> set[str]:
    """Run code in a fresh interpreter and name the top-level modules that it loaded."""
    script = f"import sys\n{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_the_command_line_starts_light() -> None:
    loaded = loaded_by("import cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass")
    assert "typer" in loaded
    assert not loaded & HEAVY


def test_scoring_loads_no_training_library() -> None:
    loaded = loaded_by("import pipelines.score, pipelines.inputs")
    assert {"numpy", "cv2", "onnxruntime"} <= loaded
    assert not loaded & NOT_TO_SCORE
