# SPDX-License-Identifier: Apache-2.0
"""The keeper and its issuer, run as programs against the test Cloudflare."""

import datetime
import errno
import fcntl
import json
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import keeper_client
import pairs
import refused
from hurry import hurry
from keeper_client import (BUILD, Keeper, api, api_process, fake_issuer,
                           is_alive, item, keeper, target, until)

NAMES = ["a.example.com", "b.example.com", "*.c.example.org"]


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def next_try_in(attempt):
    """Seconds from the last to the next try."""
    moments = [datetime.datetime.strptime(attempt[key], "%Y-%m-%dT%H:%M:%SZ")
               for key in ("last_try", "next_try")]
    return (moments[1] - moments[0]).total_seconds()


# -- the main job -------------------------------------------------------------

def test_three_certificates(keeper, api):
    done = keeper.run([item(name) for name in NAMES])
    assert done.code == 0
    assert done.names("installed") == sorted(NAMES)
    assert done.names("trying") == sorted(NAMES)
    assert not done.of("failed") and not done.logs("error", "warning")
    assert len(api.creates()) == len(api.issued()) == 3
    for name in NAMES:
        cert, key = keeper.live(name)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        serial = str(cert.serial_number)
        assert serial in [entry["serial"] for entry in api.issued()]
        assert not (keeper.dir(name) / "pending").exists()
        assert not (keeper.dir(name) / "attempt.json").exists()
    words = keeper.journal_words()
    assert [words.count(w) for w in ("asked", "answered", "installed")] \
        == [3, 3, 3]


def test_each_body_has_four_fields(keeper, api):
    keeper.run([item("a.example.com", "www.example.com",
                     requested_validity=90)])
    body, = [call["body"] for call in api.creates()]
    assert sorted(body) == ["csr", "hostnames", "request_type",
                            "requested_validity"]
    assert body["hostnames"] == ["a.example.com", "www.example.com"]
    assert body["requested_validity"] == 90


def test_a_second_round_asks_nothing(keeper, api):
    keeper.run([item(name) for name in NAMES])
    before = len(api.calls())
    serials = [keeper.serial(name) for name in NAMES]
    again = keeper.run([item(name) for name in NAMES])
    assert again.names("kept") == sorted(NAMES)
    assert len(api.calls()) == before
    assert [keeper.serial(name) for name in NAMES] == serials


def test_rsa_and_ecc_for_one_name(keeper):
    done = keeper.run([item("a.example.com"),
                       item("a.example.com", request_type="origin-rsa",
                            first_type="origin-ecc")])
    assert [e["reason"] for e in done.of("installed")] == ["missing"] * 2
    ecc, rsa_key = (keeper.live("a.example.com", t)[1]
                    for t in ("origin-ecc", "origin-rsa"))
    assert isinstance(ecc.curve, ec.SECP256R1)
    assert isinstance(rsa_key, rsa.RSAPrivateKey) and rsa_key.key_size == 2048


def test_a_changed_type_is_told_as_such(keeper):
    keeper.run([item("a.example.com")])
    done = keeper.run([item("a.example.com", request_type="origin-rsa")])
    assert done.of("installed")[0]["reason"] == "type-changed"


def test_a_further_type_is_no_change_of_type(keeper):
    keeper.run([item("a.example.com")])
    done = keeper.run([item("a.example.com", request_type="origin-rsa",
                            first_type="origin-ecc")])
    assert done.of("installed")[0]["reason"] == "missing"


def test_changed_names_bring_the_next_generation(keeper, api):
    keeper.run([item("a.example.com")])
    done = keeper.run([item("a.example.com", "b.example.com")])
    event, = done.of("installed")
    assert (event["reason"], event["generation"]) == ("names-changed", 2)
    assert len(api.issued()) == 2
    fewer = keeper.run([item("a.example.com")])
    assert fewer.names("kept") == ["a.example.com"]


def test_a_plan_of_another_version_is_refused(keeper, api):
    done = keeper.run([item("a.example.com")], version=2)
    assert [event["level"] for event in done.of("log")] == ["error"]
    assert done.of("log")[0]["message"].endswith(
        "is another: the module that httpd has loaded is older or newer than "
        "cforigin-keeper; reload httpd")
    assert not api.issued()


def test_the_renew_marker_forces_one(keeper, api):
    keeper.run([item("a.example.com")])
    (keeper.dir("a.example.com") / "renew").touch()
    done = keeper.run([item("a.example.com")])
    assert done.of("installed")[0]["reason"] == "forced"
    assert not (keeper.dir("a.example.com") / "renew").exists()
    assert keeper.run([item("a.example.com")]).of("kept")
    assert len(api.issued()) == 2


@pytest.mark.parametrize("umask", [0, 0o777])
def test_modes_whatever_the_umask(keeper, umask):
    target_cert = keeper.folder / "t.pem"
    target_key = keeper.folder / "t.key"
    keeper.run([item("a.example.com",
                     targets=[target(target_cert, target_key)])],
               umask=umask)
    at = keeper.dir("a.example.com")
    assert mode(keeper.store) == 0o755
    assert mode(at) == 0o700
    assert mode(at / "current" / "key.pem") == 0o600
    assert mode(keeper.store / "journal.jsonl") == 0o600
    assert mode(target_key) == 0o600
    assert mode(target_cert) == 0o644


# -- the named checks ---------------------------------------------------------

@pytest.mark.parametrize("word, flaw", [
    ("parse", "garbage"), ("parse", "two-pems"),
    ("key", "wrong-key"), ("names", "missing-san"), ("dates", "expired"),
    ("dates", "not-yet-valid"), ("lifetime", "wrong-lifetime"),
    ("issuer", "foreign-root"), ("issuer", "forged")])
def test_a_failed_check_installs_nothing(keeper, api, word, flaw):
    api.faults({"match": {"op": "create"}, "do": {"certificate": flaw}})
    done = keeper.run([item("a.example.com")])
    error = done.failure()
    assert error["kind"] == "check"
    assert error["message"].startswith(f"check {word}:")
    assert not keeper.has_generation("a.example.com")
    assert not (keeper.dir("a.example.com") / "pending").exists()
    assert next_try_in(keeper.attempt("a.example.com")) == 86400


