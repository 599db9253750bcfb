"""Paginators: of every call that the endpoint knows and the SDK has one for."""

import json

from botocore import xform_name
from caller import same
from life import end, launch

# Values of parameters that a call cannot be without.
NEEDED = {"DescribeLaunchTemplateVersions": {"LaunchTemplateName": "page-0"},
          "GetParametersByPath": {"Path": "/aws/service/goldsmith-local"}}
# The smallest page, where it is not 5.
SMALLEST = {"ListCommands": 1, "ListCommandInvocations": 1, "GetParametersByPath": 1, "DescribeLaunchTemplates": 1,
            "DescribeLaunchTemplateVersions": 1}


def items(client, call, size):
    """How many pages there are, and what they list, in their order."""
    paginator = client.get_paginator(xform_name(call))
    pages = list(paginator.paginate(**NEEDED.get(call, {}), PaginationConfig={"PageSize": size}))
    found = [one for page in pages for one in paginator.result_keys[0].search(page) or []]
    for one in found:
        if isinstance(one, dict):
            # An agent is heard of between two looks.
            one.pop("LastPingDateTime", None)
    return len(pages), [json.dumps(one, default=str, sort_keys=True) for one in found]


def fill(aws):
    """More than a page of what may be made."""
    # One by one: a page ends within a reservation of several.
    instances = [launch(aws, aws.source()) for _ in range(6)]
    for number in range(6):
        aws.resource.create_security_group(GroupName=f"page-{number}", Description="page")
        aws.ec2.create_launch_template(LaunchTemplateName=f"page-{number}", LaunchTemplateData={"InstanceType": "t3.small"})
        aws.ec2.create_launch_template_version(LaunchTemplateName="page-0", LaunchTemplateData={"InstanceType": "t3.large"})
        copy = aws.ec2.copy_image(SourceRegion=aws.region, SourceImageId=aws.source(), Name=f"page-{number}")["ImageId"]
        aws.wait("image_available", ImageIds=[copy])
        aws.ec2.create_tags(Resources=[instances[number].id, copy], Tags=[{"Key": "page", "Value": str(number)}])
    return instances


def test_every_item_comes_once(aws):
    aws = aws.of(account="555555555555")
    instances = fill(aws)
    for instance in instances:
        aws.online(instance.id)
    for _ in range(3):
        aws.run(instances[0].id, "true")
    paginated, several = 0, set()
    for call in aws.calls:
        client = aws.ssm if hasattr(aws.ssm, xform_name(call)) else aws.ec2
        if not client.can_paginate(xform_name(call)):
            continue
        _, whole = items(client, call, None)
        count, pages = items(client, call, SMALLEST.get(call, 5))
        same((call, pages), (call, whole))
        same((call, len(set(pages))), (call, len(pages)))
        paginated += 1
        if count > 1:
            several.add(call)
    assert paginated >= 15, paginated
    missing = {"DescribeInstances", "DescribeInstanceStatus", "DescribeImages", "DescribeSnapshots", "DescribeVolumes",
               "DescribeTags", "DescribeSecurityGroups", "DescribeLaunchTemplates", "DescribeLaunchTemplateVersions",
               "DescribeInstanceTypes", "ListCommands", "ListCommandInvocations", "DescribeInstanceInformation",
               "GetParametersByPath"} - several
    same(missing, set())
    for instance in instances:
        end(aws, instance)
    for image in aws.resource.images.filter(Owners=["self"]):
        aws.ec2.deregister_image(ImageId=image.id, DeleteAssociatedSnapshots=True)
