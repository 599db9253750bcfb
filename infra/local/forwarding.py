"""Forwards calls from the emulator to the endpoint: EC2, the EBS direct APIs, Run Command and the public parameters."""

import asyncio
import concurrent.futures
import http.client
import json
from urllib.parse import urlencode, urlsplit

import door

RUN_COMMAND = {
    "SendCommand", "GetCommandInvocation", "ListCommands", "ListCommandInvocations", "CancelCommand",
    "DescribeInstanceInformation",
}
HANDED_ON = {"PutParameter", "DeleteParameter"}  # the endpoint sends these calls back, so that its faults apply to them
ENDPOINT_PARAMETERS = ("/aws/service/", "/goldsmith/examples/")
# Headers of answers that are passed on. Those of blocks are in the EBS direct APIs reference, GetSnapshotBlock.
ANSWERED = {
    "content-type", "x-amzn-requestid", "x-amzn-errortype", "x-amz-data-length", "x-amz-checksum", "x-amz-checksum-algorithm",
}
HOP_HEADERS = {"host", "content-length", "connection", "transfer-encoding", "accept-encoding"}


class Endpoint:
    """Forwards calls to the endpoint, which serves EC2 and Run Command. A forwarded call shows the secret that both
    know: its caller has signed for another address, and the emulator has verified that signature."""

    def __init__(self, url, secret):
        self.target, self.secret = urlsplit(url), secret
        # A call may be held open for a long time, so calls do not use the event loop's own small pool.
        self.pool = concurrent.futures.ThreadPoolExecutor(max_workers=64)

    def send(self, method, path, headers, body):
        connection = http.client.HTTPConnection(self.target.hostname, self.target.port, timeout=300)
        try:
            kept = {key: value for key, value in headers.items() if key.lower() not in HOP_HEADERS}
            kept[door.SHOWN] = self.secret
            connection.request(method, path, body=body.encode() if isinstance(body, str) else body, headers=kept)
            answer = connection.getresponse()
            return answer.status, {k: v for k, v in answer.getheaders() if k.lower() in ANSWERED}, answer.read()
        finally:
            connection.close()

    async def call(self, method, path, headers, body):
        return await asyncio.get_running_loop().run_in_executor(self.pool, self.send, method, path, headers, body)

    async def handle(self, method, path, headers, body, query_params):
        """Handles a call as a service handler of the emulator."""
        from ministack.core.responses import get_account_id

        query = urlencode({key: value[0] if isinstance(value, list) else value for key, value in (query_params or {}).items()})
        headers = {**headers, "x-goldsmith-account": get_account_id()}
        return await self.call(method, f"{path}?{query}" if query else path, headers, body)


def route_ec2(app, endpoint, authorise, denied_keys):
    """Routes EC2 calls to the endpoint. The emulator keeps the resources that CloudFormation has created, and answers
    calls that show the secret from them."""
    emulators = app.SERVICE_HANDLERS["ec2"]

    async def ec2(method, path, headers, body, query_params):
        if headers.get("x-goldsmith-local") == "1":
            return await emulators(method, path, headers, body, query_params)
        denied = await authorise("ec2", headers, body, query_params)
        if denied:
            return denied
        headers = {**headers, "x-goldsmith-denied-keys": ",".join(await denied_keys(headers, body, query_params))}
        return await endpoint.handle(method, path, headers, body, query_params)

    app.SERVICE_HANDLERS["ec2"] = ec2


def route_ssm(app, endpoint, authorise):
    """Routes Run Command and the public image parameters to the endpoint. All other parameters stay in the emulator."""
    emulators = app.SERVICE_HANDLERS["ssm"]

    def is_endpoints(name):
        return f"{name}/".startswith(ENDPOINT_PARAMETERS)

    async def get_parameters(method, path, headers, request, query_params):
        """Serves a call with names of both sides: asks each side for its own names, and combines the answers."""
        names, found = request.get("Names", []), {"Parameters": [], "InvalidParameters": []}
        for handle, asked in (
            (endpoint.handle, [name for name in names if is_endpoints(name)]),
            (emulators, [name for name in names if not is_endpoints(name)]),
        ):
            if asked:
                body = json.dumps({**request, "Names": asked}).encode()
                status, answered, text = await handle(method, path, headers, body, query_params)
                if status != 200:
                    return status, answered, text
                for key in found:
                    found[key] += json.loads(text).get(key, [])
        return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(found).encode()

    async def ssm(method, path, headers, body, query_params):
        operation, request = headers.get("x-amz-target", "").rsplit(".", 1)[-1], json.loads(body or b"{}")
        if operation == "GetParameters":
            denied = await authorise("ssm", headers, body, query_params)
            return denied or await get_parameters(method, path, headers, request, query_params)
        reads = operation in ("GetParameter", "GetParametersByPath")
        if operation in RUN_COMMAND or reads and is_endpoints(request.get("Name") or request.get("Path") or ""):
            denied = await authorise("ssm", headers, body, query_params)
            return denied or await endpoint.handle(method, path, headers, body, query_params)
        if operation in HANDED_ON and headers.get("x-goldsmith-local") != "1":
            return await endpoint.handle(method, path, headers, body, query_params)
        answer = await emulators(method, path, headers, body, query_params)
        if answer[0] == 200:
            tell_of_parameter(operation, request, answer[2])
        return answer

    app.SERVICE_HANDLERS["ssm"] = ssm


def route_ebs(app, endpoint, refused):
    """Routes the EBS direct APIs to the endpoint: the emulator does not know them."""
    from ministack.core import iam_actions, router

    router.SERVICE_PATTERNS["ebs"] = {"host_patterns": [r"ebs\."]}
    # From here on, the emulator knows the action of a call, and checks who has signed it.
    iam_actions.SERVICE_TO_IAM_NAMESPACE["ebs"] = "ebs"
    iam_actions._BOTOCORE_SERVICE_MAP["ebs"] = ["ebs"]

    async def ebs(method, path, headers, body, query_params):
        return await refused(method, path, headers, body, query_params) or await endpoint.handle(
            method, path, headers, body, query_params)

    app.SERVICE_HANDLERS["ebs"] = ebs


def tell_of_parameter(operation, request, answer):
    """Emits the event of a written or deleted parameter, which the emulator itself does not emit."""
    from ministack.services import eventbridge

    if operation == "PutParameter":
        change = "Create" if json.loads(answer)["Version"] == 1 else "Update"
    elif operation == "DeleteParameter":
        change = "Delete"
    else:
        return
    detail = {"operation": change, "name": request["Name"], "type": request.get("Type", "String")}
    entry = {"Source": "aws.ssm", "DetailType": "Parameter Store Change", "Detail": json.dumps(detail), "Resources": []}
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
