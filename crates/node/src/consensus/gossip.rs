//! Feeds the evidence pool: what this seat receives itself, and what seats pass on to each other ([`crate::evidence`]).
//!
//! The engine reports every vote and certificate to a [`Listener`], whose signatures the library's attributable reporter has
//! checked; the statements' service reports the signatures that it gathers. The task here puts them into the pool, passes
//! on what [`Relay`] says on a channel of its own, and hears what others pass on. Messages: [`crate::evidence::encode`].

use super::{
    application::{blocking, now},
    block::Hash,
    engine::Runtime,
    scheme::{Certificate, Scheme, Signature as VoteSignature},
};
use crate::evidence::{self, EvidencePool, Heard, MAX_ITEMS, Outcome, Place, Relay, TermKey};
use commonware_actor::Feedback;
use commonware_codec::{Encode as _, ReadExt as _};
use commonware_consensus::{
    Reporter,
    simplex::{
        elector::{Config as _, Elector as _, RoundRobin, RoundRobinElector},
        types::{Activity, Attributable as _, Finalize, Notarize, Nullify},
    },
    types::{Epoch, Round, View},
};
use commonware_cryptography::{
    Keccak256,
    certificate::{Attestation, Scheme as _},
    ed25519::PublicKey,
};
use commonware_p2p::{Receiver, Recipients, Sender};
use std::{sync::Arc, time::Duration};
use surety_types::{
    Milliseconds,
    evidence::{Equivocation, SignedStatement},
    signing::{Signature, Statement},
};
use tokio::sync::mpsc;

/// Reports that wait for the pool. It is much faster than consensus; what comes on top is dropped and counted.
const WAITING: usize = 16_384;
/// How often a message is sent at most.
const FLUSH: u64 = 50;
/// How often the pool is synced and pruned.
const TICK: u64 = 1_000;
/// How long after the start found evidence is passed on, and how often again, for seats that were away.
const SETTLE: u64 = 5_000;
const AGAIN: u64 = 60_000;

/// What this seat received itself.
#[derive(Debug)]
pub(super) enum Seen {
    /// One signature, which is known to be this member's.
    Vote { member: Place, signed: SignedStatement, leader: bool },
    /// A quorum's.
    Certificate { statement: Statement, votes: Vec<(Place, Signature)> },
}

/// Where reports go. Cheap to clone; never blocks.
#[derive(Debug, Clone)]
pub(super) struct Witness(mpsc::Sender<Seen>);

/// The other end.
pub(super) type Reports = mpsc::Receiver<Seen>;

impl Witness {
    pub(super) fn new() -> (Self, Reports) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    pub(super) fn report(&self, seen: Seen) {
        if self.0.try_send(seen).is_err() {
            evidence::dropped();
        }
    }
}

/// Reads along what the engine of one term reports.
#[derive(Clone)]
pub(super) struct Listener {
    scheme: Scheme,
    elector: Arc<RoundRobinElector<Scheme>>,
    witness: Witness,
}

impl Listener {
    pub(super) fn new(scheme: Scheme, witness: Witness) -> Self {
        let elector = RoundRobin::<Keccak256>::default().build(scheme.participants());
        Self { scheme, elector: Arc::new(elector), witness }
    }

    fn vote(&self, statement: Option<Statement>, attestation: &Attestation<Scheme>) {
        let index = usize::from(attestation.signer);
        let place = self.scheme.committee().places().get(index);
        let (Some(statement), Some(place), Some(signature)) = (statement, place, attestation.signature.get()) else {
            return;
        };
        let round = Round::new(Epoch::new(statement.term()), View::new(statement.place()));
        let leader = matches!(statement, Statement::Notarize(_)) && self.elector.elect(round, ()) == attestation.signer;
        let signed = SignedStatement { statement, signature: VoteSignature::clone(signature).0 };
        self.witness.report(Seen::Vote { member: *place as Place, signed, leader });
    }

    fn notarize(&self, vote: &Notarize<Scheme, Hash>) {
        self.vote(self.scheme.notarize(&vote.proposal).map(Statement::Notarize), &vote.attestation);
    }

    fn finalize(&self, vote: &Finalize<Scheme, Hash>) {
        self.vote(self.scheme.finalize(&vote.proposal).map(Statement::Finalize), &vote.attestation);
    }

    fn nullify(&self, vote: &Nullify<Scheme>) {
        self.vote(self.scheme.nullify_of(&vote.round).map(Statement::Nullify), &vote.attestation);
    }

    fn certificate(&self, statement: Option<Statement>, certificate: &Certificate) {
        let Some(statement) = statement else { return };
        let places = self.scheme.committee().places();
        let votes = certificate.votes().filter_map(|(i, signature)| Some((*places.get(i)? as Place, signature)));
        self.witness.report(Seen::Certificate { statement, votes: votes.collect() });
    }
}

impl Reporter for Listener {
    type Activity = Activity<Scheme, Hash>;

