//! Topics: rooms of a chat, channels of a feed. Each has its members, and each member its topics.
//!
//! ```text
//!   "chat" ─▶ topic 3: members │ 7 │ 19 │ 4 │        connection 19 ─▶ its places │ 3, at 1 │ 5, at 0 │
//! ```
//!
//! To join or to leave takes a few steps, however many members there are: the last member takes the
//! place of one that leaves, and learns its new place.

use std::collections::HashMap;

/// The name of a topic, until its last member leaves: no later topic has the same, so what was
/// published in one that is gone reaches nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicId {
    index: u32,
    generation: u32,
}

/// The treatment of a member for which too much waits already:
/// [`max_unsent`](ws_proto::Limits::max_unsent) or more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slow {
    /// It is closed with 1013, so that no member misses a message without knowing it.
    #[default]
    Close,
    /// It misses this message: for messages that newer ones soon replace.
    Skip,
}

/// A member of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) slot: u32,
    pub(crate) slow: Slow,
}

#[derive(Debug)]
struct Topic {
    name: Box<str>,
    generation: u32,
    members: Vec<Member>,
}

/// A connection's place in a topic.
#[derive(Clone, Copy, Debug)]
struct Place {
    topic: TopicId,
    at: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Topics {
    names: HashMap<Box<str>, TopicId>,
    topics: Vec<Topic>,
    /// The indices that no topic has.
    vacant: Vec<u32>,
    /// Of each slot that is a member of any.
    places: HashMap<u32, Vec<Place>>,
}

impl Topics {
    /// The topic of this name, if it has members.
    pub(crate) fn find(&self, name: &str) -> Option<TopicId> {
        self.names.get(name).copied()
    }

    /// The number of members of a topic.
    pub(crate) fn members(&self, name: &str) -> usize {
        let topic = self.find(name).and_then(|id| self.topic(id));
        topic.map_or(0, |topic| topic.members.len())
    }

    /// The number of members of a topic.
    pub(crate) fn len(&self, id: TopicId) -> usize {
        self.topic(id).map_or(0, |topic| topic.members.len())
    }

    /// The member at a place of a topic.
    pub(crate) fn member(&self, id: TopicId, at: usize) -> Option<Member> {
        self.topic(id)?.members.get(at).copied()
    }

    /// Makes a connection a member; of one that is a member already, what becomes of it if it is
    /// slow changes.
    pub(crate) fn join(&mut self, slot: u32, name: &str, slow: Slow) {
        let id = self.find(name).unwrap_or_else(|| self.make(name));
        let places = self.places.entry(slot).or_default();
        let Some(topic) = self.topics.get_mut(id.index as usize) else {
            return;
        };
        if let Some(place) = places.iter().find(|place| place.topic == id) {
            if let Some(member) = topic.members.get_mut(place.at as usize) {
                member.slow = slow;
            }
            return;
        }
        let at = u32::try_from(topic.members.len()).unwrap_or(u32::MAX);
        topic.members.push(Member { slot, slow });
        places.push(Place { topic: id, at });
    }

    /// Ends a connection's membership, if it has one.
    pub(crate) fn leave(&mut self, slot: u32, name: &str) {
        let (Some(id), Some(places)) = (self.find(name), self.places.get_mut(&slot)) else {
            return;
        };
        if let Some(at) = places.iter().position(|place| place.topic == id) {
            let place = places.swap_remove(at);
            if places.is_empty() {
                self.places.remove(&slot);
            }
            self.give_up(place);
        }
    }

    /// Ends all memberships of a connection.
    pub(crate) fn leave_all(&mut self, slot: u32) {
        for place in self.places.remove(&slot).unwrap_or_default() {
            self.give_up(place);
        }
    }

    fn topic(&self, id: TopicId) -> Option<&Topic> {
        let topic = self.topics.get(id.index as usize)?;
        (topic.generation == id.generation).then_some(topic)
    }