def test_a_failed_check_leaves_the_live_pair(keeper, api):
    keeper.run([item("a.example.com")])
    serial = keeper.serial("a.example.com")
    api.faults({"match": {"op": "create"}, "do": {"certificate": "forged"}})
    (keeper.dir("a.example.com") / "renew").touch()
    assert keeper.run([item("a.example.com")]).failure()["kind"] == "check"
    assert keeper.serial("a.example.com") == serial


# -- refusals -----------------------------------------------------------------

def test_a_refusal_keeps_the_key_for_the_next_try(keeper, api):
    api.faults({"match": {"op": "create", "nth": 1},
                "do": {"preset": "1010"}})
    done = keeper.run([item("a.example.com"), item("b.example.com",
                                                   account=-1)])
    error = done.failure("a.example.com")
    assert (error["kind"], error["code"], error["http"]) \
        == ("permanent", 1010, 400)
    line, = [text for text in done.logs("error")
             if text.startswith("a.example.com (origin-ecc): 1010")]
    assert "Check that the hostname's zone" in line
    assert "CFOriginTokenFile" in done.failure("b.example.com")["message"]
    intent = json.loads((keeper.dir("a.example.com") / "pending"
                         / "intent.json").read_text())
    assert not intent["asked"]
    assert keeper.attempt("a.example.com")["failures"] == 1
    keeper.run([item("a.example.com", failures=1)])
    csrs = [call["body"]["csr"] for call in api.creates()]
    assert len(csrs) == 2 and csrs[0] == csrs[1]
    assert not api.calls("list")
    assert not (keeper.dir("a.example.com") / "attempt.json").exists()


def test_failures_are_counted_on(keeper, api):
    api.faults({"match": {"op": "create"}, "do": {"preset": "1100"}})
    done = keeper.run([item("a.example.com", failures=4)])
    attempt = done.of("failed")[0]["attempt"]
    assert attempt["failures"] == 5
    assert 16 * 30 * 0.8 <= next_try_in(attempt) <= 16 * 30 * 1.2 + 1
    assert attempt["last_error"]["kind"] == "transient"


def test_a_rate_limit_pauses_the_account(keeper, api):
    api.faults({"match": {"op": "create"},
                "do": {"rate_limit": {"retry_after": 40}}})
    names = [f"n{n}.example.com" for n in range(5)]
    done = keeper.run([item(name, failures=3) for name in names])
    for event in done.of("failed"):
        assert event["attempt"]["last_error"]["kind"] == "rate-limited"
        assert event["attempt"]["failures"] == 3
        assert next_try_in(event["attempt"]) >= 39
    assert len(done.of("failed")) == 5
    assert len(done.of("account")) == 1
    calls = len(api.calls())
    api.faults()
    again = keeper.run([item(name) for name in names])
    assert len(api.calls()) == calls, "a paused account was asked"
    assert {e["attempt"]["failures"] for e in again.of("failed")} == {1}
    assert again.failure("n0.example.com")["kind"] == "rate-limited"


def test_of_two_waits_the_account_keeps_the_longer(keeper, api):
    """Both calls were on their way when the first of them was refused."""
    api.settings(latency=500)
    api.faults({"match": {"op": "create", "nth": 1},
                "do": {"rate_limit": {"retry_after": 8}}},
               {"match": {"op": "create"},
                "do": {"delay": 0.5, "rate_limit": {"retry_after": 300}}})
    done = keeper.run([item("a.example.com"), item("b.example.com")])
    assert len(done.of("failed")) == 2
    account, = (keeper.store / "accounts").glob("*.json")
    stored = json.loads(account.read_text())["paused_until"]
    assert done.of("account")[-1]["paused_until"] == stored
    now = datetime.datetime.utcnow() + datetime.timedelta(seconds=290)
    assert stored > now.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert len(done.of("account")) == 2


def test_a_pause_from_a_wrong_clock_is_not_believed(keeper):
    (keeper.store / "accounts").mkdir(parents=True)
    (keeper.store / "accounts" / f"{0:016x}.json").write_text(
        json.dumps({"paused_until": "2099-01-01T00:00:00Z"}))
    assert keeper.run([item("a.example.com")]).of("installed")


@pytest.mark.parametrize("token", ["disabled", "expired", "ip_filtered"])
def test_a_dead_token_is_not_worn_out(keeper, api, token):
    api.token_file(keeper.folder / "token-main", token)
    done = keeper.run([item(f"n{n}.example.com") for n in range(60)],
                      max_concurrent=2)
    assert len(done.of("failed")) == 60
    kinds = {e["attempt"]["last_error"]["kind"] for e in done.of("failed")}
    assert kinds == {"auth"}
    assert len(api.calls()) <= 12
    assert len(done.logs("error")) <= 20


def test_a_success_is_noted_for_the_account(keeper):
    done = keeper.run([item(name) for name in NAMES])
    event, = done.of("account")
    assert event["account"] == f"{0:016x}" and event["last_success"]
    path = keeper.store / "accounts" / f"{0:016x}.json"
    assert mode(path) == 0o600
    assert json.loads(path.read_text())["last_success"]


# -- token files, programs and other surroundings -----------------------------

def make_missing(path):
    path.unlink()


def make_readable(path):
    path.chmod(0o640)


def make_empty(path):
    path.write_text("")


def make_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil, words", [
    (make_missing, ["can't be opened", "chmod 600"]),
    (make_readable, ["mode 0640", "chmod 600"]),
    (make_empty, ["empty"]), (make_folder, ["no regular file"])])
