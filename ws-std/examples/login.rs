//! A server that asks for a name and a password until they are right, and then echoes. A wrong
//! answer costs nothing but another question, three times; then the connection is closed.
//!
//! ```text
//! cargo run --example login                            # in one terminal
//! cargo run --example long_running_client              # in another; it is `admin secret`
//! ```
//!
//! Over the internet, use TLS: what is sent here can be read on the way.

use ws_std::{CloseCode, Error, Server, WebSocket};

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9001");
    let server = Server::bind(address)?.websocket("/", |mut ws, _request| {
        let Some(name) = login(&mut ws)? else {
            return Ok(()); // it left
        };
        ws.send(&format!("welcome, {name}"))?;
        ws.for_each(|message, tx| tx.send(message))
    });
    println!("listening at ws://{}/", server.local_addr());
    server.run()
}

/// The name of the user who has logged in; `None` if nobody has, and the connection is closed.
fn login(ws: &mut WebSocket) -> Result<Option<String>, Error> {
    for _ in 0..3 {
        ws.send("name and password?")?;
        let Some(answer) = ws.recv()? else {
            return Ok(None);
        };
        let answer = answer.as_text().and_then(|text| text.split_once(' '));
        if let Some((name, password)) = answer
            && is_right(name, password)
        {
            return Ok(Some(name.into()));
        }
        ws.send("that is not right")?;
    }
    ws.close(CloseCode::POLICY, "three wrong answers")?;
    Ok(None)
}

/// A real one looks the name up, and compares a salted hash.
fn is_right(name: &str, password: &str) -> bool {
    (name, password) == ("admin", "secret")
}
