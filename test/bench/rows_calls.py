# SPDX-License-Identifier: Apache-2.0
"""What is counted, not timed, so that a busy machine changes nothing of it:
system calls, files opened, instructions, writes."""

import math
import re
import shutil
from collections import Counter

import cloudflare
from figures import at_most, row
from servers import Site, folder, names_of

COUNT = {"runs": 1, "why": "counted"}


def start_under(bench, kind, count, store, tracer):
    """A start below a tracer that writes to one file; its text."""
    with Site(kind, names_of(count), store, bench.api) as site:
        out = site.root / "traced"
        site.start(before=[*tracer, "-o", str(out)])
        site.stop_traced()
        return out.read_text()


# -- system calls -----------------------------------------------------------

COUNTED = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$")


def strace_counts(text):
    found = {}
    for line in text.splitlines():
        match = COUNTED.match(line)
        if match and match.group(2) != "total":
            found[match.group(2)] = int(match.group(1))
    return found


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
        bench.say(f"system calls of a start, {kind}")
        low, high = (strace_counts(start_under(bench, kind, n, store,
                                               ["strace", "-c"]))
                     for n in (few, many))
        each[kind] = {name: (high[name] - low.get(name, 0)) / (many - few)
                      for name in high}
    ours, plain = each["cforigin"], each["plain"]
    other = [f"{name} {ours.get(name, 0):.1f}/{plain.get(name, 0):.1f}"
             for name in sorted(set(ours) | set(plain))
             if round(abs(ours.get(name, 0) - plain.get(name, 0)), 1) >= 0.5]
    bench.raw["system_calls"] = each
    bench.add(row(
        "system calls a vhost at a start (both passes), ours and plain",
        f"{sum(ours.values()):.0f} and {sum(plain.values()):.0f}",
        note="ours/plain: " + ", ".join(other), **COUNT))
    opened(bench, store)


OPENED = re.compile(r'open(?:at)?\((?:[^<"]*<([^>]*)>, )?"([^"]*)".* = \d')
OF_A_PAIR = ("cert.pem", "key.pem", "meta.json")


def opens_of(text):
    """How often each file of each certificate was opened."""
    found = Counter()
    for below, path in OPENED.findall(text):
        parts = f"{below}/{path}".split("/")
        if parts[-1] in OF_A_PAIR and "certs" in parts:
            found[parts[parts.index("certs") + 1], parts[-1]] += 1
    return found


def opened(bench, store):
    """The module opens each file of a certificate once; mod_ssl does with
    what it is handed what it does with any pair."""
    count = min(bench.sizes[0], 100)
    ours, plain = (opens_of(start_under(
        bench, kind, count, store,
        ["strace", "-y", "-e", "trace=open,openat"]))
        for kind in ("cforigin", "plain"))
    names = names_of(count)
    more = {file: {ours[name, file] - plain[name, file] for name in names}
            for file in OF_A_PAIR}
    each = ", ".join(
        f"{file} {sum(ours[n, file] for n in names) / count:g}/"
        f"{sum(plain[n, file] for n in names) / count:g}"
        for file in OF_A_PAIR)
    bench.raw["opened"] = {file: sorted(found)
                           for file, found in more.items()}
    bench.add(at_most(
        "a start's opens of each certificate's cert.pem, key.pem, meta.json "
        "above plain mod_ssl's, the most of any", max(max(found) for found in
                                                      more.values()), 1,
        note=f"a certificate, both passes, ours/plain: {each}; {count} "
        "certificates", **COUNT))


# -- instructions -----------------------------------------------------------

DUMPED = re.compile(r"^totals: (\d+)", re.M)


def callgrind(folder, *options):
    return ["valgrind", "-q", "--vgdb=no", "--tool=callgrind",
            f"--callgrind-out-file={folder}/out.%p", *options]


def instructions_in(dump):
    return int(DUMPED.search(dump.read_text()).group(1))


