# SPDX-License-Identifier: Apache-2.0
"""A proxy for outgoing connections that knows CONNECT and nothing else, and
remembers what it was asked."""

import socket
import socketserver
import threading


class _Handler(socketserver.StreamRequestHandler):
    def handle(self):
        head = []
        while True:
            line = self.rfile.readline(65536).decode("latin-1").strip()
            if not line:
                break
            head.append(line)
        self.server.requests.append(head)
        verb, where = head[0].split()[:2]
        if verb != "CONNECT":
            self.wfile.write(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
            return
        host, port = where.rsplit(":", 1)
        with socket.create_connection((host.strip("[]"), int(port)),
                                      10) as far:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_pour,
                                    args=(far, self.connection))
            back.start()
            _pour(self.connection, far)
            back.join()


def _pour(source, sink):
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Proxy(socketserver.ThreadingTCPServer):
    """`requests`: the header lines of each request; use it in a with."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests = []
        self.port = self.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
