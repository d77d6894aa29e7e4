//! One record: a length, a checksum, and a hold, an attempt or a settlement, or what is to be said of the
//! segment before, in little-endian fields.
//!
//! The length is written twice, the second time with every bit turned over: a damaged length is
//! known as such and never read as the beginning of a longer record. The last byte is a mark that is
//! not zero, so that a record whose end never reached the disk is told from one that was changed.

use std::net::{IpAddr, Ipv6Addr};

use doorward_domain::bounds::SharedWith;
use doorward_domain::budget::Spend;
use doorward_domain::call::{Hold, Outcome, Settlement};
use doorward_domain::credential::KeyId;
use doorward_domain::id::{
    CallId, DeploymentId, OrganizationId, ProjectId, ProviderId, ServiceAccountId, UserId,
};
use doorward_domain::key::Owner;
use doorward_domain::money::NanoUsd;
use doorward_domain::rotation::SecretNumber;
use doorward_domain::usage::Usage;

use super::Position;

/// Length, the same turned over, checksum.
pub(super) const FRAME_BYTES: usize = 8;
/// No record is longer: the model's name is the only long field.
pub(super) const RECORD_BYTES_MAX: usize = 1_024;

const HOLD: u8 = 1;
const SETTLED: u8 = 2;
const LEFT: u8 = 3;
const ATTEMPT: u8 = 4;
/// Who owns the key of a hold.
const USER: u8 = 0;
const SERVICE_ACCOUNT: u8 = 1;
/// The last byte of every record.
const END: u8 = 0x5a;
/// What [`write_left`] writes.
pub(super) const LEFT_BYTES: usize = FRAME_BYTES + 1 + 8 + 8 + 1;

/// What the journal holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    /// A call is about to leave.
    Hold(Box<Hold>),
    /// It is over. Who served it in the end is said again: it may not be whom the hold named.
    Settled(Settlement, ProviderId, DeploymentId),
    /// An attempt at it reached this provider and failed, and another one follows. The number tells it
    /// from the others of its call.
    Attempt(Settlement, ProviderId, DeploymentId, u16),
    /// The first record of a segment: the one before was left because the disk failed. What stands
    /// before this place is on the disk; what stands behind it may be anything.
    Left(Position),
}

/// Writes a hold behind what is in `out`.
pub(crate) fn write_hold(hold: &Hold, out: &mut Vec<u8>) {
    frame(out, |out| {
        out.push(HOLD);
        out.extend_from_slice(&hold.call.to_bytes());
        out.extend_from_slice(&hold.organization.to_bytes());
        out.extend_from_slice(&hold.project.to_bytes());
        out.extend_from_slice(&hold.provider.to_bytes());
        out.extend_from_slice(&hold.deployment.to_bytes());
        out.extend_from_slice(&hold.started_at_us.to_le_bytes());
        out.extend_from_slice(&address_bytes(hold.address));
        write_usage(hold.estimate, out);
        write_spend(hold.held, out);
        out.extend_from_slice(&hold.secret.0.to_le_bytes());
        write_owner(hold.owner, out);
        out.push(hold.shared.to_byte());
        write_text(hold.key.as_str(), out);
        write_text(&hold.model, out);
    });
}

/// Writes a settlement behind what is in `out`.
pub(crate) fn write_settled(
    settled: &Settlement,
    provider: ProviderId,
    deployment: DeploymentId,
    out: &mut Vec<u8>,
) {
    frame(out, |out| {
        out.push(SETTLED);
        write_end(settled, (provider, deployment), out);
    });
}

/// Writes an attempt that had another one behind it behind what is in `out`.
pub(crate) fn write_attempt(
    settled: &Settlement,
    (provider, deployment): (ProviderId, DeploymentId),
    number: u16,
    out: &mut Vec<u8>,
) {
    frame(out, |out| {
        out.push(ATTEMPT);
        write_end(settled, (provider, deployment), out);
        out.extend_from_slice(&number.to_le_bytes());
    });
}

