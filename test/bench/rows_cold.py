# SPDX-License-Identifier: Apache-2.0
"""Starts with an empty store, beside other ways to get there."""

import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cloudflare
import httpd
import pairs
import tls
from pebble import Pebble
from rows_start import at_least, at_most, row, strace_counts
from servers import Site, names_of

median = statistics.median
BESIDE = Path(__file__).resolve().parent


def await_all(site, store, count, seconds=300):
    """Until the last pair is stored; then the last site is asked for by a
    client that verifies."""
    end = time.monotonic() + seconds
    last = site.names[-1]
    while True:
        try:
            tls.fetch(site.port, last, roots=site.api.roots)
            if len(list(Path(store).glob("certs/*/*/current"))) >= count:
                return
        except OSError:
            pass
        if time.monotonic() > end:
            raise RuntimeError(site.log.read_text()[-2000:])
        time.sleep(0.05)


def cold(api, count, lines=()):
    """Seconds from the start to the last site served, and those of plain
    mod_ssl on the very pairs that came of it."""
    store = tempfile.mkdtemp(prefix="cforigin-bench-store-")
    names = names_of(count)
    try:
        with Site("cforigin", names, store, api,
                  ["CFOriginStartupWait 60s", *lines]) as site:
            began = time.monotonic()
            site.start()
            await_all(site, store, count)
            took = time.monotonic() - began
        with Site("plain", names, store, api) as site:
            return took, site.start()[0]
    finally:
        shutil.rmtree(store, ignore_errors=True)


CREATE = """fail
url = "{url}/certificates"
header = "Authorization: Bearer {token}"
header = "Content-Type: application/json"
cacert = "{ca}"
data-binary = "@{body}"
output = "/dev/null"
"""


def bare(api, count):
    """Seconds that curl takes to ask for as many certificates over as many
    connections: the test API's own part, and the start of one program."""
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "body"
        body.write_text(json.dumps({
            "csr": pairs.request_text(pairs.new_key(), ["a.example.com"]),
            "hostnames": ["a.example.com"], "request_type": "origin-ecc",
            "requested_validity": 90}))
        config = Path(folder) / "config"
        config.write_text("next\n".join([CREATE.format(
            url=api.url, token=api.token, ca=api.api_ca, body=body)] * count))
        began = time.monotonic()
        subprocess.run(["curl", "-sSZ", "--parallel-immediate",
                        "--parallel-max", "16", "-K", str(config)],
                       check=True, capture_output=True)
        return time.monotonic() - began


def key_seconds():
    """Seconds to make one RSA 2048 key on all cores, by OpenSSL's own
    program: as many at a time as there are cores."""
    cores, each = os.cpu_count() or 1, 12
    loop = (f"for i in $(seq {each}); do openssl genpkey -algorithm RSA "
            "-pkeyopt rsa_keygen_bits:2048 -out /dev/null 2>/dev/null; done")
    began = time.monotonic()
    running = [subprocess.Popen(["sh", "-c", loop]) for _ in range(cores)]
    for one in running:
        one.wait()
    return (time.monotonic() - began) / (each * cores)


def cold_starts(bench):
    with cloudflare.running("--latency", "200") as api:
        for count in bench.cold_sizes:
            runs = bench.runs if count <= 25 else 1
            bench.say(f"cold start of {count}, API at 200 ms")
            took, plain, alone = (median(seconds) for seconds in zip(*(
                (*cold(api, count), bare(api, count))
                for _ in range(runs))))
            least = plain + math.ceil(count / 16) * 0.2
            bench.cold[count] = took
            bench.add(at_most(
                f"cold start of {count}, ECDSA, API at 200 ms ÷ (plain start "
                "+ ⌈n/16⌉ × 200 ms)", took / least, 1.15, "×",
                f"curl for the calls, then a plain start {alone + plain:.2f}"
                " s", f"{took:.2f} s, arithmetic {least:.2f} s"))
        for count in bench.rsa_sizes:
            bench.say(f"cold start of {count}, RSA")
            each = key_seconds()
            took, plain = cold(api, count, ["CFOriginRequestType origin-rsa"])
            least = max(plain + math.ceil(count / 16) * 0.2, each * count)
            bench.add(at_most(
                f"cold start of {count}, RSA 2048 ÷ max(that, key making)",
                took / least, 1.15, "×", "",
                f"{took:.2f} s; {count} keys alone {each * count:.2f} s"))


# -- mod_md -----------------------------------------------------------------

