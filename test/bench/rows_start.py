# SPDX-License-Identifier: Apache-2.0
"""Starts and reloads with a good store, and the parent's memory."""

from figures import at_most, exponent, median, paired, quartiles, ratios
from servers import Site, memory, names_of

RELOADS = 2
AGAIN_MOST = 4000  # virtual hosts: a minute each above


def look_once(kind, count, store, api):
    """One start and two reloads of one kind; each key's values."""
    with Site("plain" if kind == "again" else kind, names_of(count), store,
              api) as site:
        wall, cpu = site.start()
        gaps, told, reload_cpu = zip(*(site.graceful_seen()
                                       for _ in range(RELOADS)))
        return {"start": [wall], "start_cpu": [cpu], "reload": gaps,
                "reload_told": told, "reload_cpu": reload_cpu,
                "memory": [memory(site.process.pid)]}


def runs_of(bench, kind, count):
    """The large ones take a minute each, and mod_md's lie far off."""
    runs = bench.times(21 if count <= 100 else 11 if count <= 1000 else 5,
                       5 if count <= 100 else 3)
    return min(runs, 5) if kind == "md" else runs


def steady(bench, store):
    """Interleaved: plain, ours, plain again, mod_md; then the other way
    round. How far two plain ones lie apart is what a ratio can't tell."""
    for count in bench.sizes:
        bench.attempt(f"start, {count} vhosts", steady_at, bench, store,
                      count)
    slopes(bench)
    growth(bench)


def steady_at(bench, store, count):
    kinds = ["plain", "cforigin"]
    if count <= AGAIN_MOST:
        kinds.append("again")
    if bench.has_md and count <= bench.md_most:
        kinds.append("md")
    found = {}
    for number in range(runs_of(bench, "plain", count)):
        for kind in kinds[::-1] if number % 2 else kinds:
            if number >= runs_of(bench, kind, count):
                continue
            bench.say(f"{count} vhosts, {kind}, {number + 1}")
            one = look_once(kind, count, store, bench.api)
            for key, values in one.items():
                found.setdefault((kind, key), []).extend(values)
    for (kind, key), values in found.items():
        bench.steady[count, kind, key] = values
        bench.raw.setdefault("steady", {})[f"{count} {kind} {key}"] = values
    compare(bench, count, "start, good store", "start")
    compare(bench, count, "graceful reload, good store (no TLS handshake "
            "possible)", "reload")
    bench.chart("steady", "plain", count, median(found["plain", "start"]))
    bench.chart("steady", "cforigin", count,
                median(found["cforigin", "start"]))
    if "md" in kinds:
        bench.chart("steady", "md", count, median(found["md", "start"]))


def compare(bench, count, what, key):
    def get(kind, more=""):
        return bench.steady.get((count, kind, key + more))
    wall = ratios(get("cforigin"), get("plain"))
    cpu = paired(get("cforigin", "_cpu"), get("plain", "_cpu"))
    each = RELOADS if get("plain", "_told") else 1
    beside = ""
    if get("md"):
        md = ratios(get("md"), get("plain"))
        beside = (f"mod_md {median(md):.2f} × ({median(get('md')):.3f} s, "
                  f"n={len(md) // each})")
    same = told = ""
    if get("again"):
        again = ratios(get("again"), get("plain"))
        same = (f"; a second plain one ÷ the first {median(again):.3f} × "
                f"({quartiles(again)})")
    if get("plain", "_told"):
        ratio = paired(get("cforigin", "_told"), get("plain", "_told"))
        told = f", until httpd says so {ratio:.3f} ×"
    bench.add(at_most(
        f"{what}, {count} vhosts: wall ÷ plain mod_ssl", median(wall), 1.03,
        "×", beside=beside,
        note=f"{quartiles(wall)}{same}; CPU {cpu:.3f} ×{told}; "
        f"{median(get('cforigin')):.3f} s, plain {median(get('plain')):.3f} s"
        + (f"; {RELOADS} reloads a run" if told else ""),
        runs=len(wall) // each))


# -- what grows -------------------------------------------------------------

def slopes(bench):
    """Bytes a vhost: from the smallest size, so that what does not grow
    drops out, to the largest that every kind has; and ours to the end."""
    sizes = {kind: sorted(n for n, k, key in bench.steady
                          if (k, key) == (kind, "memory"))
             for kind in ("plain", "cforigin", "md")}
    common = [n for n in sizes["plain"] if n in sizes["cforigin"]]
    with_md = [n for n in common if n in sizes["md"]]
    for many in dict.fromkeys(s[-1] for s in (with_md, common) if len(s) > 1):
        memory_a_vhost(bench, common[0], many, many in with_md)


def memory_a_vhost(bench, few, many, has_md):
    def each(kind):
        low, high = (median(bench.steady[n, kind, "memory"])
                     for n in (few, many))
        return (high - low) / (many - few) / 1024
    plain, ours = each("plain"), each("cforigin")
    runs = len(bench.steady[many, "cforigin", "memory"])
    bench.add(at_most(
        f"parent's memory a vhost above plain mod_ssl, from {few} to {many} "
        "vhosts", ours - plain, 2, "KiB",
        beside=f"mod_md {each('md') - plain:.1f} KiB" if has_md else "",
        note=f"{ours:.1f} KiB, plain {plain:.1f} KiB; after {RELOADS} "
        "reloads", runs=runs))


def growth(bench):
    sizes = sorted(n for n, kind, key in bench.steady
                   if (kind, key) == ("cforigin", "memory"))
    if len(sizes) < 3:
        return

    def of(kind, key):
        return exponent([(n, median(bench.steady[n, kind, key]))
                         for n in sizes])
    for what, key in (("time of a start", "start"),
                      ("time of a reload", "reload"), ("memory", "memory")):
        cpu = f"; CPU time {of('cforigin', key + '_cpu'):.3f}" \
            if key != "memory" else ""
        bench.add(at_most(
            f"growth of {what}, exponent, {sizes[0]} to {sizes[-1]} vhosts",
            of("cforigin", key), 1.05,
            note=f"plain mod_ssl {of('plain', key):.3f}{cpu}; fitted to the "
            "medians above"))
