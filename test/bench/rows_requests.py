# SPDX-License-Identifier: Apache-2.0
"""Requests a second on a served vhost."""

import re
import shutil
import subprocess
import time
from contextlib import ExitStack

from figures import at_least, median, quartiles, ratios, row
from servers import Site, names_of

RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
WAYS = {False: "kept alive", True: "a connection each"}
VHOSTS = 25


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
