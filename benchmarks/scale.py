"""What the parts of a large run cost on this machine, one part a run and a result file.

extraction   two Dask workers beside two independent runs and the local engine; rows equal bit for bit
kills        a worker killed at random moments: nothing lost, nothing double
scheduler    jobs of no work through the engine: seconds, memory of scheduler and client
quality      the same store trained on here and by two workers: the AUC of both
client       what the process that starts a run remembers of every image
store        a store of made-up values: opening it, reading a part of it, compacting it

    python -m benchmarks.scale extraction -o benchmarks/results/scale_extraction.json
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from benchmarks import scale_client, scale_extraction, scale_quality, scale_scheduler, scale_store
from benchmarks.record import DATA, make_parser, write

__all__ = ["PARTS", "Part", "main"]


class Part(NamedTuple):
    """A part: what it runs, how much of it unless told, how often, and the figures that have to be true."""

    run: Callable[[argparse.Namespace], Mapping[str, Any]]
    size: int
    rounds: int
    holds: str


PARTS: Final[dict[str, Part]] = {
    "extraction": Part(
        lambda given: scale_extraction.extraction(given.data, given.size, given.rounds), 20000, 3, "same"
    ),
    "kills": Part(
        lambda given: scale_extraction.kills(given.data, given.size, given.rounds, given.seed), 5000, 10, "same"
    ),
    "scheduler": Part(lambda given: scale_scheduler.scheduler(given.size), 100_000, 1, "each_once"),
    "quality": Part(lambda given: scale_quality.quality(given.data), 1, 1, "within"),
    "client": Part(lambda given: scale_client.client(given.size), 1_000_000, 1, "each_once"),
    "store": Part(lambda given: scale_store.store(given.size), 1_000_000, 1, "same"),
}
"""What can be measured, by name."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure one part and write its result; the exit status is 1 where what has to hold does not."""
    parser = make_parser(__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--data", nargs="+", default=[DATA], help=f"data sets (default: {DATA})")
    parser.add_argument("--size", type=int, metavar="N", help="images, jobs or rows")
    parser.add_argument("--rounds", type=int, metavar="N", help="repeats, or kills")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    options = parser.parse_args(arguments)
    part = PARTS[options.part]
    options.size, options.rounds = options.size or part.size, options.rounds or part.rounds
    figures = part.run(options)
    write(options.output, "scale", arguments, figures)
    if not figures[part.holds]:
        sys.exit(f"{options.part}: {part.holds} does not hold")


if __name__ == "__main__":
    main()
