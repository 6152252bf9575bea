//! What the last final state owes to an account, with the proofs of it.

use super::{L2, MESSAGE_COUNT_SLOT, Session};
use crate::user::prove::{Recorded, recorded};
use alloy::{
    rpc::types::{EIP1186AccountProofResponse, Filter},
    sol_types::{SolCall, SolEvent, SolValue, sol},
};
use alloy_primitives::{Address, B256, Bytes, U256, b256, keccak256};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use surety_contracts::{
    bindings::{
        L1CrossDomainMessenger::relayMessageCall,
        L1StandardBridge::{finalizeBridgeERC20Call, finalizeBridgeETHCall},
    },
    genesis::{
        L2Genesis,
        bindings::{L2StandardBridge::WithdrawalInitiated, L2ToL1MessagePasser::MessagePassed},
        predeploys::{self, L1_BLOCK, OPTIMISM_MINTABLE_ERC20_FACTORY},
    },
};
use surety_l1::records::{Records, SentMessage};
use surety_types::{Message, MessageIndex, MessageKind, claim::Claim};

sol! {
    #![sol(alloy_sol_types = alloy::sol_types)]
    event Transfer(address indexed from, address indexed to, uint256 value);
}

/// Root of a trie without entries.
const EMPTY_ROOT: B256 = b256!("0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");
/// keccak256 of no code.
const EMPTY_CODE: B256 = b256!("0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
/// What L1 contracts' names on L2 are moved by (`AddressAlias`).
const ALIAS: U256 = U256::from_limbs([0x0000_0000_0000_1111, 0, 0x1111_0000, 0]);
/// Milestones of the accumulator: every so many messages it is kept for ever.
const MILESTONE: u64 = 256;

/// A token that the account holds.
#[derive(Debug, Clone)]
pub(super) struct OwedToken {
    pub(super) l2_token: Address,
    pub(super) l1_token: Address,
    pub(super) amount: U256,
    pub(super) factory_proof: Vec<Bytes>,
    pub(super) deployment_proof: Vec<Bytes>,
    pub(super) token_proof: Vec<Bytes>,
    pub(super) balance_proof: Vec<Bytes>,
}

/// Who gives back what a message brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// `Bridge.refund`.
    Bridge,
    /// `L1CrossDomainMessenger.returnMessage`.
    Messenger,
    /// `L1StandardBridge.returnDeposit`.
    TokenBridge,
}

/// A message that the state has not consumed, with what shows that the inbox has it.
#[derive(Debug, Clone)]
pub(super) struct OwedMessage {
    pub(super) message: Message,
    pub(super) door: Door,
    pub(super) acc_before: B256,
    pub(super) following: Vec<B256>,
    /// What comes back, for people.
    pub(super) what: String,
}

/// All that is owed to an account.
#[derive(Debug, Clone)]
pub(super) struct Owed {
    pub(super) account: Address,
    /// Whom it delegates to on L2; zero if it does not.
    pub(super) delegate: Address,
    /// It has code of its own: L1 pays it nothing.
    pub(super) is_contract: bool,
    pub(super) balance: U256,
    pub(super) account_proof: Vec<Bytes>,
    pub(super) tokens: Vec<OwedToken>,
    pub(super) messages: Vec<OwedMessage>,
    pub(super) withdrawals: Vec<Recorded>,
}

impl Owed {
    /// Looks all of it up in the state of a claim's last block.
    pub(super) async fn find(
        session: &Session,
        l2: &L2,
        claim: &Claim,
        account: Address,
        named: &[Address],
    ) -> Result<Self> {
        let (header, _) = l2.header(claim.last_hash).await?;
        let proof = l2.proof(account, Vec::new(), claim.last_hash).await?;
        let code = match proof.code_hash {
            hash if hash == EMPTY_CODE || hash.is_zero() => Bytes::new(),
            _ => l2.code(account, claim.last_hash).await?,
        };
        let delegate = delegate_of(&code);
        Ok(Self {
            account,
            delegate: delegate.unwrap_or_default(),
            is_contract: !code.is_empty() && delegate.is_none(),
            balance: proof.balance,
            account_proof: nodes(&proof.account_proof),
            tokens: tokens(l2, claim, header.number, account, named).await?,
            messages: messages(session, l2, claim, account).await?,
            withdrawals: withdrawals(l2, header.number, account).await?,
        })
    }
}

