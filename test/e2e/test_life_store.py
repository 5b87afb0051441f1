# SPDX-License-Identifier: Apache-2.0
"""Several servers on one store, and everything that can be wrong with the
place: whatever it is, httpd starts, serves what is there, and goes on."""

import errno
import fcntl
import os
import pwd
import subprocess
import sys

import pytest

import clockwork
import life
import pairs
import waiting
from clockwork import Clock
from conftest import SLOW

HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


def start_both(one, other):
    """At the same moment, as after a power failure."""
    launched = []
    for httpd in (one, other):
        httpd.configure()
        launched.append(subprocess.Popen(
            httpd.argv("-k", "start"), env=httpd.environment, cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL))
    for process in launched:
        assert process.wait(60) == 0
    for httpd in (one, other):
        httpd.await_generations(1)


@pytest.fixture
def two(make_httpd, cloudflare, clock_library):
    """Two servers that share a store, and their clock."""
    one, other = make_httpd(), make_httpd(mpm="prefork")
    other.directives["CFOriginStoreDir"] = one.store
    other.store = one.store
    clock = Clock(one.root / "conf/clock", clock_library, cloudflare)
    for httpd in (one, other):
        httpd.server("CFOriginStartupWait 20s")
        life.show_status(httpd)
        clock.drive(httpd)
    return one, other, clock


def test_two_servers_issue_once_and_load_each_others(two, cloudflare):
    """Both start at once: each certificate is issued once, both serve it.
    What one of them renews the other one notices and loads by a graceful
    restart of its own, and both have one for it."""
    one, other, clock = two
    names = [f"n{i}.example.com" for i in range(5)]
    cloudflare.delay(0.2)
    for httpd in two[:2]:
        httpd.managed(*names)
    start_both(one, other)
    for name in names:
        one.await_certificate(name)
        clock.until(lambda name=name: other.get(
            name, verify=False).sha256 == life.stored(one, name),
            "the same on the other")
    assert len(cloudflare.creates()) == 5
    before = one.generations(), other.generations()
    life.mark(one, *names[:3])
    for name in names[:3]:
        life.await_generation(one, name, 2, clock)
        life.await_served(one, name, clock)
        life.await_served(other, name, clock)
    clock.ticks(2)
    assert len(cloudflare.creates()) == 8
    assert (one.generations(), other.generations()) \
        == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize("here, there", [
    ([], ["CFOriginValidity 365"]),
    (["ServerAlias x.example.com"], ["ServerAlias y.example.com"]),
], ids=["another validity", "other names"])
def test_two_servers_that_do_not_agree_come_to_rest(two, cloudflare, here,
                                                    there):
    """Each wants the certificate otherwise; they don't replace each other's
    by turns."""
    one, other, clock = two
    name = "a.example.com"
    for httpd, lines in ((one, here), (other, there)):
        httpd.vhost(name, "CFOrigin on", *lines)
        httpd.server("CFOriginReloadInterval 1s")
    start_both(one, other)
    clock.ticks(6)
    assert len(cloudflare.creates()) <= 2
    calls = len(cloudflare.creates())
    clock.ticks(6)
    assert len(cloudflare.creates()) == calls
    for httpd in (one, other):
        assert life.served(httpd, name) == life.stored(httpd, name)


def test_a_lock_does_not_hold_up_a_start(httpd, cloudflare, clock):
    """Held by a process that hangs: the start waits no longer than it may,
    and serves the fallback. With the holder killed the lock is free."""
    httpd.server("CFOriginStartupWait 1s")
    httpd.managed("a.example.com")
    httpd.store.mkdir(mode=0o755)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, httpd.store / "lock"],
        stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    try:
        httpd.tolerate(r"cforigin:error.*lock is held")
        httpd.start(8)
        assert httpd.get("a.example.com", verify=False).status == 503
        clock.ticks(8)
        assert not cloudflare.calls()
        httpd.graceful(5)
    finally:
        holder.kill()
        holder.communicate()
    life.await_generation(httpd, "a.example.com", 1, clock, 40)
    life.await_served(httpd, "a.example.com", clock)
    assert len(cloudflare.creates()) == 1


def test_a_lock_is_waited_for(httpd, cloudflare):
    """Another server's keeper is at work for a moment."""
    httpd.managed("a.example.com")
    httpd.store.mkdir(mode=0o755)
    with open(httpd.store / "lock", "w", encoding="ascii") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        httpd.launch()
        waiting.until(lambda: httpd.keepers, "keeper", 5)
        assert not cloudflare.calls()
    httpd.await_certificate("a.example.com")


