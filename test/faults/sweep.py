# SPDX-License-Identifier: Apache-2.0
"""Rounds of the keeper in which one call of it or of its issuer fails, or the
process is killed there; then a round without a fault, and a look at what is
left.

What has to hold after every single one of them: where a pair was served,
one is there at once, the old or the new; a fresh round makes everything
good; and the API was asked for no certificate that was not needed."""

import mmap
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "e2e"))

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402

import keeper_client  # noqa: E402
from keeper_client import BUILD, PATIENCE, Keeper, item, target  # noqa: E402

NAME = "a.example.com"
SLOTS, SLOT, SITES = 4096, 160, 65536
CALLS = 16 + 4 * SITES
SIZE = CALLS + SLOTS * SLOT
SANITIZER = os.environ.get("CFORIGIN_PRELOAD", "")
API_AGE = 150  # rounds until the test Cloudflare forgets what was issued

# What can go wrong with which call. "after": it is done, then comes the kill.
HARMS = {
    "read bytes of": ["EIO", "kill"],
    "readlink": ["EACCES", "EIO", "kill"],
    "pread": ["EIO", "kill"],
    "read": ["EACCES", "EIO", "EMFILE", "kill"],
    "opendir": ["EACCES", "EIO", "EMFILE", "kill"],
    "fopen": ["EACCES", "EIO", "EMFILE", "kill"],
    "open": ["EACCES", "EIO", "ENOSPC", "EMFILE", "kill", "after"],
    "write file": ["ENOSPC", "EIO", "EDQUOT", "short", "kill", "after"],
    "write pipe": ["kill", "after"],
    "fsync": ["EIO", "ENOSPC", "kill"],
    "rename": ["EACCES", "ENOSPC", "EIO", "kill", "after"],
    "symlink": ["ENOSPC", "EACCES", "EDQUOT", "kill", "after"],
    "link": ["ENOSPC", "EACCES", "EDQUOT", "kill", "after"],
    "mkdir": ["ENOSPC", "EACCES", "EDQUOT", "kill", "after"],
    "unlink": ["EACCES", "EIO", "kill", "after"],
    "ch": ["EACCES", "EIO", "kill"],
    "ftruncate": ["EIO", "ENOSPC", "kill"],
    "socket": ["EMFILE", "EACCES", "kill"],
    "connect": ["ECONNREFUSED", "ENETUNREACH", "kill"],
}
STAYING = ["ENOSPC", "EROFS"]
# Whose failing is no reason for the disk to be full from then on.
PASSING = ("write pipe", "read bytes of", "readlink", "pread", "fopen",
           "socket", "connect")
SCENARIOS = ["first", "renewal", "lost", "adopted"]
ASKING = ["renewal", "lost"]  # of the issuer
DEPTH = 8  # functions that tell one place from another; the library's most


def shim():
    """The library, built when it is not there or older than its source."""
    built = BUILD / "faults.so"
    source = HERE / "shim.c"
    if not built.exists() or \
            built.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        fresh = f"{built}.{os.getpid()}"
        subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu11", "-O1",
                        "-g", "-Wall", "-Wextra", "-Werror", "-shared",
                        "-fPIC", "-o", fresh, source, "-ldl"], check=True)
        os.replace(fresh, built)
    return built


