//! What is agreed on about compression, against an oracle written from RFC 7692 §7.1: every
//! combination of our bounds, of the parameters of an offer, and of those of an answer.

use ws_proto::handshake::{
    Compression, Direction, InvalidExtensions, Offer, Request, Response, ResponseError, Takeover,
    WindowBits,
};

/// A parameter without a value, as it may come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flag {
    Absent,
    Present,
    Valued,
    Twice,
}

const FLAGS: [Flag; 4] = [Flag::Absent, Flag::Present, Flag::Valued, Flag::Twice];

/// A parameter with a window, as it may come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Window {
    Absent,
    Bare,
    Bits(u8),
    Quoted(u8),
    /// Text that is no number from 8 to 15.
    Bad(&'static str),
    Twice,
}

const WINDOWS: [Window; 14] = [
    Window::Absent,
    Window::Bare,
    Window::Bits(8),
    Window::Bits(9),
    Window::Bits(12),
    Window::Bits(14),
    Window::Bits(15),
    Window::Quoted(10),
    Window::Bad("7"),
    Window::Bad("16"),
    Window::Bad("08"),
    Window::Bad("+9"),
    Window::Bad("1e1"),
    Window::Twice,
];

/// The parameters of one offer or answer.
#[derive(Clone, Copy, Debug)]
struct Parameters {
    server_takeover: Flag,
    client_takeover: Flag,
    server_window: Window,
    client_window: Window,
    unknown: bool,
}

fn all_parameters() -> impl Iterator<Item = Parameters> {
    FLAGS.into_iter().flat_map(|server_takeover| {
        FLAGS.into_iter().flat_map(move |client_takeover| {
            WINDOWS.into_iter().flat_map(move |server_window| {
                WINDOWS.into_iter().flat_map(move |client_window| {
                    [false, true].map(|unknown| Parameters {
                        server_takeover,
                        client_takeover,
                        server_window,
                        client_window,
                        unknown,
                    })
                })
            })
        })
    })
}

fn all_bounds() -> Vec<Compression> {
    let directions: Vec<Direction> = [9, 12, 15]
        .into_iter()
        .flat_map(|bits| {
            [Takeover::Kept, Takeover::Off].map(|takeover| Direction {
                window: WindowBits::new(bits).unwrap(),
                takeover,
            })
        })
        .collect();
    directions
        .iter()
        .flat_map(|&server| {
            directions
                .iter()
                .map(move |&client| Compression { server, client })
        })
        .collect()
}

impl Parameters {
    fn text(&self) -> String {
        let flag = |flag, name| match flag {
            Flag::Absent => String::new(),
            Flag::Present => format!("; {name}"),
            Flag::Valued => format!("; {name}=1"),
            Flag::Twice => format!("; {name}; {name}"),
        };
        let window = |window, name| match window {
            Window::Absent => String::new(),
            Window::Bare => format!("; {name}"),
            Window::Bits(bits) => format!(";{name}={bits}"),
            Window::Quoted(bits) => format!("; {name} = \"{bits}\""),
            Window::Bad(text) => format!("; {name}={text}"),
            Window::Twice => format!("; {name}=12; {name}=12"),
        };
        format!(
            "permessage-deflate{}{}{}{}{}",
            flag(self.server_takeover, "server_no_context_takeover"),
            window(self.client_window, "client_max_window_bits"),
            flag(self.client_takeover, "client_no_context_takeover"),
            window(self.server_window, "server_max_window_bits"),
            if self.unknown { "; fast" } else { "" },
        )
    }

    /// Whether it is an element that anyone may accept: "parameter not defined for use", "an
    /// invalid value", "multiple … with the same name" decline it.
    fn is_valid(&self) -> bool {
        let flags = [self.server_takeover, self.client_takeover];
        let windows = [self.server_window, self.client_window];
        !self.unknown
            && flags.iter().all(|flag| matches!(flag, Flag::Absent | Flag::Present))
            && windows.iter().all(|window| !matches!(window, Window::Bad(_) | Window::Twice))
            // "This parameter MUST have a value" (§7.1.2.1)
            && self.server_window != Window::Bare
    }
}

