"""Starts the emulator with what it lacks: EC2 and Run Command by the local endpoint, and Step Functions closer to AWS.

All gaps of the emulator are closed here (who is let in, in door.py and runtime_api.py, permissions in permissions.py, schedules in
scheduler.py), never in the product.
"""

import argparse
import asyncio
import concurrent.futures
import http.client
import importlib.metadata
import inspect
import json
import os
import signal
import socketserver
import sys
import threading
import time
from contextvars import ContextVar
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import door

EMULATOR_VERSION = "1.5.33"
RUN_COMMAND = {
    "SendCommand", "GetCommandInvocation", "ListCommands", "ListCommandInvocations", "CancelCommand",
    "DescribeInstanceInformation",
}
HANDED_ON = {"PutParameter", "DeleteParameter"}  # they come back from the endpoint, whose faults reach them so
EC2 = "ec2.amazonaws.com"
ENDPOINT_PARAMETERS = ("/aws/service/", "/goldsmith/examples/")
HOP_HEADERS = {"host", "content-length", "connection", "transfer-encoding", "accept-encoding"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--ec2", required=True, help="URL of the EC2 and SSM endpoint")
    parser.add_argument("--directory", type=Path, required=True, help="folder for the emulator's state")
    parser.add_argument("--secret-file", type=Path, required=True, help="file with the secret key that callers must know")
    parser.add_argument("--region", default="eu-west-1")
    parser.add_argument("--parent", type=int, help="end when this process has gone")
    parser.add_argument("--record-calls", action="store_true", help="keep each call of a role in the folder (recording.py)")
    return parser.parse_args()


def configure(options, secret):
    """The emulator reads its environment when it is imported, and its functions inherit all of it but the key, in whose place
    they have those of their roles."""
    address = f"http://127.0.0.1:{options.port}"
    options.directory.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        BIND_HOST="127.0.0.1",
        GATEWAY_PORT=str(options.port),
        MINISTACK_HOST="127.0.0.1",
        MINISTACK_REGION=options.region,
        SFTP_ENABLED="0",
        IOT_MTLS_ENABLED="0",
        AUTH="true",
        AWS_SECRET_ACCESS_KEY=secret,  # of the account's root
        LOG_LEVEL=os.environ.get("LOG_LEVEL", "WARNING"),
        SFN_WAIT_SCALE="0.1",  # pauses between retries only: time-outs of tasks stay what they are
        TMPDIR=str(options.directory),
        STATE_DIR=str(options.directory / "state"),
        S3_DATA_DIR=str(options.directory / "s3"),
        AWS_ENDPOINT_URL=address,  # without it, a function's SDK would call the real AWS
    )


def check_pin(module, expected):
    """What is patched below are private names of one version."""
    found = importlib.metadata.version("ministack")
    if found != EMULATOR_VERSION:
        raise SystemExit(f"launcher.py patches ministack {EMULATOR_VERSION}, but {found} is installed")
    for name, parameters in expected.items():
        if list(inspect.signature(getattr(module, name)).parameters) != parameters:
            raise SystemExit(f"{module.__name__}.{name} of ministack {found} does not take {', '.join(parameters)}")


def trust_loopback(app):
    """What is asked over the loopback counts as asked over TLS: the bucket refuses everything else."""
    pin = app.pin_request_origin
    app.pin_request_origin = lambda source, _secure: pin(source, True)


class Endpoint:
    """Forwards calls to the endpoint that is EC2 and Run Command. It is shown the secret that both know: callers have signed for
    another address, and so that here their signatures are verified."""

    def __init__(self, url, secret):
        self.target, self.secret = urlsplit(url), secret
        # A call may be held open for long: not the loop's own small pool.
        self.pool = concurrent.futures.ThreadPoolExecutor(max_workers=64)

    def send(self, method, path, headers, body):
        connection = http.client.HTTPConnection(self.target.hostname, self.target.port, timeout=300)
        try:
            kept = {key: value for key, value in headers.items() if key.lower() not in HOP_HEADERS}
            kept[door.SHOWN] = self.secret
            connection.request(method, path, body=body.encode() if isinstance(body, str) else body, headers=kept)
            answer = connection.getresponse()
            answered = {"content-type", "x-amzn-requestid", "x-amzn-errortype"}
            return answer.status, {k: v for k, v in answer.getheaders() if k.lower() in answered}, answer.read()
        finally:
            connection.close()

    async def call(self, method, path, headers, body):
        return await asyncio.get_running_loop().run_in_executor(self.pool, self.send, method, path, headers, body)

    async def handle(self, method, path, headers, body, query_params):
        """A service handler of the emulator."""
        from ministack.core.responses import get_account_id

        query = urlencode({key: value[0] if isinstance(value, list) else value for key, value in (query_params or {}).items()})
        headers = {**headers, "x-goldsmith-account": get_account_id()}
        return await self.call(method, f"{path}?{query}" if query else path, headers, body)


