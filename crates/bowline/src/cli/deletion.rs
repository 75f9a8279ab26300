//! What all `delete` commands share: which objects, and whether that is really meant.

use bowline_api::Kind;

use crate::cluster::{Cluster, Fetched};
use crate::failure::Failure;
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

impl Deletion {
    /// The objects to delete, after they have been found and the user has agreed.
    pub(crate) async fn agreed<K: Kind>(
        &self,
        session: &Session,
        cluster: &Cluster,
        noun: &str,
    ) -> anyhow::Result<Vec<Fetched<K>>> {
        self.check(session, noun)?;
        let found = self.find::<K>(session, cluster).await?;
        if found.is_empty() {
            session.screen.line(format!("No {noun}s found"))?;
        } else if !self.confirm && !session.screen.confirm(&question(noun, &found))? {
            return Ok(Vec::new());
        }
        Ok(found)
    }

    fn check(&self, session: &Session, noun: &str) -> anyhow::Result<()> {
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
        if !self.confirm && !session.environment.stdin_terminal {
            return Err(Failure::new(format!("nobody is here to confirm that {noun}s are deleted"))
                .hint("add --confirm to delete without being asked")
                .into());
        }
        Ok(())
    }

    /// What is not there need not be deleted: that is told, and is no error.
    async fn find<K: Kind>(&self, session: &Session, cluster: &Cluster) -> anyhow::Result<Vec<Fetched<K>>> {
        if self.names.is_empty() {
            return cluster.list::<K>(self.selector.as_deref().unwrap_or_default()).await;
        }
        let mut found = Vec::with_capacity(self.names.len());
        for name in &self.names {
            match cluster.find::<K>(name).await? {
                Some(object) => found.push(object),
                None => {
                    session.screen.note(format!("{}.{} {name:?} not found", K::PLURAL, bowline_api::GROUP));
                }
            }
        }
        Ok(found)
    }
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
