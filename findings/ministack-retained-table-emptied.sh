#!/bin/sh
# MiniStack 1.5.33 empties a table that a deleted stack has retained, when a stack of the same name is made again.
#
# Guess: a DynamoDB table with DeletionPolicy: Retain and no TableName stays as it is after its stack is deleted. Stacks are often
#   made again under the same name; CloudFormation then gives the new table a name of its own, and nothing touches the old one.
# Behaviour: physical names are a hash of the stack's name and the logical id, so the new stack's table has the name of the one that
#   was kept, and creating it replaces that without an error: its items are gone.
# Seen: same name: True, items kept: 1, items after the second stack: 0
#
# It installs MiniStack in a temporary folder, asks it on 127.0.0.1, fails when the behaviour has changed, and cleans up.
set -eu
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ministack==1.5.33 boto3==1.43.106
port=$("$folder/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
BIND_HOST=127.0.0.1 GATEWAY_PORT=$port TMPDIR=$folder STATE_DIR=$folder/state S3_DATA_DIR=$folder/s3 LOG_LEVEL=ERROR \
  "$folder/venv/bin/python" -m ministack.app >"$folder/log" 2>&1 &
server=$!
"$folder/venv/bin/python" - "$port" <<'PYTHON'
import sys
import time

import boto3
from botocore.exceptions import EndpointConnectionError

TEMPLATE = """
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
"""
here = {"endpoint_url": f"http://127.0.0.1:{sys.argv[1]}", "region_name": "eu-west-1", "aws_access_key_id": "test",
        "aws_secret_access_key": "test"}
cloudformation, dynamodb = boto3.client("cloudformation", **here), boto3.client("dynamodb", **here)
for _ in range(150):
    try:
        cloudformation.list_stacks()
        break
    except EndpointConnectionError:
        time.sleep(0.2)


def settled(stack):
    for _ in range(150):
        status = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        if not status.endswith("IN_PROGRESS"):
            return status
        time.sleep(0.2)
    return "IN_PROGRESS"


def made():
    stack = cloudformation.create_stack(StackName="orders", TemplateBody=TEMPLATE)["StackId"]
    assert settled(stack) == "CREATE_COMPLETE"
    (table,) = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    return stack, table["PhysicalResourceId"]


first, table = made()
dynamodb.put_item(TableName=table, Item={"id": {"S": "kept"}})
cloudformation.delete_stack(StackName=first)
assert settled(first) == "DELETE_COMPLETE"
kept = dynamodb.scan(TableName=table)["Count"]
_, again = made()
after = dynamodb.scan(TableName=table)["Count"]
print(f"same name: {again == table}, items kept: {kept}, items after the second stack: {after}")
assert (again == table, kept, after) == (True, 1, 0), "changed"
PYTHON
