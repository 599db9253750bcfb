"""Holds every answer against botocore's own model: an element that the model does not have is an error. Remembers which
members each operation's answers had."""

import json
import xml.etree.ElementTree

import awscli.clidriver  # noqa: F401 - makes the botocore that comes with it importable
import botocore.parsers as parsers

# What EC2 sends beside the members of the model.
ENVELOPE = {"requestId", "return"}

seen = {}
problems = []


def install():
    """Looks at every body before botocore parses it."""
    parse = parsers.ResponseParser.parse

    def parse_and_check(self, response, shape):
        if response["status_code"] < 300:
            check(shape, response["body"])
        return parse(self, response, shape)

    parsers.ResponseParser.parse = parse_and_check


def check(shape, body):
    text = body.decode()
    if text.startswith("<?xml"):
        root = xml.etree.ElementTree.fromstring(text)
        name = local(root.tag).removesuffix("Response")
        check_xml(name, shape, root, ())
    else:
        name = shape.name if shape else "?"
        check_json(name.removesuffix("Result"), shape, json.loads(text), ())


def local(tag):
    return tag.rsplit("}", 1)[-1]


def note(operation, path):
    seen.setdefault(operation, set()).add(".".join(path))


def check_xml(operation, shape, element, path):
    note(operation, path)
    if shape is not None and shape.type_name == "list":
        for child in element:
            if local(child.tag) != "item":
                problems.append(f"{operation}: {'.'.join(path)} has {local(child.tag)} for an item")
            check_xml(operation, shape.member, child, path)
    elif shape is None or shape.type_name == "structure":
        members = shape.members.items() if shape is not None else []
        known = {member.serialization.get("name", name): (name, member) for name, member in members}
        for child in element:
            tag = local(child.tag)
            if tag in known:
                name, member = known[tag]
                check_xml(operation, member, child, path + (name,))
            elif path or tag not in ENVELOPE:
                problems.append(f"{operation}: unknown member {'.'.join(path + (tag,))}")
    elif len(element):
        problems.append(f"{operation}: {'.'.join(path)} is a {shape.type_name} but has elements")


def check_json(operation, shape, value, path):
    note(operation, path)
    if value is None or shape is None:
        return
    if shape.type_name == "list":
        for one in value:
            check_json(operation, shape.member, one, path)
    elif shape.type_name == "map":
        for one in value.values():
            check_json(operation, shape.value, one, path)
    elif shape.type_name == "structure":
        for name, one in value.items():
            if name in shape.members:
                check_json(operation, shape.members[name], one, path + (name,))
            else:
                problems.append(f"{operation}: unknown member {'.'.join(path + (name,))}")


def missing(wanted):
    """Members that were never in an answer, and operations that were never called."""
    for operation, paths in wanted.items():
        if operation not in seen:
            yield f"{operation}: never called"
            continue
        for path in sorted(set(paths.split()) - seen[operation]):
            yield f"{operation}: {path} is in no answer"
