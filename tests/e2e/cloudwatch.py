"""PutMetricData as today's SDKs call it. moto knows only the older protocol: it is
given what this one takes, so that the metrics can be asked for as on AWS.

The protocol: https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
"""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.parsers import BaseCBORParser

PATH = "/service/GraniteServiceVersion20100801/operation/PutMetricData"


class CloudWatch:
    """A server in front of moto's CloudWatch of one account."""

    def __init__(self, account):
        self.account = account
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.cloudwatch = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def put(self, request):
        """Hands a request on. What it may hold is what AWS says it may; boto3 and moto check that."""
        self.account.client("cloudwatch").put_metric_data(**request)

    def stop(self):
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()


class Handler(BaseHTTPRequestHandler):
    """A request; what is wrong with it ends the connection."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        """The one operation."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        cloudwatch = self.server.cloudwatch
        # Its own credentials, not a session of a tenant's.
        key = cloudwatch.account.credentials["AWS_ACCESS_KEY_ID"]
        if self.path != PATH or f"Credential={key}/" not in self.headers["Authorization"]:
            self.answer(403)
            return
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        parser = BaseCBORParser()
        cloudwatch.put(parser.parse_data_item(parser.get_peekable_stream_from_bytes(body)))
        self.answer(200)

    def answer(self, status):
        """An answer without content: an empty map."""
        self.send_response(status)
        self.send_header("smithy-protocol", "rpc-v2-cbor")
        self.send_header("Content-Type", "application/cbor")
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"\xa0")

    def log_message(self, *_):
        """Nothing."""
