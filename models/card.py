"""The model card of a bundle: what a detector is, how good, and what it must not be used for."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from models.card_evaluation import confusion_section, failures, robustness_section, slices_section

__all__ = ["model_card"]

_FIGURES: Final = (
    ("AUC", "auc"),
    ("Average precision", "average_precision"),
    ("Accuracy at probability 0.5", "accuracy"),
    ("Balanced accuracy", "balanced_accuracy"),
    ("Precision", "precision"),
    ("Recall", "recall"),
    ("F1", "f1"),
    ("Equal error rate", "eer"),
    ("Fakes found at 1 % of reals accused", "tpr_at_fpr_1"),
    ("Coverage (share that gets a verdict)", "coverage"),
    ("Accuracy of verdicts", "verdict_accuracy"),
    ("Reals called fake", "reals_called_fake"),
    ("Fakes called real", "fakes_called_real"),
    ("Expected calibration error", "ece"),
    ("Brier score", "brier"),
    ("Log loss", "log_loss"),
)

_TIMES: Final = ("", "once", "twice", "three times", "four times")

_WHOLE: Final = "Every image was measured whole."
_FACES: Final = "Of every image the largest face was measured, cropped to `{}`."
_FORGED: Final = (
    " Forgeries that `forge` made, and the reals beside them, weigh {:.0%} of the fit; found fakes the rest. They teach"
    " only: what was found calibrates and tests."
)

_NETWORK: Final = """
Some of the measurements are a network's (`network.onnx`, {architecture}; of its own it has an AUC of {auc} on the
validation part). It learnt from {groups:,} training groups; the {percent} per cent that were held back from it are the
training part in the table.
"""
_STAGES: Final = """
The trees grew in two stages: {first:,} over forensic measurements alone, on the {real:,} real and {fake:,} fake images
of {groups:,} training groups that the network learnt from; then {second:,} over everything, starting from these and
from what the network says, on the training groups in the table{share}.
"""
_SHARE: Final = "; these count {:.0%} of what they were fitted to"
_TRAIN_NETWORK: Final = "    python cli.py train-network DATASET... --out NETWORK\n"

_EVALUATED: Final = """
The figures below are those of `{command}` ({resamples:,} resamples), which repeats them from the images.
Verdicts are those that `score` gives: what it withholds, it withholds here.\
"""
_NOVELTY: Final = """; also where an image is less like the training images than {share:.1%} of the
  {images:,} calibration images are\
"""

_CARD: Final = """\
# fauxface detector `{name}`

Estimates the probability that a picture of one face is a deepfake. {features:,} measurements of the image (profile
`{profile}`) go through {trees:,} boosted trees; a sigmoid turns their score into a probability.

## Trained on

{sources}

| part | groups | real | fake |
|---|---|---|---|
{rows}

{faces} {variants}{forged}
{network}
Left out: {failed} images that could not be measured, {labelled_both} that appear with both labels, {repeated} repeats.
Digest of the training data: `{data_digest}`.

## Protocol

Parts are drawn by a hash of the group (a fake and the original it was made from share one), so no original is on two
sides. This does not exclude that the same person appears in several groups: where a data set does not name its actors,
identities are shared between parts, and the figures are higher than they would be on strangers.
Training rows are weighted so that both classes weigh the same; the validation part only stops the training, the
calibration part only places the sigmoid and the operating points, and the test part was scored once, by this bundle.\
{evaluated}

## Figures on the test part

Value and 95 % interval (bootstrap over groups). Balanced: both classes in equal number, those of lowest sha256.
{majority}\
Probabilities are for equal priors, so calibration error, Brier score and accuracy mean what they say where the classes
are balanced. Chance raises the calibration error of few images, and more so that of resamples, so its interval can \
lie above it. Where nothing of a kind occurred, the interval is 0 to 0, for a bootstrap cannot see what might have; of
n images, a share of up to 3/n is then compatible with it at 95 %.

| figure | balanced | all |
|---|---|---|
{figures}
{confusion}{slices}{robustness}
## Verdicts

Probabilities hold for equal priors: half of the images fake. Where fakes are rarer, they are too high until a prior is
given.

- `fake` from probability {fake_from:.4f}: at most 1 % of the real calibration images reach it.
- `real` below probability {real_below:.4f}: at most 5 % of the fake calibration images stay under it.
- `uncertain` between{novelty}.

## Intended use

To sort many pictures of faces by how likely they deserve a closer look, and to say what such a look should check, by
people who know the figures above and have measured the detector on pictures like theirs
(`python cli.py evaluate DATASET...`).

## Limits and known failures

{failures}\
- Trained on face crops of the data sets named above. Other framings, cameras, codecs and ways of forging may get
  probabilities that mean nothing; the figures above do not carry over to them.
- It knows the kinds of forgery in those data sets only; of others (a whole generated face, where it learnt from face
  swaps) it may be sure and wrong.
- Compression, resizing and filters after the fact destroy the traces that are measured.
- A probability is evidence about statistics of an image, not about a person.

## Not to be used

- As the only or decisive evidence against anyone, in courts, employment, moderation or the press.
- To identify or to judge people; it knows nothing of identity.
- On anything but faces.

## Made by

