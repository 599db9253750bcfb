//! Playbooks of Ansible, which run on the instance itself.

use super::provisioner::{FOLDER, Provisioner};
use super::steps::{Steps, escaped, quoted};
use crate::finding::Outcome;

impl Provisioner<'_, '_> {
    pub(super) fn ansible(&mut self, steps: &mut Steps, word: &str) {
        let playbooks = self.texts(&["playbookFile", "playbookFiles"]);
        let arguments: Vec<String> =
            self.texts(&["extraArguments"]).iter().map(|word| quoted(&escaped(word))).collect();
        let _ = (self.fields.take("user"), self.fields.take("useProxy"), self.fields.take("command"));
        let inventory = self.inventory(steps, word);
        for playbook in playbooks {
            let Some(text) = self.read(steps, "playbookFile", &playbook) else { continue };
            // Without a parser of playbooks, a word that reads a file is enough to ask a person. Too many questions
            // cost less than a role that is missing in an image.
            let includes = ["roles:", "include", "import_", "vars_files:", "src:", "lookup("];
            if includes.iter().any(|word| text.contains(word)) {
                let why = format!("the files that {playbook} includes are not in the component");
                steps.leave_to_fill_in(&why);
                self.tell(
                    Outcome::ToFillIn,
                    "playbookFile",
                    why,
                    "copy roles and files to the instance in an earlier step, such as `S3Download`",
                );
            }
            let path = format!("{FOLDER}-playbook-{}.yml", steps.len() + 1);
            steps.create(&path, &escaped(&text), None);
            let mut words = vec!["ansible-playbook".to_owned(), format!("--inventory={inventory}")];
            words.push("--connection=local".to_owned());
            words.extend(arguments.iter().cloned());
            words.push(path);
            steps.bash(vec![words.join(" ")], None);
        }
        if word == "ansible" {
            let why = "Packer runs Ansible on its own machine";
            self.tell(
                Outcome::Changed,
                "playbookFile",
                why,
                "here, it runs on the instance: install ansible-core in an earlier component",
            );
        }
    }

    /// Returns the inventory with the one host that playbooks know, and with its groups if there are any.
    fn inventory(&mut self, steps: &mut Steps, word: &str) -> String {
        // These are the names that the two provisioners write into their inventories.
        let host = match word {
            "ansible" => self.text("hostAlias").unwrap_or_else(|| "default".to_owned()),
            _ => "127.0.0.1".to_owned(),
        };
        let groups = self.texts(&["groups", "inventoryGroups"]);
        let empty = self.texts(&["emptyGroups"]);
        if groups.is_empty() && empty.is_empty() {
            // The comma makes it a list of hosts: without it, Ansible reads a file of this name.
            return quoted(&format!("{host},"));
        }
        let mut lines = vec![host.clone()];
        lines.extend(groups.iter().map(|group| format!("[{group}]\n{host}")));
        lines.extend(empty.iter().map(|group| format!("[{group}]")));
        let path = format!("{FOLDER}-inventory-{}", steps.len() + 1);
        steps.create(&path, &escaped(&format!("{}\n", lines.join("\n"))), None);
        path
    }
}
