"""A function of the emulator's: makes it when it is not there, invokes it, and prints its answer, which says where it fetches its events.

Its keys and the emulator's address are in the environment, as the AWS CLI takes them.
"""

import io
import json
import os
import sys
import zipfile

import boto3

NAME = "probe"
ROLE = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
BOOTSTRAP = f"""#!{sys.executable}
import json, os, urllib.request
host = os.environ["AWS_LAMBDA_RUNTIME_API"]
url = f"http://{{host}}/2018-06-01/runtime/invocation/"
while True:
    invocation = urllib.request.urlopen(url + "next").headers["Lambda-Runtime-Aws-Request-Id"]
    urllib.request.urlopen(url + invocation + "/response", data=json.dumps(host).encode()).close()
"""


def client(service):
    return boto3.client(service, endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="eu-west-1")


def package():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, BOOTSTRAP)
    return packed.getvalue()


functions = client("lambda")
try:
    functions.get_function(FunctionName=NAME)
except functions.exceptions.ResourceNotFoundException:
    role = client("iam").create_role(RoleName=NAME, AssumeRolePolicyDocument=json.dumps(ROLE))["Role"]["Arn"]
    functions.create_function(
        FunctionName=NAME, Runtime="provided.al2023", Role=role, Handler="bootstrap", Code={"ZipFile": package()}, Timeout=30)
print(json.load(functions.invoke(FunctionName=NAME, Payload=b"{}")["Payload"]))
