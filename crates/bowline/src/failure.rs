//! Errors that say what to do next.

use bowline_engine::finding::line;

/// What went wrong in one sentence, with hints on how to go on and the exit code of the program.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Failure {
    text: String,
    hints: Vec<String>,
    code: u8,
    offline: bool,
}

impl Failure {
    /// A failure with exit code 1 and no hint.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hints: Vec::new(), code: 1, offline: false }
    }

    /// A failure that means that there is no API server to talk to.
    pub(crate) fn offline(text: impl Into<String>) -> Self {
        Self { offline: true, ..Self::new(text) }
    }

    /// Adds a line that helps.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a line that helps, if there is one.
    #[must_use]
    pub(crate) fn maybe_hint(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// Sets the exit code.
    #[must_use]
    pub(crate) fn code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }
}

/// Whether an error means that there is no API server to talk to.
pub(crate) fn is_offline(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<Failure>()).any(|failure| failure.offline)
}

/// What the user is told about an error: one text, hints, and the exit code.
pub(crate) struct Report {
    pub(crate) text: String,
    pub(crate) hints: Vec<String>,
    pub(crate) code: u8,
}

/// Puts an error with its causes into words.
pub(crate) fn explain(error: &anyhow::Error) -> Report {
    let failures: Vec<&Failure> = error.chain().filter_map(|cause| cause.downcast_ref()).collect();
    Report {
        text: line(error.chain().map(words)),
        hints: failures.iter().flat_map(|failure| failure.hints.clone()).collect(),
        code: failures.first().map_or(1, |failure| failure.code),
    }
}

/// [`explain`] for a standard error, without hints.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    line(std::iter::successors(Some(error), |error| error.source()).map(words))
}

/// What one cause says. The client prints an answer of the API server with all its fields; its message says it all.
fn words(cause: &(dyn std::error::Error + 'static)) -> String {
    let answer = match cause.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) => Some(status),
        // Its own cause is the same once more.
        _ => cause.downcast_ref::<Box<kube::core::Status>>(),
    };
    match answer.map(|status| status.message.as_str()) {
        Some(message) if !message.is_empty() => message.to_owned(),
        _ => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::{Failure, explain};

    #[test]
    fn hints_and_code_survive_context() {
        let result: Result<(), _> = Err(Failure::new("no such thing").hint("make one").code(3));
        let report = explain(&result.context("failed to look").unwrap_err());
        assert_eq!(report.text, "failed to look: no such thing");
        assert_eq!((report.hints, report.code), (vec!["make one".to_owned()], 3));
    }

    #[test]
    fn an_answer_of_the_api_server_is_told_by_its_message() {
        let status = kube::core::Status::failure("pods is forbidden", "Forbidden").with_code(403);
        let error = anyhow::Error::from(kube::Error::Api(Box::new(status)));
        assert_eq!(explain(&error.context("list")).text, "list: pods is forbidden");
    }

    #[test]
    fn a_cause_that_is_already_in_the_text_is_not_repeated() {
        let error = anyhow::anyhow!("refused").context("connect: refused");
        assert_eq!(explain(&error).text, "connect: refused");
    }
}
