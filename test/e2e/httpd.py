# SPDX-License-Identifier: Apache-2.0
"""A real httpd with its real mod_ssl and our module, in a folder of its own:
configure by small calls, start, look, stop."""

import contextlib
import grp
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import lru_cache
from pathlib import Path

import procs
import tls
import waiting
from errorlog import ErrorLog

TOP = Path(__file__).resolve().parents[2]
sys.path.append(str(TOP / "test/originca"))

from ports import free_port  # noqa: E402

BUILD = Path(os.environ.get("CFORIGIN_BUILD", "build"))
if not BUILD.is_absolute():
    BUILD = TOP / BUILD
APXS = os.environ.get("APXS") or next(
    (path for path in ("/usr/bin/apxs", "/usr/bin/apxs2",
                       "/usr/local/apache2/bin/apxs") if os.path.exists(path)),
    "apxs")
MODULES = ["authz_core", "authz_host", "mime", "dir", "alias", "headers",
           "log_config", "socache_shmcb", "ssl", "status"]
# A child of httpd's has its threads by then, in seconds.
GROWN = 0.15


@lru_cache(maxsize=None)
def apxs(name):
    return subprocess.run([APXS, "-q", name], check=True, text=True,
                          capture_output=True).stdout.strip()


def binary():
    return f"{apxs('sbindir')}/{apxs('progname')}"


@lru_cache(maxsize=None)
def compiled_in():
    text = subprocess.run([binary(), "-l"], check=True, text=True,
                          capture_output=True).stdout
    return set(text.split())


def load_line(module, name=None):
    path = f"{apxs('exp_libexecdir')}/mod_{name or module}.so"
    if f"mod_{module}.c" in compiled_in() or not os.path.exists(path):
        return ""
    return f"LoadModule {module}_module {path}"


def whom():
    """The User and Group httpd drops to, None when we are not root."""
    if os.geteuid() != 0:
        return None
    for user in ("www-data", "apache", "daemon", "nobody"):
        try:
            entry = pwd.getpwnam(user)
            return user, grp.getgrgid(entry.pw_gid).gr_name
        except KeyError:
            continue
    raise RuntimeError("no user to run httpd as")