def route_ec2(app, endpoint, authorise, denied_keys):
    """EC2 goes to the endpoint. The emulator keeps what CloudFormation made; who shows the secret asks for that."""
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


def hand_over_networks(endpoint):
    """What CloudFormation makes of EC2's stays in the emulator; launches ask the endpoint, which is told of each at once."""
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import ec2, iam
    from ministack.services.cloudformation import provisioners

    def tell(body):
        handed = {"account": get_account_id(), "region": get_region(), **body}
        headers = {"content-type": "application/json"}
        status, _, answer = endpoint.send("POST", "/_local/resources", headers, json.dumps(handed))
        if status != 200:
            raise ValueError(f"the EC2 endpoint does not take it: {answer.decode()}")

    def group(physical):
        found = ec2._security_groups[physical]
        inside = [subnet for subnet in ec2._subnets.values() if subnet["VpcId"] == found["VpcId"]]
        return {
            "defaultVpc": ec2._DEFAULT_VPC_ID,
            "securityGroups": [{"id": physical, "name": found["GroupName"], "vpcId": found["VpcId"]}],
            "subnets": [
                {"id": s["SubnetId"], "vpcId": s["VpcId"], "availabilityZone": s["AvailabilityZone"], "cidr": s["CidrBlock"]}
                for s in inside
            ],
        }

    def profile(physical):
        """With its role, whose credentials its instances get. The emulator identifies a profile by its ARN."""
        name = physical.rpartition("/")[2]
        roles = iam._instance_profiles[name]["Roles"]
        return {"instanceProfiles": [{"name": name, "role": iam._roles[role]["Arn"]} for role in roles]}

    def told(make, describe):
        def making(*arguments, **named):
            made = make(*arguments, **named)
            tell(describe(made[0]))
            return made

        return making

    for kind, describe in (("AWS::EC2::SecurityGroup", group), ("AWS::IAM::InstanceProfile", profile)):
        handler = provisioners._RESOURCE_HANDLERS[kind]
        for step in ("create", "update"):
            handler[step] = told(handler[step], describe)


def bound_roles():
    """The permissions boundary of a role, which the emulator knows and its CloudFormation leaves out."""
    from ministack.services import iam
    from ministack.services.cloudformation import provisioners

    check_pin(iam, {"_policy_exists": ["arn"]})
    check_pin(provisioners, {
        "_iam_role_create": ["logical_id", "props", "stack_name"],
        "_iam_role_update": ["physical_id", "old_props", "new_props", "stack_name", "logical_id"],
    })
    handler = provisioners._RESOURCE_HANDLERS["AWS::IAM::Role"]

    def bounded(make, properties):
        def making(*arguments, **named):
            boundary = arguments[properties].get("PermissionsBoundary")
            if boundary and not iam._policy_exists(boundary):
                raise ValueError(f"Scope ARN: {boundary} does not exist or is not attachable.")
            made = make(*arguments, **named)
            iam._roles[made[0]]["PermissionsBoundary"] = boundary
            return made

        return making

    handler["create"], handler["update"] = bounded(handler["create"], 1), bounded(handler["update"], 2)


