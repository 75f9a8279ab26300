//! `get` of any kind: a table, or the objects as they are.

use std::collections::BTreeMap;

use clap::ValueEnum;
use futures::StreamExt;
use kube::Api;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;

use crate::cluster::{Cluster, Fetched};
use crate::failure::causes;
use crate::output::encode::{Encoding, bundle, encode};
use crate::output::table::{Columns, Extra, Listed, render};
use crate::output::time::Now;
use crate::session::Session;

/// Which objects to show, and how.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Query {
    /// Names of the objects; none means all
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    shape: Shape,
    /// Show changes as they happen, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

/// Which of the objects that are not named.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Selection {
    /// Only objects with these labels: app=web, tier in (a,b), !debug
    #[arg(short = 'l', long, value_name = "SELECTOR", default_value = "", hide_default_value = true)]
    pub(crate) selector: String,
}

/// How to show objects.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Shape {
    /// Form of the output: table, wide, json, yaml or name
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t = Form::Table)]
    pub(crate) output: Form,
    #[command(flatten)]
    labels: Labels,
}

/// Columns with labels.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Flags")]
pub(crate) struct Labels {
    /// Labels to show as columns, separated by commas
    #[arg(short = 'L', long, value_name = "LIST")]
    label_columns: Vec<String>,
    /// Show all labels in the last column
    #[arg(long)]
    show_labels: bool,
}

impl Labels {
    fn extra(&self, wide: bool) -> Extra {
        Extra { wide, labels: self.show_labels, label_columns: self.label_columns.clone() }
    }
}

/// Forms of the output of `get`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    Table,
    Wide,
    Json,
    Yaml,
    Name,
}

/// What `create` does with its object.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Flags")]
pub(crate) struct Dry {
    /// Print the object as json, yaml or table, and create nothing
    #[arg(short, long, value_name = "FORM", value_enum)]
    output: Option<Form>,
    #[command(flatten)]
    labels: Labels,
}

impl Dry {
    /// The form that was asked for.
    pub(crate) fn form(&self) -> Option<Form> {
        self.output
    }

    /// Prints the object if that was asked for instead of creating it.
    pub(crate) fn print<K: Listed>(&self, session: &Session, object: &K) -> anyhow::Result<bool> {
        let Some(form) = self.output else { return Ok(false) };
        let mut object = object.clone();
        object.meta_mut().namespace = Some(session.namespace().to_owned());
        let extra = self.labels.extra(form == Form::Wide);
        show(session, form, &extra, &[Fetched::of(object)?])?;
        Ok(true)
    }
}

impl Query {
    /// Shows the objects.
    pub(crate) async fn run<K: Listed>(self, session: &Session) -> anyhow::Result<()> {
        let cluster = session.cluster().await?;
        let found = select::<K>(&cluster, &self.names, &self.selection.selector).await?;
        let seen = found.iter().map(|fetched| version(&fetched.object)).collect();
        self.print(session, &found)?;
        if !self.watch {
            return Ok(());
        }
        let printed: Vec<&K> = found.iter().map(|fetched| &fetched.object).collect();
        let columns = Columns::of(&printed, &self.extra(), &Now::here());
        self.follow::<K>(session, &cluster, seen, columns).await
    }

    /// Prints objects that have been read, also from elsewhere than the cluster.
    pub(crate) fn print<K: Listed>(&self, session: &Session, found: &[Fetched<K>]) -> anyhow::Result<()> {
        show(session, self.shape.output, &self.extra(), found)
    }

    fn extra(&self) -> Extra {
        self.shape.labels.extra(self.shape.output == Form::Wide)
    }

    /// The names that were asked for.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Prints every object anew when it changes.
    async fn follow<K: Listed>(
        &self,
        session: &Session,
        cluster: &Cluster,
        mut seen: BTreeMap<String, Option<String>>,
        mut columns: Columns,
    ) -> anyhow::Result<()> {
        let api: Api<K> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
        let config = watcher::Config::default().labels(&self.selection.selector);
        let mut events = std::pin::pin!(watcher(api, config).default_backoff());
        let mut interrupted = false;
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) if is_refused(&error) => return Err(error.into()),
                // The API server may be back in a moment; the watch is taken up again then.
                Err(error) => {
                    if !std::mem::replace(&mut interrupted, true) {
                        session.screen.note(format!("interrupted, trying again: {}", causes(&error)));
                    }
                    continue;
                }
            };
            interrupted = false;
            // A new connection tells everything again; what has not changed is not news.
            let (Event::Apply(object) | Event::InitApply(object)) = event else { continue };
            let (name, version) = version(&object);
            let wanted = self.names.is_empty() || self.names.contains(&name);
            if wanted && seen.insert(name, version.clone()) != Some(version) {
                self.print_change(session, &mut columns, Fetched::of(object)?)?;
            }
        }
        Ok(())
    }

    /// A row without the header, or the whole object.
    fn print_change<K: Listed>(
        &self,
        session: &Session,
        columns: &mut Columns,
        changed: Fetched<K>,
    ) -> anyhow::Result<()> {
        let (Form::Table | Form::Wide) = self.shape.output else {
            return self.print(session, &[changed]);
        };
        Ok(session.screen.print(columns.row(&changed.object, &self.extra(), &Now::here()))?)
    }
}

/// Whether the API server answered that this may not or can't be watched.
fn is_refused(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(cause)
    | watcher::Error::WatchStartFailed(cause)
    | watcher::Error::WatchFailed(cause)) = error
    else {
        return false;
    };
    matches!(cause, kube::Error::Api(status) if matches!(status.code, 401 | 403 | 404 | 405))
}

/// Name and version of an object.
fn version<K: Listed>(object: &K) -> (String, Option<String>) {
    let meta = object.meta();
    (meta.name.clone().unwrap_or_default(), meta.resource_version.clone())
}

/// The named objects, or all that a selector matches.
pub(crate) async fn select<K: Listed>(
    cluster: &Cluster,
    names: &[String],
    selector: &str,
) -> anyhow::Result<Vec<Fetched<K>>> {
    if names.is_empty() {
        let found = cluster.list::<K>(selector).await?;
        if found.is_empty() && selector.is_empty() {
            cluster.check_namespace().await?;
        }
        return Ok(found);
    }
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        found.push(cluster.get::<K>(name).await?);
    }
    Ok(found)
}

fn show<K: Listed>(session: &Session, form: Form, extra: &Extra, found: &[Fetched<K>]) -> anyhow::Result<()> {
    let text = match form {
        Form::Table | Form::Wide => {
            let objects: Vec<&K> = found.iter().map(|fetched| &fetched.object).collect();
            render(&objects, extra, &Now::here())
        }
        Form::Name => {
            let name =
                |found: &Fetched<K>| format!("{}.{}/{}", singular::<K>(), bowline_api::GROUP, found.name());
            lines(found.iter().map(name))
        }
        Form::Json => encode(&together(found)?, Encoding::Json)?,
        Form::Yaml => encode(&together(found)?, Encoding::Yaml)?,
    };
    Ok(session.screen.print(text)?)
}

/// Lines that each end in a newline.
pub(crate) fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.fold(String::new(), |text, line| text + &line + "\n")
}

fn together<K: Listed>(found: &[Fetched<K>]) -> anyhow::Result<Value> {
    let trees = found.iter().map(Fetched::tree).collect::<anyhow::Result<_>>()?;
    Ok(bundle(trees, K::API_VERSION, K::KIND))
}

fn singular<K: Listed>() -> String {
    K::KIND.to_lowercase()
}
