# SPDX-License-Identifier: Apache-2.0
"""Answers that were lost: the certificate is found again by its key, so that
there is one for each generation, however often that happens."""

import os
import random
import signal
import time

import pytest

import life
import waiting
from conftest import SLOW
from keeper_client import (api, api_process, item, keeper)

LOST = [{"close": "after"}, {"close": "after", "reset": True},
        {"status": 504, "body": "html-504", "issue": True},
        {"status": 520, "body": "html-520", "issue": True},
        {"cut": 40}, {"body": "half-json", "issue": True},
        {"body": "empty", "issue": True}]


def killed(keeper, items, seconds):
    round_ = keeper.start(items)
    time.sleep(seconds)
    round_.signal(signal.SIGKILL)
    round_.process.communicate()


def test_a_hundred_times(keeper, api):
    """Five generations of twenty names, or fifty of them. Each answer is lost, in one way or
    another, and every other round is killed at any moment."""
    dice = random.Random(20261123)
    names = [f"n{i:02}.example.{'com' if i % 2 else 'org'}"
             for i in range(20)]
    items = [item(name) for name in names]
    generations = 50 if SLOW else 5
    for generation in range(1, generations + 1):
        rules = [{"match": {"op": "create", "hostname": name}, "times": 1,
                  "do": dice.choice(LOST)} for name in names]
        api.faults(*rules)
        for name in names:
            if generation > 1:
                (keeper.dir(name) / "renew").touch()
        for _ in range(2):
            killed(keeper, items, dice.uniform(0.03, 0.25))
            api.wait(lambda counts: counts["in_flight"] == 0)
        keeper.run(items)
        done = keeper.run(items)
        assert done.names("kept") == names, done.events
        for name in names:
            assert keeper.serial(name)
            assert os.readlink(keeper.dir(name) / "current") \
                == str(generation)
    assert len(api.issued()) == 20 * generations
    serials = {entry["serial"] for entry in api.issued()}
    assert {keeper.serial(name) for name in names} <= serials
    assert sum(api.fired()) == 20


@pytest.mark.parametrize("do", LOST)
def test_each_way_to_lose_an_answer(keeper, api, do):
    api.faults({"match": {"op": "create", "nth": 1}, "do": do})
    keeper.run([item("a.example.com")])
    keeper.run([item("a.example.com")])
    assert len(api.creates()) == len(api.issued()) == 1
    assert keeper.serial("a.example.com") == api.issued()[0]["serial"]


def test_it_is_found_on_the_last_page(keeper, api):
    """Sixty others are younger: more than one page of the list."""
    others = [item(f"n{i}.example.com") for i in range(60)]
    api.faults({"match": {"op": "create", "nth": 1},
                "do": {"close": "after"}},
               {"match": {"op": "list", "nth": [1, 3]},
                "do": {"preset": "1101"}},
               {"match": {"op": "zones", "nth": [1, 3]},
                "do": {"preset": "1000"}})
    keeper.run([item("a.example.com")])
    assert not keeper.has_generation("a.example.com")
    api.faults()
    keeper.run(others)
    assert keeper.run([item("a.example.com")]).of("installed")
    assert len(api.calls("list")) > 1
    assert sum("a.example.com" in entry["hostnames"]
               for entry in api.issued()) == 1


def test_without_permission_to_list(httpd, cloudflare):
    """It is asked for again with the same CSR, and the log says why."""
    httpd.write_token("token", cloudflare.server.tokens["no_list"])
    cloudflare.fault({"op": "create", "nth": 1}, {"close": "after"})
    httpd.managed("a.example.com")
    httpd.expect(r"cforigin:warn.*the answer was lost",
                 r"cforigin:warn.*asking again with the same CSR")
    httpd.start()
    assert httpd.get("a.example.com").status == 200
    assert len({call["body"]["csr"] for call in cloudflare.creates()}) == 1
    assert len(cloudflare.creates()) == 2


def test_httpd_finds_it_in_the_same_start(httpd, cloudflare):
    names = [f"n{i}.example.com" for i in range(4)]
    for name, do in zip(names, LOST):
        cloudflare.fault({"op": "create", "hostname": name}, do, times=1)
    httpd.managed(*names)
    httpd.tolerate(r"cforigin:warn.*the answer was lost")
    httpd.start()
    for name in names:
        assert httpd.get(name).status == 200
    assert len(cloudflare.creates()) == 4


def test_a_keeper_killed_by_hand_is_followed_by_another(
        httpd, cloudflare, clock):
    """kill -9 of the keeper under a running server: the next look starts
    another one, which adopts what was issued."""
    name = "a.example.com"
    httpd.managed(name)
    httpd.start()
    cloudflare.fault({"op": "create"}, {"delay": 1}, times=1)
    life.mark(httpd, name)
    clock.until(lambda: len(cloudflare.creates()) == 2, "a call")
    keeper, = httpd.keepers
    os.kill(keeper.pid, signal.SIGKILL)
    httpd.expect(r"cforigin:warn.*keeper ended before")
    waiting.until(lambda: len(cloudflare.server.issued()) == 2, "its end", 5)
    life.await_generation(httpd, name, 2, clock)
    life.await_served(httpd, name, clock)
    assert len(cloudflare.creates()) == len(cloudflare.server.issued()) == 2
