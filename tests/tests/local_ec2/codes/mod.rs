//! Every error code that the endpoint knows is met once by a call that deserves it. The codes are read from its sources:
//! a new one fails this case until it has a call here.

mod images;
mod instances;
mod networks;
mod rules;
mod sources;
mod systems_manager;
mod templates;

use std::collections::BTreeSet;

use aws_sdk_ec2::error::ProvideErrorMetadata;

use crate::caller::code;
use crate::local::Local;

/// Ids that are well formed, and unknown.
const NO_IMAGE: &str = "ami-0123456789abcdef0";
const NO_INSTANCE: &str = "i-0123456789abcdef0";

/// The codes that were met.
#[derive(Default)]
struct Met(BTreeSet<String>);

impl Met {
    /// A call that was refused with this code.
    #[track_caller]
    fn refused<T, E: ProvideErrorMetadata>(&mut self, expected: &str, answer: Result<T, E>) {
        assert_eq!(code(answer), expected);
        self.0.insert(expected.to_owned());
    }
}

pub(crate) async fn every_code_has_a_case(local: &Local) {
    let mut met = Met::default();
    instances::meet(&mut met, local).await;
    images::meet(&mut met, local).await;
    networks::meet(&mut met, local).await;
    rules::meet(&mut met, local).await;
    templates::meet(&mut met, local).await;
    systems_manager::meet(&mut met, local).await;
    let known = sources::codes();
    let missing: Vec<_> = known.difference(&met.0).collect();
    assert!(missing.is_empty(), "codes without a case: {missing:?}");
    let strange: Vec<_> = met.0.difference(&known).collect();
    assert!(strange.is_empty(), "the sources do not name these codes as such: {strange:?}");
}
