# SPDX-License-Identifier: Apache-2.0
"""SSLCertificateFile lines: files that do not exist yet, files that do."""

import os
import shutil

import pytest

import life
import pairs
import waiting
from conftest import MPMS
from ports import free_port
from tls import ECDSA_ONLY, RSA_ONLY, fetch

SSL_LINES = ["SSLProtocol all -SSLv3 -TLSv1 -TLSv1.1"]


def target_lines(folder, name="origin"):
    return [f"SSLCertificateFile {folder}/{name}.pem",
            f"SSLCertificateKeyFile {folder}/{name}.key"]


@pytest.fixture
def folder(httpd):
    path = httpd.root / "etc"
    path.mkdir(mode=0o755)
    return path


@pytest.mark.parametrize("mpm", MPMS)
def test_the_common_configuration_plus_cforigin_on_works(httpd, folder):
    httpd.vhost("a.example.com", "CFOrigin on", *target_lines(folder),
                *SSL_LINES)
    httpd.start()
    answer = httpd.get("a.example.com")
    assert answer.status == 200
    certificate, key = folder / "origin.pem", folder / "origin.key"
    assert certificate.stat().st_mode & 0o777 == 0o644
    assert key.stat().st_mode & 0o777 == 0o600
    assert pairs.sha256(certificate) == answer.sha256
    assert pairs.belong_together(certificate, key)


def test_the_site_stays_when_the_module_goes(httpd, folder):
    httpd.vhost("a.example.com", "CFOrigin on", *target_lines(folder),
                *SSL_LINES)
    httpd.start()
    served = httpd.get("a.example.com").sha256
    httpd.stop()
    httpd.with_module = False
    httpd.start()
    assert httpd.get("a.example.com").sha256 == served


def test_configtest_on_files_that_are_not_there_yet_writes_nothing(
        httpd, folder, cloudflare):
    httpd.vhost("a.example.com", "CFOrigin on", *target_lines(folder))
    before = httpd.tree()
    passed, said = httpd.configtest()
    assert passed, said
    assert httpd.tree() == before
    assert not cloudflare.calls()


@pytest.mark.parametrize("managed", ["off", "on"])
@pytest.mark.parametrize("line, words", [
    ("SSLCertificateFile", "takes one argument, SSL Server Certificate file"),
    ("SSLCertificateFile a b", "takes one argument, SSL Server Certificate"),
    ("SSLCertificateKeyFile", "takes one argument, SSL Server Private Key"),
    ("SSLEngine", "takes one argument, SSL switch"),
    ("SSLEngine on off", "takes one argument, SSL switch"),
    ("SSLEngine perhaps", "Argument must be On")])
def test_mod_ssl_tells_of_its_own_directives(httpd, managed, line, words):
    httpd.vhost("a.example.com", f"CFOrigin {managed}", line)
    passed, said = httpd.configtest()
    assert not passed
    assert words in said
    assert "CFOrigin" not in said and "mod_cforigin" not in said


def test_an_unmanaged_vhost_keeps_mod_ssls_own_error(httpd, folder):
    httpd.managed("a.example.com")
    httpd.vhost("b.example.com", *target_lines(folder))
    passed, said = httpd.configtest()
    assert not passed
    assert "SSLCertificateFile: file '" in said
    assert "does not exist or is empty" in said
    assert "httpd.conf:" in said or "on line" in said


def test_a_relative_target_is_below_the_server_root(httpd, folder):
    httpd.vhost("a.example.com", "CFOrigin on",
                "SSLCertificateFile etc/origin.pem",
                "SSLCertificateKeyFile etc/origin.key")
    httpd.start()
    assert pairs.sha256(folder / "origin.pem") \
        == httpd.get("a.example.com").sha256


def test_one_file_holds_certificate_and_key(httpd, folder):
    httpd.vhost("a.example.com", "CFOrigin on",
                f"SSLCertificateFile {folder}/both.pem")
    httpd.start()
    both = folder / "both.pem"
    assert both.stat().st_mode & 0o777 == 0o600
    assert pairs.belong_together(both, both)
    served = httpd.get("a.example.com").sha256
    httpd.stop()
    httpd.with_module = False
    httpd.start()
    assert httpd.get("a.example.com").sha256 == served


