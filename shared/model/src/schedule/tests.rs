//! Tests that expressions match the times at which EventBridge Scheduler fires, and that every mistake has its exact
//! message.

use jiff::Timestamp;

use super::{ScheduleExpression, schedule_name, time_zone};

/// Returns the next times as local times in the zone.
fn next(expression: &str, zone: &str, now: &str, count: usize) -> Vec<String> {
    let (now, zone): (Timestamp, _) = (now.parse().unwrap(), time_zone(zone).unwrap());
    let times = expression.parse::<ScheduleExpression>().unwrap().next(now, now, &zone, count);
    times.into_iter().map(|time| zone.to_datetime(time).strftime("%a %F %H:%M").to_string()).collect()
}

fn utc(expression: &str) -> Vec<String> {
    next(expression, "UTC", "2026-01-01T00:00:00Z", 3)
}

#[test]
fn every_wildcard_means_what_aws_says() {
    for (expression, times) in [
        ("cron(0 3 * * ? *)", ["Thu 2026-01-01 03:00", "Fri 2026-01-02 03:00", "Sat 2026-01-03 03:00"]),
        ("cron(0/25 0-1 1 1 ? *)", ["Thu 2026-01-01 00:25", "Thu 2026-01-01 00:50", "Thu 2026-01-01 01:00"]),
        ("cron(5 */12 ? JAN mon,FRI *)", ["Fri 2026-01-02 00:05", "Fri 2026-01-02 12:05", "Mon 2026-01-05 00:05"]),
        ("cron(0 10 ? * 2-6 *)", ["Thu 2026-01-01 10:00", "Fri 2026-01-02 10:00", "Mon 2026-01-05 10:00"]),
        ("cron(0 0 L * ? *)", ["Sat 2026-01-31 00:00", "Sat 2026-02-28 00:00", "Tue 2026-03-31 00:00"]),
        ("cron(0 0 29 2 ? *)", ["Tue 2028-02-29 00:00", "Sun 2032-02-29 00:00", "Fri 2036-02-29 00:00"]),
        ("cron(0 0 ? * L *)", ["Sat 2026-01-03 00:00", "Sat 2026-01-10 00:00", "Sat 2026-01-17 00:00"]),
        ("cron(0 0 ? * 6L *)", ["Fri 2026-01-30 00:00", "Fri 2026-02-27 00:00", "Fri 2026-03-27 00:00"]),
        ("cron(0 0 ? * 3#2 *)", ["Tue 2026-01-13 00:00", "Tue 2026-02-10 00:00", "Tue 2026-03-10 00:00"]),
        ("cron(0 0 ? * FRI#5 *)", ["Fri 2026-01-30 00:00", "Fri 2026-05-29 00:00", "Fri 2026-07-31 00:00"]),
        // 1 August 2026 is a Saturday, 1 November and 31 May are Sundays; April and June have no 31st.
        ("cron(0 0 1W 8,11 ? 2026-2027)", ["Mon 2026-08-03 00:00", "Mon 2026-11-02 00:00", "Mon 2027-08-02 00:00"]),
        ("cron(0 0 31W 4-7 ? *)", ["Fri 2026-05-29 00:00", "Fri 2026-07-31 00:00", "Mon 2027-05-31 00:00"]),
        ("cron(0 0 15W 2,8 ? *)", ["Mon 2026-02-16 00:00", "Fri 2026-08-14 00:00", "Mon 2027-02-15 00:00"]),
    ] {
        assert_eq!(utc(expression), times, "{expression}");
    }
    assert_eq!(utc("cron(0 0 1 1 ? 2026-2199/100)"), ["Tue 2126-01-01 00:00"], "it ends with its years");
    assert!(utc("cron(0 0 1 1 ? 2020)").is_empty());
}