def keep_what_is_in_use(endpoint):
    """As on AWS, a group of an instance is not deleted, nor a state machine whose executions run: there it stays DELETING, and
    the stack with it, until the last has ended."""
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import stepfunctions
    from ministack.services.cloudformation import provisioners

    group = provisioners._RESOURCE_HANDLERS["AWS::EC2::SecurityGroup"]
    machine = provisioners._RESOURCE_HANDLERS["AWS::StepFunctions::StateMachine"]
    delete_group, delete_machine = group["delete"], machine["delete"]

    def delete_unused_group(physical, props):
        scope = f"AWS4-HMAC-SHA256 Credential=test/20260101/{get_region()}/ec2/aws4_request, SignedHeaders=host, Signature=0"
        headers = {
            "content-type": "application/x-www-form-urlencoded", "authorization": scope,
            "x-goldsmith-account": get_account_id(),
        }
        body = urlencode({"Action": "DeleteSecurityGroup", "Version": "2016-11-15", "GroupId": physical})
        status, _, answer = endpoint.send("POST", "/", headers, body)
        if status != 200 and b"InvalidGroup.NotFound" not in answer:
            raise ValueError(f"resource {physical} has a dependent object: {answer.decode()}")
        delete_group(physical, props)

    def delete_ended_machine(physical, props):
        running = [
            arn for arn, execution in stepfunctions._executions.items()
            if execution["stateMachineArn"] == physical and execution["status"] == "RUNNING"
        ]
        if running:
            raise ValueError(f"{physical} is DELETING until its executions have ended: {', '.join(running)}")
        delete_machine(physical, props)

    group["delete"], machine["delete"] = delete_unused_group, delete_ended_machine


def name_anew():
    """As on AWS, a stack that is made again gives other names than the one before it had: what that one has kept stays as it
    is. The emulator's names follow from stack and resource alone, so that a new table would empty the kept one."""
    from ministack.services import cloudformation
    from ministack.services.cloudformation import provisioners

    names = ["stack_name", "logical_id", "lowercase", "max_len", "seeded"]
    check_pin(provisioners, {"_physical_name": names})
    physical_name, seed = provisioners._physical_name, provisioners._NAME_SEED

    def name(stack_name, logical_id, *, seeded=True, **limits):
        stack = cloudformation._stacks.get(stack_name) or {}
        # The id has a part of its own for each stack that is made, and stays while it is changed.
        kept = seed.set(f"{stack.get('StackId', '')}{seed.get() if seeded else ''}")
        try:
            return physical_name(stack_name, logical_id, **limits)
        finally:
            seed.reset(kept)

    provisioners._physical_name = name


def route_ssm(app, endpoint, authorise):
    """Run Command and the public image parameters go to the endpoint; all other parameters stay."""
    emulators = app.SERVICE_HANDLERS["ssm"]

    def is_endpoints(name):
        return f"{name}/".startswith(ENDPOINT_PARAMETERS)

    async def get_parameters(method, path, headers, request, query_params):
        """Names of both sides in one call: each is asked for its own, and the answers are put together."""
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


def tell_of_parameter(operation, request, answer):
    """The event of a parameter that was written or deleted, which the emulator does not emit."""
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


def answer_quotas(app):
    """Service Quotas, which the emulator lacks: the quotas of EC2 that a build meets, with the values of an account in use."""
    from ministack.core import responses, router

    names = {"L-1216C47A": ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 64.0)}
    router.SERVICE_PATTERNS["servicequotas"] = {"target_prefixes": ["ServiceQuotasV20190624"]}

    async def quotas(_method, _path, headers, body, _query_params):
        operation, request = headers.get("x-amz-target", "").rpartition(".")[2], json.loads(body or b"{}")
        if operation != "GetServiceQuota":
            return responses.error_response_json("UnknownOperationException", f"{operation} is not known here", 400)
        missing = [field for field in ("ServiceCode", "QuotaCode") if not request.get(field)]
        if missing:
            return responses.error_response_json("IllegalArgumentException", f"{missing[0]} is required", 400)
        code = request["QuotaCode"]
        if request["ServiceCode"] != "ec2" or code not in names:
            return responses.error_response_json("NoSuchResourceException", f"there is no quota {code}", 400)
        arn = f"arn:aws:servicequotas:{responses.get_region()}:{responses.get_account_id()}:ec2/{code}"
        name, value = names[code]
        quota = {
            "ServiceCode": "ec2", "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)", "QuotaArn": arn, "QuotaCode": code,
            "QuotaName": name, "Value": value, "Unit": "None", "Adjustable": True, "GlobalQuota": False,
        }
        return responses.json_response({"Quota": quota})

    app.SERVICE_HANDLERS["servicequotas"] = quotas


def guard_tokens(app, authorise):
    """Answers to task tokens are checked on the state machine that gave the token."""
    emulators = app.SERVICE_HANDLERS["states"]

    async def states(method, path, headers, body, query_params):
        denied = await authorise("states", headers, body, query_params)
        return denied or await emulators(method, path, headers, body, query_params)

    app.SERVICE_HANDLERS["states"] = states


