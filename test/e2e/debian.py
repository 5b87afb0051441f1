# SPDX-License-Identifier: Apache-2.0
"""This machine once more, to install packages on: what is below /etc, /usr
and /var can be changed there and is as before outside, services may be
started, and no systemd is in sight. Its end takes everything with it. Needs
root."""

import os
import subprocess
from pathlib import Path

import procs
import waiting
from errorlog import ErrorLog

# Process 1 has its children buried by the kernel, as an init would.
BOOT = """
set -e
mount -t tmpfs tmpfs "$1"
for top in etc usr var; do
    mkdir "$1/$top" "$1/$top.work"
    mount -t overlay overlay "/$top" -o \
        "lowerdir=/$top,upperdir=$1/$top,workdir=$1/$top.work"
done
mount -t tmpfs tmpfs /run
mkdir -m 1777 /run/lock
printf '#!/bin/sh\\nexit 0\\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
rm -rf /etc/apache2/sites-enabled/* /etc/apache2/cforigin \
    /etc/apache2/mods-*/cforigin.* /var/lib/apache2/cforigin \
    /var/log/apache2/*
: > "$1/ready"
exec env --ignore-signal=CHLD cat
"""
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C",
               "DEBIAN_FRONTEND": "noninteractive"}


class Machine:
    """Debian's own httpd on it, with nothing enabled but what Debian does."""

    def __init__(self, folder):
        folder.mkdir()
        self.process = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child",
             "sh", "-c", BOOT, "sh", folder], env=ENVIRONMENT, cwd="/",
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        try:
            self.pid = waiting.until(self._first, "process 1", 10)
            waiting.until(self._inside(f"{folder}/ready").exists,
                          "a machine to install packages on", 10)
        except BaseException:
            self.end()
            raise
        self.log = ErrorLog(self._inside("/var/log/apache2/error.log"))

    def _first(self):
        assert self.process.poll() is None
        return next(iter(procs.children(self.process.pid)), None)

    def _inside(self, path):
        return Path(f"/proc/{self.pid}/root{path}")

    def end(self):
        self.process.stdin.close()
        self.process.wait(20)

    # -- its files and commands ---------------------------------------------

    def write(self, path, text, mode=0o644):
        path = self._inside(path)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)

    def read(self, path):
        return self._inside(path).read_bytes()

    def exists(self, path):
        return os.path.lexists(self._inside(path))

    def run(self, *argv):
        """A command's output; it has to succeed."""
        done = subprocess.run(
            ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--root",
             *argv], env=ENVIRONMENT, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            timeout=100 * waiting.PATIENCE)
        assert done.returncode == 0, (argv, done.stdout)
        return done.stdout

    # -- its httpd ----------------------------------------------------------

    def service(self, word):
        return self.run("/etc/init.d/apache2", word)

    @property
    def httpd(self):
        """httpd's parent: what process 1 was left with."""
        (pid,) = procs.children(self.pid)
        return procs.Process(pid)

    def generations(self):
        return len(self.log.matching("resuming normal operations"))
