# SPDX-License-Identifier: Apache-2.0
"""A stop leaves no process behind within two seconds, whatever the API and
the programs are doing."""

import os
import signal
import time

import pytest

import waiting
from conftest import MPMS

every_mpm = pytest.mark.parametrize("mpm", MPMS)


def gone_within(httpd, seconds):
    began = time.monotonic()
    waiting.until(lambda: not httpd.processes(),
                  lambda: f"left: {httpd.processes_text()}", 15)
    took = time.monotonic() - began
    assert took < seconds * waiting.PATIENCE, f"took {took:.1f} s"


def hanging_round(httpd, cloudflare, wait="0"):
    cloudflare.hang()
    httpd.server(f"CFOriginStartupWait {wait}")
    httpd.managed("a.example.com", "b.example.com")
    assert httpd.launch().returncode == 0
    waiting.until(lambda: httpd.issuers and cloudflare.calls(),
                  "a call that hangs", 8)


@every_mpm
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGWINCH])
def test_a_stop_while_the_api_hangs_leaves_nothing(httpd, cloudflare, how):
    hanging_round(httpd, cloudflare)
    waiting.until(lambda: httpd.pid, "pid file", 5)
    httpd.signal(how)
    gone_within(httpd, 2)


@every_mpm
def test_the_stop_command_leaves_nothing(httpd, cloudflare):
    hanging_round(httpd, cloudflare)
    waiting.until(lambda: httpd.pid, "pid file", 5)
    assert httpd.run("-k", "stop").returncode == 0
    gone_within(httpd, 2)


@every_mpm
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT,
                                 signal.SIGKILL])
def test_a_stop_during_the_wait_of_a_cold_start_leaves_nothing(
        httpd, cloudflare, how):
    hanging_round(httpd, cloudflare, wait="30s")
    (keeper,) = httpd.keepers
    os.kill(keeper.parent, how)
    gone_within(httpd, 2)


def test_a_stop_during_a_graceful_leaves_nothing(httpd, cloudflare):
    httpd.managed("c.example.com")
    httpd.start()
    cloudflare.hang()
    httpd.managed("a.example.com")
    httpd.configure()
    httpd.signal(signal.SIGUSR1)
    waiting.until(lambda: httpd.issuers, "issuer", 8)
    httpd.signal(signal.SIGTERM)
    gone_within(httpd, 2)


def test_a_parent_that_is_killed_takes_its_programs_along(
        httpd, cloudflare):
    hanging_round(httpd, cloudflare)
    waiting.until(lambda: httpd.pid, "pid file", 5)
    programs = httpd.keepers + httpd.issuers
    assert len(programs) == 2
    httpd.signal(signal.SIGKILL)
    waiting.until(lambda: not any(p.is_alive() for p in programs),
                  "end of the programs", 2)
    for process in httpd.processes():  # workers nobody is left to stop
        os.kill(process.pid, signal.SIGKILL)


def test_a_keeper_that_is_killed_takes_its_issuer_along_and_is_replaced(
        httpd, cloudflare):
    hanging_round(httpd, cloudflare)
    waiting.until(lambda: httpd.pid, "pid file", 5)
    (keeper,), (issuer,) = httpd.keepers, httpd.issuers
    httpd.tolerate("cforigin:")
    os.kill(keeper.pid, signal.SIGKILL)
    waiting.until(lambda: not issuer.is_alive(), "end of the issuer", 2)
    cloudflare.release()
    assert httpd.is_running()
    httpd.await_certificate("a.example.com", 60)
    httpd.await_certificate("b.example.com", 60)


def test_an_issuer_that_is_killed_does_not_cost_the_round(
        httpd, cloudflare):
    hanging_round(httpd, cloudflare)
    (issuer,) = httpd.issuers
    httpd.tolerate("cforigin:")
    os.kill(issuer.pid, signal.SIGKILL)
    cloudflare.release()
    waiting.until(lambda: httpd.pid, "pid file", 5)
    httpd.await_certificate("a.example.com", 60)


def test_after_a_round_nothing_of_ours_runs_on(httpd):
    httpd.managed("a.example.com")
    httpd.start()
    waiting.until(lambda: not httpd.keepers and not httpd.issuers,
                  "end of the programs", 5)
