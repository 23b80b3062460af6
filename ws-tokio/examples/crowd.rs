//! Opens so many connections to a server and holds them: for measuring what a silent one costs there.
//! With `--message`, each sends one of 1 KiB first and waits for its echo.
//!
//! ```text
//! cargo run --release -p ws-tokio --example async_echo -- 127.0.0.1:9001
//! cargo run --release -p ws-tokio --example crowd -- ws://127.0.0.1:9001/echo 10000
//! ```

use std::io;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let url = args
        .next()
        .unwrap_or_else(|| "ws://127.0.0.1:9001/echo".into());
    let count: usize = args.next().unwrap_or_else(|| "1000".into()).parse()?;
    let speaks = args.next().as_deref() == Some("--message");
    let mut crowd = Vec::with_capacity(count);
    for _ in 0..count {
        let mut ws = ws_tokio::connect(&*url).await?;
        if speaks {
            ws.send(&[7; 1024]).await?;
            ws.recv().await?;
        }
        crowd.push(ws);
    }
    println!("{} are connected; an empty line ends it", crowd.len());
    io::stdin().read_line(&mut String::new())?;
    Ok(())
}
