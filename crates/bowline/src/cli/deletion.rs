//! What all `delete` commands share: which objects, whether that is really meant, and what becomes of the rest when one can't be deleted.

use bowline_api::Kind;

use crate::cluster::{Cluster, Fetched};
use crate::failure::{Failure, explain};
use crate::output::screen::Answer;
use crate::session::Session;

/// Which objects to delete.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Deletion {
    /// Names of the objects
    #[arg(value_name = "NAME", conflicts_with_all = ["all", "selector"])]
    names: Vec<String>,
    /// All of them
    #[arg(long, conflicts_with = "selector")]
    all: bool,
    /// Those with these labels: app=web, tier in (a,b), !debug
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Do it without asking
    #[arg(long)]
    confirm: bool,
}

/// What a name of nothing means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The others are deleted, and it is an error at the end; when none is there, there is nothing to do.
    Told,
    /// An error before anything is deleted.
    Refused,
}

impl Deletion {
    /// Deletes each of the objects, after they have been found and the user has agreed. One that can't be deleted does not save the
    /// others; its error is that of the command.
    pub(crate) async fn each<K: Kind>(
        &self,
        session: &Session,
        noun: &str,
        missing: Missing,
        delete: impl AsyncFn(&Cluster, &Fetched<K>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.check(noun)?;
        let answered = self.confirm || session.environment.stdin_terminal;
        if !answered && !agreed(session, noun, "")? {
            return Ok(());
        }
        let cluster = session.cluster().await?;
        let (found, mut errors) = self.find::<K>(&cluster).await?;
        if missing == Missing::Refused && !errors.is_empty() {
            return Err(together(errors));
        }
        if found.is_empty() {
            for error in errors {
                session.screen.note(explain(&error).text);
            }
            return Ok(session.screen.line(format!("No {noun}s found"))?);
        }
        if !self.confirm && answered && !agreed(session, noun, &question(noun, &found))? {
            return Ok(());
        }
        for object in &found {
            if let Err(error) = delete(&cluster, object).await {
                errors.push(error);
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(together(errors)) }
    }

    fn check(&self, noun: &str) -> anyhow::Result<()> {
        if self.names.is_empty() && !self.all && self.selector.is_none() {
            return Err(Failure::new(format!("which {noun} is to be deleted?"))
                .hint("give names, a label selector by -l, or --all")
                .into());
        }
        if self.selector.as_deref().is_some_and(|selector| selector.trim().is_empty()) {
            return Err(Failure::new(format!("-l is empty, which would delete every {noun}"))
                .hint("if that is meant, say --all")
                .into());
        }
        Ok(())
    }

    /// The objects, and an error for each name of nothing.
    async fn find<K: Kind>(
        &self,
        cluster: &Cluster,
    ) -> anyhow::Result<(Vec<Fetched<K>>, Vec<anyhow::Error>)> {
        if self.names.is_empty() {
            let found = cluster.list::<K>(self.selector.as_deref().unwrap_or_default()).await?;
            return Ok((found, Vec::new()));
        }
        let (mut found, mut errors) = (Vec::with_capacity(self.names.len()), Vec::new());
        for name in &self.names {
            match cluster.find::<K>(name).await? {
                Some(object) => found.push(object),
                None => errors.push(cluster.not_found::<K>(name).await),
            }
        }
        Ok((found, errors))
    }
}

/// Whether the user agrees. Where nobody answers, that is an error: what was asked for is not done.
fn agreed(session: &Session, noun: &str, question: &str) -> anyhow::Result<bool> {
    match session.screen.confirm(question)? {
        Answer::Yes => Ok(true),
        Answer::No => Ok(false),
        Answer::Nobody => Err(Failure::new(format!("nobody is here to confirm that {noun}s are deleted"))
            .hint("add --confirm to delete without being asked")
            .into()),
    }
}

/// Several errors as one, with the hints of all.
fn together(mut errors: Vec<anyhow::Error>) -> anyhow::Error {
    if errors.len() == 1 {
        return errors.remove(0);
    }
    let reports: Vec<_> = errors.iter().map(explain).collect();
    let texts: Vec<&str> = reports.iter().map(|report| report.text.as_str()).collect();
    let mut hints: Vec<String> = Vec::new();
    for hint in reports.iter().flat_map(|report| &report.hints) {
        if !hints.contains(hint) {
            hints.push(hint.clone());
        }
    }
    hints.into_iter().fold(Failure::new(texts.join("; ")), Failure::hint).into()
}

fn question<K: Kind>(noun: &str, found: &[Fetched<K>]) -> String {
    const SHOWN: usize = 10;
    let names: Vec<&str> = found.iter().take(SHOWN).map(Fetched::name).collect();
    let more = match found.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("Delete {noun} {}{more}?", names.join(", "))
}
