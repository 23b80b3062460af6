//! Which of a host's addresses to connect to, and when (RFC 8305): both families, and none of them
//! waited for in vain.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use ws_proto::Instant;

/// The attempts to connect to one host: one address after another, each begun 250 ms after the one
/// before, or at once when an attempt fails. The first to connect wins.
///
/// It only says what to do next; sockets and clock are the caller's.
///
/// ```
/// use ws_http::{Attempt, Attempts};
/// use ws_proto::Instant;
///
/// // As the look-up gave them.
/// let six = "[2001:db8::1]:80".parse()?;
/// let four = "192.0.2.1:80".parse()?;
/// let mut attempts = Attempts::new([six, four]);
/// let now = Instant::default();
/// assert_eq!(attempts.next(now), Attempt::Begin(six));
/// let then = now.after(Attempts::DELAY);
/// assert_eq!(attempts.next(now), Attempt::Wait(Some(then)));
/// assert_eq!(attempts.next(then), Attempt::Begin(four));
/// // The first one fails; the second may still connect.
/// attempts.failed();
/// assert_eq!(attempts.next(then), Attempt::Wait(None));
/// attempts.failed();
/// assert_eq!(attempts.next(then), Attempt::Over);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Attempts {
    waiting: VecDeque<SocketAddr>,
    /// The moment at which the next begins. `None` is at once.
    next: Option<Instant>,
    /// The number that have begun and not failed.
    begun: usize,
}

/// What to do next about a host's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Attempt {
    /// Begin to connect to this address, then ask again.
    Begin(SocketAddr),
    /// Wait until an attempt ends, or until this moment, if there is one: then it is time for
    /// another address.
    Wait(Option<Instant>),
    /// All of them have failed, or the host has no address.
    Over,
}

impl Attempts {
    /// The time that an attempt has before the next begins: the "Connection Attempt Delay" of RFC
    /// 8305 §8.
    pub const DELAY: Duration = Duration::from_millis(250);

    /// Takes the addresses in the order that the look-up prefers (RFC 6724). The first address sets
    /// the family to begin with; then the families take turns (RFC 8305 §4).
    pub fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let mut families: [VecDeque<SocketAddr>; 2] = Default::default();
        let mut first = None;
        for address in addresses {
            let first = *first.get_or_insert_with(|| address.is_ipv6());
            let family = &mut families[usize::from(address.is_ipv6() != first)];
            if !family.contains(&address) {
                family.push_back(address);
            }
        }
        let [mut one, mut other] = families;
        let mut waiting = VecDeque::with_capacity(one.len() + other.len());
        while !one.is_empty() || !other.is_empty() {
            waiting.extend(one.pop_front());
            waiting.extend(other.pop_front());
        }
        Self {
            waiting,
            next: None,
            begun: 0,
        }
    }

    /// Says what to do next.
    pub fn next(&mut self, now: Instant) -> Attempt {
        if self.waiting.is_empty() {
            return match self.begun {
                0 => Attempt::Over,
                _ => Attempt::Wait(None),
            };
        }
        if let Some(next) = self.next
            && now < next
        {
            return Attempt::Wait(Some(next));
        }
        let Some(address) = self.waiting.pop_front() else {
            return Attempt::Over;
        };
        self.next = Some(now.after(Self::DELAY));
        self.begun += 1;
        Attempt::Begin(address)
    }

    /// Reports that an attempt has failed: the next begins at once.
    pub fn failed(&mut self) {
        self.begun = self.begun.saturating_sub(1);
        self.next = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<SocketAddr> {
        let parse = |text: &str| match text.split_at(1) {
            ("4", last) => format!("192.0.2.{last}:80").parse().unwrap(),
            (_, last) => format!("[2001:db8::{last}]:80").parse().unwrap(),
        };
        text.split(' ').map(parse).collect()
    }

    /// The addresses in the order in which they begin if all of them fail at once.
    fn order(given: &str) -> Vec<SocketAddr> {
        let mut attempts = Attempts::new(addresses(given));
        let mut order = Vec::new();
        while let Attempt::Begin(address) = attempts.next(Instant::default()) {
            order.push(address);
            attempts.failed();
        }
        assert_eq!(attempts.next(Instant::default()), Attempt::Over);
        order
    }

    #[test]
    fn families_take_turns_and_the_look_up_says_which_begins() {
        for (given, begun) in [
            ("61 62 63 41 42", "61 41 62 42 63"),
            ("41 61 62", "41 61 62"),
            ("41 42 61", "41 61 42"),
            ("61 62", "61 62"),
            ("41", "41"),
            // An address is tried once, however often it is listed.
            ("41 41 61 41 61", "41 61"),
        ] {
            assert_eq!(order(given), addresses(begun), "{given}");
        }
        let none = Attempts::new([]).next(Instant::default());
        assert_eq!(none, Attempt::Over);
    }

    #[test]
    fn a_silent_address_delays_the_next_by_a_quarter_of_a_second() {
        let all = addresses("61 41 62");
        let mut attempts = Attempts::new(all.clone());
        let start = Instant::default();
        let at = |millis| start.after(Duration::from_millis(millis));
        assert_eq!(attempts.next(at(0)), Attempt::Begin(all[0]));
        assert_eq!(attempts.next(at(0)), Attempt::Wait(Some(at(250))));
        assert_eq!(attempts.next(at(249)), Attempt::Wait(Some(at(250))));
        assert_eq!(attempts.next(at(250)), Attempt::Begin(all[1]));
        // A caller that asks late does not wait less after that.
        assert_eq!(attempts.next(at(700)), Attempt::Begin(all[2]));
        assert_eq!(attempts.next(at(700)), Attempt::Wait(None));
    }

    #[test]
    fn a_failure_lets_the_next_begin_at_once_and_ends_nothing_else() {
        let all = addresses("61 41 62");
        let mut attempts = Attempts::new(all.clone());
        let now = Instant::default();
        assert_eq!(attempts.next(now), Attempt::Begin(all[0]));
        attempts.failed();
        assert_eq!(attempts.next(now), Attempt::Begin(all[1]));
        attempts.failed();
        assert_eq!(attempts.next(now), Attempt::Begin(all[2]));
        assert_eq!(attempts.next(now), Attempt::Wait(None));
        attempts.failed();
        for _ in 0..2 {
            assert_eq!(attempts.next(now), Attempt::Over);
        }
    }

    #[test]
    fn time_that_cannot_be_added_is_never() {
        let all = addresses("61 41");
        let mut attempts = Attempts::new(all.clone());
        let last = Instant::default().after(Duration::MAX);
        assert_eq!(attempts.next(last), Attempt::Begin(all[0]));
        let _ = attempts.next(last);
    }
}
