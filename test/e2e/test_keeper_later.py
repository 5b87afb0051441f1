# SPDX-License-Identifier: Apache-2.0
"""What the keeper does with a certificate later on: look what is served,
revoke what was replaced, and mistrust a clock that is wrong."""

import datetime
import hashlib
import json
import os
import shutil
import socket
import ssl
import threading
import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from keeper_client import (api, api_process, item, keeper)

NAME = "a.example.com"
DAY = 86400


class Listener:
    """A TLS server that shows the pairs of these folders, and no more."""

    def __init__(self, *folders):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for folder in folders:
            self.context.load_cert_chain(folder / "cert.pem",
                                         folder / "key.pem")
        self.names = []
        self.context.sni_callback = \
            lambda sock, name, context: self.names.append(name)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            client.settimeout(5)
            try:
                with self.context.wrap_socket(client, server_side=True) as s:
                    s.recv(1)
            except OSError:
                pass

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # closed before
            pass
        self.socket.close()


@pytest.fixture
def listen():
    made = []

    def make(*folders):
        made.append(Listener(*folders))
        return made[-1]

    yield make
    for one in made:
        one.close()


def sha256(keeper, name=NAME, request_type="origin-ecc"):
    cert, _ = keeper.live(name, request_type)
    return hashlib.sha256(cert.public_bytes(Encoding.DER)).hexdigest()


def served(keeper, port, name=NAME, request_type="origin-ecc", **changes):
    line = {"line": "served", "name": name, "folder": name,
            "request_type": request_type, "address": "127.0.0.1",
            "port": port, "sni": name, "account": -1,
            "sha256": sha256(keeper, name, request_type)}
    line.update(changes)
    return line


def here(keeper, request_type="origin-ecc", name=NAME):
    return keeper.dir(name, request_type) / "current"


# -- what is served -----------------------------------------------------------

def test_what_is_served_is_told_without_a_token(keeper, api, listen):
    keeper.run([item(NAME)])
    calls = len(api.calls())
    keeper.accounts[0]["token_file"] = "/no/such/token"
    listener = listen(here(keeper))
    event, = keeper.run([served(keeper, listener.port)]).of("served")
    assert event["ok"] == 1 and event["sha256"] == sha256(keeper)
    assert listener.names == [NAME]
    other = keeper.run([served(keeper, listener.port, sha256="0" * 64)])
    event, = other.of("served")
    assert event["ok"] == 0 and event["sha256"] == sha256(keeper)
    assert str(listener.port) in event["message"]
    listener.close()
    event, = keeper.run([served(keeper, listener.port)]).of("served")
    assert event["ok"] == -1 and event["message"]
    assert len(api.calls()) == calls


def test_of_two_types_each_is_seen(keeper, listen):
    keeper.run([item(NAME), item(NAME, request_type="origin-rsa",
                                 first_type="origin-ecc")])
    listener = listen(here(keeper), here(keeper, "origin-rsa"))
    done = keeper.run([served(keeper, listener.port, request_type=t,
                              one_of_two=1)
                       for t in ("origin-ecc", "origin-rsa")])
    assert [e["ok"] for e in done.of("served")] == [1, 1]


def test_many_looks_at_once(keeper, listen):
    keeper.run([item(NAME)])
    listener = listen(here(keeper))
    done = keeper.run([served(keeper, listener.port) for _ in range(40)])
    assert [e["ok"] for e in done.of("served")] == [1] * 40


# -- what was replaced --------------------------------------------------------

def replace(keeper, days=2):
    """Another generation, and the live one is so old."""
    (keeper.dir(NAME) / "renew").touch()
    keeper.run([item(NAME)], revoke_superseded=1)
    age(keeper, days)


