# SPDX-License-Identifier: Apache-2.0
"""Requests on a served vhost: a second, and instructions each."""

import http.client
import re
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack

import httpd
import tls
from figures import at_least, median, quartiles, ratios, row
from rows_calls import COUNT, callgrind, instructions_in
from servers import Site, names_of

RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
WAYS = {False: "kept alive", True: "a connection each"}
VHOSTS = 25
FEW_THREADS = ["ThreadsPerChild 4", "MaxRequestWorkers 16"]


def wrk(site, name, seconds, close):
    argv = ["wrk", "-t1", "-c16", f"-d{seconds}s", "-H", f"Host: {name}"]
    if close:
        argv += ["-H", "Connection: close"]
    done = subprocess.run([*argv, f"https://127.0.0.1:{site.port}/index.html"],
                          text=True, capture_output=True, check=True)
    if "Non-2xx" in done.stdout:
        raise RuntimeError(f"not what was asked for: {done.stdout}")
    return float(RATE.search(done.stdout).group(1))


def rates_once(bench, store, number):
    """Two servers of the very same kind differ by some per cent for as long
    as they live, so each run has new ones; and a second plain one, to show
    how far two of the same are apart."""
    names = names_of(VHOSTS)
    turn = number % 3
    kinds = ["plain", "cforigin", "again"]
    found = {}
    with ExitStack() as stack:
        sites = {kind: stack.enter_context(Site(
            "plain" if kind == "again" else kind, names, store, bench.api))
            for kind in kinds}
        for kind in kinds[turn:] + kinds[:turn]:
            sites[kind].start()
        time.sleep(0.5)
        for close in WAYS:
            for kind in kinds[turn:] + kinds[:turn]:
                # an address has no SNI: the first vhost answers
                found[kind, close] = wrk(sites[kind], names[0],
                                         bench.seconds, close)
    return found


def requests(bench, store):
    if not shutil.which("wrk"):
        bench.add(row("requests a second", "no wrk"))
        return
    runs = bench.times(21, 6)
    rates = {}
    for number in range(runs):
        bench.say(f"requests a second, {number + 1}/{runs}")
        for key, rate in rates_once(bench, store, number).items():
            rates.setdefault(key, []).append(rate)
    bench.raw["requests"] = {f"{k} {WAYS[c]}": v
                             for (k, c), v in rates.items()}
    for close, way in WAYS.items():
        ours, plain, again = (rates[k, close] for k in ("cforigin", "plain",
                                                        "again"))
        each, same = ratios(ours, plain), ratios(again, plain)
        bench.add(at_least(
            f"requests a second over TLS, {way} ÷ without the module",
            median(each), 0.99, "×", note=f"{quartiles(each)}; a second "
            f"server without it ÷ the first {median(same):.3f} × "
            f"({quartiles(same)}); {median(ours):.0f} and "
            f"{median(plain):.0f} a second", runs=runs))


# -- instructions -----------------------------------------------------------

def ask(site, name, kept, closed):
    """One after the other: on one connection, and with one each."""
    trust = tls.context(None, verify=False)

    def connection():
        conn = http.client.HTTPSConnection("127.0.0.1", site.port, timeout=60)
        conn.sock = trust.wrap_socket(
            socket.create_connection(("127.0.0.1", site.port), timeout=60),
            server_hostname=name)
        return conn

    def get(conn, **headers):
        conn.request("GET", "/index.html", headers={"Host": name, **headers})
        answer = conn.getresponse()
        if answer.status != 200 or not answer.read():
            raise RuntimeError(f"{name}: {answer.status}")
    conn = connection()
    for _ in range(kept):
        get(conn)
    conn.close()
    for _ in range(closed):
        conn = connection()
        get(conn, Connection="close")
        conn.close()


def instructions_of(bench, store, kind, kept, closed):
    """Of a server that is one process, from its begin to its end."""
    names = names_of(5)
    # Each thread has a random generator to seed: few, so that all have done
    # it each time; not one, since a server without an idle thread closes
    # what is kept alive.
    with Site(kind, names, store, bench.api, FEW_THREADS) as site:
        site.start(300, callgrind(site.root), mode="-X")
        ask(site, names[0], kept, closed)
        out = site.root / f"out.{site.process.pid}"
        if httpd.whom():  # root made the file, the user writes it
            shutil.chown(out, *httpd.whom())
        site.stop()
        return instructions_in(out)


def instructions(bench, store):
    """More of one kind of request less fewer of them, so that start and end
    drop out."""
    if not shutil.which("valgrind"):
        bench.add(row("instructions a request", "no valgrind"))
        return
    few, kept, closed = 40, 1040, 140
    each = {}
    for kind in ("plain", "cforigin"):
        bench.say(f"instructions a request, {kind}")
        base, more_kept, more_closed = (
            instructions_of(bench, store, kind, *asked)
            for asked in ((few, few), (kept, few), (few, closed)))
        each[kind] = {False: (more_kept - base) / (kept - few),
                      True: (more_closed - base) / (closed - few)}
    bench.raw["instructions_request"] = {
        kind: {WAYS[close]: n for close, n in found.items()}
        for kind, found in each.items()}
    for close, way in WAYS.items():
        ours, plain = each["cforigin"][close], each["plain"][close]
        bench.add(at_least(
            f"instructions a request over TLS, {way}: without the module ÷ "
            "with it", plain / ours, 0.99, "×",
            note=f"{ours / 1000:.1f} and {plain / 1000:.1f} thousand, in user "
            f"space, over {(closed if close else kept) - few} requests",
            **COUNT))