def route_events(app, authorise):
    """Only the endpoint, which sends this header, may put events of AWS's own sources. Others may be bound to a source."""
    from ministack.services import eventbridge

    check_pin(eventbridge, {"_put_events": ["data", "allow_aws_source"]})
    emulators = app.SERVICE_HANDLERS["events"]

    async def events(method, path, headers, body, query_params):
        if headers.get("x-goldsmith-local") == "1" and headers.get("x-amz-target", "").endswith(".PutEvents"):
            return eventbridge._put_events(json.loads(body), allow_aws_source=True)
        denied = await authorise("events", headers, body, query_params)
        return denied or await emulators(method, path, headers, body, query_params)

    app.SERVICE_HANDLERS["events"] = events


def assume_roles_as_ec2():
    """The endpoint, which sends this header, takes an instance's role as EC2 does: one that trusts EC2's service."""
    from ministack.core import iam_evaluator
    from ministack.services import sts

    check_pin(sts, {"_caller_identity": ["headers", "query_params"]})
    check_pin(iam_evaluator, {"_principal_matches": ["principal", "caller_arn"]})
    caller_identity, principal_matches = sts._caller_identity, iam_evaluator._principal_matches

    def caller(headers, query_params=None):
        found = caller_identity(headers, query_params)
        if headers.get("x-goldsmith-local") == "1" and isinstance(found, dict) and found["principalType"] == "Root":
            return {**found, "userArn": EC2, "principalType": "Service"}
        return found

    def matches(principal, caller_arn):
        if caller_arn != EC2:
            return principal_matches(principal, caller_arn)
        services = principal.get("Service", []) if isinstance(principal, dict) else []
        return principal == "*" or EC2 in ([services] if isinstance(services, str) else services)

    sts._caller_identity, iam_evaluator._principal_matches = caller, matches


def patch_step_functions():
    """A failed function fails its waiting task at once, and a stopped execution runs nothing more and keeps no token."""
    from ministack.services import stepfunctions as engine

    check_pin(engine, {
        "_execute_task": ["state_def", "raw_input", "execution", "ctx"],
        "_invoke_with_callback": ["resource", "input_data", "token", "state_def"],
        "_find_matching_retrier": ["retriers", "error", "retry_counts"],
        "_stop_execution": ["data"],
        "_fail_execution": ["execution", "error", "cause"],
        "_add_event": ["execution", "event_type", "details"],
    })
    execute_task, stop_execution, fail_execution = engine._execute_task, engine._stop_execution, engine._fail_execution
    add_event = engine._add_event
    invoke_with_callback, find_retrier = engine._invoke_with_callback, engine._find_matching_retrier
    current = ContextVar("current")
    stopped = SystemExit()  # ends the thread quietly, and is nothing that a Catch of the definition could see

    def task(state_def, raw_input, execution, ctx):
        if execution["status"] != "RUNNING":
            raise stopped
        current.set(execution)
        return execute_task(state_def, raw_input, execution, ctx)

    def event(execution, event_type, details=None):
        if event_type == "TaskScheduled" and execution["status"] != "RUNNING":
            raise stopped  # it was stopped in the pause before a retry
        return add_event(execution, event_type, details)

    def retrier(retriers, error, retry_counts):
        if current.get()["status"] != "RUNNING":
            raise stopped
        return find_retrier(retriers, error, retry_counts)

    def callback(resource, input_data, token, state_def):
        if "states:::lambda:invoke" not in resource:
            return invoke_with_callback(resource, input_data, token, state_def)
        execution, limit = current.get(), time.monotonic() + state_def.get("TimeoutSeconds", 99_999_999)
        wait = {"event": threading.Event(), "result": None, "error": None, "heartbeat": None,
                "execution": execution["executionArn"]}
        engine._task_tokens[token] = wait
        try:
            start_function(input_data, wait["event"])
            return await_answer(execution, wait, limit)
        finally:
            engine._task_tokens.pop(token, None)

    def start_function(arguments, answered):
        function = engine._resolve_lambda_function_ref(arguments["FunctionName"], optimized=True)
        try:
            engine._call_lambda(function, arguments.get("Payload", {}))
        except engine._ExecutionError:
            if not answered.is_set():  # an answer that was given before the function failed counts
                raise

    def await_answer(execution, wait, limit):
        while not wait["event"].wait(timeout=0.05):
            if execution["status"] != "RUNNING":
                raise stopped
            if time.monotonic() > limit:
                raise engine._ExecutionError("States.Timeout", "")
        if execution["status"] != "RUNNING":
            raise stopped
        if wait["error"]:
            raise engine._ExecutionError(wait["error"]["Error"], wait["error"]["Cause"])
        return json.loads(wait["result"])

    def stop(data):
        answer = stop_execution(data)
        for token, wait in list(engine._task_tokens.items()):
            if wait.get("execution") == data.get("executionArn") and answer[0] == 200:
                engine._task_tokens.pop(token, None)
        return answer

    def fail(execution, error, cause):
        if execution["status"] == "RUNNING":  # what has been stopped stays ABORTED
            fail_execution(execution, error, cause)

    engine._execute_task, engine._invoke_with_callback, engine._find_matching_retrier = task, callback, retrier
    engine._stop_execution, engine._fail_execution, engine._add_event = stop, fail, event


