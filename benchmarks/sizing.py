"""The figures of docs/scale.md, a function each: what was measured, and what other sizes cost in proportion."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.markdown import paragraph, spread, table
from benchmarks.sources import Sources
from pipelines.measure import SHARD_ROWS

__all__ = ["BLOCKS", "IMAGES", "Price", "size_of"]

IMAGES: Final = {"1 million": 10**6, "100 million": 10**8, "10 billion": 10**10}
"""The sizes that are reckoned."""

_HOUR: Final = 3600


@dataclass(frozen=True)
class Price:
    """What an hour of one core costs, and what 10**9 bytes cost for a month, in US dollars."""

    core_hour: float = 0.04
    gigabyte_month: float = 0.023


_PRICE: Final = Price()


def size_of(images: int, sources: Sources, price: Price = _PRICE) -> dict[str, float]:
    """Reckon what a number of images costs, in proportion to what was measured.

    Parameters
    ----------
    images : int
        How many.
    sources : Sources
        Where the figures come from.
    price : Price
        What is paid.

    Returns
    -------
    dict
        `core_hours`, `dollars` for them, bytes of `images` and `features`, `dollars_a_month` for both, `jobs`, bytes of
        `client` memory, bytes of `bins` of all rows, `feedable` cores.

    Raises
    ------
    FiguresError
        A result is missing, or of other features than the shipped detector's.
    """
    measured = _extraction(sources)
    scheduler, client = sources.result("scale_scheduler"), sources.result("scale_client")
    seconds = measured["workers"] * measured["seconds"]["dask"]["median"] / measured["images"]  # of one core
    core_hours = images * seconds / _HOUR
    stored = {
        "images": images * measured["bytes_an_image"],
        "features": images * measured["bytes_a_row_compacted"],
    }
    return {
        "core_hours": core_hours,
        "dollars": core_hours * price.core_hour,
        **stored,
        "dollars_a_month": sum(stored.values()) / 1e9 * price.gigabyte_month,
        "jobs": images / SHARD_ROWS,
        "client": images * client["bytes_an_image"],
        "bins": images * measured["columns"],
        "feedable": SHARD_ROWS * seconds / (scheduler["milliseconds_a_job"] / 1000),
    }


def _extraction(sources: Sources) -> dict[str, Any]:
    return sources.of_these_features("scale_extraction", lambda figures: str(figures["feature_set"]))


def _sizes(sources: Sources) -> str:
    sizes = [size_of(images, sources) for images in IMAGES.values()]
    scheduler = sources.result("scale_scheduler")
    lines: Mapping[str, Callable[[Mapping[str, float]], str]] = {
        "core hours to extract": lambda size: _count(size["core_hours"]),
        f"that at {_PRICE.core_hour} USD a core hour": lambda size: _dollars(size["dollars"]),
        "images as face crops": lambda size: _bytes(size["images"]),
        "features, compacted": lambda size: _bytes(size["features"]),
        f"both a month at {_PRICE.gigabyte_month} USD a GB": lambda size: _dollars(size["dollars_a_month"]),
        f"jobs of {SHARD_ROWS:,} images": lambda size: _count(size["jobs"]),
        "scheduler memory": lambda size: _scheduler(size["jobs"], scheduler),
        "client memory, at least, in one run": lambda size: _bytes(size["client"]),
        "bins to train on all columns": lambda size: _bytes(size["bins"]),
    }
    rows = [(title, *(write(size) for size in sizes)) for title, write in lines.items()]
    feed = paragraph(
        f"One client and scheduler gave out a job every {scheduler['milliseconds_a_job']:.1f} ms to two workers that",
        f"did nothing, all on the same two threads; at that rate they keep {_count(sizes[0]['feedable'])} cores busy",
        "with extraction.",
    )
    return f"{table(('', *IMAGES), rows)}\n\n{feed}"


def _scheduler(jobs: float, measured: Mapping[str, Any]) -> str:
    """Give the peak where as many jobs were tried, and say so where they were not."""
    return _bytes(1e6 * measured["megabytes"]["scheduler"]["peak"]) if jobs <= measured["jobs"] else "not measured"


def _count(value: float) -> str:
    """Write a number with two digits that count, thousands apart."""
    return f"{float(f'{value:.2g}'):,.0f}" if value >= 10 else f"{value:.2g}"


def _dollars(value: float) -> str:
    return f"{_count(value)} USD"


def _bytes(value: float) -> str:
    """Write bytes in the largest decimal unit that gives at least 1."""
    unit, name = next((unit, name) for unit, name in _UNITS if value >= unit or unit == 1)
    return f"{_count(value / unit)} {name}"


_UNITS: Final = ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "bytes"))


def _throughput(sources: Sources) -> str:
    found = _extraction(sources)
    to_independent, to_local = found["throughput_of_dask_to_independent"], found["seconds_of_dask_to_local"]
    return paragraph(
        f"{found['images']:,} images on {found['workers']} workers of one thread each:",
        f"{found['images_per_second']['dask']['median']:,.0f} images a second, {spread(to_independent, 2)} of the",
        f"throughput of two independent runs side by side (at least {to_independent['at_least']:g}:",
        f"{_verdict(to_independent)}), {spread(to_local, 2)} times the seconds of the local engine (at most",
        f"{to_local['at_most']:g}: {_verdict(to_local)}); medians, with the least and the greatest of the rounds.",
        "Rows are equal, bit for bit." if found["same"] else "Rows DIFFER.",
        f"Measured on {sources.machine('scale_extraction')}.",
    )


def _verdict(judged: Mapping[str, Any]) -> str:
    return "holds" if judged["holds"] else "missed"


def _kills(sources: Sources) -> str:
    found = sources.result("scale_kills")
    outcome = "no row was lost and none was double" if found["same"] else "rows were LOST, DOUBLE or ALTERED"
    return paragraph(f"{found['kills']} runs, each with `kill -9` of a worker at a random moment: {outcome}.")


def _jobs(sources: Sources) -> str:
    found = sources.result("scale_scheduler")
    scheduler, client = (found["megabytes"][name] for name in ("scheduler", "client"))
    return paragraph(
        f"{found['jobs']:,} jobs of no work took {found['seconds']:,.0f} s on two workers. The scheduler held",
        f"{scheduler['before']:.0f} MB before and {scheduler['peak']:.0f} MB at its peak, the client",
        f"{client['before']:.0f} MB and {client['peak']:.0f} MB: two jobs a thread are with the scheduler at a time.",
    )


def _store(sources: Sources) -> str:
    found = sources.result("scale_store")
    small, large, shards = found["small"], found["large"], found["shards"]
    return paragraph(
        f"A store of {found['rows']:,} rows and {found['columns']} columns ({_bytes(found['bytes'])}) opens in",
        f"{1000 * large['open']['median']:.1f} ms once it is compacted (at most {large['open']['at_most']:g} s:",
        f"{_verdict(large['open'])}), in {small['open']['median']:.2f} s before; compaction of {shards['small']:,}",
        f"shards to {shards['large']:,} took {found['seconds_to_compact']:,.0f} s.",
        f"{large['columns']['columns']} columns of all rows: {large['columns']['seconds']:.2f} s and",
        f"{_bytes(large['columns']['bytes'])} read;",
        f"the same of {large['rows']['rows']:,} rows: {large['rows']['seconds']:.3f} s and",
        f"{_bytes(large['rows']['bytes'])}.",
    )


def _training(sources: Sources) -> str:
    found = sources.result("scale_training")
    peak, estimates = found["megabytes"], found["estimates"]
    return paragraph(
        f"Training on a store of {found['rows']:,} rows and {found['columns']} columns took",
        f"{_bytes(1e6 * peak['median'])} at its peak (at most {_bytes(1e6 * peak['at_most'])}: {_verdict(peak)});",
        f"`train` had estimated {_bytes(1e6 * estimates['megabytes_of_training'])}. The bins alone are",
        f"{_bytes(1e6 * estimates['megabytes_of_bins'])}, all values would be",
        f"{_bytes(1e6 * estimates['megabytes_of_all_values'])}.",
    )


def _quality(sources: Sources) -> str:
    found = sources.result("scale_quality")
    local, dask = (found["trained"][way]["auc"]["value"] for way in ("local", "dask"))
    rows = sum(found["trained"]["dask"]["rows"]["train"].values())
    return paragraph(
        f"Trained on {rows:,} images of deepfake-faces, a booster of this machine alone reaches an AUC of",
        f"{local:.4f} on the test groups, one of {found['workers']} workers {dask:.4f} (at most",
        f"{found['apart']['at_most']:g} apart: {_verdict(found['apart'])}).",
    )


BLOCKS: Final[Mapping[str, Callable[[Sources], str]]] = {
    "throughput": _throughput,
    "kills": _kills,
    "jobs": _jobs,
    "store": _store,
    "training": _training,
    "quality": _quality,
    "sizes": _sizes,
}
"""What writes each figure of docs/scale.md."""
