# SPDX-License-Identifier: Apache-2.0
"""CFOriginNotifyCommand: which events it is run for, with what, how often,
and that nothing depends on it."""

import json
import os

import pytest

import life

PROGRAM = """#!/usr/bin/python3 -I
import json, os, sys
with open({seen!r}, "a") as file:
    file.write(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd(),
                           os.geteuid()]) + "\\n")
print("this is what it says")
sys.exit(int(open({code!r}).read()))
"""


class Told:
    """A program to be told, and what it was told."""

    def __init__(self, httpd):
        self.seen = httpd.root / "conf/seen"
        self.code = httpd.root / "conf/code"
        self.program = httpd.root / "tell"
        self.exits_with(0)
        self.program.write_text(PROGRAM.format(seen=str(self.seen),
                                               code=str(self.code)))
        self.program.chmod(0o755)

    def exits_with(self, code):
        self.code.write_text(f"{code}\n")

    def all(self):
        try:
            return [json.loads(line)
                    for line in self.seen.read_text().splitlines()]
        except FileNotFoundError:
            return []

    def events(self, name):
        return [argv[-2] for argv, *_ in self.all() if argv[-1] == name]

    def last(self, event):
        return [told for told in self.all() if told[0][-2] == event][-1]


@pytest.fixture
def told(httpd):
    told = Told(httpd)
    httpd.server(f"CFOriginNotifyCommand {told.program} one;$HOME")
    life.show_status(httpd)
    return told


def test_the_events(httpd, cloudflare, clock, told):
    """issued, errored, renewed, recovered, expiring: each once, with all that
    belongs to it, for what was served all the time and for what failed."""
    good, bad, week = (f"{name}.example.com"
                       for name in ("good", "bad", "week"))
    cloudflare.refuse(bad, 400, 1010, "Failed to validate requested "
                      "hostname: no $(zone) `here`")
    httpd.managed(good, bad)
    httpd.vhost(week, "CFOrigin on", "CFOriginValidity 7",
                "CFOriginRenewMode manual", aliases=["www.example.com"])
    httpd.expect(r"cforigin:error.*1010", r"cforigin:warn.*expires")
    httpd.start()
    clock.until(lambda: told.events(week) == ["issued"]
                and told.events(good) == ["issued"]
                and told.events(bad) == ["errored"],
                lambda: httpd.story(str(told.all())))
    argv, environ, folder, uid = told.last("errored")
    assert argv == ["one;$HOME", "errored", bad]
    assert environ["CFORIGIN_ERROR"].startswith("1010")
    assert "$(zone) `here`" in environ["CFORIGIN_ERROR"]
    assert environ["CFORIGIN_EVENT"] == "errored"
    assert environ["CFORIGIN_NAME"] == bad
    assert environ["CFORIGIN_STORE"] == str(httpd.store)
    assert uid == os.geteuid() and folder == "/"
    issued = {told_[0][2]: told_[1] for told_ in told.all()
              if told_[0][1] == "issued"}
    assert issued[week]["CFORIGIN_HOSTNAMES"].split() == [week,
                                                          "www.example.com"]
    serials = {entry["hostnames"][0]: entry["serial"]
               for entry in cloudflare.server.issued()}
    assert issued[good]["CFORIGIN_SERIAL"] == serials[good]
    assert life.moment(issued[good]["CFORIGIN_NOT_AFTER"]) > clock.now
    extra = {name for name in environ if not name.startswith("CFORIGIN_")}
    assert extra <= {"PATH", "LC_CTYPE"}, extra

    # an error again within the day is no news; a renewal is
    clock.forward(seconds=120)
    httpd.write_token("token", cloudflare.token)
    life.mark(httpd, good)
    life.await_generation(httpd, good, 2, clock)
    clock.until(lambda: told.events(good) == ["issued", "renewed"],
                "renewed")
    calls = life.asked_for(cloudflare, bad)
    assert calls >= 2
    clock.ticks(2)
    assert told.events(bad) == ["errored"]
    # the next day it is; and that it is over, is told once
    clock.forward(days=1.1)
    clock.until(lambda: told.events(bad) == ["errored"] * 2, "the next day")
    cloudflare.release()
    clock.forward(days=1.1)
    life.await_generation(httpd, bad, 1, clock)
    clock.until(lambda: told.events(bad)[-1] == "recovered", "recovered")
    # nobody renews the week's; it is told once a day
    clock.forward(days=4.2)
    clock.until(lambda: told.events(week) == ["issued", "expiring"],
                lambda: str(told.events(week)))
    clock.ticks(3)
    assert told.events(week) == ["issued", "expiring"]
    assert life.shown(httpd, week)["state"] == "expiring"
    assert told.events(good) == ["issued", "renewed"]


