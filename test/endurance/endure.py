# SPDX-License-Identifier: Apache-2.0
"""What shows only after a long time: restarts, ticks, and weeks with an API
that has its moods. Each function drives a server of the end to end tests,
and answers with figures."""

import contextlib
import datetime
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "e2e"))

from cryptography import x509  # noqa: E402

import clockwork  # noqa: E402
import waiting  # noqa: E402
from httpd import BUILD, apxs  # noqa: E402
import procs  # noqa: E402

DAY = 86400
# from the first second on: what is more is an old one
ONE_CHILD = ["MinSpareThreads 1", "MaxSpareThreads 200"]
SANITIZER = os.environ.get("CFORIGIN_PRELOAD", "")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return file.read().split()


class Shape:
    """A server's parent: memory in KiB, descriptors."""

    def __init__(self, httpd):
        parent = procs.Process(httpd.pid)
        self.rss = int(parent.status["VmRSS"].split()[0])
        self.fds = len(parent.descriptors())

    def __str__(self):
        return f"{self.rss} KiB, {self.fds} descriptors"


def settled(httpd, usual):
    """The shape once there is no child (a keeper, a worker of an older
    generation, one that nobody has waited for) but the usual ones."""
    waiting.until(lambda: len(children(httpd.pid)) <= usual,
                  lambda: f"{children(httpd.pid)} and no more than {usual}",
                  30)
    return Shape(httpd)


def renew(httpd, name):
    (httpd.folder(name) / "renew").touch()


def is_over(httpd, *names):
    """No keeper is at work, and none is just being started."""
    return not httpd.keepers and not any(
        (httpd.folder(name) / "renew").exists() for name in names)


# -- restarts -----------------------------------------------------------------

def gracefuls(httpd, vhosts, warm, count, say=lambda line: None):
    """(shape after `warm` restarts, shape after `count` more, how many
    certificates were renewed meanwhile): each restart starts a keeper."""
    httpd.server("CFOriginStartupWait 60s")
    httpd.mpm_lines += ONE_CHILD
    httpd.managed(*(f"v{n}.example.com" for n in range(vhosts)))
    httpd.start(60)
    usual = len(children(httpd.pid))

    def restart(number):
        name = f"v{number % vhosts}.example.com"
        renew(httpd, name)
        httpd.graceful(60)
        waiting.until(lambda: is_over(httpd, name), "the renewal's end", 60)

    def shape():
        httpd.graceful(60)  # the last keeper's words are read
        return settled(httpd, usual)

    for number in range(warm):
        restart(number)
    first = shape()
    say(f"after {warm} restarts: {first}")
    before = httpd.cloudflare.issued()
    for number in range(warm, warm + count):
        restart(number)
    last = shape()
    renewed = httpd.cloudflare.issued() - before
    say(f"after {warm + count} restarts: {last}; {renewed} renewed")
    return first, last, renewed


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


def ticks(httpd, count, renewals, rate=1000, say=lambda line: None):
    """Time runs `rate` times as fast. (shape early, shape after `count` calls
    of the monitor hook and `renewals` of certificates, which a tick alone can
    notice, how many there were.) The API refuses one."""
    httpd.tolerate("AH00045", "AH00046", "AH00047")  # its seconds are short
    httpd.tolerate("cforigin:")
    told = httpd.root / "ticks"
    names = [f"v{n}.example.com" for n in range(20)]
    httpd.mpm_lines += ONE_CHILD
    httpd.before_modules.append(f"LoadModule ticks_module {counter()}")
    httpd.server("CFOriginReload off")
    httpd.managed(*names)
    httpd.start()
    httpd.cloudflare.refuse("refused.example.com", 400, 1010, "no")
    httpd.managed("refused.example.com")
    httpd.stop()
    clock = clockwork.Clock(httpd.root / "conf/clock", clockwork.build(
        httpd.root, "clock"), httpd.cloudflare)
    clock.drive(httpd)
    httpd.environment["TICKS_FILE"] = str(told)
    httpd.start()
    waiting.until(lambda: not httpd.keepers, "the first keeper's end", 60)
    usual, issued = len(children(httpd.pid)), httpd.cloudflare.issued()
    last_told = 0

    def number():
        nonlocal last_told
        with contextlib.suppress(FileNotFoundError, ValueError):
            last_told = int(told.read_text())  # empty while it is written
        return last_told

    def renewed():
        return httpd.cloudflare.issued() - issued

    def reached(end, certificates):
        def look():
            if not httpd.keepers:
                names.append(names.pop(0))
                renew(httpd, names[0])
            return number() >= end and renewed() >= certificates
        waiting.until(look, lambda: httpd.story(f"tick {end}"),
                      60 + end * 60 / rate, 0.05)
        busy = number()

        def idle():  # for some ticks, so that the last words are read
            nonlocal busy
            if not is_over(httpd, *names):
                busy = number()
            return number() >= busy + 5
        waiting.until(idle, lambda: httpd.story("rest"), 60)
        shape = settled(httpd, usual)
        say(f"after {number()} ticks: {shape}; {renewed()} renewed")
        return shape

    clock.run(rate)
    first = reached(min(100, count // 4), 2)
    before = renewed()
    last = reached(count, before + renewals)
    return first, last, renewed() - before


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
        # What its processes share goes with the one that started httpd; two
        # that make it anew at once may both fail, say so and end: a fault
        # more for the soak.
        httpd.tolerate("libfaketime: ")

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


def quiet(httpd, look):
    """Whoever found a keeper at work when it was due has its turn now: a real
    day has thousands of ticks. Looks all the while."""
    def idle():
        look()
        return not httpd.keepers
    if not idle():
        waiting.until(idle, "the keeper's end", 60, 0.1)
        httpd.graceful(60)
        waiting.until(idle, "the keeper's end", 60, 0.1)


class Soak:
    """What came of days with an API that fails now and then."""

    def __init__(self):
        self.wrong, self.issued, self.days = [], 0, 0
        self.fired = []  # how often each fault of the mood came
        self.looks = 0

    def __str__(self):
        return f"{self.days:g} days, {self.issued} certificates, " \
            f"{sum(self.fired)} faults, {self.looks} looks at each site, " \
            f"{len(self.wrong)} wrong"


def soak(httpd, server, over, sites=30, step=1.0, pause=12, mood="rough",
         say=lambda line: None):
    """Days pass, `step` at a time, while the API fails now and then; until
    over(days) is true. A pause in which no tick comes ends with a restart."""
    calendar, came = Calendar(httpd, server), Soak()
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
    server.faults("rough")  # its style, too, whatever the mood
    server.faults(mood)

    def look():
        came.looks += 1
        came.wrong += missing(httpd, names, calendar.now())

    while not over(came.days) and not came.wrong:
        calendar.jump(step)
        came.days += step
        look()
        if pause < 12:
            httpd.graceful(60)
            quiet(httpd, look)
        stop = time.monotonic() + pause
        while time.monotonic() < stop and not came.wrong:
            look()
            time.sleep(0.5)
        came.fired, came.issued = server.fired(), server.counts()["issued"]
        say(str(came))
    came.wrong += too_soon(server, 4.2)
    return came
