# SPDX-License-Identifier: Apache-2.0
"""As in a container: httpd in the foreground is process 1 of its own world,
and no init is there to bury what it leaves. Not collected for an ordinary
user."""

import os
import signal
import subprocess

import pytest

import procs
import waiting


class World:
    """Processes with pids of their own; `pid`: of process 1, from outside."""

    def __init__(self, httpd):
        self.httpd = httpd
        httpd.configure()
        self.unshare = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child",
             *httpd.argv("-DFOREGROUND")], env=httpd.environment, cwd="/",
            stdin=subprocess.DEVNULL, start_new_session=True)
        self.pid = waiting.until(
            lambda: list(procs.children(self.unshare.pid)), "process 1",
            10)[0]

    def await_generations(self, number):
        self.httpd.await_generations(number)

    def zombies(self):
        return [pid for pid, state in procs.children(self.pid).items()
                if state == "Z"]

    def reload(self):
        self.httpd.configure()
        os.kill(self.pid, signal.SIGUSR1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.unshare.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
            try:
                self.unshare.wait(10)
            except subprocess.TimeoutExpired:
                self.unshare.kill()
                self.unshare.wait()


@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_httpd_as_process_1(httpd, cloudflare):
    """A start, a reload, the module's own reload, a stop."""
    httpd.managed("a.example.com")
    with World(httpd) as world:
        world.await_generations(1)
        assert httpd.pid_file.read_text().strip() == "1"
        assert httpd.get("a.example.com").status == 200
        httpd.managed("b.example.com")
        world.reload()
        httpd.await_certificate("b.example.com")
        world.await_generations(3)
        assert not httpd.log.matching("AH00488")
        waiting.until(lambda: not world.zombies() and not httpd.keepers
                      and not httpd.issuers, "every child's burial", 15)
        assert len(cloudflare.creates()) == 2
        os.kill(world.pid, signal.SIGTERM)
        assert world.unshare.wait(10) == 0
    assert not httpd.log.matching("long lost")


def test_process_1_stops_while_the_api_hangs(httpd, cloudflare):
    """Nothing is left of it within two seconds."""
    cloudflare.hang()
    httpd.server("CFOriginStartupWait 0")
    httpd.managed("a.example.com")
    with World(httpd) as world:
        waiting.until(lambda: cloudflare.calls() and httpd.issuers,
                      "a call that hangs", 10)
        os.kill(world.pid, signal.SIGTERM)
        assert world.unshare.wait(2 * waiting.PATIENCE) == 0
    assert not httpd.processes()
