# SPDX-License-Identifier: Apache-2.0
"""CFOriginStartupWait: what is not ready does not hold the start."""

import time

import pytest

import clockwork
import waiting
from conftest import MPMS


def spent(action):
    began = time.monotonic()
    action()
    return time.monotonic() - began


@pytest.mark.parametrize("mpm", MPMS)
def test_what_is_not_ready_gets_the_fallback_and_503_until_it_is(
        httpd, cloudflare):
    httpd.managed("a.example.com")
    httpd.start()
    httpd.stop()
    cloudflare.delay(4)
    httpd.server("CFOriginStartupWait 1s")
    httpd.managed("b.example.com")
    assert spent(httpd.start) < 3.5 * waiting.PATIENCE
    assert httpd.get("a.example.com").status == 200
    answer = httpd.get("b.example.com", verify=False)
    assert answer.status == 503
    assert answer.is_fallback
    assert int(answer.headers["retry-after"]) > 0
    before = httpd.generations()
    httpd.await_certificate("b.example.com")
    assert httpd.generations() == before + 1
    assert len(cloudflare.creates()) == 2


def test_the_fallback_answers_503_with_and_without_sni(httpd, cloudflare):
    cloudflare.hang()
    httpd.server("CFOriginStartupWait 0")
    httpd.managed("a.example.com")
    httpd.start()
    for name, sni in (("a.example.com", True), ("x.example.com", True),
                      ("a.example.com", False)):
        answer = httpd.get(name, verify=False, sni=sni)
        assert answer.status == 503, (name, sni)
        assert "retry-after" in answer.headers


def test_a_wait_of_zero_never_waits(httpd, cloudflare):
    cloudflare.hang()
    httpd.server("CFOriginStartupWait 0")
    httpd.managed("a.example.com")
    assert spent(httpd.start) < 2 * waiting.PATIENCE


def test_the_wait_ends_when_everything_is_settled(httpd, cloudflare):
    """A refusal settles a certificate as well as an answer does."""
    cloudflare.refuse("b.example.com", 400, 1010,
                      "Failed to validate SAN b.example.com: This zone is "
                      "either not part of your account")
    httpd.server("CFOriginStartupWait 30s")
    httpd.managed("a.example.com", "b.example.com")
    httpd.expect(r"cforigin:error.*b\.example\.com.*1010")
    assert spent(httpd.start) < 10 * waiting.PATIENCE
    assert httpd.get("a.example.com").status == 200
    assert httpd.get("b.example.com", verify=False).status == 503


def test_an_api_that_is_down_does_not_hold_the_start(httpd, cloudflare):
    httpd.directives["CFOriginAPI"] = "https://127.0.0.1:9/client/v4"
    httpd.vhost("plain.example.com", tls=False, port=httpd.http_port)
    httpd.managed("a.example.com")
    httpd.server("CFOriginStartupWait 2s")
    httpd.expect(r"cforigin:(error|warn).*a\.example\.com")
    assert spent(httpd.start) < 6 * waiting.PATIENCE
    assert httpd.get("a.example.com", verify=False).status == 503


def test_a_clock_that_is_set_back_does_not_make_it_longer(
        httpd, cloudflare, clock):
    cloudflare.hang()
    httpd.server("CFOriginStartupWait 3s")
    httpd.managed("a.example.com")
    began = time.monotonic()
    httpd.launch()
    waiting.until(lambda: httpd.keepers, "keeper", 5)
    clock.set_back(3600)
    httpd.await_generations(1, 15)
    assert time.monotonic() - began < 10 * waiting.PATIENCE
    cloudflare.release()


def test_no_pid_file_stands_before_the_wait_is_over(httpd, cloudflare):
    cloudflare.hang()
    httpd.server("CFOriginStartupWait 3s")
    httpd.managed("a.example.com")
    done = httpd.launch()
    assert done.returncode == 0
    waiting.until(lambda: httpd.keepers, "keeper", 5)
    assert httpd.pid is None
    httpd.await_generations(1, 15)
    assert httpd.pid is not None


def test_the_fallback_needs_no_memfd(httpd, tmp_path):
    """On a kernel that has none its files are on the disk until mod_ssl has
    read them, and then no more."""
    tmp_path.chmod(0o755)
    clockwork.preload(httpd.environment, clockwork.build(tmp_path, "nomemfd"))
    httpd.managed("a.example.com")
    httpd.tolerate("cforigin:")
    httpd.start()
    for _ in range(2):
        answer = httpd.get("a.example.com", verify=False)
        assert answer.is_fallback and answer.status == 503
        assert not list((httpd.root / "run").glob("cforigin-*"))
        httpd.graceful()
