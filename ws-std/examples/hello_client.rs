//! Says a name to the server of the example `hello`, and shows its greeting.
//!
//! ```text
//! cargo run --example hello                            # in one terminal
//! cargo run --example hello_client                     # in another: asks for the name
//! cargo run --example hello_client -- ws://127.0.0.1:9001/
//! ```

use std::error::Error;
use std::io;

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1);
    let mut ws = ws_std::connect(url.as_deref().unwrap_or("ws://127.0.0.1:9001/"))?;

    println!("What's your name?");
    let mut name = String::new();
    io::stdin().read_line(&mut name)?;
    let name = name.trim_end();

    ws.send(name)?;
    println!(">>> {name}");
    if let Some(greeting) = ws.recv()? {
        println!("<<< {}", greeting.as_text().unwrap_or_default());
    }
    Ok(())
}
