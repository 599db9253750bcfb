//! `goldsmith completion SHELL`: the script that lets a shell complete commands, options and their values.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use crate::args::Globals;
use crate::exit::Exit;
use crate::output;

/// Print the script that lets a shell complete the commands and options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  goldsmith completion bash > ~/.local/share/bash-completion/completions/goldsmith
  goldsmith completion zsh > ~/.zfunc/_goldsmith
  goldsmith completion fish > ~/.config/fish/completions/goldsmith.fish")]
pub(crate) struct Args {
    /// The shell that reads the script.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    output::require_text(globals, "the script of a shell")?;
    output::line(script(args.shell).trim_end())?;
    Ok(Exit::Success)
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "goldsmith", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use clap_complete::Shell;

    use super::script;

    #[test]
    fn bash_completes_commands_and_options() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("goldsmith");
        std::fs::write(&file, script(Shell::Bash)).unwrap();
        let completed = |words: &[&str]| {
            let last = words.len() - 1;
            let script = format!(
                "source {}; COMP_WORDS=({}); COMP_CWORD={last}; _goldsmith goldsmith '{}' '{}'; echo ${{COMPREPLY[@]}}",
                file.display(),
                words.join(" "),
                words[last],
                words[last - 1]
            );
            let output = Command::new("bash").args(["--norc", "-c", &script]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        assert_eq!(completed(&["goldsmith", "promo"]), "promote");
        assert_eq!(completed(&["goldsmith", "show", "--outp"]), "--output");
        assert_eq!(completed(&["goldsmith", "show", "--output", "js"]), "json");
    }

    #[test]
    fn the_scripts_of_other_shells_name_all_commands() {
        for shell in [Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            assert!(["plan", "rollback", "retention"].iter().all(|name| script.contains(name)), "{shell}");
        }
    }
}