fn bits(window: Window) -> Option<u8> {
    match window {
        Window::Bits(bits) | Window::Quoted(bits) => Some(bits),
        _ => None,
    }
}

fn direction(bits: u8, fresh: bool) -> Direction {
    Direction {
        window: WindowBits::new(bits).unwrap(),
        takeover: if fresh { Takeover::Off } else { Takeover::Kept },
    }
}

/// What a server within `ours` is to agree to, which is what its answer is to say.
fn server_oracle(ours: &Compression, offer: &Parameters) -> Option<Compression> {
    if !offer.is_valid() {
        return None;
    }
    let server = match bits(offer.server_window) {
        // zlib keeps to no window of 256 bytes in raw deflate.
        Some(8) => return None,
        Some(asked) => asked.min(ours.server.window.get()),
        // Nobody has asked: the server may keep to less, and says nothing of it.
        None => 15,
    };
    let client = match offer.client_window {
        // The answer "MUST NOT" name it: the client may use all.
        Window::Absent => 15,
        Window::Bare => ours.client.window.get(),
        named => bits(named).unwrap().min(ours.client.window.get()),
    };
    Some(Compression {
        server: direction(server, offer.server_takeover == Flag::Present),
        client: direction(
            client,
            offer.client_takeover == Flag::Present || ours.client.takeover == Takeover::Off,
        ),
    })
}

/// What a client is to make of an answer, whatever it asks for in its first offer: the answer
/// grants it, or answers the offer of browsers that comes after it, to which a server may name what
/// it likes.
fn client_oracle(answer: &Parameters) -> Option<Compression> {
    // In an answer "the parameter has a value".
    if !answer.is_valid() || answer.client_window == Window::Bare {
        return None;
    }
    let end = |window, flag| direction(bits(window).unwrap_or(15), flag == Flag::Present);
    Some(Compression {
        server: end(answer.server_window, answer.server_takeover),
        client: end(answer.client_window, answer.client_takeover),
    })
}

/// What an answer says, word by word.
fn said(answer: &str) -> Compression {
    let bits = |name| {
        let mut words = answer.split("; ");
        let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.map_or(15, |bits| bits.parse().unwrap())
    };
    let fresh = |name| answer.split("; ").any(|word| word == name);
    Compression {
        server: direction(
            bits("server_max_window_bits"),
            fresh("server_no_context_takeover"),
        ),
        client: direction(
            bits("client_max_window_bits"),
            fresh("client_no_context_takeover"),
        ),
    }
}

/// The value of Sec-WebSocket-Extensions in the answer to an offer.
fn answer(ours: Compression, offer: &str) -> Option<String> {
    let head = request(offer);
    let parsed = Request::parse(head.as_bytes()).unwrap();
    let agreed = ours.agree(parsed.extensions()).unwrap();
    let mut out = [0; 512];
    let accept = parsed.accept().unwrap().compression(agreed);
    let len = accept.encode(&mut out).unwrap();
    let response = Response::parse(&out[..len]).unwrap();
    response.header("Sec-WebSocket-Extensions").map(Into::into)
}

/// The value of Sec-WebSocket-Extensions that a client sends.
fn offers(ours: Compression) -> String {
    let offer = Offer::new("h", "/").unwrap().compression(Some(ours));
    let mut out = [0; 1024];
    let key = ws_proto::handshake::Key::new([7; 16]);
    let len = offer.encode(&key, &mut out).unwrap();
    let request = Request::parse(&out[..len]).unwrap();
    request.header("Sec-WebSocket-Extensions").unwrap().into()
}

fn request(extensions: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Extensions: {extensions}\r\n\r\n"
    )
}

fn response(extensions: &str) -> String {
    format!("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Extensions: {extensions}\r\n\r\n")
}

