# SPDX-License-Identifier: Apache-2.0
"""The keeper and its issuer where the API can't be reached, hangs, or has
more to say than anybody wants to hear."""

import json
import os
import textwrap
import time
from pathlib import Path

import pytest

import hurry
import keeper_client
from keeper_client import api, api_process, fake_issuer, item, keeper


def test_an_api_that_cant_be_reached_loses_nothing(keeper, api, monkeypatch):
    """No byte left the machine: the next round simply asks."""
    items = [item(f"n{n}.example.com") for n in range(20)]
    with monkeypatch.context() as patched, hurry.nowhere() as url:
        hurry.hurry(patched)
        done = keeper.run(items, libexec=hurry.issuer(keeper), api=url)
    assert len(done.of("failed")) == 20
    errors = [event["attempt"]["last_error"] for event in done.of("failed")]
    assert {error["kind"] for error in errors} == {"transient"}
    message, = {error["message"] for error in errors}
    assert hurry.TIMED_OUT.search(message)
    assert "lost" not in keeper.journal_words()
    assert sum(e["calls"] for e in done.of("calls")) == 3
    keeper.run(items)
    assert api.counts()["create"] == 20 == api.counts()["calls"]


def test_a_list_that_cant_be_taken_holds_up_nothing(keeper, api):
    api.faults({"match": {"op": "create", "nth": 1}, "do": {"close": "after"}},
               {"match": {"op": "list"},
                "do": {"body": {"name": "huge", "mb": 16}}})
    done = keeper.run([item("a.example.com")])
    assert done.of("installed"), done.events
    first, second = api.creates()
    assert first["body"]["csr"] == second["body"]["csr"]
    assert any("can't look whether it was issued" in line and "larger" in line
               for line in done.logs("warning"))


# Loses the answer to a create, and lists its zone as the rest of the program
# says.
LISTS = """
import fcntl, json, sys, termios, time
def tell(**line):
    print(json.dumps(line), flush=True)
def answer(asked):
    if asked["op"] == "create":
        tell(id=asked["id"], ok=False, kind="transient", lost=1, message="m")
    elif asked["op"] == "zone":
        tell(id=asked["id"], ok=True, zone="example.com", zone_id="z")
    elif asked["op"] == "list":
        give_list(asked["id"])
def give_list(id):
%s
for line in sys.stdin:
    answer(json.loads(line))
"""


def lister(keeper, text):
    return fake_issuer(keeper, LISTS % textwrap.indent(text, "    "))


def test_a_list_of_many_pages_is_waited_for(keeper, monkeypatch):
    """Six pages of half a minute each; by the keeper's clock, of a second."""
    libexec = lister(keeper, """
for page in range(1, 7):
    time.sleep(1)
    tell(id=id, page=page)
tell(id=id, ok=False, kind="transient", message="the end")
""")
    hurry.hurry(monkeypatch)
    done = keeper.run([item("a.example.com")], libexec=libexec)
    assert done.failure()["message"] == "the end"
    assert done.seconds > 5


@pytest.mark.parametrize("pages, told", [
    ("[1, 1]", '"page" is not the next one'),
    ("[2]", '"page" is not the next one'),
    ("[1, 3]", '"page" is not the next one'),
    ("range(1, 10000)", '"page" is no number from 1 to 4000')])
def test_pages_that_nobody_has_read_keep_no_round_alive(keeper, pages, told):
    libexec = lister(keeper, f"""
for page in {pages}:
    tell(id=id, page=page)
""")
    done = keeper.run([item("a.example.com")], libexec=libexec)
    error = done.failure()
    assert error["kind"] == "local" and told in error["message"]
    assert done.seconds < 20


def test_a_round_ends_whatever_an_issuer_says(keeper, monkeypatch):
    """A page whenever the keeper has taken the last one, each fifty seconds
    later by its clock. What waits for it fails; the next server gets the
    lock."""
    clock = keeper.folder / "clock"
    hurry.by_hand(monkeypatch, clock)
    libexec = lister(keeper, f"""
for page in range(1, 4000):
    tell(id=id, page=page)
    while fcntl.ioctl(1, termios.FIONREAD, bytes(4)) != bytes(4):
        time.sleep(0.001)
    time.sleep(0.002)
    with open({str(clock)!r}, "r+") as file:
        file.write("+%d\\n" % (50 * page))
""")
    round_ = keeper.start([item("a.example.com")], libexec=libexec)
    done = round_.wait(40)
    assert done.code == 0
    assert done.failure()["message"] == "the round took more than 7500 s"
    assert done.failure()["kind"] == "transient"
    hours = int(clock.read_text()) / 3600
    assert 2 < hours < 2.5
    intent, = keeper.store.glob("certs/*/*/pending/intent.json")
    assert json.loads(intent.read_text())["asked"]


# ---- what an issuer that is not ours any more could say ---------------------

# A sanitizer takes memory of its own, and keeps what was freed for a while.
SANITIZER = 600000 if os.environ.get("CFORIGIN_PRELOAD") else 0


