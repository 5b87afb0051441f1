# SPDX-License-Identifier: Apache-2.0
"""After a failure: tried again, ever less often, never not at all; kept over
restarts, and what ends the wait."""

import pytest

import life
import waiting

FAILED = r"cforigin:error.*next try"
DAY = 86400


def delays(httpd, name):
    """(failures, seconds from the last try to the next)"""
    kept = life.attempt(httpd, name)
    return kept["failures"], (life.moment(kept["next_try"])
                              - life.moment(kept["last_try"]))


def await_failures(httpd, name, number, clock):
    def look():
        kept = life.attempt(httpd, name)
        return kept and kept["failures"] == number
    clock.until(look, lambda: httpd.story(
        f"failure {number} of {name}, {life.attempt(httpd, name)}"), 20)


def forward_to_next_try(httpd, name, clock):
    clock.forward(seconds=life.moment(life.attempt(httpd, name)["next_try"])
                  - clock.now)


def test_waits_grow_and_outlive_restarts(httpd, cloudflare, clock):
    """30 s, a minute, two; starts keep the count however often they come,
    the administrator's reload begins anew, and neither tries what failed
    less than a minute ago. The first success ends it all."""
    name = "a.example.com"
    httpd.managed(name)
    life.show_status(httpd)
    httpd.expect(FAILED)
    # of all failures the one that is not tried again in the same round
    cloudflare.fault({"op": "create"}, {"preset": "10000"})
    httpd.start()
    for failures, wait in ((1, 30), (2, 60), (3, 120)):
        await_failures(httpd, name, failures, clock)
        got, seconds = delays(httpd, name)
        assert got == failures
        assert 0.8 * wait - 1 <= seconds <= 1.2 * wait + 1
        assert len(cloudflare.creates()) == failures
        assert httpd.get(name, verify=False).status == 503
        if failures < 3:
            forward_to_next_try(httpd, name, clock)
    clock.until(lambda: life.shown(httpd, name)["failures"] == 3,
                "the third failure shown")
    seen = life.shown(httpd, name)
    assert seen["state"] == "error"
    assert seen["last_error"]["code"] == 10000
    assert life.moment(seen["next_try"]) > clock.now

    # a crash loop of starts within the quiet minute asks nothing
    for _ in range(2):
        httpd.restart()
        assert life.attempt(httpd, name)["failures"] == 3
    assert len(cloudflare.creates()) == 3
    # after it each start tries once, and goes on counting
    clock.forward(seconds=61)
    httpd.restart()
    await_failures(httpd, name, 4, clock)
    httpd.restart()
    assert len(cloudflare.creates()) == 4
    clock.forward(seconds=61)
    httpd.restart()
    await_failures(httpd, name, 5, clock)
    assert len(cloudflare.creates()) == 5

    # the administrator's reload: quiet for a minute, then from the start
    httpd.graceful()
    clock.ticks(1)
    assert len(cloudflare.creates()) == 5
    clock.until(lambda: len(cloudflare.creates()) > 5, "the sixth try")
    await_failures(httpd, name, 1, clock)
    assert 23 <= delays(httpd, name)[1] <= 37

    cloudflare.release()
    life.await_generation(httpd, name, 1, clock)
    life.await_served(httpd, name, clock)
    assert life.attempt(httpd, name) is None
    seen = life.shown(httpd, name)
    assert (seen["state"], seen["failures"], seen["last_error"]) \
        == ("ok", 0, None)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_marker_does_not_put_off_what_a_reload_tries_again(
        httpd, cloudflare, clock, when):
    """A permanent failure, `touch renew`, the cause repaired, a reload: tried
    again as soon as the failure is a minute old, not a day later. So it is
    when the marker comes while that minute passes."""
    name = "a.example.com"
    cloudflare.fault({"op": "create"}, {"preset": "1010"})
    httpd.managed(name)
    httpd.expect(FAILED)
    httpd.start()
    marker = httpd.folder(name) / "renew"
    if when == "before":
        marker.touch()
    cloudflare.release()
    httpd.graceful()
    if when == "after":
        marker.touch()
        clock.ticks(1)
    clock.forward(seconds=61)
    life.await_generation(httpd, name, 1, clock)


