//! Plans: order, addresses, refusals.

use super::*;
use crate::Profile;
use alloy_primitives::address;

const DEPLOYER: Address = address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");

fn seats(n: u8, registry: Address) -> Vec<FoundingSeat> {
    (1..=n)
        .map(|i| {
            let key = SigningKey::from_slice(&[i; 32]).unwrap();
            FoundingSeat::prove(1337, registry, DEPLOYER, &key, B256::repeat_byte(i)).unwrap()
        })
        .collect()
}

fn deployment<'a>(parameters: &'a Parameters, seats: &'a [FoundingSeat]) -> Deployment<'a> {
    Deployment {
        deployer: DEPLOYER,
        nonce: 7,
        l1_chain_id: 1337,
        parameters,
        l2_genesis_hash: B256::repeat_byte(9),
        l2_genesis_time: 1_800_000_000,
        program: ProgramStart {
            parameters: B256::repeat_byte(0x77),
            memory_root: B256::repeat_byte(0x78),
            entry: 0x1_0000,
        },
        seats,
    }
}

#[test]
fn a_plan_creates_registers_and_opens_in_order() {
    let parameters = Parameters::of(Profile::Ci, 75_873);
    let registry = Addresses::predict(DEPLOYER, 7).registry;
    let seats = seats(4, registry);
    let plan = DeployPlan::new(&deployment(&parameters, &seats)).unwrap();
    assert_eq!(plan.steps.len(), 14 + 4 + 1);
    assert!(plan.steps.iter().enumerate().all(|(i, step)| step.nonce == 7 + i as u64));
    assert!(plan.steps[..14].iter().all(|step| step.to == TxKind::Create && step.value.is_zero()));
    assert!(plan.steps[14..].iter().all(|step| step.to == TxKind::Call(registry)));
    assert_eq!(plan.value(), parameters.bond * U256::from(4));
    // The constructors name the predicted addresses.
    let inbox = &plan.steps[2].input;
    for address in [plan.addresses.registry, plan.addresses.claims, plan.addresses.bridge] {
        assert!(inbox[inbox.len() - 128..].windows(20).any(|bytes| bytes == address.as_slice()));
    }
    assert_eq!(plan.addresses.inbox, DEPLOYER.create(9));
    let (registry, slasher) = (&plan.steps[0].input, &plan.steps[7].input);
    assert_eq!(registry[registry.len() - 20..], plan.addresses.inbox[..]);
    assert_eq!(registry[registry.len() - 52..registry.len() - 32], plan.addresses.slasher[..]);
    assert_eq!(slasher[slasher.len() - 20..], plan.addresses.invalid_state[..]);
    assert_eq!(slasher[slasher.len() - 52..slasher.len() - 32], plan.addresses.idle[..]);
    assert_eq!(slasher[slasher.len() - 84..slasher.len() - 64], plan.addresses.equivocation[..]);
    assert_eq!(plan.addresses.slasher, DEPLOYER.create(14));
    let token_bridge = &plan.steps[9].input;
    assert_eq!(token_bridge[token_bridge.len() - 20..], plan.counterparts.messenger[..]);
    assert_eq!(plan.counterparts.standard_bridge, DEPLOYER.create(16));
    let fee_split = &plan.steps[10].input;
    assert_eq!(fee_split[fee_split.len() - 20..], plan.addresses.registry[..]);
    assert_eq!(plan.counterparts.fee_split, DEPLOYER.create(17));
    let claims = &plan.steps[1].input;
    assert_eq!(claims[claims.len() - 52..claims.len() - 32], plan.addresses.dispute[..]);
    let (machine, dispute) = (&plan.steps[12].input, &plan.steps[13].input);
    assert_eq!(machine[machine.len() - 20..], plan.addresses.preimages[..]);
    assert_eq!(plan.addresses.preimages, DEPLOYER.create(18));
    assert_eq!(plan.addresses.dispute, DEPLOYER.create(20));
    let arguments: Vec<_> = dispute[dispute.len() - 6 * 32..].chunks(32).collect();
    assert_eq!(arguments[1][12..], plan.addresses.claims[..]);
    assert_eq!(arguments[2][12..], plan.addresses.riscv[..]);
    assert_eq!([arguments[3], arguments[4]], [&[0x77; 32][..], &[0x78; 32][..]]);
    assert_eq!(arguments[5][24..], 0x1_0000_u64.to_be_bytes());
    // EIP-3860's limit on creation code.
    assert!(plan.steps.iter().all(|step| step.input.len() <= 49_152));
}

#[test]
fn a_plan_that_the_contracts_would_refuse_is_none() {
    let mut parameters = Parameters::of(Profile::Ci, 75_873);
    let registry = Addresses::predict(DEPLOYER, 7).registry;
    let four = seats(4, registry);
    assert_eq!(DeployPlan::new(&deployment(&parameters, &four[..3])), Err(DeployError::SeatCount(3)));
    let mut twice = four.clone();
    twice[3] = four[0].clone();
    assert_eq!(DeployPlan::new(&deployment(&parameters, &twice)), Err(DeployError::Seat(3)));
    let elsewhere = seats(4, DEPLOYER);
    assert_eq!(DeployPlan::new(&deployment(&parameters, &elsewhere)), Err(DeployError::Seat(0)));
    parameters.overlap = 1;
    let result = DeployPlan::new(&deployment(&parameters, &four));
    assert!(matches!(result, Err(DeployError::Parameters(ParameterError::OverlapTooShort { .. }))));
}
