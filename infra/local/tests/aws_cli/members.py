"""The members that callers read: Goldsmith's own functions, Packer, the CLI's waiters."""

DONE = ""
_TEMPLATE = "LaunchTemplateId LaunchTemplateName DefaultVersionNumber LatestVersionNumber CreateTime CreatedBy Tags"
_INSTANCE = """InstanceId ImageId State.Code State.Name InstanceType LaunchTime Placement.AvailabilityZone SubnetId VpcId
    PrivateIpAddress PrivateDnsName Architecture RootDeviceName RootDeviceType BlockDeviceMappings.DeviceName
    BlockDeviceMappings.Ebs.VolumeId BlockDeviceMappings.Ebs.Status SecurityGroups.GroupId Tags.Key Tags.Value
    MetadataOptions.HttpTokens MetadataOptions.HttpPutResponseHopLimit ClientToken"""


def below(prefix, names):
    return " ".join(f"{prefix}.{name}" for name in names.split())


_STATES = "InstanceId CurrentState.Code CurrentState.Name PreviousState.Name"

READ = {
    "RunInstances": "ReservationId OwnerId " + below("Instances", _INSTANCE),
    "DescribeInstances": "NextToken Reservations.ReservationId " + below("Reservations.Instances", _INSTANCE)
    + " Reservations.Instances.StateReason.Code Reservations.Instances.StateReason.Message",
    "DescribeInstanceStatus": below("InstanceStatuses", """InstanceId AvailabilityZone InstanceState.Name
        InstanceStatus.Status SystemStatus.Status InstanceStatus.Details.Name"""),
    "DescribeInstanceTypes": below("InstanceTypes", """InstanceType ProcessorInfo.SupportedArchitectures
        VCpuInfo.DefaultVCpus MemoryInfo.SizeInMiB"""),
    "DescribeInstanceTypeOfferings": below("InstanceTypeOfferings", "InstanceType LocationType Location"),
    "StartInstances": below("StartingInstances", _STATES),
    "StopInstances": below("StoppingInstances", _STATES),
    "TerminateInstances": below("TerminatingInstances", _STATES),
    "RebootInstances": DONE,
    "ModifyInstanceAttribute": DONE,
    "DescribeInstanceAttribute": "InstanceId InstanceType.Value",
    "ModifyInstanceMetadataOptions": "InstanceId InstanceMetadataOptions.HttpTokens",
    "GetConsoleOutput": "InstanceId Output Timestamp",
    "DescribeSpotInstanceRequests": below("SpotInstanceRequests", """SpotInstanceRequestId State Status.Code Type
        InstanceId CreateTime ValidUntil InstanceInterruptionBehavior LaunchSpecification.ImageId
        LaunchSpecification.InstanceType LaunchedAvailabilityZone Tags.Key Tags.Value"""),
    "CancelSpotInstanceRequests": below("CancelledSpotInstanceRequests", "SpotInstanceRequestId State"),
    "AllocateHosts": "HostIds",
    "DescribeHosts": below("Hosts", """HostId State AutoPlacement AvailabilityZone HostProperties.InstanceFamily
        AvailableCapacity.AvailableVCpus Tags.Key Tags.Value"""),
    "ReleaseHosts": "Successful Unsuccessful.ResourceId Unsuccessful.Error.Code",
    "DescribeVolumes": below("Volumes", """VolumeId Size VolumeType State Encrypted SnapshotId AvailabilityZone
        CreateTime Attachments.InstanceId Attachments.Device Attachments.State Attachments.DeleteOnTermination Tags"""),
    "DeleteVolume": DONE,
    "GetEbsEncryptionByDefault": "EbsEncryptionByDefault SseType",
    "EnableEbsEncryptionByDefault": "EbsEncryptionByDefault",
    "DisableEbsEncryptionByDefault": "EbsEncryptionByDefault",
    "GetEbsDefaultKmsKeyId": "KmsKeyId",
    "ModifyEbsDefaultKmsKeyId": "KmsKeyId",
    "ResetEbsDefaultKmsKeyId": "KmsKeyId",
    "GetImageBlockPublicAccessState": "ImageBlockPublicAccessState ManagedBy",
    "EnableImageBlockPublicAccess": "ImageBlockPublicAccessState",
    "DisableImageBlockPublicAccess": "ImageBlockPublicAccessState",
    "GetSnapshotBlockPublicAccessState": "State ManagedBy",
    "EnableSnapshotBlockPublicAccess": "State",
    "DisableSnapshotBlockPublicAccess": "State",
    "CreateImage": "ImageId",
    "RegisterImage": "ImageId",
    "CopyImage": "ImageId",
    "ExportImage": """ExportImageTaskId ImageId Description DiskImageFormat RoleName Progress Status StatusMessage
        S3ExportLocation.S3Bucket S3ExportLocation.S3Prefix Tags.Key""",
    "DescribeExportImageTasks": below("ExportImageTasks", """ExportImageTaskId ImageId Description Status StatusMessage
        S3ExportLocation.S3Bucket S3ExportLocation.S3Prefix Tags.Key"""),
    "DescribeImages": below("Images", """ImageId Name State OwnerId CreationDate Public Architecture Description
        RootDeviceName RootDeviceType VirtualizationType EnaSupport ImdsSupport BootMode DeprecationTime Tags.Key SourceImageId
        SourceImageRegion SourceInstanceId BlockDeviceMappings.DeviceName BlockDeviceMappings.Ebs.SnapshotId
        BlockDeviceMappings.Ebs.VolumeSize BlockDeviceMappings.Ebs.VolumeType BlockDeviceMappings.Ebs.Encrypted
        BlockDeviceMappings.Ebs.DeleteOnTermination"""),
    "DeregisterImage": "DeleteSnapshotResults.SnapshotId DeleteSnapshotResults.ReturnCode",
    "ModifyImageAttribute": DONE,
    "DescribeImageAttribute": "ImageId LaunchPermissions ImdsSupport.Value",
    "ResetImageAttribute": DONE,
    "EnableImage": "Return",
    "DisableImage": "Return",
    "EnableImageDeprecation": "Return",
    "DisableImageDeprecation": "Return",
    "EnableImageDeregistrationProtection": "Return",
    "DisableImageDeregistrationProtection": "Return",
    "DescribeSnapshots": below("Snapshots", """SnapshotId VolumeId State StartTime Progress OwnerId VolumeSize
        Description Encrypted Tags"""),
    "DeleteSnapshot": DONE,
    "ModifySnapshotAttribute": DONE,
    "DescribeSnapshotAttribute": "SnapshotId CreateVolumePermissions.UserId",
    "ResetSnapshotAttribute": DONE,
    "CreateTags": DONE,
    "DeleteTags": DONE,
    "DescribeTags": below("Tags", "ResourceId ResourceType Key Value"),
    "CreateLaunchTemplate": below("LaunchTemplate", _TEMPLATE),
    "CreateLaunchTemplateVersion": below("LaunchTemplateVersion", "LaunchTemplateId VersionNumber DefaultVersion"),
    "ModifyLaunchTemplate": below("LaunchTemplate", _TEMPLATE),
    "DeleteLaunchTemplate": below("LaunchTemplate", _TEMPLATE),
    "DeleteLaunchTemplateVersions": """SuccessfullyDeletedLaunchTemplateVersions.VersionNumber
        UnsuccessfullyDeletedLaunchTemplateVersions.ResponseError.Code""",
    "DescribeLaunchTemplates": below("LaunchTemplates", _TEMPLATE),
    "DescribeLaunchTemplateVersions": below("LaunchTemplateVersions", """LaunchTemplateId VersionNumber
        VersionDescription CreateTime DefaultVersion LaunchTemplateData.ImageId LaunchTemplateData.InstanceType
        LaunchTemplateData.SecurityGroupIds LaunchTemplateData.MetadataOptions.HttpTokens
        LaunchTemplateData.BlockDeviceMappings.Ebs.VolumeSize LaunchTemplateData.TagSpecifications.Tags.Key"""),
    "CreateKeyPair": "KeyName KeyPairId KeyFingerprint KeyMaterial",
    "ImportKeyPair": "KeyName KeyPairId KeyFingerprint",
    "DescribeKeyPairs": below("KeyPairs", "KeyName KeyPairId KeyType KeyFingerprint PublicKey CreateTime"),
    "DeleteKeyPair": "Return",
    "CreateSecurityGroup": "GroupId",
    "DeleteSecurityGroup": "Return",
    "DescribeSecurityGroups": below("SecurityGroups", """GroupId GroupName Description VpcId OwnerId
        IpPermissions.FromPort IpPermissions.IpRanges.CidrIp IpPermissionsEgress.IpProtocol"""),
    "AuthorizeSecurityGroupIngress": "Return SecurityGroupRules.SecurityGroupRuleId SecurityGroupRules.CidrIpv4",
    "AuthorizeSecurityGroupEgress": "Return SecurityGroupRules.IsEgress",
    "RevokeSecurityGroupIngress": "Return",
    "RevokeSecurityGroupEgress": "Return",
    "DescribeSubnets": below("Subnets", "SubnetId VpcId AvailabilityZone CidrBlock DefaultForAz State"),
    "DescribeVpcs": below("Vpcs", "VpcId IsDefault CidrBlock State"),
    "ModifySubnetAttribute": "",
    "CreateRoute": "Return",
    "DeleteRoute": "",
    "DescribeRouteTables": below("RouteTables", """RouteTableId VpcId OwnerId Routes.DestinationCidrBlock Routes.GatewayId
        Routes.State Routes.Origin Associations.Main Associations.RouteTableId"""),
    "DescribeVpcEndpoints": "",
    "DescribeRegions": below("Regions", "RegionName Endpoint OptInStatus"),
    "DescribeAvailabilityZones": below("AvailabilityZones", "ZoneName ZoneId State RegionName"),
    "SendCommand": below("Command", "CommandId Status StatusDetails InstanceIds RequestedDateTime Comment"),
    "GetCommandInvocation": """CommandId InstanceId Status StatusDetails ResponseCode StandardOutputContent
        StandardErrorContent ExecutionStartDateTime ExecutionEndDateTime CloudWatchOutputConfig""",
    "ListCommands": "NextToken " + below("Commands", "CommandId Status Comment InstanceIds TargetCount"),
    "ListCommandInvocations": below("CommandInvocations", """CommandId InstanceId Status StatusDetails Comment
        RequestedDateTime CommandPlugins.Name CommandPlugins.ResponseCode"""),
    "CancelCommand": DONE,
    "DescribeInstanceInformation": below("InstanceInformationList", "InstanceId PingStatus AgentVersion PlatformName"),
    "GetParameter": below("Parameter", "Name Type Value Version ARN DataType LastModifiedDate"),
    "GetParameters": "Parameters.Value InvalidParameters",
    "GetParametersByPath": "Parameters.Name Parameters.Value",
}
