# SPDX-License-Identifier: Apache-2.0
"""The README keeps in step with the code."""

import re

import pytest

from httpd import TOP

README = (TOP / "README.md").read_text(encoding="utf-8")


def source(*parts):
    return TOP.joinpath(*parts).read_text(encoding="utf-8")


def literals(text):
    """A string of C, however many pieces it is written in."""
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text))


def macros(*texts):
    return {name: literals(value) for text in texts for name, value in
            re.findall(r"#define (\w+)((?:[^\n]*\\\n)*[^\n]*)", text)}


def rows(table):
    """The rows of a table of result.c as the README has them."""
    text = source("mod_cforigin/core/result.c")
    known = macros(source("include/cforigin.h"), text)
    text = text[text.index(f"meaning_t {table}[]"):]
    text = text[text.index("{") + 1:text.index("};")]
    for number, kind, sentence, advice in re.findall(
            r'\{(\d+), CFO_(\w+),\s*((?:"[^"]*"\s*)+),([^{}]*)\}', text):
        said = "".join(quoted or known[macro] for quoted, macro in re.findall(
            r'"([^"]*)"|([A-Z_]{4,})', advice))
        yield (f"| {number} | {kind.lower().replace('_', '-')} | "
               f"{literals(sentence)} | {said} |")


@pytest.mark.parametrize("table, least", [("codes", 31), ("statuses", 9)])
def test_every_code_is_in_the_readme_with_its_advice(table, least):
    lines = README.splitlines()
    found = list(rows(table))
    assert len(found) >= least
    for row in found:
        assert row in lines


def test_every_directive_is_explained():
    text = "".join(path.read_text(encoding="utf-8")
                   for path in (TOP / "mod_cforigin").glob("*.c"))
    directives = set(re.findall(
        r"AP_INIT_\w+\(\s*\"(CFOrigin\w*)\"", text))
    assert len(directives) >= 23, directives
    for directive in directives:
        assert re.search(rf"^\| `{directive} ", README, re.M), directive


def test_the_checks_are_explained():
    for word in ("parse", "key", "names", "dates", "lifetime", "issuer"):
        assert re.search(rf"^\| `check {word}` ", README, re.M), word


def test_the_two_commands_are_what_ci_runs():
    for command in ("./apxs-build.mk demo", "./apxs-build.mk check"):
        assert command in README
    assert "./apxs-build.mk check" in source(".ci/run")


def test_every_make_target_of_the_readme_exists():
    makefile = source("apxs-build.mk")
    for target in set(re.findall(r"\./apxs-build\.mk ([a-z]+)", README)):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_each_promise_about_security_names_tests_that_exist():
    section = README[README.index("## Security"):]
    section = section[:section.index("\n## ", 1)]
    promises = re.findall(r"^\d+\. .*", section, re.MULTILINE)
    assert len(promises) >= 10
    there = set()
    for path in TOP.joinpath("test").rglob("test_*"):
        if path.suffix in (".py", ".c"):
            there |= set(re.findall(r"^(?:def|static void) (test_\w+)\(",
                                    path.read_text(), re.MULTILINE))
    for promise in promises:
        named = re.findall(r"`(test_\w+)`", promise)
        assert named, promise
        assert set(named) <= there, (promise, set(named) - there)
