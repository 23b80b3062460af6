//! A counter that all clients see and change, and how many they are: each registers when it comes and
//! unregisters when it leaves, as in the second program of Python's `websockets`.
//!
//! ```text
//! cargo run -p ws-tokio --example counter              # in one terminal
//! cargo run -p ws-tokio --example client               # in two others: type plus or minus
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::net::TcpListener;
use ws_tokio::{Error, Group, Reader, WebSocket};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9001");
    let listener = TcpListener::bind(address).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    let (users, value) = (Group::new(), Arc::new(AtomicI64::new(0)));
    ws_tokio::serve(listener, move |ws: WebSocket<_>, _request| {
        let (users, value) = (users.clone(), Arc::clone(&value));
        async move {
            let (mut reader, writer) = ws.split();
            writer.queue(&format!("value {}", value.load(Ordering::SeqCst)))?;
            let registered = users.join(writer);
            users.send(&format!("users {}", users.len()));
            let ended = count(&mut reader, &users, &value).await;
            drop(registered);
            users.send(&format!("users {}", users.len()));
            ended
        }
    })
    .await
}

async fn count(
    reader: &mut Reader<tokio::net::TcpStream>,
    users: &Group,
    value: &AtomicI64,
) -> Result<(), Error> {
    while let Some(message) = reader.recv().await? {
        let step = match message.as_text() {
            Some("plus") => 1,
            Some("minus") => -1,
            _ => continue,
        };
        let now = value.fetch_add(step, Ordering::SeqCst) + step;
        users.send(&format!("value {now}"));
    }
    Ok(())
}
