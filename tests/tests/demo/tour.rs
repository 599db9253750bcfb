//! What one does with the product: the demo, and a look around in the stack that it leaves running.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::account::Account;

/// How long anything may take before the suite gives up on it.
const PATIENCE: Duration = Duration::from_secs(120);
/// The image that the demo builds.
const IMAGE: &str = "web-server/1.0.0/1";
const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];

/// `make demo` to its end. Answers the isolation that it has named, which must be the best that the rights allow.
pub(crate) fn demo(account: &Account) -> String {
    let built = format!("BUILT={}", account.target().display());
    let demo = account.run(Path::new("make"), &["demo", &built], &[]);
    assert_eq!(demo.exit, 0, "make demo failed:\n{}\n{}", demo.output, demo.progress);
    let isolation = account.rights.isolation();
    assert_named(&demo.progress, &isolation);
    println!("{}: make demo with the isolation {isolation}", account.rights.whose());
    let tested = ["nginx-answers › test › PageIsServed (ExecuteBash): success", "1 of 1 tests succeeded", "2 Regions"];
    for wanted in tested {
        assert!(demo.progress.contains(wanted), "{wanted} is not in what the demo said:\n{}", demo.progress);
    }
    assert!(demo.output.contains(&format!("{IMAGE} is available\n")), "{demo:?}");
    isolation
}

/// Whether the first lines of what was said name an isolation.
pub(crate) fn assert_named(progress: &str, isolation: &str) {
    let named = format!("Instances run here: {isolation} with ");
    let first = progress.lines().take_while(|line| !line.starts_with("Deploying"));
    assert!(first.into_iter().any(|line| line.starts_with(&named)), "{isolation} is not named:\n{progress}");
}

/// What the image, its build and its log tell agrees with what is there.
pub(crate) fn look_around(account: &Account) {
    let images = account.json(&["images", "--local"]);
    assert_eq!(images.as_array().unwrap().len(), 1, "{images}");
    assert_eq!((&images[0]["image"], &images[0]["status"]), (&json!(IMAGE), &json!("AVAILABLE")));
    let inventory = account.inventory();
    assert_eq!(inventory["isolation"], account.rights.isolation());
    // A build does not wait until its instances' disks are removed.
    let mut instances = inventory["instances"].as_array().unwrap().iter();
    assert!(instances.all(|one| one["state"] == "shutting-down"), "{inventory}");
    let shown = account.goldsmith(&["show", IMAGE, "--local"]);
    assert_eq!(shown.exit, 0, "{shown:?}");
    assert_eq!(images[0]["amis"].as_object().unwrap().len(), REGIONS.len());
    for region in REGIONS {
        let ami = images[0]["amis"][region].as_str().unwrap();
        let there = |image: &Value| image["id"] == ami && image["region"] == region && image["state"] == "available";
        assert!(inventory["images"].as_array().unwrap().iter().any(there), "{inventory}");
        assert!(shown.output.contains(&format!("{region}  {ami}")), "{shown:?}");
    }
    let logs = account.goldsmith(&["logs", IMAGE, "--local"]);
    for wanted in ["nginx / build / Install: success", "nginx-answers / test / PageIsServed: success"] {
        assert!(logs.output.contains(wanted), "{wanted} is not in the log: {logs:?}");
    }
}

/// A build that fails says where and why, ends with 1, and leaves nothing.
pub(crate) fn fail(account: &Account) {
    let failed = account.goldsmith(&["build", "examples/broken", "--local"]);
    assert_eq!((failed.exit, failed.output.as_str()), (1, ""), "{failed:?}");
    for wanted in [
        "goldsmith: error: broken/1.0.0/1 failed in Build: broken / validate / FileIsThere: exit status 1\n",
        "Goldsmith.CommandFailed\n",
        "| There is no /etc/goldsmith-was-here.\n",
        "What has changed and what helps: goldsmith --local show broken/1.0.0/1\n",
        "The output of its steps: goldsmith --local logs broken/1.0.0/1\n",
    ] {
        assert!(failed.progress.contains(wanted), "{wanted} is not in what was said: {}", failed.progress);
    }
    assert_nothing_of(account, "broken/1.0.0/1");
}

/// A build that is cancelled while its instance is there leaves nothing.
pub(crate) fn cancel(account: &Account) {
    let build = account.goldsmith(&["build", "web-server", "--local", "--detach"]);
    assert_eq!(build.exit, 0, "{build:?}");
    let began = Instant::now();
    while of(&account.inventory(), "web-server/1.0.0/2").is_empty() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for the instance: {build:?}");
        sleep(Duration::from_millis(50));
    }
    let cancelled = account.goldsmith(&["cancel", build.output.trim(), "--local"]);
    assert_eq!(cancelled.exit, 0, "{cancelled:?}");
    assert_eq!(cancelled.output, "web-server/1.0.0/2 is cancelled\nNothing of the build is left.\n");
    assert_nothing_of(account, "web-server/1.0.0/2");
    let shown = account.json(&["show", "web-server/1.0.0/2", "--local"]);
    assert_eq!(shown["image"]["status"], "CANCELLED");
}

fn assert_nothing_of(account: &Account, image: &str) {
    let left = of(&account.inventory(), image);
    assert!(left.is_empty(), "{image} left {left:?}");
}

/// Ids of what carries an image's tag: instances that are not on their way out, images and snapshots.
fn of(inventory: &Value, image: &str) -> Vec<String> {
    let all = ["instances", "images", "snapshots"].into_iter().flat_map(|kind| inventory[kind].as_array().unwrap());
    let its = all.filter(|one| one["tags"]["goldsmith:image"] == image && one["state"] != "shutting-down");
    its.map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}
