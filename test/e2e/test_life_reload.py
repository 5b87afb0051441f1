# SPDX-License-Identifier: Apache-2.0
"""The graceful restart that the module asks for itself: one for many
certificates, never of a configuration that somebody is still editing, never
in a loop, and not one connection fails."""

import threading

import pytest

import life
import tls
from conftest import MPMS, ONE_MPM

every_mpm = pytest.mark.parametrize("mpm", MPMS)
WANTED = r"cforigin:warn.*a reload is wanted"
REASONS = {
    "CustomLog": "differs from the one that is running",
    "NoSuchDirective": "does not pass its test"}


def wanted(httpd):
    """Why a reload is wanted and did not come, or None."""
    seen = life.status(httpd)
    assert (seen["reload_wanted_reason"] is not None) \
        == seen["reload_wanted"]
    return seen["reload_wanted_reason"]


def await_reason(httpd, clock, word):
    clock.until(lambda: word in (wanted(httpd) or ""),
                lambda: httpd.story(f"reload_wanted: {word}"), 30)


@pytest.mark.parametrize("mpm", ONE_MPM)
@pytest.mark.parametrize("edit", REASONS)
def test_a_half_done_edit_is_never_loaded(httpd, cloudflare, clock, edit):
    """Whatever stands on disk that is not what runs: the renewed certificate
    waits, the reason is in the log and in the status; with the edit undone
    it is loaded."""
    httpd.managed("a.example.com", "b.example.com")
    life.show_status(httpd)
    httpd.expect(WANTED)
    httpd.start()
    first = life.served(httpd, "a.example.com")
    good = httpd.config.read_text()
    httpd.config.write_text(good + f"{edit} logs/x.log common\n")
    life.mark(httpd, "a.example.com", "b.example.com")
    life.await_generation(httpd, "a.example.com", 2, clock)
    life.await_generation(httpd, "b.example.com", 2, clock)
    await_reason(httpd, clock, REASONS[edit])
    clock.ticks(8)
    assert len(httpd.log.matching(REASONS[edit])) == 1, "told at each tick"
    assert life.served(httpd, "a.example.com") == first
    assert httpd.generations() == 1
    httpd.config.write_text(good)
    life.await_served(httpd, "a.example.com", clock, 30)
    life.await_served(httpd, "b.example.com", clock)
    assert wanted(httpd) is None
    clock.ticks(8)
    assert httpd.generations() == 2, "a loop"
    assert len(cloudflare.creates()) == 4


def test_what_is_installed_early_in_a_long_round_is_told_why_it_waits(
        httpd, cloudflare, clock):
    httpd.managed("a.example.com", "slow.example.com")
    life.show_status(httpd)
    httpd.start()
    cloudflare.fault({"op": "create", "hostname": "slow.example.com"},
                     {"delay": 6})
    life.mark(httpd, "a.example.com", "slow.example.com")
    life.await_generation(httpd, "a.example.com", 2, clock)
    await_reason(httpd, clock, "the keeper is still at work on others")
    life.await_served(httpd, "a.example.com", clock)
    life.await_served(httpd, "slow.example.com", clock)
    assert wanted(httpd) is None
    assert httpd.generations() == 2


def test_an_edit_is_loaded_by_the_administrators_reload(
        httpd, cloudflare, clock):
    httpd.managed("a.example.com")
    life.show_status(httpd)
    httpd.expect(WANTED)
    httpd.start()
    httpd.managed("b.example.com")
    httpd.configure()
    life.mark(httpd, "a.example.com")
    await_reason(httpd, clock, "differs")
    httpd.graceful()
    assert life.served(httpd, "a.example.com") \
        == life.stored(httpd, "a.example.com")
    life.await_generation(httpd, "b.example.com", 1, clock)
    life.await_served(httpd, "b.example.com", clock)
    assert wanted(httpd) is None and httpd.generations() == 3


def test_reload_off_only_tells(httpd, clock):
    httpd.server("CFOriginReload off")
    httpd.managed("a.example.com")
    life.show_status(httpd)
    httpd.start()
    first = life.served(httpd, "a.example.com")
    life.mark(httpd, "a.example.com")
    await_reason(httpd, clock, "CFOriginReload is off")
    clock.ticks(8)
    assert httpd.generations() == 1
    assert life.served(httpd, "a.example.com") == first
    assert len(httpd.log.matching("a reload is wanted")) == 1
    waits = "Installed, waits for a reload"
    assert waits in life.page(httpd, "/cforigin-status/a.example.com")
    httpd.graceful()
    assert waits not in life.page(httpd, "/cforigin-status/a.example.com")
    assert life.served(httpd, "a.example.com") \
        == life.stored(httpd, "a.example.com")
    assert wanted(httpd) is None


