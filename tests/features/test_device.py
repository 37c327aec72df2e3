"""Devices and memory."""

import os
import subprocess
import sys

import pytest

from features import device
from features.device import DEVICES, choose_device, keep_memory, require, wait_asleep
from features.errors import DeviceError, MissingExtraError, UnknownNameError


@pytest.mark.parametrize(("there", "taken"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_the_gpu_where_there_is_one_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, there: bool, taken: str
) -> None:
    monkeypatch.setattr(device, "cuda_available", lambda: there)
    said: list[str] = []
    assert choose_device("auto", said.append) == DEVICES[taken]
    assert len(said) == 1
    assert taken.replace("cuda", "gpu").upper() in said[0]


def test_what_was_asked_for_is_not_commented_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "cuda_available", lambda: True)
    said: list[str] = []
    assert [choose_device(name, said.append).name for name in ("cpu", "cuda")] == ["cpu", "cuda"]
    assert not said


def test_half_precision_on_the_gpu_only() -> None:
    assert {name: found.half for name, found in DEVICES.items()} == {"cpu": False, "cuda": True}


def test_cuda_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "cuda_available", lambda: False)
    with pytest.raises(DeviceError, match="no GPU"):
        choose_device("cuda")


def test_an_unknown_device() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'cuda'"):
        choose_device("cuda0")


def test_a_missing_package_is_named_with_its_extra() -> None:
    require("neural", ["json"])
    with pytest.raises(
        MissingExtraError, match=r"no_such_package is not installed; .* pip install 'fauxface\[neural\]'"
    ):
        require("neural", ["json", "no_such_package"])


FAULTS = """
import resource, sys
import numpy as np
from features.device import keep_memory
if sys.argv[1] == "kept":
    assert keep_memory()
def touch():
    for _ in range(8):
        np.full(8_000_000, 1.0)
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not keep_memory(), reason="the C library is not glibc")
def test_memory_is_faulted_in_once() -> None:
    faults = {
        how: int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True).stdout)
        for how in ("kept", "returned")
    }
    assert faults["kept"] < 100
    assert faults["returned"] > 1000


def test_threads_wait_asleep_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    wait_asleep()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    wait_asleep()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
