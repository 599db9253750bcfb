//! Reports of builds in memory, compared with the pages in `expected/`.
//!
//! After an intended change, run the tests with `GOLDSMITH_WRITE_EXPECTED=1`, and look at the pages before you commit them.

mod markup;
mod samples;

use std::fs;
use std::path::Path;

use goldsmith_cloud::Kind;
use goldsmith_cloud::fake::{Fault, HOME};
use goldsmith_store::Item;
use serde_json::{Value, json};

use super::{Reporter, Written, files};
use crate::args::Globals;
use crate::output::Show;
use crate::testing::{FAILURES, Stack, globals};

/// Returns a reporter whose pages do not depend on the time or the version.
fn reporter<'a>(globals: &'a Globals, stack: &'a Stack) -> Reporter<'a> {
    let now = "2026-11-26T03:31:30Z".parse().unwrap();
    Reporter { version: "1.2.3", ..Reporter::new(globals, &stack.connection, now) }
}

/// Writes the report of a build, and returns it.
async fn page(stack: &Stack, what: &str) -> String {
    page_with(stack, what, "").await
}

/// Writes the report of a build with these options, and returns it.
async fn page_with(stack: &Stack, what: &str, flags: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    let globals = globals(flags);
    reporter(&globals, stack).build(what, Some(&file)).await.unwrap();
    fs::read_to_string(file).unwrap()
}

/// Writes the report of the pipeline `web`, and returns its page.
async fn index(stack: &Stack) -> String {
    let folder = tempfile::tempdir().unwrap();
    let globals = globals("");
    let web = stack.connection.store.pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    let written = reporter(&globals, stack).pipeline(web, Some(folder.path())).await.unwrap();
    let index = fs::read_to_string(&written.report).unwrap();
    for page in &written.builds {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(index.contains(&format!("href=\"{name}\"")), "{name}");
        markup::check(&fs::read_to_string(page).unwrap());
    }
    index
}

/// Compares a page with the expected one, without the style, which is the same file for all pages.
fn compare(name: &str, page: &str) {
    markup::check(page);
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    let head = head.split_once("sha256-").map(|(one, rest)| (one, rest.split_once('\'').unwrap().1)).unwrap();
    let page = format!("{}sha256-…'{}<style></style>{body}", head.0, head.1);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/command/report/expected").join(format!("{name}.html"));
    if std::env::var_os("GOLDSMITH_WRITE_EXPECTED").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(page == expected, "{name}.html differs: GOLDSMITH_WRITE_EXPECTED=1 writes it anew");
}

#[tokio::test]
async fn the_reports_of_a_good_a_failed_and_a_running_build_are_as_expected() {
    let stack = Stack::with_samples().await;
    for (name, build) in [("good", "web/1.2.0/1"), ("failed", "web-2"), ("running", "web-3")] {
        compare(name, &page(&stack, build).await);
    }
}

#[tokio::test]
async fn the_report_of_a_pipeline_is_as_expected() {
    compare("pipeline", &index(&Stack::with_samples().await).await);
}

#[tokio::test]
async fn a_report_explains_each_failure_as_show_does() {
    for name in FAILURES {
        let stack = Stack::with_failure(name).await;
        let text = markup::check(&page(&stack, "web-2").await);
        let shown = crate::command::show::image(&stack.connection, "web/1.0.0/2").await.unwrap();
        let diagnosis = shown.diagnosis().unwrap();
        // What stands between backticks is code on the page.
        let escaped = |text: &str| {
            text.replace('`', "")
                .replace('&', "&#38;")
                .replace('<', "&#60;")
                .replace('>', "&#62;")
                .replace('"', "&#34;")
                .replace('\'', "&#39;")
        };
        let said = diagnosis.helps.iter().chain(&diagnosis.details).chain(&diagnosis.look).chain([&diagnosis.headline]);
        for said in said {
            assert!(text.contains(&escaped(said)), "{name}: no {said:?} in {text}");
        }
        for line in shown.since.iter().flat_map(|since| &since.inside).flat_map(|inside| &inside.lines) {
            assert!(text.contains(&escaped(line)), "{name}: no {line:?} in {text}");
        }
    }
    let audit = markup::check(&page(&Stack::with_failure("audit").await, "web-2").await);
    for said in ["The audit (t3.small) failed", "not run", "1 finding", "new file /var/lib/acme-agent/client.pem"] {
        assert!(audit.contains(said), "no {said:?} in {audit}");
    }
    let network = markup::check(&page(&Stack::with_failure("network").await, "web-2").await);
    for said in ["not online", "subnet-0b7c41d9e83f52a60", "the default VPC → subnet-0b7c41d9e83f52a60"] {
        assert!(network.contains(said), "no {said:?} in {network}");
    }
    let key = markup::check(&page(&Stack::with_failure("key").await, "web-2").await);
    assert!(key.contains("which is unpublished and kept until 2026-01-09 10:00:00 UTC"), "{key}");
}