def test_a_reload_of_our_own_takes_nothing_back(httpd, cloudflare, clock):
    """A permanent failure, its cause repaired, a new virtual host, a reload:
    the new one is there before the failure is a minute old, and loaded by a
    reload of our own. The other one is tried all the same, not a day later."""
    bad, good = "a.example.com", "b.example.com"
    cloudflare.fault({"op": "create"}, {"preset": "1010"})
    httpd.managed(bad)
    httpd.expect(FAILED)
    httpd.start()
    cloudflare.release()
    httpd.managed(good)
    httpd.graceful()
    life.await_generation(httpd, good, 1, clock)
    life.await_served(httpd, good, clock)
    assert len(cloudflare.creates()) == 2
    clock.forward(seconds=61)
    life.await_generation(httpd, bad, 1, clock)


def test_a_changed_token_is_no_matter_of_other_accounts(
        httpd, cloudflare, clock):
    """What failed in one for good waits its day, although the other's token
    was changed and a reload of our own came of that."""
    bad, good = "a.example.com", "b.example.com"
    cloudflare.fault({"op": "create"}, {"preset": "1010"})
    httpd.managed(bad)
    token = httpd.write_token("other", cloudflare.server.tokens["disabled"])
    httpd.vhost(good, "CFOrigin on", f"CFOriginTokenFile {token}")
    life.show_status(httpd)
    httpd.expect(FAILED)
    httpd.start()
    cloudflare.release()
    clock.forward(seconds=61)
    httpd.write_token("other", cloudflare.token)
    life.await_generation(httpd, good, 1, clock, 60)
    life.await_served(httpd, good, clock)
    for _ in range(3):
        clock.ticks(1)
    assert [call["body"]["hostnames"] for call in cloudflare.creates()
            ].count([bad]) == 1
    assert life.shown(httpd, bad)["failures"] == 1


def test_a_refused_token_makes_its_whole_account_wait(
        httpd, cloudflare, clock):
    """What is due next does not ask with it either; at the end of the wait
    all do."""
    names = ["a.example.com", "b.example.com"]
    httpd.managed(*names)
    life.show_status(httpd)
    httpd.start()
    httpd.expect(FAILED)
    httpd.write_token("token", cloudflare.server.tokens["disabled"])
    (httpd.folder(names[0]) / "renew").touch()
    for failures in (1, 2, 3, 4):  # until the wait is long enough to look
        await_failures(httpd, names[0], failures, clock)
        if failures < 4:
            forward_to_next_try(httpd, names[0], clock)
    asked = len(cloudflare.creates())
    (httpd.folder(names[1]) / "renew").touch()
    clock.until(lambda: life.shown(httpd, names[1])["reason"] == "forced",
                "the second marker seen")
    until = life.moment(life.attempt(httpd, names[0])["next_try"])
    assert clock.now < until
    assert len(cloudflare.creates()) == asked
    assert life.attempt(httpd, names[1]) is None
    seen = life.status(httpd)
    shown = [seen["accounts"][0]["paused_until"],
             *(one["next_try"] for one in seen["certificates"])]
    assert {int(life.moment(text)) for text in shown} <= {
        int(until), int(until) + 1}
    clock.forward(seconds=until - clock.now)
    await_failures(httpd, names[0], 5, clock)
    await_failures(httpd, names[1], 1, clock)
    httpd.write_token("token", cloudflare.token)
    for name in names:
        life.await_generation(httpd, name, 2, clock)


def test_what_fails_does_not_keep_what_is_there_from_being_loaded(
        httpd, cloudflare, clock):
    """Sixty that are refused come due one after the other for minutes: there
    is a keeper at every look around. One that was renewed is loaded at the
    next all the same."""
    good, bad = "good.example.com", [f"x{i}.example.net" for i in range(60)]
    for name in bad:
        cloudflare.fault({"op": "create", "hostname": name},
                         {"preset": "1010-network"})
    httpd.server("CFOriginReloadInterval 1s")
    httpd.managed(good, *bad)
    httpd.tolerate("cforigin:")
    httpd.start()
    before = httpd.get(good).sha256

    def failures(name):
        return (life.attempt(httpd, name) or {"failures": 0})["failures"]
    # by now they are minutes apart
    clock.until(lambda: any(failures(name) > 4 for name in bad),
                "the fifth failure of one", 60)
    (httpd.folder(good) / "renew").touch()
    life.await_generation(httpd, good, 2, clock)
    installed = clock.now
    clock.until(lambda: httpd.get(good, verify=False).sha256 != before,
                "the renewed one served", 30)
    assert clock.now - installed < 100 * waiting.PATIENCE
    assert any(failures(name) < 5 for name in bad)