def test_a_bad_token_file_is_told_with_its_remedy(keeper, api, spoil, words):
    path = keeper.folder / "token-main"
    spoil(path)
    done = keeper.run([item(name) for name in NAMES])
    assert done.names("failed") == sorted(NAMES)
    error = done.failure("a.example.com")
    assert error["kind"] == "local"
    for word in ["CFOriginTokenFile", str(path), *words]:
        assert word in error["message"]
    assert not api.calls()
    assert not (keeper.dir("a.example.com") / "pending").exists()


def test_a_bad_token_file_is_no_matter_to_another_account(keeper):
    keeper.add_account("account")
    (keeper.folder / "token-main").chmod(0o644)
    done = keeper.run([item("a.example.com"),
                       item("b.example.com", account=1)])
    assert done.names("failed") == ["a.example.com"]
    assert done.names("installed") == ["b.example.com"]


def test_two_accounts_work_side_by_side(keeper, api):
    keeper.add_account("account")
    api.settings(latency=400)
    names = [f"n{n}.example.com" for n in range(4)]
    round_ = keeper.start([item(name, account=n % 2)
                           for n, name in enumerate(names)],
                          max_concurrent=1)
    until(lambda: len(round_.issuers()) == 2, "two issuers")
    assert round_.wait().names("installed") == names
    assert sorted(c["token"] for c in api.creates()) \
        == ["account", "account", "main", "main"]
    assert api.counts()["most_in_flight"] == 2


def test_no_issuer_program(keeper):
    done = keeper.run([item("a.example.com")], libexec=str(keeper.folder))
    error = done.failure()
    assert error["kind"] == "local"
    assert f"{keeper.folder}/cforigin-issuer can't be run" in error["message"]


def test_an_issuer_gets_four_descriptors_and_no_environment(keeper):
    libexec = fake_issuer(keeper, f"""
import os, sys
fds = sorted(int(n) for n in os.listdir("/proc/self/fd"))
held = [n for n in fds if os.path.exists("/proc/self/fd/%d" % n)]
env = [k for k in os.environ if k != "LC_CTYPE"]
with open({str(keeper.folder / "seen")!r}, "w") as f:
    f.write(repr((held, env, sys.argv[1:], os.read(3, 8))))
print("something went wrong", file=sys.stderr)
sys.exit(7)
""")
    done = keeper.run([item("a.example.com")], libexec=libexec)
    held, env, argv, token = eval((keeper.folder / "seen").read_text())
    assert [n for n in held if n < 4] == [0, 1, 2, 3] and len(held) <= 4
    assert env == []
    assert argv[:2] == ["--token-fd", "3"]
    assert token.decode() == (keeper.folder / "token-main").read_text()[:8]
    error = done.failure()
    assert error["kind"] == "local"
    assert "ended with exit code 7" in error["message"]
    assert any("something went wrong" in line
               for line in done.logs("warning"))


@pytest.mark.parametrize("answer", ["rubbish", '{"id":1,"ok":"maybe"}',
                                    "[]", '{"ok":true}'])
def test_an_issuer_that_talks_nonsense_is_ended(keeper, answer):
    libexec = fake_issuer(keeper, f"""
import sys
sys.stdin.readline()
sys.stdin.readline()
print({answer!r}, flush=True)
sys.stdin.read()
""")
    done = keeper.run([item("a.example.com")], libexec=libexec)
    assert done.failure()["kind"] == "local"
    assert done.seconds < 5


def test_no_roots_no_request(keeper, api):
    done = keeper.run([item("a.example.com")], ca_root_file="/nonexistent")
    assert "CFOriginCARootFile /nonexistent" in done.failure()["message"]
    assert not api.calls()


def test_a_store_that_cannot_be_written_asks_nothing(keeper, api):
    keeper.store.write_text("a file where the store should be")
    done = keeper.run([item("a.example.com")])
    assert done.code == 0
    assert done.failure()["kind"] == "local"
    assert not api.calls()


def test_pending_that_cannot_be_written_asks_nothing(keeper, api):
    at = keeper.store / "certs"
    at.mkdir(parents=True)
    (at / "a.example.com").symlink_to("/proc")
    done = keeper.run([item("a.example.com"), item("b.example.com")])
    assert done.names("installed") == ["b.example.com"]
    assert done.failure()["kind"] == "local"
    assert len(api.creates()) == 1


