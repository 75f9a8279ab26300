//! Whole lists for actions, page by page.

use super::ActionError;
use crate::catalog::Kind;
use crate::object::{Object, ObjectError};
use crate::port::{ClusterError, ListQuery, PageRequest, Ports};
use crate::retry::Retry;

const PAGE: u32 = 500;
const PAGE_BYTES: usize = 16 << 20;

/// Gives every object of a list to `take`. When the list must begin anew meanwhile, some come twice.
pub(super) async fn each_object(
    ports: &Ports,
    kind: &Kind,
    query: &ListQuery,
    mut take: impl FnMut(&Object) -> Result<(), ObjectError>,
) -> Result<(), ActionError> {
    let mut page = PageRequest { limit: PAGE, continue_token: None, max_bytes: PAGE_BYTES };
    loop {
        let read = match Retry::API.run(&*ports.clock, || ports.cluster.list(kind, query, &page)).await {
            Ok(read) => read,
            Err(ClusterError::Expired) => {
                page.continue_token = None;
                continue;
            }
            Err(ClusterError::PageTooLarge { .. }) if page.limit > 1 => {
                page.limit /= 2;
                continue;
            }
            Err(source) => {
                return Err(ActionError::Cluster { attempt: format!("list {}", kind.plural), source });
            }
        };
        read.items.iter().try_for_each(&mut take)?;
        if read.continue_token.is_none() {
            return Ok(());
        }
        page.continue_token = read.continue_token;
    }
}
