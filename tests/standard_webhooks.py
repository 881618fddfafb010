"""Verifies requests with the published Standard Webhooks library for Python.

Reads a JSON list of {"secret", "headers", "body"} from standard input, the body in base64, and writes a JSON list: for each
null where the library takes the request, else what it says. Run by the tests (tests/api/support/standard_webhooks.rs).
"""

import base64
import json
import sys

from standardwebhooks.webhooks import Webhook


def refusal(request):
    try:
        body = base64.b64decode(request["body"])
        Webhook(request["secret"]).verify(body, request["headers"], json_parse=False)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


json.dump([refusal(request) for request in json.load(sys.stdin)], sys.stdout)
