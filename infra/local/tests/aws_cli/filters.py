"""The filters of all describe calls, held against what botocore's model documents."""

import html
import re

import awscli.clidriver  # noqa: F401 - makes the botocore that comes with it importable
import botocore.exceptions
import botocore.session

from cli import same

NAMES = re.compile(r"<li>\s*<p>\s*<code>([^<]+)</code>")
# Severities that a filter's description lists as its values.
NOT_FILTERS = {"informational", "low", "medium", "high", "critical"}
# Documented filters of what the endpoint does not know; docs/local-ec2.md lists them too.
UNANSWERED = {
    "DescribeInstances": """metadata-options.http-protocol-ipv4 network-interface.deny-all-igw-traffic
        network-interface.ipv6-native network-interface.requester-id network-interface.requester-managed
        network-interface.tag-key network-interface.tag-value""",
    "DescribeInstanceTypes": """auto-recovery-supported ebs-info.* free-tier-eligible
        hibernation-supported instance-storage-info.* instance-storage-supported network-info.b* network-info.ef*
        network-info.enc* network-info.f* network-info.i* network-info.m* network-info.n* nitro-enclaves-support processor-info.supported-features
        processor-info.sustained-clock-speed-in-ghz reboot-migration-support vcpu-info.default-cores
        vcpu-info.default-threads-per-core vcpu-info.valid-cores vcpu-info.valid-threads-per-core""",
    "DescribeImages": """free-tier-eligible image-allowed image-watermark.* instance-type-specification.*
        public-ssm-parameter-name scan-result.*""",
    "DescribeSpotInstanceRequests": "network-interface.*",
    "DescribeVpcs": "dhcp-options-id",
    "DescribeLaunchTemplateVersions": """host-resource-group-arn http-protocol-ipv4 license-configuration-arn
        network-card-index""",
}
OPERATIONS = """DescribeInstances DescribeInstanceStatus DescribeInstanceTypes DescribeInstanceTypeOfferings DescribeImages
    DescribeSnapshots DescribeVolumes DescribeTags DescribeKeyPairs DescribeLaunchTemplates
    DescribeLaunchTemplateVersions DescribeSecurityGroups DescribeSubnets DescribeVpcs DescribeRegions
    DescribeAvailabilityZones DescribeRouteTables DescribeVpcEndpoints DescribeHosts DescribeSpotInstanceRequests""".split()


def client(aws, service):
    # The CLI would take seconds for each of these hundreds of calls.
    return botocore.session.get_session().create_client(
        service, aws.region, endpoint_url=aws.url, aws_access_key_id=aws.account, aws_secret_access_key="test")


def parameter_of(operation):
    return "Filter" if operation == "DescribeHosts" else "Filters"


def documented(ec2, operation):
    """The names that the description of `Filters` lists; a tag filter stands for any key."""
    filters = ec2.meta.service_model.operation_model(operation).input_shape.members[parameter_of(operation)]
    names = {html.unescape(name) for name in NAMES.findall(filters.documentation)} - NOT_FILTERS
    assert names, f"{operation} documents no filters"
    return {"tag:some" if name in ("tag", "tag:<key>") else name for name in names}


def said(ec2, operation, name):
    """The endpoint's refusal of a filter; none where it takes it."""
    arguments = {parameter_of(operation): [{"Name": name, "Values": ["some"]}]}
    if operation == "DescribeLaunchTemplateVersions":
        arguments["Versions"] = ["$Latest"]
    try:
        ec2._make_api_call(operation, arguments)
    except botocore.exceptions.ClientError as error:
        same((operation, name, error.response["Error"]["Code"]), (operation, name, "InvalidParameterValue"))
        return error.response["Error"]["Message"]
    return None


def is_listed(operation, name):
    listed = UNANSWERED.get(operation, "").split()
    return name in listed or any(name.startswith(one[:-1]) for one in listed if one.endswith("*"))


def test_every_documented_filter_is_taken_or_said_not_to_be(aws):
    ec2 = client(aws, "ec2")
    for operation in OPERATIONS:
        for name in sorted(documented(ec2, operation)):
            message = said(ec2, operation, name)
            if is_listed(operation, name):
                assert message and "does not support it" in message, f"{operation} {name}: {message}"
            else:
                assert message is None, f"{operation} {name}: {message}"
        same((operation, said(ec2, operation, "nonsense")), (operation, "The filter 'nonsense' is invalid"))


def test_filters_of_managed_instances(aws):
    ssm = client(aws, "ssm")
    shape = ssm.meta.service_model.operation_model("DescribeInstanceInformation").input_shape
    documentation = shape.members["Filters"].member.members["Key"].documentation
    keys = re.search(r"Valid filter key values: ([\w |]+)\|", documentation)[1].replace("|", " ").split()
    assert "PingStatus" in keys, documentation
    for key in [*keys, "tag-key", "tag:some"]:
        ssm.describe_instance_information(Filters=[{"Key": key, "Values": ["some"]}])
    same(aws.error("ssm describe-instance-information --filters Key=Nonsense,Values=x"), "InvalidFilterKey")
    same(aws.error("ssm describe-instance-information --filters Key=tag:a,Values=x Key=PingStatus,Values=Online"),
         "InvalidInstanceInformationFilterValue")
