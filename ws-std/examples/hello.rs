//! A server that receives a name and answers with a greeting. `hello_client` is its other side.
//!
//! ```text
//! cargo run --example hello                            # in one terminal
//! cargo run --example hello_client                     # in another
//! ```

use ws_std::{Error, Server};

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9001");
    let server = Server::bind(address)?.websocket("/", |mut ws, _request| {
        let Some(name) = ws.recv_owned()? else {
            return Ok(()); // it left without a word
        };
        let name = name.as_message().as_text().unwrap_or("whoever you are");
        println!("<<< {name}");
        let greeting = format!("Hello {name}!");
        ws.send(&greeting)?;
        println!(">>> {greeting}");
        Ok::<_, Error>(())
    });
    println!("listening at ws://{}/", server.local_addr());
    server.run()
}
