"""Brings CloudFormation closer to AWS, and hands the EC2 resources that it creates over to the endpoint."""

import json
from urllib.parse import urlencode

# The fields of each member of these sections (CloudFormation user guide, "Template sections").
FIELDS = {
    "Outputs": {"Condition", "Description", "Export", "Value"},
    "Parameters": {
        "AllowedPattern", "AllowedValues", "ConstraintDescription", "Default", "Description", "MaxLength", "MaxValue", "MinLength",
        "MinValue", "NoEcho", "Type",
    },
}


def install(endpoint, check_pin):
    hand_over_networks(endpoint)
    bound_roles(check_pin)
    keep_what_is_in_use(endpoint)
    name_anew(check_pin)
    reject_unknown_fields(check_pin)


def hand_over_networks(endpoint):
    """Hands security groups, their subnets, and instance profiles over to the endpoint as soon as CloudFormation has
    created them. The resources stay in the emulator, but launches use the endpoint."""
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import ec2, iam
    from ministack.services.cloudformation import provisioners

    def tell(body):
        handed = {"account": get_account_id(), "region": get_region(), **body}
        headers = {"content-type": "application/json"}
        status, _, answer = endpoint.send("POST", "/_local/resources", headers, json.dumps(handed))
        if status != 200:
            raise ValueError(f"the EC2 endpoint does not take it: {answer.decode()}")

    def group(physical):
        found = ec2._security_groups[physical]
        inside = [subnet for subnet in ec2._subnets.values() if subnet["VpcId"] == found["VpcId"]]
        return {
            "defaultVpc": ec2._DEFAULT_VPC_ID,
            "securityGroups": [{"id": physical, "name": found["GroupName"], "vpcId": found["VpcId"]}],
            "subnets": [
                {"id": s["SubnetId"], "vpcId": s["VpcId"], "availabilityZone": s["AvailabilityZone"], "cidr": s["CidrBlock"]}
                for s in inside
            ],
        }

    def profile(physical):
        """Returns a profile with its role, whose credentials its instances get. The emulator identifies a profile by
        its ARN."""
        name = physical.rpartition("/")[2]
        roles = iam._instance_profiles[name]["Roles"]
        return {"instanceProfiles": [{"name": name, "role": iam._roles[role]["Arn"]} for role in roles]}

    def told(make, describe):
        def making(*arguments, **named):
            made = make(*arguments, **named)
            tell(describe(made[0]))
            return made

        return making

    for kind, describe in (("AWS::EC2::SecurityGroup", group), ("AWS::IAM::InstanceProfile", profile)):
        handler = provisioners._RESOURCE_HANDLERS[kind]
        for step in ("create", "update"):
            handler[step] = told(handler[step], describe)


def bound_roles(check_pin):
    """Gives roles their permissions boundary, which the emulator supports but its CloudFormation leaves out."""
    from ministack.services import iam
    from ministack.services.cloudformation import provisioners

    check_pin(iam, {"_policy_exists": ["arn"]})
    check_pin(provisioners, {
        "_iam_role_create": ["logical_id", "props", "stack_name"],
        "_iam_role_update": ["physical_id", "old_props", "new_props", "stack_name", "logical_id"],
    })
    handler = provisioners._RESOURCE_HANDLERS["AWS::IAM::Role"]

    def bounded(make, properties):
        def making(*arguments, **named):
            boundary = arguments[properties].get("PermissionsBoundary")
            if boundary and not iam._policy_exists(boundary):
                raise ValueError(f"Scope ARN: {boundary} does not exist or is not attachable.")
            made = make(*arguments, **named)
            iam._roles[made[0]]["PermissionsBoundary"] = boundary
            return made

        return making

    handler["create"], handler["update"] = bounded(handler["create"], 1), bounded(handler["update"], 2)


def keep_what_is_in_use(endpoint):
    """Keeps resources that are in use, as AWS does: a group of an instance, and a state machine with running
    executions. On AWS, such a state machine and its stack stay DELETING until the last execution has ended."""
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import stepfunctions
    from ministack.services.cloudformation import provisioners

    group = provisioners._RESOURCE_HANDLERS["AWS::EC2::SecurityGroup"]
    machine = provisioners._RESOURCE_HANDLERS["AWS::StepFunctions::StateMachine"]
    delete_group, delete_machine = group["delete"], machine["delete"]

    def delete_unused_group(physical, props):
        scope = f"AWS4-HMAC-SHA256 Credential=test/20260101/{get_region()}/ec2/aws4_request, SignedHeaders=host, Signature=0"
        headers = {
            "content-type": "application/x-www-form-urlencoded", "authorization": scope,
            "x-goldsmith-account": get_account_id(),
        }
        body = urlencode({"Action": "DeleteSecurityGroup", "Version": "2016-11-15", "GroupId": physical})
        status, _, answer = endpoint.send("POST", "/", headers, body)
        if status != 200 and b"InvalidGroup.NotFound" not in answer:
            raise ValueError(f"resource {physical} has a dependent object: {answer.decode()}")
        delete_group(physical, props)

    def delete_ended_machine(physical, props):
        running = [
            arn for arn, execution in stepfunctions._executions.items()
            if execution["stateMachineArn"] == physical and execution["status"] == "RUNNING"
        ]
        if running:
            raise ValueError(f"{physical} is DELETING until its executions have ended: {', '.join(running)}")
        delete_machine(physical, props)

    group["delete"], machine["delete"] = delete_unused_group, delete_ended_machine


def name_anew(check_pin):
    """Gives the resources of a recreated stack other names than those of the earlier stack, as AWS does, so that
    retained resources of the earlier stack stay as they are. The emulator's names depend only on stack and resource, so
    a new table would empty the retained one."""
    from ministack.services import cloudformation
    from ministack.services.cloudformation import provisioners

    names = ["stack_name", "logical_id", "lowercase", "max_len", "seeded"]
    check_pin(provisioners, {"_physical_name": names})
    physical_name, seed = provisioners._physical_name, provisioners._NAME_SEED

    def name(stack_name, logical_id, *, seeded=True, **limits):
        stack = cloudformation._stacks.get(stack_name) or {}
        # Each created stack has a unique id, which stays the same during updates.
        kept = seed.set(f"{stack.get('StackId', '')}{seed.get() if seeded else ''}")
        try:
            return physical_name(stack_name, logical_id, **limits)
        finally:
            seed.reset(kept)

    provisioners._physical_name = name


def unknown_field(template):
    """Returns the first field of an output or a parameter that CloudFormation does not know, or `None`. A description with a
    comma in a flow mapping of YAML becomes such a field, if it is not quoted."""
    for section, known in FIELDS.items():
        for name, member in (template.get(section) or {}).items():
            for field in member if isinstance(member, dict) else ():
                if field not in known:
                    return f"{section} {name}: {field}"
    return None


def reject_unknown_fields(check_pin):
    """Rejects templates with such a field, as AWS does. AWS's message is not known."""
    from ministack.services.cloudformation import engine

    check_pin(engine, {"_validate_template_statics": ["template"]})
    validate = engine._validate_template_statics

    def strictly(template):
        unknown = unknown_field(template)
        if unknown:
            raise ValueError(f"Template format error: Unrecognized field in {unknown}")
        validate(template)

    engine._validate_template_statics = strictly
