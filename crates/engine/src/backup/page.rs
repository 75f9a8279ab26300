//! Reads one list page by page, with a page size that follows the objects, inside the byte budget.

use tokio::sync::Semaphore;
use tracing::Instrument as _;

use crate::budget::{Budget, Share};
use crate::catalog::Kind;
use crate::object::{MAX_OBJECT_BYTES, Page};
use crate::port::{ClusterError, ListQuery, PageRequest, Ports};
use crate::retry::Retry;
use crate::trace;

/// Objects of a first page, when nothing is known of their size.
const FIRST_LIMIT: u32 = 100;

/// Bytes that a page should have.
const TARGET: usize = 1 << 20;

/// Most bytes of a page, as long as it holds more than one object.
const MAX_PAGE: usize = 8 << 20;

/// Decoded heads take about as much memory as the page itself.
const HEADS: usize = 2;

/// How often a list may be begun anew because its continue token expired.
const MAX_RESTARTS: u32 = 5;

/// What all lists of a run share.
pub(super) struct Lists {
    budget: Budget,
    requests: Semaphore,
    page_size: u32,
}

/// One list in the making.
pub(super) struct PagedList<'a> {
    ports: &'a Ports,
    lists: &'a Lists,
    kind: &'a Kind,
    query: ListQuery,
    limit: u32,
    object_bytes: usize,
    max_bytes: usize,
    restarts: u32,
    next: Next,
}

enum Next {
    Page(Option<String>),
    End,
}

impl Lists {
    pub(super) fn new(memory_budget: usize, page_size: u32, requests: usize) -> Self {
        let page_size = if page_size == 0 { u32::MAX } else { page_size };
        Self { budget: Budget::new(memory_budget), requests: Semaphore::new(requests.max(1)), page_size }
    }

    pub(super) fn open<'a>(&'a self, ports: &'a Ports, kind: &'a Kind, query: ListQuery) -> PagedList<'a> {
        PagedList {
            ports,
            lists: self,
            kind,
            query,
            limit: FIRST_LIMIT.min(self.page_size),
            object_bytes: TARGET / 4 / FIRST_LIMIT as usize,
            max_bytes: MAX_PAGE.min(self.budget.bytes()),
            restarts: 0,
            next: Next::Page(None),
        }
    }
}

impl PagedList<'_> {
    /// The namespace that is listed; `None` for a list across the cluster.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.query.namespace.as_deref()
    }

    /// The next page, and its share of the budget to hold while it is used; `None` after the last one. When the continue token has
    /// expired the list starts anew, so the caller may see objects twice.
    pub(super) async fn next(&mut self) -> Result<Option<(Page, Share)>, ClusterError> {
        loop {
            let Next::Page(token) = &self.next else { return Ok(None) };
            let request =
                PageRequest { limit: self.limit, continue_token: token.clone(), max_bytes: self.max_bytes };
            let share = self.lists.budget.take(self.expected_bytes()).await;
            match self.read(&request).await {
                Ok(page) => {
                    self.learn(&page);
                    return Ok(Some((page, share)));
                }
                Err(ClusterError::PageTooLarge { .. }) if self.shrink() => {}
                Err(ClusterError::Expired) if self.restarts < MAX_RESTARTS => {
                    tracing::info!(resource = %self.kind.group_resource(), "the list's continue token expired, listing anew");
                    self.restarts += 1;
                    self.next = Next::Page(None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn read(&self, request: &PageRequest) -> Result<Page, ClusterError> {
        let span = trace::list(self.kind, &self.query);
        let attempt = || async {
            let _permit = self.lists.requests.acquire().await;
            self.ports.cluster.list(self.kind, &self.query, request).await
        };
        let page = Retry::API.run(&*self.ports.clock, attempt).instrument(span.clone()).await;
        trace::listed(&span, &page);
        page
    }

    fn expected_bytes(&self) -> usize {
        if self.max_bytes > MAX_PAGE {
            return self.max_bytes;
        }
        (self.limit as usize).saturating_mul(self.object_bytes).min(self.max_bytes).saturating_mul(HEADS)
    }

    fn learn(&mut self, page: &Page) {
        self.next = page.continue_token.clone().map_or(Next::End, |token| Next::Page(Some(token)));
        if page.items.is_empty() {
            return;
        }
        self.object_bytes = (page.bytes / page.items.len()).max(1);
        self.max_bytes = MAX_PAGE.min(self.lists.budget.bytes());
        let target = TARGET.min(self.lists.budget.bytes() / 8);
        let limit = u32::try_from(target / self.object_bytes).unwrap_or(u32::MAX);
        self.limit = limit.clamp(1, self.lists.page_size);
    }

    /// Asks for less; false when one object alone is too large.
    fn shrink(&mut self) -> bool {
        if self.limit > 1 {
            self.limit = (self.limit / 4).max(1);
            self.object_bytes = (self.max_bytes / self.limit as usize).max(1);
            return true;
        }
        let grown = self.max_bytes < MAX_OBJECT_BYTES;
        self.max_bytes = MAX_OBJECT_BYTES;
        grown
    }
}
