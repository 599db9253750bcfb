"""Brings Step Functions closer to AWS: failures, stops and the history."""

import json
import threading
import time
from contextvars import ContextVar


def install(check_pin):
    patch_step_functions(check_pin)
    tell_of_inner_states(check_pin)


def patch_step_functions(check_pin):
    """Makes a failed function fail its waiting task at once. A stopped execution runs nothing more and keeps no
    token."""
    from ministack.services import stepfunctions as engine

    check_pin(engine, {
        "_execute_task": ["state_def", "raw_input", "execution", "ctx"],
        "_invoke_with_callback": ["resource", "input_data", "token", "state_def"],
        "_find_matching_retrier": ["retriers", "error", "retry_counts"],
        "_stop_execution": ["data"],
        "_fail_execution": ["execution", "error", "cause"],
        "_add_event": ["execution", "event_type", "details"],
    })
    execute_task, stop_execution, fail_execution = engine._execute_task, engine._stop_execution, engine._fail_execution
    add_event = engine._add_event
    invoke_with_callback, find_retrier = engine._invoke_with_callback, engine._find_matching_retrier
    current = ContextVar("current")
    stopped = SystemExit()  # ends the thread quietly; no Catch of the definition can see it

    def task(state_def, raw_input, execution, ctx):
        if execution["status"] != "RUNNING":
            raise stopped
        current.set(execution)
        return execute_task(state_def, raw_input, execution, ctx)

    def event(execution, event_type, details=None):
        if event_type == "TaskScheduled" and execution["status"] != "RUNNING":
            raise stopped  # the execution was stopped in the pause before a retry
        return add_event(execution, event_type, details)

    def retrier(retriers, error, retry_counts):
        if current.get()["status"] != "RUNNING":
            raise stopped
        return find_retrier(retriers, error, retry_counts)

    def callback(resource, input_data, token, state_def):
        if "states:::lambda:invoke" not in resource:
            return invoke_with_callback(resource, input_data, token, state_def)
        execution, limit = current.get(), time.monotonic() + state_def.get("TimeoutSeconds", 99_999_999)
        wait = {"event": threading.Event(), "result": None, "error": None, "heartbeat": None,
                "execution": execution["executionArn"]}
        engine._task_tokens[token] = wait
        try:
            start_function(input_data, wait["event"])
            return await_answer(execution, wait, limit)
        finally:
            engine._task_tokens.pop(token, None)

    def start_function(arguments, answered):
        function = engine._resolve_lambda_function_ref(arguments["FunctionName"], optimized=True)
        try:
            engine._call_lambda(function, arguments.get("Payload", {}))
        except engine._ExecutionError:
            if not answered.is_set():  # an answer from before the failure of the function counts
                raise

    def await_answer(execution, wait, limit):
        while not wait["event"].wait(timeout=0.05):
            if execution["status"] != "RUNNING":
                raise stopped
            if time.monotonic() > limit:
                raise engine._ExecutionError("States.Timeout", "")
        if execution["status"] != "RUNNING":
            raise stopped
        if wait["error"]:
            raise engine._ExecutionError(wait["error"]["Error"], wait["error"]["Cause"])
        return json.loads(wait["result"])

    def stop(data):
        answer = stop_execution(data)
        for token, wait in list(engine._task_tokens.items()):
            if wait.get("execution") == data.get("executionArn") and answer[0] == 200:
                engine._task_tokens.pop(token, None)
        return answer

    def fail(execution, error, cause):
        if execution["status"] == "RUNNING":  # a stopped execution stays ABORTED
            fail_execution(execution, error, cause)

    engine._execute_task, engine._invoke_with_callback, engine._find_matching_retrier = task, callback, retrier
    engine._stop_execution, engine._fail_execution, engine._add_event = stop, fail, event


def tell_of_inner_states(check_pin):
    """Adds the states inside a Map to the history, as on AWS."""
    from ministack.services import stepfunctions as engine

    check_pin(engine, {
        "_execute_pass": ["state_def", "raw_input", "ctx"],
        "_execute_choice": ["state_def", "raw_input", "ctx"],
        "_add_event": ["execution", "event_type", "details"],
    })

    latest, add_event, one_by_one = ContextVar("latest", default=("", 0)), engine._add_event, threading.Lock()

    def linked(execution, event_type, details=None):
        """Adds an event that names the previous event of its own branch, so that events of a Map's items can be told
        apart."""
        arn, before = latest.get()
        before = before if arn == execution["executionArn"] else 0
        with one_by_one:  # the emulator counts the events to number them, and each item of a Map has its own thread
            event = add_event(execution, event_type, {**(details or {}), "previousEventId": before})
        latest.set((execution["executionArn"], event["id"]))
        return event

    engine._add_event = linked

    def told(kind, execute):
        def inner(state_def, raw_input, *rest):
            ctx = rest[-1]
            if "Map" not in ctx:
                return execute(state_def, raw_input, *rest)
            execution, name = engine._executions[ctx["Execution"]["Id"]], ctx["State"]["Name"]
            entered = {"name": name, "input": json.dumps(raw_input)}
            engine._add_event(execution, f"{kind}StateEntered", {"stateEnteredEventDetails": entered})
            output, following = execute(state_def, raw_input, *rest)
            exited = {"name": name, "output": json.dumps(output)}
            engine._add_event(execution, f"{kind}StateExited", {"stateExitedEventDetails": exited})
            return output, following

        return inner

    for kind in ("Task", "Pass", "Choice"):
        name = f"_execute_{kind.lower()}"
        setattr(engine, name, told(kind, getattr(engine, name)))
