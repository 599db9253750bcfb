"""Starts the emulator, and adds what it lacks: EC2, the EBS direct APIs and Run Command by the local endpoint, and a Step
Functions closer to AWS.

All gaps of the emulator are closed here, never in the product: access in door.py and runtime_api.py, permissions in
permissions.py and blocks.py, schedules in scheduler.py, CloudFormation in provisioning.py, Step Functions in
step_functions.py, forwarded calls in forwarding.py, License Manager in licenses.py, keys for signatures in
signing_keys.py, and the rules of SNS for messages in topics.py.
"""

import argparse
import importlib.metadata
import inspect
import json
import os
import signal
import socketserver
import sys
import threading
import time
from pathlib import Path

import door
import forwarding

EMULATOR_VERSION = "1.5.33"
SERVICES = ("ec2.amazonaws.com", "vmie.amazonaws.com")  # those for which the endpoint assumes roles


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
    """Sets the environment, which the emulator reads when it is imported. The emulator's functions inherit all of it
    except the key: they have the keys of their roles instead."""
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
        AWS_SECRET_ACCESS_KEY=secret,  # the key of the account's root
        LOG_LEVEL=os.environ.get("LOG_LEVEL", "WARNING"),
        SFN_WAIT_SCALE="0.1",  # only for pauses between retries: the timeouts of tasks do not change
        TMPDIR=str(options.directory),
        STATE_DIR=str(options.directory / "state"),
        S3_DATA_DIR=str(options.directory / "s3"),
        AWS_ENDPOINT_URL=address,  # without it, a function's SDK would call the real AWS
    )


def check_pin(module, expected):
    """Checks private names of the emulator that are patched. They belong to one version, and must have the expected
    parameters."""
    found = importlib.metadata.version("ministack")
    if found != EMULATOR_VERSION:
        raise SystemExit(f"launcher.py patches ministack {EMULATOR_VERSION}, but {found} is installed")
    for name, parameters in expected.items():
        if list(inspect.signature(getattr(module, name)).parameters) != parameters:
            raise SystemExit(f"{module.__name__}.{name} of ministack {found} does not take {', '.join(parameters)}")


def trust_loopback(app):
    """Treats requests over the loopback interface as requests over TLS: the bucket denies all other requests."""
    pin = app.pin_request_origin
    app.pin_request_origin = lambda source, _secure: pin(source, True)


def answer_quotas(app):
    """Adds Service Quotas, which the emulator lacks: the EC2 quotas that a build meets, with values of an account in
    use."""
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
    """Checks the permission of answers to task tokens, on the state machine that issued the token."""
    emulators = app.SERVICE_HANDLERS["states"]

    async def states(method, path, headers, body, query_params):
        denied = await authorise("states", headers, body, query_params)
        return denied or await emulators(method, path, headers, body, query_params)

    app.SERVICE_HANDLERS["states"] = states


def route_events(app, authorise):
    """Lets only the endpoint, which sends this header, put events of AWS's own sources. Policies may limit other
    callers to a source."""
    from ministack.services import eventbridge

    check_pin(eventbridge, {"_put_events": ["data", "allow_aws_source"]})
    emulators = app.SERVICE_HANDLERS["events"]

    async def events(method, path, headers, body, query_params):
        if headers.get("x-goldsmith-local") == "1" and headers.get("x-amz-target", "").endswith(".PutEvents"):
            return eventbridge._put_events(json.loads(body), allow_aws_source=True)
        denied = await authorise("events", headers, body, query_params)
        return denied or await emulators(method, path, headers, body, query_params)

    app.SERVICE_HANDLERS["events"] = events


def assume_roles_as_services():
    """Lets the endpoint, which sends these headers, assume an instance's role as EC2 does, and the role of an export as VM
    Import/Export does: the role must trust the service."""
    from ministack.core import iam_evaluator
    from ministack.services import sts

    check_pin(sts, {"_caller_identity": ["headers", "query_params"]})
    check_pin(iam_evaluator, {"_principal_matches": ["principal", "caller_arn"]})
    caller_identity, principal_matches = sts._caller_identity, iam_evaluator._principal_matches

    def caller(headers, query_params=None):
        found = caller_identity(headers, query_params)
        if headers.get("x-goldsmith-local") == "1" and isinstance(found, dict) and found["principalType"] == "Root":
            service = headers.get("x-goldsmith-service", SERVICES[0])
            return {**found, "userArn": service, "principalType": "Service"}
        return found

    def matches(principal, caller_arn):
        if caller_arn not in SERVICES:
            return principal_matches(principal, caller_arn)
        services = principal.get("Service", []) if isinstance(principal, dict) else []
        return principal == "*" or caller_arn in ([services] if isinstance(services, str) else services)

    sts._caller_identity, iam_evaluator._principal_matches = caller, matches


def follow(parent):
    """Ends the emulator when the process `parent` has ended. A test, for example, starts an emulator only for
    itself."""
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

    import blocks
    import licenses
    import permissions
    import provisioning
    import recording
    import runtime_api
    import scheduler
    import signing_keys
    import step_functions
    import topics

    if options.record_calls:
        recording.install(options.directory, check_pin)
    check_pin(app, {"pin_request_origin": ["source_ip", "secure_transport"]})
    trust_loopback(app)
    endpoint = forwarding.Endpoint(options.ec2, secret)
    authorise, denied_keys, guard_schedules, resources, key_denial = permissions.install(endpoint, check_pin)
    forwarding.route_ec2(app, endpoint, authorise, denied_keys)
    provisioning.install(endpoint, check_pin)
    forwarding.route_ssm(app, endpoint, authorise)
    forwarding.route_ebs(app, endpoint, blocks.guard(endpoint, authorise, key_denial))
    route_events(app, authorise)
    guard_tokens(app, authorise)
    answer_quotas(app)
    licenses.install(app, authorise, resources)
    topics.install(app, key_denial)
    signing_keys.install(check_pin)
    assume_roles_as_services()
    step_functions.install(check_pin)
    scheduler.install(check_pin)
    guard_schedules(app)
    # The emulator's Runtime API writes header and body separately. With Nagle's algorithm, a warm call takes 40 ms
    # more.
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True
    runtime_api.close(check_pin)
    runtime_api.rest(check_pin)
    door.close(app, check_pin, options.port, secret)
    if options.parent:
        follow(options.parent)
    sys.argv[1:] = []  # the emulator reads the arguments too
    app.main()


if __name__ == "__main__":
    main()
