# SPDX-License-Identifier: Apache-2.0
"""httpd and its keepers under valgrind. Their libraries' habits are not ours:
what counts is a report in whose stack a function of this module stands. The
issuer locks itself in, and valgrind out."""

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


def unfinished(folder, httpd):
    """Processes whose valgrind came to no end though they did; (those,
    keepers that came to theirs). What was killed is not among them, nor what
    was forked to become an issuer."""
    killed = re.findall(r"AH00046: child process (\d+)",
                        "\n".join(httpd.log.lines()))
    texts = {path.suffix[1:]: path.read_text(errors="replace")
             for path in folder.glob("valgrind.*")}
    keepers = {pid for pid, text in texts.items()
               if re.search(r"Command: \S*/cforigin-keeper ", text)}
    ended = {pid for pid, text in texts.items() if "ERROR SUMMARY" in text}
    left = [pid for pid, text in texts.items()
            if pid not in ended and pid not in killed and not (
                pid in keepers and
                re.search(r"Parent PID: (\d+)", text)[1] in keepers)]
    return left, keepers & ended


def run(httpd, restarts, say):
    """What is wrong: a report of ours, or valgrind that saw nothing."""
    usual = httpd.argv
    before = httpd.root / "valgrind"
    before.mkdir()
    before.chmod(0o777)  # the children write as httpd's user
    httpd.argv = lambda *more: [
        "valgrind", "--leak-check=full",
        "--show-leak-kinds=definite", "--keep-debuginfo=yes",
        "--trace-children=yes", "--trace-children-skip=*/cforigin-issuer",
        "--num-callers=30", f"--log-file={before}/valgrind.%p", *usual(*more)]
    waiting.PATIENCE = 8
    httpd.tolerate("AH00045", "AH00046")  # its children's last seconds, too
    httpd.server("CFOriginStartupWait 60s")
    httpd.managed("a.example.com", "b.example.com")
    httpd.vhost("c.example.com", "CFOrigin on",
                "CFOriginRequestType origin-ecc origin-rsa")
    httpd.start(60)
    parent, renewals = str(httpd.pid), (restarts + 9) // 10

    def renewed(times):
        waiting.until(lambda: httpd.generation("a.example.com") > times,
                      f"renewal {times}", 60)

    for number in range(restarts):
        if number % 10 == 0:
            renewed(number // 10)
            (httpd.folder("a.example.com") / "renew").touch()
        httpd.graceful(60)
        if number % 10 == 9:
            say(f"{number + 1} restarts")
            assert httpd.get("a.example.com").status == 200
    renewed(renewals)
    waiting.until(lambda: "cforigin-keeper" not in httpd.processes_text(),
                  "the keeper's end", 60)  # its own name is valgrind's
    httpd.stop(30)
    seen = list(before.glob("valgrind.*"))
    every, ours = reports(before)
    left, keepers = unfinished(before, httpd)
    say(f"{len(seen)} processes seen, {len(keepers)} keepers among them, "
        f"{every} reports, {len(ours)} of ours")
    wrong = [f"valgrind came to no end in {pid}" for pid in left]
    if not (before / f"valgrind.{parent}").exists():
        wrong.append("the parent was not seen")
    if len(keepers) < 1 + renewals:
        wrong.append(f"{len(keepers)} keepers came to their end")
    return ours + wrong