class MdSite(Site):
    """mod_md asks pebble, one after the other, from its watchdog."""

    def __init__(self, names, pebble):
        super().__init__("md", names, "/nonexistent")
        self.pebble = pebble
        self.http_port = httpd.free_port()

    def own_lines(self):
        return [httpd.load_line("watchdog"), httpd.load_line("md"),
                f"MDStoreDir {self.root}/md", "MDPrivateKeys secp256r1",
                "MDCertificateAgreement accepted", "MDContactEmail a@b.org",
                f"MDCertificateAuthority {self.pebble.url}",
                f"MDCACertificateFile {self.pebble.api_ca}",
                f"Listen 127.0.0.1:{self.http_port}",
                f"MDPortMap http:{self.http_port} https:{self.port}",
                "MDRetryDelay 1s", "MDCheckInterval 1s"] + [
                    f"MDomain {name}" for name in self.names]


def await_md(site, count, seconds):
    """Until all are staged, then the restart that makes them serve."""
    end = time.monotonic() + seconds
    staged = site.root / "md/staging"
    while len(list(staged.glob("*/pubcert*.pem"))) < count:
        if time.monotonic() > end:
            return len(list(staged.glob("*/pubcert*.pem")))
        time.sleep(0.1)
    site.graceful()
    return count


def beside_md(bench):
    count = bench.md_cold
    if not (bench.has_md and shutil.which("pebble")):
        bench.add(row("cold start beside mod_md", "no mod_md or no pebble"))
        return
    with cloudflare.running() as api:
        bench.say(f"cold start of {count}, API at 0 ms")
        ours, _ = cold(api, count)
    with tempfile.TemporaryDirectory() as root, Pebble(root) as pebble, \
            MdSite(names_of(count), pebble) as site:
        Path(root).chmod(0o755)
        bench.say("the same with mod_md and pebble")
        began = time.monotonic()
        site.start()
        got = await_md(site, count, 240)
        md = time.monotonic() - began
    if not got:
        bench.add(row("cold start beside mod_md", "failed", note="mod_md got "
                      "no certificate from pebble"))
        return
    bench.add(at_least(
        f"cold start of {count}, API at 0 ms: mod_md with pebble ÷ ours",
        md / ours, 8, "×", f"mod_md {md:.1f} s"
        + ("" if got == count else f", then {got} of {count}"),
        f"ours {ours:.2f} s"))


# -- a script ---------------------------------------------------------------

SCRIPT = """
set -e
for name in $NAMES; do
    openssl ecparam -name prime256v1 -genkey -noout -out $name.key
    openssl req -new -key $name.key -subj /CN=$name -out $name.csr
    CSR=$(awk '{printf "%s\\\\n", $0}' $name.csr)
    curl -sS --cacert $CA -H "Authorization: Bearer $TOKEN" \\
        -H "Content-Type: application/json" -o $name.json $URL/certificates \\
        -d "{\\"csr\\": \\"$CSR\\", \\"hostnames\\": [\\"$name\\"],
             \\"request_type\\": \\"origin-ecc\\", \\"requested_validity\\": 5475}"
    sed 's/.*"certificate": *"\\([^"]*\\)".*/\\1/' $name.json |
        sed 's/\\\\n/\\n/g' > $name.pem
    openssl x509 -in $name.pem -noout
done
"""


def beside_script(bench):
    count = 100
    for latency in (200, 0):
        with cloudflare.running("--latency", str(latency)) as api, \
                tempfile.TemporaryDirectory() as root:
            bench.say(f"{count} by a script, API at {latency} ms")
            began = time.monotonic()
            subprocess.run(
                ["sh", "-c", SCRIPT], cwd=root, check=True,
                env={"PATH": os.environ["PATH"], "CA": str(api.api_ca),
                     "TOKEN": api.token, "URL": api.url,
                     "NAMES": " ".join(names_of(count, "example.net"))})
            script = time.monotonic() - began
            ours, _ = cold(api, count)
        what = (f"{count} names by openssl and curl, one after the other, "
                f"API at {latency} ms ÷ ours")
        note = f"script {script:.1f} s, ours {ours:.2f} s"
        bench.add(at_least(what, script / ours, 10, "×", "", note)
                  if latency else row(what, round(script / ours, 1), "×",
                                      None, None, "", note))


# -- packing, disk ----------------------------------------------------------

