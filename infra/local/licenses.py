"""License Manager, which the emulator lacks: license configurations, and the AMIs that are associated with them.

Everything is in memory, by account and Region. License Manager rejects an unknown configuration or resource with
InvalidParameterValueException; the message for a configuration is AWS's, the others are not known. AWS does not say
what it does with an association that is there already: it is rejected here, so that no caller relies on either.
"""

import json
import re
import uuid

NAME = "license-manager"
PREFIX = "AWSLicenseManager"
AMI = re.compile(r"arn:aws:ec2:([a-z0-9-]+)::image/(ami-[0-9a-f]{17})")
COUNTED = ("vCPU", "Instance", "Core", "Socket")


# ARNs of the license configurations of each AMI, by account and ARN of the AMI.
ASSOCIATED = {}


class Refused(Exception):
    """A call is rejected. Its arguments are the code and the message."""


def invalid(message):
    return Refused("InvalidParameterValueException", message)


def needed(request, field):
    if not request.get(field):
        raise invalid(f"{field} is required.")
    return request[field]


class Licenses:
    """The configurations of all accounts and Regions."""

    def __init__(self):
        self.configurations = {}

    def create(self, scope, request):
        name, counted = needed(request, "Name"), needed(request, "LicenseCountingType")
        if counted not in COUNTED:
            raise invalid(f"LicenseCountingType is one of {', '.join(COUNTED)}.")
        account, region = scope
        identity = f"lic-{uuid.uuid4().hex}"
        arn = f"arn:aws:license-manager:{region}:{account}:license-configuration:{identity}"
        self.configurations[arn] = {
            "LicenseConfigurationId": identity, "LicenseConfigurationArn": arn, "Name": name, "LicenseCountingType": counted,
            "Status": "AVAILABLE", "OwnerAccountId": account, "ConsumedLicenses": 0, "Tags": request.get("Tags", []),
        }
        return {"LicenseConfigurationArn": arn}

    def configuration(self, scope, arn):
        """Returns a configuration of this Region."""
        if arn not in self.configurations or arn.split(":")[3] != scope[1]:
            raise invalid("Invalid license configuration ARN.")
        return self.configurations[arn]

    def get(self, scope, request):
        return self.configuration(scope, needed(request, "LicenseConfigurationArn"))

    def update(self, scope, request, images):
        arns = self.of_image(scope, request, images)
        added, removed = (
            [needed(one, "LicenseConfigurationArn") for one in request.get(field) or []]
            for field in ("AddLicenseSpecifications", "RemoveLicenseSpecifications"))
        for arn in added + removed:
            self.configuration(scope, arn)
        twice = [arn for n, arn in enumerate(added) if arn in arns or arn in added[:n]]
        if twice:
            raise invalid(f"The resource is associated with {twice[0]} already.")
        absent = [arn for arn in removed if arn not in arns]
        if absent:
            raise invalid(f"The resource is not associated with {absent[0]}.")
        arns[:] = [arn for arn in arns + added if arn not in removed]
        return {}

    def listed(self, scope, request, images):
        arns = self.of_image(scope, request, images)
        return {"LicenseSpecifications": [{"LicenseConfigurationArn": arn} for arn in arns]}

    def of_image(self, scope, request, images):
        """Returns the ARNs of the configurations of an AMI of this Region."""
        named = AMI.fullmatch(needed(request, "ResourceArn"))
        if not named or named[1] != scope[1] or named[2] not in images:
            raise invalid("Invalid resource ARN.")
        return ASSOCIATED.setdefault((scope[0], request["ResourceArn"]), [])


def install(app, authorise, resources):
    """Adds the service. `authorise` checks the permissions of a call, and `resources` returns the ids of the local EC2's
    resources."""
    from ministack.core import responses, router

    router.SERVICE_PATTERNS[NAME] = {"target_prefixes": [PREFIX]}
    licenses = Licenses()

    async def answer(operation, request):
        scope = responses.get_account_id(), responses.get_region()
        if operation == "CreateLicenseConfiguration":
            return licenses.create(scope, request)
        if operation == "GetLicenseConfiguration":
            return licenses.get(scope, request)
        if operation == "UpdateLicenseSpecificationsForResource":
            return licenses.update(scope, request, await resources())
        if operation == "ListLicenseSpecificationsForResource":
            return licenses.listed(scope, request, await resources())
        raise Refused("UnknownOperationException", f"{operation} is not known here")

    async def handle(_method, _path, headers, body, query_params):
        denied = await authorise(NAME, headers, body, query_params)
        if denied:
            return denied
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        try:
            return responses.json_response(await answer(operation, json.loads(body or b"{}")))
        except Refused as refused:
            code, message = refused.args
            return responses.error_response_json(code, message, 400)

    app.SERVICE_HANDLERS[NAME] = handle
