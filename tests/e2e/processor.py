"""The binary as a process."""

import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from emulator import LIMIT, eventually

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("LOG_PROCESSOR") or ROOT / "target/tested/release/log-processor").resolve()


class Processor:
    """A run of the binary. What it says goes to files, so that no pipe fills up."""

    def __init__(self, folder: Path, arguments, environment, stdin=b""):
        folder.mkdir()
        self.output, self.errors = folder / "stdout", folder / "stderr"
        self.metrics = ""
        (folder / "stdin").write_bytes(stdin)
        with self.output.open("wb") as out, self.errors.open("wb") as err, (folder / "stdin").open("rb") as given:
            self.process = subprocess.Popen(
                [BINARY, *arguments], env=environment, cwd=folder, stdin=given, stdout=out, stderr=err
            )

    def said(self):
        """All that it wrote."""
        return self.output.read_text() + self.errors.read_text()

    def lines(self, message=None):
        """Its log: each line must be JSON. Only those that say `message`, if it is given."""
        complete = self.output.read_text().rpartition("\n")[0].splitlines()
        lines = [json.loads(line) for line in complete]
        return [line for line in lines if message is None or message in line["message"]]

    def problems(self):
        """What its log has of warnings and errors, as one text."""
        return "\n".join(json.dumps(line) for line in self.lines() if line["level"] in ("WARN", "ERROR"))

    def awaits(self, message):
        """The first line of its log that says `message`, as soon as it is there."""
        def said():
            lines = self.lines(message)
            assert lines or self.process.poll() is None, f"it ended before {message!r}: {self.said()}"
            return lines
        return eventually(said, lambda: f"{message!r} in the log: {self.said()}")[0]

    def get(self, path):
        """Status and text of its HTTP server's answer."""
        address = self.awaits("serving /metrics")["address"]
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=LIMIT) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name):
        """The sum of a metric's samples; `name` may go on with labels."""
        _, self.metrics = self.get("/metrics")
        sample = re.compile(rf"^{re.escape(name)}\S* (\S+)$", re.MULTILINE)
        return sum(float(value) for value in sample.findall(self.metrics))

    def wait(self):
        """Its exit code, when it ends by itself."""
        return self.process.wait(LIMIT)

    def stop(self):
        """Its exit code after SIGTERM."""
        if self.lines("serving /metrics"):
            _, self.metrics = self.get("/metrics")
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        """Ends it, however it is."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
