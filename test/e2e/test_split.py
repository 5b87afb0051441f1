# SPDX-License-Identifier: Apache-2.0
"""Four processes, each with what it needs and no more."""

import os
import subprocess

import pytest
from cryptography import x509

import pairs
from httpd import BUILD
from test_targets import target_lines


def test_the_keeper_is_in_a_group_of_its_own(round_under_way):
    (keeper,) = round_under_way.keepers
    assert os.getpgid(keeper.pid) == keeper.pid
    assert os.getpgid(round_under_way.issuers[0].pid) == keeper.pid
    assert int(keeper.status["SigBlk"], 16) == 0


def test_the_token_is_in_no_file_but_its_own(httpd, cloudflare):
    """Not in the logs at the loudest level, not in the store."""
    httpd.server("LogLevel trace8")
    httpd.managed("a.example.com")
    cloudflare.refuse("b.example.com", 400, 10000, "Authentication error")
    httpd.managed("b.example.com")
    httpd.tolerate(r"b\.example\.com", "account")
    httpd.start()
    seen = 0
    for path in httpd.root.rglob("*"):
        if path.is_file() and path != httpd.token_file:
            assert cloudflare.token.encode() not in path.read_bytes(), path
            seen += 1
    assert seen > 10


def test_no_private_key_is_in_the_log_or_outside_the_store(httpd):
    httpd.server("LogLevel trace8")
    httpd.managed("a.example.com")
    httpd.start()
    key = (httpd.live("a.example.com") / "key.pem").read_bytes()
    middle = key.splitlines()[1]
    for path in httpd.root.rglob("*"):
        if path.is_file() and path.name != "key.pem":
            assert middle not in path.read_bytes(), path


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o007])
def test_modes_do_not_depend_on_the_umask(httpd, umask):
    modes_with_umask(httpd, umask)


def modes_with_umask(httpd, umask):
    folder = httpd.root / "etc"
    folder.mkdir(mode=0o755)
    httpd.umask = umask
    httpd.server(f"CustomLog {httpd.root}/logs/access.log common")
    httpd.vhost("a.example.com", "CFOrigin on", *target_lines(folder))
    httpd.start()
    assert httpd.get("a.example.com").status == 200
    modes = {str(path.relative_to(httpd.store)): path.stat().st_mode & 0o777
             for path in httpd.store.rglob("*") if not path.is_symlink()}
    certs = "certs/a.example.com/origin-ecc"
    assert modes[certs] == 0o700
    assert modes[f"{certs}/1/key.pem"] == 0o600
    assert modes["journal.jsonl"] == 0o600
    assert modes["lock"] == 0o600
    assert httpd.store.stat().st_mode & 0o777 == 0o755
    assert (folder / "origin.pem").stat().st_mode & 0o777 == 0o644
    assert (folder / "origin.key").stat().st_mode & 0o777 == 0o600


def libraries(path):
    text = subprocess.run(["readelf", "-d", str(path)], text=True,
                          check=True, capture_output=True).stdout
    return [line.split("[")[1].rstrip("]") for line in text.splitlines()
            if "(NEEDED)" in line]


def test_libcurl_is_linked_by_the_issuer_alone():
    assert not any("curl" in lib
                   for lib in libraries(BUILD / "mod_cforigin.so"))
    assert not any("curl" in lib
                   for lib in libraries(BUILD / "cforigin-keeper"))
    assert any("curl" in lib for lib in libraries(BUILD / "cforigin-issuer"))


@pytest.mark.parametrize("program", ["cforigin-keeper", "cforigin-issuer"])
def test_a_program_run_by_hand_says_what_it_is_and_ends(program):
    done = subprocess.run([str(BUILD / program)], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=10, check=False)
    assert done.returncode in (0, 1)


def test_stray_environment_does_not_steer_the_issuer(httpd):
    """A proxy, a trust store of somebody's shell: none of it counts."""
    httpd.environment.update(https_proxy="http://127.0.0.1:9",
                             HTTPS_PROXY="http://127.0.0.1:9",
                             ALL_PROXY="http://127.0.0.1:9",
                             SSL_CERT_FILE="/dev/null",
                             CURL_CA_BUNDLE="/dev/null")
    httpd.managed("a.example.com")
    httpd.start()
    assert httpd.get("a.example.com").status == 200


def test_a_csr_is_signed_by_the_key_that_stays_here(httpd, cloudflare):
    httpd.managed("a.example.com")
    httpd.start()
    (create,) = cloudflare.creates()
    csr = x509.load_pem_x509_csr(create["body"]["csr"].encode())
    assert csr.is_signature_valid
    assert csr.public_key().public_numbers() == pairs.certificate(
        httpd.live("a.example.com") / "cert.pem").public_key() \
        .public_numbers()
