"""The figures of README.md, a function each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from benchmarks import readme_detectors, readme_live
from benchmarks.markdown import interval, limit, paragraph, source, spread, table
from benchmarks.sources import Sources

__all__ = ["BLOCKS", "TRIVIAL_AUC"]

TRIVIAL_AUC: Final = 0.64
"""What trivial statistics (sharpness, smoothness) reach on deepfake-faces."""

_METRICS: Final = {
    "auc": "AUC",
    "average_precision": "average precision",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "eer": "equal error rate (less is better)",
    "tpr_at_fpr_1": "true positive rate at 1 % false positives",
    "coverage": "coverage: share that is told `real` or `fake`",
}
_BESIDE: Final = (
    ("trivial statistics: sharpness, smoothness", "deepfake-faces", f"AUC {TRIVIAL_AUC}"),
    ("EfficientNet-B4", "deepfake-faces, balanced, random split that shares source videos", "accuracy 0.9022"),
    ("Xception", "DFDC, single frames, split by part of DFDC (icpr2020dfdc)", "AUC 0.878"),
    ("EfficientNet-B4", "the same", "AUC 0.877"),
    ("best ensemble of networks", "the same", "AUC 0.881"),
)


def _headline(sources: Sources) -> str:
    tested = sources.manifest["metrics"]["test_balanced"]
    times = _speed(sources)["ratios"]["path_to_imread"]["median"]
    full = readme_detectors.quality_of(sources, "full")["auc"]
    fast, slow = (readme_detectors.milliseconds_of(sources, name) for name in ("fast", "full"))  # of one run
    (taken, accused), (made, missed) = readme_detectors.strangers(sources, "full")
    costs = paragraph(
        f"On {tested['real']:,} real and {tested['fake']:,} fake faces of deepfake-faces, of source videos that",
        f"training never saw, `fast` reaches an AUC of **{tested['auc']['value']:.3f}** (95 % interval",
        f"{interval(tested['auc'])}) and `full` **{full['value']:.3f}** ({interval(full)}); trivial statistics:",
        f"{TRIVIAL_AUC}. A verdict on a face crop takes {fast:.1f} ms on one core with `fast`, {times:.1f} times a",
        f"bare `cv2.imread` of the same file, and {slow:.1f} ms with `full`; to find the faces in a photograph of",
        f"1,080 px first takes {sources.result('faces')['milliseconds']['1080']['median']:.0f} ms.",
    )
    limits = paragraph(
        "They know the face swaps of one data set, `full` also forgeries made of its photographs. Elsewhere they know",
        f"less: of {taken} photographs of FFHQ `full` calls {accused:.0%} fake, of {made} faces that StyleGAN made",
        f"whole {missed:.0%} real. What else limits a verdict stands under",
        "[What a verdict means, and what it does not](#what-a-verdict-means-and-what-it-does-not).",
    )
    return f"{costs}\n\n{limits}"


def _quality(sources: Sources) -> str:
    tested = sources.manifest["metrics"]["test_balanced"]
    rows = [(title, f"{tested[name]['value']:.3f}", interval(tested[name])) for name, title in _METRICS.items()]
    return "\n\n".join(
        [
            paragraph(
                f"Test groups of deepfake-faces, balanced 1:1: {tested['real']:,} real and {tested['fake']:,} fake",
                f"images of {tested['groups']:,} groups; intervals from a bootstrap over groups. Accuracy is that of",
                "probability >= 0.5 over all images.",
            ),
            table(("figure", "value", "95 % interval"), rows),
            source("python cli.py train", "models/pretrained/fast/manifest.json"),
            "To stand beside it; the protocols differ, so read these as orientation and not as a ranking:",
            table(("method", "images and protocol", "figure"), _BESIDE),
        ]
    )


def _resize(sources: Sources) -> str:
    figures = sources.of_this_detector("resize_policy", lambda figures: str(figures["model"]["digest"]))
    policies = list(next(iter(figures["arrivals"].values())))
    rows = [
        (
            arrival,
            *(f"{found[policy]['auc']:.3f}" for policy in policies),
            f"{found['shipped']['reals_from_the_point_for_fake']:.1%}",
        )
        for arrival, found in figures["arrivals"].items()
    ]
    images = figures["images"]
    return "\n\n".join(
        [
            paragraph(
                "Every image is brought to 224 px whole. What that costs, as AUC of test crops that arrive at other",
                f"sizes ({images['real']:,} real, {images['fake']:,} fake; as they are:",
                f"{figures['as_it_is']['auc']:.3f}), by the policy that ships and by others:",
            ),
            table(("arrives at, px", *(policy.replace("_", " ") for policy in policies), "reals that look fake"), rows),
            paragraph(
                "The last column is the share of the real images whose probability reaches the point for `fake` under",
                "the policy that ships. It is why an image with a side under 96 px gets no verdict but `uncertain`.",
            ),
            source("python -m benchmarks.resize_policy", "benchmarks/results/resize_policy.json"),
        ]
    )


def _framing(sources: Sources) -> str:
    figures = sources.of_this_detector("framing", lambda figures: str(figures["models"][0]["model"]["digest"]))
    shipped, before = figures["models"][:2]
    both = (before, shipped)
    images, auto = figures["images"], shipped["auto"]
    rows = [
        ("as they are, `--faces off`", *(f"{found['off']['auc']:.3f}" for found in both)),
        ("as they are, `--faces auto`", *(f"{found['auto']['auc']:.3f}" for found in both)),
        ("set into their colours out of focus, `auto`", *(f"{found['out_of_focus']['auc']:.3f}" for found in both)),
        ("set into sharp photographs, `auto`", *(f"{found['photograph']['auc']:.3f}" for found in both)),
    ]
    return "\n\n".join(
        [
            paragraph(
                f"Test faces of deepfake-faces ({images['real']:,} real, {images['fake']:,} fake), as they are and set",
                "into other pictures at random places and saved as JPEG: AUC of a detector trained on the crops as",
                "they are and mirrored, and of the one that ships, which also learned from crops resized, framed",
                f"anew and saved again. `auto` takes {auto['whole']:.1%} of the crops whole, bit for bit, and finds no",
                f"face in {auto['no_face']:.1%}; out of the pictures it misses",
                f"{shipped['out_of_focus']['no_face']:.1%} and {shipped['photograph']['no_face']:.1%}.",
            ),
            table(("test faces", "trained without", "ships"), rows),
            "![AUC against the width and the place of the crop](docs/framing.png)",
            source("python -m benchmarks.framing", "benchmarks/results/framing.json"),
        ]
    )


def _faces(sources: Sources) -> str:
    figures = sources.result("faces")
    sides = list(next(iter(figures["recall"].values())))
    rows = [(name, *(f"{found[side]['recall']:.1%}" for side in sides)) for name, found in figures["recall"].items()]
    times = [(f"{side} px", spread(found, 1), limit(found)) for side, found in figures["milliseconds"].items()]
    false = figures["false_finds"]
    return "\n\n".join(
        [
            paragraph(
                "Share of faces found, by the side of the face in pixels, set into photographs of 1,080 px; and time",
                f"for pictures (4:3, by their longer side) with one face, one core ({sources.machine('faces')}).",
                f"Of {false['photographs']} photographs without a face, {false['with_a_find']} had a find; of",
                f"{false['patches']} small patches without one, {false['patches_with_a_find']}; the thresholds were",
                "set with these pictures in view, so expect some on others.",
            ),
            table(("faces of", *(f"{side} px" for side in sides)), rows),
            table(("picture", "milliseconds", "limit"), times),
            source("python -m benchmarks.faces", "benchmarks/results/faces.json"),
        ]
    )


def _speed(sources: Sources) -> dict[str, Any]:
    return sources.of_these_features("speed", lambda figures: str(figures["model"]["feature_set"]))


def _speed_block(sources: Sources) -> str:
    figures, startup = _speed(sources), sources.result("startup")
    return "\n\n".join(
        [
            paragraph(
                f"One core, {figures['images']:,} crops of 224 px taken whole (`--faces off`), {figures['values']:,}",
                "values each, every step in turn on the same files in one run",
                f"({sources.machine('speed')}); scikit-image and scipy, which compute the same features, get every",
                "tenth image. Medians, with the least and the greatest.",
            ),
            table(("one image", "µs", "ratio", "limit"), _speed_rows(figures)),
            source("python -m benchmarks.speed", "benchmarks/results/speed.json"),
            table(("start-up", "seconds", "limit"), _startup_rows(startup["limits"])),
            source("python -m benchmarks.startup", "benchmarks/results/startup.json"),
        ]
    )


def _speed_rows(figures: Mapping[str, Any]) -> list[tuple[str, ...]]:
    times, ratios = figures["microseconds"], figures["ratios"]
    kinds = (
        ("read, decode, measure, decide, write the row", "path", "path_to_imread", "x imread"),
        ("one more image for `python cli.py score --jobs 1`", "command_line", "command_line_to_imread", "x imread"),
        ("the same by scikit-image and scipy", "twin", "twin_to_path", "x the path above"),
    )
    rows: list[tuple[str, ...]] = [("bare `cv2.imread`", spread(times["imread"], 0), "1", "")]
    for title, step, ratio, unit in kinds:
        judged = ratios[ratio]
        rows.append((title, spread(times[step], 0), f"{spread(judged, 1)} {unit}", limit(judged)))
    return rows


def _startup_rows(limits: Mapping[str, Any]) -> Sequence[tuple[str, ...]]:
    titles = {
        "help_over_python": "`python cli.py --help`, over a bare `python -c pass`",
        "verdict": "`python cli.py score photo.jpg`, from a cold start",
    }
    return [(title, spread(limits[name], 2), limit(limits[name])) for name, title in titles.items()]


def _blocks(sources: Sources) -> str:
    figures = sources.of_these_features("ablation", lambda figures: str(figures["feature_set"]))
    rows = [
        (
            f"`{name}`",
            f"{block['values']}",
            f"{block['marginal_microseconds']:.0f}",
            f"{block['auc_alone']:.3f}",
            f"{block['auc_lost_without']:+.4f}",
        )
        for name, block in figures["blocks"].items()
    ]
    return "\n\n".join(
        [
            paragraph(
                f"Small boosters, {figures['seeds']} seeds each, fitted on one part of the training groups",
                f"({figures['rows']['fit']:,} images) and judged on another ({figures['rows']['judge']:,}); all blocks",
                f"together: {figures['auc']['mean']:.4f}. The draw of rows and columns alone moves the last column by",
                f"{figures['noise']:.4f} (one standard deviation). µs is what an image takes less without the block;",
                "what blocks share is not in it.",
            ),
            table(("block", "values", "µs", "AUC alone", "AUC lost without"), rows),
            source("python -m benchmarks.ablation runs/cache", "benchmarks/results/ablation.json"),
        ]
    )


def _store(sources: Sources) -> str:
    killed, whole = sources.result("kill_resume"), sources.result("extract_all")
    workers, memory = len(whole["megabytes"]["worker"]), whole["megabytes_of_a_worker"]
    same = "the same rows, bit for bit, as" if killed["same"] else "**not the same rows as**"
    paragraphs = [
        paragraph(
            f"`extract` measured {whole['summary']['total']:,} images ({whole['rows']:,} rows) in",
            f"{whole['seconds'] / 60:.1f} minutes ({whole['rows_per_second']:,.0f} rows a second, {workers} workers),",
            "the largest worker within",
            f"{memory['median']:.0f} MB (limit: {memory['at_most']:g}); the second run took",
            f"{whole['second_run']['seconds']:.1f} s ({sources.machine('extract_all')}).",
        ),
        paragraph(
            f"Killed (SIGKILL) at {killed['kills']} random moments on {killed['images']:,} images,",
            f"{killed['kills_with_rows_missing']} of them with rows still missing, and then run once more, it left",
            f"{same} a run that nobody interrupted.",
        ),
    ]
    ends = [
        source("python -m benchmarks.extract_all", "benchmarks/results/extract_all.json"),
        source("python -m benchmarks.kill_resume", "benchmarks/results/kill_resume.json"),
    ]
    return "\n\n".join(f"{text}\n{end}" for text, end in zip(paragraphs, ends, strict=True))


BLOCKS: Final[Mapping[str, Callable[[Sources], str]]] = {
    "headline": _headline,
    "quality": _quality,
    "framing": _framing,
    "faces": _faces,
    "resize": _resize,
    "speed": _speed_block,
    "store": _store,
    "blocks": _blocks,
    **readme_detectors.BLOCKS,
    **readme_live.BLOCKS,
}
"""What writes each figure of README.md."""
