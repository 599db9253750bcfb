"""Records every permission check of the emulator for a call, for a judge other than the emulator.

The file has one JSON line for each distinct call: its caller (`role/NAME` or `user/NAME`), action, resource, condition
keys, whether it was allowed, and by which policies. It also has one line for the policies of each role and user, each
time that they change. Calls that AWS makes with a role of the stack, and that the emulator does not check, are recorded
too: those of the state machine and of the Scheduler.
"""

import functools
import hashlib
import json
import threading
from contextvars import ContextVar

FILE = "calls.jsonl"
TAGS = {"aws:resourcetag/": "aws:ResourceTag/", "aws:requesttag/": "aws:RequestTag/"}


class Record:
    """The file. It contains no line twice, even after a restart."""

    def __init__(self, path):
        self.path, self.lock = path, threading.Lock()
        self.lines = set(path.read_text().splitlines()) if path.exists() else set()

    def add(self, **fields):
        """Adds a line if it is new. Returns whether it is new."""
        line = json.dumps(fields, sort_keys=True, default=str)
        with self.lock:
            if line in self.lines:
                return False
            self.lines.add(line)
            with self.path.open("a") as file:
                file.write(line + "\n")
            return True

    def call(self, account, principal, action, resource, context, allowed):
        everyone = principals()
        digest, _ = read(policies(everyone.get(principal) or {}, account))
        if self.add(principal=principal, action=action, resource=resource, context=context, allowed=allowed, policies=digest):
            for name, one in everyone.items():  # includes principals that make no call
                digest, documents = read(policies(one, account))
                self.add(principal=name, policies=digest, documents=documents)


def principals():
    """Returns every role and user that may have policies."""
    from ministack.services import iam

    users = {f"user/{name}": one for name, one in iam._users.items()}
    return {**users, **{f"role/{name}": one for name, one in iam._roles.items()}}


def policies(principal, account):
    """Returns the texts of the policies of a role or user, as deployed. Inline policies of users do not occur here."""
    from ministack.core import iam_evaluator

    attached = (iam_evaluator._resolve_managed_policy_document(arn, account) for arn in principal.get("AttachedPolicies", []))
    found = [*(principal.get("InlinePolicies") or {}).values(), *attached]
    return tuple(one if isinstance(one, str) else json.dumps(one) for one in found if one)


@functools.lru_cache(maxsize=1000)
def read(texts):
    """Returns the digest of policies, and the policies. Every call is recorded, and policies rarely change."""
    documents = [json.loads(one) for one in texts]
    return hashlib.sha256(json.dumps(documents, sort_keys=True).encode()).hexdigest()[:16], documents


def spelled(key):
    """Returns a condition key in AWS's spelling, if the emulator has changed the case of its first part."""
    for folded, prefix in TAGS.items():
        if key.startswith(folded):
            return prefix + key.removeprefix(folded)
    return key


def install(directory, check_pin):
    """Installs the recording. This must happen before any other code replaces the emulator's check."""
    from ministack.core import iam_evaluator

    check_pin(iam_evaluator, {
        "enforce": ["access_key_id", "iam_action", "service", "region", "resource_arn", "service_context"],
        "evaluate": ["ctx", "policies", "limits"],
        "_resolve_managed_policy_document": ["policy_arn", "account_id"],
    })
    record, enforce, evaluate = Record(directory / FILE), iam_evaluator.enforce, iam_evaluator.evaluate
    asked = ContextVar("asked", default=None)

    def enforced(access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
        questions = []
        token = asked.set(questions)
        try:
            denied = enforce(access_key_id, iam_action, service, region, resource_arn, service_context)
        finally:
            asked.reset(token)
        # The first question is about the caller's own policies. There is none for the account's root, which may do
        # everything.
        if questions and questions[0].principal_type in ("AssumedRole", "User"):
            question = questions[0]
            if question.principal_type == "User":
                principal = f"user/{question.principal_arn.rpartition('/')[2]}"
            else:
                principal = f"role/{iam_evaluator._role_name_from_assumed_arn(question.principal_arn)}"
            context = {key: value for key, value in question.service_context.items() if value is not None}
            for key in service_context or {}:  # in the spelling of the code that asks
                if key.lower() in context:
                    context[key] = context.pop(key.lower())
            context = {spelled(key): value for key, value in context.items()}
            context["aws:RequestedRegion"] = region
            record.call(question.principal_account, principal, iam_action, resource_arn, context, denied is None)
        return denied

    def evaluated(ctx, policies, *limits):
        if asked.get() is not None:
            asked.get().append(ctx)
        return evaluate(ctx, policies, *limits)

    iam_evaluator.enforce, iam_evaluator.evaluate = enforced, evaluated
    keep_state_machines(record, check_pin)
    keep_schedules(record, check_pin)


def keep_state_machines(record, check_pin):
    """Records the functions that a state machine invokes with its own role."""
    from ministack.services import lambda_svc, stepfunctions as engine

    check_pin(engine, {
        "_execute_task": ["state_def", "raw_input", "execution", "ctx"],
        "_call_lambda": ["func_ref", "event"],
    })
    check_pin(lambda_svc, {"_get_func_record_for_ref": ["function_ref"]})
    execute_task, call_lambda, current = engine._execute_task, engine._call_lambda, ContextVar("current")

    def task(state_def, raw_input, execution, ctx):
        current.set(execution)
        return execute_task(state_def, raw_input, execution, ctx)

    def called(func_ref, event):
        _, config, _ = lambda_svc._get_func_record_for_ref(func_ref)
        machine = engine._state_machines[current.get()["stateMachineArn"]]
        if config:
            invoked(record, machine["roleArn"], config["FunctionArn"])
        return call_lambda(func_ref, event)

    engine._execute_task, engine._call_lambda = task, called


def keep_schedules(record, check_pin):
    """Records the functions that the Scheduler invokes with the role that its schedule names."""
    from ministack.services import eventbridge

    check_pin(eventbridge, {"_invoke_target": ["target", "event", "rule", "view"]})
    invoke_target = eventbridge._invoke_target

    def target(target, event, rule, view=None):
        if event.get("Source") == "aws.scheduler" and target.get("RoleArn"):
            invoked(record, target["RoleArn"], target["Arn"])
        return invoke_target(target, event, rule, view)

    eventbridge._invoke_target = target


def invoked(record, role, function):
    """Records an invocation. The emulator does not check the role's permission, so the record says that the call was
    allowed, and only the judge decides."""
    _, _, _, region, account, *_ = function.split(":")
    context = {"aws:RequestedRegion": region}
    record.call(account, f"role/{role.rpartition('/')[2]}", "lambda:InvokeFunction", function, context, True)