def test_codes_decide_before_the_status_does(httpd, cloudflare):
    """All of them come with 400: what helps is told by Cloudflare's code."""
    kinds = {"t1100": ("1100", "transient", 30),
             "a10000": ("10000", "auth", 30),
             "p1010": ("1010", "permanent", DAY),
             "n1010": ("1010-network", "transient", 30)}
    for name, (preset, _, _) in kinds.items():
        cloudflare.fault({"op": "create", "hostname": name},
                         {"preset": preset})
    # each in an account of its own: an auth error stops its account
    for number, name in enumerate(kinds):
        token = httpd.write_token(f"token-{number}", cloudflare.token)
        httpd.vhost(f"{name}.example.com", "CFOrigin on",
                    f"CFOriginTokenFile {token}")
    httpd.managed("good.example.com")
    life.show_status(httpd)
    httpd.expect(FAILED)
    httpd.start()
    assert httpd.get("good.example.com").status == 200
    for name, (preset, kind, wait) in kinds.items():
        seen = life.shown(httpd, f"{name}.example.com")
        assert seen["state"] == "error"
        error = seen["last_error"]
        assert (error["kind"], error["http"]) == (kind, 400), (name, error)
        assert error["code"] == int(preset.split("-")[0])
        assert error["advice"]
        failures, seconds = delays(httpd, f"{name}.example.com")
        assert failures == 1
        assert 0.8 * wait - 1 <= seconds <= 1.2 * wait + 1, name


def pause(httpd, account):
    return [a["paused_until"] for a in life.status(httpd)["accounts"]
            if a["account"] == account][0]


@pytest.mark.parametrize("do", [
    {"rate_limit": {"retry_after": 400}},
    {"ratelimit": {"r": 0, "t": 400}}], ids=["429", "header"])
def test_a_limit_stops_one_whole_account(httpd, cloudflare, clock, do):
    """Until the time that was given nothing is asked for it, whatever is
    reloaded or restarted; the other account goes on; then it goes on."""
    other = httpd.write_token("other", cloudflare.other_token)
    first = [f"n{i}.example.com" for i in range(3)]
    httpd.server("CFOriginMaxConcurrent 1", "CFOriginStartupWait 5s")
    httpd.managed(*first)
    httpd.vhost("o.example.net", "CFOrigin on",
                f"CFOriginTokenFile {other}")
    life.show_status(httpd)
    httpd.tolerate(FAILED, r"cforigin:warn.*rate limited")
    cloudflare.fault({"op": "create", "token": "main", "nth": 1}, do)
    httpd.start()
    assert httpd.get("o.example.net").status == 200

    def calls():
        return sum(call["token"] == "main" for call in cloudflare.creates())

    assert calls() == 1
    until = life.moment(pause(httpd, "token"))
    assert 380 <= until - clock.now <= 410
    assert pause(httpd, "other") is None
    httpd.graceful()
    httpd.restart()
    clock.forward(seconds=200)
    clock.ticks(3)
    httpd.graceful()
    assert calls() == 1
    clock.forward(seconds=until - clock.now + 1)
    for name in first:
        life.await_generation(httpd, name, 1, clock)
        life.await_served(httpd, name, clock)
    # the header came with a certificate, which is kept
    assert calls() == (4 if "rate_limit" in do else 3)
    assert pause(httpd, "token") is None


def test_a_changed_token_counts_as_a_reload(httpd, cloudflare, clock):
    """The token is put right: within a tick everything that waits for it is
    tried, from the start."""
    names = ["a.example.com", "b.example.com"]
    httpd.write_token("token", cloudflare.server.tokens["disabled"])
    httpd.managed(*names)
    life.show_status(httpd)
    httpd.expect(FAILED)
    httpd.start()
    assert life.shown(httpd, names[0])["last_error"]["kind"] == "auth"
    clock.forward(seconds=20)
    await_failures(httpd, names[0], 2, clock)
    clock.forward(seconds=-clock.now + life.moment(
        life.attempt(httpd, names[0])["next_try"]))
    await_failures(httpd, names[0], 3, clock)
    clock.ticks(1)
    tried = clock.now
    httpd.write_token("token", cloudflare.token)
    for name in names:
        life.await_generation(httpd, name, 1, clock)
        life.await_served(httpd, name, clock)
    assert clock.now - tried < 150


