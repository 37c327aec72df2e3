"""The page of an evaluation: every figure is there with its interval, charts in words too, and it asks for nothing."""

import re
from typing import Any
from xml.dom import minidom

import pytest

from pipelines.bench_charts import Axis, Series, chart, dots
from pipelines.evaluation_page import evaluation_page
from pipelines.page import FIGURES
from tests.evaluations import LEVELS, evaluation


def document(text: str) -> minidom.Document:
    return minidom.parseString(text.replace("<!doctype html>", ""))


def text_of(node: minidom.Node) -> str:
    return "".join(child.data if isinstance(child, minidom.Text) else text_of(child) for child in node.childNodes)


@pytest.fixture
def record() -> dict[str, Any]:
    return evaluation("fast", "full")


@pytest.fixture
def page(record: dict[str, Any]) -> str:
    return evaluation_page(record)


def table_of(page: str, caption: str) -> list[list[str]]:
    for found in document(page).getElementsByTagName("table"):
        if text_of(found.getElementsByTagName("caption")[0]) == caption:
            return [
                [text_of(cell) for cell in row.childNodes if isinstance(cell, minidom.Element)]
                for row in found.getElementsByTagName("tr")
            ]
    raise AssertionError(f"no table {caption}")


def test_every_figure_stands_with_its_interval(page: str) -> None:
    head, *rows = table_of(page, "All figures with 95 % intervals")
    assert head == ["figure", "fast, balanced", "fast, all", "full, balanced", "full, all"]
    assert [row[0] for row in rows[: len(FIGURES)]] == list(FIGURES.values())
    assert rows[0][1] == "0.909 (0.889 to 0.929)"
    (majority,) = (row for row in rows if row[0].startswith("accuracy of always"))
    assert majority[1:] == ["0.500", "0.750", "0.500", "0.750"]


def test_every_chart_has_a_title_words_and_a_table(page: str) -> None:
    figures = document(page).getElementsByTagName("figure")
    titles = [text_of(figure.getElementsByTagName("figcaption")[0]) for figure in figures]
    assert titles[:5] == [
        "ROC", "Precision and recall", "Reliability", "Probabilities that fast gives", "Probabilities that full gives"
    ]  # fmt: skip
    assert titles[5:9] == [
        "AUC by data set", "reals called fake by data set",
        "AUC by brightness, mean luma", "reals called fake by brightness, mean luma",
    ]  # fmt: skip
    assert titles[9:] == ["JPEG: AUC", "JPEG: reals called fake", "blur: AUC", "blur: reals called fake"]
    for title, figure in zip(titles, figures, strict=True):
        (svg,), (told,) = figure.getElementsByTagName("svg"), figure.getElementsByTagName("table")
        assert text_of(svg.getElementsByTagName("title")[0]) == title
        assert text_of(svg.getElementsByTagName("desc")[0])
        assert svg.getAttribute("aria-label").startswith(title)
        assert len(told.getElementsByTagName("tr")) > 1


def test_the_curves_can_be_read_off_a_table(page: str) -> None:
    assert table_of(page, "Share of fakes found")[1:3] == [["0.01", "0.360", "0.360"], ["0.02", "0.360", "0.360"]]
    assert table_of(page, "Highest precision")[-1] == ["0.9", "0.750", "0.750"]
    assert table_of(page, "Bins of probability")[1] == ["fast, 0.000 to 0.067", "60", "0.033", "0.100 (0.050 to 0.150)"]
    assert table_of(page, "Images by probability")[1:] == [
        ["0.000 to 0.067", "54", "6"],
        ["0.200 to 0.267", "30", "10"],
        ["0.467 to 0.533", "20", "20"],
        ["0.933 to 1.000", "6", "54"],
    ]


def test_verdicts_are_counted_at_each_operating_point(page: str) -> None:
    head, real, fake = table_of(page, "Verdicts: fake from 0.9277, real below 0.2072")
    assert head[1:] == ["called real", "called uncertain", "called fake"]
    assert real == ["real images", "40 (40.0 %)", "59 (59.0 %)", "1 (1.0 %)"]
    assert fake == ["fake images", "3 (3.0 %)", "52 (52.0 %)", "45 (45.0 %)"]
    assert table_of(page, "One point: fake from 0.5")[1] == ["real images", "81 (81.0 %)", "19 (19.0 %)"]


def test_images_without_a_face_are_counted_where_there_are_any(record: dict[str, Any]) -> None:
    record["models"][0]["confusion"]["balanced"]["verdicts"]["real"]["no_face"] = 7
    rows = table_of(evaluation_page(record), "Verdicts: fake from 0.9277, real below 0.2072")
    assert [row[-1] for row in rows] == ["called no face", "7 (6.5 %)", "0 (0.0 %)"]


