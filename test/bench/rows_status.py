# SPDX-License-Identifier: Apache-2.0
"""The status pages, the issuer alone, and a fleet in virtual time."""

import http.client
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cloudflare
import httpd
import pairs
from figures import at_most, median, paired, row
from rows_cold import has_nginx
from servers import Site, folder, names_of

sys.path.append(str(Path(cloudflare.__file__).resolve().parents[1]
                    / "originca"))

from front import Http2Front  # noqa: E402
from issuer_client import Issuer  # noqa: E402
from ports import free_port  # noqa: E402


# -- status pages -----------------------------------------------------------

def milliseconds(site, port, handler, queries, times):
    """Of each query's page, asked for one after the other by one client over
    plain HTTP; and its bytes."""
    site.lines += [f"Listen 127.0.0.1:{port}", '<Location "/status">',
                   f"SetHandler {handler}", "</Location>"]
    site.start()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    found = {}
    for query in queries:
        took = []
        for _ in range(times):
            began = time.perf_counter()
            client.request("GET", "/status" + query,
                           headers={"Host": "localhost"})
            body = client.getresponse().read()
            took.append((time.perf_counter() - began) * 1000)
        found[query] = median(took), len(body)
    return found


def status_pages(bench, store):
    """test/bench/status also looks at the workers' memory."""
    count = min(bench.sizes[-1], 4000)
    bounds = {"": 60, "?format=json": 30, "?format=metrics": 30}
    beside = ""
    if bench.has_md:
        bench.say(f"mod_md's status page at {count}")
        with Site("md", names_of(count), store) as site:
            took, size = milliseconds(site, free_port(), "md-status",
                                      [""], bench.times(5, 3))[""]
        bench.raw["md_status"] = took
        beside = f"mod_md's md-status {took:.0f} ms, {size} bytes"
    bench.say(f"status pages at {count}")
    runs = max(5, bench.times(31, 9))
    with Site("cforigin", names_of(count), store, bench.api) as site:
        found = milliseconds(site, free_port(), "cforigin-status",
                             bounds, runs)
    for query, most in bounds.items():
        took, size = found[query]
        bench.add(at_most(
            f"status page at {count} certificates, {query or 'HTML'}", took,
            most, "ms", beside=beside, note=f"{size} bytes", runs=runs))


# -- the issuer alone -------------------------------------------------------

def create_many(one, body, count):
    """Creates a second, at most 500 handed over at a time."""
    began, done = time.monotonic(), 0
    while done < count:
        some = min(500, count - done)
        ids = [one.put("create", **body) for _ in range(some)]
        bad = [a for a in one.answers(ids, 300) if not a["ok"]]
        if bad:
            raise RuntimeError(str(bad[0]))
        done += some
    return count / (time.monotonic() - began)


def h2load(front, api, data, count):
    text = subprocess.run(
        ["h2load", "-n", str(count), "-c1", "-m16", "-d", str(data), "-H",
         f"Authorization: Bearer {api.token}", "-H",
         "Content-Type: application/json", f"{front.url}/certificates"],
        text=True, capture_output=True, check=True).stdout
    if f"{count} succeeded" not in text:
        raise RuntimeError(text[-300:])
    return float(text.split("req/s")[0].split(",")[-1])


def issuer(bench):
    """A slice of the calls by the issuer, as many by h2load, by turns."""
    if not has_nginx():
        bench.add(row("issuer alone", "no nginx"))
        return
    runs, count = bench.times(5, 5), bench.issuer_calls
    some = count // runs
    body = {"csr": pairs.request_text(pairs.new_key(), ["a.example.com"]),
            "hostnames": ["a.example.com"], "request_type": "origin-ecc",
            "requested_validity": 90}
    ours, limit = [], []
    root = folder()
    with cloudflare.running("--no-tls") as api, \
            Http2Front(api.server) as front, \
            Issuer(root, api.token) as one:
        data = root / "body"
        data.write_text(json.dumps(body))
        one.setup(front.url, str(api.api_ca))
        for number in range(runs):
            bench.say(f"{some} creates by the issuer, {number + 1}/{runs}")
            api.reset()  # a long ledger makes the test API slow
            ours.append(create_many(one, body, some))
            if shutil.which("h2load"):
                api.reset()
                # nginx ends a connection after a thousand requests, and
                # h2load counts the rest as failed
                limit.append(h2load(front, api, data, min(some, 900)))
    bench.raw["issuer"] = {"ours": ours, "h2load": limit}
    bench.add(row(
        f"issuer, {some * runs} creates over HTTP/2 through nginx",
        round(median(ours)), "a second",
        beside="the test API's own limit with h2load: "
        f"{median(limit):.0f}" if limit else "",
        note=(f"{paired(ours, limit):.2f} × of it, " if limit else "")
        + f"in slices of {some}", runs=runs))


# -- the fleet --------------------------------------------------------------

def fleet_once(*options):
    done = subprocess.run([str(httpd.BUILD / "fleet"), *options], text=True,
                          capture_output=True, check=False)
    return json.loads(done.stdout)


def told(found):
    return (f"{found['calls']:,} calls, {found['refused']:,} of them refused, "
            f"at most {found['most_calls_in_a_second']:,} in a second by all "
            f"and {found['most_calls_in_a_second_of_a_server']} by one")


def fleet(bench):
    bench.raw["fleet"] = found = fleet_once()
    bench.raw["fleet_at_once"] = at_once = fleet_once("--at-once")
    exact = {"runs": 1, "why": "exact, in virtual time"}
    bench.add(at_most(
        "a fleet of 2,000 servers with 25 vhosts, one account, 1,200 "
        "requests / 5 min: time ÷ the limit's arithmetic", found["ratio"],
        1.1, "×", note=f"{found['seconds'] / 3600:.2f} h; "
        f"{found['issued']:,} of {found['wanted']:,} issued, half of the "
        f"servers complete after {found['median_server_done'] / 3600:.2f} h, "
        f"the last after {found['last_server_done'] / 3600:.2f} h; "
        f"{told(found)}", **exact))
    bench.add(at_most("calls of that fleet inside a Retry-After",
                      found["calls_inside_retry_after"], 0, **exact))
    bench.add(row(
        "the same fleet if each went on with all it has after a Retry-After",
        at_once["ratio"], "×", note=told(at_once), **exact))
