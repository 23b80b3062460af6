//! The traits of futures: a stream of messages, and a sink for them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};
use ws_proto::{CloseCode, Error, Message, MessageBuf, SendError};

use crate::pool;
use crate::socket::WebSocket;

/// The messages, each with memory of its own. The stream ends when the peer has closed, and after an
/// error.
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WebSocket<S> {
    type Item = Result<MessageBuf, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.stream_is_over {
            return Poll::Ready(None);
        }
        let received = ready!(this.poll_recv_owned(cx));
        this.stream_is_over = !matches!(received, Ok(Some(_)));
        Poll::Ready(received.transpose())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FusedStream for WebSocket<S> {
    fn is_terminated(&self) -> bool {
        self.stream_is_over
    }
}

/// Takes what a message can be made of by reference: [`MessageBuf`], `String`, `Vec<u8>`. It is
/// ready as long as there is room, and closing it sends a Close 1000; the stream continues until
/// the peer has answered.
impl<S, M> Sink<M> for WebSocket<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
    for<'m> Message<'m>: From<&'m M>,
{
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().poll_room(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: M) -> Result<(), Error> {
        let message = Message::from(&message);
        let (outgoing, len) = (&mut self.get_mut().wire.outgoing, message.as_bytes().len());
        Ok(pool::with_context(outgoing, len, |outgoing| {
            outgoing.send(message)
        })?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        match this.wire.outgoing.close(Some(CloseCode::NORMAL.into())) {
            Ok(()) => {
                this.wake_reader();
                this.poll_flush(cx)
            }
            Err(SendError::Closed) => this.poll_flush(cx),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}