#[test]
fn a_missing_local_time_is_skipped_and_a_repeated_one_fires_once() {
    // Berlin: 29 March 2026 has no 02:30; 25 October 2026 has it twice.
    let daily = "cron(30 2 * * ? *)";
    let spring = ["Sat 2026-03-28 02:30", "Mon 2026-03-30 02:30"];
    assert_eq!(next(daily, "Europe/Berlin", "2026-03-27T12:00:00Z", 2), spring);
    let expression: ScheduleExpression = daily.parse().unwrap();
    let zone = time_zone("Europe/Berlin").unwrap();
    let now: Timestamp = "2026-10-24T12:00:00Z".parse().unwrap();
    let autumn: Vec<String> = expression.next(now, now, &zone, 2).iter().map(Timestamp::to_string).collect();
    assert_eq!(autumn, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"], "summer time, then winter time");
    let hourly = ["Sun 2026-03-29 01:00", "Sun 2026-03-29 03:00"];
    assert_eq!(next("cron(0 * * * ? *)", "Europe/Berlin", "2026-03-28T23:30:00Z", 2), hourly);
    // Samoa left out a whole day.
    let samoa = ["Thu 2011-12-29 12:00", "Sat 2011-12-31 12:00"];
    assert_eq!(next("cron(0 12 * * ? *)", "Pacific/Apia", "2011-12-29T20:00:00Z", 2), samoa);
}

#[test]
fn a_rate_counts_from_its_beginning_in_days_of_24_hours() {
    let began: Timestamp = "2026-03-28T12:00:00Z".parse().unwrap();
    let now: Timestamp = "2026-03-28T12:00:00Z".parse().unwrap();
    let zone = time_zone("Europe/Berlin").unwrap();
    let times = |expression: &str, now: Timestamp| -> Vec<String> {
        let expression: ScheduleExpression = expression.parse().unwrap();
        expression.next(now, began, &zone, 2).iter().map(Timestamp::to_string).collect()
    };
    assert_eq!(times("rate(1 day)", now), ["2026-03-29T12:00:00Z", "2026-03-30T12:00:00Z"]);
    let later: Timestamp = "2026-03-28T12:30:01Z".parse().unwrap();
    assert_eq!(times("rate(15 minutes)", later), ["2026-03-28T12:45:00Z", "2026-03-28T13:00:00Z"]);
    assert_eq!(times("rate(100000 days)", later).len(), 2);
}

#[test]
fn mistakes_are_explained() {
    let minute = "use 0-59 with , - * /";
    let day = "use 1-31 with , - * ? / L W";
    let weekday = "use 1-7 or SUN-SAT with , - * ? L #";
    for (text, message) in [
        (
            "0 3 * * ? *",
            "`0 3 * * ? *` is not a schedule: use cron(minute hour day month weekday year) or rate(value unit)",
        ),
        (
            "at(2026-11-20T13:00:00)",
            "`at(…)` fires only once: use cron(minute hour day month weekday year) or rate(value unit)",
        ),
        ("cron(0 3 * * ?)", "cron needs six fields, minute hour day month weekday year, not 5"),
        ("cron(0 3 * * * *)", "exactly one of day and weekday must be `?`, not neither of them"),
        ("cron(0 3 ? * ? *)", "exactly one of day and weekday must be `?`, not both"),
        ("cron(60 3 * * ? *)", &format!("`60` is not a minute: {minute}")),
        ("cron(+5 3 * * ? *)", &format!("`+5` is not a minute: {minute}")),
        ("cron(? 3 * * ? *)", &format!("`?` is not a minute: {minute}")),
        ("cron(0 24 * * ? *)", "`24` is not an hour: use 0-23 with , - * /"),
        ("cron(0 3 0 * ? *)", &format!("`0` is not a day: {day}")),
        ("cron(0 3 LW * ? *)", &format!("`LW` is not a day: {day}")),
        ("cron(0 3 * FOO ? *)", "`FOO` is not a month: use 1-12 or JAN-DEC with , - * /"),
        ("cron(0 3 ? * 0 *)", &format!("`0` is not a weekday: {weekday}")),
        ("cron(0 3 ? * 2/2 *)", &format!("`2/2` is not a weekday: {weekday}")),
        ("cron(0 3 ? * 3#6 *)", &format!("`3#6` is not a weekday: {weekday}")),
        ("cron(0 3 * * ? 1969)", "`1969` is not a year: use 1970-2199 with , - * /"),
        ("cron(0/0 3 * * ? *)", "the step of `0/0` in the minute must be a whole number from 1"),
        ("cron(0 17-9 * * ? *)", "the range `17-9` of the hour ends before it begins"),
        ("cron(0 3 ? * 3#1,6#3 *)", "`3#1` must be the only value of the weekday"),
        ("cron(0 3 1,L * ? *)", "`L` must be the only value of the day"),
        ("cron(0 3 31 2,4 ? *)", "it never fires: no such day exists"),
        ("rate(1 fortnight)", "`fortnight` is not a unit of a rate: use minutes, hours or days"),
        ("rate(1 minutes)", "`1 minutes` is not a rate: write 1 minute"),
        ("rate(5 hour)", "`5 hour` is not a rate: write 5 hours"),
        ("rate(0 hours)", "the value of a rate must be a whole number from 1 to 100000, not `0`"),
        ("rate(-1 hours)", "the value of a rate must be a whole number from 1 to 100000, not `-1`"),
        ("rate(5)", "`5` is not a rate: use a whole number and minutes, hours or days, such as rate(12 hours)"),
    ] {
        assert_eq!(text.parse::<ScheduleExpression>().unwrap_err().to_string(), message, "{text}");
    }
}

#[test]
fn zones_are_those_of_iana_letter_by_letter() {
    for zone in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"] {
        assert!(time_zone(zone).is_ok(), "{zone}");
    }
    for (zone, near) in [
        ("Europe/Berln", Some("Europe/Berlin")),
        ("europe/berlin", Some("Europe/Berlin")),
        ("Middle-earth/Shire", None),
    ] {
        let error = time_zone(zone).unwrap_err();
        assert_eq!((error.to_string(), error.near.as_deref()), (format!("there is no time zone `{zone}`"), near));
    }
}

#[test]
fn every_pipeline_has_a_schedule_name_of_its_own() {
    let name = |pipeline: &str| schedule_name(&pipeline.parse().unwrap());
    assert_eq!(name("web-server_1"), "web-server_1");
    let spaced = name("web server");
    assert!(spaced.starts_with("web_server-") && spaced != name("web_server"), "{spaced}");
    let long = "a".repeat(127);
    let names = [name(&format!("{long}b")), name(&format!("{long}c"))];
    assert!(names[0] != names[1] && names.iter().all(|name| name.len() <= 64), "{names:?}");
}
