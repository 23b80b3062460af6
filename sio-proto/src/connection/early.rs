//! Events that a server sends before it lets the client in: some do, and clients may not lose them.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;

use crate::args::Args;

/// An event that is kept.
pub(super) struct Early {
    pub(super) id: Option<u64>,
    name: String,
    /// The array that its arguments are in, and the attachments.
    json: String,
    attachments: Vec<Vec<u8>>,
}

impl Early {
    pub(super) fn new(id: Option<u64>, name: &str, args: &Args<'_>) -> Self {
        Self {
            id,
            name: name.to_owned(),
            json: args.json().0.to_owned(),
            attachments: args.attachments().to_vec(),
        }
    }

    /// The memory that it takes, about.
    pub(super) fn size(&self) -> u64 {
        let overhead = size_of::<Self>() + self.attachments.len() * size_of::<Vec<u8>>();
        let attachments: usize = self.attachments.iter().map(Vec::len).sum();
        (overhead + self.name.len() + self.json.len() + attachments) as u64
    }

    /// Its name and its arguments. `None` is impossible: it was read once.
    pub(super) fn parts(&self) -> Option<(Cow<'_, str>, Args<'_>)> {
        let (_, args) = Args::split(&self.json, &self.attachments).ok()?;
        Some((Cow::Borrowed(&self.name), args.after_first()))
    }
}
