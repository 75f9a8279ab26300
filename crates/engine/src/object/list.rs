//! One page of a list, cut into objects without copying them.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Object, ObjectError};
use crate::catalog::Kind;

/// One page of a LIST answer.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The objects, in the server's order.
    pub items: Vec<Object>,
    /// Token of the next page; `None` on the last one.
    pub continue_token: Option<String>,
    /// How many objects the server says come after this page; it may not say.
    pub remaining: Option<u64>,
    /// The list's resource version.
    pub resource_version: String,
    /// Size of the answer in bytes.
    pub bytes: usize,
}

impl Page {
    /// Cuts the body of a LIST answer into objects. The items share the body's memory.
    pub fn parse(body: &Bytes, kind: &Kind) -> Result<Self, ObjectError> {
        let wire: WireList<'_> = serde_json::from_slice(body).map_err(ObjectError::Decode)?;
        let items = wire
            .items
            .unwrap_or_default()
            .into_iter()
            .map(|item| Object::parse_item(body.slice_ref(item.get().as_bytes()), kind))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            items,
            continue_token: wire.metadata.continue_token.filter(|token| !token.is_empty()),
            remaining: wire.metadata.remaining_item_count,
            resource_version: wire.metadata.resource_version,
            bytes: body.len(),
        })
    }
}

#[derive(Deserialize)]
struct WireList<'a> {
    #[serde(default)]
    metadata: WireListMetadata,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireListMetadata {
    #[serde(rename = "continue")]
    continue_token: Option<String>,
    remaining_item_count: Option<u64>,
    resource_version: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_cut_into_typed_objects() {
        let kind = Kind::builtin("", "v1", "ConfigMap", "configmaps", true);
        let body = Bytes::from_static(
            br#"{"kind":"ConfigMapList","metadata":{"continue":"abc","remainingItemCount":7,"resourceVersion":"5"},"items":[{"metadata":{"name":"a","namespace":"n"}}]}"#,
        );
        let page = Page::parse(&body, &kind).unwrap();
        assert_eq!(page.items[0].head().kind, "ConfigMap");
        assert_eq!((page.continue_token.as_deref(), page.remaining), (Some("abc"), Some(7)));
    }

    #[test]
    fn null_items_are_an_empty_page() {
        let kind = Kind::builtin("", "v1", "ConfigMap", "configmaps", true);
        let page =
            Page::parse(&Bytes::from_static(br#"{"metadata":{"continue":""},"items":null}"#), &kind).unwrap();
        assert!(page.items.is_empty() && page.continue_token.is_none());
    }
}