/// Whom an account's code delegates to (EIP-7702); `None` if it does not.
fn delegate_of(code: &[u8]) -> Option<Address> {
    let target = code.strip_prefix(&[0xef, 0x01, 0x00])?;
    Address::try_from(target).ok()
}

/// A proof's nodes as L1 takes them: one of less than 32 bytes stands in its parent and not beside it.
pub(super) fn nodes(proof: &[Bytes]) -> Vec<Bytes> {
    proof
        .iter()
        .enumerate()
        .filter(|(place, node)| *place == 0 || node.len() >= 32)
        .map(|(_, node)| node.clone())
        .collect()
}

/// The nodes of a slot's proof; none in a trie without entries.
pub(super) fn slot_nodes(proof: &EIP1186AccountProofResponse, place: usize) -> Result<Vec<Bytes>> {
    if proof.storage_hash == EMPTY_ROOT || proof.storage_hash.is_zero() {
        return Ok(Vec::new());
    }
    let slot = proof.storage_proof.get(place).context("the node left a slot's proof out")?;
    Ok(nodes(&slot.proof))
}

/// Where a mapping in slot 0 keeps what it has for an address.
fn slot_of(key: Address) -> B256 {
    keccak256((key, U256::ZERO).abi_encode())
}

async fn tokens(l2: &L2, claim: &Claim, last: u64, account: Address, named: &[Address]) -> Result<Vec<OwedToken>> {
    let received = Filter::new()
        .from_block(0u64)
        .to_block(last)
        .event_signature(Transfer::SIGNATURE_HASH)
        .topic2(account.into_word());
    let candidates: BTreeSet<Address> =
        l2.logs(&received).await?.iter().map(|log| log.address()).chain(named.iter().copied()).collect();
    let mut held = Vec::new();
    for l2_token in candidates {
        let factory = l2.proof(OPTIMISM_MINTABLE_ERC20_FACTORY, vec![slot_of(l2_token)], claim.last_hash).await?;
        let l1_token = factory.storage_proof.first().map(|slot| slot.value).unwrap_or_default();
        if l1_token.is_zero() {
            // Not of the factory: its storage is not known to L1.
            continue;
        }
        let token = l2.proof(l2_token, vec![slot_of(account)], claim.last_hash).await?;
        let amount = token.storage_proof.first().map(|slot| slot.value).unwrap_or_default();
        if amount.is_zero() {
            continue;
        }
        held.push(OwedToken {
            l2_token,
            l1_token: Address::from_word(l1_token.into()),
            amount,
            factory_proof: nodes(&factory.account_proof),
            deployment_proof: slot_nodes(&factory, 0)?,
            token_proof: nodes(&token.account_proof),
            balance_proof: slot_nodes(&token, 0)?,
        });
    }
    Ok(held)
}

async fn messages(session: &Session, l2: &L2, claim: &Claim, account: Address) -> Result<Vec<OwedMessage>> {
    let state = l2.proof(L1_BLOCK, vec![MESSAGE_COUNT_SLOT], claim.last_hash).await?;
    let consumed = state.storage_proof.first().map(|slot| slot.value).unwrap_or_default();
    let consumed = MessageIndex::new(consumed.saturating_to());
    let mut records = Records::new(&*session.l1, &session.chain).await?;
    let sent = records.messages_from(consumed).await?;
    let mut before = records.accumulator_before(consumed).await?;
    let mut owed = Vec::new();
    for (place, one) in sent.iter().enumerate() {
        if let Some((door, what)) = owner(&session.chain.genesis, &one.message, account) {
            let following = following(sent.get(place + 1..).unwrap_or_default(), one.message.index);
            owed.push(OwedMessage { message: one.message.clone(), door, acc_before: before, following, what });
        }
        before = one.acc;
    }
    Ok(owed)
}

