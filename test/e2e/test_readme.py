# SPDX-License-Identifier: Apache-2.0
"""The README keeps in step with the code."""

import re

from httpd import TOP

README = (TOP / "README.md").read_text(encoding="utf-8")


def source(*parts):
    return TOP.joinpath(*parts).read_text(encoding="utf-8")


def test_every_code_of_the_table_is_explained():
    text = source("mod_cforigin/core/result.c")
    table = text[text.index("codes[]"):]
    table = table[:table.index("};")]
    codes = re.findall(r"\{(\d{4,5}),", table)
    assert len(codes) > 20
    for code in codes:
        assert re.search(rf"^\|[^|]*\b{code}\b", README, re.M), code


def test_every_directive_is_explained():
    text = "".join(path.read_text(encoding="utf-8")
                   for path in (TOP / "mod_cforigin").glob("*.c"))
    directives = set(re.findall(
        r"AP_INIT_\w+\(\s*\"(CFOrigin\w*)\"", text))
    assert len(directives) == 22 or len(directives) > 20, directives
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