    fn make(&mut self, name: &str) -> TopicId {
        let vacant = self.vacant.pop();
        let id = match vacant.and_then(|index| Some((index, self.topics.get_mut(index as usize)?)))
        {
            Some((index, topic)) => {
                topic.name = name.into();
                let generation = topic.generation;
                TopicId { index, generation }
            }
            None => {
                let (index, generation) = (self.topics.len(), 0);
                self.topics.push(Topic {
                    name: name.into(),
                    generation,
                    members: Vec::new(),
                });
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                TopicId { index, generation }
            }
        };
        self.names.insert(name.into(), id);
        id
    }

    /// Gives up a place, which the last member takes. A topic without members goes.
    fn give_up(&mut self, Place { topic: id, at }: Place) {
        let Some(topic) = self.topics.get_mut(id.index as usize) else {
            return;
        };
        if (at as usize) < topic.members.len() {
            topic.members.swap_remove(at as usize);
        }
        if let Some(moved) = topic.members.get(at as usize) {
            let places = self.places.get_mut(&moved.slot);
            let mut places = places.into_iter().flatten();
            if let Some(place) = places.find(|place| place.topic == id) {
                place.at = at;
            }
        } else if topic.members.is_empty() {
            let name = std::mem::take(&mut topic.name);
            topic.members = Vec::new();
            topic.generation = topic.generation.wrapping_add(1);
            self.names.remove(&name);
            self.vacant.push(id.index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};
    use ws_testkit::Random;

    fn slots(topics: &Topics, name: &str) -> BTreeSet<u32> {
        let Some(id) = topics.find(name) else {
            return BTreeSet::new();
        };
        let members = (0..topics.len(id)).map(|at| topics.member(id, at).expect("it is there"));
        let slots: BTreeSet<_> = members.map(|member| member.slot).collect();
        assert_eq!(slots.len(), topics.len(id), "nobody is in it twice");
        slots
    }

    #[test]
    fn joining_twice_changes_what_becomes_of_who_is_slow() {
        let mut topics = Topics::default();
        topics.join(1, "a", Slow::Close);
        topics.join(1, "a", Slow::Skip);
        let id = topics.find("a").expect("it has a member");
        let (slot, slow) = (1, Slow::Skip);
        assert_eq!(topics.member(id, 0), Some(Member { slot, slow }));
        assert_eq!(topics.len(id), 1);
    }

    #[test]
    fn a_topic_that_is_gone_is_no_later_one() {
        let mut topics = Topics::default();
        topics.join(1, "a", Slow::Close);
        let gone = topics.find("a").expect("it has a member");
        topics.leave(1, "a");
        topics.join(2, "b", Slow::Close);
        assert_eq!((topics.len(gone), topics.member(gone, 0)), (0, None));
        assert_eq!((topics.members("a"), topics.members("b")), (0, 1));
    }

    /// Held against sets: members are those who joined and have not left.
    #[test]
    fn members_are_who_joined_and_has_not_left() {
        let names = ["a", "b", "c", "d"];
        let mut random = Random::new(3);
        let mut topics = Topics::default();
        let mut sets: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
        for _ in 0..5000 {
            let slot = u32::try_from(random.below(12)).expect("few");
            let name = names[random.below(names.len())];
            match random.below(7) {
                0..=3 => {
                    topics.join(slot, name, Slow::Close);
                    sets.entry(name).or_default().insert(slot);
                }
                4 | 5 => {
                    topics.leave(slot, name);
                    sets.entry(name).or_default().remove(&slot);
                }
                _ => {
                    topics.leave_all(slot);
                    for set in sets.values_mut() {
                        set.remove(&slot);
                    }
                }
            }
            for name in names {
                let set = sets.get(name).cloned().unwrap_or_default();
                assert_eq!(slots(&topics, name), set);
                assert_eq!(topics.members(name), set.len());
            }
        }
        for slot in 0..12 {
            topics.leave_all(slot);
        }
        assert!(topics.names.is_empty() && topics.places.is_empty());
        assert!(topics.topics.len() <= names.len(), "numbers are used again");
    }
}
