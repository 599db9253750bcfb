"""Instances and the commands that run on them."""

import base64

from cli import same, until


def source(aws):
    return aws("ssm get-parameter --name /aws/service/goldsmith-local/debian-12")["Parameter"]["Value"]


def launch(aws, image, *more, **options):
    """A running instance that takes commands."""
    words = ["--image-id", image, "--instance-type", "t3.small", *more]
    made = aws("ec2 run-instances", *words, **options)["Instances"][0]["InstanceId"]
    online(aws, made)
    return made


def online(aws, instance):
    def look():
        filters = f"Key=InstanceIds,Values={instance}"
        listed = aws("ssm describe-instance-information --filters", filters)["InstanceInformationList"]
        return [one for one in listed if one["PingStatus"] == "Online"]

    until("online", look)


def state(aws, instance):
    described = aws("ec2 describe-instances --instance-ids", instance)
    return described["Reservations"][0]["Instances"][0]["State"]["Name"]


def in_state(aws, instance, wanted):
    until(wanted, lambda: state(aws, instance) == wanted)


def send(aws, instance, *lines, **options):
    sent = aws(
        "ssm send-command --document-name AWS-RunShellScript --instance-ids", instance,
        parameters={"commands": list(lines), "executionTimeout": ["600"]}, **options,
    )
    return sent["Command"]["CommandId"]


def ended(aws, command, instance):
    def look():
        got = aws("ssm get-command-invocation --command-id", command, "--instance-id", instance)
        return got if got["Status"] not in ("Pending", "InProgress") else None

    return until("the command's end", look)


def run(aws, instance, *lines):
    got = ended(aws, send(aws, instance, *lines), instance)
    return got["StandardOutputContent"]


def available(aws, image):
    def look():
        found = aws("ec2 describe-images --image-ids", image)["Images"][0]["State"]
        assert found != "failed", image
        return found == "available"

    until("the image", look)


def test_life_of_an_instance(aws):
    data = "#!/bin/sh\necho from user data | tee /etc/from-user-data\n"
    instance = launch(aws, source(aws), user_data=data, client_token="life", tag_specifications=[
        {"ResourceType": "instance", "Tags": [{"Key": "role", "Value": "builder"}]},
        {"ResourceType": "volume", "Tags": [{"Key": "role", "Value": "disk"}]}])
    same(aws("ec2 run-instances --image-id", source(aws), "--instance-type", "t3.small", user_data=data,
             client_token="life", tag_specifications=[
                 {"ResourceType": "instance", "Tags": [{"Key": "role", "Value": "builder"}]},
                 {"ResourceType": "volume", "Tags": [{"Key": "role", "Value": "disk"}]}],
             )["Instances"][0]["InstanceId"], instance)
    same(aws.error("ec2 run-instances --image-id", source(aws), "--instance-type", "t3.large", client_token="life"),
         "IdempotentParameterMismatch")
    def output():
        return base64_text(aws("ec2 get-console-output --instance-id", instance)["Output"])
    until("user data's output", lambda: "from user data" in output())
    same(run(aws, instance, "cat /etc/from-user-data"), "from user data\n")

    once = ["if [ -e /var/once ]; then echo again; exit 0; fi", "touch /var/once", "echo first", "exit 194"]
    same(run(aws, instance, *once), "first\nagain\n")
    boot_id = run(aws, instance, "cat /proc/sys/kernel/random/boot_id")
    aws("ec2 reboot-instances --instance-ids", instance)
    until("another boot", lambda: run(aws, instance, "cat /proc/sys/kernel/random/boot_id") != boot_id)
    statuses = aws("ec2 describe-instance-status --instance-ids", instance)["InstanceStatuses"]
    same(statuses[0]["InstanceStatus"]["Status"], "ok")

    aws("ec2 stop-instances --instance-ids", instance)
    in_state(aws, instance, "stopped")
    aws("ec2 modify-instance-attribute --instance-id", instance, "--instance-type", "t3.large")
    aws("ec2 start-instances --instance-ids", instance)
    online(aws, instance)
    same(run(aws, instance, "cat /etc/from-user-data"), "from user data\n")
    kind = aws("ec2 describe-instance-attribute --attribute instanceType --instance-id", instance)
    same(kind["InstanceType"]["Value"], "t3.large")
    volume = aws("ec2 describe-volumes --filters", f"Name=attachment.instance-id,Values={instance}")["Volumes"][0]
    same(volume["Tags"], [{"Key": "role", "Value": "disk"}])

    aws("ec2 modify-instance-attribute --disable-api-termination --instance-id", instance)
    same(aws.error("ec2 terminate-instances --instance-ids", instance), "OperationNotPermitted")
    aws("ec2 modify-instance-attribute --no-disable-api-termination --instance-id", instance)
    aws("ec2 terminate-instances --instance-ids", instance)
    in_state(aws, instance, "terminated")
    same(aws.error("ec2 start-instances --instance-ids", instance), "IncorrectInstanceState")