def packing(bench):
    count = bench.pack_size
    with cloudflare.running() as api:
        bench.say(f"{count} vhosts packed")
        store = tempfile.mkdtemp(prefix="cforigin-bench-store-")
        try:
            with Site("cforigin", names_of(count), store, api,
                      ["CFOriginStartupWait 60s", "CFOriginPack on"]) as site:
                took, _ = site.start()
                await_all(site, store, count // 200)
                calls = len(api.creates())
        finally:
            shutil.rmtree(store, ignore_errors=True)
    bench.add(at_most(f"calls of {count} vhosts with CFOriginPack on", calls,
                      count // 200, "", f"{count} without",
                      f"cold start {took:.2f} s, API at 0 ms"))


WRITES = ("write", "pwrite64", "fsync", "fdatasync", "rename", "renameat",
          "renameat2", "mkdir", "unlink", "unlinkat", "symlink")


def keeper_writes(count):
    store = tempfile.mkdtemp(prefix="cforigin-bench-store-")
    try:
        with cloudflare.running() as api, \
                Site("cforigin", names_of(count), store, api,
                     ["CFOriginStartupWait 60s"]) as site:
            out = site.root / "strace"
            site.start(before=["strace", "-f", "-c", "-e",
                               "trace=" + ",".join(WRITES), "-o", str(out)])
            subprocess.run(["kill", "-TERM",
                            site.pid_file.read_text().strip()], check=True)
            site.process.wait(30)
            return strace_counts(out.read_text())
    finally:
        shutil.rmtree(store, ignore_errors=True)


def disk(bench):
    if not shutil.which("strace"):
        return
    few, many = 10, 60
    bench.say("writes a certificate")
    low, high = keeper_writes(few), keeper_writes(many)
    each = {name: round((high[name] - low.get(name, 0)) / (many - few), 1)
            for name in high}
    bench.add(row("calls that write, a certificate (all processes)",
                  f"{sum(each.values()):.0f}", "", None, None, "",
                  ", ".join(f"{name} {n:g}" for name, n in each.items()
                            if n)))


# -- the issuer alone -------------------------------------------------------

def issuer(bench):
    sys.path.append(str(Path(cloudflare.__file__).parent))
    from front import Http2Front
    from issuer_client import Issuer
    count = bench.issuer_calls
    csr = pairs.request_text(pairs.new_key(), ["a.example.com"])
    body = {"csr": csr, "hostnames": ["a.example.com"],
            "request_type": "origin-ecc", "requested_validity": 90}
    with tempfile.TemporaryDirectory() as folder, \
            cloudflare.running("--no-tls") as api, \
            Http2Front(api.server) as front:
        bench.say(f"{count} creates by the issuer through nginx")
        with Issuer(folder, api.token) as one:
            one.setup(front.url, str(api.api_ca))
            began = time.monotonic()
            done = 0
            while done < count:
                some = min(500, count - done)
                ids = [one.put("create", **body) for _ in range(some)]
                bad = [a for a in one.answers(ids, 300) if not a["ok"]]
                if bad:
                    raise RuntimeError(str(bad[0]))
                done += some
            ours = count / (time.monotonic() - began)
        own = None
        if shutil.which("h2load"):
            data = Path(folder) / "body"
            data.write_text(json.dumps(body))
            text = subprocess.run(
                ["h2load", "-n", str(min(count, 2000)), "-c1", "-m16", "-d",
                 str(data), "-H", f"Authorization: Bearer {api.token}", "-H",
                 "Content-Type: application/json",
                 f"{front.url}/certificates"], text=True,
                capture_output=True, check=True).stdout
            own = float(text.split("req/s")[0].split(",")[-1])
    bench.add(row(
        f"issuer, {count} creates over HTTP/2 through nginx", round(ours),
        "a second", None, None,
        f"the test API's own limit with h2load: {own:.0f}" if own else "",
        f"{ours / own:.2f} × of it" if own else ""))


# -- the fleet --------------------------------------------------------------

def fleet(bench):
    text = subprocess.run([str(httpd.BUILD / "fleet")], text=True,
                          capture_output=True, check=False).stdout
    found = json.loads(text)
    bench.raw["fleet"] = found
    bench.add(at_most(
        "a fleet of 2,000 servers with 25 vhosts, one account, 1,200 "
        "requests / 5 min: time ÷ the limit's arithmetic", found["ratio"],
        1.1, "×", "",
        f"{found['seconds'] / 3600:.2f} h in virtual time; "
        f"{found['issued']} of {found['wanted']} issued, half of the servers "
        f"complete after {found['median_server_done'] / 3600:.2f} h"))
    bench.add(at_most("calls of that fleet inside a Retry-After",
                      found["calls_inside_retry_after"], 0))
