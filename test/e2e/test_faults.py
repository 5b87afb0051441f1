# SPDX-License-Identifier: Apache-2.0
"""One call of a round fails, or the keeper or its issuer is killed there. A
part of what test/faults/run tries whole: every harm to some calls, of each
scenario."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "faults"))

import life  # noqa: E402
import reading  # noqa: E402
import sweep  # noqa: E402

EVERY = 13
EVERY_START = 7
DEPTH = 2  # a place is a function and the one that called it


@pytest.fixture(scope="module")
def bench():
    bench = sweep.Bench(DEPTH)
    yield bench
    bench.close()


def test_what_a_crash_must_not_take_is_on_the_disk_before_it_is_needed(bench):
    """A key and its intent before anybody is asked for a certificate, the
    certificate before the pair gets its name, that before it is the live one:
    each file is synced after its last byte, then its folder, and before the
    first that is worth something the folders above it."""
    bench.count("renewal", "keeper", "files")
    calls = bench.board.calls()

    def at(call, end, after=0):
        return next(n for n, text in enumerate(calls[after:], after)
                    if text.startswith(call) and end in text + "\n")

    def synced(path, after=0):
        """When the file (or folder) was synced; nothing came after it."""
        written = [n for n, text in enumerate(calls)
                   if text.startswith("write file") and text.endswith(path)]
        when = at("fsync", f"{path}\n", after)
        assert not written or written[-1] < when
        return when

    asked = at("write pipe", '"op":"create"')
    named = at("rename", "/origin-ecc/pending\n")
    for path in ("/key.pem", "/csr.pem", "/intent.json", ""):
        assert synced(f"/.pending.new{path}") < named
    for folder in ("/origin-ecc", f"/{sweep.NAME}", "/certs"):
        assert named < synced(folder, named) < asked

    for file in ("meta.json", "cert.pem"):
        placed = at("rename", f"/pending/{file}\n", asked)
        scratch = next(text for text in calls[placed::-1]
                       if text.startswith("write file")).split("/")[-1]
        assert synced(f"/{scratch}") < placed
    placed = at("rename", "/pending/cert.pem\n", asked)
    numbered = at("rename", "/origin-ecc/2\n", placed)
    assert synced("/pending", placed) < numbered
    live = at("rename", "/origin-ecc/current\n", numbered)
    assert synced("/origin-ecc", live) > live


def try_all(bench, attempt, points):
    """All of them hold, and all but a few of them came: a pipe may take two
    lines at once."""
    bench.tried = bench.fired = 0
    wrong = [(point, line) for point in points for line in attempt(*point)]
    print(f"{bench.tried} tried, {bench.fired} fired")
    assert not wrong, wrong
    assert len(points) == bench.tried
    assert bench.fired >= bench.tried - max(1, bench.tried // 20)


@pytest.mark.parametrize("scenario", sweep.SCENARIOS)
def test_a_call_fails_or_is_the_last(bench, scenario):
    points = bench.points(scenario)
    assert len(points) > 450
    try_all(bench, bench.try_point, points[::EVERY])


@pytest.mark.parametrize("scenario", sweep.ASKING)
def test_a_call_of_the_issuer_fails_or_is_the_last(bench, scenario):
    points = bench.points(scenario, "issuer")
    assert len(points) > 150
    try_all(bench, bench.try_point, points[::EVERY])


def test_httpd_starts_whatever_it_can_not_read(httpd, cloudflare):
    starts = reading.Starts(httpd, cloudflare)
    points = starts.points()
    assert len(points) > 70
    try_all(starts, starts.try_point, points[::EVERY_START])


def test_what_can_not_be_read_is_shown_as_an_error(httpd, cloudflare):
    """Nothing is asked for because of it, but it is no `pending` either."""
    life.show_status(httpd)
    starts = reading.Starts(httpd, cloudflare)
    starts.restore()
    starts.start(at=1, do="EIO", stays=1)
    for name in reading.NAMES:
        seen = life.shown(httpd, name)
        assert (seen["state"], seen["reason"]) == ("error", "unreadable")
        assert "can't be read" in seen["last_error"]["message"]
        assert seen["next_try"]
    starts.start()
    assert life.shown(httpd, reading.NAMES[0])["state"] == "ok"


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
    @pytest.mark.parametrize("program,places", [("keeper", 140),
                                                ("issuer", 45)])
    def test_memory_is_refused_at_each_place(bench, program, places):
        """Its first call there: once, or that and all that come later."""
        points = {}
        for point in bench.memory_points(program):
            points.setdefault(point[1], []).append(point)
        points = [some[number % 2]
                  for number, some in enumerate(points.values())]
        assert len(points) > places
        try_all(bench, bench.try_memory, points)


def arm(httpd, at, harm):
    """The server's keeper runs with the library from now on."""
    keeper = httpd.root / "libexec/cforigin-keeper"
    real = httpd.root / "libexec/real/cforigin-keeper"
    if not real.exists():
        real.parent.mkdir()
        keeper.rename(real)
    preload = " ".join(filter(None, [sweep.SANITIZER, str(sweep.shim())]))
    words = f"LD_PRELOAD='{preload}' FAULTS_BOARD='{httpd.board.path}' " \
        f"FAULTS_ARM=files FAULTS_AT={at} FAULTS_DO={harm}"
    keeper.write_text(f"#!/bin/sh\n# {httpd.root}\n"
                      f"exec env {words} '{real}' \"$@\"\n")
    keeper.chmod(0o755)


@pytest.mark.parametrize("call,end,harm", [
    ("fsync", "/key.pem", "EIO"), ("write pipe", "op\":\"create", "kill"),
    ("rename", "/pending/cert.pem", "ENOSPC"), ("rename", "/current", "kill")])
def test_httpd_serves_a_pair_whatever_became_of_its_keeper(
        httpd, cloudflare, tmp_path, call, end, harm):
    def renew(at):
        httpd.stop()
        for name, touch in (("attempt.json", False), ("renew", True)):
            path = httpd.folder("a.example.com") / name
            path.touch() if touch else path.unlink(missing_ok=True)
        httpd.board.clear()
        arm(httpd, at, harm if at else "")
        httpd.start()
        return httpd.get("a.example.com")

    httpd.board = sweep.Board(tmp_path / "board")
    httpd.tolerate("cforigin:")
    httpd.managed("a.example.com")
    httpd.start()
    served = {httpd.get("a.example.com").sha256, renew(0).sha256}
    at = next(n for n, text in enumerate(httpd.board.calls(), 1)
              if text.startswith(call) and end in text)
    answer = renew(at)
    assert httpd.board.fired == 1
    assert answer.status == 200
    answer = renew(0)
    assert answer.status == 200 and answer.sha256 not in served
    # one that had its number already when it was marked is not what was meant
    assert len(cloudflare.creates()) == (4 if end == "/current" else 3)
