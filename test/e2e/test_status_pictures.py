# SPDX-License-Identifier: Apache-2.0
"""The renderings of made-up pictures: every state, hundreds of hostnames, a
thousand certificates, texts that no API should send. A real browser, a JSON
schema and a real parser of OpenMetrics look at them."""

import json
import subprocess
from pathlib import Path

import jsonschema
import pytest
from prometheus_client.openmetrics.parser import \
    text_string_to_metric_families

import browser
from httpd import BUILD

SCENES = ["nothing", "fine", "states", "wide", "thousand", "hostile",
          "paused", "late", "overdue"]
STATES = ["ok", "expiring", "renewing", "pending", "error", "degraded",
          "expired", "adopted", "foreign"]
SCHEMA = json.loads(
    (Path(__file__).parents[1] / "status.schema.json").read_text())


def show(scene, form, *options):
    return subprocess.run([BUILD / "show_status", scene, form, *options],
                          check=True, capture_output=True,
                          timeout=30).stdout.decode("utf-8")


def in_browser(tmp_path, scene, *options):
    path = tmp_path / "page.html"
    path.write_text(show(scene, "html", *options))
    return browser.dump(path.as_uri())


@pytest.mark.parametrize("scene", SCENES)
def test_json_keeps_to_the_schema(scene):
    doc = json.loads(show(scene, "json"))
    if scene == "hostile":  # hostile where the schema wants digits, too
        for cert in doc["certificates"]:
            cert["serial"] = cert["sha256"] = None
    jsonschema.validate(doc, SCHEMA)
    assert len(doc["certificates"]) == doc["totals"]["certificates"]
    assert sum(doc["totals"][state] for state in STATES) == \
        doc["totals"]["certificates"]


@pytest.mark.parametrize("scene", SCENES)
def test_metrics_are_openmetrics(scene):
    text = show(scene, "metrics")
    seen = set()
    families = list(text_string_to_metric_families(text))
    for family in families:
        assert family.documentation
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in seen
            seen.add(key)
    states = [sample for family in families
              if family.name == "cforigin_certificate_state"
              for sample in family.samples]
    count = json.loads(show(scene, "json"))["totals"]["certificates"]
    assert len(states) == count * len(STATES)
    assert sum(sample.value for sample in states) == count


def test_a_series_stands_there_once():
    """A foreign certificate of vhosts on two ports has one name."""
    lines = [line.rsplit(" ", 1)[0] for line in
             show("twice", "metrics").splitlines() if line[0] != "#"]
    assert lines and len(lines) == len(set(lines))


@pytest.mark.parametrize("scene", SCENES)
def test_flat_lines_are_flat(scene):
    keys = []
    for line in show(scene, "auto").split("\n")[:-1]:
        key, _, _ = line.partition(": ")
        assert key.startswith("CFOrigin") and " " not in key, line
        keys.append(key)
    assert len(keys) == len(set(keys))
    assert "CFOriginModule" in keys


@pytest.mark.parametrize("form", ["html", "section", "json", "metrics",
                                  "auto"])
def test_hostile_text_comes_out_clean(form):
    """Well-formed UTF-8 (show decodes it), no control characters, no markup
    of theirs, no line and no field of theirs."""
    text = show("hostile", form)
    assert not {c for c in text if ord(c) < 32 and c != "\n"
                or 0x7f <= ord(c) < 0xa0}
    if form in ("html", "section"):
        assert "<script" not in text and "<svg" not in text
        assert "<img" not in text and "<b>" not in text
        text.encode("ascii")  # reads the same in any charset
    if form == "json":
        assert "owned" not in json.loads(text)
    if form == "auto":
        assert text.count("\nCFOriginModule") == 0
    if form == "metrics":
        assert text.count("# EOF\n") == 1 and text.endswith("# EOF\n")


def test_a_browser_shows_every_state(tmp_path):
    page = in_browser(tmp_path, "states")
    assert page.title == "(4) Origin certificates"
    assert ("4 of 10 certificates need attention: 1 expired, 1 error, "
            "1 expiring, 1 degraded; under way: 1 pending, 1 renewing"
            ) in page.text
    for state in STATES:
        assert f" {state} " in page.text, state
    assert "1010 (HTTP 400) Failed to validate requested hostname" in page.text
    assert "Next try in 2 hours." in page.text
    assert "ended 35 days ago" in page.text
    assert "CFOriginReload is off" in page.text
    assert "last run 60 minutes ago" in page.text
    assert page.rows == 11
    assert {"table", "caption", "thead", "th", "main", "h1"} <= page.tags
    assert not page.tags & {"script", "link", "img", "iframe"}


def test_a_browser_takes_hostile_text_for_text(tmp_path):
    page = in_browser(tmp_path, "hostile")
    assert page.title == "(8) Origin certificates"
    assert not page.tags & {"script", "img", "svg", "b", "iframe", "object"}
    assert not {name for name in page.attributes if name.startswith("on")}
    assert "<img src=x onerror=alert(1)>" in page.text
    assert page.rows == 9
    assert page.source.count("<h1") == 1


def test_a_browser_shows_a_thousand(tmp_path):
    page = in_browser(tmp_path, "thousand")
    assert page.rows == 1001
    assert "100 of 1000 certificates need attention" in page.text
    assert "and 92 more" in page.text  # one trouble, told once
    page = in_browser(tmp_path, "thousand", "q=site99", "state=ok")
    assert page.rows == 11 and "10 of 1000 certificates" in page.text


@pytest.mark.parametrize("scene, words", [
    ("nothing", "write CFOrigin on into a virtual host"),
    ("late", "What stands here may be old: httpd's parent process last "
             "looked 10 minutes ago"),
    ("overdue", "The keeper should have run 10 minutes ago and did not."),
    ("paused", "Account other is paused, as Cloudflare limits its requests "
               "or refused its token; asked again in 4 minutes"),
    ("wide", "197 more hostnames"),
])
def test_what_else_the_page_says(scene, words):
    page = browser.Page(show(scene, "html"))
    assert words in page.text


def test_one_certificate_has_a_page_of_its_own():
    page = browser.Page(show("states", "html", "only=degraded.example.com"))
    for words in ("Failures in a row 3", "Ray 8f3a1b2c4d5e6f70-FRA",
                  "Serial 5009", "What to do: Nothing to do",
                  "Validity asked for, days 5475", "Renewal from"):
        assert words in page.text, words
    assert "expired.example.com" not in page.text
