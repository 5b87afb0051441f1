# SPDX-License-Identifier: Apache-2.0
"""What the check of the source text takes for a fault: the tools' own, too."""

import re
import shutil
import subprocess

from httpd import TOP


def check(folder, *more):
    done = subprocess.run(
        [folder / "test/static/check", "--only", "analyzer", *more],
        text=True, capture_output=True, check=False)
    return done.returncode, done.stdout


def test_an_analyzer_that_can_not_read_the_source_finds_it_wanting():
    code, said = check(TOP, "--", "-std=gnu11")
    assert code == 1
    assert "could not read mod_cforigin/core/words.c: exit 1: " in said
    assert "0 findings explained, 0 not" not in said


LEAK = """#include <stdlib.h>
#include <string.h>

int %s(const char *text)
{
    char *copy = malloc(10);

    return copy && text ? (int)strlen(text) : 0;
}
"""


def test_an_explanation_is_of_one_finding_in_one_function(tmp_path):
    shutil.copytree(TOP / "test/static", tmp_path / "test/static")
    (tmp_path / "mod_cforigin").mkdir()
    source = tmp_path / "mod_cforigin/leak.c"
    accepted = tmp_path / "test/static/accepted"
    source.write_text(LEAK % "one")
    accepted.write_text("# why\n")
    code, said = check(tmp_path)
    assert code == 1 and "[-Wanalyzer-malloc-leak] in one" in said, said
    accepted.write_text(
        "mod_cforigin/leak.c one -Wanalyzer-malloc-leak for a test\n")
    code, said = check(tmp_path)
    assert code == 0 and "1 findings explained, 0 not" in said, said
    source.write_text(LEAK % "one" + LEAK % "two")
    code, said = check(tmp_path)
    assert code == 1 and "in two" in said and "in one" not in said, said


def test_what_a_signal_sets_is_of_the_type_for_that():
    found = [f"{path.name}: {line.strip()}"
             for folder in ("include", "mod_cforigin", "test/unit")
             for path in sorted((TOP / folder).rglob("*.[ch]"))
             for line in path.read_text().splitlines()
             if re.search(r"\bvolatile int\b", line)]
    assert not found
