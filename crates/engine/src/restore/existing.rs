//! What is there already, seen in passing: a section's list is read page by page, and each object on it meets its counterpart of
//! the backup at once. So thousands of objects that exist cost a few requests, and no memory.

use std::sync::Arc;

use tracing::Instrument as _;

use super::namespace::Found;
use super::place::Existing;
use super::run::Run;
use super::wave::Section;
use crate::archive::spool::EntryId;
use crate::budget::Share;
use crate::catalog::Kind;
use crate::object::Page;
use crate::port::{ClusterError, ListQuery, PageRequest};
use crate::trace;

/// Objects per page of a list.
const PAGE: u32 = 500;
/// Most bytes of a page; a list of larger objects is read in smaller pages.
const PAGE_BYTES: usize = 8 << 20;
/// What the first page is expected to hold; later ones are expected to be like the one before.
const FIRST_PAGE_BYTES: usize = 1 << 20;
/// A list this many times longer than the section is not read: asking for the few objects is cheaper.
const TOO_LONG: u64 = 8;

/// How the objects of a section that no list has shown are to be treated.
pub(super) enum Rest {
    /// They don't exist.
    Absent,
    /// Nobody has looked.
    Unknown,
}

impl Run {
    /// Restores the objects of a section that exist already, and says what is known of the others.
    pub(super) async fn meet_existing(
        self: &Arc<Self>,
        kind: &Arc<Kind>,
        section: &Section,
        found: &Found,
    ) -> Rest {
        match found {
            // What controllers put into a new namespace is met when the create is refused.
            Found::Created => return Rest::Unknown,
            Found::WouldCreate => return Rest::Absent,
            Found::Existing | Found::Failed(_) => {}
        }
        let namespace =
            section.namespace.as_deref().map(|namespace| self.rules().target_namespace(namespace).to_owned());
        let query = ListQuery { namespace, ..ListQuery::default() };
        let mut request = PageRequest { limit: PAGE, continue_token: None, max_bytes: PAGE_BYTES };
        let mut expected = FIRST_PAGE_BYTES;
        loop {
            // The objects share the memory of their page, so the page counts until the last of them is done.
            let share = Arc::new(self.budget.take(expected).await);
            let span = trace::list(kind, &query);
            let list = self.client.call(|| self.client.cluster.list(kind, &query, &request));
            let page = list.instrument(span.clone()).await;
            trace::listed(&span, &page);
            let page = match page {
                Ok(page) => page,
                Err(ClusterError::PageTooLarge { .. }) if request.limit > 1 => {
                    request.limit = (request.limit / 4).max(1);
                    continue;
                }
                // Creates tell what exists, one by one, so a list that can't be had is no loss.
                Err(error) => {
                    tracing::debug!(%error, resource = %kind.group_resource(), "list failed, objects are created one by one");
                    return Rest::Unknown;
                }
            };
            let wanted = section.entries.len() as u64;
            let too_long = page
                .remaining
                .is_some_and(|remaining| remaining > wanted.saturating_mul(TOO_LONG).max(u64::from(PAGE)));
            request.continue_token.clone_from(&page.continue_token);
            expected = page.bytes;
            self.meet_page(section, page, &share).await;
            if too_long || self.is_stopped() {
                return Rest::Unknown;
            }
            if request.continue_token.is_none() {
                return Rest::Absent;
            }
        }
    }

    async fn meet_page(self: &Arc<Self>, section: &Section, page: Page, share: &Arc<Share>) {
        let mut crew = self.crew();
        for object in page.items {
            if let Some(entry) = counterpart(self, section, &object.head().name) {
                let (run, share) = (Arc::clone(self), Arc::clone(share));
                crew.send(async move {
                    run.restore(entry, Existing::Found(Box::new(object))).await;
                    drop(share);
                })
                .await;
            }
        }
        crew.finish().await;
    }
}

fn counterpart(run: &Run, section: &Section, name: &str) -> Option<EntryId> {
    let entry = run.spool.find_in(&section.group, name)?;
    section.entries.binary_search(&entry).ok().map(|_| entry)
}
