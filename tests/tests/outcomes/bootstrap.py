"""In place of every function: fails where the execution's name says so, and else answers what the definition goes on with.

The name is a number, and `STATE-ERROR` for each state that is to fail, joined by `--`, with `_` for the dot of an error.
Plan answers what its input says.
"""

import json
import os
import urllib.error
import urllib.request

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

RUNTIME = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime"


def post(url, body, headers=None):
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers or {}, method="POST")
    urllib.request.urlopen(request).close()


def succeed(token):
    """SendTaskSuccess, with the function's own rights."""
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    credentials = Credentials(*(os.environ.get(key) or None for key in keys))
    body = {"taskToken": token, "output": "{}"}
    headers = {"X-Amz-Target": "AWSStepFunctions.SendTaskSuccess", "Content-Type": "application/x-amz-json-1.0"}
    request = AWSRequest("POST", os.environ["AWS_ENDPOINT_URL"] + "/", headers=headers, data=json.dumps(body).encode())
    SigV4Auth(credentials, "states", os.environ["AWS_REGION"]).add_auth(request)
    post(request.url, body, dict(request.headers))


def failures(name):
    parts = (part.rpartition("-") for part in name.split("--")[1:])
    return {state: error.replace("_", ".") for state, _, error in parts}


def answer(payload):
    match payload["state"]:
        case "Plan":
            return payload["input"]["answer"]
        case "EndTest":
            return {"item": payload["item"], "outcome": "succeeded"}
        case "FinishFailed":
            return {"error": payload["error"]["Error"], "cause": payload["error"]["Cause"]}
    return {}


def handle(invocation, payload):
    if "state" not in payload:  # an event or the tick
        return post(f"{RUNTIME}/invocation/{invocation}/response", {})
    error = failures(payload["build"]).get(payload["state"])
    if error:
        told = {"errorType": error, "errorMessage": f"{payload['state']} fails"}
        return post(f"{RUNTIME}/invocation/{invocation}/error", told, {"Lambda-Runtime-Function-Error-Type": error})
    if "token" in payload:
        succeed(payload["token"])
    post(f"{RUNTIME}/invocation/{invocation}/response", answer(payload))


while True:
    with urllib.request.urlopen(f"{RUNTIME}/invocation/next") as next_invocation:
        handle(next_invocation.headers["Lambda-Runtime-Aws-Request-Id"], json.load(next_invocation))