def peak_of(round_):
    """The most memory that the keeper had, in KiB, looked at until its end."""
    status, peak = Path(f"/proc/{round_.process.pid}/status"), 0
    end = time.monotonic() + 60 * keeper_client.PATIENCE
    while round_.process.poll() is None:
        assert time.monotonic() < end
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                peak = int(line.split()[1])
        time.sleep(0.001)
    return peak


# What is written after the id, and what is told of it.
RUBBISH = {
    "nested": ('"ok":true,"x":[%s[]]' % ("[]," * 80000),
               "more in it than an answer"),
    "members": ('"ok":true,%s"x":1' % "".join(
        f'"{n:x}":0,' for n in range(25000)), "more in it than an answer"),
    "endless": ('"ok":true,"x":"%s"' % ("x" * 12000000), "too long"),
    "endless-nested": ('"ok":true,"x":[%s[]]' % ("[]," * 4000000), "too long"),
    "zone": ('"ok":true,"x":"%s"' % ("x" * 100000), "too long"),
}


@pytest.mark.parametrize("word", RUBBISH)
def test_rubbish_takes_no_memory(keeper, word):
    text, told = RUBBISH[word]
    (keeper.folder / "text").write_text(text)
    op = "zone" if word == "zone" else "create"
    libexec = lister(keeper, "pass")
    program = keeper.folder / "cforigin-issuer"
    program.write_text(program.read_text().replace(
        "def answer(asked):", f"""
def answer(asked):
    if asked["op"] == {op!r}:
        text = open({str(keeper.folder / "text")!r}).read()
        sys.stdout.write('{{"id":%d,%s}}\\n' % (asked["id"], text))
        sys.stdout.flush()
        return"""))
    round_ = keeper.start([item("a.example.com")], libexec=libexec)
    peak = peak_of(round_)
    error = round_.wait().failure()
    assert error["kind"] == "local" and told in error["message"], error
    assert peak < 24 * 1024 + SANITIZER, peak


@pytest.mark.parametrize("size, serials", [(200000, 1000), (1, 600000)])
def test_a_list_without_an_end_takes_so_much_memory_and_no_more(
        keeper, size, serials):
    """It can't be looked into, so what was lost is asked for again."""
    libexec = lister(keeper, f"""
certificate = "x" * {size}
for serial in range(1, {serials} + 1):
    sys.stdout.write('{{"id":%d,"page":1,"certificate":"%s","serial":"%d"}}\\n'
                     % (id, certificate, serial))
tell(id=id, ok=True)
""")
    round_ = keeper.start([item("a.example.com")], libexec=libexec)
    peak = peak_of(round_)
    done = round_.wait()
    assert any("lists are larger than is taken" in line
               for line in done.logs("warning")), done.logs()
    assert keeper.journal_words().count("asked") == 3
    assert peak < 160 * 1024 + SANITIZER, peak


# Answers a create as the real one does, but for what is changed in it.
BETWEEN = """
import json, subprocess, sys
real = subprocess.Popen([%r, *sys.argv[1:]], stdin=0, stdout=subprocess.PIPE,
                        pass_fds=[3])
for line in real.stdout:
    answer = json.loads(line)
    if "certificate" in answer:
        answer.update(%r)
    print(json.dumps(answer), flush=True)
"""


@pytest.mark.parametrize("change", [
    {"serial": "123"}, {"ray": "r" * 200000}, {"message": "m" * 200000}],
    ids=lambda change: "".join(change))
def test_what_is_said_beside_a_certificate_spoils_no_meta(keeper, change):
    """Its serial is the one that is in it, and texts are cut."""
    libexec = fake_issuer(keeper, BETWEEN % (
        str(keeper_client.BUILD / "cforigin-issuer"), change))
    done = keeper.run([item("a.example.com")], libexec=libexec)
    assert done.names("installed") == ["a.example.com"], done.events
    serial = keeper.serial("a.example.com")
    text = (keeper.dir("a.example.com") / "current/meta.json").read_text()
    meta = json.loads(text)
    assert meta["serial"] == serial
    assert len(meta["ray"]) <= 200 and len(text) < 4000
    line, = [line for line in keeper.journal() if line["event"] == "installed"]
    assert line["serial"] == serial
    assert keeper.run([item("a.example.com")]).events[-1]["event"] == "done"


@pytest.mark.parametrize("change", [
    {"serial": "9" * 65}, {"serial": "9" * 200000}, {"serial": "x"},
    {"zone_id": "../x"}], ids=["long", "endless", "word", "path"])
def test_what_is_no_id_is_no_answer(keeper, change):
    libexec = fake_issuer(keeper, BETWEEN % (
        str(keeper_client.BUILD / "cforigin-issuer"), change))
    done = keeper.run([item("a.example.com")], libexec=libexec)
    assert "holds what no such text does" in done.failure()["message"]
    assert not keeper.has_generation("a.example.com")
