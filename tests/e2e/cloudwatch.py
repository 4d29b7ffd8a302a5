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
        """Hands a request on; why it is refused, or None. boto3 and moto check the rest."""
        for datum in request["MetricData"]:
            for dimension in datum.get("Dimensions", []):
                if not is_dimension(dimension["Name"], 255) or not is_dimension(dimension["Value"], 1024):
                    return "The value for parameter MetricData.member.1.Dimensions.member.1 is invalid."
        self.account.client("cloudwatch").put_metric_data(**request)
        return None

    def stop(self):
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()


def error(code, message):
    """An error in CBOR: a map of two texts, each shorter than 256 bytes."""
    text = lambda value: bytes([0x78, len(value)]) + value.encode()
    return b"\xa2" + text("__type") + text(code) + text("message") + text(message)


def is_dimension(text, most):
    """What API_Dimension asks of a name or a value: moto takes anything."""
    plain = all(" " <= character <= "~" for character in text)
    return plain and text.strip() and not text.startswith(":") and len(text) <= most


class Handler(BaseHTTPRequestHandler):
    """A request. What is refused is answered as AWS does; what can't be read ends the connection."""

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
        refused = cloudwatch.put(parser.parse_data_item(parser.get_peekable_stream_from_bytes(body)))
        if refused:
            self.answer(400, error("com.amazonaws.cloudwatch#InvalidParameterValueException", refused))
        else:
            self.answer(200)

    def answer(self, status, body=b"\xa0"):
        """An answer; by default one without content: an empty map."""
        self.send_response(status)
        self.send_header("smithy-protocol", "rpc-v2-cbor")
        self.send_header("Content-Type", "application/cbor")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing."""
