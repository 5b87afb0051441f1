# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 over one connection: kept alive, byte by byte under control.

An asyncio protocol rather than a framework, because a fault may want any
byte at any time, and because sixty-four connections must cost little. Knows
nothing of the API. A subclass gives `serve`, which answers one request and
says whether the connection lives on.
"""
import asyncio
import socket
import struct
import time
import traceback
from urllib.parse import parse_qsl, urlsplit

MAX_HEAD = 64 * 1024
MAX_BODY = 1024 * 1024
LINGER = 2.0
REASONS = {200: "OK", 204: "No Content", 301: "Moved Permanently",
           302: "Found", 307: "Temporary Redirect",
           308: "Permanent Redirect", 400: "Bad Request",
           401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
           405: "Method Not Allowed", 413: "Payload Too Large",
           429: "Too Many Requests", 500: "Internal Server Error",
           502: "Bad Gateway", 503: "Service Unavailable",
           504: "Gateway Timeout"}


class BadRequest(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Lost(Exception):
    """The client has gone."""


class Request:
    def __init__(self, method, target, version, headers):
        self.method, self.target, self.version = method, target, version
        self.headers = headers
        self.body = b""
        self.arrived = 0.0         # its last byte, on time.monotonic()
        words = headers.get("connection", "").lower()
        self.keep_alive = "close" not in words and (
            version == "HTTP/1.1" or "keep-alive" in words)

    @property
    def path(self):
        return urlsplit(self.target).path

    @property
    def query(self):
        return dict(parse_qsl(urlsplit(self.target).query))


def head(status, headers):
    lines = ["HTTP/1.1 %d %s" % (status, REASONS.get(status, "Unknown"))]
    lines += ["%s: %s" % pair for pair in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Connection(asyncio.Protocol):
    """Life: made → run() loops over read_request and serve → lost."""

    def connection_made(self, transport):
        self.transport = transport
        self.buffer = bytearray()
        self.news = asyncio.Event()
        self.lost = asyncio.Event()
        self.room = asyncio.Event()
        self.room.set()
        self.reset = False
        self.task = asyncio.get_running_loop().create_task(self._run())

    def data_received(self, data):
        self.heard = time.monotonic()
        self.buffer += data
        if len(self.buffer) > 2 * (MAX_HEAD + MAX_BODY):
            self.transport.abort()
        self.news.set()

    def eof_received(self):
        return False

    def connection_lost(self, exc):
        self.lost.set()
        self.news.set()
        self.room.set()

    def pause_writing(self):
        self.room.clear()

    def resume_writing(self):
        self.room.set()

    async def write(self, data):
        """Give the bytes to the socket; Lost when nobody takes them."""
        if self.lost.is_set() or self.transport.is_closing():
            raise Lost()
        self.transport.write(data)
        await self.room.wait()
        if self.lost.is_set():
            raise Lost()

    async def pause(self, seconds):
        """Sleep, but no longer than the client stays; None is for ever."""
        if seconds is not None and seconds <= 0:
            return
        try:
            await asyncio.wait_for(self.lost.wait(), seconds)
        except asyncio.TimeoutError:
            return
        raise Lost()

    def reset_on_close(self):
        """The connection shall end with a RST and not with a goodbye."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))
        self.reset = True

    async def _run(self):
        try:
            while True:
                try:
                    request = await self.read_request()
                    alive = await self.serve(request)
                except BadRequest as fault:
                    await self.refuse(fault)
                    await self._linger()
                    break
                if not alive:
                    break
        except (Lost, ConnectionError):
            pass
        except Exception:
            # a mistake of ours, or of a script: to be seen, not guessed
            traceback.print_exc()
        finally:
            if self.reset:
                self.transport.abort()
            else:
                self.transport.close()

    async def _linger(self):
        """Swallow what is still being sent, or the client would meet a
        closed connection before it has read why."""
        while not self.lost.is_set():
            self.buffer.clear()
            self.news.clear()
            try:
                await asyncio.wait_for(self.news.wait(), LINGER)
            except asyncio.TimeoutError:
                break

    async def serve(self, request):
        raise NotImplementedError

    async def refuse(self, fault):
        await self.answer(fault.status, [("Content-Type", "text/plain")],
                          str(fault).encode(), False)

    async def answer(self, status, headers, body, keep_alive=True):
        headers = list(headers) + [("Content-Length", str(len(body)))]
        if not keep_alive:
            headers.append(("Connection", "close"))
        await self.write(head(status, headers) + body)

    async def read_request(self):
        block = await self._until(b"\r\n\r\n", MAX_HEAD)
        try:
            first, *rest = block.decode("latin-1").split("\r\n")
            method, target, version = first.split(" ")
            urlsplit(target)
            headers = {}
            for line in rest:
                name, colon, value = line.partition(":")
                if not colon:
                    raise ValueError(line)
                headers[name.lower()] = value.strip()
        except ValueError:
            raise BadRequest(400, "malformed request") from None
        request = Request(method, target, version, headers)
        if headers.get("expect", "").lower() == "100-continue":
            await self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in headers.get("transfer-encoding", "").lower():
            request.body = await self._chunks()
        elif headers.get("content-length"):
            request.body = await self._exactly(
                self._size(headers["content-length"], 10))
        request.arrived = self.heard
        return request

    @staticmethod
    def _size(text, base):
        try:
            size = int(text, base)
        except ValueError:
            raise BadRequest(400, "malformed length") from None
        if not 0 <= size <= MAX_BODY:
            raise BadRequest(413, "request body too large")
        return size

    async def _chunks(self):
        body = bytearray()
        while True:
            line = await self._until(b"\r\n", 1024)
            size = self._size(line.split(b";")[0].decode("latin-1"), 16)
            if size == 0:
                while await self._until(b"\r\n", MAX_HEAD):
                    pass
                return bytes(body)
            body += await self._exactly(size)
            if len(body) > MAX_BODY:
                raise BadRequest(413, "request body too large")
            await self._exactly(2)

    async def _until(self, mark, most):
        while True:
            at = self.buffer.find(mark)
            if at >= 0:
                block = bytes(self.buffer[:at])
                del self.buffer[:at + len(mark)]
                return block
            if len(self.buffer) > most:
                raise BadRequest(400, "request head too large")
            await self._more()

    async def _exactly(self, size):
        while len(self.buffer) < size:
            await self._more()
        block = bytes(self.buffer[:size])
        del self.buffer[:size]
        return block

    async def _more(self):
        self.news.clear()
        if self.lost.is_set():
            raise Lost()
        await self.news.wait()
        if self.lost.is_set():
            raise Lost()
