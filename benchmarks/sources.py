"""Where the figures of README.md come from: the result files and the manifest of the detector that ships."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.record import ROOT

__all__ = ["FiguresError", "Sources"]


class FiguresError(Exception):
    """A source is missing or out of date, or README.md has no place for a figure or says another."""


@dataclass(frozen=True)
class Sources:
    """Where figures come from: the folder of result files and the folder of the detector that ships."""

    results: Path = ROOT / "benchmarks" / "results"
    detector: Path = ROOT / "models" / "pretrained" / "fast"

    def result(self, name: str) -> dict[str, Any]:
        """Read the figures of a result file."""
        path = self.results / f"{name}.json"
        if not path.is_file():
            place = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
            script = (ROOT / "benchmarks" / f"{name}.py").is_file()
            how = f"; make it with: python -m benchmarks.{name} -o {place}" if script else ""
            raise FiguresError(f"{place} is missing{how}")
        record: dict[str, Any] = json.loads(path.read_text())
        return dict(record.get("figures", record))

    def command(self, name: str) -> str:
        """Name the command that made a result."""
        return str(json.loads((self.results / f"{name}.json").read_text())["command"])

    def digest_of(self, model: str) -> str | None:
        """Take the digest of a detector that ships; None where none of that name does."""
        path = self.detector.with_name(model) / "manifest.json"
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None

    def machine(self, name: str) -> str:
        """Say on what a result was measured."""
        machine = json.loads((self.results / f"{name}.json").read_text())["machine"]
        return f"{machine['processor']}, {machine['system']}, Python {machine['python']}"

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest of the detector that ships."""
        path = self.detector / "manifest.json"
        if not path.is_file():
            raise FiguresError(f"{path} is missing; train the detector and ship it first")
        return dict(json.loads(path.read_text()))

    def of_these_features(self, name: str, digest: Callable[[dict[str, Any]], str]) -> dict[str, Any]:
        """Read a result of the features that the shipped detector measures; `digest` finds theirs in the figures."""
        figures = self.result(name)
        if digest(figures) != self.manifest["feature_set"]["digest"]:
            raise FiguresError(f"{name}.json is of other features than the detector that ships; run it again")
        return figures

    def of_this_detector(self, name: str, digest: Callable[[dict[str, Any]], str]) -> dict[str, Any]:
        """Read a result of the shipped detector; `digest` finds the digest of the one judged in the figures."""
        figures = self.result(name)
        if digest(figures) != hashlib.sha256((self.detector / "manifest.json").read_bytes()).hexdigest():
            raise FiguresError(f"{name}.json judged another detector than the one that ships; run it again")
        return figures
