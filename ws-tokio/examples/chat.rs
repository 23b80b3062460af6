//! A chat room: everybody receives what anybody sends. An empty line ends it in good order.
//!
//! ```text
//! cargo run -p ws-tokio --example chat                                  # in one terminal
//! cargo run -p ws-tokio --example client -- ws://127.0.0.1:9001/?name=Li  # in two others
//! ```

use std::io;

use ws_tokio::{Error, Group, Server};

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9001");
    let room = Group::new();
    let server = Server::bind(address)
        .await?
        .websocket("/", move |ws, request| {
            let room = room.clone();
            async move {
                let name = request.param("name").unwrap_or_else(|| "somebody".into());
                let (mut reader, writer) = ws.split();
                // A member until this is dropped, however the handler ends. No member waits for another:
                // one that does not keep up is closed.
                let member = room.join(writer);
                room.send(&format!("{name} is here, and we are {}", room.len()));

                let end = loop {
                    match reader.recv().await {
                        Ok(Some(message)) => {
                            let text = message.as_text().unwrap_or("(bytes)");
                            room.send(&format!("{name}: {text}"));
                        }
                        Ok(None) => break Ok(()),
                        Err(error) => break Err(error),
                    }
                };

                drop(member);
                room.send(&format!("{name} has left"));
                end.map_err(|error: Error| error)
            }
        });
    println!("listening on ws://{}/", server.local_addr());
    let handle = server.handle();
    std::thread::spawn(move || {
        // Everybody gets a Close 1001, and 10 s to go.
        let _ = io::stdin().read_line(&mut String::new());
        handle.shutdown();
    });
    server.run().await
}
