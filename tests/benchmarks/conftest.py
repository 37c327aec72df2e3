"""A few images that every script can measure, and how to run one on them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.images import corpus

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve real and twelve fake images at the working size."""
    return corpus(tmp_path_factory.mktemp("images"), 12)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A function: the `main` of a script and its arguments to the record it writes."""

    def call(main: Callable[[list[str]], None], *arguments: object) -> dict[str, Any]:
        output = tmp_path / "results" / "result.json"
        main([*map(str, arguments), "-o", str(output)])
        return dict(json.loads(output.read_text()))

    return call
