//! Agreeing on compression: RFC 7692 §5 and §7.1, the extension `permessage-deflate`.
//!
//! Pure negotiation: it says what was agreed, and compresses nothing. Each direction is agreed
//! on by itself: the sender promises the size of its window and whether a message may refer to
//! those before it, and the receiver needs as much memory.

use super::error::{InvalidExtensions, ResponseError};
use super::extensions::{Extension, Extensions, ParamValue};

/// The extension's name, and its parameters (§7.1).
const NAME: &str = "permessage-deflate";
const SERVER_NO_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_WINDOW: &str = "server_max_window_bits";
const CLIENT_WINDOW: &str = "client_max_window_bits";

/// The size of a sliding window: 2^8 to 2^15 bytes (RFC 7692 §7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 256 bytes. Our compressor cannot use so small a window, so we never agree on it for what we
    /// send: see [`CAN`](Self::CAN).
    pub const MIN: Self = Self(8);
    /// 512 bytes: the smallest window that our compressor can use.
    pub const CAN: Self = Self(9);
    /// 32 KiB: DEFLATE's own, used unless something else is agreed on.
    pub const MAX: Self = Self(15);

    /// The window of 2^`bits` bytes, if DEFLATE has it: 8 to 15.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        match bits {
            8..=15 => Some(Self(bits)),
            _ => None,
        }
    }

    /// The base-2 logarithm of its size in bytes.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// "a decimal integer value without leading zeroes between 8 to 15, inclusive" (§7.1.2.1)
    fn parse(value: ParamValue<'_>) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0)
            .map(Self)
            .find(|bits| value == bits.as_str())
    }

    const fn as_str(self) -> &'static str {
        match self.0 {
            8 => "8",
            9 => "9",
            10 => "10",
            11 => "11",
            12 => "12",
            13 => "13",
            14 => "14",
            _ => "15",
        }
    }
}

/// Whether a message may refer to those before it (RFC 7692 §7.1.1): it compresses better then, and
/// both ends keep a window for as long as the connection lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Takeover {
    /// It may.
    Kept,
    /// It begins with an empty window.
    Off,
}

impl Takeover {
    /// Off if either says so.
    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Kept, Self::Kept) => Self::Kept,
            _ => Self::Off,
        }
    }
}

/// The compression of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    /// The sender's window.
    pub window: WindowBits,
    /// Whether it is kept between messages.
    pub takeover: Takeover,
}

impl Direction {
    /// The default of DEFLATE: a window of 32 KiB, kept between messages.
    pub const FULL: Self = Self {
        window: WindowBits::MAX,
        takeover: Takeover::Kept,
    };

    /// The narrower of the two, in each respect. A sender may always use less than was agreed on.
    #[cfg(feature = "deflate")]
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            window: self.window.min(other.window),
            takeover: self.takeover.and(other.takeover),
        }
    }
}

/// The compression that was agreed on, or the most to agree on.
///
/// Each end limits what it sends without asking the other. Only for what it receives does it have
/// to ask. [`agree`](Self::agree) says how a server does so, and
/// [`Offer::compression`](super::Offer::compression) how a client.
///
/// ```
/// use ws_proto::handshake::{Compression, Direction, Request, Takeover, WindowBits};
///
/// let request = Request::parse(b"GET / HTTP/1.1\r\nSec-WebSocket-Extensions: \
///     permessage-deflate; client_max_window_bits\r\n\r\n")?;
/// let small = Direction { window: WindowBits::new(12).unwrap(), takeover: Takeover::Off };
///
/// let agreed = Compression { server: small, client: small }.agree(request.extensions())?;
/// // The client has not asked us for a window: what we send is small all the same.
/// let answer = Compression { server: Direction::FULL, client: small };
/// assert_eq!(agreed.unwrap().compression(), answer);
/// # Ok::<(), ws_proto::handshake::RequestError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// The direction from the server.
    pub server: Direction,
    /// The direction from the client.
    pub client: Direction,
}