class Board:
    """What the library counted."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.truncate(SIZE)
        os.chmod(path, 0o666)  # the issuer is another user
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), SIZE)

    def clear(self):
        self.map[:] = bytes(SIZE)

    @property
    def count(self):
        return struct.unpack_from("Q", self.map, 0)[0]

    @property
    def fired(self):
        return struct.unpack_from("Q", self.map, 8)[0]

    def places(self):
        """Of each call for memory, where it came from."""
        assert self.count <= SITES
        return struct.unpack_from(f"{self.count}I", self.map, 16)

    def calls(self):
        return [self.map[CALLS + n * SLOT:CALLS + (n + 1) * SLOT]
                .split(b"\0")[0].decode("utf-8", "replace")
                for n in range(min(self.count, SLOTS))]


def harms_of(call, targets):
    harms = next((harms for word, harms in HARMS.items()
                  if call.startswith(word)), ["EIO", "kill"])
    path = call.removeprefix("read ")
    if path != call and (f"{path}/".startswith(f"{targets}/") or
                         f"{targets}/".startswith(f"{path}/".replace("//", "/"))):
        # one that isn't for the keeper's eyes is not taken over
        harms = [harm for harm in harms if harm != "EACCES"]
    return harms


class Bench:
    """A test Cloudflare, a keeper, and what a round starts from."""

    def __init__(self, depth=DEPTH):
        self.depth = depth
        self.folder = Path(tempfile.mkdtemp(prefix="cforigin-faults-"))
        self.folder.chmod(0o755)
        self.shim = shim()
        self.board = Board(self.folder / "board")
        self.api = keeper_client.start_api()
        self.keeper = Keeper(self.folder, self.api)
        self.work = self.folder / "targets"
        self.rounds = 0
        self.tried = self.fired = 0
        self.wanted, self.issues = {}, {}
        for name in SCENARIOS:
            self.forget()
            getattr(self, f"make_{name}")(name)
        self.pristine = self.folder / "api"
        self.api.stop()
        shutil.copytree(self.api.folder, self.pristine)
        self.api.start()

    def close(self):
        self.keeper.stop()
        self.api.stop()
        shutil.rmtree(self.api.folder, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- what a round starts from -------------------------------------------

    def forget(self):
        for path in (self.keeper.store, self.work):
            shutil.rmtree(path, ignore_errors=True)
        self.work.mkdir()

    def pair(self):
        return [target(self.work / "cert.pem", self.work / "key.pem")]

    def keep(self, name, issues, targets=True):
        self.wanted[name] = [item(NAME,
                                  targets=self.pair() if targets else [])]
        self.issues[name] = issues
        for path in (self.keeper.store, self.work):
            if path.exists():
                shutil.copytree(path, self.folder / name / path.name,
                                symlinks=True)

    def make_first(self, name):
        """Nothing is there yet."""
        self.keep(name, 1)

    def make_renewal(self, name):
        """One is live and in its targets, and another is ordered."""
        self.keeper.run([item(NAME, targets=self.pair())])
        (self.keeper.dir(NAME) / "renew").touch()
        self.keep(name, 1)

    def make_lost(self, name):
        """It was issued, and the answer was lost."""
        self.api.faults({"match": {"op": "create"}, "times": 1,
                         "do": {"close": "after"}},
                        {"match": {"op": "zones"}, "do": {"hang": True}})
        done = self.keeper.start([item(NAME)])
        self.api.wait(lambda counts: counts["by_op"].get("zones", 0) > 0)
        done.process.kill()
        done.process.communicate()
        self.api.faults([])
        assert (self.keeper.dir(NAME) / "pending/intent.json").exists()
        self.keep(name, 0)

    def make_adopted(self, name):
        """Its targets were made by hand."""
        self.keeper.run([item(NAME, targets=self.pair())])
        shutil.rmtree(self.keeper.store)
        self.keep(name, 0)

    def set_up(self, name):
        self.rounds += 1
        if self.rounds % API_AGE == 0:
            self.api.stop()
            shutil.rmtree(self.api.folder)
            shutil.copytree(self.pristine, self.api.folder)
            os.chmod(self.api.folder, 0o755)
            self.api.start()
        self.forget()
        shutil.copytree(self.folder / name, self.folder, symlinks=True,
                        dirs_exist_ok=True)
        marker = self.keeper.dir(NAME) / "renew"
        if marker.exists():  # a younger one than `current`
            marker.touch()
        self.board.clear()

    # -- a round ------------------------------------------------------------

    def run(self, name, environment=(), libexec=None):
        """The round's exit code, events and words."""
        before = dict(os.environ)
        os.environ.update(environment)
        if SANITIZER and environment and libexec is None:
            os.environ["LD_PRELOAD"] = f"{SANITIZER} {self.shim}"
        changes = {"libexec": str(libexec)} if libexec else {}
        try:
            done = self.keeper.start(self.wanted[name], **changes)
        finally:
            os.environ.clear()
            os.environ.update(before)
        self.keeper.started.clear()
        try:
            out, err = done.process.communicate(timeout=25 * PATIENCE)
        except subprocess.TimeoutExpired:
            done.process.kill()
            out, err = done.process.communicate()
            return "no end", out.decode(), err.decode()
        return done.process.returncode, out.decode(), err.decode()

    def arm(self, what, at, harm, stays, place=0):
        environment = {"LD_PRELOAD": str(self.shim),
                       "FAULTS_BOARD": str(self.board.path),
                       "FAULTS_ARM": what, "FAULTS_AT": str(at),
                       "FAULTS_DO": harm, "FAULTS_PLACE": str(place),
                       "FAULTS_DEPTH": str(self.depth)}
        if stays:
            environment["FAULTS_STAYS"] = "1"
        return environment

    def arms(self, program, *what):
        """(environment, libexec) with which that program has the library. An
        issuer's environment is empty: a script stands before it."""
        if program == "keeper":
            return self.arm(*what), None
        libexec = self.folder / "libexec"
        libexec.mkdir(exist_ok=True)
        script = libexec / "cforigin-issuer"
        environment = self.arm(*what)
        if SANITIZER:
            environment["LD_PRELOAD"] = f"{SANITIZER} {self.shim}"
        words = " ".join(f"{key}='{value}'"
                         for key, value in environment.items())
        script.write_text(f"#!/bin/sh\nexec env {words} "
                          f"'{BUILD}/cforigin-issuer' \"$@\"\n")
        script.chmod(0o755)
        return {}, libexec

    def count(self, name, program, what):
        """A round in which calls are counted, and all goes well."""
        self.set_up(name)
        code, out, err = self.run(name, *self.arms(program, what, 0, "",
                                                   False))
        assert code == 0 and "failed" not in out, (out, err)

    def points(self, name, program="keeper"):
        """Every call of a round with all that can happen to it."""
        self.count(name, program, "files")
        return [(name, program, at, harm, stays)
                for at, call in enumerate(self.board.calls(), 1)
                for harm, stays in
                [(harm, False) for harm in harms_of(call, self.work)] +
                [(harm, True) for harm in STAYING]
                if not stays or (program == "keeper"
                                 and not call.startswith(PASSING))]

    def memory_points(self, program):
        """The first and the last call of a renewal for memory from each
        place in the program: once, and as the first of many in vain."""
        self.count("renewal", program, "memory")
        return [(program, place, at, stays)
                for place, calls in Counter(self.board.places()).items()
                for at in sorted({1, calls}) for stays in (False, True)]

    def all_memory_points(self, program):
        """Every call of a renewal for memory."""
        self.count("renewal", program, "memory")
        return [(program, place, at, stays)
                for place, calls in Counter(self.board.places()).items()
                for at in range(1, calls + 1) for stays in (False, True)]

    # -- looking ------------------------------------------------------------

    def serial(self):
        """Of the live pair; fails when it is none."""
        return self.keeper.serial(NAME)

    def target_texts(self):
        return [(self.work / file).read_bytes()
                if (self.work / file).exists() else None
                for file in ("cert.pem", "key.pem")]

    @staticmethod
    def crashes(out, err, killed):
        """What tells of a fault in a program, in its words or in the
        keeper's events about its issuer."""
        wrong = [text for text in (out, err)
                 for word in ("Sanitizer", "runtime error") if word in text]
        return wrong + [f"the issuer ended {end}" for end in
                        re.findall(r"by signal \d+|had to be killed", out)
                        if not (killed and end == "by signal 9")]

    def after_the_fault(self, name, before, code, out, err, wrong):
        if code not in (0, 1, -signal.SIGKILL):
            wrong.append(f"the keeper ended with {code}: {err}")
        there = before or '"installed"' in out
        try:
            now = self.serial()
            if '"installed"' in out and now == before:
                wrong.append("told as installed, but it is the old one")
        except (OSError, ValueError, AssertionError) as error:
            if there:
                wrong.append(f"no live pair: {error}")
        try:
            cert, key = self.target_texts()
            if cert is not None:
                x509.load_pem_x509_certificate(cert)
            if key is not None:
                serialization.load_pem_private_key(key, None)
            if name in ("renewal", "adopted") and None in (cert, key):
                wrong.append("a target is gone")
        except ValueError as error:
            wrong.append(f"half a target: {error}")

    def after_the_next_round(self, name, before, wrong):
        code, out, err = self.run(name)
        wrong += self.crashes(out, err, False)
        if code != 0 or '"event": "failed"' in out or \
                '"event":"failed"' in out:
            wrong.append(f"the next round: {code} {out} {err}")
            return
        try:
            now = self.serial()
        except (OSError, ValueError, AssertionError) as error:
            wrong.append(f"no live pair after the next round: {error}")
            return
        if name == "renewal" and now == before:
            wrong.append("never renewed")
        at = self.keeper.dir(NAME) / "current"
        live = [(at / file).read_bytes() for file in ("cert.pem", "key.pem")]
        if self.target_texts() != live:
            wrong.append("the targets are not the live pair")

    def judge(self, name, program, *what):
        """What is wrong after a round with this fault: nothing, one hopes."""
        self.set_up(name)
        wrong = []
        try:
            before = self.serial()
        except FileNotFoundError:
            before = None
        issued = self.api.counts()["issued"]
        code, out, err = self.run(name, *self.arms(program, *what))
        self.tried += 1
        self.fired += self.board.fired > 0
        killed = program == "issuer" and what[2] in ("kill", "after")
        wrong += self.crashes(out, err, killed)
        self.after_the_fault(name, before, code, out, err, wrong)
        if code != 0 or program == "issuer":  # a request may be on its way
            self.api.wait(lambda counts: counts["in_flight"] == 0)
        self.after_the_next_round(name, before, wrong)
        more = self.api.counts()["issued"] - issued
        if more != self.issues[name]:
            wrong.append(f"{more} certificates were issued, "
                         f"{self.issues[name]} needed")
        return [f"{line}\n    first round: {code} {out}" for line in wrong]

    def try_point(self, name, program, at, harm, stays):
        return self.judge(name, program, "files", at, harm, stays)

    def try_memory(self, program, place, at, stays):
        return self.judge("renewal", program, "memory", at, "ENOMEM", stays,
                          place)
