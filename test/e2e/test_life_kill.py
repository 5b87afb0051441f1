# SPDX-License-Identifier: Apache-2.0
"""Killed at every step: keeper, issuer, parent. Whatever is left on the disk
is good enough for the next start, and no certificate is asked for twice."""

import contextlib
import os
import signal
import time

import pytest

import clockwork
import keeper_client
import life
import pairs
import waiting
from conftest import MPMS, ONE_MPM, SLOW
from keeper_client import (api, api_process, is_alive, item, keeper, target,
                           until)


@pytest.fixture(scope="module")
def killer(tmp_path_factory):
    return clockwork.build(tmp_path_factory.mktemp("killer"), "killer")


@pytest.fixture
def kill_at(keeper, killer, monkeypatch):
    """Runs a round that is killed at its k-th step: False when it was over
    before that."""
    environment = dict(os.environ)
    clockwork.preload(environment, killer)

    def run(items, step):
        with monkeypatch.context() as patch:
            patch.setenv("LD_PRELOAD", environment["LD_PRELOAD"])
            patch.setenv("CFO_TEST_KILL", str(step))
            round_ = keeper.start(items)
        issuers = keeper_client.children(round_.process.pid)
        round_.process.communicate(timeout=30)
        for issuer in issuers:
            until(lambda pid=issuer: not is_alive(pid), "issuer's end", 3)
        return round_.process.returncode == -signal.SIGKILL
    return run


def check(keeper, one):
    """What the kill left is whole; the round after it completes it."""
    name = one["name"]
    if os.path.lexists(keeper.dir(name) / "current"):
        keeper.live(name)
    done = keeper.run([one])
    assert done.names("installed") + done.names("kept") == [name]
    keeper.live(name)
    assert not (keeper.dir(name) / "pending").exists()
    for at in one["targets"]:
        assert pairs.belong_together(at["certificate"], at["key"])
        assert pairs.sha256(at["certificate"]) == pairs.sha256(
            keeper.dir(name) / "current/cert.pem")


def issued(api, name):
    return sum(name in entry["hostnames"] for entry in api.issued())


def test_the_keeper_at_each_step_of_its_first_round(keeper, api, kill_at):
    """Each step with a name of its own: directories, key, intent, POST,
    certificate, link, targets, journal."""
    step, killed = 0, True
    while killed:
        step += 1
        name = f"k{step}.example.com"
        one = item(name, targets=[target(keeper.folder / f"{name}.pem",
                                         keeper.folder / f"{name}.key")])
        killed = kill_at([one], step)
        api.wait(lambda counts: counts["in_flight"] == 0)
        check(keeper, one)
        assert issued(api, name) == 1, f"step {step}"
    assert step > 40, "that were too few steps to be all"


def test_the_keeper_at_each_step_of_a_renewal(keeper, api, kill_at):
    """The old pair is whole until the new one is there."""
    items, step, killed = [], 0, True
    items = [item(f"r{n}.example.com") for n in range(60)]
    keeper.run(items)
    while killed:
        one = items[step]
        step += 1
        (keeper.dir(one["name"]) / "renew").touch()
        killed = kill_at([one], step)
        keeper.live(one["name"])
        api.wait(lambda counts: counts["in_flight"] == 0)
        check(keeper, one)
        assert issued(api, one["name"]) == 2, f"step {step}"
        assert not (keeper.dir(one["name"]) / "renew").exists()
    assert step > 25, "that were too few steps to be all"


@pytest.mark.parametrize("step", range(1, 61) if SLOW else (8, 24, 40))
def test_httpd_after_the_keeper_was_killed(httpd, cloudflare, killer, step):
    """The start in which it happens comes up, if need be with the fallback;
    the next one serves a whole pair, and it was issued once."""
    name = "a.example.com"
    folder = httpd.root / "etc"
    folder.mkdir()
    httpd.vhost(name, "CFOrigin on", f"SSLCertificateFile {folder}/a.pem",
                f"SSLCertificateKeyFile {folder}/a.key")
    environment = dict(httpd.environment)
    clockwork.preload(httpd.environment, killer)
    httpd.environment["CFO_TEST_KILL"] = str(step)
    httpd.tolerate(r"cforigin:warn.*keeper ended before",
                   r"cforigin:warn.*/current: No such file")
    httpd.start()
    assert httpd.get(name, verify=False).status in (200, 503)
    httpd.stop()
    httpd.environment = environment
    # what the start remembers of it would be waited for
    cloudflare.server.wait(lambda counts: counts["in_flight"] == 0)
    (httpd.folder(name) / "attempt.json").unlink(missing_ok=True)
    httpd.start()
    assert httpd.get(name).status == 200
    assert life.is_whole(httpd, name)
    assert pairs.sha256(folder / "a.pem") == life.stored(httpd, name)
    assert len(cloudflare.server.issued()) == 1


