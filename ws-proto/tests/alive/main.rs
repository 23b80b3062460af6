//! The rule of life: a peer is given up only when, for the whole pong timeout after a Ping has
//! left, nothing was received from it and nothing that waits for it was taken.
//!
//! A table of who moved which bytes when, and what becomes of the peer; then any story, judged by
//! an oracle that knows the rule and nothing of how it is kept.
//!
//! A row is: what it shows | ping interval/pong timeout/close timeout in seconds | the story |
//! the end. In a story:
//!
//! ```text
//! pong 1              the peer answers each Ping a second after it has read it; else never
//! closes 1            the same with our Close
//! peer-close 30       it closes of its own accord
//! says 1 every 19     it sends a byte every 19 s; or `at 7`, once
//! frame 100k 5..105   it is within a frame, 100 kB of it come each second, no Pong can
//! takes 80k 0..50     it reads 80 kB in each of these seconds; without the span, always
//! gone 25             from this second on it neither reads nor sends
//! pipe 64k            what the socket holds that the peer has not read: 64 kB if nothing is said
//! send 4000k at 0     our application sends a message; or `every 1`
//! close 7             and closes
//! busy 25..3600       our adapter does nothing, for it is at work, or stopped by a signal
//! looks 30            it looks in each 30 s, and does nothing between
//! as client           we are the client; else both are tried
//! ```
//!
//! Each story is lived by every kind of adapter, for which see the [drivers], and as both ends.

mod drivers;
#[cfg(feature = "alloc")]
mod ear;
mod mouth;
mod story;
mod world;

use core::any;
use core::ops::Range;
use core::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use ws_proto::{Role, Timeouts};

#[cfg(feature = "alloc")]
use drivers::sessions;
use drivers::{ByHand, Driver};
use story::{Case, Fate, Story};
use world::{Watch, World};

