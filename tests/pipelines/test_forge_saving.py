"""What happens to both pictures of a pair."""

import numpy as np
import simplejpeg

from pipelines.forge_saving import Saving, draw_saving
from tests.images import photo

BGR = photo(0, 96)


def test_nothing_drawn_changes_nothing_but_the_encoding() -> None:
    plain = Saving("", 0.0, 1.0, 80)
    assert plain.degrade(BGR) is BGR
    expected = simplejpeg.encode_jpeg(BGR, 80, colorspace="BGR", colorsubsampling="420")
    assert plain.encode(BGR) == expected


def test_steps_keep_the_size_and_lose_detail() -> None:
    def detail(bgr: np.ndarray) -> float:
        return float(np.abs(np.diff(bgr.astype(int), axis=1)).mean())

    for step, strength in (("blur", 1.0), ("rescale", 0.5), ("jpeg", 35)):
        poor = Saving(step, strength, 1.0, 80).degrade(BGR)
        assert poor.shape == BGR.shape
        assert detail(poor) < detail(BGR)
    decoded = simplejpeg.decode_jpeg(Saving("", 0.0, 0.6, 95).encode(BGR), colorspace="BGR")
    assert decoded.shape == BGR.shape
    assert detail(decoded) < detail(BGR)


def test_draws_cover_what_they_may() -> None:
    drawn = [draw_saving(np.random.default_rng(seed)) for seed in range(300)]
    assert {one.step for one in drawn} == {"", "blur", "rescale", "jpeg"}
    assert 60 <= min(one.quality for one in drawn) < 63 < 92 < max(one.quality for one in drawn) <= 95
    assert 0.5 < np.mean([one.step == "" for one in drawn]) < 0.7
    assert 0.65 < np.mean([one.scale == 1 for one in drawn]) < 0.85
    assert all(0.6 <= one.scale <= 1.4 for one in drawn)
    assert draw_saving(np.random.default_rng(5)) == draw_saving(np.random.default_rng(5))
    assert set(drawn[0].to_json()) == {"degraded", "degree", "rescaled", "quality"}
