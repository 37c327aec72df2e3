"""The model card of a bundle: what a detector is, how good, and what it must not be used for."""

from collections.abc import Mapping
from typing import Any, Final

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
)

_WHOLE: Final = "Every image was measured whole."
_FACES: Final = "Of every image the largest face was measured, cropped to `{}`."

_NETWORK: Final = """
Some of the measurements are a network's (`network.onnx`, {architecture}; AUC {auc:.4f} of its own on the validation \
part). It learnt from {groups:,} other training groups, {seen:,} images of which are here: the trees see only the \
{percent} per cent of the training groups that were held back from it.
"""
_TRAIN_NETWORK: Final = "    python cli.py train-network DATASET... --out NETWORK\n"

_CARD: Final = """\
# fauxface detector `{name}`

Estimates the probability that a picture of one face is a deepfake. {features:,} measurements of the image (profile
`{profile}`) go through {trees:,} boosted trees; a sigmoid turns their score into a probability.

## Trained on

{sources}

| part | groups | real | fake |
|---|---|---|---|
{rows}

{faces} Beside the training images as they are: {variants}.{network}
Left out: {failed} images that could not be measured, {labelled_both} that appear with both labels, {repeated} repeats.
Digest of the training data: `{data_digest}`.

## Protocol

Parts are drawn by a hash of the group (a fake and the original it was made from share one), so no original is on two
sides. This does not exclude that the same person appears in several groups: where a data set does not name its actors,
identities are shared between parts, and the figures are higher than they would be on strangers.
Training rows are weighted so that both classes weigh the same; the validation part only stops the training, the
calibration part only places the sigmoid and the operating points, and the test part was scored once, by this bundle.

## Figures on the test part

Value and 95 % interval (bootstrap over groups). Balanced: both classes in equal number, those of lowest sha256.
Probabilities are for equal priors, so calibration error, Brier score and accuracy mean what they say where the classes
are balanced. Chance raises the calibration error of few images, and more so that of resamples, so its interval can \
lie above it.

| figure | balanced | all |
|---|---|---|
{figures}

## Verdicts

Probabilities hold for equal priors: half of the images fake. Where fakes are rarer, they are too high until a prior is
given.

- `fake` from probability {fake_from:.4f}: at most 1 % of the real calibration images reach it.
- `real` below probability {real_below:.4f}: at most 5 % of the fake calibration images stay under it.
- `uncertain` between.

## Limits

- Trained on face crops of the data sets named above. Other framings, cameras, codecs and ways of forging may get
  probabilities that mean nothing; the figures above do not carry over to them.
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


def model_card(manifest: Mapping[str, Any]) -> str:
    """Write the card of a bundle from its manifest, as Markdown.

    Parameters
    ----------
    manifest : mapping
        As `pipelines.train` makes it; `files` is not needed.
    """
    training = manifest["training"]
    faces = training.get("faces", "off")
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
        figures="\n".join(_figure(manifest["metrics"], label, key) for label, key in _FIGURES),
        faces=_WHOLE if faces == "off" else _FACES.format(faces),
        variants=", ".join(f"{n:,} copies of them, variant {v}" for v, n in training["variants"].items()) or "nothing",
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
        **training["left_out"],
        **{key: training[key] for key in ("data_digest", "seed", "validation_auc")},
    )


def _network(manifest: Mapping[str, Any]) -> str:
    if "network" not in manifest:
        return ""
    record = manifest["network"]
    return _NETWORK.format(
        architecture=record["architecture"],
        auc=record["validation"]["auc"],
        groups=record["training"]["groups"]["train"],
        percent=record["training"]["held_back"]["percent"],
        seen=manifest["training"]["left_out"]["left_to_network"],
    )


def _figure(metrics: Mapping[str, Any], label: str, key: str) -> str:
    return f"| {label} | {_interval(metrics['test_balanced'][key])} | {_interval(metrics['test'][key])} |"


def _interval(figure: Mapping[str, float | None]) -> str:
    if figure["value"] is None:
        return "not defined"
    if figure["low"] is None:
        return f"{figure['value']:.4f}"
    return f"{figure['value']:.4f} ({figure['low']:.4f} to {figure['high']:.4f})"


def _listed(record: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in record.items())
