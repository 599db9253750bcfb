//! Tests of what starts a pipeline automatically: schedules, changes, and pipelines that build on each other.

use serde_json::json;

use super::{COMPONENT, SMALL, read, recipe, refused};
use crate::SourceImage;
use crate::definitions::{Draft, SourceFile, Stored};

fn pipeline(rest: &str) -> String {
    format!("kind: ImagePipeline\nname: web\nimageRecipe: web\ninfrastructureConfiguration: small\n{rest}")
}

fn all(pipeline: &str) -> [String; 4] {
    let recipe = recipe("components: [{name: nginx, version: 1.0.0}]\n");
    [pipeline.to_owned(), recipe, COMPONENT.to_owned(), SMALL.to_owned()]
}

#[test]
fn what_starts_a_pipeline_is_stored() {
    let schedule = "schedule: {scheduleExpression: \"cron(0 3 * * ? *)\", timezone: Europe/Berlin, \
                    pipelineExecutionStartCondition: EXPRESSION_MATCH_AND_DEPENDENCY_UPDATES_AVAILABLE}\n";
    let texts = all(&pipeline(&format!("{schedule}rebuildOn: [source-update, dependency]\n")));
    let found = read(&texts.each_ref().map(String::as_str)).unwrap();
    let stored = serde_json::to_value(&found.pipelines[0]).unwrap();
    let expected = json!({"scheduleExpression": "cron(0 3 * * ? *)", "timezone": "Europe/Berlin",
                          "pipelineExecutionStartCondition": "EXPRESSION_MATCH_AND_DEPENDENCY_UPDATES_AVAILABLE"});
    assert_eq!(stored["schedule"], expected);
    assert_eq!(stored["rebuildOn"], json!(["source-update", "dependency"]));
    let plain = all(&pipeline("schedule: {scheduleExpression: rate(1 day)}\n"));
    let found = read(&plain.each_ref().map(String::as_str)).unwrap();
    let condition = &serde_json::to_value(&found.pipelines[0]).unwrap()["schedule"];
    let expected =
        json!({"scheduleExpression": "rate(1 day)", "pipelineExecutionStartCondition": "EXPRESSION_MATCH_ONLY"});
    assert_eq!(*condition, expected, "what a plain schedule does is build");
}

#[test]
fn what_keeps_a_pipeline_from_starting_is_stored() {
    let stored = |rest: &str| {
        let found = read(&all(&pipeline(rest)).each_ref().map(String::as_str)).unwrap();
        serde_json::to_value(&found.pipelines[0]).unwrap()
    };
    let policy = json!({"failureCount": 3});
    for text in [
        "autoDisablePolicy: {failureCount: 3}\n",
        // As Image Builder has it.
        "schedule: {scheduleExpression: rate(1 day), autoDisablePolicy: {failureCount: 3}}\n",
    ] {
        assert_eq!(stored(text)["autoDisablePolicy"], policy, "{text}");
    }
    let freeze = "freeze: [{from: 2026-12-20, until: 2027-01-04, timezone: Europe/Berlin}, {from: 2026-01-01, until: 2026-01-02}]\n";
    let expected = json!([{"from": "2026-12-20", "until": "2027-01-04", "timezone": "Europe/Berlin"},
                          {"from": "2026-01-01", "until": "2026-01-02"}]);
    assert_eq!(stored(freeze)["freeze"], expected);
    let plain = stored("");
    assert!(plain.get("freeze").is_none() && plain.get("autoDisablePolicy").is_none(), "{plain}");
}

