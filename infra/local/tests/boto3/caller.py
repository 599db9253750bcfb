"""Clients and resources of an account in a Region."""

import time

import boto3
import botocore.config
import botocore.exceptions

# Names of the waiters that were used.
waited = set()
# The SDK asks every 15 seconds when nothing is said.
OFTEN = {"Delay": 1, "MaxAttempts": 120}


class Caller:
    def __init__(self, url, calls, region="eu-west-1", account="000000000000"):
        self.url, self.calls, self.region, self.account = url, calls, region, account
        session = boto3.Session(aws_access_key_id=account, aws_secret_access_key="test", region_name=region)
        once = botocore.config.Config(retries={"total_max_attempts": 1})
        self.client = lambda service: session.client(service, endpoint_url=url, config=once)
        self.ec2, self.ssm, self.ebs = self.client("ec2"), self.client("ssm"), self.client("ebs")
        self.resource = session.resource("ec2", endpoint_url=url, config=once)

    def of(self, **other):
        return Caller(**{"url": self.url, "calls": self.calls, "region": self.region, "account": self.account, **other})

    def source(self):
        return self.ssm.get_parameter(Name="/aws/service/goldsmith-local/debian-12")["Parameter"]["Value"]

    def waiters(self):
        """The waiters of calls that the endpoint knows."""
        for client in (self.ec2, self.ssm):
            for name in client.waiter_names:
                if client.get_waiter(name).config.operation in self.calls:
                    yield name

    def wait(self, name, **what):
        """Waits with a waiter of EC2."""
        self.ec2.get_waiter(name).wait(WaiterConfig=OFTEN, **what)
        waited.add(name)

    def online(self, instance):
        """Waits until an instance takes commands."""
        self.wait("instance_running", InstanceIds=[instance])
        filters = [{"Key": "InstanceIds", "Values": [instance]}]
        until("the agent", lambda: [
            one for one in self.ssm.describe_instance_information(Filters=filters)["InstanceInformationList"]
            if one["PingStatus"] == "Online"])

    def send(self, instance, *lines):
        sent = self.ssm.send_command(
            DocumentName="AWS-RunShellScript", InstanceIds=[instance], Parameters={"commands": list(lines)})
        return {"CommandId": sent["Command"]["CommandId"], "InstanceId": instance}

    def run(self, instance, *lines):
        """What commands print that must succeed."""
        invocation = self.send(instance, *lines)
        self.ssm.get_waiter("command_executed").wait(WaiterConfig=OFTEN, **invocation)
        waited.add("command_executed")
        return self.ssm.get_command_invocation(**invocation)["StandardOutputContent"]


def until(what, look):
    """Waits until `look` finds something."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited in vain: {what}")


def refused(code, call, **what):
    """A call that must be refused with this code; the error."""
    try:
        answer = call(**what)
    except botocore.exceptions.ClientError as error:
        same(error.response["Error"]["Code"], code)
        assert error.response["Error"]["Message"], code
        assert error.response["ResponseMetadata"]["RequestId"], code
        return error
    raise AssertionError(f"{call.__name__} {what} is not refused: {answer}")


def same(found, wanted):
    assert found == wanted, f"{found!r:.1000} is not {wanted!r:.1000}"


def tags(kind, **tags):
    return {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
