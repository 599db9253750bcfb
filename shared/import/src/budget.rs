//! How much work one import does at most: a source from elsewhere must not keep this machine busy, or fill its memory.

use std::cell::Cell;

/// Longest text that a template or a function makes, in bytes.
pub(crate) const MAX_TEXT: usize = 1024 * 1024;
/// Most resources, modules or blocks that one block stands for.
pub(crate) const MAX_INSTANCES: usize = 1000;
/// Most steps of one import. An expression is a step, and so is each value in its result.
const MAX_STEPS: usize = 3_000_000;
/// Most calls of modules that are read. Each one is read twice at least.
const MAX_MODULES: usize = 1000;
/// Bytes of a text that count as one step.
const BYTES_OF_STEP: usize = 128;

/// What is left of the work that an import may do.
#[derive(Debug)]
pub(crate) struct Budget {
    steps: Cell<usize>,
    modules: Cell<usize>,
    is_out_of_modules: Cell<bool>,
    is_text_cut: Cell<bool>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            steps: Cell::new(MAX_STEPS),
            modules: Cell::new(MAX_MODULES),
            is_out_of_modules: Cell::new(false),
            is_text_cut: Cell::new(false),
        }
    }
}

impl Budget {
    /// Takes steps, and returns whether there were so many left. Otherwise there are none from now on.
    pub(crate) fn spend(&self, steps: usize) -> bool {
        self.steps.set(self.steps.get().saturating_sub(steps));
        !self.is_out()
    }

    /// Takes the steps of a text.
    pub(crate) fn spend_text(&self, bytes: usize) -> bool {
        self.spend(steps_of(bytes))
    }

    /// Returns whether nothing more is evaluated.
    pub(crate) fn is_out(&self) -> bool {
        self.steps.get() == 0
    }

    /// Takes a module, and returns whether it may be read.
    pub(crate) fn spend_module(&self) -> bool {
        let left = self.modules.get().checked_sub(1);
        self.is_out_of_modules.set(left.is_none());
        self.modules.set(left.unwrap_or(0));
        left.is_some()
    }

    /// Returns whether a module was not read.
    pub(crate) fn is_out_of_modules(&self) -> bool {
        self.is_out_of_modules.get()
    }

    /// Returns whether a text may have so many bytes.
    pub(crate) fn allows_text(&self, bytes: usize) -> bool {
        let is_allowed = bytes <= MAX_TEXT;
        self.is_text_cut.set(self.is_text_cut.get() || !is_allowed);
        is_allowed
    }

    /// Returns why something is missing from the import, and what to do, for each limit that was reached.
    pub(crate) fn remarks(&self) -> Vec<(String, &'static str)> {
        let mut remarks = Vec::new();
        if self.is_out() {
            let why = format!("it takes more than {MAX_STEPS} steps to evaluate: the other values are not known");
            remarks.push((why, "shorten its loops, or import its folders one by one"));
        }
        if self.is_out_of_modules() {
            let why = format!("it calls modules more than {MAX_MODULES} times: the other calls were left out");
            remarks.push((why, "import its folders one by one"));
        }
        if self.is_text_cut.get() {
            let why = format!("an expression makes a text of more than {MAX_TEXT} bytes: its value is not known");
            remarks.push((why, "shorten the text, such as the loop in its template"));
        }
        remarks
    }
}

/// Returns the steps of a text.
pub(crate) fn steps_of(bytes: usize) -> usize {
    1 + bytes / BYTES_OF_STEP
}
