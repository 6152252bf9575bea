// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Fixture} from "./lib/Fixture.sol";

/// @notice Does things to the registry and the bridge at random, and keeps the books beside them.
contract Bookkeeper is Fixture {
    uint256 public minted;
    uint256 public fees;
    uint256 public bonds;
    uint256 private _place;

    constructor() {
        deploy(4);
        (_place, bonds) = (4, 4 * parameters.bond);
    }

    function wait_(uint256 time) external {
        pass(1 + time % 150);
    }

    function join() external {
        register(_place++);
        bonds += parameters.bond;
    }

    function exit_(uint64 id) external {
        id = 1 + id % registry.seatCount();
        vm.prank(OWNER);
        registry.requestExit(id);
    }

    function withdraw(uint64 id) external {
        id = 1 + id % registry.seatCount();
        uint256 bond = registry.seat(id).bond;
        vm.prank(OWNER);
        registry.withdraw(id, payable(OWNER));
        bonds -= bond;
    }

    function rotate(uint64 id) external {
        id = 1 + id % registry.seatCount();
        uint256 place = _place++;
        bytes memory proof = prove(OWNER, keyOf(place), peerKeyOf(place));
        vm.prank(OWNER);
        registry.rotateKeys(id, vm.addr(keyOf(place)), peerKeyOf(place), proof);
    }

    function depositEther(uint256 amount, uint64 gas_, bytes calldata data) external {
        amount %= 100 ether;
        gas_ = uint64(bound(gas_, 21_000 + 40 * data.length, 3_750_000));
        uint256 fee = inbox.messageFee(gas_, data.length);
        vm.deal(POSTER, amount + fee);
        vm.prank(POSTER, POSTER);
        bridge.depositTransaction{value: amount + fee}(POSTER, 0, gas_, data);
        minted += amount;
        fees += fee;
    }

    function held() external view returns (uint256 inBridge, uint256 inInbox, uint256 inRegistry, uint256 sumOfBonds) {
        for (uint64 id = 1; id <= registry.seatCount(); ++id) {
            sumOfBonds += registry.seat(id).bond;
        }
        return (address(bridge).balance, address(inbox).balance, address(registry).balance, sumOfBonds);
    }

    /// The committees of the terms up to now, and the seats that do not leave.
    function committees() external returns (uint256 members, uint256 live) {
        try registry.sealCommittee() {} catch {}
        for (uint64 term = registry.currentTerm() + 1; term > 0; --term) {
            uint256 n = registry.committee(term).length;
            if (n > members) members = n;
        }
        live = registry.liveSeats().length;
    }
}

contract InvariantsTest is Fixture {
    Bookkeeper private _books;

    function setUp() external {
        _books = new Bookkeeper();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_books);
    }

    /// Foundry gives senders ether, and would else take our contracts' addresses for some.
    function targetSenders() external pure returns (address[] memory senders) {
        senders = new address[](1);
        senders[0] = address(0x5E4D);
    }

    function invariant_every_wei_is_accounted_for() external view {
        (uint256 inBridge, uint256 inInbox, uint256 inRegistry, uint256 sumOfBonds) = _books.held();
        vm.assertEq(inBridge, _books.minted(), "the bridge holds all deposits");
        vm.assertEq(inInbox, _books.fees(), "the inbox holds all prices");
        vm.assertEq(inRegistry, sumOfBonds, "the registry holds all bonds");
        vm.assertEq(inRegistry, _books.bonds(), "as booked");
    }

    function invariant_committees_have_none_or_4_to_64_members() external {
        (uint256 members, uint256 live) = _books.committees();
        vm.assertTrue(members >= 4 && members <= 64, "members");
        vm.assertLe(live, 64, "live seats");
    }
}
