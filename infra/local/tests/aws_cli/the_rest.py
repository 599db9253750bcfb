"""Launch templates, key pairs, networks, tags, pages, and error codes."""

from machines import source

from cli import admin, same


def test_launch_templates(aws):
    data = {"ImageId": source(aws), "InstanceType": "t3.small", "MetadataOptions": {"HttpTokens": "required"},
            "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 16, "VolumeType": "gp3"}}],
            "SecurityGroupIds": [aws("ec2 describe-security-groups")["SecurityGroups"][0]["GroupId"]],
            "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "from", "Value": "template"}]}]}
    tagged = [{"ResourceType": "launch-template", "Tags": [{"Key": "role", "Value": "web"}]}]
    made = aws("ec2 create-launch-template --launch-template-name web", launch_template_data=data,
               tag_specifications=tagged)["LaunchTemplate"]
    template = made["LaunchTemplateId"]
    same(aws.error("ec2 create-launch-template --launch-template-name web", launch_template_data=data),
         "InvalidLaunchTemplateName.AlreadyExistsException")
    second = aws("ec2 create-launch-template-version --source-version 1 --launch-template-name web",
                 version_description="larger", launch_template_data={"InstanceType": "t3.large"})
    same(second["LaunchTemplateVersion"]["VersionNumber"], 2)
    aws("ec2 modify-launch-template --default-version 2 --launch-template-id", template)
    described = aws("ec2 describe-launch-templates --launch-template-names web")["LaunchTemplates"][0]
    same((described["DefaultVersionNumber"], described["LatestVersionNumber"]), (2, 2))
    versions = aws("ec2 describe-launch-template-versions --launch-template-id", template)["LaunchTemplateVersions"]
    same([one["LaunchTemplateData"]["InstanceType"] for one in versions], ["t3.large", "t3.small"])
    same(versions[0]["LaunchTemplateData"]["ImageId"], source(aws))

    def launched(version, *more):
        named = f"LaunchTemplateName=web,Version={version}"
        one = aws("ec2 run-instances --launch-template", named, *more)["Instances"][0]
        aws("ec2 terminate-instances --instance-ids", one["InstanceId"])
        return one["InstanceType"], {tag["Key"]: tag["Value"] for tag in one["Tags"]}

    def tags(version):
        return {"from": "template", "aws:ec2launchtemplate:id": template, "aws:ec2launchtemplate:version": version}

    same(launched("$Default"), ("t3.large", tags("2")))
    same(launched("1"), ("t3.small", tags("1")))
    same(launched("1", "--instance-type", "t3.micro"), ("t3.micro", tags("1")))
    same(aws.error("ec2 run-instances --launch-template LaunchTemplateName=web,Version=9"),
         "InvalidLaunchTemplateId.VersionNotFound")
    gone = aws("ec2 delete-launch-template-versions --versions 1 2 --launch-template-id", template)
    same(len(gone["SuccessfullyDeletedLaunchTemplateVersions"]), 1)
    same(len(gone["UnsuccessfullyDeletedLaunchTemplateVersions"]), 1)
    aws("ec2 delete-launch-template --launch-template-id", template)
    same(aws.error("ec2 describe-launch-templates --launch-template-names web"),
         "InvalidLaunchTemplateName.NotFoundException")


def test_key_pairs(aws):
    made = aws("ec2 create-key-pair --key-name one --key-type ed25519")
    assert made["KeyMaterial"].startswith("-----BEGIN"), made
    same(aws.error("ec2 create-key-pair --key-name one"), "InvalidKeyPair.Duplicate")
    shown = aws("ec2 describe-key-pairs --include-public-key --key-names one")["KeyPairs"][0]
    aws("ec2 import-key-pair --key-name two --public-key-material", shown["PublicKey"])
    aws("ec2 delete-key-pair --key-name one")
    aws("ec2 delete-key-pair --key-name one")
    same(aws.error("ec2 run-instances --key-name one --instance-type t3.small --image-id", source(aws)),
         "InvalidKeyPair.NotFound")
    same([one["KeyName"] for one in aws("ec2 describe-key-pairs")["KeyPairs"]], ["two"])
    aws("ec2 delete-key-pair --key-name two")


def routes(aws, vpc, subnet):
    """The default VPC's way out, taken away and given back."""
    table = aws("ec2 describe-route-tables --filters Name=association.main,Values=true", f"Name=vpc-id,Values={vpc}")["RouteTables"][0]
    out = [one for one in table["Routes"] if one["DestinationCidrBlock"] == "0.0.0.0/0"]
    route = ["--route-table-id", table["RouteTableId"], "--destination-cidr-block", "0.0.0.0/0"]
    aws("ec2 delete-route", *route)
    same(aws.error("ec2 delete-route", *route), "InvalidRoute.NotFound")
    same(len(aws("ec2 describe-route-tables", "--route-table-ids", table["RouteTableId"])["RouteTables"][0]["Routes"]), 1)
    aws("ec2 create-route", *route, "--gateway-id", out[0]["GatewayId"])
    same(aws("ec2 describe-vpc-endpoints")["VpcEndpoints"], [])
    for said, expected in (("--no-map-public-ip-on-launch", False), ("--map-public-ip-on-launch", True)):
        aws("ec2 modify-subnet-attribute", "--subnet-id", subnet, said)
        same(aws("ec2 describe-subnets", "--subnet-ids", subnet)["Subnets"][0]["MapPublicIpOnLaunch"], expected)


def test_networks(aws):
    subnet = aws("ec2 describe-subnets --filters Name=default-for-az,Values=true")["Subnets"][0]
    vpc = aws("ec2 describe-vpcs --filters Name=is-default,Values=true")["Vpcs"][0]["VpcId"]
    same(subnet["VpcId"], vpc)
    same(len(aws("ec2 describe-availability-zones")["AvailabilityZones"]), 3)
    same("us-east-1" in [one["RegionName"] for one in aws("ec2 describe-regions")["Regions"]], True)
    routes(aws, vpc, subnet["SubnetId"])
    group = aws("ec2 create-security-group --group-name web --description w --vpc-id", vpc)["GroupId"]
    same(aws.error("ec2 create-security-group --group-name web --description w"), "InvalidGroup.Duplicate")
    rule = ["--protocol", "tcp", "--port", "22", "--cidr", "10.0.0.0/8", "--group-id", group]
    aws("ec2 authorize-security-group-ingress", *rule)
    same(aws.error("ec2 authorize-security-group-ingress", *rule), "InvalidPermission.Duplicate")
    shown = aws("ec2 describe-security-groups --group-ids", group)["SecurityGroups"][0]["IpPermissions"]
    same((shown[0]["FromPort"], shown[0]["IpRanges"]), (22, [{"CidrIp": "10.0.0.0/8"}]))
    aws("ec2 revoke-security-group-ingress", *rule)
    same(aws.error("ec2 revoke-security-group-ingress", *rule), "InvalidPermission.NotFound")
    aws("ec2 authorize-security-group-egress", *rule)
    aws("ec2 revoke-security-group-egress", *rule)
    aws("ec2 delete-security-group --group-id", group)
    same(aws.error("ec2 delete-security-group --group-id", group), "InvalidGroup.NotFound")
    types = aws("ec2 describe-instance-types --instance-types t3.small")["InstanceTypes"]
    same(types[0]["MemoryInfo"]["SizeInMiB"], 2048)
    offered = aws("ec2 describe-instance-type-offerings --filters Name=instance-type,Values=t3.small")
    same(offered["InstanceTypeOfferings"][0]["Location"], "eu-west-1")
    same(aws.error("ec2 describe-instance-types --instance-types x9.huge"), "InvalidInstanceType")


def test_tags_and_pages(aws):
    words = ["--image-id", source(aws), "--instance-type", "t3.small", "--count", "7"]
    made = [one["InstanceId"] for one in aws("ec2 run-instances", *words)["Instances"]]
    aws("ec2 create-tags --tags Key=set,Value=seven --resources", *made)
    paged = aws("ec2 describe-instances --page-size 5 --filters Name=tag:set,Values=sev*")["Reservations"]
    same(sorted(one["InstanceId"] for part in paged for one in part["Instances"]), sorted(made))
    first = aws("ec2 describe-instances --max-items 1 --page-size 5 --filters Name=tag:set,Values=seven")
    assert first["NextToken"], first
    same(aws.error("ec2 describe-instances --max-results 2"), "InvalidParameterValue")
    rows = aws("ec2 describe-tags --filters Name=key,Values=set")["Tags"]
    same({(one["ResourceType"], one["Value"]) for one in rows}, {("instance", "seven")})
    aws("ec2 delete-tags --tags Key=set --resources", made[0])
    same(len(aws("ec2 describe-tags --filters Name=key,Values=set")["Tags"]), 6)
    same(aws.error("ec2 create-tags --tags Key=aws:x,Value=y --resources", made[0]), "InvalidParameterValue")
    aws("ec2 terminate-instances --instance-ids", *made)
    names = aws("ssm get-parameters-by-path --recursive --path /aws/service/goldsmith-local")["Parameters"]
    assert source(aws) in [one["Value"] for one in names], names
    several = aws("ssm get-parameters --names /aws/service/goldsmith-local/debian-12 /aws/service/none")
    same(several["InvalidParameters"], ["/aws/service/none"])


def test_error_codes(aws):
    image, unknown = source(aws), "0123456789abcdef0"
    cases = {
        f"ec2 run-instances --instance-type t3.small --image-id ami-{unknown}": "InvalidAMIID.NotFound",
        "ec2 run-instances --instance-type t3.small --image-id ami-x": "InvalidAMIID.Malformed",
        f"ec2 run-instances --dry-run --instance-type t3.small --image-id {image}": "DryRunOperation",
        f"ec2 run-instances --instance-type x9.huge --image-id {image}": "InvalidParameterValue",
        f"ec2 run-instances --instance-type t4g.small --image-id {image}": "InvalidParameterValue",
        f"ec2 run-instances --subnet-id subnet-{unknown} --instance-type t3.small --image-id {image}":
            "InvalidSubnetID.NotFound",
        f"ec2 run-instances --private-ip-address 172.31.0.3 --instance-type t3.small --image-id {image}":
            "InvalidParameterValue",
        f"ec2 run-instances --security-group-ids sg-{unknown} --instance-type t3.small --image-id {image}":
            "InvalidGroup.NotFound",
        f"ec2 describe-instances --instance-ids i-{unknown}": "InvalidInstanceID.NotFound",
        "ec2 describe-instances --instance-ids i-x": "InvalidInstanceID.Malformed",
        f"ec2 create-image --name some --instance-id i-{unknown}": "InvalidInstanceID.NotFound",
        f"ec2 copy-image --name web:server --source-region eu-west-1 --source-image-id {image}": "InvalidAMIName.Malformed",
        f"ec2 copy-image --name some --kms-key-id k --source-region eu-west-1 --source-image-id {image}":
            "InvalidParameterDependency",
        f"ec2 deregister-image --image-id {image}": "AuthFailure",
        f"ec2 delete-snapshot --snapshot-id snap-{unknown}": "InvalidSnapshot.NotFound",
        f"ec2 describe-volumes --volume-ids vol-{unknown}": "InvalidVolume.NotFound",
        "ec2 describe-images --filters Name=nonsense,Values=x": "InvalidParameterValue",
        "ec2 create-fleet --launch-template-configs LaunchTemplateSpecification={LaunchTemplateName=web} "
        "--target-capacity-specification TotalTargetCapacity=1": "InvalidAction",
        "ssm get-parameter --name /aws/service/none": "ParameterNotFound",
    }
    for command, code in cases.items():
        same((command, aws.error(command)), (command, code))


def test_faults(aws):
    # Other tests run at the same time.
    aws = aws.of(account="555555555555")

    def arm(*faults):
        for fault in faults:
            fault["when"]["account"] = aws.account
        admin(aws, "faults", faults)

    launch = ["--instance-type", "t3.small", "--image-id", source(aws)]
    arm({"when": {"action": "RunInstances", "instanceType": "t3.small"}, "do": "capacity"},
        {"when": {"action": "DescribeVpcs"}, "do": "throttle"},
        {"when": {"action": "ListCommands"}, "do": "throttle"},
        {"when": {"action": "DescribeSubnets"}, "do": "fail", "code": "InternalError"},
        {"when": {"action": "DescribeRegions"}, "do": "delay", "milliseconds": 50})
    same(aws.error("ec2 run-instances", *launch), "InsufficientInstanceCapacity")
    same(aws.error("ec2 describe-vpcs"), "RequestLimitExceeded")
    same(aws.error("ssm list-commands"), "ThrottlingException")
    same(aws.error("ec2 describe-subnets"), "InternalError")
    aws("ec2 describe-regions")
    one = aws("ec2 run-instances", *launch)["Instances"][0]["InstanceId"]
    aws("ec2 terminate-instances --instance-ids", one)