def base64_text(text):
    # The CLI decodes the console itself; other callers get Base64.
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return text


def test_commands(aws):
    instance = launch(aws, source(aws))
    failed = ended(aws, send(aws, instance, "echo out", "echo err >&2", "exit 3", comment="a/b/1"), instance)
    same((failed["Status"], failed["ResponseCode"], failed["StandardOutputContent"]), ("Failed", 3, "out\n"))
    long = send(aws, instance, "sleep 1000")
    listed = aws("ssm list-command-invocations --details --command-id", long)["CommandInvocations"]
    same(listed[0]["InstanceId"], instance)
    aws("ssm cancel-command --command-id", long)
    same(ended(aws, long, instance)["Status"], "Cancelled")
    first = aws("ssm list-commands --max-items 1 --instance-id", instance)
    assert first["NextToken"], first
    same(len(aws("ssm list-commands --page-size 1 --instance-id", instance)["Commands"]), 2)
    same(aws.error("ssm send-command --document-name AWS-RunShellScript --instance-ids i-0123456789abcdef0",
                   parameters={"commands": ["true"]}), "InvalidInstanceId")
    same(aws.error("ssm send-command --document-name AWS-Other --instance-ids", instance), "InvalidDocument")
    same(aws.error("ssm get-command-invocation --command-id", "0" * 36, "--instance-id", instance),
         "InvocationDoesNotExist")
    same(aws.error("ssm cancel-command --command-id", "0" * 36), "InvalidCommandId")
    aws("ec2 terminate-instances --instance-ids", instance)


def test_a_persistent_spot_request(aws):
    market = {"MarketType": "spot", "SpotOptions": {
        "SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "stop", "ValidUntil": "2999-01-01T00:00:00Z"}}
    tags = [{"ResourceType": "spot-instances-request", "Tags": [{"Key": "role", "Value": "builder"}]}]
    instance = launch(aws, source(aws), instance_market_options=market, tag_specifications=tags)
    found = aws("ec2 describe-spot-instance-requests --filters", f"Name=instance-id,Values={instance}")
    request = found["SpotInstanceRequests"][0]
    same((request["State"], request["Type"], request["Status"]["Code"]), ("active", "persistent", "fulfilled"))
    identity = request["SpotInstanceRequestId"]
    cancelled = aws("ec2 cancel-spot-instance-requests --spot-instance-request-ids", identity)
    same(cancelled["CancelledSpotInstanceRequests"][0]["State"], "cancelled")
    aws("ec2 terminate-instances --instance-ids", instance)
    in_state(aws, instance, "terminated")


def test_a_dedicated_host(aws):
    words = ["--instance-family", "m5", "--availability-zone", "eu-west-1a", "--quantity", "1"]
    tags = [{"ResourceType": "dedicated-host", "Tags": [{"Key": "team", "Value": "golden"}]}]
    host = aws("ec2 allocate-hosts", *words, tag_specifications=tags)["HostIds"][0]
    found = aws("ec2 describe-hosts --host-ids", host)["Hosts"][0]
    same((found["State"], found["HostProperties"]["InstanceFamily"], found["AutoPlacement"]), ("available", "m5", "off"))
    same([one["HostId"] for one in aws("ec2 describe-hosts --filter Name=tag:team,Values=golden")["Hosts"]], [host])
    same(aws("ec2 release-hosts --host-ids", host)["Successful"], [host])
    same(aws("ec2 release-hosts --host-ids", host)["Unsuccessful"][0]["Error"]["Code"], "Client.InvalidHostID.NotFound")
