# SPDX-License-Identifier: Apache-2.0
"""httpd under valgrind. Its own and its libraries' habits are not ours: what
counts is a report in whose stack a function of this module stands."""

import re
from pathlib import Path

import waiting

SOURCES = Path(__file__).resolve().parents[2] / "mod_cforigin"
OURS = re.compile(r"mod_cforigin\.so|\((?:%s):\d+\)" % "|".join(
    re.escape(path.name) for path in SOURCES.rglob("*.c")))


def reports(folder):
    """(all, ours) of what valgrind wrote: invalid use, and lost memory."""
    every, ours = 0, []
    for path in sorted(folder.glob("valgrind.*")):
        lines = [re.sub(r"^==\d+== ?", "", line) for line in
                 path.read_text(errors="replace").splitlines()]
        for part in re.split(r"\n\s*\n", "\n".join(lines)):
            if re.search(r"^\s+(at|by) 0x", part, re.M):
                every += 1
                if OURS.search(part):
                    ours.append(f"{path.name}: {part}")
    return every, ours


def run(httpd, restarts, say):
    """What is wrong: a report of ours, or valgrind that saw nothing."""
    usual = httpd.argv
    before = httpd.root / "valgrind"
    before.mkdir()
    before.chmod(0o777)  # the children write as httpd's user
    httpd.argv = lambda *more: [
        "valgrind", "--leak-check=full",
        "--show-leak-kinds=definite", "--keep-debuginfo=yes",
        "--num-callers=30", f"--log-file={before}/valgrind.%p", *usual(*more)]
    waiting.PATIENCE = 8
    httpd.server("CFOriginStartupWait 60s")
    httpd.managed("a.example.com", "b.example.com")
    httpd.vhost("c.example.com", "CFOrigin on",
                "CFOriginRequestType origin-ecc origin-rsa")
    httpd.start(60)
    for number in range(restarts):
        httpd.graceful(60)
        if number % 10 == 9:
            say(f"{number + 1} restarts")
            assert httpd.get("a.example.com").status == 200
    httpd.stop(30)
    seen = list(before.glob("valgrind.*"))
    every, ours = reports(before)
    say(f"{len(seen)} processes seen, {every} reports, {len(ours)} of ours")
    ended = sum("ERROR SUMMARY" in path.read_text(errors="replace")
                for path in seen)
    return ours if ended else ["valgrind came to no end"]
