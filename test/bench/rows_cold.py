# SPDX-License-Identifier: Apache-2.0
"""Starts with an empty store, each until a client has the last site's page;
plain mod_ssl's on the very pairs that came of it, until the same page."""

import json
import math
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import cloudflare
import httpd
import pairs
from figures import at_most, median, quartiles, row
from servers import Site, folder, names_of

sys.path.append(str(Path(cloudflare.__file__).resolve().parents[1]
                    / "originca"))

from front import Http2Front  # noqa: E402

LATENCY = 0.2
PACE = 16  # CFOriginMaxConcurrent


def has_nginx():
    return bool(shutil.which("nginx") or shutil.which("/usr/sbin/nginx"))


def stored(store):
    return len(list(Path(store).glob("certs/*/*/current")))


def await_all(site, store, count, seconds=300):
    """Until a client has the last site's page and every pair is stored. What
    a start did not wait for comes later and in any order: then every site is
    asked for."""
    took = site.await_served(site.names[-1], site.api.roots, seconds)
    if stored(store) >= count:
        return took
    end = time.monotonic() + seconds
    while stored(store) < count:
        if time.monotonic() > end:
            raise RuntimeError(site.log.read_text()[-2000:])
        time.sleep(0.05)
    return max(site.await_served(name, site.api.roots, seconds)
               for name in site.names)


def cold(api, count, lines=()):
    """Seconds of a cold start, and of plain mod_ssl's after it."""
    store, names = folder(), names_of(count)
    api.reset()  # a long ledger makes the test API slow
    with Site("cforigin", names, store, api,
              ["CFOriginStartupWait 60s", *lines]) as site:
        site.start()
        took = await_all(site, store, count)
    with Site("plain", names, store, api) as site:
        site.start()
        return took, site.await_served(names[-1], api.roots)


CREATE = """fail
url = "{url}/certificates"
header = "Authorization: Bearer {token}"
header = "Content-Type: application/json"
cacert = "{ca}"
data-binary = "@{body}"
output = "/dev/null"
"""


def bare(api, count, front=False):
    """Seconds that curl takes to ask for as many certificates over as many
    connections, or over one with HTTP/2: the test API's own part, and the
    start of one program."""
    root = folder()
    body = root / "body"
    body.write_text(json.dumps({
        "csr": pairs.request_text(pairs.new_key(), ["a.example.com"]),
        "hostnames": ["a.example.com"], "request_type": "origin-ecc",
        "requested_validity": 90}))
    config = root / "config"
    config.write_text("next\n".join([CREATE.format(
        url=api.url, token=api.token, ca=api.api_ca, body=body)] * count))
    began = time.monotonic()
    subprocess.run(["curl", "-sSZ", "--http2" if front
                    else "--parallel-immediate", "--parallel-max",
                    str(PACE), "-K", str(config)], check=True,
                   capture_output=True)
    return time.monotonic() - began


def arithmetic(plain, count):
    return plain + math.ceil(count / PACE) * LATENCY


def cold_starts(bench):
    with cloudflare.running("--latency", "200") as api:
        for count in bench.cold_sizes:
            bench.attempt(f"cold start of {count}", ecdsa, bench, api, count)
    if has_nginx():
        with cloudflare.running("--latency", "200", "--no-tls") as api, \
                Http2Front(api.server) as front:
            through = SimpleNamespace(
                url=front.url, token=api.token, api_ca=api.api_ca,
                roots=api.roots, reset=api.reset)
            for count in (25, 500):
                bench.attempt(f"cold start of {count} over HTTP/2", ecdsa,
                              bench, through, count, True)
    else:
        bench.add(row("cold start over HTTP/2", "no nginx"))
    with cloudflare.running("--latency", "200") as api:
        bench.attempt("cold starts, RSA", rsa, bench, api)


def ecdsa(bench, api, count, front=False):
    runs = bench.times(15 if count <= 25 else 5, 3 if count <= 25 else 1)
    took, plain, ratio, alone = [], [], [], []
    over = " over HTTP/2" if front else ""
    for number in range(runs):
        bench.say(f"cold start of {count}{over}, {number + 1}/{runs}")
        ours, theirs = cold(api, count)
        took.append(ours)
        plain.append(theirs)
        ratio.append(ours / arithmetic(theirs, count))
        if count <= 25 or number < 2:
            alone.append(bare(api, count, front))
    bench.raw.setdefault("cold", {})[f"{count}{over}"] = {
        "ours": took, "plain": plain, "curl": alone}
    if not front:
        bench.chart("cold", "cforigin", count, median(took))
        bench.chart("cold", "plain", count, median(plain))
    bench.add(at_most(
        f"cold start of {count}, ECDSA, API at 200 ms{over} ÷ (plain start + "
        "⌈n/16⌉ × 200 ms)", median(ratio), 1.15, "×",
        beside="curl for the calls, then a plain start "
        f"{median(alone) + median(plain):.2f} s",
        note=f"{quartiles(ratio)}; {median(took):.3f} s, plain start "
        f"{median(plain):.3f} s", runs=runs))


# -- RSA --------------------------------------------------------------------

def make_keys(keys):
    """Seconds of all cores for so many keys."""
    done = subprocess.run([str(httpd.BUILD / "rsa_rate"), str(keys)],
                          text=True, capture_output=True, check=True)
    return json.loads(done.stdout)["seconds"]


def rsa(bench, api):
    """How long a key takes differs by half from key to key, so the rate is
    one for all sizes, from many keys made between the starts."""
    found, keys, seconds = {}, 0, 0.0
    for count in bench.rsa_sizes:
        runs = bench.times(11 if count <= 25 else 5,
                           3 if count <= 25 else 1)
        for number in range(runs):
            bench.say(f"cold start of {count}, RSA, {number + 1}/{runs}")
            some = 100 if count > 25 or number % 5 == 0 else 0
            if some:
                seconds += make_keys(some)
                keys += some
            found.setdefault(count, []).append(
                cold(api, count, ["CFOriginRequestType origin-rsa"]))
    each = seconds / keys
    bench.raw["cold_rsa"] = {"seconds_a_key": each, "keys": keys, **{
        str(count): pairs_ for count, pairs_ in found.items()}}
    for count, both in found.items():
        ratio = [took / max(arithmetic(plain, count), each * count)
                 for took, plain in both]
        bench.add(at_most(
            f"cold start of {count}, RSA 2048, API at 200 ms ÷ max(that, key "
            "making on all cores)", median(ratio), 1.15, "×",
            note=f"{quartiles(ratio)}; {median(t for t, _ in both):.2f} s; "
            f"{count} keys alone {each * count:.2f} s, by the rate of {keys} "
            "made by a program between the starts (`openssl speed` of 3.0 "
            "times no key making)", runs=len(both)))


# -- packing ----------------------------------------------------------------

def packing(bench):
    count = bench.pack_size
    with cloudflare.running() as api:
        bench.say(f"{count} vhosts packed")
        store = folder()
        with Site("cforigin", names_of(count), store, api,
                  ["CFOriginStartupWait 60s", "CFOriginPack on"]) as site:
            site.start()
            took = await_all(site, store, -(-count // 200))
            calls = len(api.creates())
    bench.add(at_most(
        f"calls of {count} vhosts with CFOriginPack on", calls,
        -(-count // 200), beside=f"{count} without",
        note=f"cold start {took:.2f} s, API at 0 ms", runs=1, why="counted"))
