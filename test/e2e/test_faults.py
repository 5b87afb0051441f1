# SPDX-License-Identifier: Apache-2.0
"""One call of a round fails, or the keeper is killed there. A part of what
test/faults/run tries whole: every harm to some calls, of each scenario."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "faults"))

import sweep  # noqa: E402

EVERY = 7
MEMORY_EVERY = 1999


@pytest.fixture(scope="module")
def bench():
    bench = sweep.Bench()
    yield bench
    bench.close()


@pytest.mark.parametrize("scenario", sweep.SCENARIOS)
def test_a_call_fails_or_is_the_last(bench, scenario):
    points = bench.points(scenario)
    assert len(points) > 250
    wrong = [(point, line) for point in points[::EVERY]
             for line in bench.try_point(scenario, *point)]
    assert not wrong, wrong


def test_the_faults_are_felt(bench):
    """The library does what it says, or the rest proves nothing."""
    bench.set_up("first")
    calls = None
    for harm, code, word in (("", 0, '"installed"'),
                             ("EIO", 0, '"failed"'),
                             ("kill", -9, "")):
        at = 0
        if calls:
            at = next(n for n, call in enumerate(calls, 1)
                      if call.startswith("rename")
                      and call.endswith("/pending"))
        bench.set_up("first")
        told = bench.run("first", bench.arm("files", at, harm, False))
        assert told[0] == code and word in told[1], (harm, told)
        assert bench.board.fired == (1 if harm else 0)
        calls = bench.board.calls()


# A sanitizer has the allocator to itself.
if not sweep.SANITIZER:
    @pytest.mark.parametrize("program", ["keeper", "issuer"])
    def test_memory_is_refused(bench, program):
        points = [p for p in bench.memory_points() if p[0] == program]
        assert len(points) > 5000
        wrong = [(point, line) for point in points[::MEMORY_EVERY]
                 for line in bench.try_memory(*point)]
        assert not wrong, wrong


def arm(httpd, at, harm):
    """The server's keeper runs with the library from now on; at 0: without."""
    keeper = httpd.root / "libexec/cforigin-keeper"
    real = httpd.root / "libexec/real/cforigin-keeper"
    if not real.exists():
        real.parent.mkdir()
        keeper.rename(real)
    preload = " ".join(filter(None, [sweep.SANITIZER, str(sweep.shim())]))
    words = f"LD_PRELOAD='{preload}' FAULTS_BOARD='{httpd.board.path}' " \
        f"FAULTS_ARM=files FAULTS_AT={at} FAULTS_DO={harm}" if at else ""
    keeper.write_text(f"#!/bin/sh\n# {httpd.root}\n"
                      f"exec env {words} '{real}' \"$@\"\n")
    keeper.chmod(0o755)


@pytest.mark.parametrize("at,harm", [(20, "EIO"), (34, "kill"),
                                     (52, "ENOSPC"), (66, "kill")])
def test_httpd_serves_a_pair_whatever_became_of_its_keeper(
        httpd, cloudflare, tmp_path, at, harm):
    httpd.board = sweep.Board(tmp_path / "board")
    httpd.tolerate("cforigin:")
    httpd.managed("a.example.com")
    httpd.start()
    first = httpd.get("a.example.com").sha256
    httpd.stop()
    (httpd.folder("a.example.com") / "renew").touch()
    arm(httpd, at, harm)
    httpd.start()
    assert httpd.board.fired == 1
    assert httpd.get("a.example.com").status == 200
    httpd.stop()
    (httpd.folder("a.example.com") / "attempt.json").unlink(missing_ok=True)
    arm(httpd, 0, "")
    httpd.start()
    answer = httpd.get("a.example.com")
    assert answer.status == 200 and answer.sha256 != first
    assert len(cloudflare.creates()) == 2