#[test]
fn every_offer_gets_the_answer_of_the_oracle() {
    let mut cases = 0;
    for ours in all_bounds() {
        for parameters in all_parameters() {
            let head = request(&parameters.text());
            let parsed = Request::parse(head.as_bytes()).unwrap();
            let agreed = ours.agree(parsed.extensions()).unwrap();
            let expected = server_oracle(&ours, &parameters);
            assert_eq!(
                agreed.map(|agreed| agreed.compression()),
                expected,
                "{ours:?} {}",
                parameters.text()
            );
            cases += 1;
        }
    }
    assert!(cases == 36 * 6272, "{cases}");
}

#[test]
fn every_answer_gets_the_verdict_of_the_oracle() {
    let mut cases = 0;
    for ours in all_bounds() {
        let offer = Offer::new("h", "/").unwrap().compression(Some(ours));
        for parameters in all_parameters() {
            let head = response(&parameters.text());
            let parsed = Response::parse(head.as_bytes()).unwrap();
            let expected = client_oracle(&parameters)
                .map(Some)
                .ok_or(ResponseError::UnofferedExtension);
            assert_eq!(
                offer.agreed(&parsed),
                expected,
                "{ours:?} {}",
                parameters.text()
            );
            cases += 1;
        }
    }
    assert!(cases == 36 * 6272, "{cases}");
}

/// What our client offers our server accepts, and its answer is in order.
#[test]
fn our_two_ends_agree_whatever_their_bounds() {
    for client in all_bounds() {
        for server in all_bounds() {
            let offer = Offer::new("h", "/").unwrap().compression(Some(client));
            let key = ws_proto::handshake::Key::new([7; 16]);
            let mut out = [0; 1024];
            let len = offer.encode(&key, &mut out).unwrap();
            let request = Request::parse(&out[..len]).unwrap();
            let agreed = server.agree(request.extensions()).unwrap().unwrap();

            let mut answer = [0; 1024];
            let accept = request.accept().unwrap().compression(Some(agreed));
            let len = accept.encode(&mut answer).unwrap();
            let response = Response::parse(&answer[..len]).unwrap();
            let confirmed = offer.agreed(&response).unwrap().unwrap();
            assert_eq!(confirmed, agreed.compression(), "{client:?} {server:?}");
        }
    }
}

#[test]
fn the_first_acceptable_offer_is_taken_and_a_malformed_list_fails() {
    let agreed = |extensions: &str| {
        let ours = Compression {
            server: Direction::FULL,
            client: Direction::FULL,
        };
        let head = request(extensions);
        let request = Request::parse(head.as_bytes()).unwrap();
        let agreed = ours.agree(request.extensions())?;
        Ok::<_, InvalidExtensions>(agreed.map(|agreed| agreed.compression().server.window.get()))
    };
    assert_eq!(agreed("mux, permessage-bzip2"), Ok(None));
    assert_eq!(
        agreed(
            "permessage-deflate; server_max_window_bits=8, permessage-deflate; \
                server_max_window_bits=\"1\\0\", permessage-deflate"
        ),
        Ok(Some(10))
    );
    assert_eq!(
        agreed("permessage-deflate, permessage-deflate; server_max_window_bits=\"1"),
        Err(InvalidExtensions)
    );
}

#[test]
fn an_answer_that_was_never_offered_fails() {
    let ours = Compression {
        server: Direction::FULL,
        client: Direction::FULL,
    };
    let with = Offer::new("h", "/").unwrap().compression(Some(ours));
    let without = Offer::new("h", "/").unwrap();
    let verdict = |offer: &Offer<'_>, extensions: &str| {
        let head = response(extensions);
        let response = Response::parse(head.as_bytes()).unwrap();
        offer.agreed(&response)
    };
    let unoffered = Err(ResponseError::UnofferedExtension);
    assert_eq!(verdict(&without, "permessage-deflate"), unoffered);
    assert_eq!(verdict(&with, "mux"), unoffered);
    assert_eq!(
        verdict(&with, "permessage-deflate, permessage-deflate"),
        unoffered
    );
    assert_eq!(verdict(&with, "permessage-deflate, mux"), unoffered);
    assert_eq!(
        verdict(&with, "permessage-deflate;"),
        Err(ResponseError::InvalidExtensions)
    );
}