def test_a_target_that_is_a_symbolic_link_stays_one(httpd, folder):
    real = httpd.root / "real"
    real.mkdir()
    for name in ("origin.pem", "origin.key"):
        (folder / name).symlink_to(real / name)
    httpd.vhost("a.example.com", "CFOrigin on", *target_lines(folder))
    httpd.start()
    assert (folder / "origin.pem").is_symlink()
    assert pairs.sha256(real / "origin.pem") \
        == httpd.get("a.example.com").sha256
    assert (real / "origin.key").stat().st_mode & 0o777 == 0o600


def test_a_hand_edited_target_is_repaired_and_never_served(httpd, folder):
    httpd.vhost("a.example.com", "CFOrigin on", *target_lines(folder))
    httpd.start()
    served = httpd.get("a.example.com").sha256
    httpd.stop()
    key = folder / "origin.key"
    key.write_text("not a key any more\n")
    key.chmod(0o640)
    httpd.tolerate("cforigin:")
    httpd.start()
    assert httpd.get("a.example.com").sha256 == served
    waiting.until(lambda: pairs.belong_together(folder / "origin.pem", key),
                  "repair of the target", 25)
    assert key.stat().st_mode & 0o777 == 0o640


def test_a_repair_that_failed_is_tried_again(httpd, folder, clock):
    """The store was of no use to the keeper when the reload had it repair the
    files: that shows, with a next try, and is over by itself."""
    httpd.vhost("a.example.com", "CFOrigin on", *target_lines(folder))
    life.show_status(httpd)
    httpd.expect("cforigin:error.*chmod it to 0755; next try")
    httpd.start()
    certificate = folder / "origin.pem"
    good = certificate.read_text()
    certificate.write_text("")
    httpd.store.chmod(0o777)
    httpd.graceful()
    clock.until(lambda: life.shown(httpd, "a.example.com")["failures"] == 1,
                "the failure shown")
    seen = life.shown(httpd, "a.example.com")
    assert (seen["state"], seen["reason"]) == ("degraded", "valid")
    assert 20 <= life.moment(seen["next_try"]) - life.moment(
        seen["last_try"]) <= 40
    assert certificate.read_text() == ""
    httpd.store.chmod(0o755)
    clock.until(lambda: certificate.read_text() == good, "the repair")
    clock.until(lambda: life.shown(httpd, "a.example.com")["state"] == "ok",
                "the state")
    seen = life.shown(httpd, "a.example.com")
    assert (seen["failures"], seen["next_try"]) == (0, None)


@pytest.mark.parametrize("lose", ["current", "2", "2/meta.json",
                                  "*/meta.json"])
def test_rubbish_in_a_target_ends_no_server_whose_store_is_damaged(
        httpd, folder, clock, lose):
    """An older generation tells that the files are ours, or the server knows
    it, which runs with them."""
    name = "a.example.com"
    httpd.vhost(name, "CFOrigin on", *target_lines(folder))
    httpd.tolerate("cforigin:warn.*/(current|2/)")
    httpd.start()
    life.mark(httpd, name)
    life.await_generation(httpd, name, 2, clock)
    life.await_served(httpd, name, clock)
    for lost in list(httpd.folder(name).glob(lose)):
        if lost.is_dir() and not lost.is_symlink():
            shutil.rmtree(lost)
        elif lost.parent.name != "current":
            lost.unlink()
    for file in folder.iterdir():
        file.write_text("rubbish\n")
    httpd.graceful()
    assert httpd.get(name).status == 200
    file = folder / "origin.pem"
    clock.until(lambda: file.read_text() != "rubbish\n"
                and pairs.sha256(file) == httpd.get(name).sha256, "the repair")


def test_a_target_that_cannot_be_written_is_said_once(httpd, cloudflare):
    httpd.vhost("a.example.com", "CFOrigin on",
                f"SSLCertificateFile {httpd.root}/no/such/dir/origin.pem",
                f"SSLCertificateKeyFile {httpd.root}/no/such/dir/origin.key")
    httpd.expect(r"no/such/dir")
    httpd.start()
    assert httpd.get("a.example.com").status == 200
    httpd.graceful()
    assert httpd.get("a.example.com").status == 200
    assert len(cloudflare.creates()) == 1