    fn report(&mut self, activity: Self::Activity) -> Feedback {
        match &activity {
            Activity::Notarize(vote) => self.notarize(vote),
            Activity::Finalize(vote) => self.finalize(vote),
            Activity::Nullify(vote) => self.nullify(vote),
            Activity::Notarization(c) => {
                self.certificate(self.scheme.notarize(&c.proposal).map(Statement::Notarize), &c.certificate);
            }
            Activity::Finalization(c) => {
                self.certificate(self.scheme.finalize(&c.proposal).map(Statement::Finalize), &c.certificate);
            }
            Activity::Nullification(c) => {
                self.certificate(self.scheme.nullify_of(&c.round).map(Statement::Nullify), &c.certificate);
            }
            // A certificate that was reported already.
            Activity::Certification(_) => {}
            // The library keeps the two votes to itself; its encoding is one behind the other.
            Activity::ConflictingNotarize(pair) => {
                let mut bytes = pair.encode();
                while let Ok(vote) = Notarize::read(&mut bytes) {
                    self.notarize(&vote);
                }
            }
            Activity::ConflictingFinalize(pair) => {
                let mut bytes = pair.encode();
                while let Ok(vote) = Finalize::read(&mut bytes) {
                    self.finalize(&vote);
                }
            }
            Activity::NullifyFinalize(pair) => {
                let mut bytes = pair.encode();
                if let (Ok(nullify), Ok(finalize)) = (Nullify::read(&mut bytes), Finalize::read(&mut bytes)) {
                    debug_assert_eq!(nullify.signer(), pair.signer());
                    self.nullify(&nullify);
                    self.finalize(&finalize);
                }
            }
        }
        // Evidence must never hold consensus up.
        Feedback::Ok
    }
}

/// The channel's task.
struct Service<E, S> {
    context: E,
    pool: EvidencePool,
    relay: Relay,
    sender: S,
    flushed: Milliseconds,
    ticked: Milliseconds,
    /// When to pass found evidence on again.
    tell: Milliseconds,
}

pub(super) fn start<E: Runtime, S, R>(
    context: &E,
    pool: EvidencePool,
    mut reports: Reports,
    (sender, mut receiver): (S, R),
) where
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
{
    context.child("evidence").spawn(|context| async move {
        let clock = context.child("clock");
        // Not before there is somebody to tell.
        let tell = now(&context).saturating_add(SETTLE);
        let mut service = Service {
            context,
            pool,
            relay: Relay::default(),
            sender,
            flushed: Milliseconds::new(0),
            ticked: Milliseconds::new(0),
            tell,
        };
        loop {
            tokio::select! {
                biased;
                Some(seen) = reports.recv() => service.see(seen),
                message = receiver.recv() => match message {
                    Ok((peer, message)) => service.hear(&peer, message.as_ref()),
                    Err(_) => return,
                },
                () = clock.sleep(Duration::from_millis(FLUSH)) => {}
            }
            service.tick().await;
        }
    });
}

impl<E: Runtime, S: Sender<PublicKey = PublicKey>> Service<E, S> {
    fn see(&mut self, seen: Seen) {
        match seen {
            Seen::Vote { member, signed, leader } => {
                let outcome = self.pool.note(member, &signed);
                if outcome == Outcome::New {
                    self.relay.received(now(&self.context).get(), signed.clone(), leader);
                }
                self.after(member, &signed.statement, &outcome);
            }
            Seen::Certificate { statement, votes } => {
                self.relay.certified(&statement);
                for (member, signature) in votes {
                    let signed = SignedStatement { statement: statement.clone(), signature };
                    let outcome = self.pool.note(member, &signed);
                    // Nullifications are passed on vote by vote: a finalisation of the view may stand against them elsewhere.
                    if outcome == Outcome::New {
                        self.relay.received(now(&self.context).get(), signed, false);
                    }
                    self.after(member, &statement, &outcome);
                }
            }
        }
    }

    fn hear(&mut self, peer: &PublicKey, message: &[u8]) {
        let Some(items) = evidence::decode(message) else {
            tracing::debug!(%peer, "not a message about evidence");
            return;
        };
        for signed in items {
            if let Heard::Member(member, outcome) = self.pool.hear(&signed) {
                self.after(member, &signed.statement, &outcome);
            }
        }
    }

    fn after(&mut self, member: Place, statement: &Statement, outcome: &Outcome) {
        if let Outcome::Found(evidence) = outcome {
            self.accuse(evidence);
        }
        if self.relay.disputes(member, statement) {
            let term = TermKey { term: statement.term(), genesis: statement.genesis() };
            let held = self.pool.at(term, statement.place());
            self.relay.reveal(held.into_iter().map(|(_, signed)| signed));
        }
    }

    fn accuse(&mut self, evidence: &Equivocation) {
        self.relay.accuse(evidence.first.clone(), evidence.second.clone());
    }

    async fn tick(&mut self) {
        let time = now(&self.context);
        if time.since(self.flushed) >= FLUSH {
            self.flushed = time;
            let next = self.relay.next(time.get(), MAX_ITEMS);
            if !next.is_empty() {
                self.sender.send(Recipients::All, evidence::encode(&next), false);
            }
        }
        if time.since(self.ticked) >= TICK {
            self.ticked = time;
            let (pool, clock) = (self.pool.clone(), self.context.current());
            let synced = blocking(&self.context, move || {
                pool.tick(clock);
                pool.to_sync().into_iter().try_for_each(|file| file.sync_data())
            })
            .await;
            if let Some(Err(error)) = synced {
                tracing::error!(%error, "the evidence pool was not synced");
            }
        }
        if time >= self.tell {
            self.tell = time.saturating_add(AGAIN);
            for evidence in self.pool.found().iter().rev().take(MAX_ITEMS / 2) {
                self.accuse(evidence);
            }
        }
    }
}
