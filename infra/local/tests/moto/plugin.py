"""A pytest plug-in: moto's tests meet the endpoint in place of moto. The tests themselves stay as they are.

- boto3 is pointed at the endpoint by moto's own server mode, and everything is reset before each test.
- moto's tests launch from images that moto brings along; the endpoint has its source images, so ids are exchanged on their
  way out and back.
- moto's resources are in their final state when a call returns. The endpoint's instances really boot; the plug-in waits for
  that after each call that starts something.
- The outcome of each test, and the calls that the endpoint does not know, go to a file.
"""

import json
import os
import time
import urllib.request

ENDPOINT = os.environ["GOLDSMITH_ENDPOINT"]
# Of moto's server mode; read when moto is imported, which is after this.
os.environ.update(
    TEST_SERVER_MODE="true", TEST_SERVER_MODE_ENDPOINT=ENDPOINT, MOTO_CALL_RESET_API="false",
    AWS_ACCESS_KEY_ID="123456789012", AWS_SECRET_ACCESS_KEY="test",
    AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null", AWS_EC2_METADATA_DISABLED="true")

import botocore.client  # noqa: E402
import botocore.exceptions  # noqa: E402
import pytest  # noqa: E402
from moto.core.config import default_user_config  # noqa: E402

PARAMETERS = "/aws/service/goldsmith-local/debian-12"
AMAZON_LINUX = "/aws/service/ami-amazon-linux-latest/"
# Looks at what starts until it has settled: 0.05 s each. Counted, since tests freeze the clock.
LOOKS = 600

call = botocore.client.BaseClient._make_api_call
images = {}
unknown = set()
outcomes = {}


def source_images(client):
    """The ids of moto's images, and which of the endpoint's stand in for them in the client's Region."""
    import tests

    region = client.meta.region_name
    if region not in images:
        ssm = botocore.session.get_session().create_client("ssm", region, endpoint_url=ENDPOINT)
        # moto's images have their root at /dev/sda1.
        names = [f"{PARAMETERS}-sda1", f"{PARAMETERS}-no-agent"]
        found = {one["Name"]: one["Value"] for one in call(ssm, "GetParameters", {"Names": names})["Parameters"]}
        # The last of two that share an image is the one that answers name.
        images[region] = {tests.EXAMPLE_AMI_ID: found[names[0]], tests.EXAMPLE_AMI_PARAVIRTUAL: found[names[1]],
                          tests.EXAMPLE_AMI_ID2: found[names[1]]}
    return images[region]


def exchange(value, words):
    """The same value with other words in it."""
    if isinstance(value, dict):
        return {key: exchange(one, words) for key, one in value.items()}
    if isinstance(value, list):
        return [exchange(one, words) for one in value]
    if isinstance(value, str) and value.startswith(AMAZON_LINUX):
        return PARAMETERS
    return words.get(value, value) if isinstance(value, str) else value


def settle(client, operation, answer):
    """Waits for what a call started."""
    waits = {"RunInstances": ("Instances", "running"), "StartInstances": ("StartingInstances", "running"),
             "StopInstances": ("StoppingInstances", "stopped"),
             "TerminateInstances": ("TerminatingInstances", "terminated")}
    if operation in waits:
        name, state = waits[operation]
        ids = [one["InstanceId"] for one in answer[name]]
        look = lambda: states(client, ids) <= {state, "terminated"}  # noqa: E731
    elif operation in ("CreateImage", "CopyImage", "RegisterImage"):
        look = lambda: image_state(client, answer["ImageId"]) != "pending"  # noqa: E731
    else:
        return
    for _ in range(LOOKS):
        if look():
            return
        time.sleep(0.05)
    raise AssertionError(f"{operation} does not settle")


def states(client, ids):
    found = call(client, "DescribeInstances", {"InstanceIds": ids})["Reservations"]
    return {one["State"]["Name"] for part in found for one in part["Instances"]}


def image_state(client, image):
    return call(client, "DescribeImages", {"ImageIds": [image]})["Images"][0]["State"]


def call_endpoint(client, operation, arguments):
    if client.meta.service_model.service_name not in ("ec2", "ssm"):
        unknown.add(f"{client.meta.service_model.service_name}:{operation}")
        return call(client, operation, arguments)
    words = source_images(client)
    try:
        answer = call(client, operation, exchange(arguments, words))
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in ("InvalidAction", "InvalidOperation", "UnknownOperationException"):
            unknown.add(operation)
        raise
    settle(client, operation, answer)
    return exchange(answer, {ours: theirs for theirs, ours in words.items()})


botocore.client.BaseClient._make_api_call = call_endpoint
# The access key is the account, so moto must not put one of its own in place.
default_user_config["core"]["mock_credentials"] = False


def reset():
    unknown.clear()
    post("reset", b"")
    # As in an account that has not asked for more than the Regions that every account has.
    post("settings", b'{"regions": {"disabled": ["ap-east-1"]}}')


def post(route, body):
    secret = {"x-goldsmith-local": os.environ["AWS_SECRET_ACCESS_KEY"]}
    urllib.request.urlopen(urllib.request.Request(f"{ENDPOINT}/_local/{route}", body, secret, method="POST")).read()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    reset()
    return (yield)


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        name = report.nodeid.removeprefix("tests/test_ec2/")
        why = str(report.longrepr).strip().splitlines()[-1] if report.longrepr else ""
        outcomes[name] = {"outcome": report.outcome, "unknown": sorted(unknown), "why": why}


def pytest_sessionfinish():
    with open(os.environ["GOLDSMITH_OUTCOMES"], "w") as file:
        json.dump(outcomes, file)
