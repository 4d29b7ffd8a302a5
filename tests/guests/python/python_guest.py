"""Rewrites records with what Python's library offers: clocks, random numbers, the
environment, files, sockets. Of each record it masks the password, and adds what it sees
of the world; `mode` is what it tries besides. tests/guests/wasi does the same in Rust."""

import json
import os
import random
import socket
import sys
import time
import uuid

from wit_world import exports
from wit_world.exports.record_rewrite import Rewritten
from wit_world.imports import types


def surroundings() -> dict:
    """What Python sees of the world."""
    before = time.monotonic_ns()
    return {
        "now": round(time.time() * 1000),
        "elapsed": time.monotonic_ns() - before,
        "random": [random.random(), os.urandom(8).hex(), str(uuid.uuid4())],
        "order": list({"a", "b", "c", "d", "e", "f", "g", "h"}),
        "environment": len(os.environ),
        "arguments": len(sys.argv),
    }


class RecordRewrite(exports.RecordRewrite):
    """The export of that name."""

    mode = ""

    def begin(self, context: types.Context, now: int) -> None:
        RecordRewrite.mode = dict(context.settings).get("mode", "")

    def rewrite(self, first_line: int, lines: bytes) -> Rewritten:
        out, sources = [], []
        for number, line in enumerate(lines.splitlines(), first_line):
            if not line.strip():
                continue
            record = json.loads(line)
            if record.get("level") == "debug":
                continue
            if "password" in record:
                record["password"] = "***"
            record["seen"] = seen(RecordRewrite.mode)
            print("line", number)
            print("line", number, file=sys.stderr)
            out.append(json.dumps(record).encode() + b"\n")
            sources.append(number)
        return Rewritten(b"".join(out), sources, [], None)

    def end(self) -> Rewritten:
        return Rewritten(b"", [], [], None)


def seen(mode: str):
    if mode == "file":
        try:
            open("/etc/passwd").close()
        except OSError as error:
            return type(error).__name__
    if mode == "input":
        return sys.stdin.read()
    if mode == "sleep":
        time.sleep(3600)
    if mode == "exit":
        sys.exit(3)
    if mode in ("connect", "resolve"):
        try:
            if mode == "resolve":
                # As bytes: the codec for names is imported when it is first used, from a file.
                socket.getaddrinfo(b"example.com", 80)
            else:
                socket.socket().connect(("10.0.0.1", 80))
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return surroundings()
