//! A request that waits for its answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use sio_proto::engine::{Carrier, Refusal};
use tokio::sync::oneshot;

use super::link::{Answer, Link};

/// A request that waits for its answer. If it is dropped before, its client has hung up.
pub(super) struct Held {
    link: Arc<Link>,
    pub(super) carrier: Carrier,
    /// `None` once it has come.
    answered: Option<oneshot::Receiver<Answer>>,
}

impl Held {
    pub(super) const fn new(
        link: Arc<Link>,
        carrier: Carrier,
        answered: oneshot::Receiver<Answer>,
    ) -> Self {
        Self {
            link,
            carrier,
            answered: Some(answered),
        }
    }
}

impl Future for Held {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let Some(answered) = &mut self.answered else {
            return Poll::Ready(Answer::Refused(Refusal::UnknownSid));
        };
        let Poll::Ready(answer) = Pin::new(answered).poll(cx) else {
            return Poll::Pending;
        };
        self.answered = None;
        Poll::Ready(answer.unwrap_or(Answer::Refused(Refusal::UnknownSid)))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.answered.is_some() {
            let carrier = self.carrier;
            self.link.with(|state, now| state.hung_up(carrier, now));
        }
    }
}
