# SPDX-License-Identifier: Apache-2.0
"""Starts and reloads with a good store, memory, system calls, requests."""

import math
import re
import shutil
import statistics
import subprocess
import time

from servers import Site, memory, names_of

median = statistics.median


def row(what, value, unit="", goal=None, within=None, beside="", note=""):
    """One line of the table. within: None when there is no goal."""
    return {"what": what, "value": value, "unit": unit, "goal": goal,
            "within": within, "beside": beside, "note": note}


def at_most(what, value, most, unit="", beside="", note=""):
    return row(what, round(value, 3), unit, f"≤ {most:g}", value <= most,
               beside, note)


def at_least(what, value, least, unit="", beside="", note=""):
    return row(what, round(value, 3), unit, f"≥ {least:g}", value >= least,
               beside, note)


def look_once(kind, count, store, api):
    """One start and two reloads of one kind."""
    with Site(kind, names_of(count), store, api) as site:
        start = site.start()
        reloads = [site.graceful(), site.graceful()]
        return {"start": start[0], "start_cpu": start[1],
                "reload": min(r[0] for r in reloads),
                "reload_cpu": min(r[1] for r in reloads),
                "memory": memory(site.process.pid)}


def steady(bench, store):
    """Interleaved: plain, ours, mod_md; then again."""
    found = {}
    for count in bench.sizes:
        runs = bench.runs if count <= 1000 else max(1, bench.runs - 2)
        kinds = [k for k in ("plain", "cforigin", "md")
                 if k != "md" or (bench.has_md and count <= bench.md_most)]
        for number in range(runs):
            for kind in kinds:
                bench.say(f"{count} vhosts, {kind}, {number + 1}/{runs}")
                one = look_once(kind, count, store, bench.api)
                for key, value in one.items():
                    found.setdefault((count, kind, key), []).append(value)
    bench.steady = {key: median(values) for key, values in found.items()}
    bench.raw["steady"] = {" ".join(map(str, key)): values
                           for key, values in found.items()}
    for count in bench.sizes:
        for what, key in (("start", "start"), ("graceful reload", "reload")):
            bench.add(compare(bench, count, what, key))
    slope(bench)
    growth(bench)


def compare(bench, count, what, key):
    get = lambda kind, k: bench.steady.get((count, kind, k))  # noqa: E731
    cpu = get("cforigin", key + "_cpu") / get("plain", key + "_cpu")
    wall = get("cforigin", key) / get("plain", key)
    beside = ""
    if get("md", key):
        beside = (f"mod_md {get('md', key + '_cpu') / get('plain', key + '_cpu'):.2f} × "
                  f"({get('md', key):.2f} s)")
    return at_most(
        f"{what}, good store, {count} vhosts: CPU time ÷ plain mod_ssl", cpu,
        1.03, "×", beside,
        f"wall {wall:.2f} ×: {get('cforigin', key):.3f} s, "
        f"plain {get('plain', key):.3f} s")


def slope(bench):
    """Bytes a vhost: between the smallest and the largest size, so that what
    does not grow drops out."""
    few, many = bench.sizes[0], bench.sizes[-1]

    def each(kind):
        low = bench.steady.get((few, kind, "memory"))
        high = bench.steady.get((many, kind, "memory"))
        return (high - low) / (many - few) / 1024 if low and high else None
    if few == many:
        return
    plain, ours, md = each("plain"), each("cforigin"), each("md")
    bench.add(at_most(
        "parent's memory a vhost above plain mod_ssl", ours - plain, 2, "KiB",
        f"mod_md {md - plain:.1f} KiB" if md else "",
        f"{ours:.1f} KiB, plain {plain:.1f} KiB; after two reloads, "
        f"from {few} to {many} vhosts"))


def exponent(points):
    """Of y = a x^b, by least squares on the logarithms."""
    xs = [math.log(x) for x, _ in points]
    ys = [math.log(y) for _, y in points]
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    return (sum((x - mx) * (y - my) for x, y in zip(xs, ys))
            / sum((x - mx) ** 2 for x in xs))