def test_the_failure_of_what_is_not_wanted_any_more_is_none(
        httpd, cloudflare, clock):
    """A name that the API refuses is taken out again while its round runs:
    what is served is in order, and so it shows."""
    name, bad = "a.example.com", "bad.example.com"
    httpd.managed(name)
    life.show_status(httpd)
    httpd.start()
    cloudflare.fault({"op": "create", "hostname": bad},
                     {"delay": 3, "preset": "1010"})
    httpd.forget_vhosts()
    httpd.managed(name, aliases=[bad])
    httpd.graceful()
    waiting.until(lambda: len(cloudflare.creates()) == 2, "the call")
    httpd.forget_vhosts()
    httpd.managed(name)
    httpd.graceful()
    httpd.expect(FAILED)
    clock.until(lambda: httpd.log.matching(FAILED), "the failure")
    clock.ticks(2)
    seen = life.shown(httpd, name)
    assert (seen["state"], seen["failures"], seen["next_try"],
            seen["last_error"]) == ("ok", 0, None, None)
    assert len(cloudflare.creates()) == 2


def test_a_token_that_changes_while_a_round_runs_counts(
        httpd, cloudflare, clock):
    """Another account's certificate is on its way meanwhile, and a reload of
    our own comes before the next look at token files."""
    bad, good = "a.example.com", "b.example.com"
    token = httpd.write_token("other", cloudflare.other_token)
    httpd.vhost(bad, "CFOrigin on", f"CFOriginTokenFile {token}")
    httpd.managed(good)
    httpd.expect(FAILED)
    cloudflare.fault({"op": "create", "hostname": bad}, {"preset": "1010"})
    httpd.start()
    clock.ticks(1)
    cloudflare.release()
    cloudflare.delay(2)
    life.mark(httpd, good)
    clock.until(lambda: len(cloudflare.creates()) == 3, "the renewal's call")
    httpd.write_token("other", cloudflare.token)
    life.await_generation(httpd, good, 2)
    life.await_served(httpd, good)
    clock.forward(seconds=61)
    life.await_generation(httpd, bad, 1, clock)
    assert len(cloudflare.creates()) == 4


def test_a_clock_that_was_ahead_puts_nothing_off(httpd, cloudflare, clock):
    """A failure in the wrong month is tried again when the clock is right,
    not in that month."""
    name = "a.example.com"
    cloudflare.fault({"op": "create"}, {"preset": "10000"})
    httpd.managed(name)
    life.show_status(httpd)
    httpd.expect(FAILED)
    httpd.tolerate(r"cforigin:warn.*clock")
    httpd.start()
    await_failures(httpd, name, 1, clock)
    clock.follow = False
    clock.forward(days=30)
    await_failures(httpd, name, 2, clock)
    clock.until(lambda: life.shown(httpd, name)["failures"] == 2,
                "the second failure shown")
    clock.forward(days=-30)
    cloudflare.release()
    life.await_generation(httpd, name, 1, clock)
    life.await_served(httpd, name, clock)


def test_a_pause_by_a_clock_that_was_ahead_is_not_believed(
        httpd, cloudflare, clock):
    """The API said minutes; that they lie days ahead by now stops nobody."""
    name = "a.example.com"
    cloudflare.fault({"op": "create", "nth": 1},
                     {"rate_limit": {"retry_after": 400}})
    httpd.managed(name)
    life.show_status(httpd)
    httpd.tolerate(FAILED, r"cforigin:warn.*(rate limited|clock)")
    clock.follow = False
    clock.forward(days=3)
    httpd.start()
    assert pause(httpd, "token")
    clock.forward(days=-3)
    life.await_generation(httpd, name, 1, clock)
    life.await_served(httpd, name, clock)
    assert pause(httpd, "token") is None


def test_a_bad_token_file_is_tried_again(httpd, cloudflare, clock):
    """A fault of this machine is waited for like any other."""
    httpd.token_file.unlink()
    httpd.managed("a.example.com")
    httpd.expect(r"cforigin:error.*CFOriginTokenFile")
    httpd.start()
    httpd.write_token("token", cloudflare.token)
    life.await_generation(httpd, "a.example.com", 1, clock)
    life.await_served(httpd, "a.example.com", clock)


def test_what_the_store_cannot_keep_is_remembered(httpd, cloudflare, clock):
    """A store that can't be written: the wait grows all the same, in the
    parent's memory, over reloads of its own; nothing is asked."""
    httpd.managed("a.example.com")
    life.show_status(httpd)
    httpd.store.write_text("a file where the store should be\n")
    httpd.tolerate(life.QUIET)
    httpd.start()
    assert httpd.get("a.example.com", verify=False).status == 503
    clock.until(lambda: life.shown(httpd, "a.example.com")["failures"] >= 3,
                "three failures")
    httpd.store.unlink()
    life.await_generation(httpd, "a.example.com", 1, clock, 40)
    life.await_served(httpd, "a.example.com", clock)
    assert waiting.until(lambda: httpd.get("a.example.com").status == 200,
                         "its page")
    assert len(cloudflare.creates()) == 1
