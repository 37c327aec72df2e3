"""Every value of every profile has its sentence, which says what it measures, where, and what it counts for."""

import re

import pytest

from features.embedding import network_params
from features.profiles import PROFILES, RETIRED, feature_set
from features.spec import BlockSpec
from features.texture import _uniform
from models.contributions import Cell, block_of, cells_of
from pipelines import explain_sentences
from pipelines.explain_sentences import say, where

HEADS = ("found", "forged")
PARAMS = network_params(b"network", "lite0"), network_params(b"network", "lite0", HEADS, located=True)
SPECS = [*map(BlockSpec.of, RETIRED), *(spec for params in PARAMS for spec in feature_set("full", params).blocks)]
NAMES = tuple(dict.fromkeys(name for spec in SPECS for name in spec.names))


def test_every_value_of_both_profiles_has_a_sentence() -> None:
    assert set(feature_set("fast").names) < set(NAMES)
    assert {block_of(name) for name in NAMES} == {*PROFILES["full"], *RETIRED, "embedding.map"}
    for name, cell in zip(NAMES, cells_of(NAMES), strict=True):
        for value, amount in ((1.0, 0.5), (-1.0, -0.5)):
            said = say(name, value, amount, cell)
            assert re.fullmatch(r"[A-Z][^{}_]+ speaks for (fake|real)\.", said), said
            assert said.endswith(f"for {'fake' if amount > 0 else 'real'}.")
            assert "  " not in said


def test_every_template_is_needed() -> None:
    used = {explain_sentences._find(name)[0] for name in NAMES}
    assert used == set(explain_sentences._TABLE)


def test_no_name_has_two_templates() -> None:
    for name in NAMES[:2100]:
        assert sum(re.fullmatch(row.name, name) is not None for row in explain_sentences._TABLE) == 1, name


@pytest.mark.parametrize(
    ("name", "value", "amount", "said"),
    [
        (
            "grid.dct.d2.inner_outer", -0.4, 0.2,
            "Fine slanted detail is weaker inside the face than around it, which speaks for fake.",
        ),
        (
            "grid.chroma_noise.cr.left_right", 0.4, -0.2,
            "Noise in redness is stronger in the left half of the picture than in the right half,"
            " which speaks for real.",
        ),
        (
            "grid.color.y.r0c7", 12.0, 0.1,
            "Brightness on the right at the forehead is higher than in the picture on average, which speaks for fake.",
        ),
        ("residual.moments.square3.log_variance", 1.0, 0.1, "The energy of fine-grained noise speaks for fake."),
        ("spectrum.radial.y.ring.k054", 1.0, 0.1,
         "The strength of waves of about 4.07 pixels in brightness, within the whole spectrum, speaks for fake."),
        ("residual.cooccurrence.square3.0124", 0.1, -0.1,
         "How often the noise of neighbouring pixels runs -- - 0 ++ speaks for real."),
        ("embedding.logit.value", 2.0, 1.0,
         "The neural network's own judgement leans towards fake, which speaks for fake."),
        ("embedding.logit.forged", -2.0, 1.0,
         "The neural network's judgement by forgeries made for training leans towards real, which speaks for fake."),
        ("embedding.map.value.r5c3", 2.0, 1.0,
         "What the neural network sees in the middle at the height of the mouth looks forged, which speaks for fake."),
    ],
)  # fmt: skip
def test_sentences_say_what_the_value_says(name: str, value: float, amount: float, said: str) -> None:
    (cell,) = cells_of((name,))
    assert say(name, value, amount, cell and Cell(cell.row, cell.column, 8)) == said


def test_what_has_no_words_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"no words for new\.block\.value"):
        say("new.block.value", 1.0, 1.0)


def test_patterns_are_numbered_as_the_texture_block_numbers_them() -> None:
    codes = explain_sentences._uniform_codes()
    assert len(codes) == 58
    for number, code in enumerate(codes):
        assert _uniform()[0][code].argmax() == number


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (Cell(0, 0, 8), "on the left at the forehead"),
        (Cell(2, 4, 8), "in the middle at the height of the eyes"),
        (Cell(5, 6, 7), "on the right at the height of the mouth"),
        (Cell(3, 3, 4), "on the right at the chin"),
        (Cell(3, 3, 7), "in the middle at the height of the nose"),
    ],
)
def test_places_are_named_as_the_framing_has_the_face(cell: Cell, words: str) -> None:
    assert where(cell) == words