def growth(bench):
    if len(bench.sizes) < 3:
        return
    for what, key in (("CPU time of a start", "start_cpu"),
                      ("CPU time of a reload", "reload_cpu"),
                      ("memory", "memory")):
        def of(kind):
            return exponent([(n, bench.steady[n, kind, key])
                             for n in bench.sizes])
        bench.add(at_most(
            f"growth of {what}, exponent, {bench.sizes[0]} to "
            f"{bench.sizes[-1]} vhosts", of("cforigin"), 1.05, "",
            f"plain mod_ssl {of('plain'):.3f}"))


# -- system calls -----------------------------------------------------------

COUNTED = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$")


def strace_counts(text):
    found = {}
    for line in text.splitlines():
        match = COUNTED.match(line)
        if match and match.group(2) != "total":
            found[match.group(2)] = int(match.group(1))
    return found


def calls_of_start(bench, kind, count, store):
    with Site(kind, names_of(count), store, bench.api) as site:
        out = site.root / "strace"
        site.start(before=["strace", "-c", "-o", str(out)])
        tracer = site.process
        subprocess.run(["kill", "-TERM", site.pid_file.read_text().strip()],
                       check=True)
        tracer.wait(30)
        return strace_counts(out.read_text())


def system_calls(bench, store):
    """Of the parent, at a start with a good store; a vhost, so that what
    does not grow drops out."""
    if not shutil.which("strace"):
        bench.add(row("system calls a vhost at a start", "no strace"))
        return
    few, many = bench.sizes[0], min(bench.sizes[-1], 500)
    if many == few:
        few //= 2
    each = {}
    for kind in ("plain", "cforigin"):
        low, high = (calls_of_start(bench, kind, n, store)
                     for n in (few, many))
        each[kind] = {name: (high[name] - low.get(name, 0)) / (many - few)
                      for name in high}
    interesting = {name: (round(each["cforigin"].get(name, 0), 1),
                          round(each["plain"].get(name, 0), 1))
                   for name in sorted(set(each["plain"]) | set(
                       each["cforigin"]))
                   if round(abs(each["cforigin"].get(name, 0)
                                - each["plain"].get(name, 0)), 1) >= 0.5}
    bench.raw["system_calls"] = each
    bench.add(row(
        "system calls a vhost at a start (both passes), ours and plain",
        f"{sum(each['cforigin'].values()):.0f} and "
        f"{sum(each['plain'].values()):.0f}", "", None, None, "",
        "ours/plain: " + ", ".join(f"{name} {a:g}/{b:g}"
                                   for name, (a, b) in interesting.items())))


# -- requests ---------------------------------------------------------------

RATE = re.compile(r"Requests/sec:\s+([\d.]+)")


def wrk(site, name, seconds, close):
    argv = ["wrk", "-t1", "-c16", f"-d{seconds}s", "-H", f"Host: {name}"]
    if close:
        argv += ["-H", "Connection: close"]
    done = subprocess.run([*argv, f"https://127.0.0.1:{site.port}/index.html"],
                          text=True, capture_output=True, check=True)
    if "Non-2xx" in done.stdout:
        raise RuntimeError(f"not what was asked for: {done.stdout}")
    return float(RATE.search(done.stdout).group(1))


def requests(bench, store):
    if not shutil.which("wrk"):
        bench.add(row("requests a second", "no wrk"))
        return
    names = names_of(25)
    rates = {}
    for number in range(bench.runs):
        # Two servers of the very same kind differ by some per cent for as
        # long as they live, so each run has new ones.
        with Site("plain", names, store, bench.api) as plain, \
                Site("cforigin", names, store, bench.api) as ours:
            pair = [("plain", plain), ("cforigin", ours)]
            for kind, site in pair if number % 2 else pair[::-1]:
                site.start()
            time.sleep(0.5)
            for kind, site in pair if number % 2 else pair[::-1]:
                for close in (False, True):
                    rates.setdefault((kind, close), []).append(
                        # an address has no SNI: the first vhost answers
                        wrk(site, names[0], bench.seconds, close))
    for close in (False, True):
        ours, plain = (median(rates[k, close]) for k in ("cforigin", "plain"))
        bench.add(at_least(
            "requests a second over TLS, "
            + ("a connection each" if close else "kept alive")
            + " ÷ without the module", ours / plain, 0.99, "×", "",
            f"{ours:.0f} and {plain:.0f} a second, medians of {bench.runs}"))
    bench.raw["requests"] = {f"{k} {'close' if c else 'keep'}": v
                             for (k, c), v in rates.items()}