/// What is said about nothing that was asked: clients there are that refuse it.
#[test]
fn a_server_names_nothing_of_its_own_that_was_not_asked_for() {
    for ours in all_bounds() {
        let wants_fresh = ours.client.takeover == Takeover::Off;
        // What Firefox offers: no parameter at all. Nothing of a window is answered.
        let plain = if wants_fresh {
            "permessage-deflate; client_no_context_takeover"
        } else {
            "permessage-deflate"
        };
        assert_eq!(answer(ours, "permessage-deflate").unwrap(), plain);

        // What Chromium and Safari offer: the client's window alone may be answered.
        let browsers = answer(ours, "permessage-deflate; client_max_window_bits").unwrap();
        let bits = ours.client.window.get();
        let named = format!("; client_max_window_bits={bits}");
        let named = if bits < 15 { &named } else { "" };
        assert_eq!(browsers, format!("{plain}{named}"));
    }
}

/// As gorilla and nhooyr offer it, and the former fails if either is missing.
#[test]
fn a_server_grants_what_it_is_asked_for_by_saying_so() {
    let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    for ours in all_bounds() {
        assert_eq!(answer(ours, both).unwrap(), both);
        let bits = ours.server.window.get().min(13);
        let takeover = match ours.client.takeover {
            Takeover::Off => "; client_no_context_takeover",
            Takeover::Kept => "",
        };
        assert_eq!(
            answer(ours, "permessage-deflate; server_max_window_bits=13").unwrap(),
            format!("permessage-deflate{takeover}; server_max_window_bits={bits}")
        );
    }
}

/// The text of an answer and what our own end makes of it are the same.
#[test]
fn an_answer_says_what_was_agreed_on() {
    for ours in all_bounds() {
        for parameters in all_parameters().filter(Parameters::is_valid) {
            let expected = server_oracle(&ours, &parameters);
            let said = answer(ours, &parameters.text()).map(|answer| said(&answer));
            assert_eq!(said, expected, "{ours:?} {}", parameters.text());
        }
    }
}

#[test]
fn a_client_that_asks_for_nothing_offers_what_browsers_do() {
    for mut ours in all_bounds() {
        ours.server = Direction::FULL;
        assert_eq!(offers(ours), "permessage-deflate; client_max_window_bits");
    }
}

/// gorilla answers with both takeovers off whatever was asked; coder and Tomcat decline what they
/// have not; ws, when it wants a window of 15 bits, declines less, and an offer that does not let
/// it choose ours.
#[test]
fn a_client_that_asks_for_something_has_the_offer_of_browsers_and_a_plain_one_after_it() {
    for ours in all_bounds() {
        if ours.server == Direction::FULL {
            continue;
        }
        let offers = offers(ours);
        let after = ", permessage-deflate; client_max_window_bits, permessage-deflate";
        let first = offers.strip_suffix(after).unwrap();
        let asked = first.strip_suffix("; client_max_window_bits").unwrap();
        assert_eq!(said(asked).server, ours.server, "{first}");
        assert_eq!(said(asked).client, Direction::FULL, "{first}");
    }
    let asks = twelve_bits();
    assert_eq!(
        offers(asks),
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=12; \
         client_max_window_bits, permessage-deflate; client_max_window_bits, permessage-deflate"
    );
    for answer in [
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=10",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=15; client_max_window_bits=15",
        "permessage-deflate",
    ] {
        let head = response(answer);
        let offer = Offer::new("h", "/").unwrap().compression(Some(asks));
        let agreed = offer.agreed(&Response::parse(head.as_bytes()).unwrap());
        assert_eq!(agreed, Ok(Some(said(answer))));
    }
}

fn twelve_bits() -> Compression {
    Compression {
        server: direction(12, true),
        client: direction(12, true),
    }
}
