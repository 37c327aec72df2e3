"""How well a network does: small cases that can be counted."""

import numpy as np
import pytest

from pipelines.dataset import Sample
from pipelines.kinds import head_of
from pipelines.network_quality import MapQuality, Scored, map_quality, quality_of

KINDS = ("", "", "dfdc", "dfdc", "forged.blend", "forged.swap", "forged.swap")
SAMPLES = [Sample(f"{at}.jpg", int(at > 1), str(at), kind, "", "validation") for at, kind in enumerate(KINDS)]
TAUGHT = [(head_of(sample),) if sample.label else ("found", "forged") for sample in SAMPLES]
UNKNOWN = np.full((7, 7, 7), np.nan)


def test_a_plain_network_tells_what_it_always_told() -> None:
    scored = Scored(SAMPLES[:4], TAUGHT[:4], np.array([[0.0], [2.0], [1.0], [3.0]]), None, UNKNOWN[:4])
    found = quality_of(("found",), scored)
    assert found.plain
    assert found.to_json() == {"rows": 4, "auc": 0.75, "tpr_at_fpr_1": 0.5}


def test_each_head_is_judged_by_its_own_fakes() -> None:
    found = np.array([0.0, 2.0, 1.0, 3.0, 99.0, 99.0, 99.0])  # what is not its own does not count
    forged = np.array([0.0, 2.0, 99.0, 99.0, 3.0, 1.0, -1.0])
    quality = quality_of(("found", "forged"), Scored(SAMPLES, TAUGHT, np.stack([found, forged], axis=1), None, UNKNOWN))
    assert not quality.plain
    assert {head: one.auc for head, one in quality.heads.items()} == {"found": 0.75, "forged": 0.5}
    assert quality.families == {"found": 0.75, "forged.blend": 1.0, "forged.swap": 0.25}
    assert quality.auc == pytest.approx(0.625)
    told = quality.to_json()
    assert told["rows"] == 7
    assert told["heads"]["forged"] == {"rows": 5, "auc": 0.5, "tpr_at_fpr_1": pytest.approx(1 / 3)}
    assert told["map"] is None


def test_a_head_is_judged_by_the_reals_that_teach_it() -> None:
    taught = [("found",), ("forged",), *TAUGHT[2:]]
    logits = np.array([[0.0, 9.0], [9.0, 0.0], *[[1.0, 1.0]] * 5])
    quality = quality_of(("found", "forged"), Scored(SAMPLES, taught, logits, None, UNKNOWN))
    assert {head: (one.auc, one.rows) for head, one in quality.heads.items()} == {"found": (1.0, 3), "forged": (1.0, 4)}
    assert set(quality.families.values()) == {1.0}


def test_evidence_is_compared_with_the_area() -> None:
    cells = np.zeros((5, 7, 7))
    cells[0, :, 0] = 1.0  # a seventh of the area
    cells[1, 0, :] = 0.5
    cells[2], cells[3], cells[4, 0, 0] = 0.0, np.nan, 1.0
    maps = np.full((5, 7, 7), -3.0)
    maps[0, :, 0], maps[0, :, 1] = 3.0, 1.0  # three quarters of the evidence inside
    maps[1, 0, 0] = 2.0  # half inside; the mask has a fourteenth of the area
    maps[2:4] = 5.0
    found = map_quality(maps, cells)
    assert (found.rows, found.silent) == (3, 1)
    assert found.inside == pytest.approx((0.75 * 7 + 0.5 * 14) / 2)


def test_even_evidence_has_a_ratio_of_one() -> None:
    cells = np.random.default_rng(0).random((4, 7, 7))
    assert map_quality(np.ones((4, 7, 7)), cells).inside == pytest.approx(1)
    assert map_quality(-np.ones((4, 7, 7)), cells) == MapQuality(None, 4, 4)
    assert map_quality(np.ones((4, 7, 7)), UNKNOWN[:4]) == MapQuality(None, 0, 0)
