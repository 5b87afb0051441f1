# SPDX-License-Identifier: Apache-2.0
"""What only root can arrange: workers in an empty jail still have the whole
status, since nothing of it is read from a file."""

import subprocess

import test_status
from test_status import PAGE, as_json, look, samples


def test_the_status_works_in_a_jail(httpd, cloudflare):
    cloudflare.refuse("bad.example.com", 400, 1010, "No such zone here")
    jail = httpd.root / "jail"
    jail.mkdir(mode=0o755)
    # A thread's end loads this library, and the jail has none.
    libgcc = subprocess.run(["gcc", "-print-file-name=libgcc_s.so.1"],
                            check=True, capture_output=True,
                            text=True).stdout.strip()
    httpd.before_modules.append(f"LoadFile \"{libgcc}\"")
    httpd.server(*test_status.LOCATIONS, f"ChrootDir \"{jail}\"")
    httpd.managed("good.example.com", "bad.example.com")
    httpd.expect(r"bad.example.com \(origin-ecc\): 1010")
    httpd.start()
    doc = as_json(httpd)
    assert (doc["totals"]["ok"], doc["totals"]["error"]) == (1, 1)
    assert "No such zone here" in look(httpd).text
    assert samples(httpd) and look(httpd, "/server-status").status == 200
    assert look(httpd, PAGE + "/good.example.com?check").status == 200
    assert list(jail.iterdir()) == []