def age(keeper, days, name=NAME):
    meta = here(keeper, name=name) / "meta.json"
    state = json.loads(meta.read_text())
    state["installed"] = time.strftime(
        "%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * DAY))
    meta.write_text(json.dumps(state))


def generations(keeper):
    return sorted(int(path.name) for path in keeper.dir(NAME).iterdir()
                  if path.name.isdigit())


def revoke(keeper, port, **changes):
    changes = dict({"revoke": 1, "account": 0}, **changes)
    return keeper.run([served(keeper, port, **changes)], revoke_superseded=1)


def test_what_was_replaced_is_revoked(keeper, api, listen):
    keeper.run([item(NAME)])
    first = keeper.serial(NAME)
    replace(keeper)
    second = keeper.serial(NAME)
    replace(keeper)
    live = keeper.serial(NAME)
    assert generations(keeper) == [1, 2, 3]
    done = revoke(keeper, listen(here(keeper)).port)
    assert done.code == 0 and not done.logs("warning", "error")
    assert sorted(entry["serial"] for entry in api.revoked()) \
        == sorted([first, second])
    assert generations(keeper) == [3] and keeper.serial(NAME) == live
    lines = [line for line in keeper.journal() if line["event"] == "revoked"]
    assert sorted(line["serial"] for line in lines) == sorted([first, second])
    calls = len(api.calls())
    revoke(keeper, listen(here(keeper)).port)
    assert len(api.calls()) == calls  # the last one never


def test_one_that_is_revoked_already_counts_as_done(keeper, api, listen):
    keeper.run([item(NAME)])
    replace(keeper)
    api.faults({"match": {"op": "revoke"}, "do": {"preset": "1014"}})
    done = revoke(keeper, listen(here(keeper)).port)
    assert not done.logs("warning") and generations(keeper) == [2]


def test_a_refused_revocation_is_told_and_tried_later(keeper, api, listen):
    keeper.run([item(NAME)])
    replace(keeper)
    api.faults({"match": {"op": "revoke"}, "do": {"preset": "10000"}})
    done = revoke(keeper, listen(here(keeper)).port)
    assert "can't be revoked" in done.logs("warning")[0]
    assert generations(keeper) == [1, 2]
    assert "revoke-failed" in keeper.journal_words()


def test_one_that_is_refused_for_good_holds_up_no_other(keeper, api, listen):
    keeper.run([item(NAME)])
    first = keeper.serial(NAME)
    replace(keeper)
    second = keeper.serial(NAME)
    replace(keeper)
    api.faults({"match": {"op": "revoke", "serial": second},
                "do": {"error": {"code": 1101, "status": 404,
                                 "message": "no such certificate"}}})
    port = listen(here(keeper)).port
    done = revoke(keeper, port)
    assert len(done.logs("warning")) == 1
    assert [entry["serial"] for entry in api.revoked()] == [first]
    assert generations(keeper) == [2, 3]
    calls, lines = len(api.calls()), len(keeper.journal())
    assert not revoke(keeper, port).logs("warning")
    assert len(api.calls()) == calls and len(keeper.journal()) == lines
    yesterday = time.time() - DAY - 60
    os.utime(keeper.dir(NAME) / ".refused-2", (yesterday, yesterday))
    assert len(revoke(keeper, port).logs("warning")) == 1


def another_is_served(keeper, listen):
    return {"port": listen(keeper.dir(NAME) / "1").port}


def nothing_listens(keeper, listen):
    listener = listen(here(keeper))
    listener.close()
    return {"port": listener.port}


def replaced_today(keeper, listen):
    age(keeper, 0.9)
    return {}


def renewed_meanwhile(keeper, listen):
    return {"sha256": "0" * 64}


def taken_over(keeper, listen):
    meta = keeper.dir(NAME) / "1/meta.json"
    meta.write_text(json.dumps(dict(json.loads(meta.read_text()),
                                    adopted=True)))
    return {}


def of_another_account(keeper, listen):
    meta = keeper.dir(NAME) / "1/meta.json"
    meta.write_text(json.dumps(dict(json.loads(meta.read_text()),
                                    account="f" * 16)))
    return {}


def without_meta(keeper, listen):
    (keeper.dir(NAME) / "1/meta.json").unlink()
    return {}


def the_same_once_more(keeper, listen):
    for name in ("cert.pem", "key.pem"):
        shutil.copy(here(keeper) / name, keeper.dir(NAME) / "1" / name)
    return {}


@pytest.mark.parametrize("spoil", [
    another_is_served, nothing_listens, replaced_today, renewed_meanwhile,
    taken_over, of_another_account, without_meta, the_same_once_more])
def test_when_in_doubt_nothing_is_revoked(keeper, api, listen, spoil):
    keeper.run([item(NAME)])
    replace(keeper)
    changes = spoil(keeper, listen)
    port = changes.pop("port", None) or listen(here(keeper)).port
    done = revoke(keeper, port, **changes)
    assert done.code == 0 and not api.revoked() and not api.calls("revoke")
    assert generations(keeper) == [1, 2]


def test_nothing_is_pruned_that_is_to_be_revoked(keeper):
    keeper.run([item(NAME)])
    for _ in range(3):
        replace(keeper, 3)
    assert generations(keeper) == [1, 2, 3, 4]
    (keeper.dir(NAME) / "renew").touch()
    keeper.run([item(NAME)])
    assert generations(keeper) == [4, 5]


# -- the clock ----------------------------------------------------------------

def issue_old(keeper, api, days=6):
    """One of seven days that has been there for so long; the API's clock
    being wrong, its dates are not judged."""
    api.settings(clock_offset=-days * DAY)
    done = keeper.run([item(NAME, requested_validity=7)])
    assert done.names("installed") == [NAME], done.events
    assert abs(done.of("clock")[0]["offset"] / 1e6 + days * DAY) < 100
    api.settings(clock_offset=0)
    cert, _ = keeper.live(NAME)
    left = cert.not_valid_after - datetime.datetime.utcnow()
    assert abs(left.total_seconds() - (7 - days) * DAY) < 600
    age(keeper, days)


@pytest.mark.parametrize("days, reason", [(6, "renew-window"),
                                          (8, "expired")])
def test_a_right_clock_renews(keeper, api, days, reason):
    issue_old(keeper, api, days)
    asked = len(api.calls())
    done = keeper.run([item(NAME, requested_validity=7)])
    assert done.of("installed")[0]["reason"] == reason
    assert [call["op"] for call in api.calls()[asked:]] == ["get", "create"]
    assert abs(done.of("clock")[0]["offset"]) < 60 * 10**6


@pytest.mark.parametrize("days", [6, 8])
def test_a_wrong_clock_keeps_what_only_its_date_would_replace(
        keeper, api, days):
    issue_old(keeper, api, days)
    api.settings(clock_offset=-400)
    creates = len(api.creates())
    done = keeper.run([item(NAME, requested_validity=7)])
    assert done.names("kept") == [NAME] and not done.of("trying")
    assert len(api.creates()) == creates
    assert abs(done.of("clock")[0]["offset"] / 1e6 + 400) < 60
    api.settings(clock_offset=-200)
    assert keeper.run([item(NAME, requested_validity=7)]).of("installed")


def test_a_wrong_clock_keeps_nothing_else(keeper, api):
    keeper.run([item(NAME)])
    api.settings(clock_offset=20 * 365 * DAY)
    (keeper.dir(NAME) / "renew").touch()
    done = keeper.run([item(NAME), item("b.example.com")])
    assert done.names("installed") == [NAME, "b.example.com"]


def test_one_question_for_the_time_is_enough(keeper, api):
    names = [f"n{i}.example.com" for i in range(6)]
    api.settings(clock_offset=-6 * DAY)
    keeper.run([item(name, requested_validity=7) for name in names])
    for name in names:
        age(keeper, 6, name)
    api.settings(clock_offset=-3600)
    asked = len(api.calls())
    done = keeper.run([item(name, requested_validity=7) for name in names])
    assert done.names("kept") == names
    assert [call["op"] for call in api.calls()[asked:]] == ["get"]


def test_without_an_answer_the_clock_is_not_trusted(keeper, api):
    issue_old(keeper, api)
    api.faults({"match": {"op": "get"}, "do": {"close": "before"}})
    done = keeper.run([item(NAME, requested_validity=7)])
    assert done.failure()["kind"] == "transient"
    assert len(api.creates()) == 1


def test_an_answer_without_a_date_changes_nothing(keeper, api):
    issue_old(keeper, api)
    api.faults({"match": {"op": "any"}, "do": {"headers": {"Date": None}}})
    done = keeper.run([item(NAME, requested_validity=7)])
    assert done.of("installed") and not done.of("clock")