def test_vhosts_with_one_target_share_one_certificate(httpd, folder,
                                                      cloudflare):
    for name in ("a.example.com", "b.example.com", "c.example.net"):
        httpd.vhost(name, "CFOrigin on", *target_lines(folder))
    httpd.start()
    (create,) = cloudflare.creates()
    assert sorted(create["body"]["hostnames"]) \
        == ["a.example.com", "b.example.com", "c.example.net"]
    assert len({httpd.get(name).sha256 for name in
                ("a.example.com", "b.example.com", "c.example.net")}) == 1


def test_both_request_types_have_two_pairs_of_targets(httpd, folder):
    httpd.vhost("a.example.com", "CFOrigin on",
                "CFOriginRequestType origin-ecc origin-rsa",
                *target_lines(folder, "ecc"), *target_lines(folder, "rsa"))
    httpd.start()
    for ciphers, name in ((ECDSA_ONLY, "ecc"), (RSA_ONLY, "rsa")):
        assert httpd.get("a.example.com", ciphers=ciphers).sha256 \
            == pairs.sha256(folder / f"{name}.pem")


@pytest.mark.parametrize("lose", [os.unlink, lambda path: os.truncate(path, 0)],
                         ids=["deleted", "emptied"])
def test_files_that_are_lost_end_no_server(httpd, folder, cloudflare, lose):
    """Two virtual hosts name the same files in two orders: which file is of
    which type doesn't depend on what is in them."""
    lines = [target_lines(folder, name) for name in ("ecc", "rsa")]
    second = free_port()
    httpd.server(f"Listen 127.0.0.1:{second}")
    for port, order in ((httpd.port, lines), (second, lines[::-1])):
        httpd.vhost("a.example.com", "CFOrigin on",
                    "CFOriginRequestType origin-ecc origin-rsa",
                    *order[0], *order[1], port=port)
    httpd.start()
    for file in list(folder.iterdir()):
        lose(file)
    passed, said = httpd.configtest()
    assert passed, said
    httpd.graceful()
    for ciphers, name in ((ECDSA_ONLY, "ecc"), (RSA_ONLY, "rsa")):
        for port in (httpd.port, second):
            served = fetch(port, "a.example.com", roots=cloudflare.roots,
                           ciphers=ciphers)
            assert served.status == 200
        file = folder / f"{name}.pem"
        waiting.until(lambda: file.exists() and file.stat().st_size
                      and pairs.sha256(file) == served.sha256,
                      "repair of the files", 25)
    assert len(cloudflare.creates()) == 2


def test_a_mistake_that_a_lost_file_lays_bare_ends_no_running_server(
        httpd, folder, cloudflare):
    """The second virtual host differs in its settings, which is nothing while
    it has another CA's certificate. What is renewed is loaded all the same."""
    pairs.self_signed(folder / "origin.pem", folder / "origin.key",
                      ["a.example.com"])
    second = free_port()
    httpd.server(f"Listen 127.0.0.1:{second}")
    httpd.vhost("a.example.com", "CFOrigin on", "CFOriginValidity 90")
    httpd.vhost("a.example.com", "CFOrigin on", "CFOriginValidity 365",
                *target_lines(folder), port=second)
    httpd.start()
    for file in list(folder.iterdir()):
        file.unlink()
    passed, said = httpd.configtest()
    assert not passed and "CFOriginValidity" in said
    httpd.expect(r"cforigin:warn.*differ in CFOriginValidity")
    httpd.graceful()
    first = httpd.get("a.example.com")
    assert first.status == 200
    assert fetch(second, "a.example.com",
                 roots=cloudflare.roots).status == 200
    (httpd.folder("a.example.com") / "renew").touch()
    waiting.until(lambda: httpd.get("a.example.com").sha256 != first.sha256,
                  lambda: httpd.story("the renewed one"), 45)


