"""Exceptions by their code, dry runs, and lists that are empty."""

from botocore import xform_name
from caller import refused, same

NO_IMAGE = "ami-0123456789abcdef0"
NO_INSTANCE = "i-0123456789abcdef0"


def test_codes(aws):
    ec2, ssm = aws.ec2, aws.ssm
    launch = {"ImageId": aws.source(), "InstanceType": "t3.small", "MinCount": 1, "MaxCount": 1}
    for code, call, what in [
        ("InvalidAMIID.NotFound", ec2.run_instances, {**launch, "ImageId": NO_IMAGE}),
        ("InvalidAMIID.Malformed", ec2.run_instances, {**launch, "ImageId": "ami-x"}),
        ("InvalidParameterValue", ec2.run_instances, {**launch, "InstanceType": "x9.huge"}),
        ("InvalidSubnetID.NotFound", ec2.run_instances, {**launch, "SubnetId": "subnet-0123456789abcdef0"}),
        ("InvalidParameterValue", ec2.run_instances, {**launch, "PrivateIpAddress": "172.31.0.3"}),
        ("InvalidParameterCombination", ec2.run_instances, {**launch, "MaxCount": 2, "PrivateIpAddress": "172.31.0.9"}),
        ("InvalidGroup.NotFound", ec2.run_instances, {**launch, "SecurityGroupIds": ["sg-0123456789abcdef0"]}),
        ("InvalidKeyPair.NotFound", ec2.run_instances, {**launch, "KeyName": "none"}),
        ("InvalidInstanceID.NotFound", ec2.describe_instances, {"InstanceIds": [NO_INSTANCE]}),
        ("InvalidInstanceID.Malformed", ec2.terminate_instances, {"InstanceIds": ["i-x"]}),
        ("InvalidSnapshot.NotFound", ec2.delete_snapshot, {"SnapshotId": "snap-0123456789abcdef0"}),
        ("InvalidVolume.NotFound", ec2.describe_volumes, {"VolumeIds": ["vol-0123456789abcdef0"]}),
        ("InvalidParameterValue", ec2.describe_images, {"Filters": [{"Name": "nonsense", "Values": ["x"]}]}),
        ("InvalidLaunchTemplateName.NotFoundException", ec2.describe_launch_template_versions,
         {"LaunchTemplateName": "none"}),
        ("InvalidInstanceId", ssm.send_command, {"DocumentName": "AWS-RunShellScript", "InstanceIds": [NO_INSTANCE],
                                                 "Parameters": {"commands": ["true"]}}),
        ("InvocationDoesNotExist", ssm.get_command_invocation, {"CommandId": "0" * 36, "InstanceId": NO_INSTANCE}),
        ("InvalidCommandId", ssm.cancel_command, {"CommandId": "0" * 36}),
    ]:
        refused(code, call, **what)
    # Systems Manager's codes are classes, EC2's are not.
    error = refused("ParameterNotFound", ssm.get_parameter, Name="/aws/service/none")
    assert isinstance(error, ssm.exceptions.ParameterNotFound), type(error)


def test_dry_runs(aws):
    launch = {"ImageId": aws.source(), "InstanceType": "t3.small", "MinCount": 1, "MaxCount": 1, "DryRun": True}
    error = refused("DryRunOperation", aws.ec2.run_instances, **launch)
    same(error.response["ResponseMetadata"]["HTTPStatusCode"], 412)
    refused("DryRunOperation", aws.ec2.describe_instances, DryRun=True)
    refused("DryRunOperation", aws.ec2.create_security_group, GroupName="dry", Description="dry", DryRun=True)
    nobody = aws.of(account="444444444444")
    same(list(nobody.resource.instances.all()), [])


def test_empty_lists(aws):
    """Of an account that has nothing yet."""
    nobody = aws.of(account="444444444444")
    for call, key in [("DescribeInstances", "Reservations"), ("DescribeInstanceStatus", "InstanceStatuses"),
                      ("DescribeVolumes", "Volumes"), ("DescribeKeyPairs", "KeyPairs"),
                      ("DescribeLaunchTemplates", "LaunchTemplates"), ("DescribeTags", "Tags")]:
        same((call, getattr(nobody.ec2, xform_name(call))()[key]), (call, []))
    same(nobody.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"], [])
    same(nobody.ec2.describe_images(Owners=["self"])["Images"], [])
    same(nobody.ssm.list_commands()["Commands"], [])
    same(nobody.ssm.list_command_invocations()["CommandInvocations"], [])
    same(nobody.ssm.describe_instance_information()["InstanceInformationList"], [])
    same(nobody.ssm.get_parameters(Names=["/aws/service/none"])["Parameters"], [])
