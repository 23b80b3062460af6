//! A server and a client on the stack of a bare machine: the opening handshake, messages both
//! ways, and the closing handshake.

#![no_std]

use core::panic::PanicInfo;

use ws_proto::handshake::{Key, Offer, Request, Scan};
use ws_proto::{Close, CloseCode, Connection, Event, Limits, Message, Shutdown};

/// Holds a whole conversation. Returns how many messages came back: one, or none if anything went
/// wrong.
#[expect(
    unsafe_code,
    reason = "without a symbol of its own nothing of this library would be kept"
)]
#[unsafe(no_mangle)]
pub extern "C" fn ws_proto_conversation() -> u32 {
    converse().unwrap_or(0)
}

fn converse() -> Option<u32> {
    let mut to_server = [0; 512];
    let mut to_client = [0; 512];
    open(&mut to_server, &mut to_client)?;

    let limits = Limits::default();
    let mut server = Connection::server(&limits);
    let mut client = Connection::client(&limits, [7; 32]);

    // The server echoes.
    let len = client.send(Message::Text("Hello"), &mut to_server).ok()?;
    let received = server.receive(to_server.get_mut(..len)?).ok()?;
    let Some(Event::Message(message)) = received.event else {
        return None;
    };
    let len = server.send(message, &mut to_client).ok()?;
    let received = client.receive(to_client.get_mut(..len)?).ok()?;
    let echoed = u32::from(received.event == Some(Event::Message(Message::Text("Hello"))));

    client.ping(b"still there?").ok()?;
    client
        .close(Some(Close::new(CloseCode::NORMAL, "done").ok()?))
        .ok()?;
    exchange(&mut client, &mut server, &mut to_server)?;
    exchange(&mut server, &mut client, &mut to_client)?;
    client.receive_eof().ok()?;
    let over = [server.shutdown(), client.shutdown()] == [Shutdown::Now; 2];
    over.then_some(echoed)
}

fn open(to_server: &mut [u8], to_client: &mut [u8]) -> Option<()> {
    let limits = Limits::default();
    let key = Key::new(*b"the sample nonce");
    let offer = Offer::new("example.com", "/").ok()?;
    let len = offer.encode(&key, to_server).ok()?;
    let request = to_server.get(..len)?;
    let (request, _) = Request::parse_prefix(&mut Scan::new(), request, &limits).ok()??;
    let len = request.accept().ok()?.encode(to_client).ok()?;
    let response = to_client.get(..len)?;
    offer
        .verify(&key, &mut Scan::new(), response, &limits)
        .ok()??;
    Some(())
}

/// Carries the control frames that wait from one to the other.
fn exchange(from: &mut Connection, to: &mut Connection, wire: &mut [u8]) -> Option<()> {
    while let Some(control) = from.poll_transmit() {
        let frame = control.as_ref();
        let wire = wire.get_mut(..frame.len())?;
        wire.copy_from_slice(frame);
        to.receive(wire).ok()?.event?;
    }
    Some(())
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