def test_it_is_told_until_it_exits_with_0(httpd, cloudflare, clock, told):
    """Its failure is logged and changes nothing else; it is told again, also
    after a restart, until it has understood."""
    told.exits_with(3)
    httpd.managed("a.example.com")
    httpd.expect(r"cforigin:warn.*exited with 3")
    httpd.start()
    assert httpd.get("a.example.com").status == 200
    clock.until(lambda: len(told.all()) >= 2, "a second time", 40)
    httpd.restart()
    before = len(told.all())
    told.exits_with(0)
    clock.forward(days=1.1)
    clock.until(lambda: len(told.all()) > before, "once more", 40)
    number = len(told.all())
    clock.forward(days=1.1)
    clock.ticks(3)
    assert len(told.all()) == number
    assert set(told.events("a.example.com")) == {"issued"}
    assert len(cloudflare.creates()) == 1
    assert life.shown(httpd, "a.example.com")["state"] == "ok"


def test_what_a_wrong_clock_put_off_is_told(httpd, clock, told):
    """It did not understand in the wrong month; it is told again when the
    clock is right, also after a restart, not in that month."""
    told.exits_with(3)
    httpd.managed("a.example.com")
    httpd.expect(r"cforigin:warn.*exited with 3")
    clock.follow = False
    clock.forward(days=30)
    httpd.tolerate(r"cforigin:(warn|error).*clock")
    httpd.start()
    clock.until(lambda: len(told.all()) >= 1, "a first time", 40)
    clock.forward(days=-30)
    before = len(told.all())
    clock.until(lambda: len(told.all()) > before, "once more", 40)
    clock.forward(days=30)
    before = len(told.all())
    clock.forward(days=1)
    clock.until(lambda: len(told.all()) > before, "and once more", 40)
    httpd.stop()
    clock.forward(days=-31)
    told.exits_with(0)
    before = len(told.all())
    httpd.start()
    clock.until(lambda: len(told.all()) > before, "after the restart", 40)
    assert set(told.events("a.example.com")) == {"issued"}


def test_what_no_keeper_could_tell_is_told_by_the_next(httpd, clock, told):
    """That it ends soon is told although the keeper could not start when it
    was due, nor before a reload."""
    httpd.vhost("week.example.com", "CFOrigin on", "CFOriginValidity 7",
                "CFOriginRenewMode manual")
    httpd.expect(r"cforigin:error.*can't be started",
                 r"cforigin:warn.*expires")
    httpd.start()
    clock.until(lambda: told.events("week.example.com") == ["issued"],
                "issued")
    program = httpd.root / "libexec/cforigin-keeper"
    program.rename(program.with_suffix(".gone"))
    clock.forward(days=6.5)
    clock.until(lambda: httpd.log.matching("can't be started"), "a try", 40)
    httpd.graceful()
    program.with_suffix(".gone").rename(program)
    clock.until(lambda: told.events("week.example.com")
                == ["issued", "expiring"],
                lambda: str(told.events("week.example.com")), 40)
    clock.ticks(8)
    assert told.events("week.example.com") == ["issued", "expiring"]


@pytest.mark.parametrize("mode, folder", [(0o757, 0o755), (0o775, 0o755),
                                          (0o755, 0o757)])
def test_a_program_that_others_can_write_is_refused(
        httpd, told, clock, mode, folder):
    told.program.chmod(mode)
    httpd.root.chmod(folder)
    httpd.managed("a.example.com")
    httpd.expect(r"cforigin:(warn|error).*others can write")
    httpd.start()
    assert httpd.get("a.example.com").status == 200
    clock.until(lambda: httpd.log.matching("others can write"), "a word")
    clock.ticks(1)
    assert not told.all()
    httpd.root.chmod(0o755)
