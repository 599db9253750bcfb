"""EventBridge Scheduler as AWS has it: the emulator knows no time zones, and fills in nothing of a target's input."""

import time
import uuid
from datetime import datetime, timezone
from zoneinfo import ZoneInfo


def due(engine, schedule, after):
    """When the schedule is due for the first time after this moment; none if never. All in seconds since 1970."""
    expression = schedule["ScheduleExpression"]
    interval = engine._parse_rate_seconds(expression)
    if interval:
        made = schedule["CreationDate"]
        # A second's tolerance, since `after` may be one of these moments itself.
        return made + ((after - made + 1) // interval + 1) * interval
    fields = engine._parse_cron_fields(expression)
    if fields is None:
        return None
    zone = ZoneInfo(schedule.get("ScheduleExpressionTimezone") or "UTC")
    found = engine._cron_next_fire(fields, datetime.fromtimestamp(after, zone))
    return found and found.timestamp()


def filled(schedule, scheduled):
    """The target, with the words in its input that stand for this firing replaced."""
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
    """Takes the place of the emulator's look at what is due, which its own thread makes every ten seconds."""
    from ministack.core.responses import set_request_account_id, set_request_region
    from ministack.services import eventbridge, scheduler

    check_pin(scheduler, {"_tick_schedules": []})
    check_pin(eventbridge, {
        "_invoke_target": ["target", "event", "rule", "view"],
        "_parse_rate_seconds": ["expr"],
        "_parse_cron_fields": ["expr"],
        "_cron_next_fire": ["fields", "after_dt"],
    })
    fired = {}  # by account, Region and schedule: the scheduled time of its last firing

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
            # What is changed begins anew: what was due before under its new expression is past.
            after = max(fired.get(key, 0), schedule["LastModificationDate"])
            scheduled = due(eventbridge, schedule, after)
            if scheduled and scheduled <= now and schedule["State"] == "ENABLED":
                fired[key] = scheduled
                fire(key, schedule, scheduled)

    scheduler._tick_schedules = tick