#[tokio::test]
async fn a_failure_is_explained_and_no_value_of_a_parameter_is_shown() {
    let stack = Stack::with_samples().await;
    let mut build = stack.table_item("BUILD#web-2", "META").await;
    build["plan"]["documents"][1]["version"] = json!("1.4.0");
    build["plan"]["documents"][1]["parameters"]["token"] = json!("another-s3cret");
    stack.put("BUILD#web-2", "META", build).await;
    let text = markup::check(&page(&stack, "web-2").await);
    for said in [
        "Build failed",
        "Unable to locate package nginx-extra",
        "Install (ExecuteBash)",
        "Check the spelling, and whether the repository that has the package is set up before step Install",
        "\nE: Unable to locate package nginx-extra",
        "This has changed since web/1.2.0/1 of 2026-11-24 03:00:00 UTC:",
        "component nginx: token has another value",
        "ssm start-session --target i-02",
        "goldsmith logs web-2",
        "snap-0a1 in us-east-1: DeleteSnapshot in us-east-1 failed",
    ] {
        assert!(text.contains(said), "no {said:?} in {text}");
    }
    assert!(!text.contains("s3cret"), "{text}");
    // The first screen has what a person needs first.
    let order = ["Unable to locate", "What helps", "Since the last good build", "Last lines", "Duration", "Timeline"];
    let body = text.split_once("Build failed").unwrap().1;
    let places: Vec<usize> = order.iter().map(|said| body.find(said).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?} in {text}");
    // The calls for a local stack contain its keys, which a file that is passed on must not have.
    let local = markup::check(&page_with(&stack, "web-2", "--local").await);
    assert!(local.contains("goldsmith --local show web-2") && !local.contains("ssm "), "{local}");
}

#[tokio::test]
async fn what_is_in_an_image_is_listed_and_compared_with_the_image_before_it() {
    let stack = Stack::with_samples().await;
    let good = markup::check(&page(&stack, "web-1").await);
    assert!(good.contains("2 packages of deb") && good.contains("1.22.1-9"), "{good}");
    assert!(!good.contains("What has changed since"), "there is no image before it: {good}");
    stack.sample_contents(2, &[("curl", "7.88"), ("nginx", "1.22.1-10")]).await;
    let failed = markup::check(&page(&stack, "web-2").await);
    let packages = "packages: 1 added, 1 removed, 1 changed";
    for said in [
        "What has changed since web/1.2.0/1",
        packages,
        "+ deb curl 7.88",
        "- deb base-files 12.4",
        "~ deb nginx 1.22.1-9 → 1.22.1-10",
        "nginx 1.22.1-9 → 1.22.1-10",
    ] {
        assert!(failed.contains(said), "no {said:?} in {failed}");
    }
    stack.connection.cloud.objects.put("contents/web-1.json.gz", b"others".to_vec()).await.unwrap();
    let compared = markup::check(&page(&stack, "web-2").await);
    let why = "the contents of web/1.2.0/1 were changed after they were collected: the digest of contents/web-1.json.gz is not \
               the recorded one.";
    assert!(compared.contains(&format!("The images are not compared: {why}")), "{compared}");
    let gone = markup::check(&page(&stack, "web-1").await);
    assert!(gone.contains(&format!("The contents are not shown: {why}")), "{gone}");
}

#[tokio::test]
async fn a_cancelled_build_a_verification_and_a_distribution_say_what_they_are() {
    let stack = Stack::new();
    let stopped = json!({"state": "Execution", "error": "Execution.ABORTED", "message": "the execution was stopped"});
    stack.closed_build(json!({"status": "CANCELLED", "failure": stopped})).await;
    stack.state("Build", "FAILED", "the execution was stopped").await;
    let text = markup::check(&page(&stack, "b").await);
    assert!(text.contains("The build was cancelled: the execution was stopped"), "{text}");
    assert!(text.contains("cancelled") && !text.to_lowercase().contains("fail"), "{text}");
    stack.closed_build(json!({"status": "VERIFIED", "isVerification": true})).await;
    let text = markup::check(&page(&stack, "b").await);
    assert!(text.contains("Verification") && text.contains("tested AMI") && text.contains("VERIFIED"), "{text}");
    stack
        .closed_build(json!({"status": "DISTRIBUTED", "distributes": "web/1.0.0/9", "amis": {"eu-west-1": "ami-7"}}))
        .await;
    let text = markup::check(&page(&stack, "b").await);
    assert!(text.contains("Distribution") && text.contains("web/1.0.0/9") && text.contains("ami-7"), "{text}");
}

