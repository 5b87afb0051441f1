# SPDX-License-Identifier: Apache-2.0
"""Cold starts beside other ways to get there: mod_md with an ACME server,
and a script."""

import os
import shutil
import subprocess
import time

import cloudflare
import httpd
from figures import at_least, median, quartiles, ratios, row
from pebble import Pebble
from ports import free_port
from rows_cold import PACE, bare, cold
from servers import Site, folder, names_of


class MdSite(Site):
    """mod_md asks pebble, one after the other, from its watchdog."""

    def __init__(self, names, pebble):
        super().__init__("md", names, "/nonexistent")
        self.pebble = pebble
        self.http_port = free_port()

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

    def staged(self):
        """mod_md takes folders away and makes them anew meanwhile."""
        try:
            return len(list(self.root.glob("md/staging/*/pubcert*.pem")))
        except FileNotFoundError:
            return 0

    def await_staged(self, seconds):
        end = time.monotonic() + seconds
        while self.staged() < len(self.names):
            if time.monotonic() > end:
                raise RuntimeError(f"mod_md got {self.staged()} of "
                                   f"{len(self.names)} from pebble")
            # a look at many folders takes what mod_md could use
            time.sleep(max(0.02, len(self.names) / 5000))


def cold_md(count):
    """Seconds until a client has the last site's page: all are staged, then
    the restart that makes them serve."""
    with Pebble(folder()) as pebble, MdSite(names_of(count), pebble) as site:
        site.start()
        site.await_staged(240)
        site.graceful()
        return site.await_served(site.names[-1], pebble.roots)


def beside_md(bench):
    if not (bench.has_md and shutil.which("pebble")):
        bench.add(row("cold start beside mod_md", "no mod_md or no pebble"))
        return
    with cloudflare.running() as api:
        for count in bench.md_cold:
            bench.attempt(f"cold start of {count} beside mod_md", md_at,
                          bench, api, count)


def md_at(bench, api, count):
    runs = bench.times(5, 1)
    ours, md = [], []
    for number in range(runs):
        bench.say(f"cold start of {count}, API at 0 ms, and by mod_md with "
                  f"pebble, {number + 1}/{runs}")
        if number % 2:
            md.append(cold_md(count))
        ours.append(cold(api, count)[0])
        if not number % 2:
            md.append(cold_md(count))
    each = ratios(md, ours)
    bench.raw.setdefault("cold_md", {})[str(count)] = {"ours": ours, "md": md}
    bench.chart("cold", "md", count, median(md))
    bench.chart("cold", "at_once", count, median(ours))
    what = f"cold start of {count}, API at 0 ms: mod_md with pebble ÷ ours"
    more = {"beside": f"mod_md {median(md):.1f} s", "runs": runs,
            "note": f"{quartiles(each)}; ours {median(ours):.2f} s"}
    bench.add(at_least(what, median(each), 8, "×", **more)
              if count == bench.md_cold[-1]
              else row(what, round(median(each), 2), "×", **more))


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


def by_script(api, count):
    began = time.monotonic()
    subprocess.run(
        ["sh", "-c", SCRIPT], cwd=folder(), check=True,
        env={"PATH": os.environ["PATH"], "CA": str(api.api_ca),
             "TOKEN": api.token, "URL": api.url,
             "NAMES": " ".join(names_of(count, "example.net"))})
    return time.monotonic() - began


def beside_script(bench):
    for latency in (200, 0):
        bench.attempt(f"a script, API at {latency} ms", script_at, bench,
                      latency)


def script_at(bench, latency, count=100):
    runs = bench.times(5, 1)
    script, ours, plain, alone = [], [], [], []
    with cloudflare.running("--latency", str(latency)) as api:
        for number in range(runs):
            bench.say(f"{count} by a script, API at {latency} ms, "
                      f"{number + 1}/{runs}")
            script.append(by_script(api, count))
            took, start = cold(api, count)
            ours.append(took)
            plain.append(start)
            alone.append(bare(api, count))
    each = ratios(script, ours)
    bench.raw.setdefault("script", {})[str(latency)] = {
        "script": script, "ours": ours, "plain": plain, "curl": alone}
    bench.add(at_least(
        f"{count} names by openssl and curl, one after the other, API at "
        f"{latency} ms ÷ ours", median(each), 10, "×",
        beside=f"a plain start alone {median(plain):.2f} s, curl for the same "
        f"calls, {PACE} at a time, {median(alone):.2f} s",
        note=f"{quartiles(each)}; script {median(script):.2f} s, ours "
        f"{median(ours):.2f} s with the start", runs=runs))