impl Compression {
    /// Accepts, as a server, the first offer that can be kept within these bounds. `None` if no
    /// offer can: then nothing is compressed.
    ///
    /// The answer grants what the client asks of us, or less. It names nothing else about what we
    /// send: we keep our bounds by compressing within them, whatever was agreed on, and some
    /// clients refuse what they did not ask for. The bounds of what the client sends are named if
    /// they are narrow: takeover in any answer, because every client must accept that (RFC 7692
    /// §7.1.1.2), and the window in an answer to a client that offers to use a smaller one.
    ///
    /// An offer is declined if it has an unknown or repeated parameter or an invalid value (RFC
    /// 7692 §7.1), or wants a smaller window than our compressor supports.
    ///
    /// # Errors
    ///
    /// [`InvalidExtensions`] if the list is malformed.
    pub fn agree(self, offers: Extensions<'_>) -> Result<Option<Agreed>, InvalidExtensions> {
        let mut agreed = None;
        for offer in offers {
            let offer = offer?;
            if agreed.is_none() && offer.name() == NAME {
                agreed = Parameters::parse(&offer).and_then(|offer| self.answer(&offer));
            }
        }
        Ok(agreed)
    }

    fn answer(self, offer: &Parameters) -> Option<Agreed> {
        let server = match offer.server_window {
            Some(asked) if asked < WindowBits::CAN => return None,
            Some(asked) => asked.min(self.server.window.max(WindowBits::CAN)),
            None => WindowBits::MAX,
        };
        let client = match offer.client_window {
            // Nothing may be said about it then, and the client uses what it likes: Firefox, for
            // one. Our window for receiving is as wide as DEFLATE's whatever was agreed.
            ClientWindow::Unnamed => WindowBits::MAX,
            // "indicates that the peer server may include [it] in the answer" (§7.1.2.2). Few
            // clients have a compressor that keeps to 8 bits: such a bound is taken as 9.
            ClientWindow::Any => self.client.window.max(WindowBits::CAN),
            ClientWindow::Bits(bits) => bits.min(self.client.window),
        };
        Some(Agreed {
            compression: Self {
                server: Direction {
                    window: server,
                    takeover: offer.server_takeover,
                },
                client: Direction {
                    window: client,
                    takeover: self.client.takeover.and(offer.client_takeover),
                },
            },
            names: Names {
                server: offer.server_window.is_some(),
                client: client < WindowBits::MAX,
            },
        })
    }

    /// Judges, as a client, the server's answer to our offers. `None` if the server agreed to
    /// nothing.
    ///
    /// An answer that does not grant what the first of several offers asks for is taken as one to a
    /// later offer. That one asks nothing of the server and lets it name any window for us, so
    /// every valid answer belongs to one of them.
    ///
    /// # Errors
    ///
    /// [`InvalidExtensions`](ResponseError::InvalidExtensions) if the list is malformed,
    /// [`UnofferedExtension`](ResponseError::UnofferedExtension) if it is not an answer to what
    /// we offered: "the client MUST _Fail the WebSocket Connection_" (§7.1).
    pub(super) fn confirm(answers: Extensions<'_>) -> Result<Option<Self>, ResponseError> {
        let mut confirmed = None;
        for answer in answers {
            let answer = answer?;
            if confirmed.is_some() || answer.name() != NAME {
                return Err(ResponseError::UnofferedExtension);
            }
            let answer = Parameters::parse(&answer).and_then(|answer| answer.agreed());
            confirmed = Some(answer.ok_or(ResponseError::UnofferedExtension)?);
        }
        Ok(confirmed)
    }