def test_the_lock_is_held_by_another_server(keeper, api):
    keeper.store.mkdir()
    with open(keeper.store / "lock", "w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        done = keeper.run([item("a.example.com", failures=2)])
        attempt = done.of("failed")[0]["attempt"]
        assert "lock is held by another server" \
            in attempt["last_error"]["message"]
        assert attempt["failures"] == 2 and next_try_in(attempt) <= 37
        assert not api.calls()
    assert keeper.run([item("a.example.com")]).of("installed")


def test_waits_for_the_lock(keeper):
    keeper.store.mkdir()
    with open(keeper.store / "lock", "w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        round_ = keeper.start([item("a.example.com")], lock_wait=20000000)
        time.sleep(0.3)
        assert round_.process.poll() is None
    assert round_.wait().of("installed")


# -- lost answers -------------------------------------------------------------

LOST = {"match": {"op": "create", "nth": 1}, "do": {"close": "after"}}


def test_a_lost_answer_is_found_again(keeper, api):
    api.faults(LOST)
    done = keeper.run([item("a.example.com"), item("b.example.com")])
    assert done.names("installed") == ["a.example.com", "b.example.com"]
    assert len(api.issued()) == 2 and len(api.creates()) == 2
    assert "found" in keeper.journal_words()
    serials = {entry["serial"] for entry in api.issued()}
    assert {keeper.serial("a.example.com"),
            keeper.serial("b.example.com")} == serials


def test_many_lost_answers_share_a_list(keeper, api):
    api.faults({"match": {"op": "create", "nth": [1, 8]},
                "do": {"close": "after"}})
    names = [f"n{n}.example.com" for n in range(12)]
    done = keeper.run([item(name) for name in names])
    assert len(done.of("installed")) == len(api.issued()) == 12
    assert len([c for c in api.calls("list")
                if c["query"].get("page") in (None, "1")]) <= 8


def test_a_list_from_before_the_loss_is_not_trusted(keeper, api):
    # one at a time, and two ahead: the create of b comes after the list that
    # a needs
    api.faults(*({"match": {"op": "create", "hostname": name, "nth": 1},
                  "do": {"close": "after"}} for name in ("a.", "b.")))
    done = keeper.run([item(f"{n}.example.com",
                            zone_id=api.zones["example.com"])
                       for n in "acdefb"], max_concurrent=1)
    assert len(done.of("installed")) == len(api.issued()) == 6
    ops = [call["op"] for call in api.calls()]
    assert ops.index("list") < len(ops) - 1 - ops[::-1].index("create")
    assert len(api.creates()) == 6


def test_what_was_never_made_is_asked_for_again(keeper, api):
    api.faults({"match": {"op": "create", "nth": 1},
                "do": {"close": "before"}})
    done = keeper.run([item("a.example.com")])
    assert done.names("installed") == ["a.example.com"]
    csrs = {call["body"]["csr"] for call in api.creates()}
    assert len(api.creates()) == 2 and len(csrs) == 1
    assert api.calls("list")
    assert len(api.issued()) == 1


def test_without_permission_to_list_it_is_asked_again(keeper, api):
    keeper.api.token_file(keeper.folder / "token-main", "no_list")
    api.faults(LOST)
    done = keeper.run([item("a.example.com")])
    assert done.names("installed") == ["a.example.com"]
    csrs = {call["body"]["csr"] for call in api.creates()}
    assert len(api.creates()) == 2 and len(csrs) == 1
    assert any("asking again with the same CSR" in line
               for line in done.logs("warning"))


def test_three_creates_and_no_more(keeper, api):
    api.faults({"match": {"op": "create"}, "do": {"close": "before"}})
    done = keeper.run([item("a.example.com")])
    assert done.failure()["kind"] == "transient"
    assert len(api.creates()) == 3
    intent = json.loads((keeper.dir("a.example.com") / "pending"
                         / "intent.json").read_text())
    assert intent["asked"]


def test_a_given_zone_needs_no_look_up(keeper, api):
    api.faults(LOST)
    done = keeper.run([item("a.example.com",
                            zone_id=api.zones["example.com"])])
    assert done.of("installed") and len(api.issued()) == 1
    assert not api.calls("zones")


def test_a_keeper_killed_after_its_request(keeper, api):
    api.faults({"match": {"op": "create"}, "do": {"delay": 1}})
    round_ = keeper.start([item("a.example.com")])
    api.wait(lambda counts: counts["create"] == 1)
    issuer, = round_.issuers()
    round_.signal(signal.SIGKILL)
    round_.process.communicate()
    until(lambda: not is_alive(issuer), "the issuer's end", 2)
    api.wait(lambda counts: counts["issued"] == 1)
    done = keeper.run([item("a.example.com")])
    assert done.names("installed") == ["a.example.com"]
    assert len(api.creates()) == len(api.issued()) == 1
    assert keeper.serial("a.example.com") == api.issued()[0]["serial"]


def test_a_revoked_certificate_is_not_found_again(keeper, api):
    api.faults(LOST, {"match": {"op": "list"}, "do": {"result": {
        "revoked_at": "2026-01-01T00:00:00Z"}}})
    done = keeper.run([item("a.example.com")])
    assert done.names("installed") == ["a.example.com"]
    assert len(api.issued()) == 2
    assert keeper.serial("a.example.com") == api.issued()[1]["serial"]


def test_what_is_found_has_to_pass_the_checks(keeper, api):
    api.faults({"match": {"op": "create", "nth": 1},
                "do": {"close": "after", "certificate": "forged"}})
    done = keeper.run([item("a.example.com")])
    assert done.names("installed") == ["a.example.com"]
    assert any("is not taken: check issuer" in line
               for line in done.logs("warning"))
    assert len(api.issued()) == 2


def test_killed_again_and_again_it_issues_once(keeper, api):
    names = [f"n{n}.example.com" for n in range(12)]
    items = [item(name) for name in names]
    api.settings(latency=20)
    for moment in (0.01, 0.03, 0.045, 0.06, 0.08, 0.1, 0.12, 0.15):
        round_ = keeper.start(items, max_concurrent=3, lock_wait=5000000)
        time.sleep(moment)
        round_.signal(signal.SIGKILL)
        round_.process.communicate()
        api.wait(lambda counts: counts["in_flight"] == 0)
    done = keeper.run(items)
    assert len(done.of("installed")) + len(done.of("kept")) == 12
    issued = [entry["hostnames"][0] for entry in api.issued()]
    assert sorted(issued) == sorted(names)
    serials = {entry["serial"] for entry in api.issued()}
    assert {keeper.serial(name) for name in names} == serials


def test_a_key_that_was_refused_before_can_be_lost_too(keeper, api):
    api.faults({"match": {"op": "create", "nth": 1},
                "do": {"preset": "1010"}},
               {"match": {"op": "create"}, "do": {"delay": 0.5}})
    keeper.run([item("a.example.com")])
    round_ = keeper.start([item("a.example.com")])
    api.wait(lambda counts: counts["create"] == 2)
    round_.signal(signal.SIGKILL)
    round_.process.communicate()
    api.wait(lambda counts: counts["in_flight"] == 0)
    done = keeper.run([item("a.example.com")])
    assert done.names("installed") == ["a.example.com"], done.events
    assert len(api.creates()) == 2 and len(api.issued()) == 1


@pytest.mark.parametrize("other", [
    item("a.example.com", "b.example.com"),
    item("a.example.com", requested_validity=90),
    item("a.example.com", account=1)])
def test_pending_of_something_else_is_dropped(keeper, api, other):
    keeper.add_account("account")
    api.faults({"match": {"op": "create", "nth": 1},
                "do": {"preset": "1010"}})
    keeper.run([item("a.example.com")])
    done = keeper.run([other])
    assert done.of("installed")
    csrs = {call["body"]["csr"] for call in api.creates()}
    assert len(csrs) == 2


# -- ends ---------------------------------------------------------------------

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_while_the_api_hangs(keeper, api, number):
    keeper.add_account("account")
    api.faults({"match": {"op": "create"}, "do": {"hang": True}})
    round_ = keeper.start([item(f"n{n}.example.com", account=n % 2)
                           for n in range(6)])
    api.wait(lambda counts: counts["create"] == 6)
    issuers = round_.issuers()
    assert len(issuers) == 2
    began = time.monotonic()
    round_.signal(number)
    assert round_.wait(5).code == 1
    assert time.monotonic() - began < 0.8 * keeper_client.PATIENCE
    assert not any(is_alive(pid) for pid in issuers)


def test_the_threads_stand_behind_the_issuer(keeper, api):
    """What is ready to be asked does not wait for the keys of the next."""
    api.faults({"match": {"op": "create"}, "do": {"hang": True}})
    round_ = keeper.start([item(f"n{n}.example.com") for n in range(3)])
    api.wait(lambda counts: counts["create"] == 3)
    pid, (issuer,) = round_.process.pid, round_.issuers()
    main, asking, *threads = [
        os.getpriority(os.PRIO_PROCESS, task) for task in (
            pid, issuer, *map(int, os.listdir(f"/proc/{pid}/task")))]
    assert asking == main
    assert sorted(threads)[-3:] == 3 * [19]
    assert set(sorted(threads)[:-3]) == {main}  # a sanitizer has one, too
    round_.signal(signal.SIGTERM)
    assert round_.wait(5).code == 1


def test_a_signal_to_the_group_is_no_failure(keeper, api):
    api.faults({"match": {"op": "create"}, "do": {"hang": True}})
    for n in range(8):
        before = api.counts()["create"]
        round_ = keeper.start([item(f"n{n}.example.com")])
        api.wait(lambda counts: counts["create"] == before + 1)
        issuer, = round_.issuers()
        os.killpg(round_.process.pid, signal.SIGTERM)
        done = round_.wait(5)
        assert done.code == 1 and not done.of("failed")
        assert not is_alive(issuer)
        assert not (keeper.dir(f"n{n}.example.com")
                    / "attempt.json").exists()


def test_a_frozen_issuer_does_not_hold_up_the_end(keeper, api):
    api.faults({"match": {"op": "create"}, "do": {"hang": True}})
    round_ = keeper.start([item("a.example.com")])
    api.wait(lambda counts: counts["create"] == 1)
    issuer, = round_.issuers()
    os.kill(issuer, signal.SIGSTOP)
    began = time.monotonic()
    round_.signal(signal.SIGTERM)
    assert round_.wait(5).code == 1
    assert time.monotonic() - began < 1 * keeper_client.PATIENCE
    assert not is_alive(issuer)


def test_the_end_of_its_reader_ends_it(keeper, api):
    api.faults({"match": {"op": "create"}, "do": {"hang": True}})
    round_ = keeper.start([item("a.example.com")])
    api.wait(lambda counts: counts["create"] == 1)
    issuer, = round_.issuers()
    round_.process.stdout.close()
    assert round_.process.wait(5) == 1
    assert not is_alive(issuer)
    round_.process.stderr.close()


def test_the_end_of_its_parent_ends_it(keeper, api):
    api.faults({"match": {"op": "create"}, "do": {"hang": True}})
    plan = keeper.folder / "plan"
    plan.write_text(keeper.plan([item("a.example.com")]))
    parent = subprocess.Popen(
        [sys.executable, "-c", f"""
import os, subprocess, time
with open({str(plan)!r}) as plan:
    child = subprocess.Popen([{str(BUILD / "cforigin-keeper")!r}, "--parent",
                              str(os.getpid())], stdin=plan)
print(child.pid, flush=True)
time.sleep(60)"""], stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    api.wait(lambda counts: counts["create"] == 1)
    parent.kill()
    parent.communicate()
    until(lambda: not is_alive(pid), "the keeper's end", 2)


def test_a_stranger_is_no_parent(keeper):
    done = keeper.start([item("a.example.com")], parent=1).wait()
    assert done.code == 1 and not done.events
    assert not keeper.store.exists()


@pytest.mark.parametrize("text, word", [
    ("", "the plan is empty"), ("{}\n", "line 1"),
    ("rubbish", "line 1"), ("\0" * 100, "line 1")])
def test_rubbish_is_no_plan(keeper, text, word):
    done = keeper.start([], text=text).wait()
    assert done.code == 1
    assert word in done.logs("error")[0]


def without_close_range(keeper, monkeypatch):
    """And with more descriptors open than there may be by now."""
    refused.program(keeper.folder / "cforigin-keeper",
                    BUILD / "cforigin-keeper", refused.CLOSE_RANGE,
                    errno.EPERM, "ulimit -S -n 64")
    monkeypatch.setattr(keeper_client, "BUILD", keeper.folder)


@pytest.mark.parametrize("machine", [lambda *_: None, without_close_range],
                         ids=["usual", "without-close-range"])
def test_inherited_descriptors_are_closed(keeper, api, monkeypatch, machine):
    api.faults({"match": {"op": "create"}, "do": {"hang": True}})
    ends = os.pipe()
    os.dup2(ends[1], 900)
    os.close(ends[1])
    machine(keeper, monkeypatch)
    round_ = keeper.start([item("a.example.com")], fds=(900,),
                          libexec=str(BUILD))
    os.close(900)
    api.wait(lambda counts: counts["create"] == 1)
    # at its end now, not when the keeper is at its own
    ready, _, _ = select.select([ends[0]], [], [], 2)
    assert ready, "the keeper holds a stranger's pipe"
    assert os.read(ends[0], 1) == b""
    os.close(ends[0])
    assert os.getpgid(round_.process.pid) == round_.process.pid
    round_.signal(signal.SIGTERM)
    round_.wait(5)


def test_a_round_in_which_nothing_moves_ends(keeper, monkeypatch):
    libexec = fake_issuer(keeper, "import sys; sys.stdin.read()")
    hurry(monkeypatch)
    done = keeper.run([item(f"n{n}.example.com") for n in range(40)],
                      libexec=libexec, max_concurrent=4)
    assert 1.5 < done.seconds < 15 * keeper_client.PATIENCE
    assert len(done.of("failed")) == 40
    for event in done.of("failed"):
        error = event["attempt"]["last_error"]
        assert error["kind"] == "transient"
        assert "nothing moved" in error["message"]
    intents = list(keeper.store.glob("certs/*/*/pending/intent.json"))
    assert len(intents) == 8
    assert all(json.loads(path.read_text())["asked"] for path in intents)


# -- targets ------------------------------------------------------------------

def test_targets_are_written_and_repaired(keeper, api):
    cert, key = keeper.folder / "o.pem", keeper.folder / "o.key"
    one = item("a.example.com", targets=[target(cert, key)])
    keeper.run([one])
    at = keeper.dir("a.example.com") / "current"
    assert cert.read_bytes() == (at / "cert.pem").read_bytes()
    assert key.read_bytes() == (at / "key.pem").read_bytes()
    cert.write_text("half of a certifica")
    key.unlink()
    done = keeper.run([one])
    assert done.names("kept") == ["a.example.com"]
    assert cert.read_bytes() == (at / "cert.pem").read_bytes()
    assert key.read_bytes() == (at / "key.pem").read_bytes()
    assert len(api.creates()) == 1


def test_a_target_that_cannot_be_written_is_told_once(keeper):
    missing = keeper.folder / "nowhere"
    done = keeper.run([
        item(name, targets=[target(missing / f"{n}.pem",
                                   missing / f"{n}.key")])
        for n, name in enumerate(NAMES)])
    assert done.names("installed") == sorted(NAMES)
    warnings = [w for w in done.logs("warning") if str(missing) in w]
    assert len(warnings) == 1


def test_a_foreign_target_is_left_alone(keeper):
    cert, key = keeper.folder / "o.pem", keeper.folder / "o.key"
    pairs.self_signed(cert, key, ["a.example.com"])
    before = cert.read_bytes(), key.read_bytes()
    done = keeper.run([item("a.example.com", targets=[target(cert, key)])])
    assert done.names("installed") == ["a.example.com"]
    assert (cert.read_bytes(), key.read_bytes()) == before
    assert any("another CA" in line for line in done.logs("warning"))


def test_a_pair_made_by_hand_is_adopted(keeper, api, tmp_path_factory):
    maker = Keeper(tmp_path_factory.mktemp("maker"), api)
    cert, key = keeper.folder / "o.pem", keeper.folder / "o.key"
    maker.run([item("a.example.com", requested_validity=365,
                    targets=[target(cert, key)])])
    calls = len(api.calls())
    one = item("a.example.com", targets=[target(cert, key)])
    done = keeper.run([one])
    assert done.of("installed")[0]["reason"] == "adopted"
    assert "adopted" in keeper.journal_words()
    assert keeper.serial("a.example.com") == maker.serial("a.example.com")
    assert keeper.run([one]).names("kept") == ["a.example.com"]
    assert len(api.calls()) == calls


def copy_pair(maker, name, cert, key):
    for file, place in (("cert.pem", cert), ("key.pem", key)):
        shutil.copy(maker.dir(name) / "current" / file, place)


def test_an_older_pair_is_taken_over_where_it_is_the_better_one(
        keeper, api, tmp_path_factory):
    """And left in its files, with a word, where it is not: it may have been
    replaced for a reason, but its key is nowhere else."""
    cert, key = keeper.folder / "o.pem", keeper.folder / "o.key"
    maker = Keeper(tmp_path_factory.mktemp("maker"), api)
    maker.run([item("a.example.com", "b.example.com")])
    api.settings(clock_offset=200)
    one = item("a.example.com", targets=[target(cert, key)])
    keeper.run([one])
    mine = keeper.serial("a.example.com")
    copy_pair(maker, "a.example.com", cert, key)
    theirs = key.read_bytes()
    calls = len(api.calls())
    done = keeper.run([one])
    assert done.names("kept") == ["a.example.com"]
    told, = done.logs("warning")
    assert f"{key} holds a private key of yours; move it away" in told
    assert keeper.serial("a.example.com") == mine
    assert key.read_bytes() == theirs
    two = item("a.example.com", "b.example.com",
               targets=[target(cert, key)])
    assert keeper.run([two]).of("installed")[0]["reason"] == "adopted"
    assert keeper.serial("a.example.com") == maker.serial("a.example.com")
    assert len(api.calls()) == calls


def test_our_own_pair_of_the_other_type_is_not_taken_over(keeper, api):
    """It stands in the files from before the type was changed."""
    cert, key = keeper.folder / "o.pem", keeper.folder / "o.key"
    for request_type, reason in (("origin-ecc", "missing"),
                                 ("origin-rsa", "type-changed"),
                                 ("origin-ecc", "")):
        one = item("a.example.com", request_type=request_type,
                   targets=[target(cert, key)])
        done = keeper.run([one])
        if reason:
            assert done.of("installed")[0]["reason"] == reason
        else:  # the store has one of this type
            assert done.names("kept") == ["a.example.com"]
        assert not done.logs("warning")
        live = keeper.dir("a.example.com", request_type) / "current"
        assert key.read_bytes() == (live / "key.pem").read_bytes()
    assert len(api.issued()) == 2


def test_files_that_were_swapped_are_put_right(keeper, api):
    """Each holds a pair of the store's, and the wrong one."""
    names = ["a.example.com", "b.example.com"]
    files = {name: [keeper.folder / f"{name}.{end}" for end in ("pem", "key")]
             for name in names}
    items = [item(name, targets=[target(*files[name])]) for name in names]
    keeper.run(items)
    texts = [[path.read_bytes() for path in files[name]] for name in names]
    for name, pair in zip(names, reversed(texts)):
        for path, text in zip(files[name], pair):
            path.write_bytes(text)
    done = keeper.run(items)
    assert done.names("kept") == names and not done.logs("warning")
    assert [[path.read_bytes() for path in files[name]]
            for name in names] == texts
    assert len(api.issued()) == 2


def test_a_backup_of_long_ago_is_written_over(keeper, api):
    """Its generation is gone; those that came later know of it."""
    cert, key = keeper.folder / "o.pem", keeper.folder / "o.key"
    one = item("a.example.com", targets=[target(cert, key)])
    keeper.run([one])
    backup = cert.read_bytes(), key.read_bytes()
    for _ in range(2):
        (keeper.dir("a.example.com") / "renew").touch()
        assert keeper.run([one]).names("installed") == ["a.example.com"]
    shutil.rmtree(keeper.dir("a.example.com") / "1")
    cert.write_bytes(backup[0])
    key.write_bytes(backup[1])
    done = keeper.run([one])
    assert done.names("kept") == ["a.example.com"]
    assert not done.logs("warning")
    assert (keeper.dir("a.example.com") / "current").readlink().name == "3"
    assert key.read_bytes() != backup[1]
    assert pairs.belong_together(cert, key)
    assert len(api.issued()) == 3


NOBODY = 65534


def test_a_pair_behind_a_link_of_a_strangers_is_not_taken_over(
        keeper, api, tmp_path_factory):
    """Whoever may put links into the folder of a target must get neither a
    copy of a key that is not theirs, nor have a file of root's written. Without
    root there are no strangers."""
    if os.geteuid() != 0:
        return
    maker = Keeper(tmp_path_factory.mktemp("maker"), api)
    maker.run([item("a.example.com")])
    current = maker.dir("a.example.com") / "current"
    home = keeper.folder / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    cert, key = home / "o.pem", home / "o.key"
    cert.symlink_to(current / "cert.pem")
    key.symlink_to(current / "key.pem")
    os.chown(cert, NOBODY, NOBODY, follow_symlinks=False)
    os.chown(key, NOBODY, NOBODY, follow_symlinks=False)
    done = keeper.run([item("a.example.com", targets=[target(cert, key)])])
    assert done.of("installed")[0]["reason"] == "missing"
    told, = done.logs("warning")
    assert "o.pem" in told and "not root's" in told
    assert keeper.serial("a.example.com") != maker.serial("a.example.com")


def test_nothing_is_written_behind_a_folder_that_is_a_strangers_link(
        keeper, api):
    if os.geteuid() != 0:
        return
    home, etc = keeper.folder / "home", keeper.folder / "etc"
    home.mkdir()
    etc.mkdir()
    os.chown(home, NOBODY, NOBODY)
    (etc / "o.key").write_text("root's own\n")
    (home / "ssl").symlink_to(etc)
    os.chown(home / "ssl", NOBODY, NOBODY, follow_symlinks=False)
    wanted = item("a.example.com", targets=[target(home / "ssl/o.pem",
                                                   home / "ssl/o.key")])
    done = keeper.run([wanted])
    told, = done.logs("warning")
    assert '"ssl"' in told and "not root's" in told
    assert (etc / "o.key").read_text() == "root's own\n"
    assert [path.name for path in etc.iterdir()] == ["o.key"]
    # root's own link is followed
    (home / "ssl").unlink()
    (home / "ssl").symlink_to(etc)
    assert not keeper.run([wanted]).logs("warning")
    assert pairs.belong_together(etc / "o.pem", etc / "o.key")


def test_a_good_pair_is_not_replaced_by_anothers(keeper, api, tmp_path_factory):
    """A younger one of the Origin CA that was copied into its files by
    mistake: nothing is asked for, and since its key may be nowhere else, it is
    told of and left in the files."""
    cert, key = keeper.folder / "o.pem", keeper.folder / "o.key"
    one = item("a.example.com", targets=[target(cert, key)])
    keeper.run([one])
    mine = keeper.serial("a.example.com")
    api.settings(clock_offset=200)
    maker = Keeper(tmp_path_factory.mktemp("maker"), api)
    maker.run([item("b.example.com")])
    copy_pair(maker, "b.example.com", cert, key)
    calls = len(api.calls())
    theirs = key.read_bytes()
    done = keeper.run([one])
    assert done.names("kept") == ["a.example.com"]
    told, = done.logs("warning")
    assert f"{key} holds a private key of yours; move it away" in told
    assert keeper.serial("a.example.com") == mine
    assert key.read_bytes() == theirs
    key.unlink()
    assert keeper.run([one]).names("kept") == ["a.example.com"]
    assert str(pairs.certificate(cert).serial_number) == mine
    assert pairs.belong_together(cert, key)
    assert len(api.calls()) == calls


def test_the_first_call_after_a_pause_is_alone(keeper, api):
    """Until the API grants something again, in whatever round that is."""
    api.faults({"match": {"op": "create"},
                "do": {"rate_limit": {"retry_after": 6}}, "times": 1})
    assert keeper.run([item("a.example.com")]).failure()["kind"] \
        == "rate-limited"
    account, = (keeper.store / "accounts").glob("*.json")
    state = json.loads(account.read_text())
    state["paused_until"] = "2026-01-01T00:00:00Z"
    account.write_text(json.dumps(state))
    api.settings(latency=200)
    four = [item(f"n{n}.example.com") for n in range(4)]
    assert len(keeper.run(four).names("installed")) == 4
    began = sorted(call["time"] for call in api.creates())[1:]
    assert began[1] - began[0] > 0.19
    again = [item(f"m{n}.example.com") for n in range(4)]
    assert len(keeper.run(again).names("installed")) == 4
    began = sorted(call["time"] for call in api.creates())[5:]
    assert began[3] - began[0] < 0.19


def names_on(keeper, name):
    return sorted(keeper.live(name)[0].extensions.get_extension_for_class(
        x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName))


def test_two_servers_on_one_store_share_what_both_name(keeper, api):
    """Each has names that the other lacks; asked for together, once, neither
    wants another one."""
    mine = item("a.example.com", "x.example.com")
    theirs = item("a.example.com", "y.example.com")
    keeper.run([mine], server="1")
    done = keeper.run([theirs], server="2")
    assert done.of("installed")[0]["reason"] == "names-changed"
    assert names_on(keeper, "a.example.com") == [
        "a.example.com", "x.example.com", "y.example.com"]
    for _ in range(2):
        for one, server in ((mine, "1"), (theirs, "2")):
            assert keeper.run([one], server=server).names("kept")
    assert len(api.creates()) == 2


def test_what_the_same_server_dropped_is_not_asked_for(keeper, api):
    keeper.run([item("a.example.com", "x.example.com")], server="1")
    keeper.run([item("a.example.com", "y.example.com")], server="1")
    assert names_on(keeper, "a.example.com") == ["a.example.com",
                                                 "y.example.com"]


def test_two_servers_want_more_than_fits(keeper, api):
    many = [f"n{i}.example.com" for i in range(199)]
    keeper.run([item("a.example.com", *many)], server="1")
    done = keeper.run([item("a.example.com", "b.example.com", *many[:150])],
                      server="2")
    assert "more than 200" in done.failure()["message"]
    assert len(api.creates()) == 1


def test_a_name_that_another_server_left_and_nobody_can_have(keeper, api):
    """Refused today, with that server's names; a day later ours alone are
    asked for."""
    api.faults({"match": {"op": "create", "hostname": "x.example.com"},
                "do": {"preset": "1010"}, "times": 1})
    keeper.run([item("a.example.com")], server="1")
    meta = keeper.dir("a.example.com") / "current/meta.json"
    text = meta.read_text()
    meta.write_text(text.replace('"hostnames": ["a.example.com"]',
                                 '"hostnames": ["a.example.com", '
                                 '"x.example.com"]', 1)
                    if '"hostnames": ["a' in text else text.replace(
                        '"hostnames":["a.example.com"]',
                        '"hostnames":["a.example.com","x.example.com"]', 1))
    mine = item("a.example.com", "b.example.com")
    assert keeper.run([mine], server="2").failure()["code"] == 1010
    mine["failures"] = 1
    old = json.loads(meta.read_text())
    old["installed"] = "2026-01-01T00:00:00Z"
    meta.write_text(json.dumps(old))
    assert keeper.run([mine], server="2").names("installed")
    assert names_on(keeper, "a.example.com") == ["a.example.com",
                                                 "b.example.com"]


# -- the reload check ---------------------------------------------------------

def script(keeper, text):
    path = keeper.folder / "httpd"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return [str(path), "-t"]


@pytest.mark.parametrize("text, ok, message", [
    ("echo noise; echo cforigin-tree-hash: abc1; echo Syntax OK >&2",
     1, "abc1"),
    ("echo cforigin-tree-hash: abc1; exit 1", 0, "ended with 1"),
    ("echo AH00526: Syntax error >&2; exit 1", 0, "AH00526: Syntax error"),
    ("echo Syntax OK", 0, "printed no hash: Syntax OK"),
    ("kill -9 $$", 0, "was killed"),
    ("sleep 30 & echo cforigin-tree-hash: abc2", 1, "abc2"),
    ("echo cforigin-tree-hash: abc3; exec >&- 2>&-; sleep 0.3", 1, "abc3"),
    ("pwd; env; exit 3", 0, "MARK=1"),
    # thousands of virtual hosts, each with a warning
    ("yes AH00112: Warning | head -n 20000; echo cforigin-tree-hash: abc4; "
     "echo Syntax OK >&2", 1, "abc4"),
    ("yes AH00112: Warning | head -n 20000; echo AH00526: Syntax error >&2; "
     "exit 1", 0, "AH00526: Syntax error"),
])
def test_reload_check(keeper, monkeypatch, text, ok, message):
    monkeypatch.setenv("MARK", "1")
    if "env" in text:
        text = text.replace("env", "env | grep MARK")
    done = keeper.run([], reload_argv=script(keeper, text), reload_cwd="/usr")
    event, = done.of("reload-check")
    assert event["ok"] == ok and message in event["message"]
    assert "env" not in text or "/usr; MARK=1" in event["message"]
    assert done.seconds < 10
    assert not keeper.store.exists()


def test_reload_check_only_after_an_install(keeper):
    argv = script(keeper, "echo cforigin-tree-hash: abc")
    one = [item("a.example.com")]
    assert keeper.run(one, reload_argv=argv).of("reload-check")
    assert not keeper.run(one, reload_argv=argv).of("reload-check")


def test_a_signal_ends_the_reload_check(keeper):
    round_ = keeper.start([], reload_argv=script(
        keeper, f"echo $$ > {keeper.folder}/pid; exec sleep 60"))
    until(lambda: (keeper.folder / "pid").exists()
          and (keeper.folder / "pid").read_text(), "the check")
    pid = int((keeper.folder / "pid").read_text())
    round_.signal(signal.SIGTERM)
    assert round_.wait(2).code == 1
    assert not is_alive(pid)


# -- size ---------------------------------------------------------------------

def test_requests_in_flight_are_bounded(keeper, api):
    api.settings(latency=100)
    names = [f"n{n}.example.com" for n in range(20)]
    done = keeper.run([item(name) for name in names], max_concurrent=4)
    assert len(done.of("installed")) == 20
    assert api.counts()["most_in_flight"] == 4


def test_a_reader_that_sleeps_holds_up_nothing(keeper, api):
    names = [f"n{n}.example.com" for n in range(300)]
    round_ = keeper.start([item(name, account=-1) for name in names]
                          + [item("a.example.com")])
    until(lambda: keeper.has_generation("a.example.com"), "the certificate")
    done = round_.wait()
    assert len(done.of("failed")) == 300 and done.of("installed")
    assert len(done.logs("error")) < 10, "one sentence filled the log"