const CASES: &[&str] = &[
    // Asked and answered.
    "it answers at once                  | 20/20/10 | pong 0                         | alive 600 30 pings",
    "for ten minutes, on the grid        | 20/20/10 | pong 1                         | alive 600 30 pings",
    "the answer takes its time           | 20/20/10 | pong 19                        | alive 600 30 pings",
    "in the very last moment             | 20/20/10 | pong 20                        | alive 600 30 pings",
    "a moment later                      | 20/20/10 | pong 21                        | no pong 40",
    "it never answers                    | 20/20/10 |                                | no pong 40",
    "gone before it answers              | 20/20/10 | pong 1; gone 21                | no pong 40",
    "gone after it answered              | 20/20/10 | pong 1; gone 22                | no pong 60",
    "gone just before a Ping             | 20/20/10 | pong 1; gone 39                | no pong 60",
    "gone with a Ping                    | 20/20/10 | pong 1; gone 40                | no pong 60",
    // Any byte is life.
    "a byte now and then, never a Pong   | 20/20/10 | says 1 every 19                | alive 600 30 pings",
    "a byte too seldom                   | 20/20/10 | says 1 every 39                | no pong 60",
    "a byte each second, then no more    | 20/20/10 | says 1 every 1; gone 100       | no pong 120",
    "what was said before is no answer   | 20/20/10 | says 1 every 1; gone 20        | no pong 40",
    "A2: within a frame of 10 MB         | 20/20/10 | pong 1; frame 100k 5..105      | alive 600",
    "A2: 900 kB at 10 kB/s               | 20/20/10 | pong 1; frame 10k 5..95        | alive 600",
    "within a frame that drips           | 20/20/10 | pong 1; frame 1 5..505         | alive 600",
    "within a frame that never ends      | 20/20/10 | pong 1; frame 1 5..900; gone 50 | no pong 80",
    // What lies in the socket is read before anybody is judged.
    "A1: looked at each 30 s             | 20/20/10 | pong 1; looks 30               | alive 600 20 pings",
    "A1: looked at each 41 s             | 20/20/10 | pong 1; looks 41               | alive 615 15 pings",
    "A1: stopped while it answers        | 20/20/10 | pong 1; busy 21..3600          | alive 3619 2 pings",
    "stopped in between                  | 20/20/10 | pong 1; busy 25..3600          | alive 3619 2 pings",
    "stopped before a Ping               | 20/20/10 | pong 1; busy 20..3600          | alive 3619 1 pings",
    "gone while we are stopped           | 20/20/10 | pong 1; busy 21..3600; gone 99 | no pong 3620",
    "gone before we are stopped          | 20/20/10 | pong 1; busy 21..3600; gone 21 | no pong 3600",
    "A3: six times 25 s of work          | 20/20/10 | pong 1; looks 25; says 900k at 0 | alive 600",
    "A3: 150 s of work                   | 20/20/10 | pong 1; busy 1..151            | alive 600",
    "its Close came while we worked      | 20/20/10 | pong 1; busy 21..90; peer-close 50 | closed 90",
    // Our own bytes stand before the Ping.
    "A4: 4 MB at 80 kB/s                 | 20/20/10 | pong 1; send 4000k at 0; takes 80k | alive 600",
    "A4: a byte a second                 | 20/20/10 | pong 1; send 300 at 0; takes 1; pipe 1 | alive 600",
    "A4: a byte a second, then none      | 20/20/10 | pong 1; send 300 at 0; takes 1; pipe 1; gone 100 | no pong 119",
    "a byte now and then, then none      | 20/20/10 | send 300 at 0; pipe 1; takes 0; takes 1 30..31; takes 1 45..46 | no pong 65",
    "it reads, and says nothing          | 20/20/10 | send 4000k at 0; takes 80k     | no pong 69",
    "it reads two, and says nothing      | 20/20/10 | send 4000k at 0; send 4000k at 1; takes 80k | no pong 119",
    "it sends, and reads nothing         | 20/20/10 | send 4000k at 0; takes 0; says 1 every 19 | alive 600",
    "A7: it reads nothing                | 20/20/10 | send 4000k at 0; takes 0       | no pong 40",
    "gone while it takes                 | 20/20/10 | send 4000k at 0; takes 80k; gone 30 | no pong 49",
    "stopped while it takes              | 20/20/10 | pong 1; send 4000k at 0; takes 80k; busy 25..49 | alive 600",
    // They stand in the socket, where the Ping overtakes nothing.
    "A4: the Ping is read after 31 s     | 20/20/10 | pong 1; pipe 2500k; takes 80k; send 4000k at 0; send 100k every 1 | alive 600",
    "the transport refuses, then takes   | 20/20/10 | as server; pipe 100; takes 0; takes 100 35..36; send 98 at 20; send 100 at 21 | no pong 60",
    "the same, and a Ping has a key      | 20/20/10 | as client; pipe 100; takes 0; takes 100 35..36; send 94 at 20; send 100 at 21 | no pong 60",
    "what need not wait is no sign       | 20/20/10 | pong 1; gone 22; pipe 2500k; send 1k every 1 | no pong 60",
    "nor in two pieces each              | 20/20/10 | pong 1; gone 22; pipe 2500k; send 5k every 1 | no pong 60",
    "the socket is filled, then no more  | 20/20/10 | pong 1; gone 22; pipe 5k; send 1k every 1 | no pong 60",
    "a large message into the void       | 20/20/10 | pong 1; gone 41; send 4000k at 41 | no pong 60",
    "the same, and the system holds much | 20/20/10 | pong 1; gone 41; pipe 2500k; send 4000k at 41 | no pong 60",
    // Intervals and timeouts of other lengths.
    "pinged more often than it may take  | 20/60/10 | pong 1                         | alive 600 30 pings",
    "one Ping at a time                  | 20/60/10 | pong 21                        | alive 600 15 pings",
    "and never an answer                 | 20/60/10 |                                | no pong 80",
    "and gone after an answer            | 20/60/10 | pong 21; gone 42               | no pong 120",
    "pinged seldom                       | 60/20/10 | pong 1                         | alive 600 10 pings",
    "pinged seldom, and never an answer  | 60/20/10 |                                | no pong 80",
    "pinged seldom, and gone             | 60/20/10 | pong 1; gone 62                | no pong 140",
    "pinged each second                  | 1/1/1    | pong 0                         | alive 600 600 pings",
    "never pinged                        | off/20/10 |                               | alive 600 0 pings",
    "never pinged, and reads nothing     | off/20/10 | send 4000k at 0; takes 0      | alive 600 0 pings",
    // The closing handshake.
    "it closes as well                   | 20/20/10 | close 7; closes 9              | closed 16",
    "in the very last moment             | 20/20/10 | close 7; closes 10             | closed 17",
    "a moment later                      | 20/20/10 | close 7; closes 11             | no close 17",
    "it never closes                     | 20/20/10 | close 7                        | no close 17",
    "never pinged, and never closes      | off/20/10 | close 7                       | no close 17",
    "it talks and does not close         | 20/20/10 | close 7; says 1 every 1        | no close 17",
    "it talks, and does not let it leave | 20/20/10 | close 7; send 4000k at 0; takes 0; says 1 every 1 | no close 17",
    "A7: closed while a Pong is due      | 20/20/10 | close 35                       | no close 45",
    "A7: closed while it reads nothing   | 20/20/10 | close 7; send 4000k at 0; takes 0 | no close 17",
    "its Close came while we worked      | 20/20/10 | close 7; closes 1; busy 8..99  | closed 99",
    "it closes                           | 20/20/10 | pong 1; peer-close 30          | closed 30",
    "it closes and reads nothing         | 20/20/10 | peer-close 35; send 4000k at 0; takes 0 | no close 45",
    "A5: all of 4 MB, then the Close     | 20/20/10 | send 4000k at 0; close 1; takes 250k; closes 1 | closed 17",
    "A5: all of it at 40 kB/s            | 20/20/10 | send 4000k at 0; close 1; takes 40k; closes 1 | closed 101",
    "all of it, and no Close             | 20/20/10 | send 4000k at 0; close 1; takes 250k | no close 25",
    "a byte a second, then the Close     | 20/20/10 | as server; send 300 at 0; pipe 1; takes 1; close 5; closes 1 | closed 302",
    "the same, and a Close has a key     | 20/20/10 | as client; send 300 at 0; pipe 1; takes 1; close 5; closes 1 | closed 306",
    "a byte a second, then none          | 20/20/10 | send 300 at 0; pipe 1; takes 1; close 5; gone 50 | no close 59",
];

