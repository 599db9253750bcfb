"""Checks the permissions of calls of the EBS direct APIs, which read and write snapshots by blocks."""

import json
import re
from urllib.parse import quote

# The EBS direct APIs: method and path of each call.
BLOCKS = (
    ("POST", re.compile(r"/snapshots"), "StartSnapshot"),
    ("POST", re.compile(r"/snapshots/completion/([^/]+)"), "CompleteSnapshot"),
    ("PUT", re.compile(r"/snapshots/([^/]+)/blocks/[^/]+"), "PutSnapshotBlock"),
    ("GET", re.compile(r"/snapshots/([^/]+)/blocks/[^/]+"), "GetSnapshotBlock"),
    ("GET", re.compile(r"/snapshots/([^/]+)/blocks"), "ListSnapshotBlocks"),
    ("GET", re.compile(r"/snapshots/([^/]+)/changedblocks"), "ListChangedBlocks"),
)


def call_of_blocks(method, path, body, query_params):
    """Returns the operation and the parameters of a call of the EBS direct APIs; `None` if there is no such call."""
    for verb, pattern, operation in BLOCKS:
        found = pattern.fullmatch(path)
        if verb != method or not found:
            continue
        if operation == "StartSnapshot":
            try:
                asked = json.loads(body or b"{}")
            except ValueError:
                asked = {}
            asked = {key: value for key, value in asked.items() if value is not None} if isinstance(asked, dict) else {}
            tags = [tag for tag in asked.pop("Tags", []) if isinstance(tag, dict)]
            return operation, {**asked, **{f"Tags.{n}": tag for n, tag in enumerate(tags, 1)}}
        first = (query_params or {}).get("firstSnapshotId") or ""
        first = first[0] if isinstance(first, list) else first
        return operation, {"SnapshotId": found[1], **({"FirstSnapshotId": first} if first else {})}
    return None


def started(call):
    """Yields the new snapshot that is to be written by blocks, with the tags that the call gives it."""
    tags = {tag.get("Key", ""): tag.get("Value", "") for tag in call.values("Tags")}
    context = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    asked = {"ebs:VolumeSize": "VolumeSize", "ebs:Description": "Description", "ebs:ParentSnapshot": "ParentSnapshotId"}
    context.update({name: str(call.parameters[field]) for name, field in asked.items() if field in call.parameters})
    yield call.action, call.name("snapshot", "*"), {**context, **({"aws:TagKeys": list(tags)} if tags else {})}


def guard(endpoint, authorise, key_denial):
    """Returns the check of calls of the EBS direct APIs. The caller needs the action on each snapshot that it names, and
    for an encrypted one the right to decrypt with its key, by way of EC2. The rights are checked for every call: EBS has
    no session between a list and its blocks."""

    async def snapshot(identity):
        status, _, found = await endpoint.call("GET", f"/_local/snapshots/{quote(identity, safe='')}", {}, b"")
        return json.loads(found) if status == 200 else None

    def denied(message):
        body = json.dumps({"Message": message, "Reason": "DEPENDENCY_ACCESS_DENIED"}).encode()
        return 403, {"Content-Type": "application/json", "x-amzn-errortype": "AccessDeniedException"}, body

    async def refused(method, path, headers, body, query_params):
        call = call_of_blocks(method, path, body, query_params)
        if not call:
            return None  # the endpoint rejects it
        named = [call[1][field] for field in ("SnapshotId", "FirstSnapshotId", "ParentSnapshotId") if field in call[1]]
        found = {identity: known for identity in named if (known := await snapshot(identity))}
        tags = {identity: known["tags"] for identity, known in found.items()}
        answer = await authorise("ebs", headers, body, query_params, call, tags)
        if answer:
            return answer
        keys = {known["kmsKey"]: identity for identity, known in found.items() if known["kmsKey"]}
        for key, identity in keys.items():
            context = {"aws:ebs:id": identity}
            reason, message = key_denial(headers, query_params, key, ("Decrypt",), "ec2", context) or ("", "")
            # Keys of AWS and of other accounts are not the emulator's: the endpoint decides about them.
            if reason not in ("", "NotFound"):
                return denied(message)
        return None

    return refused
