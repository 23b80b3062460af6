//! Admission: which connections a server accepts when more arrive than it has room for.
//!
//! ```text
//!            ┌── open ──────────────────────────┬── opening ──┬───────────┐
//!            │                                  │ oldest …    │  … newest │ ◀── enter
//!            └──────────────────────────────────┴──│──────────┴───────────┘
//!   0                                              ▼ gives way            connections
//! ```
//!
//! A connection that says nothing costs as much as one that opens, and we cannot know which of the
//! two it is. So opening connections have a budget of their own: when it is used up, the oldest
//! gives way to the next. By then an honest client has sent its request.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};

use crate::refusal::Refusal;

/// How many connections a server has at a time.
///
/// ```
/// use ws_http::Quota;
///
/// let mut quota = Quota::default();
/// assert_eq!((quota.connections, quota.openings()), (1024, 256));
/// quota.per_address = Some(8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quota {
    /// The most connections, including those that are opening; the next is refused with 503.
    ///
    /// Default: 1024.
    pub connections: usize,
    /// The most connections that may be opening at a time: from being accepted to the 101, or to
    /// the end of another answer. When one more comes, the oldest of them is refused with 503.
    ///
    /// Default: a quarter of the connections, but at least 16, or all of them if there are fewer.
    pub openings: Option<usize>,
    /// The most connections of an address; the next is refused with 429. Connections from this
    /// machine are not counted. IPv6 addresses with the same first 64 bits count as one, because a
    /// host usually owns all of them.
    ///
    /// Default: 64.
    pub per_address: Option<usize>,
}

impl Quota {
    /// The defaults, as a constant.
    pub const DEFAULT: Self = Self {
        connections: 1024,
        openings: None,
        per_address: Some(64),
    };

    /// The most connections that may be opening, as set or by default.
    #[must_use]
    pub fn openings(&self) -> usize {
        let quarter = (self.connections / 4).max(16);
        self.openings
            .unwrap_or(quarter)
            .clamp(1, self.connections.max(1))
    }
}

impl Default for Quota {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Decides which connections a server accepts.
///
/// Report each connection that was accepted, was opened or has ended. It answers which ones to
/// refuse, and which one gives way to another. It has no clock: the order in which connections came
/// is enough.
///
/// ```
/// use ws_http::{Admission, Quota, Refusal};
///
/// let mut quota = Quota::default();
/// quota.openings = Some(1);
/// let mut admission = Admission::new(quota);
/// let peer = "203.0.113.9".parse()?;
/// let silent = admission.enter(Some(peer))?;
/// let next = admission.enter(Some(peer))?;
/// assert_eq!(next.gives_way, Some(silent.id)); // answer it with 503, and drop it
/// admission.open(next.id);
/// admission.leave(next.id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Admission {
    quota: Quota,
    next: u64,
    /// Of whom each is.
    connections: HashMap<u64, Option<Owner>>,
    /// The oldest has the lowest number.
    openings: BTreeSet<u64>,
    owners: HashMap<Owner, usize>,
}

/// Somebody who is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Owner(IpAddr);

/// A connection that was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Entered {
    /// Its number, which no other connection has.
    pub id: u64,
    /// The number of the connection that has to be refused in its place, and that no longer counts.
    pub gives_way: Option<u64>,
}

