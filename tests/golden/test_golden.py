"""A value may change only together with the version of its block."""

import copy
import hashlib
from pathlib import Path

import numpy as np
import pytest

import tests.golden
from tests.features.pictures import BLOCKS
from tests.golden import FOLDER, PICTURES, changed, golden, measured, rewrite

SHA256 = {
    "specimen": "51308cde0626c556e5461ee6014cbec862aae748fe496bdbe83a9080e1bf3961",
    "mosaic": "0d78c293bbeb2e3391d0147027142b2c0c6628ef55ae97c4a7e9235d2322bb4a",
    "dusk": "288c39e50807b0a033746adf50ea75be28b4ca0c1bc1498ffef38a9f28085c41",
}


@pytest.mark.parametrize("picture", PICTURES)
def test_the_pictures_are_what_they_were(picture: str) -> None:
    pixels = PICTURES[picture]()
    assert pixels.shape == (224, 224, 3)
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == SHA256[picture]


def test_every_block_has_golden_values_of_its_version() -> None:
    found, now = golden(), measured()
    assert {block: version for block, (version, _) in found.items()} == {block: v for block, (v, _) in now.items()}
    for block, (_, pictures) in now.items():
        for picture, values in pictures.items():
            assert list(found[block][1][picture]) == list(values), "python -m tests.golden"


def test_values_are_golden() -> None:
    assert not changed(golden(), measured())


@pytest.mark.parametrize("name", BLOCKS)
def test_a_change_is_noticed(name: str) -> None:
    now = measured()
    before = copy.deepcopy(now)
    values = before[name][1]["mosaic"]
    values.update({value: 1.001 * x for value, x in values.items()})
    assert list(changed(before, now)) == [f"{name} on mosaic"]
    assert not changed({**before, name: (0, before[name][1])}, now)


def test_tables_are_written_as_they_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tests.golden, "FOLDER", tmp_path)
    assert {file.name for file in rewrite()} == {file.name for file in FOLDER.glob("*.csv")}
    assert golden() == measured()
    first = tmp_path / "color.csv"
    text = first.read_text()
    assert text.splitlines()[0] == "block,version,value,specimen,mosaic,dusk"
    first.write_text(text.replace("mean.y,", "mean.y,9"))
    with pytest.raises(ValueError, match=r"raise the version of: color\.global on specimen"):
        rewrite()
    assert first.read_text() != text


def test_the_pictures_tell_the_values_apart() -> None:
    for block, (_, pictures) in measured().items():
        table = np.array([list(values.values()) for values in pictures.values()])
        assert (np.ptp(table, axis=0) > 0).mean() > 0.5, f"{block} measures the pictures alike"