/// Hashes of the messages behind one, up to where the inbox keeps the accumulator for ever, or the last message.
fn following(behind: &[SentMessage], index: MessageIndex) -> Vec<B256> {
    let until_milestone = MILESTONE - 1 - index.get() % MILESTONE;
    behind.iter().take(usize::try_from(until_milestone).unwrap_or_default()).map(|sent| sent.message.hash()).collect()
}

/// Who gives an account back what this message brought, if it is the account's.
fn owner(genesis: &L2Genesis, message: &Message, account: Address) -> Option<(Door, String)> {
    if message.kind != MessageKind::Deposit {
        return None;
    }
    let ether = |wei: U256| format!("{} ETH of message {}", alloy_primitives::utils::format_ether(wei), message.index);
    if message.sender == account {
        return (!message.mint.is_zero()).then(|| (Door::Bridge, ether(message.mint)));
    }
    if genesis.l1_messenger.is_zero() || message.sender != aliased(genesis.l1_messenger) {
        return None;
    }
    let relay = relayMessageCall::abi_decode(&message.data).ok()?;
    if relay.sender == account {
        return (!message.mint.is_zero()).then(|| (Door::Messenger, ether(message.mint)));
    }
    if relay.sender != genesis.l1_standard_bridge {
        return None;
    }
    let of_ether = finalizeBridgeETHCall::abi_decode(&relay.message).ok().map(|call| (call.from, ether(call.amount)));
    let of_tokens = || {
        let call = finalizeBridgeERC20Call::abi_decode(&relay.message).ok()?;
        // L2's local token is its own, the remote one L1's.
        let what = format!("{} units of {} of message {}", call.amount, call.remoteToken, message.index);
        Some((call.from, what))
    };
    let (from, what) = of_ether.or_else(of_tokens)?;
    (from == account).then_some((Door::TokenBridge, what))
}

/// The name on L2 of an L1 contract.
fn aliased(contract: Address) -> Address {
    let moved = U256::from_be_bytes(contract.into_word().0).wrapping_add(ALIAS);
    Address::from_word(moved.into())
}

