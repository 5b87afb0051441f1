# SPDX-License-Identifier: Apache-2.0
"""A server that misbehaves on purpose: plain HTTP on loopback, each answer
written byte by byte by the test."""
import json
import socket
import threading


class Sly(threading.Thread):
    """Plain TCP on loopback; `serve(connection, n)` is a test's own."""

    def __init__(self, serve, port=0):
        super().__init__(daemon=True)
        self.serve, self.seen = serve, []
        self.socket = socket.create_server(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        self.url = "http://127.0.0.1:%d/client/v4" % self.port

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.socket.close()

    def run(self):
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,),
                             daemon=True).start()

    def _one(self, connection):
        try:
            with connection:
                self.serve(self, connection)
        except OSError:
            pass

    def request(self, connection):
        """Read one request; it is noted in `seen` too."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            fields[name.lower()] = value
        while len(body) < int(fields.get("content-length", 0)):
            body += connection.recv(65536)
        self.seen.append((lines[0], fields, body))
        return lines[0]


def reply(doc, status="200 OK", extra=""):
    body = doc if isinstance(doc, bytes) else json.dumps(doc).encode()
    return ("HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n"
            % (status, len(body), extra)).encode() + body


GOOD = {"success": True, "result": {"certificate": "PEM", "id": "5009"}}
