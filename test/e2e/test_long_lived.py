# SPDX-License-Identifier: Apache-2.0
"""An issuer lives as long as its round: with thousands of certificates that
is thousands of calls. It is as large at their end as at their begin."""

import os

import pytest

import issuer_client
import pairs
import procs

CALLS = 1000
# The allocator takes some hundred calls to have all that it ever needs, here
# and there a page later. A sanitizer keeps what was freed for a while.
KIB = 256 if not os.environ.get("CFORIGIN_PRELOAD") else 300000


@pytest.fixture
def issuer(cloudflare, tmp_path):
    with issuer_client.Issuer(tmp_path, cloudflare.token + "\n") as program:
        yield program.setup(cloudflare.url, cloudflare.api_ca)


def ten(issuer, zone, csr):
    """Ten calls, five at once, of which three fail; the last can not be
    answered before all of them are."""
    wanted = {"csr": csr, "request_type": "origin-ecc",
              "requested_validity": 7}
    ids = [issuer.put("create", hostnames=[name], **wanted) for name in
           ("a.example.com", "b.example.com", "refused.example.com",
            "c.example.com", "hangup.example.com")]
    made, *_, refused, _, cut = issuer.answers(ids)
    assert made["ok"] and refused["code"] == 1010 and cut["lost"] == 1
    serial = made["serial"]
    assert issuer.ask("get", serial=serial)["ok"]
    assert issuer.ask("revoke", serial=serial)["ok"]
    assert not issuer.ask("revoke", serial="1")["ok"]
    assert issuer.ask("list", zone_id=zone)["ok"]
    assert issuer.ask("zone", hostname="a.example.org")["ok"]


def size(issuer):
    """KiB, and descriptors, as far as we may see them."""
    process = procs.Process(issuer.pid)
    return int(process.status["VmRSS"].split()[0]), \
        len(process.descriptors()) if os.geteuid() == 0 else 0


def test_a_thousand_calls_leave_the_issuer_as_large_as_it_was(
        issuer, cloudflare):
    cloudflare.refuse("refused.example.com", 400, 1010, "no")
    cloudflare.fault({"op": "create", "hostname": "hangup.example.com"},
                     {"close": "after"})
    zone = cloudflare.server.zones["example.org"]
    csr = pairs.request_text(pairs.new_key(), ["a.example.com"])
    for _ in range(CALLS // 20):
        ten(issuer, zone, csr)
    first = size(issuer)
    for _ in range(CALLS // 10):
        ten(issuer, zone, csr)
    last = size(issuer)
    assert last[1] <= first[1] and last[0] <= first[0] + KIB, (first, last)
    assert len(cloudflare.calls()) >= CALLS * 12 // 10
