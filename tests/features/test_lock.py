"""A folder is held by one process, and let go however that ends."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from features.errors import OutputError, StoreError
from features.lock import hold
from features.storage import Remote

ROOT = Path(__file__).resolve().parents[2]
HOLDER = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from features.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["kill", "leave"])
def test_one_at_a_time_until_the_holder_ends(tmp_path: Path, end: str) -> None:
    folder = tmp_path / "a/b"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match="being filled by another run"), hold(folder):
            pass
        if end == "kill":
            other.send_signal(signal.SIGKILL)
        else:
            other.stdin.close()
        other.wait(30)
    with hold(folder):
        assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"), hold(tmp_path / "file/store"):
        pass


def test_what_is_behind_a_url_is_not_held() -> None:
    with hold(Remote("memory://held")), hold(Remote("memory://held")):
        pass
