"""Detectors and feature packages by others beside ours: time an image, and AUC of those that give a score.

Every peer runs in a process of its own, in a virtual environment of its own below WORK where it is none of ours. All of
them are open at once; in each round they take turns on the same plain files, one image at a time, on one core, from
reading the file to the result, another one first each time. What gives a score then judges more of the test images. A
peer that cannot be installed, or fails, is a row that says why.

    python -m benchmarks.peers WORK -o benchmarks/results/peers.json
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile
from threading import Timer
from typing import IO, Any, Final

import numpy as np

from benchmarks.peer_table import CALIBRATION, OWN, PEERS, Peer, prepare
from benchmarks.record import DATA, ROOT, balanced_images, choose, make_parser, one_core, scratch, spread, write
from features.errors import WorkerError
from features.source import read_bytes
from models.intervals import Resamples, figures
from models.metrics import METRICS
from pipelines.dataset import Sample, read_dataset
from pipelines.score import load_detector

__all__ = ["Effort", "Worker", "main", "measure", "open_worker"]

_HOST: Final = Path(__file__).with_name("peer_workers") / "host.py"
_AT_ONCE: Final = 50  # images that are asked about together
_LIMIT: Final = 900.0  # seconds that an answer may take
_WARM_UP: Final = 2
_SHIPPED: Final = ("fast", "full")
_THREADS: Final = ("MKL", "NUMEXPR", "OMP", "OPENBLAS")

Answer = dict[str, Any]


@dataclass(frozen=True)
class Effort:
    """How much is measured: images that are timed, images that are judged, rounds, images to quantise by."""

    images: int = 200
    judged: int = 1000
    rounds: int = 5
    calibration: int = 128


@dataclass
class _Seat:
    """A peer, what it runs in, and what it said; `reason` says why it no longer takes part."""

    peer: Peer
    worker: "Worker | None" = None
    reason: str | None = None
    version: str | None = None
    rounds: list[list[Answer]] = field(default_factory=list)
    judged: list[Answer] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result."""
    parser, usual = make_parser(__doc__), Effort()
    parser.add_argument("work", type=Path, metavar="WORK", help="folder for the environments; what is there is used")
    parser.add_argument("--data", nargs="+", default=[DATA], help=f"data sets (default: {DATA})")
    parser.add_argument("--images", type=int, default=usual.images, help="to time (default: %(default)s)")
    parser.add_argument("--judged", type=int, default=usual.judged, help="for the AUC (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=usual.rounds, help="default: %(default)s")
    parser.add_argument("--calibration", type=int, default=usual.calibration, help="to quantise by; %(default)s")
    options = parser.parse_args(arguments)
    effort = Effort(options.images, options.judged, options.rounds, options.calibration)
    write(options.output, "peers", arguments, measure(options.data, options.work, effort))


def measure(sources: Sequence[str], work: Path, effort: Effort, peers: Sequence[Peer] = PEERS) -> dict[str, Any]:
    """Time and judge all peers.

    Parameters
    ----------
    sources : sequence of str
        Data sets; images of their test groups are taken, as many real as fake ones.
    work : Path
        Where the environments lie.
    effort : Effort
        How much is measured.
    peers : sequence of Peer
        Whatever is measured.

    Returns
    -------
    dict
        How many images there were, and `peers`, a row each: `milliseconds` and `measuring` (without reading the file;
        None where a peer reads it itself), by round, `ratio` and `ratio_measuring` to the row `over`, `auc` with its
        interval, and `reason`, why there is nothing of these.
    """
    samples = read_dataset(sources)
    tested = _in_turns(balanced_images(samples, max(effort.images, effort.judged)))
    calibration = [sample for sample in samples if sample.split == "calibration"]
    with scratch() as folder, ExitStack() as stack:
        paths = _copy(tested, folder / "tested")
        _copy(choose(calibration, effort.calibration), folder / "calibration")
        seats = [_seated(peer, work, folder / "calibration", stack) for peer in peers]
        timed = paths[: effort.images]
        for turn in range(effort.rounds):
            _time_all(seats, timed, turn)
        for seat in seats:
            _judge(seat, paths[: effort.judged])
    return {
        "images": len(timed),
        "judged": len(paths[: effort.judged]),
        "rounds": effort.rounds,
        "calibration": min(effort.calibration, len(calibration)),
        "models": {name: load_detector(name, faces="off").bundle.digest for name in _SHIPPED},
        "peers": [_row(seat, seats, tested[: effort.judged]) for seat in seats],
    }


def _in_turns(samples: Sequence[Sample]) -> list[Sample]:
    """Put the reals, which come first, and the fakes in turns, so that any even number of the first is balanced."""
    half = len(samples) // 2
    return list(chain.from_iterable(zip(samples[:half], samples[half:], strict=True)))


def _copy(samples: Sequence[Sample], folder: Path) -> list[str]:
    """Write images as files of their own."""
    folder.mkdir()
    paths = [folder / f"{index:06d}{Path(sample.path).suffix}" for index, sample in enumerate(samples)]
    for path, sample in zip(paths, samples, strict=True):
        path.write_bytes(read_bytes(sample.path))
    return list(map(str, paths))


def _seated(peer: Peer, work: Path, calibration: Path, stack: ExitStack) -> _Seat:
    """Make a peer's environment and start its worker."""
    seat = _Seat(peer)
    _say(f"opening {peer.name}")
    try:
        python = prepare(peer.environment, work)
        arguments = [argument.replace(CALIBRATION, str(calibration)) for argument in peer.arguments]
        seat.worker = stack.enter_context(open_worker(python, peer, arguments))
        seat.version = seat.worker.opened["version"]
    except WorkerError as error:
        _drop(seat, str(error))
    return seat


def _drop(seat: _Seat, reason: str) -> None:
    seat.reason = reason
    _say(f"{seat.peer.name}: {reason}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _time_all(seats: Sequence[_Seat], paths: Sequence[str], turn: int) -> None:
    """Let each peer take the images once, in the order that comes with the turn."""
    _say(f"round {turn + 1}")
    at = turn % len(seats)
    for seat in (*seats[at:], *seats[:at]):
        mine = paths[: max(_WARM_UP, len(paths) // seat.peer.every // 2 * 2)]
        if turn == 0:
            _ask(seat, mine[:_WARM_UP])
        seat.rounds.append(_ask(seat, mine))


def _judge(seat: _Seat, paths: Sequence[str]) -> None:
    """Let a peer that gives scores judge the images."""
    if seat.rounds and any(answer.get("score") is not None for answer in seat.rounds[-1]):
        _say(f"judging with {seat.peer.name}")
        seat.judged = _ask(seat, paths)


def _ask(seat: _Seat, paths: Sequence[str]) -> list[Answer]:
    """Ask a peer about images; nothing comes of one that does not take part any more."""
    if seat.reason or seat.worker is None:
        return []
    try:
        chunks = [paths[at : at + _AT_ONCE] for at in range(0, len(paths), _AT_ONCE)]
        answers = list(chain.from_iterable(seat.worker.ask(chunk) for chunk in chunks))
    except WorkerError as error:
        _drop(seat, str(error))
        return []
    if all("error" in answer for answer in answers):
        _drop(seat, f"fails on every image: {answers[0]['error']}")
    return answers


class Worker:
    """A process of `benchmarks.peer_workers.host`; `opened` is the first that it said."""

    def __init__(self, process: subprocess.Popen[str], said: IO[str]) -> None:
        self._process, self._said = process, said
        self.opened: Answer = self._answer()

    def ask(self, paths: Sequence[str]) -> list[Answer]:
        """Let it take images; raises WorkerError where it ends before it has answered."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(list(paths)) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise WorkerError(self._last_words()) from error
        return list(self._answer())

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        timer = Timer(_LIMIT, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        if not line:
            raise WorkerError(self._last_words())
        return json.loads(line)

    def _last_words(self) -> str:
        status = self._process.wait()
        self._said.seek(0)
        lines = self._said.read().strip().splitlines()
        return f"ended with status {status}: {lines[-1] if lines else 'no message'}"


@contextmanager
def open_worker(python: str, peer: Peer, arguments: Sequence[str]) -> Iterator[Worker]:
    """Start a peer's worker; it ends with the block.

    Raises
    ------
    WorkerError
        It ended before it was open; the message holds the last it said.
    """
    own = peer.worker.name == OWN
    hidden = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    environment = (
        hidden | {f"{name}_NUM_THREADS": "1" for name in _THREADS} | ({"PYTHONPATH": str(ROOT)} if own else {})
    )
    with TemporaryFile("w+", errors="replace") as said, ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(
                [python, str(_HOST), str(peer.worker), peer.environment.package, *arguments],
                env=environment,
                cwd=peer.worker.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        )
        stack.callback(process.kill)
        yield Worker(process, said)


def _row(seat: _Seat, seats: Sequence[_Seat], tested: Sequence[Sample]) -> dict[str, Any]:
    peer = seat.peer
    row: dict[str, Any] = {
        "name": peer.name,
        "block": peer.block,
        "note": peer.note,
        "package": peer.environment.package or None,
        "version": seat.version,
        "requirements": list(peer.environment.requirements),
        "over": peer.over,
        "reason": seat.reason,
    }
    return row if seat.reason else row | _times(seat, seats) | _quality(seat.judged, tested)


def _times(seat: _Seat, seats: Sequence[_Seat]) -> dict[str, Any]:
    """Give the medians of each round, and what they are to those of another row on the same images."""
    other = next((one for one in seats if one.peer.name == seat.peer.over and not one.reason), None)
    found: dict[str, Any] = {"images": len(seat.rounds[0])}
    for name, key in (("milliseconds", "seconds"), ("measuring", "measuring")):
        own = [1000 * _median(answers, key) for answers in seat.rounds]
        found[name] = spread(own)
        ratio = "ratio" if name == "milliseconds" else "ratio_measuring"
        beside = [1000 * _median(said[: found["images"]], key) for said in other.rounds] if other else []
        found[ratio] = spread([a / b for a, b in zip(own, beside, strict=True)]) if beside else None
    if seat.peer.block is None:
        found |= {"measuring": None, "ratio_measuring": None}
    return found


def _median(answers: Sequence[Answer], key: str) -> float:
    return float(median(answer[key] for answer in answers if "error" not in answer))


def _quality(answers: Sequence[Answer], tested: Sequence[Sample]) -> dict[str, Any]:
    """Give the AUC of what was judged, its interval from groups drawn anew; None without scores."""
    pairs = [(sample, answer) for sample, answer in zip(tested, answers, strict=False) if "score" in answer]
    scored = [(sample, float(answer["score"])) for sample, answer in pairs if answer["score"] is not None]
    counts: Mapping[str, Any] = {"judged": len(scored), "failed": len(answers) - len(scored)}
    if not scored:
        return {"auc": None, **counts}
    labels = np.array([sample.label for sample, _ in scored], np.int64)
    drawn = Resamples.draw([sample.group for sample, _ in scored])
    return {**figures({"auc": METRICS["auc"]}, labels, np.array([score for _, score in scored]), drawn), **counts}


if __name__ == "__main__":
    one_core()
    main()
