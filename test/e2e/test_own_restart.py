# SPDX-License-Identifier: Apache-2.0
"""A graceful restart of the module's own: what it must wait for because it
would end the server, and what must not hold it up."""

import datetime
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

import life
import pairs
import waiting
from conftest import MPMS
from httpd import binary

NAME, OTHER = "a.example.com", "other.example.net"
every_mpm = pytest.mark.parametrize("mpm", MPMS)


def missing(cert, key):
    content = cert.read_bytes()
    cert.unlink()
    return lambda: pairs.put(cert, content, 0o644)


def half_of_a_pair(cert, key):
    content = cert.read_bytes()
    spare = cert.with_name("spare")
    pairs.self_signed(cert, spare, [OTHER])
    return lambda: pairs.put(cert, content, 0o644)


def another_key(cert, key):
    fresh = pairs.new_key()
    content = key.read_bytes()
    pairs.put(key, pairs.key_text(fresh), 0o600)
    return lambda: pairs.put(key, content, 0o600)


def add_neighbour(httpd):
    """A virtual host that is none of ours; its files."""
    cert, key = httpd.root / "conf/other.pem", httpd.root / "conf/other.key"
    pairs.self_signed(cert, key, [OTHER])
    httpd.managed(NAME)
    httpd.vhost(OTHER, f"SSLCertificateFile {cert}",
                f"SSLCertificateKeyFile {key}")
    life.show_status(httpd)
    httpd.start()
    return cert, key


def no_certificate(cert, key):
    content = cert.read_bytes()
    cert.write_text("")
    return lambda: pairs.put(cert, content, 0o644)


@pytest.mark.parametrize("spoil", [missing, half_of_a_pair, another_key,
                                   no_certificate])
def test_a_neighbours_pair_that_would_not_load_is_waited_for(
        httpd, clock, spoil):
    cert, key = add_neighbour(httpd)
    first = life.served(httpd, NAME)
    mend = spoil(cert, key)
    changed = key if spoil is another_key else cert
    httpd.expect(r"cforigin:warn.*another virtual host has changed")
    # where httpd's own test sees it, too, that was tried a minute ago
    httpd.tolerate(r"cforigin:warn.*does not pass its test.*other\.pem")
    life.mark(httpd, NAME)
    life.await_generation(httpd, NAME, 2, clock)
    clock.until(lambda: changed.name in str(
        life.status(httpd)["reload_wanted_reason"]),
        lambda: httpd.story("the reason in the status"))
    clock.ticks(2)
    assert httpd.generations() == 1
    assert str(changed) in httpd.log.matching("has changed and would")[0]
    assert life.served(httpd, NAME) == first
    assert len(httpd.log.matching("has changed and would keep")) == 1
    mend()
    life.await_served(httpd, NAME, clock)
    assert httpd.generations() == 2 and httpd.get(
        OTHER, verify=False).status == 200


