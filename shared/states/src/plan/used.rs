//! The name of an execution that a build had before.

use goldsmith_store::BuildRecord;

use super::refused;
use crate::Error;

/// Step Functions forgets the name of an execution after 90 days, and whoever gives names may then give it again.
pub(super) fn used_before(record: &BuildRecord) -> Error {
    refused(format!(
        "the build {} has ended, as {}: start another one under a name that no build has had yet",
        record.build, record.image
    ))
}

#[cfg(test)]
mod tests {
    use crate::State;
    use crate::testing::{Stack, Task, whole_build};

    #[tokio::test]
    async fn a_name_that_a_build_had_before_is_refused_and_that_build_stays_as_it_ended() {
        let stack = Stack::new().await;
        for task in whole_build() {
            stack.run(&task).await.unwrap();
        }
        let (record, image) = (stack.record().await, stack.image().await);
        let refused = stack.run(&Task::new(State::Plan)).await.unwrap_err();
        assert_eq!(refused.error, "Goldsmith.Refused");
        let message =
            format!("has ended, as {}: start another one under a name that no build has had yet", image.image);
        assert!(refused.cause.contains(&message), "{}", refused.cause);
        let ended = stack.run(&Task { error: Some(refused), ..Task::new(State::FinishFailed) }).await.unwrap();
        assert!(ended["cause"].as_str().unwrap().contains(&message), "{ended}");
        assert_eq!((stack.record().await, stack.image().await), (record, image));
    }
}
