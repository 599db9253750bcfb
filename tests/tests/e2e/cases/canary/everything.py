"""Where some values are in all that the services of a stack keep: prints, for each place that has one, `VALUE'S NUMBER PLACE`.

Addresses and keys are in the environment, as the AWS CLI takes them. What is sent over the event bus is in a queue, which the
first call makes (`watch`), and the second reads. The parameters themselves are not looked at: they are where secrets belong.
"""

import json
import os
import sys

import boto3

QUEUE = "e2e-canary"
REGIONS = ("eu-west-1", "us-east-1")


def client(service, region=REGIONS[0]):
    return boto3.client(service, endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name=region)


def pages(service, operation, key, **arguments):
    for page in service.get_paginator(operation).paginate(**arguments):
        yield from page[key]


def watch():
    queues, events = client("sqs"), client("events")
    url = queues.create_queue(QueueName=QUEUE)["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name=QUEUE, EventPattern=json.dumps({"source": [{"prefix": ""}]}))
    events.put_targets(Rule=QUEUE, Targets=[{"Id": "queue", "Arn": arn}])


def unwatch():
    """Every event since then."""
    queues, events = client("sqs"), client("events")
    url = queues.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    while messages := queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages"):
        for message in messages:
            yield "event", message["Body"]
            queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    events.remove_targets(Rule=QUEUE, Ids=["queue"])
    events.delete_rule(Name=QUEUE)
    queues.delete_queue(QueueUrl=url)


def logs():
    service = client("logs")
    for group in pages(service, "describe_log_groups", "logGroups"):
        for event in pages(service, "filter_log_events", "events", logGroupName=group["logGroupName"]):
            yield f"log {group['logGroupName']}", event["message"]


def tables():
    service = client("dynamodb")
    for name in pages(service, "list_tables", "TableNames"):
        for item in pages(service, "scan", "Items", TableName=name):
            yield f"table {item['pk']['S'].partition('#')[0]}", repr(item)


def objects():
    service = client("s3")
    for bucket in service.list_buckets()["Buckets"]:
        versions = service.get_paginator("list_object_versions").paginate(Bucket=bucket["Name"])
        for version in (version for page in versions for version in page.get("Versions", [])):
            key = version["Key"]
            body = service.get_object(Bucket=bucket["Name"], Key=key, VersionId=version["VersionId"])["Body"].read()
            yield f"object {key.partition('/')[0]}", body.decode("latin-1")


def executions():
    service = client("stepfunctions")
    for machine in pages(service, "list_state_machines", "stateMachines"):
        for execution in pages(service, "list_executions", "executions", stateMachineArn=machine["stateMachineArn"]):
            arn = execution["executionArn"]
            yield "execution", repr(service.describe_execution(executionArn=arn))
            for event in pages(service, "get_execution_history", "events", executionArn=arn):
                yield "history", repr(event)


def commands():
    for region in REGIONS:
        service = client("ssm", region)
        for command in pages(service, "list_commands", "Commands"):
            yield "command", repr(command)
        for invocation in pages(service, "list_command_invocations", "CommandInvocations", Details=True):
            yield "command", repr(invocation)


def images():
    for region in REGIONS:
        service = client("ec2", region)
        yield "image", repr(service.describe_images(Owners=["self"]))
        yield "snapshot", repr(service.describe_snapshots(OwnerIds=["self"]))
        yield "instance", repr(service.describe_instances())


def search(values):
    found, seen = set(), set()
    for part in (unwatch, logs, tables, objects, executions, commands, images):
        for place, text in part():
            seen.add(place.split()[0])
            found.update((number, place) for number, value in enumerate(values) if value in text)
    for place in sorted(seen):
        print("seen", place)
    for number, place in sorted(found):
        print(number, place)


if sys.argv[1] == "watch":
    watch()
else:
    search(sys.argv[1:])
