"""The row of `score` is exactly the one that design.md fixes."""

import json

from features.errors import CorruptImageError
from models import verdict
from models.verdict import SCHEMA, ErrorRef, ModelRef, Verdict

MODEL = ModelRef("fast", "ab" * 32)


def test_row_of_a_judged_face() -> None:
    row = Verdict("a.jpg", "cd" * 32, 0.93, "fake", None, (1, 2, 30, 40), MODEL).to_json()
    assert json.dumps(row) == (
        '{"schema": "fauxface.verdict/1", "path": "a.jpg", "sha256": "' + "cd" * 32 + '", "probability": 0.93, '
        '"verdict": "fake", "reason": null, "face": [1, 2, 30, 40], '
        '"model": {"name": "fast", "digest": "' + "ab" * 32 + '"}, "error": null}'
    )


def test_row_of_a_failed_input() -> None:
    error = ErrorRef.of(CorruptImageError("damaged or truncated JPEG: ends early"))
    row = Verdict("b.jpg", None, None, None, None, None, MODEL, error).to_json()
    assert row["error"] == {"type": "corrupt_image", "message": "damaged or truncated JPEG: ends early"}
    assert row["probability"] is row["verdict"] is row["face"] is None
    assert list(row) == ["schema", *Verdict.__dataclass_fields__]


def test_schema_is_named_in_every_row() -> None:
    assert Verdict(None, None, 0.1, "real", None, None, MODEL).to_json()["schema"] == SCHEMA
    assert set(verdict.__all__) == {"SCHEMA", "ErrorRef", "ModelRef", "Verdict"}
