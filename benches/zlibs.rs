//! zlib-rs, which ws-proto compresses with, next to miniz_oxide: time, size and memory.
//!
//! Both are driven bare, one call for a message. At level 6 miniz_oxide has one window, of 32 KiB;
//! it has no memory level.

use std::hint::black_box;

use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::inflate::stream::InflateState;
use miniz_oxide::{DataFormat, MZFlush, deflate, inflate};
use ws_bench::bare::{Compressor, Inflater, Setup, TAIL};
use ws_bench::messages::{Cycle, compressible};
use ws_bench::{Bench, Row, Way};
use ws_proto::handshake::Takeover;
use ws_testkit::counting::{Counting, usage};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The longest message, in bytes.
const ROOM: usize = 80 << 10;

fn main() {
    let mut bench = Bench::from_args("zlibs");
    for setup in Setup::ALL {
        for (size, len) in [("1KiB", 1 << 10), ("64KiB", 64 << 10)] {
            let mut zlib = Compressor::new(setup);
            let mut miniz = MinizCompressor::new(setup);
            let (mut sizes, mut received) = ([0, 0], Vec::new());
            for message in compressible(len) {
                sizes[1] += miniz.compress(message.as_bytes()).len();
                let payload = zlib.compress(message.as_bytes());
                sizes[0] += payload.len();
                received.push([payload, &TAIL].concat());
            }
            println!(
                "bytes of all messages of {size}, {setup}, zlib-rs and miniz_oxide: {sizes:?}"
            );
            let plain = Cycle::new(compressible(len));
            let name = format!("zlibs compress/{size}, {setup}");
            bench.measure(Row::new(name, compressing(setup, &plain)));
            let name = format!("zlibs inflate/{size}, {setup}");
            bench.measure(Row::new(name, inflating(setup, &Cycle::new(received))));
        }
    }
    memory();
    bench.finish();
}

fn compressing(setup: Setup, messages: &Cycle<String>) -> [Way<'static>; 2] {
    let (mut zlib, mut first) = (Compressor::new(setup), messages.clone());
    let (mut miniz, mut second) = (MinizCompressor::new(setup), messages.clone());
    [
        Way::new("zlib-rs", move || {
            black_box(zlib.compress(first.turn().as_bytes()));
        }),
        Way::new("miniz_oxide", move || {
            black_box(miniz.compress(second.turn().as_bytes()));
        }),
    ]
}

fn inflating(setup: Setup, received: &Cycle<Vec<u8>>) -> [Way<'static>; 2] {
    let (mut zlib, mut first) = (Inflater::new(setup), received.clone());
    let (mut miniz, mut second) = (MinizInflater::new(setup), received.clone());
    [
        Way::new("zlib-rs", move || {
            black_box(zlib.inflate([first.turn()]));
        }),
        Way::new("miniz_oxide", move || {
            black_box(miniz.inflate(second.turn()));
        }),
    ]
}

/// The memory of a context once it has been used; the buffers around it are not counted.
fn memory() {
    let message = "[1,2,3]".repeat(9000);
    for setup in [Setup::ALL[0], Setup::ALL[3]] {
        let (mut context, zlib) = usage(|| {
            let mut context = Compressor::new(setup);
            context.compress(message.as_bytes());
            context
        });
        let received = [context.compress(message.as_bytes()), &TAIL].concat();
        let (_inflater, inflater) = usage(|| Inflater::new(setup));
        let (_miniz, miniz) = usage(|| MinizCompressor::new(setup));
        let (_miniz_inflater, miniz_inflater) = usage(|| MinizInflater::new(setup));
        drop(received);
        println!(
            "bytes kept, {setup}: zlib-rs {} to compress, {} to inflate; miniz_oxide {}, {}",
            zlib.kept - ROOM.cast_signed(),
            inflater.kept - ROOM.cast_signed(),
            miniz.kept - ROOM.cast_signed(),
            miniz_inflater.kept - ROOM.cast_signed(),
        );
    }
}

struct MinizCompressor {
    context: Box<CompressorOxide>,
    takeover: Takeover,
    out: Vec<u8>,
}

impl MinizCompressor {
    fn new(setup: Setup) -> Self {
        let raw = create_comp_flags_from_zip_params(6, -15, 0);
        Self {
            context: Box::new(CompressorOxide::new(raw)),
            takeover: setup.takeover,
            out: vec![0; ROOM],
        }
    }

    fn compress(&mut self, message: &[u8]) -> &[u8] {
        let done =
            deflate::stream::deflate(&mut self.context, message, &mut self.out, MZFlush::Sync);
        assert_eq!(done.bytes_consumed, message.len());
        if self.takeover == Takeover::Off {
            self.context.reset();
        }
        &self.out[..done.bytes_written - TAIL.len()]
    }
}

struct MinizInflater {
    context: Box<InflateState>,
    takeover: Takeover,
    out: Vec<u8>,
}

impl MinizInflater {
    fn new(setup: Setup) -> Self {
        Self {
            context: InflateState::new_boxed(DataFormat::Raw),
            takeover: setup.takeover,
            out: vec![0; ROOM],
        }
    }

    fn inflate(&mut self, received: &[u8]) -> &[u8] {
        let context = &mut self.context;
        let done = inflate::stream::inflate(context, received, &mut self.out, MZFlush::Sync);
        assert_eq!(done.bytes_consumed, received.len());
        if self.takeover == Takeover::Off {
            self.context.reset(DataFormat::Raw);
        }
        &self.out[..done.bytes_written]
    }
}
