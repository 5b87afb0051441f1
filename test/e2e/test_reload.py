# SPDX-License-Identifier: Apache-2.0
"""Reloads: they never wait, and they bring what changed."""

import shutil
import signal
import time

import pytest

import waiting
from conftest import MPMS

every_mpm = pytest.mark.parametrize("mpm", MPMS)


@every_mpm
def test_a_vhost_added_by_a_reload_is_served_without_another_word(
        httpd, cloudflare):
    """The reload offers the fallback; the module's own graceful restart
    brings the certificate. Nobody does anything."""
    httpd.managed("a.example.com")
    httpd.start()
    served = httpd.get("a.example.com").sha256
    httpd.managed("b.example.com")
    httpd.graceful()
    httpd.await_certificate("b.example.com")
    assert httpd.get("a.example.com").sha256 == served
    assert len(cloudflare.creates()) == 2
    httpd.await_generations(3)


def test_a_reload_does_not_wait_for_an_api_that_hangs(httpd, cloudflare):
    httpd.managed("a.example.com")
    httpd.start()
    cloudflare.hang()
    httpd.managed("b.example.com")
    httpd.configure()
    began = time.monotonic()
    httpd.graceful(seconds=5)
    assert httpd.get("a.example.com").status == 200
    assert time.monotonic() - began < 3 * waiting.PATIENCE
    answer = httpd.get("b.example.com", verify=False)
    assert answer.status == 503 and answer.is_fallback
    assert int(answer.headers["retry-after"]) > 0


def test_a_keeper_under_way_outlives_a_reload(httpd, cloudflare):
    cloudflare.delay(3)
    httpd.server("CFOriginStartupWait 0", "CFOriginReloadInterval 1s")
    httpd.managed("a.example.com")
    httpd.start()
    (keeper,) = waiting.until(lambda: httpd.keepers, "keeper", 5)
    httpd.graceful()
    assert [k.pid for k in httpd.keepers] == [keeper.pid]
    httpd.await_certificate("a.example.com")
    assert len(cloudflare.creates()) == 1


def test_a_changed_plan_gets_a_round_of_its_own_after_the_running_one(
        httpd, cloudflare):
    cloudflare.delay(2)
    httpd.server("CFOriginStartupWait 0", "CFOriginReloadInterval 1s")
    httpd.managed("a.example.com")
    httpd.start()
    waiting.until(lambda: httpd.keepers, "keeper", 5)
    httpd.managed("b.example.com")
    httpd.graceful()
    httpd.await_certificate("a.example.com")
    httpd.await_certificate("b.example.com", 40)
    assert len(cloudflare.creates()) == 2


def test_one_round_brings_one_graceful_restart(httpd, cloudflare):
    httpd.managed("a.example.com")
    httpd.start()
    names = [f"n{i}.example.com" for i in range(6)]
    httpd.managed(*names)
    httpd.graceful()
    for name in names:
        httpd.await_certificate(name)
    assert httpd.generations() == 3
    assert len(cloudflare.creates()) == 7


def test_reload_off_says_that_a_reload_is_wanted(httpd, cloudflare):
    httpd.server("CFOriginReload off", "CFOriginStartupWait 0")
    cloudflare.delay(0.5)
    httpd.managed("a.example.com")
    httpd.tolerate(r"cforigin:warn")
    httpd.start()
    waiting.until(lambda: (httpd.folder("a.example.com")
                           / "current").is_symlink(), "certificate", 20)
    waiting.until(lambda: httpd.log.matching(r"cforigin:.*reload.*wanted"),
                  "word of the reload", 25)
    assert httpd.generations() == 1
    httpd.graceful()
    assert httpd.get("a.example.com").status == 200


def test_a_name_added_is_asked_for_and_the_old_certificate_serves_on(
        httpd, cloudflare):
    httpd.managed("a.example.com")
    httpd.start()
    first = httpd.get("a.example.com")
    httpd.forget_vhosts()
    httpd.managed("a.example.com", aliases=["www.example.com"])
    httpd.graceful()
    assert httpd.get("a.example.com").status == 200
    answer = waiting.until(
        lambda: (lambda a: a if a.sha256 != first.sha256 else None)(
            httpd.get("a.example.com")), "the new certificate", 30, 0.2)
    assert sorted(answer.names) == ["a.example.com", "www.example.com"]
    assert httpd.generation("a.example.com") == 2
    assert len(cloudflare.creates()) == 2


def test_a_name_removed_is_no_reason_to_ask(httpd, cloudflare):
    httpd.managed("a.example.com", aliases=["www.example.com"])
    httpd.start()
    httpd.forget_vhosts()
    httpd.managed("a.example.com")
    httpd.graceful()
    httpd.restart()
    assert len(cloudflare.creates()) == 1
    assert "valid" in httpd.dump()


def test_another_request_type_or_validity_is_asked_for(httpd, cloudflare):
    httpd.vhost("a.example.com", "CFOrigin on")
    httpd.start()
    httpd.stop()
    httpd.forget_vhosts()
    httpd.vhost("a.example.com", "CFOrigin on",
                "CFOriginRequestType origin-rsa")
    assert "type-changed" in httpd.dump()
    httpd.start()
    assert httpd.get("a.example.com").key == "RSA 2048"
    httpd.stop()
    httpd.forget_vhosts()
    httpd.vhost("a.example.com", "CFOrigin on", "CFOriginValidity 90",
                "CFOriginRequestType origin-rsa")
    assert "validity-changed" in httpd.dump()
    httpd.start()
    assert httpd.get("a.example.com").days == 90
    assert len(cloudflare.creates()) == 3


@every_mpm
def test_a_hard_restart_serves_on(httpd, cloudflare):
    httpd.managed("a.example.com")
    httpd.start()
    served = httpd.get("a.example.com").sha256
    before = httpd.generations()
    httpd.signal(signal.SIGHUP)
    httpd.await_generations(before + 1)
    assert httpd.get("a.example.com").sha256 == served
    assert len(cloudflare.creates()) == 1


def test_a_store_lost_under_a_running_server_is_made_anew(httpd, cloudflare):
    httpd.managed("a.example.com")
    httpd.start()
    first = httpd.get("a.example.com").sha256
    shutil.rmtree(httpd.store)
    httpd.tolerate(r"cforigin:")
    httpd.restart()
    assert httpd.get("a.example.com").sha256 != first
    assert len(cloudflare.creates()) == 2


def test_a_damaged_generation_falls_back_to_the_last_good_one(
        httpd, cloudflare):
    httpd.managed("a.example.com")
    httpd.start()
    first = httpd.get("a.example.com").sha256
    httpd.forget_vhosts()
    httpd.managed("a.example.com", aliases=["www.example.com"])
    httpd.restart()
    assert httpd.generation("a.example.com") == 2
    httpd.stop()
    (httpd.live("a.example.com") / "cert.pem").write_text("")
    httpd.forget_vhosts()
    httpd.managed("a.example.com")
    httpd.expect(r"cforigin:(warn|error)")
    httpd.start()
    assert httpd.get("a.example.com").sha256 == first