#[tokio::test]
async fn a_build_whose_record_or_log_is_gone_still_has_a_report() {
    let stack = Stack::with_samples().await;
    stack.forget_build("web-1").await;
    let text = markup::check(&page(&stack, "web/1.2.0/1").await);
    assert!(text.contains("ami-0e1") && !text.contains("Components"), "{text}");
    let stack = Stack::with_samples().await;
    stack.cloud.fail_always("GetLogEvents", HOME, Fault::Refuse(Kind::Denied));
    let text = markup::check(&page(&stack, "web/1.2.0/1").await);
    assert!(text.contains("The steps are not shown, because the logs could not be read: "), "{text}");
    assert!(text.contains("Steps of the documents") && !text.contains("Between the steps"), "{text}");
}

/// Text that would change a page or a terminal, if anything let it.
const HOSTILE: &str =
    "\u{1b}[2J\u{202e}</title></style><script>alert(1)</script><img src=x onerror=\"a\">'\"&\u{0}\u{9b}";

/// Replaces every text of a record, except those that have a form.
fn poison(value: &mut Value, name: &str) {
    const FORMED: [&str; 20] = [
        "kind",
        "status",
        "state",
        "image",
        "pipeline",
        "version",
        "build",
        "createdAt",
        "startedAt",
        "endedAt",
        "source",
        "name",
        "dataType",
        "protection",
        "channel",
        "to",
        "group",
        "stream",
        "key",
        "sha256",
    ];
    match value {
        Value::String(text) if !FORMED.contains(&name) => *text = format!("{text}{HOSTILE}"),
        Value::Array(list) => list.iter_mut().for_each(|one| poison(one, name)),
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| poison(value, name)),
        _ => {}
    }
}

#[tokio::test]
async fn hostile_text_in_any_field_stays_text() {
    let stack = Stack::with_samples().await;
    let clean = markup::check(&page(&stack, "web-2").await);
    for partition in ["BUILD#web-1", "BUILD#web-2", "BUILD#web-3", "IMAGE#web", "PIPELINE#web"] {
        let items: Vec<Item> = stack.connection.store.table().query(partition, "").await.unwrap();
        for item in items {
            let sort = item["sk"].as_str().unwrap().to_owned();
            // A definition is checked when it is applied.
            if partition == "PIPELINE#web" && !sort.starts_with("CHANNEL#") {
                continue;
            }
            let mut record = stack.table_item(partition, &sort).await;
            poison(&mut record, "");
            stack.put(partition, &sort, record).await;
        }
    }
    stack.sample_contents(1, &[(HOSTILE, "1"), ("nginx", HOSTILE)]).await;
    stack.sample_contents(2, &[("nginx", "2"), (HOSTILE, "2")]).await;
    let step = format!("Install{HOSTILE}");
    stack.sample_step("1-Build", [HOSTILE, HOSTILE, &step], "2026-11-24T03:03:05Z", None);
    for build in ["web/1.2.0/1", "web-2", "web-3"] {
        hostile(&page(&stack, build).await);
    }
    hostile(&index(&stack).await);
    let poisoned = markup::check(&page(&stack, "web-2").await);
    assert!(poisoned.matches("&#60;script&#62;").count() > 15, "{poisoned}");
    assert!(clean.len() < poisoned.len());
}

/// Checks that a page has no markup and no control characters of a record.
fn hostile(page: &str) {
    markup::check(page);
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    let acts = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202a}'..='\u{202e}');
    assert_eq!(page.chars().find(|c| acts(*c)), None);
}

#[test]
fn the_policy_of_a_page_allows_its_style_and_nothing_else() {
    let frame = super::page::Frame::new("2026-11-26T03:31:30Z".parse().unwrap(), "1.2.3", String::new());
    assert!(frame.style_digest.starts_with("sha256-") && frame.style_digest.len() == 51, "{}", frame.style_digest);
    for loads in ["url(", "@import", "http:", "https:", "</"] {
        assert!(!frame.style.contains(loads), "{loads}");
    }
}

#[test]
fn a_page_that_was_not_opened_is_named_with_the_reason() {
    let closed = files::open(files::OPENER, false, Path::new("/r/index.html"));
    let written = Written { report: "/r/index.html".into(), builds: vec!["/r/web.html".into()], closed };
    assert_eq!(written.lines(&globals("")), ["/r/index.html"]);
    let remarks = [
        "The folder also contains the reports of 1 build.",
        "The report was not opened, because there is no desktop here.",
    ];
    assert_eq!(written.remarks(&globals("")), remarks);
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_named() {
    let stack = Stack::with_samples().await;
    let globals = globals("");
    let file = Path::new("/no-such-folder/report.html");
    let error = reporter(&globals, &stack).build("web-1", Some(file)).await.unwrap_err();
    assert_eq!(error.to_string(), "the file /no-such-folder/report.html cannot be written");
    assert_eq!(files::name_of(&"web/1.2.0/1".parse().unwrap()), "web-1.2.0-1.html");
}
