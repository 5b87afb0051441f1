# SPDX-License-Identifier: Apache-2.0
"""The keeper and its issuer where the API can't be reached, hangs, or has
more to say than anybody wants to hear."""

import hurry
from keeper_client import api, api_process, fake_issuer, item, keeper


def test_an_api_that_cant_be_reached_loses_nothing(keeper, api, monkeypatch):
    """No byte left the machine: the next round simply asks."""
    items = [item(f"n{n}.example.com") for n in range(20)]
    with monkeypatch.context() as patched, hurry.nowhere() as url:
        hurry.hurry(patched)
        done = keeper.run(items, libexec=hurry.issuer(keeper), api=url)
    assert len(done.of("failed")) == 20
    errors = [event["attempt"]["last_error"] for event in done.of("failed")]
    assert {error["kind"] for error in errors} == {"transient"}
    message, = {error["message"] for error in errors}
    assert hurry.TIMED_OUT.search(message)
    assert "lost" not in keeper.journal_words()
    assert sum(e["calls"] for e in done.of("calls")) == 3
    keeper.run(items)
    assert api.counts()["create"] == 20 == api.counts()["calls"]


def test_a_list_that_cant_be_taken_holds_up_nothing(keeper, api):
    api.faults({"match": {"op": "create", "nth": 1}, "do": {"close": "after"}},
               {"match": {"op": "list"},
                "do": {"body": {"name": "huge", "mb": 16}}})
    done = keeper.run([item("a.example.com")])
    assert done.of("installed"), done.events
    first, second = api.creates()
    assert first["body"]["csr"] == second["body"]["csr"]
    assert any("can't look whether it was issued" in line and "larger" in line
               for line in done.logs("warning"))


def test_a_list_of_many_pages_is_waited_for(keeper, monkeypatch):
    """Six pages of half a minute each; by the keeper's clock, of a second."""
    libexec = fake_issuer(keeper, """
import json, sys, time
def tell(**line):
    print(json.dumps(line), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if asked["op"] == "create":
        tell(id=asked["id"], ok=False, kind="transient", lost=1, message="m")
    elif asked["op"] == "zone":
        tell(id=asked["id"], ok=True, zone="example.com", zone_id="z")
    elif asked["op"] == "list":
        for page in range(1, 7):
            time.sleep(1)
            tell(id=asked["id"], page=page)
        tell(id=asked["id"], ok=False, kind="transient", message="the end")
""")
    hurry.hurry(monkeypatch)
    done = keeper.run([item("a.example.com")], libexec=libexec)
    assert done.failure()["message"] == "the end"
    assert done.seconds > 5