@pytest.mark.parametrize("fault", [
    None, {"delay": 0.5}, {"hang": True}, {"close": "after"}])
def test_the_issuer(keeper, api, fault):
    """Killed as it begins, with a call that is done, one that is not, and
    one whose answer was lost: at the latest the next round has it, once."""
    if fault:
        api.faults({"match": {"op": "create", "nth": 1}, "do": fault})
    one = item("a.example.com", targets=[])
    round_ = keeper.start([one])
    issuer, = round_.issuers()
    if fault:
        api.wait(lambda counts: counts["create"] == 1)
    with contextlib.suppress(ProcessLookupError):  # it may be over
        os.kill(issuer, signal.SIGKILL)
    round_.wait(killed=signal.SIGKILL)
    api.wait(lambda counts: counts["in_flight"] == 0 or fault
             and "hang" in fault)
    api.faults()
    check(keeper, one)
    assert issued(api, "a.example.com") == 1


def end_all(httpd):
    """The machine goes down: all of httpd, at once. The keeper is left to
    notice by itself."""
    def left():
        """Killed again: a child may be forked while the list is made."""
        processes = httpd.processes()
        for process in processes:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if process.name not in ("cforigin-keeper",
                                        "cforigin-issuer"):
                    os.kill(process.pid, signal.SIGKILL)
        return processes
    waiting.until(lambda: not left(),
                  lambda: f"end of {httpd.processes_text()}", 5)


@pytest.mark.parametrize("mpm", MPMS)
@pytest.mark.parametrize("moment", ["undone", "done", "installed"])
def test_the_parent(httpd, cloudflare, mpm, moment):
    """In a cold start, with a call under way that is not done, with one that
    is done, and with a certificate that was installed but not served."""
    name = "a.example.com"
    httpd.managed(name)
    if moment != "installed":
        cloudflare.fault({"op": "create", "nth": 1},
                         {"hang": True} if moment == "undone"
                         else {"delay": 5})
    httpd.launch()
    if moment == "installed":
        waiting.until(lambda: life.generation(httpd, name), "install", 5,
                      0.001)
    else:
        waiting.until(lambda: cloudflare.creates(), "a call", 5)
    time.sleep(0.01)
    end_all(httpd)
    httpd.pid_file.unlink(missing_ok=True)
    cloudflare.release()
    httpd.start()
    assert httpd.get(name).status == 200
    assert life.is_whole(httpd, name)
    assert sum(name in entry["hostnames"]
               for entry in cloudflare.server.issued()) == 1


@pytest.mark.parametrize("mpm", ONE_MPM)
def test_the_parent_between_a_renewal_and_its_restart(
        httpd, cloudflare, clock):
    """Killed while the new certificate is asked for, then while it waits to
    be loaded: each start serves a whole pair."""
    name = "a.example.com"
    httpd.managed(name)
    httpd.start()
    cloudflare.fault({"op": "create"}, {"delay": 4})
    life.mark(httpd, name)
    clock.until(lambda: len(cloudflare.creates()) == 2, "a call")
    end_all(httpd)
    httpd.pid_file.unlink(missing_ok=True)
    assert pairs.belong_together(httpd.live(name) / "cert.pem",
                                 httpd.live(name) / "key.pem")
    cloudflare.release()
    httpd.start()
    assert life.is_whole(httpd, name)
    assert httpd.generation(name) == 2
    life.mark(httpd, name)
    life.await_generation(httpd, name, 3, clock)
    end_all(httpd)
    httpd.pid_file.unlink(missing_ok=True)
    httpd.start()
    assert life.is_whole(httpd, name)
    assert len(cloudflare.server.issued()) == 3
