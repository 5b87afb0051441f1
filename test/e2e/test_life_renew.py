# SPDX-License-Identifier: Apache-2.0
"""Renewal: in its window and not before, with a new key, by itself; and what
else is a reason to ask again, or is none."""

import pytest

import life
import waiting
from clockwork import DAY
from conftest import MPMS, ONE_MPM

every_mpm = pytest.mark.parametrize("mpm", MPMS)


@every_mpm
def test_seven_days_and_fifteen_years(httpd, cloudflare, clock):
    """A third of a week before its end, thirty days before the end of fifteen
    years: neither earlier nor for the other, once, with a new key, loaded by
    one graceful restart that nobody asked for."""
    httpd.vhost("week.example.com", "CFOrigin on", "CFOriginValidity 7")
    httpd.managed("years.example.com")
    life.show_status(httpd)
    httpd.start()
    week, years = (life.served(httpd, name + ".example.com")
                   for name in ("week", "years"))
    keys = {name: life.public_key(httpd, name + ".example.com")
            for name in ("week", "years")}

    clock.forward(days=4.6)
    clock.ticks(2)
    assert len(cloudflare.creates()) == 2 and httpd.generations() == 1

    clock.forward(days=0.32)
    life.await_generation(httpd, "week.example.com", 2, clock)
    life.await_served(httpd, "week.example.com", clock)
    clock.ticks(2)
    assert life.served(httpd, "week.example.com") != week
    assert life.served(httpd, "years.example.com") == years
    assert life.public_key(httpd, "week.example.com") != keys["week"]
    assert len(cloudflare.creates()) == 3 and httpd.generations() == 2

    # the week's certificate is renewed again, the other one is not yet due
    clock.forward(days=5475 - 30 - 6)
    life.await_generation(httpd, "week.example.com", 3, clock)
    life.await_served(httpd, "week.example.com", clock)
    clock.ticks(1)
    assert life.asked_for(cloudflare, "years.example.com") == 1
    assert life.served(httpd, "years.example.com") == years

    clock.forward(days=4.5)
    life.await_generation(httpd, "years.example.com", 2, clock)
    life.await_served(httpd, "years.example.com", clock)
    assert life.public_key(httpd, "years.example.com") != keys["years"]
    for name in ("week.example.com", "years.example.com"):
        assert life.shown(httpd, name)["state"] == "ok"
        assert life.is_whole(httpd, name)
    assert life.asked_for(cloudflare, "years.example.com") == 2
    httpd.tolerate(r"cforigin:warn.*(expire|clock)")


def test_a_fleet_does_not_renew_in_one_second(httpd, cloudflare):
    """Each has its own moment in the first tenth of the window, and the same
    one after a restart."""
    names = [f"n{i}.example.com" for i in range(6)]
    httpd.managed(*names)
    life.show_status(httpd)
    httpd.start()

    def moments():
        return {c["name"]: (life.moment(c["not_after"])
                            - life.moment(c["renew_at"])) / DAY
                for c in life.status(httpd)["certificates"]}

    before = moments()
    assert len({round(days, 4) for days in before.values()}) == 6
    assert all(27 <= days <= 30 for days in before.values()), before
    httpd.restart()
    assert moments() == before
    assert len(cloudflare.creates()) == 6


@pytest.mark.parametrize("mpm", ONE_MPM)
def test_the_marker_is_noticed_within_a_tick(httpd, cloudflare, clock):
    """Three of four are marked: three new ones, one graceful restart; the
    old ones are served until then."""
    names = [f"n{i}.example.com" for i in range(4)]
    httpd.managed(*names)
    httpd.start()
    first = {name: life.served(httpd, name) for name in names}
    cloudflare.delay(0.3)
    with clock.fast():
        began = clock.now  # until the last slow sleep is over
        waiting.until(lambda: clock.now > began + 25, "a while", 5)
        life.mark(httpd, *names[:3])
        marked = clock.now
        waiting.until(lambda: cloudflare.server.counts()["create"] > 4,
                      "a call", 20)
        assert clock.now - marked < 30 * waiting.PATIENCE
    assert {name: life.served(httpd, name) for name in names} == first
    for name in names[:3]:
        life.await_generation(httpd, name, 2, clock)
        life.await_served(httpd, name, clock)
        assert life.served(httpd, name) != first[name]
        assert not (httpd.folder(name) / "renew").exists()
    assert life.served(httpd, names[3]) == first[names[3]]
    clock.ticks(2)
    assert len(cloudflare.creates()) == 7
    assert httpd.generations() == 2