#[test]
fn an_impossible_schedule_is_rejected_at_its_line() {
    let one = |schedule: &str| refused(&all(&pipeline(schedule)).each_ref().map(String::as_str));
    let zone = "\
web/all.yml:5:63: error: there is no time zone `Europe/Berln`
  schedule: {scheduleExpression: \"cron(0 3 * * ? *)\", timezone: Europe/Berln}
                                                                ^^^^^^^^^^^^
help: did you mean `Europe/Berlin`?";
    assert_eq!(one("schedule: {scheduleExpression: \"cron(0 3 * * ? *)\", timezone: Europe/Berln}\n"), zone);
    for (schedule, message) in [
        (
            "schedule: {scheduleExpression: \"cron(0 3 * * * *)\"}\n",
            "web/all.yml:5:32: error: exactly one of day and weekday must be `?`, not neither of them",
        ),
        (
            "schedule: {scheduleExpression: rate(1 fortnight)}\n",
            "web/all.yml:5:32: error: `fortnight` is not a unit of a rate: use minutes, hours or days",
        ),
        (
            "schedule:\n  scheduleExpression: rate(1 minutes)\n",
            "web/all.yml:6:23: error: `1 minutes` is not a rate: write 1 minute",
        ),
        (
            "schedule: {scheduleExpression: rate(0 hours)}\n",
            "web/all.yml:5:32: error: the value of a rate must be a whole number from 1 to 100000, not `0`",
        ),
        (
            "schedule: {scheduleExpression: rate(1 day), pipelineExecutionStartCondition: ALWAYS}\n",
            "web/all.yml:5:78: error: `ALWAYS` is not a value of `pipelineExecutionStartCondition`",
        ),
        (
            "schedule: {scheduleExpression: rate(1 day), autoDisablePolicy: {failureCount: 11}}\n",
            "web/all.yml:5:79: error: `failureCount` must be from 1 to 10, not 11",
        ),
        (
            "schedule: {scheduleExpression: rate(1 day), autoDisablePolicy: {failureCount: 3}}\nautoDisablePolicy: {failureCount: 3}\n",
            "web/all.yml:6:21: error: `autoDisablePolicy` is in the pipeline and in its `schedule`: write it once",
        ),
        (
            "freeze: [{from: 2026-12-20, until: 2026-12-20}]\n",
            "web/all.yml:5:36: error: `until` must be after `from`, which is 2026-12-20: it is the first day after the \
             freeze",
        ),
        (
            "freeze: [{from: 2026-12-20T18:00, until: 2027-01-04}]\n",
            "web/all.yml:5:17: error: `from` must be a day such as 2026-12-20, not `2026-12-20T18:00`",
        ),
        (
            "freeze: [{from: 2026-12-20, until: 2027-01-04, timezone: UCT+1}]\n",
            "web/all.yml:5:58: error: there is no time zone `UCT+1`",
        ),
        ("freeze: {from: 2026-12-20}\n", "web/all.yml:5:10: error: `freeze` must be a list, not a map"),
        (
            "schedule: {scheduleExpression: rate(1 day), zone: UTC}\n",
            "web/all.yml:5:45: error: unknown key `zone` in `schedule`",
        ),
        ("schedule: nightly\n", "web/all.yml:5:11: error: `schedule` must be a map, not `nightly`"),
        ("rebuildOn: source-update\n", "web/all.yml:5:12: error: `rebuildOn` must be a list, not `source-update`"),
        ("rebuildOn: [dependency, dependency]\n", "web/all.yml:5:25: error: `dependency` is in `rebuildOn` twice"),
    ] {
        assert_eq!(one(schedule).lines().next(), Some(message), "{schedule}");
    }
}

/// A recipe and a pipeline with the same name, which start from another pipeline's image.
fn stage(name: &str, source: &str) -> String {
    let recipe = recipe("components: [{name: nginx, version: 1.0.0}]\n");
    let recipe = recipe.replace("name: web", &format!("name: {name}")).replace("ssm:/source", source);
    format!("{recipe}---\n{}", pipeline("").replace("web", name))
}

#[test]
fn pipelines_that_build_on_each_other_in_a_circle_are_refused() {
    let stages = [stage("web", "pipeline:app"), stage("app", "pipeline:base"), stage("base", "pipeline:web")];
    let found = refused(&[&stages[0], &stages[1], &stages[2], COMPONENT, SMALL]);
    let expected = "\
web/all.yml:4:14: error: pipelines build on each other in a circle: `web` → `app` → `base` → `web`
  parentImage: pipeline:app
               ^^^^^^^^^^^^";
    assert_eq!(found, expected);
    let own = refused(&[&stage("web", "pipeline:web"), COMPONENT, SMALL]);
    assert!(own.contains("in a circle: `web` → `web`"), "{own}");
    let line = [stage("web", "pipeline:app"), stage("app", "pipeline:base"), stage("base", "ssm:/a")];
    assert_eq!(read(&[&line[0], &line[1], &line[2], COMPONENT, SMALL]).unwrap().pipelines.len(), 3);
}

#[test]
fn stored_pipelines_close_a_circle_too() {
    let stored = read(&[&stage("app", "pipeline:web"), &stage("web", "ssm:/a"), COMPONENT, SMALL]).unwrap();
    let stored = Stored {
        components: stored.components,
        recipes: stored.recipes,
        pipelines: stored.pipelines,
        distributions: stored.distributions,
        others: [(crate::definitions::Kind::ImagePipeline, "app".parse().unwrap())].into(),
    };
    // Only a newer recipe of `web`, whose pipeline is stored.
    let text = recipe("components: [{name: nginx, version: 1.0.0}]\n");
    let text = text.replace("1.2.0", "1.2.1").replace("ssm:/source", "pipeline:app");
    let files = [SourceFile { path: "web.yml".to_owned(), text }];
    let draft = Draft::read(&files, &|_| Ok(String::new()));
    let found = draft.check(&stored).unwrap_err().to_string();
    assert!(found.contains("in a circle: `app` → `web` → `app`"), "{found}");
    assert!(matches!(stored.recipes[1].parent_image, SourceImage::Parameter(_)), "the stored recipe is not the cause");
}

/// A pipeline that publishes its images under this parameter and has this name.
fn publishing(name: &str, source: &str, to: &str) -> String {
    let distribution =
        format!("kind: DistributionConfiguration\nname: {name}\ndistributions: [{{region: eu-west-1{to}}}]\n");
    format!("{}distributionConfiguration: {name}\n---\n{distribution}", stage(name, source))
}

#[test]
fn pipelines_that_feed_themselves_indirectly_are_rejected() {
    let by = |parameter: &str| format!(", ssmParameterConfigurations: [{{parameterName: {parameter}}}]");
    let named = ", amiDistributionConfiguration: {name: \"golden-{{ imagebuilder:buildDate }}\"}";
    let own = refused(&[&publishing("web", "ssm:/images/web", &by("/images/web")), COMPONENT, SMALL]);
    let expected = "\
web/all.yml:4:14: error: pipelines build on each other in a circle: `web` → `web`
  parentImage: ssm:/images/web
               ^^^^^^^^^^^^^^^
help: `web` starts from the parameter `/images/web`, which `web` writes";
    assert_eq!(own, expected);
    let of_build = by("'/images/web-{{ imagebuilder:buildVersion }}'");
    let found = refused(&[&publishing("web", "ssm:/images/web-1.0.0-1", &of_build), COMPONENT, SMALL]);
    assert!(found.contains("in a circle: `web` → `web`"), "{found}");
    let two = [
        publishing("web", "ssm:/images/app", &by("/images/web")),
        publishing("app", "ssm:/images/web", &by("/images/app")),
    ];
    let two = refused(&[&two[0], &two[1], COMPONENT, SMALL]);
    assert!(
        two.contains("all.yml:4:14: error: pipelines build on each other in a circle: `web` → `app` → `web`"),
        "{two}"
    );
    for (filter, to) in [("golden-*", named), ("web *", "")] {
        let source = format!("{{owners: [self], name: \"{filter}\"}}");
        let found = refused(&[&publishing("web", &source, to), COMPONENT, SMALL]);
        let help = format!(
            "help: `web` starts from the newest image of self named `{filter}`, and the images of `web` have such names"
        );
        assert!(found.contains("in a circle: `web` → `web`") && found.ends_with(&help), "{found}");
    }
    // Others' images of that name, another name, and another parameter make no circle.
    for (source, to) in [
        ("{owners: [amazon], name: \"golden-*\"}", named.to_owned()),
        ("{owners: [self], name: \"silver-*\"}", named.to_owned()),
        ("ssm:/images/base", by("/images/web")),
        ("ssm:/images/web", by("'/images/web-{{ imagebuilder:buildVersion }}'")),
    ] {
        let read = read(&[&publishing("web", source, &to), COMPONENT, SMALL]);
        assert!(read.is_ok(), "{source}: {:?}", read.err());
    }
}

#[test]
fn where_images_go_closes_a_circle_with_stored_pipelines_too() {
    let stored = read(&[&publishing("web", "ssm:/images/web", ""), COMPONENT, SMALL]).unwrap();
    let stored = Stored {
        components: stored.components,
        recipes: stored.recipes,
        pipelines: stored.pipelines,
        distributions: stored.distributions,
        others: [].into(),
    };
    let text = "kind: DistributionConfiguration\nname: web\ndistributions:\n  - region: eu-west-1\n    \
                ssmParameterConfigurations: [{parameterName: /images/web}]\n";
    let files = [SourceFile { path: "web.yml".to_owned(), text: text.to_owned() }];
    let found = Draft::read(&files, &|_| Ok(String::new())).check(&stored).unwrap_err().to_string();
    assert!(
        found.starts_with("web.yml:2:7: error: pipelines build on each other in a circle: `web` → `web`"),
        "{found}"
    );
}

#[test]
fn the_allowed_owners_of_a_parameters_image_are_stored_and_checked() {
    let recipe = |source: &str, owners: &str| {
        let text = recipe("components: [{name: nginx, version: 1.0.0}]\n").replace("ssm:/source", source);
        format!("{text}parentImageOwners: {owners}\n")
    };
    let good = read(&[&recipe("ssm:/source", "[self, \"099720109477\"]"), COMPONENT]).unwrap();
    assert_eq!(good.recipes[0].parent_image_owners, ["self", "099720109477"]);
    let plain = read(&[&recipe("ssm:/source", "[]"), COMPONENT]).unwrap();
    assert!(!serde_json::to_string(&plain.recipes[0]).unwrap().contains("parentImageOwners"));
    for (source, owners, message) in [
        (
            "ssm:/source",
            "[anybody]",
            "error: `anybody` is not an owner: use account ids of 12 digits, `self`, `amazon` or `aws-marketplace`",
        ),
        (
            "pipeline:web",
            "[self]",
            "error: `parentImageOwners` is for `ssm:` sources, and `parentImage` is pipeline:web",
        ),
    ] {
        let found = refused(&[&recipe(source, owners), COMPONENT]);
        assert!(found.contains(message), "{found}");
    }
}
