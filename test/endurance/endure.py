# SPDX-License-Identifier: Apache-2.0
"""What shows only after a long time: restarts, ticks, and weeks with an API
that has its moods. Each function drives a server of the end to end tests,
and answers with figures."""

import datetime
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "e2e"))

from cryptography import x509  # noqa: E402

import waiting  # noqa: E402
from httpd import BUILD, apxs  # noqa: E402
import procs  # noqa: E402

DAY = 86400
SANITIZER = os.environ.get("CFORIGIN_PRELOAD", "")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return file.read().split()


class Shape:
    """A server's parent: memory in KiB, descriptors, children."""

    def __init__(self, httpd):
        parent = procs.Process(httpd.pid)
        self.rss = int(parent.status["VmRSS"].split()[0])
        self.fds = len(parent.descriptors())
        self.children = len(children(httpd.pid))

    def __str__(self):
        return f"{self.rss} KiB, {self.fds} descriptors, " \
            f"{self.children} children"


def settled(httpd, usual):
    """The shape once the old generation's processes have gone."""
    waiting.until(lambda: Shape(httpd).children <= usual,
                  "the old generation's end", 30)
    return Shape(httpd)


# -- restarts -----------------------------------------------------------------

def gracefuls(httpd, vhosts, warm, count, say=lambda line: None):
    """(shape after `warm` restarts, shape after `count` more)"""
    httpd.server("CFOriginStartupWait 60s")
    # one child from the first second on: what is more is an old one
    httpd.mpm_lines += ["MinSpareThreads 1", "MaxSpareThreads 200"]
    httpd.managed(*(f"v{n}.example.com" for n in range(vhosts)))
    httpd.start(60)
    usual = Shape(httpd).children
    for _ in range(warm):
        httpd.graceful(60)
    first = settled(httpd, usual)
    say(f"after {warm} restarts: {first}")
    for _ in range(count):
        httpd.graceful(60)
    last = settled(httpd, usual)
    say(f"after {warm + count} restarts: {last}")
    return first, last


# -- ticks --------------------------------------------------------------------

def faketime():
    """libfaketime, wherever this machine has it."""
    return next(str(path) for path in Path("/usr/lib").glob(
        "*/faketime/libfaketime.so.1"))


def preload(httpd, library):
    before = httpd.environment.get("LD_PRELOAD")
    httpd.environment["LD_PRELOAD"] = \
        f"{before} {library}" if before else library


def counter():
    built = BUILD / "mod_ticks.so"
    source = HERE / "mod_ticks.c"
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-O1", "-o", built, source,
             "-I" + apxs("INCLUDEDIR"), "-I" + apxs("APR_INCLUDEDIR"),
             "-I" + apxs("APU_INCLUDEDIR"), *apxs("EXTRA_CPPFLAGS").split()],
            check=True)
    return built


def ticks(httpd, count, rate=1000, say=lambda line: None):
    """Time runs `rate` times as fast. (shape early, shape after `count`
    calls of the monitor hook)"""
    httpd.tolerate("AH00045", "AH00046", "AH00047")  # its seconds are short
    told = httpd.root / "ticks"
    httpd.before_modules.append(f"LoadModule ticks_module {counter()}")
    httpd.managed(*(f"v{n}.example.com" for n in range(20)))
    httpd.start()
    httpd.stop()
    preload(httpd, faketime())
    httpd.environment.update(TICKS_FILE=str(told), FAKETIME=f"+0 x{rate}")
    httpd.start()

    def reached(number):
        def look():
            text = told.read_text() if told.exists() else ""
            return text.endswith("\n") and int(text) >= number
        waiting.until(look, lambda: httpd.story(f"tick {number}"),
                      30 + number * 60 / rate, 0.1)
        return Shape(httpd)

    first = reached(min(100, count // 4))
    say(f"after {min(100, count // 4)} ticks: {first}")
    last = reached(count)
    say(f"after {count} ticks: {last}")
    return first, last


# -- weeks --------------------------------------------------------------------

class Calendar:
    """The day it is for httpd, its keeper and the API. They go on at the
    pace of the real clock; a jump takes all of them to another day."""

    def __init__(self, httpd, server):
        self.file = httpd.root / "calendar"
        self.server, self.ahead = server, 0
        self.jump(0)
        preload(httpd, faketime())
        httpd.environment.update(FAKETIME_TIMESTAMP_FILE=str(self.file),
                                 FAKETIME_NO_CACHE="1",
                                 FAKETIME_DONT_FAKE_MONOTONIC="1")

    def jump(self, days):
        self.ahead += int(days * DAY)
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"+{self.ahead}\n")
        fresh.replace(self.file)
        self.server.settings(clock_offset=self.ahead)

    def now(self):
        return datetime.datetime.utcfromtimestamp(time.time() + self.ahead)


def missing(httpd, names, now):
    """Sites that do not serve a certificate that is good today."""
    found = []
    for name in names:
        try:
            answer = httpd.get(name, verify=False)
            good = answer.status == 200 and not answer.is_fallback and \
                answer.certificate.not_valid_before <= \
                now + datetime.timedelta(minutes=5) and \
                now < answer.certificate.not_valid_after
        except OSError as error:
            good, answer = False, error
        if not good:
            found.append((name, str(answer)[:200]))
    return found


def too_soon(server, least_days):
    """Pairs of certificates of one name that lie too close together."""
    seen, close = {}, []
    for entry in server.issued():
        name = entry["hostnames"][0]
        at = moment(entry)
        if name in seen and at - seen[name] < least_days * DAY:
            close.append((name, (at - seen[name]) / DAY))
        seen[name] = at
    return close


def moment(entry):
    certificate = x509.load_pem_x509_certificate(
        entry["certificate"].encode())
    return certificate.not_valid_before.timestamp()


def quiet(httpd):
    """Whoever found a keeper at work when it was due has its turn now: a real
    day has thousands of ticks."""
    def idle():
        return not httpd.keepers
    if not idle():
        waiting.until(idle, "the keeper's end", 60)
        httpd.graceful(60)
        waiting.until(idle, "the keeper's end", 60)


def soak(httpd, server, seconds, sites=30, step=1.0, pause=12,
         say=lambda line: None):
    """Days pass, `step` at a time, while the API fails now and then. What
    went wrong, and how many certificates were issued."""
    calendar = Calendar(httpd, server)
    names = [f"s{n}.example.com" for n in range(sites)]
    httpd.server("CFOriginValidity 7", "CFOriginStartupWait 60s",
                 "CFOriginReloadInterval 1s")
    httpd.tolerate("cforigin:")
    httpd.managed(*names)
    httpd.start(90)
    httpd.graceful(60)
    waiting.until(lambda: not missing(httpd, names, calendar.now()),
                  lambda: f"first certificates: "
                  f"{missing(httpd, names, calendar.now())[:3]}", 120, 1)
    server.faults("rough")
    wrong, end, days = [], time.monotonic() + seconds, 0
    while time.monotonic() < end and not wrong:
        calendar.jump(step)
        days += step
        waits = min(pause, max(end - time.monotonic(), 0))
        if pause < 12:  # no tick comes in so short a time
            httpd.graceful(60)
            quiet(httpd)
        stop = time.monotonic() + waits
        while time.monotonic() < stop and not wrong:
            wrong += missing(httpd, names, calendar.now())
            time.sleep(0.5)
        say(f"day {days:g}: {server.counts()['issued']} issued, "
            f"{len(wrong)} wrong")
    wrong += too_soon(server, 4.2)
    return wrong, server.counts()["issued"], days