    /// Writes the offers of a client: the one that browsers make. If the server is asked for more,
    /// an offer that says so comes before it, and one without windows after it. A server takes the
    /// first that it supports (§5): some have no choice of windows, some want to choose ours, and
    /// some know no windows.
    pub(super) fn offered(&self, mut put: impl FnMut(&str)) {
        let asks = self.server != Direction::FULL;
        let offer = Self {
            server: self.server,
            client: Direction::FULL,
        };
        let names = Names {
            server: self.server.window < WindowBits::MAX,
            client: false,
        };
        offer.pieces(names, &mut put);
        // Without a value: whatever window the server names, we keep to.
        for text in ["; ", CLIENT_WINDOW] {
            put(text);
        }
        if asks {
            for text in [", ", NAME, "; ", CLIENT_WINDOW, ", ", NAME] {
                put(text);
            }
        }
    }

    fn pieces(&self, names: Names, put: &mut impl FnMut(&str)) {
        put(NAME);
        for (takeover, name) in [
            (self.server.takeover, SERVER_NO_TAKEOVER),
            (self.client.takeover, CLIENT_NO_TAKEOVER),
        ] {
            if takeover == Takeover::Off {
                put("; ");
                put(name);
            }
        }
        for (named, name, window) in [
            (names.server, SERVER_WINDOW, self.server.window),
            (names.client, CLIENT_WINDOW, self.client.window),
        ] {
            if named {
                for text in ["; ", name, "=", window.as_str()] {
                    put(text);
                }
            }
        }
    }
}

/// The compression that a server agreed to, for
/// [`Accept::compression`](super::Accept::compression). Its `Display` is the value of
/// Sec-WebSocket-Extensions that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    compression: Compression,
    names: Names,
}

/// The windows that the text names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Names {
    server: bool,
    client: bool,
}

impl Agreed {
    /// The compression agreed on.
    #[must_use]
    pub const fn compression(&self) -> Compression {
        self.compression
    }

    pub(super) fn pieces(&self, mut put: impl FnMut(&str)) {
        self.compression.pieces(self.names, &mut put);
    }
}

/// The parameters of one offer or answer.
#[derive(Clone, Copy, Debug)]
struct Parameters {
    server_takeover: Takeover,
    client_takeover: Takeover,
    server_window: Option<WindowBits>,
    client_window: ClientWindow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientWindow {
    Unnamed,
    /// Named without a value.
    Any,
    Bits(WindowBits),
}

impl Parameters {
    /// The meaning of an answer; `None` if it is not valid: in an answer the client's window has a
    /// value (§7.1.2.2).
    fn agreed(&self) -> Option<Compression> {
        let client_window = match self.client_window {
            ClientWindow::Unnamed => WindowBits::MAX,
            ClientWindow::Any => return None,
            ClientWindow::Bits(bits) => bits,
        };
        Some(Compression {
            server: Direction {
                window: self.server_window.unwrap_or(WindowBits::MAX),
                takeover: self.server_takeover,
            },
            client: Direction {
                window: client_window,
                takeover: self.client_takeover,
            },
        })
    }

    /// Reads the parameters. `None` if one is unknown, repeated or invalid: "A server MUST decline
    /// an extension negotiation offer" that has such a one, and a client fails the connection
    /// (§7.1).
    fn parse(extension: &Extension<'_>) -> Option<Self> {
        let mut this = Self {
            server_takeover: Takeover::Kept,
            client_takeover: Takeover::Kept,
            server_window: None,
            client_window: ClientWindow::Unnamed,
        };
        for (name, value) in extension.params() {
            match (name, value) {
                (SERVER_NO_TAKEOVER, None) if this.server_takeover == Takeover::Kept => {
                    this.server_takeover = Takeover::Off;
                }
                (CLIENT_NO_TAKEOVER, None) if this.client_takeover == Takeover::Kept => {
                    this.client_takeover = Takeover::Off;
                }
                (SERVER_WINDOW, Some(value)) if this.server_window.is_none() => {
                    this.server_window = Some(WindowBits::parse(value)?);
                }
                (CLIENT_WINDOW, value) if this.client_window == ClientWindow::Unnamed => {
                    this.client_window = match value {
                        Some(value) => ClientWindow::Bits(WindowBits::parse(value)?),
                        None => ClientWindow::Any,
                    };
                }
                _ => return None,
            }
        }
        Some(this)
    }
}
