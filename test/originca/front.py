# SPDX-License-Identifier: Apache-2.0
"""nginx in front of the test Cloudflare, for tests that want HTTP/2.

    with OriginCA(folder, "--no-tls") as cloudflare, \\
            Http2Front(cloudflare) as front:
        ... front.url ...

The same CA file and tokens; only url and port are the front's.
"""
import os
import shutil
import socket
import subprocess
import time

from ports import free_port

CONF = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream api {{ server 127.0.0.1:{upstream}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {certs}/api.pem;
        ssl_certificate_key {certs}/api.key;
        location / {{
            proxy_pass http://api;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_read_timeout 300s;
        }}
    }}
}}
"""


class Http2Front:
    def __init__(self, cloudflare):
        self.cloudflare = cloudflare

    def start(self):
        folder = os.path.join(self.cloudflare.folder, "front")
        os.makedirs(folder, exist_ok=True)
        self.port = free_port()
        self.url = "https://127.0.0.1:%d/client/v4" % self.port
        conf = os.path.join(folder, "nginx.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write(CONF.format(folder=folder, port=self.port,
                                upstream=self.cloudflare.port,
                                certs=self.cloudflare.folder))
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = subprocess.Popen(
            [nginx, "-e", os.path.join(folder, "error.log"), "-p", folder,
             "-c", conf], stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        self._wait()
        return self

    def stop(self):
        self.process.terminate()
        self.process.wait(5)

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def _wait(self):
        end = time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        self.process.kill()
        self.process.wait()
        raise RuntimeError("nginx did not start, see its error.log in "
                           + self.cloudflare.folder)
