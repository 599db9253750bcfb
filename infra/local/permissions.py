"""Checks permissions as AWS does: for calls that the endpoint serves, for events, and for answers to task tokens.

The emulator itself checks at most one resource of a call, and does not know the tags of the endpoint's resources. Here,
a call is checked on every resource that it touches, each with the tags that it has or is to get.
"""

import json
import re
from urllib.parse import parse_qsl, unquote

import blocks
import licenses
import signing_keys

KINDS = {
    "i": "instance", "ami": "image", "snap": "snapshot", "vol": "volume", "subnet": "subnet", "sg": "security-group",
    "lt": "launch-template", "export": "export-image-task", "h": "dedicated-host", "sir": "spot-instances-request",
}
# Actions of EBS on a key in the name of the caller who launches or copies (EBS user guide, "Requirements for Amazon EBS
# encryption").
KEY_RIGHTS = ("DescribeKey", "Decrypt", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo", "CreateGrant")
USES_KEYS = ("ec2:RunInstances", "ec2:CopyImage")
# Calls of EC2 that act on existing resources and name them by their ids. AWS checks such a call on each of them. It
# checks a call that lists resources on none, and a call that creates resources on new ones too (Service Authorization
# Reference, "Actions, resources, and condition keys for Amazon EC2").
BY_ID = re.compile(r"ec2:(?!Create|Copy|Import|Register|Run|Describe\w+s$)\w*(Image|Instance|Snapshot|Volume)\w*")
IDS = ("ImageId", "InstanceId", "SnapshotId", "VolumeId")
WITHOUT_ACCOUNT = ("image", "snapshot")  # ARNs of these kinds have an empty account


class Call:
    """One call. Its methods yield what it touches, as (action, resource, condition keys)."""

    def __init__(self, action, parameters, region, account, tags, owners=None):
        self.action, self.parameters, self.region, self.account, self.tags = action, parameters, region, account, tags
        self.owners = owners or {}

    def values(self, field):
        """Returns the values of a parameter and of its numbered members: `InstanceId.1`, `InstanceId.2`."""
        return [v for k, v in self.parameters.items() if k == field or k.rpartition(".")[0] == field and k.rpartition(".")[2].isdigit()]

    def name(self, kind, identity):
        account = "" if kind in WITHOUT_ACCOUNT else self.account
        return f"arn:aws:ec2:{self.region}:{account}:{kind}/{identity}"

    def existing(self, *fields):
        """Yields existing resources with their tags. EC2 itself rejects a call that names a missing resource."""
        for identity in (value for field in fields for value in self.values(field)):
            kind = KINDS.get(identity.partition("-")[0], "unknown")
            if kind in ("subnet", "security-group") or identity in self.tags:
                context = {f"aws:ResourceTag/{key}": value for key, value in self.tags.get(identity, {}).items()}
                yield self.action, self.name(kind, identity), context

    def original(self):
        """Yields the image that a call copies, in its own Region. AWS checks it by its id and its owner, and not by its
        tags. The snapshots of the image are not checked (Service Authorization Reference, `CopyImage`)."""
        for identity in (value for value in self.values("SourceImageId") if value in self.owners):
            region, context = self.parameters.get("SourceRegion"), {"ec2:ImageID": identity, "ec2:Owner": self.owners[identity]}
            yield self.action, f"arn:aws:ec2:{region}::image/{identity}", context

    def named(self):
        """Yields the resources that the call names by their ids. A call that names none acts on the whole account."""
        if any(self.values(field) for field in IDS):
            yield from self.existing(*IDS)
        else:
            yield self.action, "*", {}

    def new(self, *kinds):
        """Yields new resources with the tags that the call gives them. Tags also need the permission to tag."""
        for kind in kinds:
            asked = self.requested_tags(kind)
            yield self.action, self.name(kind, "*"), {**asked, **self.metadata(kind)}
            if asked:
                yield "ec2:CreateTags", self.name(kind, "*"), {**asked, "ec2:CreateAction": self.action.partition(":")[2]}

    def metadata(self, kind):
        """Returns the condition key that says whether a new instance requires tokens for requests to its metadata."""
        tokens = self.parameters.get("MetadataOptions.HttpTokens")
        return {"ec2:MetadataHttpTokens": tokens} if kind == "instance" and tokens else {}

    def mapped_snapshots(self):
        """Yields the existing snapshots from which a call registers an image."""
        yield from self.existing(*(field for field in self.parameters if field.endswith(".Ebs.SnapshotId")))

    def tagged(self):
        """Yields existing resources that get further tags."""
        keys = [value for field, value in self.parameters.items() if field.startswith("Tag.") and field.endswith(".Key")]
        for action, resource, context in self.existing("ResourceId"):
            yield action, resource, {**context, "aws:TagKeys": keys}

    def events(self):
        """Yields the buses on which events are put, each with the sources of its events."""
        sources = {}
        for entry in self.values("Entries"):
            sources.setdefault(entry.get("EventBusName", "default").rpartition("/")[2], []).append(entry.get("Source", ""))
        for bus, named in sources.items():
            yield self.action, f"arn:aws:events:{self.region}:{self.account}:event-bus/{bus}", {"events:source": named}

    def spot_request(self):
        """Yields the spot request that a launch makes if it asks for a spot instance."""
        if self.parameters.get("InstanceMarketOptions.MarketType") == "spot":
            yield from self.new("spot-instances-request")

    def key_pair(self):
        """Yields the key pair that a launch names, which is known by its name."""
        for name in self.values("KeyName"):
            yield self.action, self.name("key-pair", name), {}

    def licenses_of_image(self):
        """Yields the license configurations of the image of a launch. AWS checks the launch on them (managed policy
        AWSServiceRoleForImageBuilder; a report of StartInstances that was denied on one of them)."""
        for identity in self.values("ImageId"):
            for arn in licenses.ASSOCIATED.get((self.account, f"arn:aws:ec2:{self.region}::image/{identity}"), []):
                yield self.action, arn, {}

    def default_subnet(self):
        """Yields a subnet of the default VPC if the call names none: this subnet also needs a permission."""
        if not self.values("SubnetId"):
            yield self.action, self.name("subnet", "*"), {}

    def requested_tags(self, kind):
        found = {}
        for key, value in self.parameters.items():
            specification, _, field = key.partition(".Tag.")
            if field.endswith(".Key") and self.parameters.get(f"{specification}.ResourceType") == kind:
                tag = self.parameters.get(f"{specification}.Tag.{field.removesuffix('.Key')}.Value", "")
                found[f"aws:RequestTag/{value}"] = tag
        return found

    def passed_role(self):
        for profile in self.values("IamInstanceProfile.Name") + self.values("IamInstanceProfile.Arn"):
            from ministack.services import iam

            record = iam._instance_profiles.get(profile.rpartition("/")[2]) or {}
            for role in record.get("Roles", []):
                yield "iam:PassRole", iam._roles[role]["Arn"], {"iam:PassedToService": "ec2.amazonaws.com"}

    def export_role(self):
        """Yields the role that an export names. EC2 itself rejects a role that does not exist."""
        from ministack.services import iam

        role = iam._roles.get(self.parameters.get("RoleName", "vmimport"))
        if role:
            yield "iam:PassRole", role["Arn"], {"iam:PassedToService": "vmie.amazonaws.com"}

    def document(self):
        yield self.action, f"arn:aws:ssm:{self.region}::document/{self.parameters['DocumentName']}", {}

    def named_parameters(self):
        for name in self.values("Names"):
            account = "" if name.startswith("/aws/") else self.account
            yield self.action, f"arn:aws:ssm:{self.region}:{account}:parameter/{name.removeprefix('/')}", {}

    def schedule_role(self):
        """Yields the role with which a schedule calls its target."""
        if "RoleArn" in self.parameters:
            yield "iam:PassRole", self.parameters["RoleArn"], {"iam:PassedToService": "scheduler.amazonaws.com"}

    def licenses(self):
        """Yields the license configurations that the call names."""
        changed = self.values("AddLicenseSpecifications") + self.values("RemoveLicenseSpecifications")
        for arn in self.values("LicenseConfigurationArn") + [one.get("LicenseConfigurationArn", "*") for one in changed]:
            yield self.action, arn, {}

    def anything(self):
        """Yields the whole account: the call has no resource of its own."""
        yield self.action, "*", {}

    def machine(self):
        """Yields the state machine that issued the token. Step Functions itself rejects an unknown token."""
        from ministack.services import stepfunctions

        wait = stepfunctions._task_tokens.get(self.parameters.get("taskToken")) or {}
        if "execution" in wait:
            yield self.action, wait["execution"].replace(":execution:", ":stateMachine:").rpartition(":")[0], {}


TOUCHED = {
    "ec2:RunInstances": lambda call: [
        *call.new("instance", "volume", "network-interface"),
        *call.spot_request(),
        *call.existing("ImageId", "SubnetId", "SecurityGroupId"),
        *call.licenses_of_image(),
        *call.default_subnet(),
        *call.key_pair(),
        *call.passed_role(),
    ],
    "ec2:CancelSpotInstanceRequests": lambda call: call.existing("SpotInstanceRequestId"),
    "ec2:CreateImage": lambda call: [*call.existing("InstanceId"), *call.new("image", "snapshot")],
    "ec2:RegisterImage": lambda call: [*call.new("image"), *call.mapped_snapshots()],
    "ec2:AllocateHosts": lambda call: call.new("dedicated-host"),
    "ec2:ReleaseHosts": lambda call: call.existing("HostId"),
    "ec2:CopyImage": lambda call: [*call.original(), *call.new("image", "snapshot")],
    "ec2:ExportImage": lambda call: [*call.existing("ImageId"), *call.new("export-image-task"), *call.export_role()],
    "ec2:CancelExportTask": lambda call: call.existing("ExportTaskId"),
    "ec2:GetConsoleOutput": lambda call: call.existing("InstanceId"),
    "ec2:CreateLaunchTemplateVersion": lambda call: call.existing("LaunchTemplateId"),
    "ec2:ModifyLaunchTemplate": lambda call: call.existing("LaunchTemplateId"),
    "ec2:DeleteLaunchTemplateVersions": lambda call: call.existing("LaunchTemplateId"),
    "ec2:CreateTags": lambda call: call.tagged(),
    **dict.fromkeys(
        ("ebs:ListSnapshotBlocks", "ebs:GetSnapshotBlock", "ebs:PutSnapshotBlock", "ebs:CompleteSnapshot", "ebs:ListChangedBlocks"),
        lambda call: call.existing("SnapshotId", "FirstSnapshotId")),
    "ebs:StartSnapshot": blocks.started,
    "events:PutEvents": lambda call: call.events(),
    "license-manager:CreateLicenseConfiguration": lambda call: call.anything(),
    "license-manager:GetLicenseConfiguration": lambda call: call.licenses(),
    "license-manager:ListLicenseSpecificationsForResource": lambda call: call.anything(),
    "license-manager:UpdateLicenseSpecificationsForResource": lambda call: call.licenses(),
    "ssm:GetParameters": lambda call: call.named_parameters(),
    "ssm:SendCommand": lambda call: [*call.existing("InstanceIds"), *call.document()],
    "states:SendTaskSuccess": lambda call: call.machine(),
    "states:SendTaskFailure": lambda call: call.machine(),
    "states:SendTaskHeartbeat": lambda call: call.machine(),
}


def touched(action):
    """Returns the function that yields what a call touches; `None` if the emulator's own check is enough."""
    return TOUCHED.get(action) or (Call.named if BY_ID.fullmatch(action) else None)


def parameters_of(service, headers, body):
    """Returns operation and parameters: EC2's form, or SSM's JSON, whose lists are numbered as in the form."""
    if service == "ec2":
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        return form.get("Action", ""), form
    request, flat = json.loads(body or b"{}"), {}
    for key, value in request.items():
        flat.update({f"{key}.{n}": v for n, v in enumerate(value, 1)} if isinstance(value, list) else {key: value})
    return headers.get("x-amz-target", "").rpartition(".")[2], flat


def more_exact(service, headers, path, body, query_params):
    """Returns the resource of a call if the emulator names it differently from AWS; otherwise `None`. The emulator puts
    every schedule into the default group, names log streams by their group, names rules of the default bus with that
    bus, and names neither instance profiles nor the principal of a policy simulation. It takes an alias for a key."""
    if service == "kms":
        from ministack.services import kms

        # An alias stands for its key (KMS developer guide, "Using aliases to control access to KMS keys").
        name = json.loads(body or b"{}").get("KeyId", "")
        key = kms._resolve_key(name)
        of_alias = name.startswith("alias/") or ":alias/" in name
        return f"key/{key['KeyId'] if key else 'behind-an-alias'}" if of_alias else None
    if service == "iam":
        asked = {key: value[0] for key, value in query_params.items() if key in ("InstanceProfileName", "PolicySourceArn")}
        simulated = asked.get("PolicySourceArn", "").split(":", 5)[5:]
        return f"instance-profile/{asked['InstanceProfileName']}" if "InstanceProfileName" in asked else "".join(simulated)
    if service == "scheduler" and path.startswith("/schedules/"):
        group = (query_params.get("groupName") or [""])[0] or json.loads(body or b"{}").get("GroupName", "default")
        return f"schedule/{group}/{unquote(path.removeprefix('/schedules/'))}"
    if service == "logs":
        request = json.loads(body or b"{}")
        if "logGroupName" in request and "logStreamName" in request:
            return f"log-group:{request['logGroupName']}:log-stream:{request['logStreamName']}"
    if service == "events" and headers.get("x-amz-target", "").endswith("Rule"):
        request = json.loads(body or b"{}")
        if request.get("EventBusName", "default") == "default":
            return f"rule/{request['Name']}"
    return None


def tags_in(inventory):
    """Returns the tags of every resource of the endpoint, by id."""
    found = {}
    if isinstance(inventory, dict) and isinstance(inventory.get("id"), str):
        found[inventory["id"]] = inventory.get("tags") or {}
    for part in inventory.values() if isinstance(inventory, dict) else inventory if isinstance(inventory, list) else ():
        found.update(tags_in(part))
    return found


def owners_in(inventory):
    """Returns the owner of each image, by the image's id, as AWS's condition keys name it."""
    return {one["id"]: "amazon" if one["source"] else one["account"] for one in inventory["images"]}


def install(endpoint, check_pin):
    """Takes these calls out of the emulator's own check. Returns five functions. The first checks one call, and
    returns an answer if the call is denied. The second returns the keys that the caller of a call may not use: EC2 does
    not deny such a call, but the new resource fails. The third guards schedules. The fourth returns the ids of the
    endpoint's resources. The fifth returns why a caller may not use a key by way of a service, or `None`."""
    from ministack.core import iam_actions, iam_evaluator, responses, router
    from ministack.services import kms

    check_pin(iam_evaluator, {
        "enforce": ["access_key_id", "iam_action", "service", "region", "resource_arn", "service_context"],
        "check_credentials": ["access_key_id", "service"],
    })
    check_pin(kms, {"_resolve_key": ["key_id_or_arn"]})
    check_pin(iam_actions, {
        "request_tag_context": ["service", "iam_action", "body", "params"],
        "extract_resource_arn": ["service", "method", "path", "headers", "body", "query_params", "region", "account_id"],
    })
    enforce, resource_of = iam_evaluator.enforce, iam_actions.extract_resource_arn
    tags_of_request = iam_actions.request_tag_context

    def resource_arn(service, method, path, headers, body, query_params, region, account_id):
        found = more_exact(service, headers, path, body, query_params)
        if found:
            return f"arn:aws:{service}:{'' if service == 'iam' else region}:{account_id}:{found}"
        return resource_of(service, method, path, headers, body, query_params, region, account_id)

    def emulators(access_key_id, iam_action, service, *rest, **named):
        if touched(iam_action):  # a call that touches nothing must be signed too
            return iam_evaluator.check_credentials(access_key_id, service)
        return enforce(access_key_id, iam_action, service, *rest, **named)

    async def authorise(service, headers, body, query_params, named=None, tags=None):
        """Checks a call. `named` are its operation and its parameters, and `tags` are those of the resources that it names,
        if the service has no body or target that says so."""
        operation, parameters = named or parameters_of(service, headers, body)
        action = f"{service}:{operation}"
        if not touched(action):
            return None
        knows_none = tags is not None or service in ("events", "license-manager", "states") or operation == "GetParameters"
        found = {"images": []} if knows_none else await inventory()
        tags = tags_in(found) if tags is None else tags
        call = Call(action, parameters, responses.get_region(), responses.get_account_id(), tags, owners_in(found))
        key = router.extract_access_key_id(headers, query_params)
        for needed, resource, context in touched(action)(call):
            denied = enforce(key, needed, needed.partition(":")[0], call.region, resource_arn=resource, service_context=context)
            if denied:
                return refusal(service, needed, resource, denied, headers)
        return None

    async def denied_keys(headers, body, query_params):
        operation, _ = parameters_of("ec2", headers, body)
        if f"ec2:{operation}" not in USES_KEYS:
            return []
        caller = router.extract_access_key_id(headers, query_params)
        return [arn for arn in (await inventory())["kmsKeys"] if not may_use(caller, arn)]

    def may_use(caller, arn):
        region, key = arn.split(":")[3], kms._resolve_key(arn)
        if key and key["KeyState"] != "Enabled":
            return False  # no caller may use it
        context = {"kms:ViaService": f"ec2.{region}.amazonaws.com", "kms:GrantIsForAWSResource": "true"}
        return not any(
            enforce(caller, f"kms:{right}", "kms", region, resource_arn=arn, service_context=context)
            for right in KEY_RIGHTS)

    async def inventory():
        _, _, found = await endpoint.call("GET", "/_local/inventory", {}, b"")
        return json.loads(found)

    def refusal(service, action, resource, denied, headers):
        request = "goldsmith-local"
        if isinstance(denied, iam_evaluator.AuthError):
            return iam_actions.access_denied_response(
                service, action, "", request, error_code=denied.code, message=denied.message, headers=headers)
        return iam_actions.access_denied_response(
            service, action, denied.principal_arn, request, headers=headers, resource_arn=resource,
            explicit_deny=denied.decision == "Deny")

    def guard_schedules(app):
        """Checks the creation and the update of schedules: the caller passes a role to the Scheduler, and needs the
        permission for this."""
        handler = app.SERVICE_HANDLERS["scheduler"]

        async def scheduler(method, path, headers, body, query_params):
            if method in ("POST", "PUT") and path.startswith("/schedules/"):
                call = Call("", json.loads(body).get("Target", {}), responses.get_region(), responses.get_account_id(), {})
                key = router.extract_access_key_id(headers, query_params)
                for action, resource, context in call.schedule_role():
                    denied = enforce(key, action, "iam", call.region, resource_arn=resource, service_context=context)
                    if denied:
                        return refusal("scheduler", action, resource, denied, headers)
            return await handler(method, path, headers, body, query_params)

        app.SERVICE_HANDLERS["scheduler"] = scheduler

    def context_of_request(service, iam_action, body, params):
        found = tags_of_request(service, iam_action, body, params)
        return {**found, **signing_keys.key_context(body)} if service == "kms" else found

    iam_evaluator.enforce, iam_actions.extract_resource_arn = emulators, resource_arn
    iam_actions.request_tag_context = context_of_request

    async def resources():
        return tags_in(await inventory()).keys()

    def key_denial(headers, query_params, name, rights, service, encryption_context=None):
        key, region = kms._resolve_key(name), responses.get_region()
        if not key:
            return "NotFound", f"Key '{name}' does not exist"
        if key["KeyState"] != "Enabled":
            return "Disabled", f"{key['Arn']} is disabled."
        caller = router.extract_access_key_id(headers, query_params)
        names = {f"kms:EncryptionContext:{name}": value for name, value in (encryption_context or {}).items()}
        context = {"kms:ViaService": f"{service}.{region}.amazonaws.com", **names}
        for right in rights:
            denied = enforce(caller, f"kms:{right}", "kms", region, resource_arn=key["Arn"], service_context=context)
            if denied:
                return "AccessDenied", f"The caller is not authorized to perform: kms:{right} on resource: {key['Arn']}"
        return None

    return authorise, denied_keys, guard_schedules, resources, key_denial
