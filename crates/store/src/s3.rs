//! A bucket of S3, or of a server that speaks its language, as a store. The settings are those of Velero's AWS plugin.

mod connect;
mod customer_key;
mod download;
mod failure;
mod http;
#[cfg(any(test, feature = "conformance"))]
mod inspect;
mod settings;
mod upload;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use self::connect::Clients;
use self::failure::Place;
use self::settings::{Encryption, Settings};
use self::upload::Upload;
use crate::error::{Error, ErrorKind, Result, listing};
use crate::key;
use crate::location::LocationConfig;
use crate::object::{
    Body, Capabilities, ListPage, ListRequest, Object, ObjectMeta, ObjectStore, PageToken, PutOptions,
    SignedUrl,
};

/// The objects of one bucket.
#[derive(Debug, Clone)]
pub struct S3Store {
    clients: Arc<Clients>,
    settings: Arc<Settings>,
}

impl S3Store {
    /// Checks the settings and, where neither region nor server is given, asks AWS for the bucket's region. Nothing
    /// else is sent, so wrong credentials show at the first call.
    pub async fn open(location: &LocationConfig, bucket: &str) -> Result<Self> {
        let settings = Settings::read(location, bucket).await?;
        let clients = connect::connect(&settings).await?;
        Ok(Self { clients: Arc::new(clients), settings: Arc::new(settings) })
    }

    fn failed<E>(&self, action: String, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let Settings { bucket, endpoint, .. } = &*self.settings;
        let place = Place { bucket, region: &self.clients.region, endpoint: endpoint.as_deref() };
        failure::of_call(&place, action, error)
    }
}

#[async_trait]
impl ObjectStore for S3Store {
    /// With a customer's key nobody can use a URL, because the key would have to be sent along.
    fn capabilities(&self) -> Capabilities {
        let signed_urls = !matches!(self.settings.encryption, Encryption::Customer(_));
        Capabilities { signed_urls, conditional_put: true }
    }

    async fn put(&self, key: &str, body: Body, options: PutOptions) -> Result<()> {
        key::check(key)?;
        Upload { store: self, key, options }.run(body).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Object> {
        key::check(key)?;
        download::get(self, key, range).await
    }

    async fn head(&self, key: &str) -> Result<ObjectMeta> {
        key::check(key)?;
        let customer = self.settings.encryption.customer_key();
        let head = self
            .clients
            .quick
            .head_object()
            .bucket(&self.settings.bucket)
            .key(key)
            .set_sse_customer_algorithm(customer.algorithm)
            .set_sse_customer_key(customer.key)
            .set_sse_customer_key_md5(customer.digest)
            .send()
            .await
            .map_err(|error| self.failed(format!("look at {key}"), &error))?;
        Ok(meta(key, head.content_length, head.last_modified))
    }

    async fn list_page(&self, request: &ListRequest) -> Result<ListPage> {
        key::check_prefix(&request.prefix)?;
        let page = self
            .clients
            .quick
            .list_objects_v2()
            .bucket(&self.settings.bucket)
            .prefix(&request.prefix)
            .set_delimiter(request.delimited.then(|| "/".to_owned()))
            .set_continuation_token(request.token.clone().map(|token| token.0))
            .send()
            .await
            .map_err(|error| self.failed(listing(&request.prefix), &error))?;
        let objects = page.contents.unwrap_or_default().into_iter().filter_map(|object| {
            // Some tools store empty objects named like directories; they are nothing to us.
            let key = object.key.filter(|key| key::check(key).is_ok())?;
            Some(meta(&key, object.size, object.last_modified))
        });
        let prefixes =
            page.common_prefixes.unwrap_or_default().into_iter().filter_map(|common| common.prefix);
        let next = page.next_continuation_token.filter(|_| page.is_truncated == Some(true));
        Ok(ListPage { objects: objects.collect(), prefixes: prefixes.collect(), next: next.map(PageToken) })
    }

    async fn delete(&self, key: &str) -> Result<()> {
        key::check(key)?;
        let request = self.clients.quick.delete_object().bucket(&self.settings.bucket).key(key);
        match request.send().await.map_err(|error| self.failed(format!("delete {key}"), &error)) {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    async fn signed_url(&self, key: &str, ttl: Duration) -> Result<SignedUrl> {
        key::check(key)?;
        let action = || format!("make a URL for {key}");
        if !self.capabilities().signed_urls {
            let why = "the objects are encrypted with a customer's key";
            return Err(Error::new(ErrorKind::NotSupported, action()).with_detail(why));
        }
        let lifetime = PresigningConfig::expires_in(ttl)
            .map_err(|cause| Error::new(ErrorKind::NotSupported, action()).with_detail(cause.to_string()))?;
        let request = self.clients.public.get_object().bucket(&self.settings.bucket).key(key);
        let signed = request.presigned(lifetime).await.map_err(|error| self.failed(action(), &error))?;
        Ok(SignedUrl::new(signed.uri()))
    }
}

type DateTime = aws_sdk_s3::primitives::DateTime;

fn meta(key: &str, size: Option<i64>, modified: Option<DateTime>) -> ObjectMeta {
    let modified =
        modified.and_then(|time| jiff::Timestamp::new(time.secs(), time.subsec_nanos() as i32).ok());
    ObjectMeta { key: key.to_owned(), size: size.unwrap_or_default() as u64, modified }
}
