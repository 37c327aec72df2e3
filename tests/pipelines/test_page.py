"""What every page has: a head that forbids the network, tables, and text of any origin made harmless."""

import base64
import hashlib
import re

import pytest

from pipelines.page import begin, digest, end, interval, plain, safe, section, table


def test_a_page_names_what_it_may_run_by_its_digest() -> None:
    text = begin("a <title>", "b { }", "run()") + end("run()")
    expected = "sha256-" + base64.b64encode(hashlib.sha256(b"run()").digest()).decode()
    assert digest("run()") == expected
    assert f"script-src '{expected}'" in text
    assert "<script>run()</script>" in text
    assert "<title>a &lt;title&gt;</title>" in text
    assert text.endswith("</html>\n")


def test_a_page_without_a_script_may_run_none() -> None:
    text = begin("a") + end()
    assert "script-src 'none'" in text
    assert "<script" not in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain.jpg", "plain.jpg"),
        ("größe 写真.jpg", "größe 写真.jpg"),
        ("a\nb", r"a\nb"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\u202egpj", r"\u202egpj"),
        ("\udcff", r"\udcff"),
    ],
)
def test_what_does_not_show_is_escaped(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_text_is_made_harmless() -> None:
    assert safe("<a href='x'>&\"\x00") == "&lt;a href=&#x27;x&#x27;&gt;&amp;&quot;\\x00"


def test_a_section_with_a_name_is_a_landmark() -> None:
    assert section("Title", "<p/>", name="here") == (
        '<section id="here" aria-labelledby="here-title">\n<h2 id="here-title">Title</h2>\n<p/>\n</section>'
    )
    assert section("Title") == "<section>\n<h2>Title</h2>\n</section>"


def test_a_table_has_heads_both_ways_and_scrolls_by_keyboard() -> None:
    text = table("Caption", ["a", "b"], [["x", "1"], ["y", "2"]])
    assert re.findall(r'<th scope="(\w+)">(\w)', text) == [("col", "a"), ("col", "b"), ("row", "x"), ("row", "y")]
    assert 'role="region" tabindex="0" aria-label="Caption"' in text


def test_an_interval_is_written_or_not_defined() -> None:
    assert interval({"value": 0.5, "low": 0.25, "high": 1.0}) == "0.500 <small>(0.250 to 1.000)</small>"
    assert interval({"value": 0.5, "low": 0.25, "high": 1.0}, "+").startswith("+0.500")
    assert interval({"value": 0.5, "low": None, "high": None}) == "not defined"