/// How something ended, and with whom.
fn write_end(
    settled: &Settlement,
    (provider, deployment): (ProviderId, DeploymentId),
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(&settled.call.to_bytes());
    out.extend_from_slice(&provider.to_bytes());
    out.extend_from_slice(&deployment.to_bytes());
    out.push(settled.outcome.code());
    out.push(u8::from(settled.is_estimated));
    out.extend_from_slice(&settled.status.to_le_bytes());
    write_usage(settled.usage, out);
    write_spend(settled.spend, out);
    out.extend_from_slice(&settled.duration_us.to_le_bytes());
    out.extend_from_slice(&settled.first_byte_us.to_le_bytes());
}

/// Writes how far the segment before is good behind what is in `out`.
pub(super) fn write_left(good: Position, out: &mut Vec<u8>) {
    frame(out, |out| {
        out.push(LEFT);
        out.extend_from_slice(&good.segment.to_le_bytes());
        out.extend_from_slice(&good.offset.to_le_bytes());
    });
}

fn frame(out: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_BYTES]);
    payload(out);
    out.push(END);
    let Some(record) = out.get_mut(start..) else { return };
    let Some((frame, payload)) = record.split_at_mut_checked(FRAME_BYTES) else { return };
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let lengths = length.to_le_bytes().into_iter().chain((!length).to_le_bytes());
    let checksum = crc32fast::hash(payload).to_le_bytes();
    for (slot, byte) in frame.iter_mut().zip(lengths.chain(checksum)) {
        *slot = byte;
    }
}

fn write_owner(owner: Owner, out: &mut Vec<u8>) {
    let (kind, id) = match owner {
        Owner::User(id) => (USER, id.to_bytes()),
        Owner::ServiceAccount(id) => (SERVICE_ACCOUNT, id.to_bytes()),
    };
    out.push(kind);
    out.extend_from_slice(&id);
}

/// Which of the figures are not zero, a bit for each, and those: nearly all of them are.
fn write_usage(usage: Usage, out: &mut Vec<u8>) {
    let figures = usage.figures().into_iter().enumerate().filter(|(_, figure)| *figure != 0);
    let there = figures.clone().fold(0_u32, |there, (place, _)| there | 1 << place);
    out.extend_from_slice(&there.to_le_bytes());
    for (_, figure) in figures {
        out.extend_from_slice(&figure.to_le_bytes());
    }
}

fn write_spend(spend: Spend, out: &mut Vec<u8>) {
    out.extend_from_slice(&spend.cost.nanos().to_le_bytes());
    out.extend_from_slice(&spend.tokens.to_le_bytes());
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    out.push(length);
    out.extend_from_slice(bytes.get(..usize::from(length)).unwrap_or_default());
}

fn address_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// What stands at the front of some bytes.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and nearly always this one")]
pub(super) enum Front {
    /// A record, and how many bytes it takes.
    Whole(Record, usize),
    /// The beginning of one.
    Partial,
    /// No record. If it is one whose end never reached the disk, the file is zero from `cut` bytes
    /// further on.
    Damaged { cut: usize },
}

/// Reads the record at the front.
pub(super) fn read_front(bytes: &[u8]) -> Front {
    let Some((frame, rest)) = bytes.split_first_chunk::<FRAME_BYTES>() else {
        return Front::Partial;
    };
    let [l0, l1, t0, t1, c0, c1, c2, c3] = *frame;
    let length = u16::from_le_bytes([l0, l1]);
    let is_length = !length == u16::from_le_bytes([t0, t1]);
    let length = usize::from(length);
    if !is_length || length == 0 || length > RECORD_BYTES_MAX {
        return Front::Damaged { cut: FRAME_BYTES };
    }
    let Some(payload) = rest.get(..length) else { return Front::Partial };
    let is_whole = crc32fast::hash(payload) == u32::from_le_bytes([c0, c1, c2, c3]);
    match Fields(payload).record() {
        Some(record) if is_whole => Front::Whole(record, FRAME_BYTES + length),
        _ => Front::Damaged { cut: FRAME_BYTES + length - 1 },
    }
}

