//! A chat with rooms: clients say who they are, join rooms, and speak there.
//!
//!     cargo run -p ws-socketio --example chat -- 127.0.0.1:5000
//!
//! With socket.io-client:
//!
//!     const io = require("socket.io-client")("http://127.0.0.1:5000", { auth: "Ann" });
//!     io.on("said", (who, text) => console.log(who, text));
//!     io.emit("join", "books"); io.emit("say", "books", "hello");

use ws_socketio::{Origins, Refused, Server, Socket};

/// Who somebody is.
#[derive(Clone)]
struct Name(String);

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let io = Server::new().origins(Origins::any());
    io.of("/")
        .connect(enter)
        .on("join", async |socket: Socket, room: String| {
            socket.join(room)
        })
        .on("say", async |socket: Socket, room: String, text: String| {
            let who = socket.get().map(|Name(who)| who);
            socket
                .namespace()
                .to(room)
                .emit("said", (who, text))
                .map(|_| ())
        })
        .disconnect(async |socket: Socket, why| println!("{} left: {why}", socket.id()));
    io.run(address.as_deref().unwrap_or("127.0.0.1:5000")).await
}

async fn enter(socket: Socket, name: Option<String>) -> Result<(), Refused> {
    socket.set(Name(name.ok_or("who are you?")?));
    Ok(())
}
