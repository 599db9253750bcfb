"""Makes EventBridge Scheduler behave as on AWS: the emulator supports neither time zones nor keywords in a target's
input."""

import time
import uuid
from datetime import datetime, timezone
from zoneinfo import ZoneInfo


def due(engine, schedule, after):
    """Returns the first time after `after` at which the schedule is due; `None` if there is none. Times are in seconds
    since 1970."""
    expression = schedule["ScheduleExpression"]
    interval = engine._parse_rate_seconds(expression)
    if interval:
        made = schedule["CreationDate"]
        # The tolerance is one second, because `after` itself may be one of these times.
        return made + ((after - made + 1) // interval + 1) * interval
    fields = engine._parse_cron_fields(expression)
    if fields is None:
        return None
    zone = ZoneInfo(schedule.get("ScheduleExpressionTimezone") or "UTC")
    found = engine._cron_next_fire(fields, datetime.fromtimestamp(after, zone))
    return found and found.timestamp()


def filled(schedule, scheduled):
    """Returns the target, with the keywords in its input replaced by the values of this invocation."""
    stamp = datetime.fromtimestamp(scheduled, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = schedule["Target"].get("Input", "{}")
    for word, value in {
        "schedule-arn": schedule["Arn"],
        "scheduled-time": stamp,
        "execution-id": str(uuid.uuid4()),
        "attempt-number": "1",
    }.items():
        text = text.replace(f"<aws.scheduler.{word}>", value)
    return {**schedule["Target"], "Input": text}


def install(check_pin):
    """Replaces the emulator's check for due schedules, which the emulator's own thread runs every ten seconds."""
    from ministack.core.responses import set_request_account_id, set_request_region
    from ministack.services import eventbridge, scheduler

    check_pin(scheduler, {"_tick_schedules": []})
    check_pin(eventbridge, {
        "_invoke_target": ["target", "event", "rule", "view"],
        "_parse_rate_seconds": ["expr"],
        "_parse_cron_fields": ["expr"],
        "_cron_next_fire": ["fields", "after_dt"],
    })
    fired = {}  # the scheduled time of the last invocation, by account, Region and schedule

    def fire(key, schedule, scheduled):
        account, region, _ = key
        set_request_account_id(account)
        set_request_region(region)
        event = {"Source": "aws.scheduler", "DetailType": "Scheduled Event", "Detail": "{}", "EventId": str(uuid.uuid4()),
                 "Time": scheduled, "Resources": [schedule["Arn"]], "Account": account, "Region": region}
        eventbridge._invoke_target(filled(schedule, scheduled), event, schedule)

    def tick():
        now = time.time()
        for key, schedule in list(scheduler._schedules._data.items()):
            # A changed schedule starts again: times before the change do not count under the new expression.
            after = max(fired.get(key, 0), schedule["LastModificationDate"])
            scheduled = due(eventbridge, schedule, after)
            if scheduled and scheduled <= now and schedule["State"] == "ENABLED":
                fired[key] = scheduled
                fire(key, schedule, scheduled)

    scheduler._tick_schedules = tick
