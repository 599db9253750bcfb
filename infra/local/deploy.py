"""Deploys the stack to the local AWS: uploads zip and definition, creates or updates the stack by change set, and tells
the EC2 endpoint which security groups and instance profiles there are now.
"""

import argparse
import hashlib
import json
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import ssm_agent
from botocore.exceptions import BotoCoreError, ClientError

# What the template names instead of the places that are known only after the upload.
CODE, DEFINITION = "CodeUri: functions.zip", "DefinitionUri: ../statemachine/image-build.asl.json"
POLL_SECONDS, DEPLOY_SECONDS = 0.1, 120


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--endpoint-url", required=True)
    parser.add_argument("--ec2", required=True, help="URL of the EC2 endpoint, for its admin routes")
    parser.add_argument("--region", required=True)
    parser.add_argument("--template", type=Path, required=True)
    parser.add_argument("--definition", type=Path, required=True)
    parser.add_argument("--zip", type=Path, required=True)
    return parser.parse_args()


class Deployment:
    def __init__(self, options):
        self.options = options
        self.session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=options.region)
        self.cloudformation = self.client("cloudformation")

    def client(self, service):
        return self.session.client(service, endpoint_url=self.options.endpoint_url)

    def bucket(self, s3, bucket):
        """Makes a bucket unless it is there."""
        try:
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": self.options.region})
        except ClientError as error:
            if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
                raise

    def upload(self, path, suffix):
        """Puts a file under its digest, so that a change in it is a change of the template; returns where it is."""
        s3, bucket = self.client("s3"), f"{self.options.stack}-artifacts"
        content = path.read_bytes()
        key = hashlib.sha256(content).hexdigest() + suffix
        self.bucket(s3, bucket)
        s3.put_object(Bucket=bucket, Key=key, Body=content)
        return f"s3://{bucket}/{key}"

    def publish_agent(self):
        """The Region's bucket of the SSM agent, which anybody may read as AWS's; the template's parameters that name it."""
        s3, bucket = self.client("s3"), f"amazon-ssm-{self.options.region}"
        self.bucket(s3, bucket)
        s3.delete_public_access_block(Bucket=bucket)
        anybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [anybody]}))
        signer = ssm_agent.Signer()
        for key, content in ssm_agent.packages(signer).items():
            s3.put_object(Bucket=bucket, Key=key, Body=content)
        return {"SsmAgentUrl": f"{self.options.endpoint_url}/{bucket}/latest", "SsmAgentKey": signer.public_key()}

    def template(self):
        text = self.options.template.read_text()
        for place, path, suffix in ((CODE, self.options.zip, ".zip"), (DEFINITION, self.options.definition, ".json")):
            if text.count(place) != 1:
                raise SystemExit(f"{self.options.template} should name `{place}` once, not {text.count(place)} times")
            text = text.replace(place, f"{place.partition(':')[0]}: {self.upload(path, suffix)}")
        return text

    def status(self):
        try:
            return self.cloudformation.describe_stacks(StackName=self.options.stack)["Stacks"][0]["StackStatus"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise

    def deploy(self):
        exists = self.status() not in (None, "REVIEW_IN_PROGRESS")
        name = f"deploy-{time.time_ns()}"
        # The endpoint serves the examples' source image itself, as it does the public parameters.
        own = {"Examples": "no", **self.publish_agent()}
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in own.items()]
        template = self.template()
        if exists:
            # What somebody has set on the stack stays, as long as the template has it.
            known = {one["ParameterKey"] for one in self.cloudformation.get_template_summary(TemplateBody=template)["Parameters"]}
            stack = self.cloudformation.describe_stacks(StackName=self.options.stack)["Stacks"][0]
            kept = {one["ParameterKey"] for one in stack.get("Parameters", [])} & known - own.keys()
            parameters += [{"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept)]
        self.cloudformation.create_change_set(
            StackName=self.options.stack, ChangeSetName=name, ChangeSetType="UPDATE" if exists else "CREATE",
            TemplateBody=template, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"], Parameters=parameters,
        )
        if self.change_set(name):
            self.cloudformation.execute_change_set(StackName=self.options.stack, ChangeSetName=name)
            self.settle()

    def change_set(self, name):
        """Whether the change set, once it is there, changes anything."""
        found = self.wait(
            lambda: self.cloudformation.describe_change_set(StackName=self.options.stack, ChangeSetName=name),
            lambda found: found["Status"].endswith(("COMPLETE", "FAILED")))
        reason = found.get("StatusReason", "")
        if found["Status"] == "FAILED" and "didn't contain changes" not in reason and "No updates" not in reason:
            raise SystemExit(f"the change set of {self.options.stack} failed: {reason}")
        return found["Status"] != "FAILED" and bool(found["Changes"])

    def settle(self):
        status = self.wait(self.status, lambda status: not status.endswith("IN_PROGRESS"))
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            events = self.cloudformation.describe_stack_events(StackName=self.options.stack)["StackEvents"]
            failed = [f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason', '')}" for e in events if "FAILED" in e["ResourceStatus"]]
            raise SystemExit(f"{self.options.stack} is {status}: {'; '.join(failed) or 'no reason given'}")

    @staticmethod
    def wait(look, done):
        deadline = time.monotonic() + DEPLOY_SECONDS
        while time.monotonic() < deadline:
            found = look()
            if done(found):
                return found
            time.sleep(POLL_SECONDS)
        raise SystemExit(f"the deployment has not ended within {DEPLOY_SECONDS} seconds")

    def hand_over(self):
        """What CloudFormation made stays in the emulator's own EC2; launches ask the endpoint."""
        ec2 = self.client("ec2")
        ec2.meta.events.register("before-sign.ec2", lambda request, **_: request.headers.add_header("x-goldsmith-local", "1"))
        made = self.cloudformation.describe_stack_resources(StackName=self.options.stack)["StackResources"]
        groups = [r["PhysicalResourceId"] for r in made if r["ResourceType"] == "AWS::EC2::SecurityGroup"]
        groups = ec2.describe_security_groups(GroupIds=groups)["SecurityGroups"]
        subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [g["VpcId"] for g in groups]}])["Subnets"]
        vpcs = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        body = {
            **{"defaultVpc": vpc["VpcId"] for vpc in vpcs},
            "securityGroups": [{"id": g["GroupId"], "name": g["GroupName"], "vpcId": g["VpcId"]} for g in groups],
            "subnets": [
                {"id": s["SubnetId"], "vpcId": s["VpcId"], "availabilityZone": s["AvailabilityZone"], "cidr": s["CidrBlock"]}
                for s in subnets
            ],
            "instanceProfiles": [
                self.profile(r["PhysicalResourceId"]) for r in made if r["ResourceType"] == "AWS::IAM::InstanceProfile"
            ],
        }
        account = self.client("sts").get_caller_identity()["Account"]
        self.post("/_local/resources", {"region": self.options.region, "account": account, **body})

    def profile(self, identity):
        """An instance profile with its role, whose credentials its instances get. The emulator identifies it by its ARN."""
        name = identity.rpartition("/")[2]
        found = self.client("iam").get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
        return {"name": name, "role": found["Roles"][0]["Arn"]}

    def post(self, path, body):
        request = urllib.request.Request(
            self.options.ec2 + path, data=json.dumps(body).encode(), headers={"content-type": "application/json"}, method="POST")
        try:
            urllib.request.urlopen(request, timeout=30).close()
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{path} was refused: {error.read().decode()}") from error


def main():
    deployment = Deployment(arguments())
    try:
        deployment.deploy()
        deployment.hand_over()
    except (BotoCoreError, ClientError, OSError) as error:
        raise SystemExit(f"the deployment failed: {error}") from error


if __name__ == "__main__":
    main()