@pytest.mark.parametrize("fault", ["EROFS", "ENOSPC"]
                         + ["EIO", "EDQUOT"] * SLOW)
def test_a_disk_that_takes_nothing(httpd, cloudflare, clock, fault,
                                   tmp_path):
    """What is there is served, nothing is asked for that could not be kept,
    it is said; when the disk is well again it goes on by itself."""
    library = clockwork.build(tmp_path, "sickdisk")
    tmp_path.chmod(0o755)
    clockwork.preload(httpd.environment, library)
    sick = httpd.root / "conf/sick"
    httpd.environment["CFO_TEST_DISK"] = str(sick)
    httpd.environment["CFO_TEST_STORE"] = str(httpd.store)
    httpd.managed("a.example.com")
    life.show_status(httpd)
    httpd.start()
    first = life.served(httpd, "a.example.com")
    waiting.until(lambda: not httpd.keepers, "the round's end")
    tree = httpd.tree()
    sick.write_text(str(getattr(errno, fault)))
    httpd.managed("b.example.com")
    httpd.expect(r"cforigin:(warn|error)")
    httpd.restart()
    assert life.served(httpd, "a.example.com") == first
    assert httpd.get("b.example.com", verify=False).status == 503
    clock.ticks(5)
    httpd.graceful()
    assert life.served(httpd, "a.example.com") == first
    assert len(cloudflare.creates()) == 1
    if fault == "EROFS":
        assert httpd.tree() == tree
    assert life.shown(httpd, "b.example.com")["state"] == "error"
    sick.unlink()
    life.await_generation(httpd, "b.example.com", 1, clock, 40)
    life.await_served(httpd, "b.example.com", clock)
    assert len(cloudflare.creates()) == 2
    assert len(httpd.log.loud()) < 20, "the log is full of it"


def scatter(folder):
    """Something that does not belong there, in every directory."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            (path / "stray").write_text("what is this?\n")
            (path / ".hidden").write_bytes(b"\0\xff")
            (path / "0").write_text("")
            (path / "999").mkdir()
            (path / "a b\nc").symlink_to("/nonexistent")


def test_strays_dangling_links_and_empty_files(httpd, cloudflare):
    """A store behind a symbolic link, with strays everywhere, an empty
    attempt.json and a dangling `current`: the newest whole pair is served
    and the link made good, without a call."""
    real = httpd.root / "elsewhere"
    real.mkdir(mode=0o755)
    httpd.store.symlink_to(real)
    names = ["a.example.com", "b.example.com"]
    httpd.managed(*names)
    httpd.start()
    first = {name: httpd.get(name).sha256 for name in names}
    httpd.stop()
    assert httpd.store.is_symlink() and (real / "certs").is_dir()
    scatter(real)
    for name in names:
        (httpd.folder(name) / "attempt.json").write_text("")
    current = httpd.folder("b.example.com") / "current"
    current.unlink()
    current.symlink_to("77")
    httpd.tolerate(life.QUIET)
    for _ in range(2):
        httpd.start()
        assert {name: httpd.get(name).sha256 for name in names} == first
        waiting.until(lambda: os.readlink(current) == "1", "the link")
        httpd.stop()
    assert len(cloudflare.creates()) == 1 + 1
    assert len(httpd.log.matching("b.example.com: .*/77/cert.pem")) == 1
    # with strays about, a new one can be asked for, too
    life.mark(httpd, *names)
    httpd.start()
    for name in names:
        waiting.until(lambda name=name: httpd.get(name).sha256
                      == life.stored(httpd, name), "the new one", 20)
        assert httpd.get(name).sha256 != first[name]
    assert len(cloudflare.creates()) == 4


DAMAGE = {"truncated": ('{"failures":', "it is damaged"),
          "empty": ("", "it is empty"),
          "a folder": (None, "it is no regular file")}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_of_the_small_files_is_told_once(httpd, cloudflare, what):
    """attempt.json of one that failed and of one that is good, and the
    account's: each is named in a warning, and no start minds."""
    text, word = DAMAGE[what]
    good, bad = "a.example.com", "bad.example.com"
    cloudflare.refuse(bad, 400, 1010, "no")
    httpd.managed(good, bad)
    httpd.expect("cforigin:error.*1010")
    httpd.start()
    waiting.until(lambda: life.attempt(httpd, bad)
                  and list((httpd.store / "accounts").iterdir())
                  and not httpd.keepers, "a failed try")
    httpd.stop()
    (account,) = (httpd.store / "accounts").iterdir()
    paths = [httpd.folder(good) / "attempt.json",
             httpd.folder(bad) / "attempt.json", account]
    for path in paths:
        path.unlink(missing_ok=True)
        if text is None:
            path.mkdir()
        else:
            path.write_text(text)
        httpd.expect(rf"cforigin:warn.*{path}: {word}")
    passed, said = httpd.configtest()
    assert passed, said
    httpd.start()
    assert httpd.get(good).status == 200
    for path in paths:
        told = httpd.log.matching(rf"{path}: {word}")
        assert len(told) == 1, told
    waiting.until(lambda: life.attempt(httpd, bad)["failures"] == 1
                  if paths[1].is_file() and paths[1].stat().st_size > 20
                  else None, "the next failure's")
    assert len(cloudflare.creates()) == 3