def tell_of_inner_states():
    """The history has the states inside a Map too, as on AWS."""
    from ministack.services import stepfunctions as engine

    check_pin(engine, {
        "_execute_pass": ["state_def", "raw_input", "ctx"],
        "_execute_choice": ["state_def", "raw_input", "ctx"],
        "_add_event": ["execution", "event_type", "details"],
    })

    latest, add_event, one_by_one = ContextVar("latest", default=("", 0)), engine._add_event, threading.Lock()

    def linked(execution, event_type, details=None):
        """Each event names the one before it in its own branch, so that those of a Map's items can be told apart."""
        arn, before = latest.get()
        before = before if arn == execution["executionArn"] else 0
        with one_by_one:  # the emulator counts the events to number them, and a Map's items have threads of their own
            event = add_event(execution, event_type, {**(details or {}), "previousEventId": before})
        latest.set((execution["executionArn"], event["id"]))
        return event

    engine._add_event = linked

    def told(kind, execute):
        def inner(state_def, raw_input, *rest):
            ctx = rest[-1]
            if "Map" not in ctx:
                return execute(state_def, raw_input, *rest)
            execution, name = engine._executions[ctx["Execution"]["Id"]], ctx["State"]["Name"]
            entered = {"name": name, "input": json.dumps(raw_input)}
            engine._add_event(execution, f"{kind}StateEntered", {"stateEnteredEventDetails": entered})
            output, following = execute(state_def, raw_input, *rest)
            exited = {"name": name, "output": json.dumps(output)}
            engine._add_event(execution, f"{kind}StateExited", {"stateExitedEventDetails": exited})
            return output, following

        return inner

    for kind in ("Task", "Pass", "Choice"):
        name = f"_execute_{kind.lower()}"
        setattr(engine, name, told(kind, getattr(engine, name)))


def follow(parent):
    """Ends with the process that started the emulator for itself alone, as a test does."""
    def watch():
        while os.path.exists(f"/proc/{parent}"):
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def main():
    options = arguments()
    secret = options.secret_file.read_text().strip()
    configure(options, secret)
    from ministack import app

    import permissions
    import recording
    import runtime_api
    import scheduler

    if options.record_calls:
        recording.install(options.directory, check_pin)
    check_pin(app, {"pin_request_origin": ["source_ip", "secure_transport"]})
    trust_loopback(app)
    endpoint = Endpoint(options.ec2, secret)
    authorise, denied_keys, guard_schedules = permissions.install(endpoint, check_pin)
    route_ec2(app, endpoint, authorise, denied_keys)
    hand_over_networks(endpoint)
    bound_roles()
    keep_what_is_in_use(endpoint)
    name_anew()
    route_ssm(app, endpoint, authorise)
    route_events(app, authorise)
    guard_tokens(app, authorise)
    answer_quotas(app)
    assume_roles_as_ec2()
    patch_step_functions()
    tell_of_inner_states()
    scheduler.install(check_pin)
    guard_schedules(app)
    # The emulator's Runtime API writes header and body apart; with Nagle's algorithm a warm call costs 40 ms more.
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True
    runtime_api.close(check_pin)
    door.close(app, check_pin, options.port, secret)
    if options.parent:
        follow(options.parent)
    sys.argv[1:] = []  # the emulator reads arguments as well
    app.main()


if __name__ == "__main__":
    main()
