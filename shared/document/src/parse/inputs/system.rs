//! Inputs of the actions on the operating system.

use super::fields::default_setting;
use super::{Fields, Parse};
use crate::yaml::Span;
use crate::{Reboot, UpdateOs};

/// Seconds before a reboot if the document does not say otherwise.
const DELAY: &str = "0";

/// Returns the inputs of a reboot that has none.
pub(super) fn default_reboot(span: Span) -> Reboot {
    Reboot { delay_seconds: default_setting(DELAY, span) }
}

impl Parse<'_> {
    pub(super) fn reboot(&mut self, fields: &mut Fields<'_>) -> Option<Reboot> {
        Some(Reboot { delay_seconds: self.value_or(fields, "delaySeconds", DELAY) })
    }

    pub(super) fn update_os(&mut self, fields: &mut Fields<'_>) -> Option<UpdateOs> {
        let include = self.optional_texts(fields, "include", "an update");
        let exclude = self.optional_texts(fields, "exclude", "an update");
        Some(UpdateOs { include, exclude })
    }
}
