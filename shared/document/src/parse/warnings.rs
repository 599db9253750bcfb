//! Things that are legal but harmful: warnings, never errors.

use super::Parse;
use super::shell::{asks_metadata_without_token, commands, skips_patches, stops_at_errors};
use crate::action::Module;
use crate::reference::Chain;
use crate::secret::{INSTEAD_OF_SECRET, SECRET, looks_like_secret};
use crate::yaml::Span;
use crate::{Action, Platform, Spanned, suggestion};

/// Phases that run when an image is built.
const PHASES: [&str; 4] = ["build", "validate", "test", "container-host-test"];

/// Phases of the stage that runs on a different machine than all other phases.
const TEST_PHASES: [&str; 2] = ["test", "container-host-test"];

impl Parse<'_> {
    /// Warns of a script of several commands that continues after a command has failed. `key` is the place where its
    /// inputs begin.
    pub(super) fn warn_of_script(&mut self, action: &Action, key: Span) {
        let Action::ExecuteBash(bash) = action else { return };
        let texts = || bash.commands.iter().map(|command| command.raw.as_str());
        if texts().map(commands).sum::<usize>() > 1 && !texts().any(stops_at_errors) {
            let span = bash.commands.first().map_or(key, |command| command.span);
            let help = "begin with `set -e`; otherwise only the last command decides whether the step fails";
            let message = "this script continues after a command fails";
            self.reader.warning_with_help(span, "no-set-e", message, Some(help.to_owned()));
        }
    }

    /// Warns of commands that succeed without doing their work.
    pub(super) fn warn_of_commands(&mut self, action: &Action) {
        let Action::ExecuteBash(bash) = action else { return };
        for command in &bash.commands {
            if skips_patches(&command.raw) {
                let message = "`zypper patch` skips patches that need a reboot and still exits with 0";
                let help = "add `--non-interactive-include-reboot-patches`; otherwise security patches may be missing";
                self.reader.warning_with_help(command.span, "skipped-patches", message, Some(help.to_owned()));
            }
            if asks_metadata_without_token(&command.raw) {
                let message = "the instance metadata service accepts only requests with a token";
                let help = "get a token with PUT `/latest/api/token`, or write `{{ aws:imds:instance-id }}`";
                self.reader.warning_with_help(command.span, "metadata-token", message, Some(help.to_owned()));
            }
        }
    }

    /// Warns of a secret, which everyone who can read the document can read. `field` is the name of its place in the
    /// message.
    pub(super) fn warn_of_secret(&mut self, name: &str, field: &str, value: &Spanned<String>) {
        if looks_like_secret(name, &value.value) {
            let message = format!("the `{field}` of `{name}` looks like a secret, which a document should not contain");
            self.reader.warning_with_help(value.span, SECRET, message, Some(INSTEAD_OF_SECRET.to_owned()));
        }
    }

    /// Warns of a default or constant with references, which are not replaced.
    pub(super) fn warn_of_reference(&mut self, value: &Spanned<String>) {
        if let Some((_, rest)) = value.value.split_once("{{")
            && rest.contains("}}")
        {
            let message = "references in the value of a parameter or constant are not replaced";
            self.reader.warning(value.span, "unused-reference", message);
        }
    }

    /// Warns of the first `UpdateOS`. EC2 Image Builder rejects it on systems where it works here.
    pub(super) fn warn_of_update(&mut self, module: Module, span: Span) {
        let elsewhere = self.target.platform.is_some_and(|platform| platform != Platform::Linux);
        if module == Module::UpdateOS && !elsewhere && !std::mem::replace(&mut self.warned_of_update, true) {
            let message = "EC2 Image Builder itself cannot run this on Amazon Linux 2023, Fedora or SUSE";
            let help = Some("no change is needed unless Image Builder must run the document too".to_owned());
            self.reader.warning_with_help(span, "portability", message, help);
        }
    }

    /// Warns of a phase whose name resembles a phase of image builds but differs from it.
    pub(super) fn warn_of_phase(&mut self, name: &Spanned<String>) {
        let near = suggestion(&name.value, &PHASES).filter(|_| !PHASES.contains(&name.value.as_str()));
        if near.is_some() {
            let message = format!("no image build runs the phase `{}`", name.value);
            self.reader.warning_with_help(name.span, "phase-name", message, near);
        }
    }

    /// Warns of a reference from a test to a build. In every image build, these are two runs on two machines.
    pub(super) fn warn_of_stage(&mut self, chain: &Chain, span: Span) {
        let at = |phase: &str| TEST_PHASES.contains(&phase);
        let Some(reading) = self.scope.steps.get(self.scope.reached) else { return };
        if at(&reading.phase) && !at(&chain.phase) {
            let message = format!(
                "when an image is built, `{}` runs on a different machine than `{}`",
                reading.phase, chain.phase
            );
            let help =
                Some("there the step fails because this value is missing; it works only in a direct run".to_owned());
            self.reader.warning_with_help(span, "other-stage", message, help);
        }
    }
}
