"""The process that judges images for the server, one at a time, with its detectors loaded.

    python -m pipelines.serve_worker SETTING

It takes a Setting as JSON, loads and tries every detector, says so, and then answers the messages on standard input
until that is closed. Whatever libraries print goes to standard error.
"""

import base64
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, BinaryIO, Final

from features import decode
from features.errors import FauxfaceError
from models.bundle import inspect, resolve
from models.contributions import Explainer
from models.verdict import Verdict
from pipelines.doctor import specimen
from pipelines.engine import settle
from pipelines.explain import explain_image
from pipelines.explain_record import row
from pipelines.explain_sheet import encode, pictures
from pipelines.render import to_line
from pipelines.score import FACES, Detector, load_detector
from pipelines.serve_wire import Message, Setting, pack, read

__all__ = ["answer", "describe", "main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer messages until there are no more."""
    setting = Setting(**json.loads((sys.argv[1:] if arguments is None else arguments)[0]))
    settle(setting.parent)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the server ends first, and closes standard input
    decode.limit_pixels(setting.max_pixels)
    source, sink = sys.stdin.buffer, _sink()
    for model in setting.models:
        _try(model)
    _send(sink, Message({"models": [describe(model) for model in setting.models]}))
    while message := read(source):
        _send(sink, answer(message))


def _sink() -> BinaryIO:
    """Keep standard output for messages, and send what else is written there to standard error."""
    kept = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(kept, "wb")


def _send(sink: BinaryIO, message: Message) -> None:
    sink.write(pack(*message))
    sink.write(message.body)
    sink.flush()


def _try(model: str) -> None:
    """Judge a picture, so that the first request finds everything loaded."""
    for faces in FACES:
        _detector(model, faces).score(specimen())


def describe(model: str) -> dict[str, Any]:
    """Say of a detector what clients want to know: name, digest, profile, operating points."""
    found, bundle = inspect(resolve(model)), _detector(model, "off").bundle
    return {
        "model": model,
        "name": bundle.name,
        "digest": bundle.digest,
        "profile": found["feature_set"]["profile"],
        "points": {"real_below": bundle.points.real_below, "fake_from": bundle.points.fake_from},
    }


def answer(message: Message) -> Message:
    """Do what a message asks; what goes wrong stands in the answer."""
    try:
        return _TASKS[message.head["task"]](message.head, message.body)
    except FauxfaceError as error:
        return Message({"failure": {"type": error.code, "message": str(error)}})
    except Exception as error:  # whatever it is, the next request has nothing to do with it
        traceback.print_exc()
        return Message({"failure": {"type": "defect", "message": f"a defect of the server: {type(error).__name__}"}})


def _score(head: Mapping[str, Any], data: bytes) -> Message:
    """Give the rows of an image, as the command line writes them, separated by commas."""
    asked = (head["model"], head["faces"], head["max_fpr"], head["max_miss"])
    verdicts = _judge(_detector(*asked), head, data)
    return Message(_summary(verdicts), ", ".join(to_line(verdict.to_json()) for verdict in verdicts).encode())


def _explain(head: Mapping[str, Any], data: bytes) -> Message:
    """Give the rows of an explanation, as the command line writes them, and the pictures of each as PNG."""
    detector = _detector(head["model"], head["faces"])
    verdicts = detector.score_faces(data, path=head["path"])
    found = explain_image(detector, _explainer(head["model"]), data, verdicts)
    rows = [row(one.verdict, one) for one in found] or [row(verdict) for verdict in verdicts]
    shown = [
        [{"title": title, "text": text, "png": base64.b64encode(encode(bgr)).decode()} for title, text, bgr in drawn]
        for drawn in map(pictures, found)
    ]
    lines = ", ".join(map(to_line, rows))
    return Message(_summary(verdicts), f'{{"results": [{lines}], "pictures": {to_line(shown)}}}'.encode())


_TASKS: Final[Mapping[str, Callable[[Mapping[str, Any], bytes], Message]]] = {"score": _score, "explain": _explain}


def _judge(detector: Detector, head: Mapping[str, Any], data: bytes) -> list[Verdict]:
    verdicts, prior = detector.score_faces(data, path=head["path"]), head["prior"]
    return [verdict.moved(prior) for verdict in verdicts] if prior else verdicts


def _summary(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Say what the server needs to know of rows: what each came to, and why there are none."""
    error = verdicts[0].error
    kinds = [verdict.verdict or "failed" for verdict in verdicts]
    return {"kinds": kinds, "error": error and {"type": error.type, "message": error.message}}


@lru_cache(maxsize=16)
def _detector(model: str, faces: str, max_fpr: float | None = None, max_miss: float | None = None) -> Detector:
    return load_detector(model, faces, "cpu", max_fpr, max_miss)


@lru_cache(maxsize=4)
def _explainer(model: str) -> Explainer:
    return Explainer(_detector(model, "off").bundle, resolve(model))


if __name__ == "__main__":
    main()
