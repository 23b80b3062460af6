//! Credentials: a value, or a function that is called each time.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

type Fetched = io::Result<Box<RawValue>>;
type Fetching = Pin<Box<dyn Future<Output = Fetched> + Send>>;
type Fetch = Arc<dyn Fn(&str) -> Fetching + Send + Sync>;

/// What a client shows, by namespace.
#[derive(Clone, Default)]
pub(super) struct Auth {
    of: BTreeMap<String, Fetch>,
    others: Option<Fetch>,
}

impl Auth {
    /// Shows a value, in one namespace or in all others.
    pub(super) fn set(&mut self, namespace: Option<&str>, value: &impl Serialize) {
        let value = encode(value).map_err(|error| error.to_string());
        self.insert(namespace, move |_: &str| {
            let value = value.clone().map_err(io::Error::other);
            Box::pin(async { value })
        });
    }

    /// Asks a function each time, with the namespace.
    pub(super) fn set_with<F, Running, Value>(&mut self, ask: F)
    where
        F: Fn(String) -> Running + Send + Sync + 'static,
        Running: Future<Output = io::Result<Value>> + Send + 'static,
        Value: Serialize,
    {
        self.insert(None, move |namespace: &str| {
            let running = ask(namespace.into());
            Box::pin(async move { encode(&running.await?) })
        });
    }

    /// Fetches what is shown in a namespace.
    pub(super) fn fetch(
        &self,
        namespace: &str,
    ) -> impl Future<Output = io::Result<Option<Box<RawValue>>>> + Send + 'static {
        let fetch = self.of.get(namespace).or(self.others.as_ref());
        let fetching = fetch.map(|fetch| fetch(namespace));
        async move {
            match fetching {
                Some(fetching) => fetching.await.map(Some),
                None => Ok(None),
            }
        }
    }

    fn insert(
        &mut self,
        namespace: Option<&str>,
        fetch: impl Fn(&str) -> Fetching + Send + Sync + 'static,
    ) {
        let fetch: Fetch = Arc::new(fetch);
        match namespace {
            Some(namespace) => drop(self.of.insert(namespace.into(), fetch)),
            None => self.others = Some(fetch),
        }
    }
}

fn encode(value: &impl Serialize) -> Fetched {
    let value = to_raw_value(value)?;
    if !value.get().starts_with('{') {
        let error = "credentials are a JSON object";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
    }
    Ok(value)
}

/// Shows for which namespaces there are any.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.of.keys()).finish()
    }
}
