//! Checks the names of stacks: the name becomes part of the names of functions and of the paths of parameters.

/// Maximum length of a stack's name: a function's name has at most 64 characters, and `-execute-phase` takes 14 of
/// them.
const LONGEST: usize = 64 - "-execute-phase".len();

/// Names with which the stack's configuration would be at a path below `/goldsmith` that others may read.
const TAKEN: [&str; 2] = ["build", "examples"];

/// Checks whether Goldsmith can be deployed under this name. Returns the problem if it cannot.
pub(crate) fn check(name: &str) -> Result<(), String> {
    // CloudFormation's own rule is `[a-zA-Z][-a-zA-Z0-9]*`.
    if !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        return Err("the name of a stack must begin with a letter".to_owned());
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err("the name of a stack may have only letters, digits and hyphens".to_owned());
    }
    if name.len() > LONGEST {
        return Err(format!(
            "the name of a stack has at most {LONGEST} characters, because names of functions have at most 64"
        ));
    }
    if TAKEN.contains(&name) {
        return Err(format!("a stack cannot be named {name}: others may read the parameters below /goldsmith/{name}/"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cloudformation_takes_and_functions_have_room_for_is_a_name() {
        for name in ["goldsmith", "g", "Team-1", "builds", "example", "trailing-", &"a".repeat(50)] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_rule_that_it_breaks() {
        let long = "a".repeat(51);
        for (name, rule) in [
            ("", "must begin with a letter"),
            ("1st", "must begin with a letter"),
            ("-a", "must begin with a letter"),
            ("ärger", "must begin with a letter"),
            ("under_score", "letters, digits and hyphens"),
            ("a/b", "letters, digits and hyphens"),
            ("a\n", "letters, digits and hyphens"),
            (&long, "at most 50 characters"),
            ("build", "/goldsmith/build/"),
            ("examples", "/goldsmith/examples/"),
        ] {
            let refusal = check(name).unwrap_err();
            assert!(refusal.contains(rule), "{name}: {refusal}");
        }
    }

    #[test]
    fn the_longest_function_of_the_template_fits_behind_the_longest_name() {
        let template = include_str!("../../infra/template.yaml");
        let suffixes = template.lines().filter_map(|line| {
            line.trim().strip_prefix("FunctionName: !Sub \"${AWS::StackName}")?.strip_suffix('"').map(str::len)
        });
        assert_eq!(suffixes.max().map(|suffix| LONGEST + suffix), Some(64));
    }
}