/// The withdrawals that an account began up to a block, by itself or through the bridge.
async fn withdrawals(l2: &L2, last: u64, account: Address) -> Result<Vec<Recorded>> {
    let word = account.into_word();
    let all = Filter::new().from_block(0u64).to_block(last);
    let own = all
        .clone()
        .address(predeploys::L2_TO_L1_MESSAGE_PASSER)
        .event_signature(MessagePassed::SIGNATURE_HASH)
        .topic2(word);
    let bridged =
        all.address(predeploys::L2_STANDARD_BRIDGE).event_signature(WithdrawalInitiated::SIGNATURE_HASH).topic3(word);
    let mut transactions = BTreeSet::new();
    for filter in [own, bridged] {
        transactions.extend(l2.logs(&filter).await?.iter().filter_map(|log| log.transaction_hash));
    }
    let mut found = Vec::new();
    for hash in transactions {
        found.extend(l2.receipt(hash).await?.iter().flat_map(recorded));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::address;
    use surety_types::{Gas, L1Height, Seconds};

    fn message(index: u64, sender: Address, mint: u64, data: Bytes) -> Message {
        Message {
            kind: MessageKind::Deposit,
            index: MessageIndex::new(index),
            l1_block: L1Height::new(1),
            l1_time: Seconds::new(1),
            sender,
            to: Address::repeat_byte(1),
            value: U256::ZERO,
            mint: U256::from(mint),
            gas: Gas::new(21_000),
            data,
        }
    }

    #[test]
    fn each_message_is_given_back_at_the_door_that_it_went_through_and_to_nobody_else() {
        let [me, other, messenger, bridge] = [1, 2, 3, 4].map(Address::repeat_byte);
        let genesis = L2Genesis { l1_messenger: messenger, l1_standard_bridge: bridge, ..L2Genesis::new(1) };
        let door = |message: &Message| owner(&genesis, message, me).map(|(door, _)| door);
        assert_eq!(door(&message(0, me, 5, Bytes::new())), Some(Door::Bridge));
        assert_eq!(door(&message(0, me, 0, Bytes::new())), None, "it brought nothing");
        assert_eq!(door(&message(0, other, 5, Bytes::new())), None);

        let relayed = |sender: Address, inner: Vec<u8>| -> Bytes {
            let call = relayMessageCall {
                nonce: U256::ZERO,
                sender,
                target: predeploys::L2_STANDARD_BRIDGE,
                value: U256::ZERO,
                minGasLimit: U256::ZERO,
                message: inner.into(),
            };
            call.abi_encode().into()
        };
        let tokens = |from: Address| {
            let (local, remote) = (Address::repeat_byte(8), Address::repeat_byte(9));
            let amount = U256::from(7);
            finalizeBridgeERC20Call {
                localToken: local,
                remoteToken: remote,
                from,
                to: other,
                amount,
                extraData: Bytes::new(),
            }
            .abi_encode()
        };
        let by_messenger = |data: Bytes, mint: u64| message(0, aliased(messenger), mint, data);
        assert_eq!(door(&by_messenger(relayed(me, Vec::new()), 5)), Some(Door::Messenger));
        assert_eq!(door(&by_messenger(relayed(bridge, tokens(me)), 0)), Some(Door::TokenBridge));
        assert_eq!(door(&by_messenger(relayed(bridge, tokens(other)), 0)), None, "another's tokens");
        assert_eq!(door(&by_messenger(relayed(other, tokens(me)), 0)), None, "anyone can write such a call");
        assert_eq!(
            door(&message(0, messenger, 5, relayed(me, Vec::new()))),
            None,
            "the messenger's own name is aliased"
        );
        assert_eq!(door(&by_messenger(Bytes::from(vec![1, 2, 3]), 5)), None);
        let ether = finalizeBridgeETHCall { from: me, to: other, amount: U256::from(5), extraData: Bytes::new() };
        assert_eq!(door(&by_messenger(relayed(bridge, ether.abi_encode()), 5)), Some(Door::TokenBridge));
    }

    #[test]
    fn contracts_are_renamed_as_l1_does_and_around_the_end() {
        let contract = address!("0x0000000000000000000000000000000000000001");
        assert_eq!(aliased(contract), address!("0x1111000000000000000000000000000000001112"));
        let last = Address::repeat_byte(0xff);
        assert_eq!(aliased(last), address!("0x1111000000000000000000000000000000001110"));
    }

    #[test]
    fn only_a_delegation_is_one() {
        let mut code = vec![0xef, 1, 0];
        assert_eq!(delegate_of(&code), None);
        code.extend([7; 20]);
        assert_eq!(delegate_of(&code), Some(Address::repeat_byte(7)));
        code.push(0);
        assert_eq!(delegate_of(&code), None);
        assert_eq!(delegate_of(&[0x60, 0x80]), None);
    }

    #[test]
    fn nodes_that_stand_in_their_parents_are_left_out() {
        let node = |length: usize| Bytes::from(vec![1; length]);
        assert_eq!(nodes(&[node(20), node(40), node(31)]), [node(20), node(40)], "the root stands for itself");
    }

    #[test]
    fn a_message_is_shown_up_to_the_next_milestone() {
        let sent =
            |index: u64| SentMessage { message: message(index, Address::ZERO, 0, Bytes::new()), acc: B256::ZERO };
        let behind = |from: u64, to: u64| (from..to).map(sent).collect::<Vec<_>>();
        assert_eq!(following(&behind(1, 600), MessageIndex::new(0)).len(), 255, "1 to 255: the accumulator after 256");
        assert_eq!(following(&behind(256, 600), MessageIndex::new(255)).len(), 0, "it is a milestone itself");
        assert_eq!(following(&behind(257, 260), MessageIndex::new(256)).len(), 3, "up to the last");
    }
}