@pytest.mark.parametrize("mpm", ONE_MPM)
def test_what_is_wanted_changes_while_the_old_one_is_served(
        httpd, cloudflare, clock):
    """A name more, another type, another validity, a type besides: each is
    asked for after the reload, and until it is there the old one is served."""
    names = ["names.example.com", "type.example.com", "days.example.com",
             "both.example.com"]
    httpd.managed(*names)
    httpd.start()
    first = {name: life.served(httpd, name) for name in names}
    httpd.forget_vhosts()
    httpd.vhost(names[0], "CFOrigin on", aliases=["www.example.com"])
    httpd.vhost(names[1], "CFOrigin on", "CFOriginRequestType origin-rsa")
    httpd.vhost(names[2], "CFOrigin on", "CFOriginValidity 365")
    httpd.vhost(names[3], "CFOrigin on",
                "CFOriginRequestType origin-ecc origin-rsa")
    cloudflare.fault({"op": "create"}, {"hang": True})
    dump = httpd.dump()
    for word in ("names-changed", "type-changed", "validity-changed",
                 "missing"):
        assert dump.count(word) == 1, dump
    httpd.graceful()
    waiting.until(lambda: len(cloudflare.creates()) == 8, "four calls")
    assert {name: life.served(httpd, name) for name in names} == first
    httpd.stop()
    assert {call["body"]["hostnames"][0]: (
        call["body"]["request_type"], call["body"]["requested_validity"],
        len(call["body"]["hostnames"]))
        for call in cloudflare.creates()[4:]} == {
            names[0]: ("origin-ecc", 5475, 2),
            names[1]: ("origin-rsa", 5475, 1),
            names[2]: ("origin-ecc", 365, 1),
            names[3]: ("origin-rsa", 5475, 1)}
    cloudflare.release()
    httpd.start()
    assert sorted(httpd.get(names[0]).names) == [names[0],
                                                 "www.example.com"]
    assert httpd.get(names[1]).key == "RSA 2048"
    assert httpd.get(names[2]).days == 365


def test_names_in_another_order_or_case_or_fewer_are_kept(
        httpd, cloudflare):
    httpd.managed("a.example.com",
                  aliases=["b.example.com", "c.example.com"])
    httpd.start()
    first = httpd.get("a.example.com").sha256
    for aliases in (["c.example.com", "b.example.com"],
                    ["B.Example.COM", "C.example.com"],
                    ["b.example.com", "b.example.com", "c.example.com"],
                    ["c.example.com"], []):
        httpd.forget_vhosts()
        httpd.managed("a.example.com", aliases=aliases)
        httpd.graceful()
        assert httpd.get("a.example.com").sha256 == first
    httpd.forget_vhosts()
    httpd.managed("A.EXAMPLE.com", aliases=["b.example.com"])
    assert "valid" in httpd.dump()
    httpd.restart()
    assert not httpd.keepers
    assert len(cloudflare.creates()) == 1


def test_manual_mode_watches_and_shows(httpd, cloudflare, clock):
    """In the window, expired, a name more: nothing is asked until somebody
    touches the marker."""
    httpd.vhost("a.example.com", "CFOrigin on", "CFOriginRenewMode manual",
                "CFOriginValidity 7")
    life.show_status(httpd)
    httpd.tolerate(r"cforigin:warn.*expire")
    httpd.start()
    clock.forward(days=5.5)
    clock.until(lambda: life.shown(httpd, "a.example.com")["reason"]
                == "renew-window", "word of the window")
    clock.forward(days=2)
    clock.until(lambda: life.shown(httpd, "a.example.com")["state"]
                == "expired", "word of its end")
    httpd.graceful()
    clock.ticks(2)
    assert len(cloudflare.creates()) == 1
    life.mark(httpd, "a.example.com")
    life.await_generation(httpd, "a.example.com", 2, clock)
    life.await_served(httpd, "a.example.com", clock)
    assert life.shown(httpd, "a.example.com")["state"] == "ok"
    assert len(cloudflare.creates()) == 2


def test_what_left_the_configuration_stays_and_rests(
        httpd, cloudflare, clock):
    """Its certificate stays in the store, is shown as unused, and is not
    renewed; when the virtual host comes back in time, it is there."""
    httpd.vhost("a.example.com", "CFOrigin on", "CFOriginValidity 90")
    httpd.vhost("b.example.com", "CFOrigin on", "CFOriginValidity 90")
    httpd.start()
    first = life.stored(httpd, "b.example.com")
    httpd.forget_vhosts()
    httpd.vhost("a.example.com", "CFOrigin on", "CFOriginValidity 90")
    httpd.graceful()
    unused = [line for line in httpd.dump().splitlines()
              if "b.example.com" in line]
    assert len(unused) == 1 and "unused" in " ".join(
        httpd.dump().lower().split()), httpd.dump()
    clock.forward(days=65)
    life.await_generation(httpd, "a.example.com", 2, clock)
    life.await_served(httpd, "a.example.com", clock)
    life.mark(httpd, "b.example.com")
    clock.ticks(2)
    assert life.stored(httpd, "b.example.com") == first
    assert life.asked_for(cloudflare, "b.example.com") == 1
    (httpd.folder("b.example.com") / "renew").unlink()
    httpd.tolerate(r"cforigin:warn.*expire")
    httpd.vhost("b.example.com", "CFOrigin on", "CFOriginValidity 90",
                "CFOriginRenewMode manual")
    httpd.graceful()
    assert life.served(httpd, "b.example.com") == first
