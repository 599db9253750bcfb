//! The whole product with other rights: `make demo` and what one does after it, as root, as an ordinary user whom this
//! machine does not know, and as root with the rights of an ordinary container. Each names the isolation that it used.
//!
//! What `make package` builds is taken, and everything else is new: home, cache and checkout lie in a folder of the user's,
//! and afterwards nothing else may be left. Without root there are only the rights that one has; what cannot run says why
//! and passes, unless `GOLDSMITH_REQUIRE_E2E=1`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what helps a test may fail the test")]

mod account;
mod cases;
mod checkout;
mod left;
mod rights;
#[path = "../../../infra/local/tests/common/rights/setpriv.rs"]
mod setpriv;
mod tour;
#[expect(dead_code, reason = "another suite uses the rest")]
#[path = "../../../infra/local/tests/common/guests/traces.rs"]
mod traces;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use account::Account;
use rights::Rights;

/// Each kind of rights, by the name of its test.
const RIGHTS: [(&str, Rights); 4] = [
    ("root_runs_the_whole_product", Rights::Root),
    ("an_ordinary_user_runs_the_whole_product", Rights::User),
    ("root_in_a_container_runs_the_whole_product", Rights::Container),
    ("root_in_a_strict_container_runs_the_whole_product", Rights::StrictContainer),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    // What the product leaves running would be lost to the suite otherwise.
    traces::adopt_orphans();
    // The two in a container take minutes more: `make isolations`.
    let is_slow = |rights| matches!(rights, Rights::Container | Rights::StrictContainer);
    let trial = |(name, rights)| Trial::ignorable_test(name, move || run(rights)).with_ignored_flag(is_slow(rights));
    libtest_mimic::run(&arguments, RIGHTS.map(trial).into()).exit_code()
}

/// The whole product with these rights, where they can be had and are enough.
fn run(rights: Rights) -> Result<Completion, Failed> {
    match checkout::check().and_then(|()| rights.check()) {
        Ok(()) => {
            whole_product(rights);
            Ok(Completion::Completed)
        }
        Err(missing) if std::env::var("GOLDSMITH_REQUIRE_E2E").is_ok_and(|value| value == "1") => Err(missing.into()),
        Err(missing) => Ok(Completion::ignored_with(missing)),
    }
}

fn whole_product(rights: Rights) {
    let account = Account::new(rights);
    let isolation = tour::demo(&account);
    tour::look_around(&account);
    tour::fail(&account);
    tour::cancel(&account);
    let instances = account.instances();
    let down = account.goldsmith(&["local", "down"]);
    assert_eq!(down.exit, 0, "{down:?}");
    left::assert_nothing(&account, &instances);
    // As root, the end-to-end suite runs all of its cases. Where every disk is a copy, a handful of builds takes minutes.
    if matches!(rights, Rights::User | Rights::Container) {
        let cases = cases::run(&account, &isolation);
        left::assert_nothing(&account, &instances);
        println!("{}: {cases} end-to-end cases with the isolation {isolation}", rights.whose());
    }
}
