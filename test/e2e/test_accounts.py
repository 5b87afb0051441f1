# SPDX-License-Identifier: Apache-2.0
"""Each token file is an account of its own, with an issuer of its own."""

import waiting


def two_accounts(httpd, cloudflare):
    other = httpd.write_token("other-token", cloudflare.other_token)
    httpd.vhost("a.example.com", "CFOrigin on")
    httpd.vhost("b.example.net", "CFOrigin on", f"CFOriginTokenFile {other}")
    return other


def test_each_token_file_is_used_for_its_own_vhosts(httpd, cloudflare):
    two_accounts(httpd, cloudflare)
    httpd.start()
    used = {c["body"]["hostnames"][0]: c["token"]
            for c in cloudflare.creates()}
    assert used == {
        "a.example.com": cloudflare.tag(cloudflare.token),
        "b.example.net": cloudflare.tag(cloudflare.other_token)}
    for name in used:
        assert httpd.get(name).status == 200


def test_two_accounts_have_two_issuers_side_by_side(httpd, cloudflare):
    cloudflare.hang()
    httpd.server("CFOriginStartupWait 0")
    two_accounts(httpd, cloudflare)
    httpd.start()
    waiting.until(lambda: len(httpd.issuers) == 2, "two issuers", 5)
    assert len(httpd.keepers) == 1


def test_vhosts_of_one_token_file_share_an_issuer(httpd, cloudflare):
    cloudflare.hang()
    httpd.server("CFOriginStartupWait 0")
    httpd.managed("a.example.com", "b.example.com", "c.example.net")
    httpd.start()
    waiting.until(lambda: httpd.issuers, "issuer", 5)
    waiting.until(lambda: len(cloudflare.calls()) >= 3, "three calls", 5)
    assert len(httpd.issuers) == 1


def test_a_bad_token_of_one_account_leaves_the_other_alone(
        httpd, cloudflare):
    other = two_accounts(httpd, cloudflare)
    other.write_text("a-token-nobody-knows\n")
    httpd.expect(r"cforigin:error.*b\.example\.net")
    httpd.start()
    assert httpd.get("a.example.com").status == 200
    assert httpd.get("b.example.net", verify=False).status == 503


def test_white_space_around_the_token_is_trimmed(httpd, cloudflare):
    httpd.write_token("token", f"\n  {cloudflare.token} \t\r\n")
    httpd.managed("a.example.com")
    httpd.start()
    assert httpd.get("a.example.com").status == 200


def test_the_accounts_state_stands_in_the_store_by_path_not_by_token(
        httpd, cloudflare):
    two_accounts(httpd, cloudflare)
    httpd.start()
    accounts = httpd.store / "accounts"
    waiting.until(lambda: len(list(accounts.glob("*.json"))) == 2,
                  "both accounts' files", 5)
    for path in accounts.glob("*.json"):
        assert path.stat().st_mode & 0o777 == 0o600
        assert cloudflare.token not in path.read_text()
