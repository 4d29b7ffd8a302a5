"""AWS on this machine: moto's server, and clients of its accounts."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from functools import cached_property
from pathlib import Path

import boto3

from cloudwatch import CloudWatch

REGION = "us-east-1"
PROCESSOR = "111111111111"
TENANT_A = "222222222222"
TENANT_B = "333333333333"

# Where the processor looks if it isn't told otherwise.
TABLE = "tenant-configurations"


def free_port():
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


# Seconds that only what hangs takes, on however slow and busy a machine.
LIMIT = 240.0


def eventually(found, what, seconds=LIMIT):
    """What `found` gives as soon as it is true; `what` (a text, or what makes one) says what was awaited."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds:g} s: {what() if callable(what) else what}")


class Account:
    """An account's clients. Each call is made as an assumed role of the account: moto goes by that."""

    def __init__(self, emulator, account):
        self.url, self.account = emulator.url, account
        self.clients = {}

    @cached_property
    def credentials(self):
        """Keys of a session: the environment variables that any SDK takes them from."""
        anyone = boto3.Session(aws_access_key_id="anyone", aws_secret_access_key="anyone", region_name=REGION)
        sts = anyone.client("sts", endpoint_url=self.url)
        role = f"arn:aws:iam::{self.account}:role/owner"
        keys = sts.assume_role(RoleArn=role, RoleSessionName="e2e")["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
        }

    def client(self, service, region=REGION):
        """A client, made once."""
        if (service, region) not in self.clients:
            keys = {name.lower(): value for name, value in self.credentials.items()}
            session = boto3.Session(region_name=region, **keys)
            self.clients[service, region] = session.client(service, endpoint_url=self.url)
        return self.clients[service, region]


class Emulator:
    """moto's server, for the whole run; what a test makes has names of its own."""

    def __init__(self, log: Path):
        self.port, self.log = free_port(), log
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            eventually(self.answers, lambda: f"moto's server; it said: {log.read_text()[-2000:]}")
            self.accounts = {name: Account(self, name) for name in (PROCESSOR, TENANT_A, TENANT_B)}
            self.cloudwatch = CloudWatch(self.accounts[PROCESSOR])
            self.make_table()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self):
        """The endpoint of all services."""
        return f"http://127.0.0.1:{self.port}"

    def answers(self):
        """Whether the server is there."""
        if self.process.poll() is not None:
            raise AssertionError(f"moto's server ended: {self.log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"{self.url}/moto-api/", timeout=LIMIT) as answer:
                return answer.status == 200
        except urllib.error.URLError:
            return False

    def make_table(self):
        """The reference's table of tenants."""
        keys = [("tenant_id", "HASH"), ("type", "RANGE")]
        self.accounts[PROCESSOR].client("dynamodb").create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
            BillingMode="PAY_PER_REQUEST",
        )

    def stop(self):
        """Ends it; nothing of it is kept."""
        self.process.kill()
        self.process.wait()
