//! The cost of ws-proto without compression: against the least that there is to do, and the peers.

use ws_bench::Bench;

mod handshake;
mod receive;
mod send;

fn main() {
    let mut bench = Bench::from_args("protocol");
    receive::measure(&mut bench);
    send::measure(&mut bench);
    handshake::measure(&mut bench);
    bench.finish();
}
