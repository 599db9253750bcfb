"""Makes signed packages of the SSM agent: the content of the bucket `amazon-ssm-REGION`, for instances that lack an
agent.

The package contains a stand-in: the endpoint only requires that an agent runs. Everything is made here, because the
machine may have neither dpkg nor gpg. A new key is made each time, and its private part is not kept.

As a program, this module publishes the packages in the local AWS, whose keys are in the environment. It prints the URL
of the packages and the public key of their signatures.
"""

import argparse
import base64
import gzip
import hashlib
import io
import json
import os
import secrets
import struct
import tarfile
import time

VERSION = "3.3.0.0-1"
DEBIAN = {"amd64": "debian_amd64", "arm64": "debian_arm64"}
UNIT = """[Unit]
Description=amazon-ssm-agent
After=network.target

[Service]
ExecStart=/usr/bin/amazon-ssm-agent
Restart=always
RestartSec=90

[Install]
WantedBy=multi-user.target
"""
AGENT = """#!/bin/sh
# Stands for the SSM agent: while it runs, the endpoint that is Systems Manager reaches the instance.
trap 'exit 0' TERM INT
while :; do
  sleep 3600 &
  wait $!
done
"""
# The scripts of AWS's package do the same: after its removal, no link to its unit is left.
INSTALLED = """#!/bin/sh
[ ! -d /run/systemd/system ] || systemctl enable --now amazon-ssm-agent.service || :
"""
REMOVED = """#!/bin/sh
[ ! -d /run/systemd/system ] || systemctl disable --now amazon-ssm-agent.service || :
"""
KEY_BITS = 2048
SMALL_PRIMES = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017, 9.2, note 1
RSA, SHA256 = 1, 8  # RFC 9580, 9.1 and 9.5


def tar(files):
    """Returns a compressed archive of `files`: path below the root → (mode, content)."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        folders = sorted({"/".join(path.split("/")[:depth]) for path in files for depth in range(1, path.count("/") + 1)})
        for folder in folders:
            entry = tarfile.TarInfo(f"./{folder}")
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for path, (mode, content) in sorted(files.items()):
            entry = tarfile.TarInfo(f"./{path}")
            entry.mode, entry.size = mode, len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def deb(architecture):
    """Returns the package, in the format of deb(5)."""
    control = (
        f"Package: amazon-ssm-agent\nVersion: {VERSION}\nArchitecture: {architecture}\nMaintainer: nobody <nobody@localhost>\n"
        "Description: Stand-in of the SSM agent on the local AWS\n"
    )
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": tar({
            "control": (0o644, control.encode()),
            "postinst": (0o755, INSTALLED.encode()),
            "prerm": (0o755, REMOVED.encode()),
        }),
        "data.tar.gz": tar({
            "usr/bin/amazon-ssm-agent": (0o755, AGENT.encode()),
            "lib/systemd/system/amazon-ssm-agent.service": (0o644, UNIT.encode()),
        }),
    }
    package = b"!<arch>\n"
    for name, content in members.items():
        package += f"{name:<16}{0:<12}{0:<6}{0:<6}{0o100644:<8o}{len(content):<10}`\n".encode() + content + b"\n" * (len(content) % 2)
    return package


class Signer:
    """An RSA key with OpenPGP signatures (RFC 9580, version 4)."""

    def __init__(self):
        self.exponent, self.made = 65537, int(time.time()) - 3600
        p, q = self.prime(), self.prime()
        self.modulus, self.private = p * q, pow(self.exponent, -1, (p - 1) * (q - 1))
        self.body = struct.pack(">BIB", 4, self.made, RSA) + self.number(self.modulus) + self.number(self.exponent)
        self.fingerprint = hashlib.sha1(self.hashed_key()).digest()

    def prime(self):
        while True:
            n = secrets.randbits(KEY_BITS // 2) | 3 << KEY_BITS // 2 - 2 | 1
            if all(n % small for small in SMALL_PRIMES) and n % self.exponent != 1 and self.is_prime(n):
                return n

    @staticmethod
    def is_prime(n):
        """Returns whether `n` is prime, by the Miller–Rabin test."""
        odd, twos = n - 1, 0
        while odd % 2 == 0:
            odd, twos = odd // 2, twos + 1
        for _ in range(8):
            x = pow(secrets.randbelow(n - 3) + 2, odd, n)
            if x in (1, n - 1):
                continue
            for _ in range(twos - 1):
                x = x * x % n
                if x == n - 1:
                    break
            else:
                return False
        return True

    @staticmethod
    def number(n):
        return struct.pack(">H", n.bit_length()) + n.to_bytes((n.bit_length() + 7) // 8, "big")

    @staticmethod
    def packet(kind, body):
        return bytes([0xC0 | kind, 255]) + struct.pack(">I", len(body)) + body

    def hashed_key(self):
        return b"\x99" + struct.pack(">H", len(self.body)) + self.body

    def signature(self, kind, signed, more=b""):
        """Returns a signature packet. `more` contains further subpackets."""
        subpackets = b"\x05\x02" + struct.pack(">I", int(time.time())) + b"\x16\x21\x04" + self.fingerprint + more
        head = struct.pack(">BBBBH", 4, kind, RSA, SHA256, len(subpackets)) + subpackets
        digest = hashlib.sha256(signed + head + b"\x04\xff" + struct.pack(">I", len(head))).digest()
        size = KEY_BITS // 8
        padded = b"\x00\x01" + b"\xff" * (size - 3 - len(SHA256_INFO) - len(digest)) + b"\x00" + SHA256_INFO + digest
        number = self.number(pow(int.from_bytes(padded, "big"), self.private, self.modulus))
        issuer = b"\x09\x10" + self.fingerprint[-8:]
        return self.packet(2, head + struct.pack(">H", len(issuer)) + issuer + digest[:2] + number)

    def sign(self, content):
        """Returns the detached signature of a file."""
        return self.signature(0x00, content)

    def public_key(self):
        """Returns the public key with its name, in Base64."""
        name = b"Local AWS"
        signed = self.hashed_key() + b"\xb4" + struct.pack(">I", len(name)) + name
        certified = self.signature(0x13, signed, b"\x02\x1b\x03")
        return base64.b64encode(self.packet(6, self.body) + self.packet(13, name) + certified).decode()


def packages(signer):
    """Returns the content of the bucket: key → content."""
    files = {f"latest/{folder}/amazon-ssm-agent.deb": deb(architecture) for architecture, folder in DEBIAN.items()}
    return {**files, **{f"{key}.sig": signer.sign(content) for key, content in files.items()}}


def publish(endpoint, region):
    """Creates the Region's bucket, which everyone may read, as on AWS, and puts the packages into it. Returns their URL
    and their public key."""
    import boto3

    s3 = boto3.client(
        "s3", endpoint_url=endpoint, region_name=region, aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"])
    bucket, signer = f"amazon-ssm-{region}", Signer()
    try:
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
    except s3.exceptions.BucketAlreadyOwnedByYou:
        pass
    s3.delete_public_access_block(Bucket=bucket)
    anybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [anybody]}))
    for key, content in packages(signer).items():
        s3.put_object(Bucket=bucket, Key=key, Body=content)
    return {"url": f"{endpoint}/{bucket}/latest", "key": signer.public_key()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint-url", required=True)
    parser.add_argument("--region", required=True)
    options = parser.parse_args()
    print(json.dumps(publish(options.endpoint_url, options.region)))


if __name__ == "__main__":
    main()
