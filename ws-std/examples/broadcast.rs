//! A chat room: everybody receives what anybody sends.
//!
//! ```text
//! cargo run --example broadcast                                            # in one terminal
//! cargo run --example long_running_client -- ws://127.0.0.1:9001/?name=Li  # in two others
//! ```

use ws_std::{Error, Group, Server};

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9001");
    let room = Group::new();
    let server = Server::bind(address)?.websocket("/", move |mut ws, request| {
        let name = request.param("name").unwrap_or_else(|| "somebody".into());
        // A member until this is dropped, however the handler ends. No member waits for another:
        // one that does not keep up is closed.
        let member = room.join(ws.writer());
        room.send(&format!("{name} is here, and we are {}", room.len()));

        let end = ws.for_each(|message, _| {
            if let Some(text) = message.as_text() {
                room.send(&format!("{name}: {text}"));
            }
            Ok::<_, Error>(())
        });

        drop(member);
        room.send(&format!("{name} has left"));
        end
    });
    println!("listening at ws://{}/", server.local_addr());
    server.run()
}