def test_another_cas_certificate_is_foreign_and_left_alone(
        httpd, folder, cloudflare):
    pairs.self_signed(folder / "origin.pem", folder / "origin.key",
                      ["a.example.com"])
    before = (folder / "origin.pem").read_bytes()
    httpd.vhost("a.example.com", "CFOrigin on", *target_lines(folder))
    httpd.start()
    answer = httpd.get("a.example.com", verify=False)
    assert answer.sha256 == pairs.sha256(folder / "origin.pem")
    assert answer.status == 200
    assert (folder / "origin.pem").read_bytes() == before
    assert not cloudflare.creates()
    assert "foreign" in httpd.dump()


def test_a_pair_made_by_hand_at_the_origin_ca_is_adopted(
        httpd, folder, cloudflare):
    cloudflare.issue_by_hand(folder / "origin.pem", folder / "origin.key",
                             ["a.example.com", "*.a.example.com"],
                             validity=365)
    mine = len(cloudflare.creates())
    httpd.vhost("a.example.com", "CFOrigin on", *target_lines(folder))
    httpd.start()
    served = httpd.get("a.example.com").sha256
    assert served == pairs.sha256(folder / "origin.pem")
    assert len(cloudflare.creates()) == mine
    waiting.until(lambda: (httpd.folder("a.example.com")
                           / "current/cert.pem").exists(), "adoption", 25)
    assert pairs.sha256(httpd.live("a.example.com") / "cert.pem") == served
    httpd.graceful()
    assert httpd.get("a.example.com").sha256 == served
    assert len(cloudflare.creates()) == mine


def test_a_key_line_of_the_server_holds_for_its_virtual_hosts(
        httpd, folder, cloudflare):
    """mod_ssl takes it where a virtual host has a certificate line alone."""
    cloudflare.issue_by_hand(folder / "origin.pem", folder / "origin.key",
                             ["a.example.com"])
    mine = len(cloudflare.creates())
    httpd.server(f"SSLCertificateKeyFile {folder}/origin.key")
    httpd.vhost("a.example.com", "CFOrigin on",
                f"SSLCertificateFile {folder}/origin.pem")
    httpd.start()
    served = httpd.get("a.example.com").sha256
    assert served == pairs.sha256(folder / "origin.pem")
    waiting.until(lambda: (httpd.folder("a.example.com")
                           / "current/cert.pem").exists(), "adoption", 25)
    (httpd.folder("a.example.com") / "renew").touch()
    waiting.until(lambda: httpd.get("a.example.com").sha256 != served,
                  lambda: httpd.story("the renewed one"), 25)
    assert len(cloudflare.creates()) == mine + 1
    assert pairs.belong_together(folder / "origin.pem", folder / "origin.key")
    httpd.stop()
    httpd.with_module = False
    httpd.start()
    assert httpd.get("a.example.com").sha256 \
        == pairs.sha256(folder / "origin.pem") != served


def test_a_key_of_the_server_that_is_not_ours_is_left_alone(httpd, folder):
    key = pairs.key_text(pairs.new_key())
    pairs.put(folder / "origin.key", key, 0o600)
    httpd.server(f"SSLCertificateKeyFile {folder}/origin.key")
    httpd.vhost("a.example.com", "CFOrigin on",
                f"SSLCertificateFile {folder}/origin.pem")
    httpd.expect(r"cforigin:warn.*origin\.key holds a private key of yours")
    httpd.start()
    assert httpd.get("a.example.com").status == 200
    assert (folder / "origin.key").read_bytes() == key
    assert not (folder / "origin.pem").exists()


def test_a_pair_made_by_hand_that_lacks_a_name_is_replaced(
        httpd, folder, cloudflare):
    cloudflare.issue_by_hand(folder / "origin.pem", folder / "origin.key",
                             ["a.example.com"], validity=365)
    mine = len(cloudflare.creates())
    httpd.vhost("a.example.com", "CFOrigin on", *target_lines(folder),
                aliases=["b.example.com"])
    httpd.start()
    httpd.await_certificate("b.example.com", 40)
    assert len(cloudflare.creates()) == mine + 1
    assert sorted(pairs.names(folder / "origin.pem")) \
        == ["a.example.com", "b.example.com"]