impl Admission {
    /// Admits as many connections as the quota allows.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self {
            quota,
            next: 0,
            connections: HashMap::new(),
            openings: BTreeSet::new(),
            owners: HashMap::new(),
        }
    }

    /// The quota, to change it. Connections that were admitted stay.
    pub const fn quota_mut(&mut self) -> &mut Quota {
        &mut self.quota
    }

    /// Reports a connection that was accepted, with its address; `None` if a proxy will still
    /// [name](Self::name) the client.
    ///
    /// # Errors
    ///
    /// [`Refusal::Full`] and [`Refusal::Crowd`].
    pub fn enter(&mut self, peer: Option<IpAddr>) -> Result<Entered, Refusal> {
        let owner = peer.and_then(Owner::of);
        self.check(owner)?;
        let gives_way = match self.openings.first() {
            Some(oldest) if self.openings.len() >= self.quota.openings() => Some(*oldest),
            _ if self.connections.len() >= self.quota.connections => return Err(Refusal::Full),
            _ => None,
        };
        if let Some(oldest) = gives_way {
            self.leave(oldest);
        }
        let id = self.next;
        self.next += 1;
        self.connections.insert(id, None);
        self.openings.insert(id);
        self.count(id, owner);
        Ok(Entered { id, gives_way })
    }

    /// Reports the address that a proxy named for a connection.
    ///
    /// # Errors
    ///
    /// [`Refusal::Crowd`].
    pub fn name(&mut self, id: u64, client: IpAddr) -> Result<(), Refusal> {
        let owner = Owner::of(client);
        if let Some(own) = self.connections.get(&id)
            && *own != owner
        {
            self.check(owner)?;
            self.uncount(id);
            self.count(id, owner);
        }
        Ok(())
    }

    /// Reports that a connection is about to open: from now on it gives way to no other. Returns
    /// `false` if it has given way already: then refuse it.
    #[must_use]
    pub fn open(&mut self, id: u64) -> bool {
        self.openings.remove(&id)
    }

    /// Reports that a connection has ended.
    pub fn leave(&mut self, id: u64) {
        self.uncount(id);
        self.openings.remove(&id);
        self.connections.remove(&id);
    }

    /// The number of connections that are open.
    #[must_use]
    pub fn open_len(&self) -> usize {
        self.connections.len() - self.openings.len()
    }

    /// The number of connections that are opening.
    #[must_use]
    pub fn opening_len(&self) -> usize {
        self.openings.len()
    }

    /// Checks that somebody may have one more.
    fn check(&self, owner: Option<Owner>) -> Result<(), Refusal> {
        let (Some(owner), Some(most)) = (owner, self.quota.per_address) else {
            return Ok(());
        };
        match self.owners.get(&owner) {
            Some(own) if *own >= most => Err(Refusal::Crowd { most }),
            None if most == 0 => Err(Refusal::Crowd { most }),
            _ => Ok(()),
        }
    }

    fn count(&mut self, id: u64, owner: Option<Owner>) {
        if let (Some(place), Some(owner)) = (self.connections.get_mut(&id), owner) {
            *place = Some(owner);
            *self.owners.entry(owner).or_default() += 1;
        }
    }

    fn uncount(&mut self, id: u64) {
        let Some(owner) = self.connections.get_mut(&id).and_then(Option::take) else {
            return;
        };
        if let Some(own) = self.owners.get_mut(&owner) {
            *own -= 1;
            if *own == 0 {
                self.owners.remove(&owner);
            }
        }
    }
}