const ROLES: [Role; 2] = [Role::Server, Role::Client];

#[test]
fn a_peer_is_given_up_when_the_table_says_so() {
    let mut wrong = vec![];
    for row in CASES {
        let case = Case::parse(row);
        for role in ROLES {
            if case.story.role.is_some_and(|its| its != role) {
                continue;
            }
            try_case::<ByHand>(&case, role, &mut wrong);
            #[cfg(feature = "alloc")]
            {
                try_case::<sessions::Whole>(&case, role, &mut wrong);
                try_case::<sessions::Lent>(&case, role, &mut wrong);
                try_case::<sessions::Halves>(&case, role, &mut wrong);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn try_case<D: Driver>(case: &Case, role: Role, wrong: &mut Vec<String>) {
    for watch in [Watch::EachSecond, Watch::WhenDue] {
        let end = match case.fate {
            Fate::Alive => case.at,
            _ => case.at + 500,
        };
        let mut world = World::<D>::new(&case.story, role);
        let (fate, at) = world.live(watch, end);
        let error = match watch {
            Watch::EachSecond => 0,
            // What waits is looked at only every quarter.
            Watch::WhenDue => quarter(case, &world),
        };
        let in_time = (case.at..=case.at + error).contains(&at);
        let pings = case.pings.is_none_or(|pings| pings == world.pings);
        if fate != case.fate || !in_time || !pings {
            let (name, pings) = (case.name, world.pings);
            let driver = any::type_name::<D>();
            wrong.push(format!(
                "{name}: {driver} as {role:?}, {watch:?}: {fate:?} {at}, {pings} pings"
            ));
        }
    }
}

fn quarter<D>(case: &Case, world: &World<'_, D>) -> u64 {
    let timeout = match case.fate {
        Fate::Alive | Fate::Closed => return 0,
        Fate::NoPong => case.story.timeouts.pong_timeout,
        Fate::NoClose => case.story.timeouts.close_timeout,
    };
    if world.past.waited {
        a_quarter(timeout)
    } else {
        0
    }
}

fn a_quarter(timeout: Duration) -> u64 {
    timeout.as_secs().div_ceil(4)
}

proptest! {
    #[test]
    fn nobody_is_given_up_against_the_rule_or_waited_for_in_vain(story in story()) {
        for role in ROLES {
            try_story::<ByHand>(&story, role)?;
            #[cfg(feature = "alloc")]
            {
                try_story::<sessions::Whole>(&story, role)?;
                try_story::<sessions::Lent>(&story, role)?;
                try_story::<sessions::Halves>(&story, role)?;
            }
        }
    }
}

fn try_story<D: Driver>(story: &Story, role: Role) -> Result<(), TestCaseError> {
    for watch in [Watch::WhenDue, Watch::EachSecond] {
        let mut world = World::<D>::new(story, role);
        while world.now < 400 {
            let fate = world.second(watch);
            let judged = judge(story, &world, fate);
            prop_assert!(judged.is_ok(), "{role:?} {watch:?} {judged:?} {world:#?}");
            if fate.is_some() {
                break;
            }
            world.now += 1;
        }
    }
    Ok(())
}

/// The rule, as it is written.
fn judge<D: Driver>(
    story: &Story,
    world: &World<'_, D>,
    fate: Option<Fate>,
) -> Result<(), &'static str> {
    let (now, past) = (world.now, &world.past);
    let pong = story.timeouts.pong_timeout.as_secs();
    let close = story.timeouts.close_timeout.as_secs();
    match fate {
        Some(Fate::NoPong) => {
            let asked = past.ping_left.or(past.ping_queued);
            let asked = asked.ok_or("it was not asked")?;
            check(now >= asked + pong, "it had time left")?;
            check(now >= past.sign + pong, "it was alive")?;
            check(!world.can_move(), "something of it was not read")
        }
        Some(Fate::NoClose) => {
            let queued = past.close_queued.ok_or("nobody closed")?;
            let since = past.close_left.unwrap_or(past.taken).max(queued);
            check(now >= since + close, "it had time left")?;
            check(!world.can_move(), "something of it was not read")
        }
        Some(Fate::Closed | Fate::Alive) => Ok(()),
        None => {
            let (seen, wait) = match (past.close_queued, story.timeouts.ping_interval) {
                (Some(queued), _) => {
                    let since = past.close_left.unwrap_or(past.taken).max(queued);
                    (since, close + a_quarter(story.timeouts.close_timeout))
                }
                (None, Some(interval)) => {
                    let late = match past.waited {
                        true => a_quarter(story.timeouts.pong_timeout),
                        false => 0,
                    };
                    (past.sign, interval.as_secs() + pong + late)
                }
                (None, None) => return Ok(()),
            };
            check(now < seen.max(past.back) + wait, "it is waited for in vain")
        }
    }
}

const fn check(holds: bool, otherwise: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(otherwise) }
}

fn story() -> impl Strategy<Value = Story> {
    let timeouts = (
        prop_oneof![9 => (1..50_u64).prop_map(Some), 1 => Just(None)],
        1..50_u64,
        1..30_u64,
    );
    let span = || (0..300_u64, 1..120_u64).prop_map(|(from, len)| from..from + len);
    let rate = prop_oneof![Just(0), Just(1), Just(10), Just(1000)];
    let amount = |most: u64| (span(), 1..60_u64, 1..most);
    let times = || prop_oneof![Just(None), (0..300_u64).prop_map(Some)];
    let delay = || prop_oneof![1 => Just(None), 3 => (0..5_u64).prop_map(Some), 1 => (0..60_u64).prop_map(Some)];
    let peer = (
        vec((span(), rate), 0..4),
        vec(amount(3), 0..3),
        vec(span(), 0..2),
        delay(),
        delay(),
        times(),
        times(),
    );
    let ours = (
        prop_oneof![Just(1), Just(10), Just(100), Just(64_000)],
        vec(amount(300), 0..4),
        times(),
        vec(span(), 0..2),
        prop_oneof![5 => Just(1), 1 => 2..40_u64],
    );
    (timeouts, peer, ours).prop_map(|((interval, pong, close), peer, ours)| {
        let mut timeouts = Timeouts::DEFAULT;
        timeouts.ping_interval = interval.map(Duration::from_secs);
        timeouts.pong_timeout = Duration::from_secs(pong);
        timeouts.close_timeout = Duration::from_secs(close);
        let mut story = Story::new(timeouts);
        let gone: Option<u64>;
        (
            story.takes,
            story.says,
            story.frames,
            story.pong,
            story.closes,
            story.peer_close,
            gone,
        ) = peer;
        story.gone = gone.unwrap_or(u64::MAX);
        let busy: Vec<Range<u64>>;
        (story.pipe, story.sends, story.close, busy, story.looks) = ours;
        story.busy = busy;
        story
    })
}
