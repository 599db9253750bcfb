"""The rules of SNS for messages, which the emulator lacks.

The emulator delivers messages, and checks permissions and the size of a message. Here, a message is first held against the
rules of the SNS API reference ("Publish"): subject, texts by protocol, attributes, group and id. A topic can be called in
its own Region only. A topic with a key of KMS takes a message only from a caller who may use the key (SNS developer guide,
"Managing Amazon SNS encryption keys and costs"). The codes are AWS's; the messages after the name of the parameter are not
known.
"""

import json
import re
from urllib.parse import parse_qs

FIFO = ".fifo"
# Group and id of a message: printable ASCII characters without spaces.
IDENTITY = re.compile(r"[!-~]{1,128}")
# A subject is shorter than 100 characters, and has neither line breaks nor control characters.
SUBJECT = re.compile(r"[^\x00-\x1f\x7f]{1,99}")
TYPES = re.compile(r"(String|String\.Array|Number|Binary)(\..+)?")
# What a caller needs on the key of a topic.
KEY_RIGHTS = ("GenerateDataKey", "Decrypt")
# Every caller of the account may use AWS's own key by way of SNS.
AWS_KEY = "alias/aws/sns"


class Refused(Exception):
    """A message is rejected. Its arguments are the code and the message."""


def invalid(what):
    return Refused("InvalidParameter", f"Invalid parameter: {what}")


def attributes(form):
    """Yields name, type and value of each attribute."""
    number = 1
    while f"MessageAttributes.entry.{number}.Name" in form:
        field = f"MessageAttributes.entry.{number}"
        value = form.get(f"{field}.Value.StringValue") or form.get(f"{field}.Value.BinaryValue")
        yield form[f"{field}.Name"], form.get(f"{field}.Value.DataType", ""), value
        number += 1


def check(form, region):
    """Raises `Refused` if SNS would reject the message before it looks at the topic's key."""
    topic = form.get("TopicArn") or form.get("TargetArn") or ""
    if topic.startswith("arn:") and topic.split(":")[3] != region:
        raise invalid("TopicArn")
    if not form.get("Message"):
        raise invalid("Empty message")
    if "Subject" in form and not SUBJECT.fullmatch(form["Subject"]):
        raise invalid("Subject")
    if form.get("MessageStructure"):
        check_structure(form)
    for name, kind, value in attributes(form):
        if not TYPES.fullmatch(kind):
            raise Refused("ParameterValueInvalid", f"The message attribute '{name}' has an invalid message attribute type.")
        if not value:
            raise Refused("ParameterValueInvalid", f"The message attribute '{name}' must contain a non-empty value.")
    is_fifo = topic.endswith(FIFO)
    if is_fifo and not form.get("MessageGroupId"):
        raise invalid("The MessageGroupId parameter is required for FIFO topics")
    if "MessageDeduplicationId" in form and not is_fifo:
        raise invalid("MessageDeduplicationId Reason: The parameter is not valid for this topic type")
    for field in ("MessageGroupId", "MessageDeduplicationId"):
        if field in form and not IDENTITY.fullmatch(form[field]):
            raise invalid(f"{field} Reason: {field} can only include alphanumeric and punctuation characters")


def check_structure(form):
    if form["MessageStructure"] != "json":
        raise invalid("MessageStructure")
    try:
        texts = json.loads(form["Message"])
    except ValueError:
        raise invalid("Message Structure - JSON message body failed to parse") from None
    if not isinstance(texts, dict) or not isinstance(texts.get("default"), str):
        raise invalid("Message Structure - No default entry in JSON message body")


def install(app, key_denial):
    """Checks the messages of all callers. `key_denial` returns why a caller may not use a key, or `None`."""
    from ministack.core import responses
    from ministack.services import sns

    emulators = app.SERVICE_HANDLERS["sns"]

    def check_key(form, headers, query_params):
        topic = sns._topics.get(form.get("TopicArn", "")) or {}
        key = topic.get("attributes", {}).get("KmsMasterKeyId")
        if key and key != AWS_KEY and not key.endswith(f":{AWS_KEY}"):
            denied = key_denial(headers, query_params, key, KEY_RIGHTS, "sns")
            if denied:
                raise Refused(f"KMS{denied[0]}", denied[1])

    async def topics(method, path, headers, body, query_params):
        named = {**query_params, **parse_qs(body.decode(), keep_blank_values=True)}
        form = {name: values[0] for name, values in named.items()}
        if form.get("Action") == "Publish" and not form.get("PhoneNumber"):
            try:
                check(form, responses.get_region())
                check_key(form, headers, query_params)
            except Refused as refused:
                return sns._error(*refused.args, 400)
        return await emulators(method, path, headers, body, query_params)

    app.SERVICE_HANDLERS["sns"] = topics
