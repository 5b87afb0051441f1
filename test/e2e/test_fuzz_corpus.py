# SPDX-License-Identifier: Apache-2.0
"""Every input of the fuzz targets' corpora, without a fuzzer: what was once
too much for one of them is put there, and tried in each run of the tests."""

import re
import subprocess

import pytest

from httpd import BUILD, TOP

FUZZ = TOP / "test/fuzz"
TARGETS = sorted(path.stem[len("fuzz_"):] for path in FUZZ.glob("fuzz_*.c"))


def test_each_target_has_a_corpus():
    assert TARGETS == sorted(path.name for path in
                             (FUZZ / "corpus").iterdir())


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_stands_all_that_is_in_its_corpus(target):
    corpus = FUZZ / "corpus" / target
    done = subprocess.run([BUILD / f"replay_{target}", corpus],
                          capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0, said
    files = [path for path in corpus.rglob("*") if path.is_file()]
    assert files and re.search(rf"^{len(files)} inputs, no fault$", said,
                               re.MULTILINE), said
