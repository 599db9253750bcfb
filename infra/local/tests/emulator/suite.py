"""Tests the emulator in front of an endpoint: keys for signatures, and who may read snapshots by blocks.

Arguments: the endpoint's address, and a file with the secret that both know.
"""

import base64
import contextlib
import hashlib
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

LAUNCHER = pathlib.Path(__file__).parents[2] / "launcher.py"
REGION, ACCOUNT = "eu-west-1", "000000000000"
BLOCK = 512 * 1024
ADDRESS = SECRET = ""


def client(service, region=REGION, keys=None):
    keys = keys or {"aws_access_key_id": "test", "aws_secret_access_key": SECRET}
    return boto3.client(service, region, endpoint_url=ADDRESS, config=Config(retries={"max_attempts": 0}), **keys)


def code(call, **parameters):
    """Returns the error code of a call; `None` if it succeeds."""
    try:
        call(**parameters)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def role(name, *statements):
    """Makes a role with this policy, which the root may assume. Returns the keys of a session of it."""
    iam = client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]}
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
    found = client("sts").assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{name}", RoleSessionName="session")["Credentials"]
    return {
        "aws_access_key_id": found["AccessKeyId"], "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }


class Signatures(unittest.TestCase):
    def setUp(self):
        self.kms = client("kms")
        tags = [{"TagKey": "purpose", "TagValue": "sign"}]
        made = self.kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256", Tags=tags)["KeyMetadata"]
        self.arn, self.digest = made["Arn"], hashlib.sha256(b"statement").digest()
        self.sign = {
            "KeyId": self.arn, "Message": self.digest, "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}

    def test_a_signature_of_a_digest_is_that_of_the_public_key(self):
        signed, public = self.kms.sign(**self.sign), self.kms.get_public_key(KeyId=self.arn)
        self.assertEqual((signed["KeyId"], public["KeySpec"]), (self.arn, "ECC_NIST_P256"))
        key = serialization.load_der_public_key(public["PublicKey"])
        key.verify(signed["Signature"], self.digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        self.assertTrue(self.kms.verify(**self.sign, Signature=signed["Signature"])["SignatureValid"])

    def test_a_description_has_what_the_usage_has(self):
        found = self.kms.describe_key(KeyId=self.arn)["KeyMetadata"]
        shown = [found[field] for field in ("KeySpec", "KeyUsage", "SigningAlgorithms", "KeyState")]
        self.assertEqual(shown, ["ECC_NIST_P256", "SIGN_VERIFY", ["ECDSA_SHA_256"], "Enabled"])
        self.assertNotIn("EncryptionAlgorithms", found)
        self.assertNotIn("SigningAlgorithms", self.kms.create_key()["KeyMetadata"])

    def test_what_does_not_fit_is_refused(self):
        symmetric = self.kms.create_key()["KeyMetadata"]["KeyId"]
        for wrong, expected in (
            ({"KeyId": symmetric}, "InvalidKeyUsageException"),
            ({"SigningAlgorithm": "ECDSA_SHA_384"}, "InvalidKeyUsageException"),
            ({"Message": b"short"}, "ValidationException"),
            ({"KeyId": "alias/none"}, "NotFoundException"),
            ({"KeyId": self.arn.replace(REGION, "us-east-1")}, "NotFoundException"),
        ):
            self.assertEqual(code(self.kms.sign, **{**self.sign, **wrong}), expected, wrong)
        self.assertEqual(code(client("kms", "us-east-1").sign, **self.sign), "NotFoundException")
        self.assertEqual(code(self.kms.create_key, KeySpec="ECC_NIST_P256"), "ValidationException")
        self.assertEqual(code(self.kms.get_public_key, KeyId=symmetric), "UnsupportedOperationException")

    def test_a_key_that_is_not_enabled_is_of_no_use(self):
        calls = (self.kms.sign, self.sign), (self.kms.get_public_key, {"KeyId": self.arn})
        self.kms.disable_key(KeyId=self.arn)
        self.assertEqual([code(call, **named) for call, named in calls], ["DisabledException"] * 2)
        self.assertEqual(self.kms.describe_key(KeyId=self.arn)["KeyMetadata"]["KeyState"], "Disabled")
        self.kms.schedule_key_deletion(KeyId=self.arn, PendingWindowInDays=7)
        self.assertEqual([code(call, **named) for call, named in calls], ["KMSInvalidStateException"] * 2)

    def test_a_role_needs_each_action_on_the_key_itself(self):
        alias = "alias/" + self.arn.rpartition("/")[2]
        self.kms.create_alias(AliasName=alias, TargetKeyId=self.arn)
        calls = {"Sign": self.sign, "GetPublicKey": {"KeyId": self.arn}, "DescribeKey": {"KeyId": self.arn}}

        def refused(name, statement, key):
            kms = client("kms", keys=role(name, statement))
            methods = {"Sign": kms.sign, "GetPublicKey": kms.get_public_key, "DescribeKey": kms.describe_key}
            return {action for action, call in methods.items() if code(call, **{**calls[action], "KeyId": key})}

        everything, nothing = set(calls), set()
        on = {"Action": [f"kms:{action}" for action in calls], "Resource": self.arn}
        for name, statement, by_arn, by_alias in (
            ("all", on, nothing, nothing),
            ("sign", {**on, "Action": "kms:Sign"}, everything - {"Sign"}, everything - {"Sign"}),
            ("by-alias-arn", {**on, "Resource": f"arn:aws:kms:{REGION}:{ACCOUNT}:{alias}"}, everything, everything),
            ("request-alias", {**on, "Condition": {"StringEquals": {"kms:RequestAlias": alias}}}, everything, nothing),
            ("alias", {**on, "Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}}, nothing, nothing),
            ("other", {**on, "Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/x"}}}, everything, everything),
            ("tag", {**on, "Condition": {"StringEquals": {"aws:ResourceTag/purpose": "sign"}}}, nothing, nothing),
            ("no-tag", {**on, "Condition": {"StringEquals": {"aws:ResourceTag/purpose": "x"}}}, everything, everything),
            ("digest", {**on, "Condition": {"StringEquals": {"kms:MessageType": "DIGEST"}}},
             everything - {"Sign"}, everything - {"Sign"}),
        ):
            with self.subTest(name):
                self.assertEqual((refused(name, statement, self.arn), refused(name, statement, alias)), (by_arn, by_alias))


class Blocks(unittest.TestCase):
    def written(self, **more):
        """Makes a snapshot with one block. Returns its id."""
        ebs, data = client("ebs"), b"a" * BLOCK
        made = ebs.start_snapshot(VolumeSize=1, Tags=[{"Key": "stack", "Value": "s"}], **more)["SnapshotId"]
        checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
        ebs.put_snapshot_block(
            SnapshotId=made, BlockIndex=3, BlockData=data, DataLength=BLOCK, Checksum=checksum, ChecksumAlgorithm="SHA256")
        ebs.complete_snapshot(SnapshotId=made, ChangedBlocksCount=1)
        client("ec2").get_waiter("snapshot_completed").wait(SnapshotIds=[made], WaiterConfig={"Delay": 1})
        return made

    def read(self, ebs, snapshot):
        """Reads all blocks. Returns the calls that are refused, with their codes."""
        listed, refused = client("ebs").list_snapshot_blocks(SnapshotId=snapshot)["Blocks"], {}
        token = {"BlockIndex": listed[0]["BlockIndex"], "BlockToken": listed[0]["BlockToken"]}
        for call, more in ((ebs.list_snapshot_blocks, {}), (ebs.get_snapshot_block, token)):
            found = code(call, SnapshotId=snapshot, **more)
            refused.update({call.__name__: found} if found else {})
        return refused

    def test_a_block_comes_through_as_it_is(self):
        snapshot, ebs = self.written(), client("ebs")
        listed = ebs.list_snapshot_blocks(SnapshotId=snapshot)
        token = listed["Blocks"][0]["BlockToken"]
        block = ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=3, BlockToken=token)
        data = block["BlockData"].read()
        self.assertEqual((data, block["DataLength"]), (b"a" * BLOCK, BLOCK))
        self.assertEqual(block["Checksum"], base64.b64encode(hashlib.sha256(data).digest()).decode())
        self.assertEqual(code(ebs.list_snapshot_blocks, SnapshotId="snap-0123456789abcdef0"), "ResourceNotFoundException")

    def test_a_role_needs_each_action_on_the_snapshot(self):
        snapshot = self.written()
        on = {"Action": ["ebs:ListSnapshotBlocks", "ebs:GetSnapshotBlock"], "Resource": f"arn:aws:ec2:{REGION}::snapshot/*"}
        lists, both = {"list_snapshot_blocks": "AccessDeniedException"}, {
            "list_snapshot_blocks": "AccessDeniedException", "get_snapshot_block": "AccessDeniedException"}
        for name, statement, refused in (
            ("blocks", on, {}),
            ("one", {**on, "Resource": f"arn:aws:ec2:{REGION}::snapshot/{snapshot}"}, {}),
            ("get", {**on, "Action": "ebs:GetSnapshotBlock"}, lists),
            ("own", {**on, "Resource": f"arn:aws:ec2:{REGION}:{ACCOUNT}:snapshot/*"}, both),
            ("elsewhere", {**on, "Resource": "arn:aws:ec2:us-east-1::snapshot/*"}, both),
            ("of-ec2", {**on, "Action": "ec2:*", "Resource": "*"}, both),
            ("tagged", {**on, "Condition": {"StringEquals": {"aws:ResourceTag/stack": "s"}}}, {}),
            ("not-tagged", {**on, "Condition": {"StringEquals": {"aws:ResourceTag/stack": "t"}}}, both),
        ):
            with self.subTest(name):
                self.assertEqual(self.read(client("ebs", keys=role(f"ebs-{name}", statement)), snapshot), refused)

    def test_an_encrypted_snapshot_needs_its_key_by_way_of_ec2(self):
        kms = client("kms")
        key = kms.create_key()["KeyMetadata"]["Arn"]
        snapshot = self.written(Encrypted=True, KmsKeyArn=key)
        blocks = {"Action": "ebs:*", "Resource": "*"}
        decrypt = {"Action": "kms:Decrypt", "Resource": key}
        via = {"StringEquals": {"kms:ViaService": f"ec2.{REGION}.amazonaws.com"}}
        both = {"list_snapshot_blocks": "AccessDeniedException", "get_snapshot_block": "AccessDeniedException"}
        for name, statements, refused in (
            ("key", [blocks, decrypt], {}), ("via", [blocks, {**decrypt, "Condition": via}], {}), ("no-key", [blocks], both),
            ("context", [blocks, {**decrypt, "Condition": {"StringLike": {"kms:EncryptionContext:aws:ebs:id": "snap-*"}}}], {}),
            ("other-context", [blocks, {**decrypt, "Condition": {"StringLike": {"kms:EncryptionContext:aws:ebs:id": "db-*"}}}], both),
            ("via-s3", [blocks, {**decrypt, "Condition": {"StringEquals": {"kms:ViaService": "s3.amazonaws.com"}}}], both),
        ):
            with self.subTest(name):
                self.assertEqual(self.read(client("ebs", keys=role(f"ebs-{name}", *statements)), snapshot), refused)
        ebs = client("ebs")
        kms.disable_key(KeyId=key)
        self.assertEqual(code(ebs.list_snapshot_blocks, SnapshotId=snapshot), "AccessDeniedException")

    def test_a_call_with_another_key_is_not_answered(self):
        snapshot = self.written()
        for keys in ({"aws_access_key_id": "test", "aws_secret_access_key": "no"}, {"aws_access_key_id": "AKIAX", "aws_secret_access_key": "x"}):
            self.assertIsNotNone(code(client("ebs", keys=keys).list_snapshot_blocks, SnapshotId=snapshot))


@contextlib.contextmanager
def emulator(endpoint, secret_file):
    """Runs the emulator in front of an endpoint. Yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, LAUNCHER, "--port", str(port), "--ec2", endpoint, "--directory", folder, "--secret-file", secret_file]
        with subprocess.Popen([str(word) for word in words]) as process:
            try:
                for _ in range(300):
                    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                        break
                    time.sleep(0.1)
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()


if __name__ == "__main__":
    SECRET = pathlib.Path(sys.argv[2]).read_text().strip()
    with emulator(*sys.argv[1:3]) as ADDRESS:
        done = unittest.main(argv=[sys.argv[0], "-v", *sys.argv[3:]], exit=False)
    sys.exit(not done.result.wasSuccessful())