def no_revocations():
    """A CRL of a CA's."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return x509.CertificateRevocationListBuilder().issuer_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
    ).last_update(now).next_update(now + datetime.timedelta(days=9)).sign(
        pairs.new_key(), hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.mark.parametrize("line, more", [
    ("SSLCACertificateFile", ["SSLVerifyClient optional"]),
    ("SSLCADNRequestFile", ["SSLVerifyClient optional",
                            "SSLCACertificateFile conf/other.pem"]),
    ("SSLCARevocationFile", ["SSLCARevocationCheck leaf"]),
    ("SSLOCSPResponderCertificateFile", ["SSLOCSPEnable leaf"]),
    ("SSLProxyCACertificateFile", ["SSLProxyEngine on"]),
    ("SSLSessionTicketKeyFile", [])])
def test_a_file_of_mod_ssl_that_would_not_load_is_waited_for(
        httpd, cloudflare, clock, line, more):
    """As whoever fetches a newer one at night may leave it."""
    file = httpd.root / "conf/trust.pem"
    roots = Path(cloudflare.roots).read_bytes()
    good = {"SSLCARevocationFile": no_revocations(),
            "SSLSessionTicketKeyFile": bytes(48)}.get(line, roots)
    (httpd.root / "conf/other.pem").write_bytes(roots)
    file.write_bytes(good)
    httpd.managed(NAME)
    httpd.vhost(OTHER, "CFOrigin on", f"{line} conf/trust.pem", *more)
    life.show_status(httpd)
    httpd.start()
    file.write_text("<html>503 Service Unavailable</html>\n")
    httpd.expect(r"cforigin:warn.*another virtual host has changed")
    life.mark(httpd, NAME)
    life.await_generation(httpd, NAME, 2, clock)
    clock.until(lambda: "trust.pem" in str(
        life.status(httpd)["reload_wanted_reason"]),
        lambda: httpd.story("the reason in the status"))
    clock.ticks(2)
    assert httpd.generations() == 1
    file.write_bytes(b"# newer\n" + good)
    life.await_served(httpd, NAME, clock)
    assert httpd.generations() == 2


def remove(folder):
    shutil.rmtree(folder)


def cut(folder):
    (folder / "current/key.pem").write_text("")


@pytest.mark.parametrize("lose", [remove, cut])
def test_what_the_store_lost_is_not_taken_from_its_virtual_host(
        httpd, cloudflare, clock, lose):
    """It is served from memory, and another one is refused: a restart for
    the sake of others would leave it with the stand-in."""
    httpd.managed(NAME, OTHER)
    life.show_status(httpd)
    httpd.start()
    first, other = life.served(httpd, NAME), life.served(httpd, OTHER)
    cloudflare.refuse(OTHER, 400, 1010, "no")
    httpd.expect(r"cforigin:error.*1010", r"cforigin:warn.*a reload is wanted "
                 rf"for 1 certificate, but: .* any more that {OTHER}")
    httpd.tolerate(rf"cforigin:warn.*{OTHER}.*key\.pem")
    lose(httpd.folder(OTHER))
    life.mark(httpd, NAME)
    life.await_generation(httpd, NAME, 2, clock)
    clock.until(lambda: OTHER in str(
        life.status(httpd)["reload_wanted_reason"]),
        lambda: httpd.story("the reason in the status"))
    clock.until(lambda: life.attempt(httpd, OTHER), "the refusal")
    clock.ticks(8)
    assert httpd.generations() == 1
    assert life.served(httpd, NAME) == first
    assert life.served(httpd, OTHER) == other
    cloudflare.release()
    clock.forward(days=1.1)
    for name, number in ((NAME, 2), (OTHER, 1)):
        life.await_generation(httpd, name, number, clock)
        life.await_served(httpd, name, clock)
    assert len(cloudflare.creates()) == 5


def test_what_is_lost_right_after_the_restart_ends_no_server(
        httpd, cloudflare, clock):
    """Whether the new one is served is looked at when no keeper runs. Until
    then its place in the store may be empty again."""
    httpd.managed(NAME, OTHER)
    httpd.start()
    for name, seconds in ((NAME, 1), (OTHER, 4)):
        cloudflare.fault({"op": "create", "hostname": name, "nth": 1},
                         {"delay": seconds})
    life.mark(httpd, NAME)
    clock.until(lambda: len(cloudflare.creates()) == 3, "the first renewal")
    life.mark(httpd, OTHER)  # for the keeper that comes with the restart
    httpd.await_generations(2)
    waiting.until(lambda: len(cloudflare.creates()) == 4, "the other one")
    shutil.rmtree(httpd.folder(NAME))
    httpd.tolerate("cforigin:warn.*a reload is wanted")
    life.await_generation(httpd, OTHER, 2)
    clock.until(lambda: httpd.log.matching(f"{NAME}: .* is served"),
                lambda: httpd.story("the look"))
    for name in (NAME, OTHER):
        life.await_served(httpd, name, clock)
    assert httpd.pid_file.exists() and httpd.is_running()


REASONS = {
    "CustomLog logs/x.log common": "differs from the one that is running",
    "NoSuchDirective x": "does not pass its test"}
every_edit = pytest.mark.parametrize("edit", REASONS)


def assert_is_never_loaded(httpd, clock, edit, good):
    """Told, not loaded; and with the edit undone the restart comes."""
    running, first = httpd.generations(), life.served(httpd, NAME)
    httpd.expect(r"cforigin:warn.*a reload is wanted.*" + REASONS[edit])
    clock.until(lambda: REASONS[edit] in str(
        life.status(httpd)["reload_wanted_reason"]),
        lambda: httpd.story("the reason in the status"))
    clock.ticks(3)
    assert httpd.generations() == running
    assert life.served(httpd, NAME) == first
    httpd.config.write_text(good)
    life.await_served(httpd, NAME, clock)
    assert httpd.generations() == running + 1


@every_edit
def test_an_edit_while_a_neighbour_is_waited_for_is_never_loaded(
        httpd, clock, edit):
    """The test at the end of the round was passed; what is edited later is
    not what it saw."""
    cert, key = add_neighbour(httpd)
    mend = another_key(cert, key)
    httpd.expect(r"cforigin:warn.*another virtual host has changed")
    life.mark(httpd, NAME)
    clock.until(lambda: "has changed and would" in str(
        life.status(httpd)["reload_wanted_reason"]),
        lambda: httpd.story("the reason in the status"))
    good = httpd.config.read_text()
    httpd.config.write_text(good + edit + "\n")
    mend()
    assert_is_never_loaded(httpd, clock, edit, good)


@every_edit
def test_an_edit_while_the_interval_is_waited_out_is_never_loaded(
        httpd, clock, edit):
    """What waits is tested a few seconds before the interval is over, and
    edited in those."""
    httpd.server("CFOriginReloadInterval 80s")
    httpd.managed("first.example.com", NAME)
    life.show_status(httpd)
    httpd.start()
    clock.run(8)
    life.mark(httpd, "first.example.com")
    httpd.await_generations(2)
    loaded = clock.now
    waiting.until(lambda: clock.now > loaded + 45, "most of the interval")
    life.mark(httpd, NAME)
    waiting.until(lambda: "CFOriginReloadInterval" in str(
        life.status(httpd)["reload_wanted_reason"]),
        lambda: httpd.story("the reason in the status"))
    good = httpd.config.read_text()
    httpd.config.write_text(good + edit + "\n")
    assert clock.now < loaded + 80, "too late"
    waiting.until(lambda: clock.now > loaded + 80, "the rest of it")
    assert_is_never_loaded(httpd, clock, edit, good)


def test_a_passed_test_is_acted_on_at_once(httpd):
    """By the real clock: the restart does not wait for the next look, nor
    for a command that hangs."""
    program = httpd.root / "tell"
    program.write_text("#!/bin/sh\n[ $1 = issued ] || exec /bin/sleep 25\n")
    program.chmod(0o755)
    httpd.server(f"CFOriginNotifyCommand {program}")
    httpd.managed(NAME)
    httpd.start()
    life.mark(httpd, NAME)
    life.await_generation(httpd, NAME, 2)
    httpd.await_generations(2, 4)
    assert life.served(httpd, NAME) == life.stored(httpd, NAME)
    waiting.until(lambda: httpd.keepers, "a keeper that tells", 4)
    httpd.stop(3)


@pytest.mark.parametrize("key_of", ["the virtual host", "the server"])
def test_a_neighbours_new_pair_is_loaded_along(httpd, clock, key_of):
    cert, key = httpd.root / "conf/other.pem", httpd.root / "conf/other.key"
    pairs.self_signed(cert, key, [OTHER])
    httpd.managed(NAME)
    lines = [f"SSLCertificateFile {cert}", f"SSLCertificateKeyFile {key}"]
    if key_of == "the server":
        httpd.server(lines.pop())
    httpd.vhost(OTHER, *lines)
    httpd.start()
    pairs.self_signed(cert, key, [OTHER])
    life.mark(httpd, NAME)
    life.await_generation(httpd, NAME, 2, clock)
    life.await_served(httpd, NAME, clock)
    assert life.served(httpd, OTHER) == pairs.sha256(cert)


@every_mpm
def test_a_notify_command_that_hangs_holds_up_no_restart(httpd, clock, mpm):
    program = httpd.root / "tell"
    program.write_text("#!/bin/sh\n[ $1 = issued ] || "
                       f"exec /bin/sleep 25.{httpd.port}\n")
    program.chmod(0o755)
    httpd.server(f"CFOriginNotifyCommand {program}")
    httpd.managed(NAME)
    httpd.start()
    life.mark(httpd, NAME)
    life.await_generation(httpd, NAME, 2, clock, 40)
    life.await_served(httpd, NAME, clock)
    (keeper,) = httpd.keepers
    assert httpd.generations() == 2 and keeper.is_alive()
    httpd.stop(3)


@pytest.mark.parametrize("detached", [True, False])
def test_arguments_that_lead_nowhere_from_where_it_is_now(httpd, detached):
    """A relative -d: once httpd is detached it is in "/", and a reload would
    end it, whoever asks for one."""
    life.show_status(httpd)
    httpd.managed(NAME)
    httpd.configure()
    done = subprocess.Popen(
        [binary(), "-d", httpd.root.name, "-f", "conf/httpd.conf",
         "-D", str(httpd.root),  # by which its processes are found
         *([] if detached else ["-DFOREGROUND"])],
        cwd=httpd.root.parent, env=httpd.environment)
    waiting.until(lambda: httpd.pid and httpd.generations(), "the start", 20)
    life.mark(httpd, NAME)
    life.await_generation(httpd, NAME, 2)
    if detached:
        httpd.expect(r"cforigin:warn.*does not pass its test.*httpd\.conf")
        waiting.until(lambda: "No such file" in str(
            life.status(httpd)["reload_wanted_reason"]),
            lambda: httpd.story("the reason in the status"))
    else:
        life.await_served(httpd, NAME)
    assert httpd.generations() == (1 if detached else 2)
    assert httpd.is_running()
    httpd.stop()
    done.wait(10)