{train_network}    python cli.py extract DATASET... --profile {profile}{flags} --out CACHE
    python cli.py train CACHE --out BUNDLE --name {name} --seed {seed}

Parameters: {params}. Best of the validation part at {trees} trees, AUC {validation_auc:.4f}. Libraries: {libraries}.
"""


def model_card(manifest: Mapping[str, Any], evaluation: Mapping[str, Any] | None = None) -> str:
    """Write the card of a bundle from its manifest, as Markdown.

    Parameters
    ----------
    manifest : mapping
        As `pipelines.train` makes it; `files` is not needed.
    evaluation : mapping, optional
        What `pipelines.evaluate` recorded of this bundle on its test groups: `protocol`, `command`, and the detector's
        own entry of `models` as `model`. Without it the card has the figures of the training alone.
    """
    training, model = manifest["training"], evaluation["model"] if evaluation else None
    metrics = model["figures"] if model else _by_part(manifest["metrics"])
    faces, novelty = training.get("faces", "off"), manifest.get("novelty")
    return _CARD.format(
        name=manifest["name"],
        profile=manifest["feature_set"]["profile"],
        features=len(manifest["feature_names"]),
        trees=training["best_iteration"],
        sources="\n".join(f"- `{source}`: {count:,} images" for source, count in training["sources"].items()),
        rows="\n".join(
            f"| {split} | {training['groups'][split]:,} | {count['real']:,} | {count['fake']:,} |"
            for split, count in training["rows"].items()
        ),
        figures="\n".join(_figure(metrics, label, key) for label, key in _FIGURES if key in metrics["all"]),
        majority=_majority(metrics) if model else "",
        evaluated=_EVALUATED.format(**evaluation["protocol"], command=evaluation["command"]) if evaluation else "",
        confusion=confusion_section(model) if model else "",
        slices=slices_section(model) if model else "",
        robustness=robustness_section(model) if model else "",
        failures=failures(model) if model else "",
        novelty=_NOVELTY.format(**novelty) if novelty and novelty["limit"] else "",
        faces=_WHOLE if faces == "off" else _FACES.format(faces),
        variants=_variants(training["variants"]),
        forged=_FORGED.format(training["forged_share"]) if "forged_share" in training else "",
        network=_network(manifest),
        train_network=_TRAIN_NETWORK if "network" in manifest else "",
        flags="".join(
            [
                " --network NETWORK" * ("network" in manifest),
                " --faces auto" * (faces != "off"),
                *(f" --variant {name}" for name in training["variants"]),
            ]
        ),
        params=_listed(training["params"]),
        libraries=_listed(manifest["libraries"]),
        **manifest["operating_points"],
        **{key: training["left_out"][key] for key in ("failed", "labelled_both", "repeated")},
        **{key: training[key] for key in ("data_digest", "seed", "validation_auc")},
    )


def _variants(variants: Mapping[str, int]) -> str:
    """Say which perturbed copies the training had; those of one name differ in what is drawn at random."""
    if not variants:
        return "The training had no perturbed copies of its images."
    names = Counter(re.sub(r"-[2-9]$", "", variant) for variant in variants)
    times = [f"`{name}` {_TIMES[n] if n < len(_TIMES) else f'{n} times'}" for name, n in names.items()]
    listed = " and ".join(filter(None, [", ".join(times[:-1]), times[-1]]))
    return (
        f"Beside each training image as it is, the training had perturbed copies of it, {sum(variants.values()):,} in"
        f" all (`features/variants.py` says what they are): {listed}."
    )


def _network(manifest: Mapping[str, Any]) -> str:
    if "network" not in manifest:
        return ""
    record, training = manifest["network"], manifest["training"]
    validation = record["validation"]
    heads = [f"{of_head['auc']:.4f} for {head} fakes" for head, of_head in validation.get("heads", {}).items()]
    network = _NETWORK.format(
        architecture=record["architecture"],
        auc=" and ".join(heads) or f"{validation['auc']:.4f}",
        groups=record["training"]["groups"]["train"],
        percent=record["training"]["held_back"]["percent"],
    )
    if "stages" not in training:
        return network
    (first, second), forensic = training["stages"], training["forensic_trees"]
    stages = {
        "first": first,
        "second": second,
        "groups": forensic["groups"]["train"],
        "share": _SHARE.format(training["further_share"]) if "further_share" in training else "",
    }
    return network + _STAGES.format(**stages, **forensic["rows"]["train"])


def _by_part(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {"balanced": metrics["test_balanced"], "all": metrics["test"]}


def _majority(metrics: Mapping[str, Any]) -> str:
    shares = " and ".join(f"{metrics[part]['majority']:.4f} ({part})" for part in ("balanced", "all"))
    return f"Naming always the larger class would have the accuracy {shares}.\n"


def _figure(metrics: Mapping[str, Any], label: str, key: str) -> str:
    return f"| {label} | {_interval(metrics['balanced'][key])} | {_interval(metrics['all'][key])} |"


def _interval(figure: Mapping[str, float | None]) -> str:
    if figure["value"] is None:
        return "not defined"
    if figure["low"] is None:
        return f"{figure['value']:.4f}"
    return f"{figure['value']:.4f} ({figure['low']:.4f} to {figure['high']:.4f})"


def _listed(record: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in record.items())