def instructions_of(bench, kind, count, store):
    """The parent's own: of a start, from the program's first to the MPM's
    begin, and of a reload, from there to the next begin."""
    bench.say(f"instructions of a start and a reload of {count}, {kind}")
    with Site(kind, names_of(count), store, bench.api) as site:
        site.start(600, callgrind(site.root, "--dump-before=ap_run_mpm"))
        out = site.root / f"out.{site.process.pid}"
        site.graceful(600)
        site.stop()
        return {"start": instructions_in(out.with_suffix(out.suffix + ".1")),
                "reload": instructions_in(out.with_suffix(out.suffix + ".2"))}


def instructions(bench, store):
    if not shutil.which("valgrind"):
        bench.add(row("instructions of a start", "no valgrind"))
        return
    few, many = bench.counted
    found = {kind: [instructions_of(bench, kind, n, store)
                    for n in (few, many)] for kind in ("plain", "cforigin")}
    bench.raw["instructions_start"] = {"sizes": [few, many], **found}
    for what, passes in (("start", "both passes"), ("reload", "its pass")):
        ours, plain = ((found[kind][1][what] - found[kind][0][what])
                       / (many - few) for kind in ("cforigin", "plain"))
        whole = found["cforigin"][1][what] / found["plain"][1][what]
        bench.add(at_most(
            f"instructions of a {what} with a good store, a vhost ÷ plain "
            "mod_ssl", ours / plain, 1.03, "×",
            note=f"{ours / 1e6:.2f} and {plain / 1e6:.2f} million a vhost, "
            f"{passes}, in user space, between {few} and {many} vhosts; of "
            f"{many} as a whole {whole:.3f} ×", **COUNT))


# -- writes -----------------------------------------------------------------

WRITES = ("write", "pwrite64", "fsync", "fdatasync", "rename", "renameat",
          "renameat2", "mkdir", "unlink", "unlinkat", "symlink")
ROUNDS = (20, 60, 180)  # each three times the one before


def round_writes(count):
    """Of a cold start, all processes."""
    with cloudflare.running() as api, \
            Site("cforigin", names_of(count), folder(), api,
                 ["CFOriginStartupWait 60s"]) as site:
        out = site.root / "strace"
        site.start(before=["strace", "-f", "-c", "-e",
                           "trace=" + ",".join(WRITES), "-o", str(out)])
        site.stop_traced()
        return strace_counts(out.read_text())


def disk(bench):
    """With y = a + b n^k and sizes that grow by the same factor, the
    differences alone tell k: what a round costs anyway drops out."""
    if not shutil.which("strace"):
        bench.add(row("calls that write, a certificate", "no strace"))
        return
    bench.say("writes of a round")
    found = [round_writes(count) for count in ROUNDS]
    few, some, many = (sum(one.values()) for one in found)
    k = math.log((many - some) / (some - few)) / math.log(ROUNDS[2]
                                                          / ROUNDS[1])
    bench.raw["disk"] = dict(zip(map(str, ROUNDS), found))
    each = {name: (found[2][name] - found[1].get(name, 0))
            / (ROUNDS[2] - ROUNDS[1]) for name in found[2]}
    bench.add(at_most(
        "calls that write in a round of n certificates, exponent of n", k,
        1.05, note=f"{few}, {some}, {many} calls for "
        f"{', '.join(map(str, ROUNDS))}", **COUNT))
    bench.add(row(
        "calls that write, a certificate (all processes)",
        f"{sum(each.values()):.0f}",
        note=f"{(some - few) / (ROUNDS[1] - ROUNDS[0]):.1f} from {ROUNDS[0]} "
        f"to {ROUNDS[1]}, {(many - some) / (ROUNDS[2] - ROUNDS[1]):.1f} to "
        f"{ROUNDS[2]}; " + ", ".join(f"{name} {n:.1f}" for name, n in
                                     each.items() if n >= 0.05), **COUNT))