def test_detectors_stand_against_data_sets(page: str) -> None:
    assert table_of(page, "AUC") == [
        ["data set", "fast", "full"],
        ["faces (100 real, 100 fake)", *["0.909 (0.889 to 0.929)"] * 2],
        ["<b>ffhq</b> (100 real, 0 fake)", "not defined", "not defined"],
    ]


def test_the_worst_case_is_named(page: str) -> None:
    assert "fast, worst AUC</strong>: 0.599" in page
    assert "under blur, sigma, pixels 3; 0.909" in page


def test_robustness_goes_from_none_to_the_strongest(page: str) -> None:
    rows = table_of(page, "JPEG: AUC")
    assert [row[0] for row in rows[1:]] == [
        f"{strength}, {model}" for strength in ("none", *LEVELS["jpeg"][1]) for model in ("fast", "full")
    ]
    assert [row[1][:5] for row in rows[1::2]] == ["0.909", "0.809", "0.709", "0.609"]


def test_the_levels_spread_over_their_axis(page: str) -> None:
    (drawn,) = (svg for svg in re.findall(r"<svg.*?</svg>", page, re.S) if "<title>JPEG: AUC</title>" in svg)
    lines = re.findall(r'stroke-dasharray="[^"]+" d="(M[^"]*L[^"]*)"', drawn)
    assert [[spot.split()[0] for spot in line[1:].split("L")] for line in lines] == [
        ["64.0", "190.7", "317.3", "444.0"]
    ] * 2


def test_nothing_in_a_record_is_more_than_text(page: str) -> None:
    read = document(page)
    assert not read.getElementsByTagName("b")
    assert "\x1b" not in page
    assert "of &lt;fast&gt;: only" in page


def test_the_page_asks_for_nothing(page: str) -> None:
    assert not re.search(r"https?:|src=|href=\"(?!#)|url\(|@import|<script", page.replace("http-equiv", ""))
    names = {node.getAttribute("id") for node in document(page).getElementsByTagName("section")}
    assert {link.removeprefix("#") for link in re.findall(r'href="(#\w+)"', page)} == names


def test_one_class_and_no_robustness_leave_a_page(record: dict[str, Any]) -> None:
    for model in record["models"]:
        model["figures"]["balanced"] = model["confusion"]["balanced"] = None
        model["reliability"] = model["curves"] = model["robustness"] = None
        model["slices"] = model["slices"][:1]
    page = evaluation_page(record)
    document(page)
    assert "Perturbed images were not judged." in page
    assert page.count("Nothing to draw") == 2
    assert "all images, of one class" in page


def test_undefined_figures_leave_the_charts(record: dict[str, Any]) -> None:
    none = {"value": None, "low": None, "high": None}
    for level in record["models"][0]["robustness"]["levels"]:
        level["auc"] = none
    record["models"][0]["robustness"]["worst"]["auc"] = None
    page = evaluation_page(record)
    document(page)
    assert table_of(page, "JPEG: AUC")[3][1] == "not defined"
    assert "fast, worst AUC" not in page


@pytest.mark.parametrize(
    ("groups", "said"),
    [("test", ", test groups,"), ("all", ", all groups of data sets"), ("mixed", ", test groups of the others,")],
)
def test_the_groups_that_were_judged_are_named(record: dict[str, Any], groups: str, said: str) -> None:
    record["protocol"]["groups"] = groups
    assert said in evaluation_page(record)


def test_a_band_encloses_its_line() -> None:
    unit = Axis("", 0, 1, (0, 1))
    drawn = chart("", "", unit, unit, [Series("", [(0, 0.5), (1, 0.5)], band=[(0, 0.25, 0.75), (1, 0.0, 1.0)])])
    assert 'class="band" fill="var(--c0)" d="M64.0 82.0L444.0 12.0L444.0 292.0L64.0 222.0"' in drawn


def test_dots_lie_where_their_values_say() -> None:
    drawn = dots("T", "W", Axis("x", 0, 1, (0, 0.5, 1), names=("low", "<", "high")), ["a", "b"], [
        ("first", [(0.5, 0.25, 1.0), None]), ("second", [None, (0.0, 0.0, 0.5)]),
    ])  # fmt: skip
    read = minidom.parseString(drawn)
    assert [text_of(node) for node in read.getElementsByTagName("text")] == [
        "low", "<", "high", "x", "first", "second", "a", "b"
    ]  # fmt: skip
    spans = re.findall(r'd="M([\d.]+) [\d.]+H([\d.]+)"/>', drawn)
    assert spans == [("159.0", "444.0"), ("64.0", "254.0")]


def test_an_axis_may_have_names_for_its_ticks() -> None:
    assert Axis("", 0, 2, (0, 1, 2), names=("none", "95", "20")).labels == ["none", "95", "20"]
    assert Axis("", 0, 2, (0, 0.5, 2)).labels == ["0", "0.5", "2"]
