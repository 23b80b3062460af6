//! What is allocated for a message: nothing, once the buffers are there. Between a client and a server over a socket,
//! and with a reader and a writer that are two.

use std::future::Future;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use ws_testkit::counting::{Counting, usage};
use ws_tokio::{Config, Error, Session, WebSocket};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes of a message: none, the three forms of a length, and more than a read takes at once. The sockets take each at
/// once: what waiting within a message takes is another matter.
const LENGTHS: [usize; 5] = [0, 16, 125, 1000, 64 << 10];
/// Messages until all buffers are there.
const WARM: usize = 8;
const STEADY: usize = 50;

/// A thread that is a loop of tokio's, and nothing else: what it allocates is what is counted.
fn runtime() -> Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap()
}

async fn pair() -> (WebSocket<TcpStream>, WebSocket<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (client, server) = tokio::join!(client, listener.accept());
    let (client, (server, _)) = (client.unwrap(), server.unwrap());
    let config = Config::default();
    let client = WebSocket::over(client, Session::client(&config, [7; 32]));
    (client, WebSocket::over(server, Session::server(&config)))
}

/// How often the steady part of `once` allocates.
fn steady<F: Future<Output = Result<(), Error>>>(
    runtime: &Runtime,
    mut once: impl FnMut() -> F,
) -> usize {
    let mut round = |times| {
        for _ in 0..times {
            runtime.block_on(once()).unwrap();
        }
    };
    round(WARM);
    usage(|| round(STEADY)).1.calls
}

#[test]
fn a_message_to_and_fro_allocates_nothing() {
    for len in LENGTHS {
        let runtime = runtime();
        let (client, server) = runtime.block_on(pair());
        let (client, server) = (
            &tokio::sync::Mutex::new(client),
            &tokio::sync::Mutex::new(server),
        );
        let payload = &vec![b'x'; len][..];
        let calls = steady(&runtime, || async move {
            let (mut client, mut server) = (client.lock().await, server.lock().await);
            let asking = async {
                client.send(payload).await?;
                let answer = client.recv().await?.expect("an answer");
                assert_eq!(answer.as_bytes().len(), payload.len());
                Ok(())
            };
            let answering = async {
                let (message, mut reply) = server.recv_reply().await?.expect("a message");
                reply.queue(message)?;
                server.flush().await
            };
            tokio::try_join!(asking, answering).map(|_| ())
        });
        assert_eq!(calls, 0, "{len} bytes");
    }
}

#[test]
fn a_reader_and_a_writer_allocate_nothing_for_a_message() {
    for len in LENGTHS {
        let runtime = runtime();
        let (client, server) = runtime.block_on(pair());
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let readers = &tokio::sync::Mutex::new((from_client, from_server));
        let (to_client, to_server) = (&to_client, &to_server);
        let payload = &vec![b'x'; len][..];
        let calls = steady(&runtime, || async move {
            let mut readers = readers.lock().await;
            let (from_client, from_server) = &mut *readers;
            let sending =
                async { tokio::try_join!(to_client.send(payload), to_server.send(payload)) };
            let received = |message: Option<ws_tokio::Message<'_>>| {
                assert_eq!(message.expect("a message").as_bytes().len(), len);
            };
            let receiving = async {
                let both = tokio::try_join!(from_client.recv(), from_server.recv())?;
                received(both.0);
                received(both.1);
                Ok(())
            };
            tokio::try_join!(sending, receiving).map(|_| ())
        });
        assert_eq!(calls, 0, "{len} bytes");
    }
}

/// The counter counts: or the tests above would prove nothing.
#[test]
fn what_is_boxed_is_counted() {
    let runtime = runtime();
    let calls = steady(&runtime, || async {
        drop(std::hint::black_box(Box::new([0_u8; 100])));
        Ok(())
    });
    assert_eq!(calls, STEADY);
}