def test_damage_of_a_generation_is_told_once(httpd, cloudflare):
    """Not in the pass that only rehearses, too; the pair is as good."""
    name = "a.example.com"
    httpd.managed(name)
    httpd.start()
    served = life.served(httpd, name)
    httpd.stop()
    meta = httpd.folder(name) / "1/meta.json"
    meta.write_text("no JSON")
    httpd.expect(rf"cforigin:warn.*{meta}: ")
    httpd.start()
    assert life.served(httpd, name) == served
    told = httpd.log.matching(f"{meta}: ")
    assert len(told) == 1, told
    assert len(cloudflare.creates()) == 1


@pytest.mark.parametrize("umask", [0, 0o077])
def test_modes_are_the_same_whatever_the_umask(httpd, umask):
    folder = httpd.root / "etc"
    folder.mkdir()
    httpd.umask = umask
    httpd.vhost("a.example.com", "CFOrigin on",
                f"SSLCertificateFile {folder}/a.pem",
                f"SSLCertificateKeyFile {folder}/a.key")
    httpd.start()
    assert httpd.get("a.example.com").status == 200
    modes = {str(path.relative_to(httpd.store)): path.stat().st_mode & 0o777
             for path in httpd.store.rglob("*") if not path.is_symlink()}
    at = "certs/a.example.com/origin-ecc"
    assert modes[at] == 0o700
    for name, mode in modes.items():
        if name.endswith("key.pem") or name in ("lock", "journal.jsonl"):
            assert mode == 0o600, name
        assert not mode & 0o022, name
    assert httpd.store.stat().st_mode & 0o777 == 0o755
    assert (folder / "a.key").stat().st_mode & 0o777 == 0o600
    assert (folder / "a.pem").stat().st_mode & 0o777 == 0o644


def test_an_ordinary_user(httpd, cloudflare, clock):
    """Started by somebody who is not root: the same, as that one user."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        httpd.run_as = nobody
        for path in [httpd.root, *httpd.root.rglob("*")]:
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
    httpd.managed("a.example.com")
    httpd.tolerate(r"AH02155|AH02156|AH00117")
    httpd.start()
    assert httpd.get("a.example.com").status == 200
    assert httpd.folder("a.example.com").stat().st_uid == os.stat(
        httpd.root).st_uid
    life.mark(httpd, "a.example.com")
    if os.geteuid() == 0:
        os.chown(httpd.folder("a.example.com") / "renew", nobody.pw_uid,
                 nobody.pw_gid)
    life.await_generation(httpd, "a.example.com", 2, clock)
    life.await_served(httpd, "a.example.com", clock)
    assert len(cloudflare.creates()) == 2


@pytest.mark.parametrize("days", [-1, 1, -7305, 7305],
                         ids=["day-behind", "day-ahead", "years-behind",
                              "years-ahead"])
def test_a_clock_that_is_wrong(httpd, cloudflare, clock, days):
    """A day or twenty years off: what is stored is served and kept, a new
    certificate is taken although its dates look wrong, it is said in the
    log, and nothing is asked for because of a date."""
    httpd.managed("a.example.com")
    httpd.start()
    first = life.served(httpd, "a.example.com")
    httpd.stop()
    clock.follow = False
    clock.forward(days=days)
    httpd.managed("b.example.com")
    httpd.tolerate(life.QUIET)
    httpd.start()
    assert life.served(httpd, "a.example.com") == first
    assert httpd.get("b.example.com").status == 200
    clock.ticks(3)
    assert len(httpd.log.matching(r"cforigin:warn.*clock")) == 1
    httpd.restart()
    clock.ticks(2)
    assert life.served(httpd, "a.example.com") == first
    assert len(cloudflare.creates()) == 2
    for name in ("a.example.com", "b.example.com"):
        assert pairs.belong_together(httpd.live(name) / "cert.pem",
                                     httpd.live(name) / "key.pem")