def test_the_interval_is_waited_out(httpd, clock):
    """Renewals that come one after the other: the first is loaded at once,
    the next when the interval is over, and both that came meanwhile by one
    restart."""
    httpd.server("CFOriginReloadInterval 10m")
    httpd.managed("a.example.com", "b.example.com", "c.example.com")
    life.show_status(httpd)
    httpd.start()
    life.mark(httpd, "a.example.com")
    life.await_generation(httpd, "a.example.com", 2, clock)
    life.await_served(httpd, "a.example.com", clock)
    loaded = clock.now
    for name in ("b.example.com", "c.example.com"):
        first = life.served(httpd, name)
        life.mark(httpd, name)
        life.await_generation(httpd, name, 2, clock)
        await_reason(httpd, clock, "CFOriginReloadInterval")
        assert life.served(httpd, name) == first
    assert clock.now - loaded < 500
    clock.forward(seconds=loaded + 500 - clock.now)
    clock.ticks(2)
    assert httpd.generations() == 2
    clock.forward(seconds=loaded + 605 - clock.now)
    for name in ("b.example.com", "c.example.com"):
        life.await_served(httpd, name, clock)
    clock.ticks(2)
    assert httpd.generations() == 3


class Visitors:
    """Clients that come one after the other, all the time."""

    def __init__(self, httpd, names, number=2):
        self.httpd, self.names = httpd, names
        self.stop = threading.Event()
        self.good, self.bad = 0, []
        self.threads = [threading.Thread(target=self.run)
                        for _ in range(number)]

    def run(self):
        turn = 0
        while not self.stop.is_set():
            turn += 1
            name = self.names[turn % len(self.names)]
            try:
                answer = tls.fetch(self.httpd.port, name, verify=False)
                assert answer.status == 200 and not answer.is_fallback
                assert answer.body == b"it works\n"
                self.good += 1
            except (OSError, AssertionError, IndexError) as error:
                self.bad.append(repr(error))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


class Download:
    """One client that takes its time, a few KiB at each look."""

    def __init__(self, httpd, name, size):
        self.size, self.got = size, 0
        path = httpd.root / "htdocs/large.bin"
        if not path.exists():  # others may be taking it
            path.write_bytes(bytes(size))
        self.conn = tls.connect(httpd.port, name, verify=False)
        self.conn.sendall(f"GET /large.bin HTTP/1.1\r\nHost: {name}\r\n"
                          "Connection: close\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.conn.recv(1024)
        self.got = len(head.split(b"\r\n\r\n", 1)[1])

    def take(self, number=20000):
        self.got += len(self.conn.recv(number))

    def finish(self):
        while True:
            piece = self.conn.recv(1 << 20)
            if not piece:
                break
            self.got += len(piece)
        self.conn.close()
        assert self.got == self.size


@every_mpm
def test_not_one_connection_fails(httpd, cloudflare, clock):
    """Three renewals, three graceful restarts of its own, under visitors
    that never cease and one download that lasts through all of them."""
    httpd.server("CFOriginReloadInterval 1s")
    names = ["a.example.com", "b.example.com"]
    httpd.managed(*names)
    httpd.start()
    download = Download(httpd, names[0], 30 << 20)
    with Visitors(httpd, names) as visitors:
        for generation in (2, 3, 4):
            life.mark(httpd, *names)
            for name in names:
                life.await_generation(httpd, name, generation, clock)
                life.await_served(httpd, name, clock, 30)
            download.take()
    assert not visitors.bad, visitors.bad[:5]
    assert visitors.good > 50
    assert httpd.generations() == 4
    download.finish()
    assert len(cloudflare.creates()) == 8
    # the log of a busy server that restarts: what its own MPM says
    httpd.tolerate(r"AH00045|AH00046|AH00288|AH00287|AH03490|AH10159")


@pytest.mark.parametrize("mpm", ["prefork"])
def test_a_scoreboard_full_of_the_past_is_waited_for(httpd, clock):
    """Downloads that outlast a restart hold slots of the scoreboard; with
    half of them held there is no further restart, until they are gone."""
    httpd.mpm_lines = ["StartServers 1", "MinSpareServers 1",
                       "MaxSpareServers 1", "ServerLimit 4",
                       "MaxRequestWorkers 4"]
    httpd.server("CFOriginReloadInterval 1s")
    httpd.managed("a.example.com")
    life.show_status(httpd)
    httpd.tolerate(r"AH00161|AH00288|AH00045|AH00046")
    httpd.start()
    downloads = [Download(httpd, "a.example.com", 30 << 20)
                 for _ in range(3)]
    life.mark(httpd, "a.example.com")
    life.await_generation(httpd, "a.example.com", 2, clock)
    life.await_served(httpd, "a.example.com", clock)
    life.mark(httpd, "a.example.com")
    life.await_generation(httpd, "a.example.com", 3, clock)
    await_reason(httpd, clock, "older generations")
    before = httpd.generations()
    clock.ticks(8)
    assert httpd.generations() == before
    for download in downloads:
        download.finish()
    life.await_served(httpd, "a.example.com", clock, 30)
    assert wanted(httpd) is None
    assert httpd.generations() == before + 1