impl Owner {
    /// The owner of an address, or `None` for this machine, which is not counted.
    fn of(address: IpAddr) -> Option<Self> {
        let address = address.to_canonical();
        if address.is_loopback() {
            return None;
        }
        Some(Self(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(connections: usize, openings: usize, per_address: usize) -> Admission {
        Admission::new(Quota {
            connections,
            openings: Some(openings),
            per_address: Some(per_address),
        })
    }

    fn address(last: u8) -> Option<IpAddr> {
        Some([203, 0, 113, last].into())
    }

    #[test]
    fn a_quarter_may_be_opening_and_a_few_on_a_small_server() {
        for (connections, set, openings) in [
            (1024, None, 256),
            (100, None, 25),
            (40, None, 16),
            (2, None, 2),
            (0, None, 1),
            (1024, Some(8), 8),
            (1024, Some(0), 1),
            (10, Some(80), 10),
        ] {
            let quota = Quota {
                connections,
                openings: set,
                ..Quota::DEFAULT
            };
            assert_eq!(quota.openings(), openings, "{connections} {set:?}");
        }
    }

    #[test]
    fn the_oldest_of_those_that_are_opening_gives_way() {
        let mut admission = admission(4, 2, 64);
        let enter = |admission: &mut Admission| admission.enter(None).unwrap();
        let first = enter(&mut admission);
        let second = enter(&mut admission);
        assert_eq!((first.gives_way, second.gives_way), (None, None));
        let third = enter(&mut admission);
        assert_eq!(third.gives_way, Some(first.id));
        assert!(!admission.open(first.id), "it has left");
        // One that is open does not.
        assert!(admission.open(second.id));
        let fourth = enter(&mut admission);
        assert_eq!(fourth.gives_way, None);
        assert_eq!(enter(&mut admission).gives_way, Some(third.id));
        assert_eq!((admission.open_len(), admission.opening_len()), (1, 2));
    }

    #[test]
    fn who_is_open_stays_and_who_comes_then_is_refused() {
        let mut admission = admission(2, 2, 64);
        let ids: Vec<_> = (0..2).map(|_| admission.enter(None).unwrap().id).collect();
        for id in &ids {
            assert!(admission.open(*id));
        }
        assert_eq!(admission.enter(None), Err(Refusal::Full));
        admission.leave(ids[0]);
        admission.leave(ids[0]);
        assert!(admission.enter(None).is_ok());
        assert_eq!((admission.open_len(), admission.opening_len()), (1, 1));
    }

    #[test]
    fn an_address_has_so_many_and_this_machine_any() {
        let crowd = Err(Refusal::Crowd { most: 2 });
        let mut admission = admission(100, 100, 2);
        let first = admission.enter(address(1)).unwrap().id;
        assert!(admission.enter(address(1)).is_ok());
        assert_eq!(admission.enter(address(1)), crowd);
        let mapped = "::ffff:203.0.113.1".parse().unwrap();
        assert_eq!(admission.enter(Some(mapped)), crowd);
        assert!(admission.enter(address(2)).is_ok());
        // It counts while it is open, and no longer.
        assert!(admission.open(first));
        assert_eq!(admission.enter(address(1)), crowd);
        admission.leave(first);
        assert!(admission.enter(address(1)).is_ok());

        let (same, other) = ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2");
        assert!(admission.enter(same.parse().ok()).is_ok());
        assert!(admission.enter(other.parse().ok()).is_ok());
        assert_eq!(admission.enter(other.parse().ok()), crowd);
        let neighbour = "2001:db8:1:3::1".parse().ok();
        assert!(admission.enter(neighbour).is_ok());
        for local in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            for _ in 0..5 {
                assert!(admission.enter(local.parse().ok()).is_ok(), "{local}");
            }
        }
    }

    #[test]
    fn a_proxy_has_any_number_and_each_client_of_it_so_many() {
        let mut admission = admission(100, 100, 1);
        let [first, second, third] = [0; 3].map(|_| admission.enter(None).unwrap().id);
        let client = address(1).unwrap();
        assert_eq!(admission.name(first, client), Ok(()));
        assert_eq!(admission.name(first, client), Ok(()), "it was that before");
        let crowd = Err(Refusal::Crowd { most: 1 });
        assert_eq!(admission.name(second, client), crowd);
        admission.leave(second);
        assert_eq!(admission.name(third, [127, 0, 0, 1].into()), Ok(()));
        assert_eq!(admission.name(first, address(2).unwrap()), Ok(()));
        assert_eq!(admission.name(third, client), Ok(()), "it is free again");
        assert_eq!(admission.name(99, client), Ok(()), "it has left");
    }

    /// Whatever happens, it is as a list of all of them would have it.
    #[test]
    fn it_agrees_with_a_list() {
        let quota = Quota {
            connections: 8,
            openings: Some(3),
            per_address: Some(4),
        };
        let mut admission = Admission::new(quota);
        // (number, address, whether it is open)
        let mut list: Vec<(u64, u8, bool)> = Vec::new();
        let mut seed = 7_u32;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [_, choice, at, last] = seed.to_be_bytes();
            let at = usize::from(at) % list.len().max(1);
            match choice % 4 {
                0 if !list.is_empty() => admission.leave(list.remove(at).0),
                1 if !list.is_empty() => {
                    assert_eq!(admission.open(list[at].0), !list[at].2);
                    list[at].2 = true;
                }
                _ => {
                    let last = last % 4;
                    let own = list.iter().filter(|(_, own, _)| *own == last).count();
                    let opening = list.iter().filter(|(_, _, open)| !open).count();
                    let entered = admission.enter(address(last));
                    if own >= 4 {
                        assert_eq!(entered, Err(Refusal::Crowd { most: 4 }));
                        continue;
                    }
                    if opening < 3 && list.len() >= 8 {
                        assert_eq!(entered, Err(Refusal::Full));
                        continue;
                    }
                    let entered = entered.unwrap();
                    let oldest = list.iter().position(|(_, _, open)| !open);
                    let gives_way = oldest.filter(|_| opening >= 3).map(|at| list.remove(at).0);
                    assert_eq!(entered.gives_way, gives_way);
                    list.push((entered.id, last, false));
                }
            }
            let open = list.iter().filter(|(_, _, open)| *open).count();
            assert_eq!(admission.open_len(), open);
            assert_eq!(admission.opening_len(), list.len() - open);
        }
    }
}