/// Takes fields off the front of a payload.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn record(mut self) -> Option<Record> {
        let record = match self.byte()? {
            HOLD => Record::Hold(Box::new(self.hold()?)),
            SETTLED => {
                let (settled, provider, deployment) = self.end()?;
                Record::Settled(settled, provider, deployment)
            }
            ATTEMPT => {
                let (settled, provider, deployment) = self.end()?;
                Record::Attempt(settled, provider, deployment, u16::from_le_bytes(self.array()?))
            }
            LEFT => Record::Left(self.position()?),
            _ => return None,
        };
        (self.0 == [END]).then_some(record)
    }

    fn hold(&mut self) -> Option<Hold> {
        Some(Hold {
            call: CallId::from_bytes(self.array()?),
            organization: OrganizationId::from_bytes(self.array()?),
            project: ProjectId::from_bytes(self.array()?),
            provider: ProviderId::from_bytes(self.array()?),
            deployment: DeploymentId::from_bytes(self.array()?),
            started_at_us: i64::from_le_bytes(self.array()?),
            address: IpAddr::V6(Ipv6Addr::from(self.array::<16>()?)).to_canonical(),
            estimate: self.usage()?,
            held: self.spend()?,
            secret: SecretNumber(u32::from_le_bytes(self.array()?)),
            owner: self.owner()?,
            shared: SharedWith::from_byte(self.byte()?),
            key: self.text()?.parse::<KeyId>().ok()?,
            model: self.text()?.into(),
        })
    }

    fn end(&mut self) -> Option<(Settlement, ProviderId, DeploymentId)> {
        let call = CallId::from_bytes(self.array()?);
        let provider = ProviderId::from_bytes(self.array()?);
        let deployment = DeploymentId::from_bytes(self.array()?);
        let outcome = Outcome::from_code(self.byte()?)?;
        let is_estimated = self.byte()? != 0;
        let settlement = Settlement {
            call,
            outcome,
            is_estimated,
            status: u16::from_le_bytes(self.array()?),
            usage: self.usage()?,
            spend: self.spend()?,
            duration_us: self.number()?,
            first_byte_us: self.number()?,
        };
        Some((settlement, provider, deployment))
    }

    fn position(&mut self) -> Option<Position> {
        Some(Position { segment: self.number()?, offset: self.number()? })
    }

    fn usage(&mut self) -> Option<Usage> {
        let mut there = u32::from_le_bytes(self.array()?);
        let mut figures = [0; Usage::COUNT];
        for figure in &mut figures {
            if there & 1 != 0 {
                *figure = self.number()?;
            }
            there >>= 1;
        }
        // What has figures that are not known here is not to be billed by halves.
        (there == 0).then(|| Usage::from_figures(figures))
    }

    fn owner(&mut self) -> Option<Owner> {
        let (kind, id) = (self.byte()?, self.array()?);
        match kind {
            USER => Some(Owner::User(UserId::from_bytes(id))),
            SERVICE_ACCOUNT => Some(Owner::ServiceAccount(ServiceAccountId::from_bytes(id))),
            _ => None,
        }
    }

    fn spend(&mut self) -> Option<Spend> {
        Some(Spend { cost: NanoUsd::from_nanos(self.number()?), tokens: self.number()? })
    }

    fn text(&mut self) -> Option<&str> {
        let length = usize::from(self.byte()?);
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The hold of call `n`.
    pub(crate) fn hold(n: u128) -> Hold {
        let estimate = Usage::of_tokens(60, 40);
        Hold {
            call: CallId::new(1, n),
            organization: OrganizationId::new(2, 1),
            project: ProjectId::new(3, 1),
            key: "dw_0123456789abcdef".parse().unwrap(),
            owner: Owner::User(UserId::new(6, 1)),
            shared: SharedWith::NONE,
            secret: SecretNumber::FIRST,
            provider: ProviderId::new(4, 1),
            deployment: DeploymentId::new(5, 1),
            model: "gemma-3-270m".into(),
            started_at_us: 1_795_262_400_000_000,
            address: IpAddr::from([127, 0, 0, 1]),
            estimate,
            held: Spend { cost: NanoUsd::from_nanos(7), tokens: 100 },
        }
    }

    /// Any hold that the gateway can write.
    pub(crate) fn any_hold() -> impl Strategy<Value = Hold> {
        let ids = any::<[u128; 5]>();
        let figure = prop_oneof![Just(0), any::<u64>()];
        let usage = prop::collection::vec(figure, Usage::COUNT)
            .prop_map(|figures| Usage::from_figures(figures.try_into().unwrap()));
        let figures = (any::<i64>(), any::<u128>(), usage, any::<u64>(), any::<u32>());
        (ids, figures, "[!-~]{1,200}", "[0-9A-Za-z]{16}").prop_map(
            |(ids, figures, model, access)| {
                let (started_at_us, address, estimate, tokens, cost) = figures;
                Hold {
                    call: CallId::new(1, ids[0] >> 48),
                    organization: OrganizationId::new(2, ids[1] >> 48),
                    project: ProjectId::new(3, ids[2] >> 48),
                    key: format!("dw_{access}").parse().unwrap(),
                    owner: if cost % 2 == 0 {
                        Owner::User(UserId::new(6, ids[0] >> 48))
                    } else {
                        Owner::ServiceAccount(ServiceAccountId::new(6, ids[0] >> 48))
                    },
                    shared: SharedWith::from_byte(access.as_bytes()[0] & 7),
                    secret: SecretNumber(cost.rotate_left(7)),
                    provider: ProviderId::new(4, ids[3] >> 48),
                    deployment: DeploymentId::new(5, ids[4] >> 48),
                    model: model.into(),
                    started_at_us,
                    address: IpAddr::V6(Ipv6Addr::from(address)).to_canonical(),
                    estimate,
                    held: Spend { cost: NanoUsd::from_nanos(u64::from(cost)), tokens },
                }
            },
        )
    }

    proptest! {
        /// What is written is read, and nothing of what follows is touched.
        #[test]
        fn a_record_survives_its_way_through_the_file(hold in any_hold(), rest in prop::collection::vec(any::<u8>(), 0..32)) {
            let mut bytes = Vec::new();
            write_hold(&hold, &mut bytes);
            let hold_bytes = bytes.len();
            let settled = hold.interrupted();
            write_settled(&settled, hold.provider, hold.deployment, &mut bytes);
            let two = bytes.len();
            let number = u16::from(rest.first().copied().unwrap_or(1));
            write_attempt(&settled, (hold.provider, hold.deployment), number, &mut bytes);
            let all = bytes.len();
            bytes.extend_from_slice(&rest);
            prop_assert_eq!(read_front(&bytes), Front::Whole(Record::Hold(Box::new(hold.clone())), hold_bytes));
            let expected = Record::Settled(settled, hold.provider, hold.deployment);
            prop_assert_eq!(read_front(&bytes[hold_bytes..]), Front::Whole(expected, two - hold_bytes));
            let expected = Record::Attempt(settled, hold.provider, hold.deployment, number);
            prop_assert_eq!(read_front(&bytes[two..]), Front::Whole(expected, all - two));
        }

        /// Bytes of anybody's making are never a panic, and practically never a record.
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(!matches!(read_front(&bytes), Front::Whole(..)));
        }

        /// One flipped bit is found.
        #[test]
        fn a_flipped_bit_is_found(hold in any_hold(), at in any::<prop::sample::Index>(), bit in 0..8) {
            let mut bytes = Vec::new();
            write_hold(&hold, &mut bytes);
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(!matches!(read_front(&bytes), Front::Whole(..)));
        }
    }

    #[test]
    fn a_figure_that_is_not_known_makes_no_record() {
        let mut bytes = Vec::new();
        write_usage(Usage::of_tokens(1, 0), &mut bytes);
        assert_eq!(Fields(&bytes).usage(), Some(Usage::of_tokens(1, 0)));
        bytes[2] |= 1 << (Usage::COUNT - 16);
        bytes.extend_from_slice(&[7; 8]);
        assert_eq!(Fields(&bytes).usage(), None);
    }

    #[test]
    fn how_far_a_segment_is_good_reads_as_it_was_written() {
        let (mut bytes, good) = (Vec::new(), Position { segment: 7, offset: 1 << 40 });
        write_left(good, &mut bytes);
        assert_eq!(bytes.len(), LEFT_BYTES);
        let whole = Front::Whole(Record::Left(good), LEFT_BYTES);
        assert_eq!(read_front(&bytes), whole);
    }
}