class Httpd:
    """One server. `lines` is its server scope, `vhost` adds to it."""

    def __init__(self, cloudflare, mpm="event"):
        self.cloudflare = cloudflare
        self.mpm = mpm
        self.root = Path(tempfile.mkdtemp(prefix="cforigin-e2e-"))
        self.root.chmod(0o755)
        for name in ("htdocs", "logs", "run", "conf", "libexec"):
            (self.root / name).mkdir(mode=0o755)
            (self.root / name).chmod(0o755)
        (self.root / "htdocs/index.html").write_text("it works\n")
        self.port = free_port()
        self.http_port = free_port()
        self.store = self.root / "store"
        self.log = ErrorLog(self.root / "logs/error.log")
        # event's own, when it stops while a connection lingers
        self.tolerate("AH03092")
        # an MPM's own count of generations, when one restart follows another
        # while the first one's children have not all begun
        self.tolerate("AH00546")
        self.config = self.root / "conf/httpd.conf"
        self.pid_file = self.root / "run/httpd.pid"
        self.with_module = True
        self.umask = 0o022
        self.run_as = None  # a pwd entry: not as root
        self.arguments = []
        self.extra_modules = []
        self.lines = []
        self.vhosts = []
        self.before_modules = []
        slots = 16 if mpm == "prefork" else 8 * 25
        self.mpm_lines = ["StartServers 1", f"MaxRequestWorkers {slots}",
                          f"ServerLimit {16 if mpm == 'prefork' else 8}"]
        self.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                            "LANG": "C"}
        if os.environ.get("CFORIGIN_PRELOAD"):  # a sanitizer's library
            self.environment.update(
                LD_PRELOAD=os.environ["CFORIGIN_PRELOAD"],
                ASAN_OPTIONS=self.leak_options())
        self.token_file = self.write_token("token", cloudflare.token)
        # A copy of the programs that no other test runs: /proc then tells
        # which keeper and which issuer are ours.
        for program in ("cforigin-keeper", "cforigin-issuer"):
            shutil.copy2(BUILD / program, self.root / "libexec" / program)
        self.directives = {
            "CFOriginAPI": cloudflare.url,
            "CFOriginAPICAFile": cloudflare.api_ca,
            "CFOriginCARootFile": cloudflare.roots,
            "CFOriginLibexecDir": self.root / "libexec",
            "CFOriginStoreDir": self.store,
            "CFOriginTokenFile": self.token_file,
        }

    def leak_options(self):
        """Leaks are looked for in our keeper alone (%b is the program's
        name). httpd, mod_ssl and the shells that are run for a notice end
        with memory of theirs that nobody gives back: a report on stderr
        and an exit code for each. The issuer can not be looked into."""
        (self.root / "leaks.cforigin-keeper").write_text("detect_leaks=1\n")
        return f"detect_leaks=0:include_if_exists={self.root}/leaks.%b"

    # -- configuration ------------------------------------------------------

    def write_token(self, name, text, mode=0o600):
        path = self.root / name
        path.write_text(text + "\n")
        path.chmod(mode)
        return path

    def server(self, *lines):
        """Lines of the server's own scope."""
        self.lines += lines

    def vhost(self, name, *lines, aliases=(), tls=True, port=None):
        """A TLS virtual host; name None: one without a ServerName."""
        block = [f"<VirtualHost *:{port or self.port}>"]
        if name is not None:
            block.append(f"    ServerName {name}")
        if aliases:
            block.append(f"    ServerAlias {' '.join(aliases)}")
        if tls:
            block.append("    SSLEngine on")
        if name is not None:
            block.append(f"    Header always set X-Vhost \"{name}\"")
        block += [f"    {line}" for line in lines]
        self.vhosts.append("\n".join(block + ["</VirtualHost>"]))

    def managed(self, *names, **kwargs):
        for name in names:
            self.vhost(name, "CFOrigin on", **kwargs)

    def text(self):
        root = self.root
        out = [f"ServerRoot \"{root}\"", "ServerName localhost",
               f"PidFile \"{self.pid_file}\"",
               f"ErrorLog \"{self.log.path}\"", "LogLevel info",
               f"DefaultRuntimeDir \"{root}/run\"",
               load_line(f"mpm_{self.mpm}")]
        out += self.before_modules
        out += [load_line(name) for name in MODULES + self.extra_modules]
        if "mod_unixd.c" not in compiled_in():
            out.append(load_line("unixd"))
        user = whom()
        if user and not self.run_as:
            out += [f"User {user[0]}", f"Group {user[1]}"]
        out += [f"Listen 127.0.0.1:{self.port}",
                f"Listen 127.0.0.1:{self.http_port}",
                f"DocumentRoot \"{root}/htdocs\"",
                f"<Directory \"{root}/htdocs\">", "    Require all granted",
                "    AllowOverride All", "</Directory>",
                "TypesConfig /dev/null",
                f"SSLSessionCache \"shmcb:{root}/run/scache(131072)\"",
                "GracefulShutdownTimeout 5"]
        out += self.mpm_lines
        if self.with_module:
            out.append(f"LoadModule cforigin_module {BUILD}/mod_cforigin.so")
            out += [f"{key} \"{value}\""
                    for key, value in self.directives.items()]
        out += [str(line) for line in self.lines]
        out += self.vhosts
        text = "\n".join(line for line in out if line) + "\n"
        if not self.with_module:
            text = "".join(line for line in text.splitlines(keepends=True)
                           if not line.strip().startswith("CFOrigin"))
        return text

    def configure(self):
        self.config.write_text(self.text())

    def forget_vhosts(self):
        self.vhosts = []

    # -- running ------------------------------------------------------------

    def argv(self, *more):
        return [binary(), "-d", str(self.root), "-f", str(self.config),
                *self.arguments, *more]

    def run(self, *more, timeout=60, configure=True):
        """Run the binary to its end: returncode, stdout and stderr."""
        if configure:
            self.configure()
        whose = {"user": self.run_as.pw_uid, "group": self.run_as.pw_gid,
                 "extra_groups": []} if self.run_as else {}
        return subprocess.run(self.argv(*more), env=self.environment,
                              text=True, capture_output=True, cwd="/",
                              umask=self.umask, stdin=subprocess.DEVNULL,
                              timeout=timeout * waiting.PATIENCE, check=False,
                              **whose)

    def configtest(self):
        """(passed, what it said)"""
        done = self.run("-t")
        return done.returncode == 0, done.stdout + done.stderr

    def dump(self):
        done = self.run("-t", "-D", "DUMP_CFORIGIN")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def generations(self):
        """How often httpd has said that it is up."""
        return len(self.log.matching(r"resuming normal operations"))

    def launch(self):
        """Start without waiting for more than httpd's own detaching."""
        return self.run("-k", "start")

    def start(self, seconds=20):
        """Start and wait until post_config is over: the pid file and httpd's
        own word. (The start command itself returns earlier.)"""
        before = self.generations()
        done = self.launch()
        assert done.returncode == 0, (done.stderr, self.log.lines())
        waiting.until(lambda: self.generations() > before and self.pid,
                      lambda: self.story("start of httpd"), seconds)

    @property
    def pid(self):
        try:
            return int(self.pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def signal(self, number):
        if number in (signal.SIGTERM, signal.SIGHUP):
            self.await_grown_children()
        os.kill(self.pid, number)

    def await_grown_children(self):
        """httpd passes the signal on to its children. One that has not begun
        its threads yet calls exit() in the handler, wherever it is (just_die
        in server/mpm/event/event.c); amid an allocation OpenSSL's cleanup
        then meets a heap that is not in order, and glibc writes a line about
        it into the log: free(): corrupted unsorted chunks."""
        def youngest():
            ages = [GROWN]
            for process in self.children():
                with contextlib.suppress(FileNotFoundError,
                                         ProcessLookupError):
                    ages.append(process.age)
            return min(ages)
        waiting.until(lambda: youngest() >= GROWN, "children that are up")

    def graceful(self, seconds=20, configure=True):
        """The administrator's reload."""
        if configure:
            self.configure()
        before, old = self.generations(), self.children()
        self.signal(signal.SIGUSR1)
        waiting.until(lambda: self.generations() > before,
                      lambda: self.story("reload of httpd"), seconds)
        # Older ones accept until they have heard of it, a moment later; one
        # of prefork's that is busy holds on to its socket meanwhile.
        end = time.monotonic() + 1
        while any(process.is_listening() for process in old) \
                and time.monotonic() < end:
            time.sleep(0.01)

    def await_generations(self, number, seconds=30):
        waiting.until(lambda: self.generations() >= number,
                      lambda: self.story(f"generation {number}"), seconds)

    def restart(self):
        self.stop()
        self.start()

    def stop(self, seconds=10):
        """Stop and wait until nothing of this server is left."""
        if self.is_running():
            self.signal(signal.SIGTERM)
        waiting.until(lambda: not self.processes(), lambda:
                      f"stop of httpd, left: {self.processes_text()}", seconds)

    def is_running(self):
        """A pid file may be a dead server's, and the number another's by
        now."""
        pid = self.pid
        return any(process.pid == pid for process in self.processes())

    def processes(self):
        return procs.of(str(self.root))

    def children(self):
        """Those that httpd's parent has now, a keeper among them."""
        found, parent = [], self.pid
        for process in self.processes():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError,
                                     KeyError):
                if process.parent == parent:
                    found.append(process)
        return found

    def processes_text(self):
        out = []
        for process in self.processes():
            try:
                out.append(f"{process.pid} {' '.join(process.cmdline)}")
            except OSError:
                continue
        return "; ".join(out)

    def programs(self, name):
        """Running processes of this server by their program's name; a child
        of one that has yet to become another program is none."""
        found = {}
        for process in self.processes():
            try:
                if process.name == name:
                    found[process.pid] = int(process.status["PPid"]), process
            except OSError:
                continue
        return [process for parent, process in found.values()
                if parent not in found]

    @property
    def keepers(self):
        return self.programs("cforigin-keeper")

    @property
    def issuers(self):
        return self.programs("cforigin-issuer")

    def story(self, what):
        """For a message: what was waited for, and the log's last words."""
        return "\n".join([what] + self.log.lines()[-8:])

    # -- looking ------------------------------------------------------------

    def get(self, name, **kwargs):
        kwargs.setdefault("roots", self.cloudflare.roots)
        return tls.fetch(self.port, name, **kwargs)

    def await_certificate(self, name, seconds=30):
        """Until a client that verifies gets in."""
        def look():
            try:
                answer = self.get(name)
            except OSError:
                return None
            return answer if answer.status == 200 else None
        return waiting.until(
            look, lambda: self.story(f"certificate of {name}"), seconds, 0.1)

    def folder(self, name, request_type="origin-ecc"):
        return self.store / "certs" / name.replace("*", "_") / request_type

    def live(self, name, request_type="origin-ecc"):
        """The live generation's folder."""
        return (self.folder(name, request_type) / "current").resolve()

    def generation(self, name, request_type="origin-ecc"):
        return int(os.readlink(self.folder(name, request_type) / "current"))

    def tree(self):
        """Every file below the server root but logs and run, with its
        content: to show that something wrote nothing."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            first = path.relative_to(self.root).parts[0]
            if first in ("logs", "run", "conf"):
                continue
            if path.is_symlink():
                found[str(path)] = os.readlink(path)
            elif path.is_file():
                stat = path.stat()
                found[str(path)] = (stat.st_mode, stat.st_size,
                                    stat.st_mtime_ns)
            else:
                found[str(path)] = "folder"
        return found

    # -- the log ------------------------------------------------------------

    def expect(self, *patterns):
        """Announce loud lines of the error log; they have to come."""
        self.log.announced += patterns

    def tolerate(self, *patterns):
        """Loud lines that may come or not."""
        self.log.tolerated += patterns

    # -- the end ------------------------------------------------------------

    def finish(self):
        """Stop, and say what is wrong: processes left, log lines nobody
        announced. The folder stays when something is."""
        wrong = []
        try:
            self.stop()
        except AssertionError as error:
            wrong.append(str(error))
            for process in self.processes():
                os.kill(process.pid, signal.SIGKILL)
        wrong += self.log.complaints()
        return wrong

    def remove(self):
        for _ in range(3):
            shutil.rmtree(self.root, ignore_errors=True)
            if not self.root.exists():
                return


def named(text, pattern):
    """The first group of a pattern in a text, for reading messages."""
    match = re.search(pattern, text)
    return match.group(1) if match else None
