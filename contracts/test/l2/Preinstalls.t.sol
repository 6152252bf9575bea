// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {L2Test} from "./L2Test.sol";

interface IMulticall3 {
    struct Call3 {
        address target;
        bool allowFailure;
        bytes callData;
    }

    struct Result {
        bool success;
        bytes returnData;
    }

    function aggregate3(Call3[] calldata calls) external payable returns (Result[] memory);
    function getChainId() external view returns (uint256);
}

interface IPermit2 {
    function DOMAIN_SEPARATOR() external view returns (bytes32);
    function approve(address token, address spender, uint160 amount, uint48 expiration) external;
    function transferFrom(address from, address to, uint160 amount, address token) external;
}

interface IEntryPoint {
    function depositTo(address account) external payable;
    function withdrawTo(address payable to, uint256 amount) external;
    function balanceOf(address account) external view returns (uint256);
    function getNonce(address sender, uint192 key) external view returns (uint256);
    function getSenderAddress(bytes calldata initCode) external;
}

interface ICreateX {
    function deployCreate2(bytes32 salt, bytes memory initCode) external payable returns (address);
    function computeCreate2Address(bytes32 salt, bytes32 initCodeHash) external view returns (address);
}

interface ICreate2Deployer {
    function deploy(uint256 value, bytes32 salt, bytes memory code) external;
    function computeAddress(bytes32 salt, bytes32 codeHash) external view returns (address);
}

interface ISafe {
    function VERSION() external view returns (string memory);
    function getThreshold() external view returns (uint256);
}

/// @notice The files of `preinstalls/`: what proves itself is proved, what does not is used.
contract PreinstallsTest is L2Test {
    uint256 internal constant CHAIN = 75_873;
    address internal constant PROXY = 0x4e59b44847b379578588920cA78FbF26c0B4956C;
    /// Init code that returns the one-byte runtime code 01.
    bytes internal constant TINY = hex"600160005360016000f3";

    function setUp() public override {
        super.setUp();
        vm.chainId(CHAIN);
        install("DeterministicDeploymentProxy");
    }

    function file(string memory name) internal view returns (string memory) {
        return vm.readFile(string.concat("preinstalls/", name, ".json"));
    }

    /// The account as the genesis has it (Permit2: without its immutable values).
    function install(string memory name) internal returns (address where) {
        string memory json = file(name);
        where = vm.parseJsonAddress(json, "$.address");
        bytes memory code = vm.parseJsonBytes(json, "$.runtime");
        vm.assertEq(keccak256(code), vm.parseJsonBytes32(json, "$.codeHash"), name);
        vm.etch(where, code);
    }

    /// Runs the creation code through the deployment proxy, as on any chain, and returns where the contract came to be.
    function create(string memory name) internal returns (address where, bytes memory runtime) {
        string memory json = file(name);
        bytes memory creation = vm.parseJsonBytes(json, "$.creation");
        bytes32 salt = vm.parseJsonBytes32(json, "$.salt");
        (bool done, bytes memory answer) = PROXY.call(abi.encodePacked(salt, creation));
        vm.assertTrue(done, name);
        where = address(bytes20(answer));
        vm.assertEq(where, vm.parseJsonAddress(json, "$.address"));
        runtime = vm.parseJsonBytes(json, "$.runtime");
    }

    function word(bytes memory code, uint256 offset) internal pure returns (bytes32 value) {
        assembly ("memory-safe") {
            value := mload(add(add(code, 32), offset))
        }
    }

    function test_entry_points_are_what_their_creation_code_makes_at_their_address() public {
        string[2] memory names = ["EntryPointV06", "EntryPointV07"];
        string[2] memory creators = ["SenderCreatorV06", "SenderCreatorV07"];
        for (uint256 i; i < 2; i++) {
            (address where, bytes memory runtime) = create(names[i]);
            vm.assertEq(where.code, runtime);
            // The reentrancy guard's slot, which the constructor writes.
            string memory slot = "$.storage.0x0000000000000000000000000000000000000000000000000000000000000002";
            vm.assertEq(vm.load(where, bytes32(uint256(2))), vm.parseJsonBytes32(file(names[i]), slot));
            vm.assertEq(vm.getNonce(where), vm.parseJsonUint(file(names[i]), "$.nonce"));
            address creator = vm.computeCreateAddress(where, 1);
            vm.assertEq(creator, vm.parseJsonAddress(file(creators[i]), "$.address"));
            vm.assertEq(creator.code, vm.parseJsonBytes(file(creators[i]), "$.runtime"));
        }
    }

    function test_permit2_is_what_its_creation_code_makes_but_for_two_words() public {
        (address where, bytes memory runtime) = create("Permit2");
        bytes memory made = where.code;
        vm.assertEq(made.length, runtime.length);
        vm.assertEq(word(runtime, 6945), bytes32(0));
        vm.assertEq(word(runtime, 6983), bytes32(0));
        vm.assertEq(word(made, 6945), bytes32(CHAIN));
        vm.assertEq(word(made, 6983), domainOf(CHAIN));
        assembly ("memory-safe") {
            mstore(add(add(made, 32), 6945), 0)
            mstore(add(add(made, 32), 6983), 0)
        }
        vm.assertEq(made, runtime);
    }

    function test_the_genesis_has_permit2_as_it_is_made_on_the_dev_chain() public {
        (address where,) = create("Permit2");
        string memory key = "$.accounts.0x000000000022d473030f116ddee9f6b43ac78ba3.codeHash";
        vm.assertEq(keccak256(where.code), vm.parseJsonBytes32(vm.readFile("vectors/l2-genesis.json"), key));
    }

    function domainOf(uint256 chain) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)"),
                keccak256("Permit2"),
                chain,
                0x000000000022D473030F116dDEE9F6B43aC78BA3
            )
        );
    }

    function test_permit2_moves_what_was_approved() public {
        (address where,) = create("Permit2");
        IPermit2 permit2 = IPermit2(where);
        vm.assertEq(permit2.DOMAIN_SEPARATOR(), domainOf(CHAIN));
        vm.startPrank(ALICE);
        weth.deposit{value: 10}();
        weth.approve(where, 10);
        permit2.approve(address(weth), BOB, 6, type(uint48).max);
        vm.stopPrank();
        vm.startPrank(BOB);
        permit2.transferFrom(ALICE, BOB, 6, address(weth));
        vm.expectRevert();
        permit2.transferFrom(ALICE, BOB, 1, address(weth));
        vm.stopPrank();
        vm.assertEq(weth.balanceOf(BOB), 6);
    }

    function test_entry_points_keep_deposits_and_ask_their_creators() public {
        string[2] memory names = ["EntryPointV06", "EntryPointV07"];
        string[2] memory creators = ["SenderCreatorV06", "SenderCreatorV07"];
        for (uint256 i; i < 2; i++) {
            IEntryPoint entry = IEntryPoint(install(names[i]));
            install(creators[i]);
            vm.startPrank(ALICE);
            entry.depositTo{value: 5}(ALICE);
            entry.withdrawTo(payable(BOB), 2);
            vm.stopPrank();
            vm.assertEq(entry.balanceOf(ALICE), 3);
            vm.assertEq(entry.getNonce(ALICE, 7), 7 << 64);
            // Answers by a revert with the sender's address, which the creator returned.
            bytes memory initCode = abi.encodePacked(PROXY, abi.encodePacked(bytes32(0), TINY));
            (bool done, bytes memory answer) = address(entry).call(abi.encodeCall(entry.getSenderAddress, (initCode)));
            vm.assertFalse(done);
            vm.assertEq(bytes32(bytes4(answer)), bytes32(bytes4(keccak256("SenderAddressResult(address)"))));
        }
    }

    function test_multicall3_makes_many_calls() public {
        IMulticall3 multicall = IMulticall3(install("Multicall3"));
        IMulticall3.Call3[] memory calls = new IMulticall3.Call3[](2);
        calls[0] = IMulticall3.Call3(address(weth), false, abi.encodeWithSignature("decimals()"));
        calls[1] = IMulticall3.Call3(address(weth), true, abi.encodeWithSignature("withdraw(uint256)", 1));
        IMulticall3.Result[] memory results = multicall.aggregate3(calls);
        vm.assertTrue(results[0].success, "decimals");
        vm.assertEq(abi.decode(results[0].returnData, (uint256)), 18);
        vm.assertFalse(results[1].success);
        vm.assertEq(multicall.getChainId(), CHAIN);
    }

    function create2(address deployer, bytes32 salt) internal pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), deployer, salt, keccak256(TINY))))));
    }

    function test_deployers_deploy_where_they_should() public {
        address factory = install("SafeSingletonFactory");
        (bool done, bytes memory answer) = factory.call(abi.encodePacked(bytes32(uint256(1)), TINY));
        vm.assertTrue(done, "SafeSingletonFactory");
        vm.assertEq(address(bytes20(answer)), create2(factory, bytes32(uint256(1))));

        ICreate2Deployer deployer = ICreate2Deployer(install("Create2Deployer"));
        deployer.deploy(0, bytes32(uint256(2)), TINY);
        address made = create2(address(deployer), bytes32(uint256(2)));
        vm.assertEq(made.code, hex"01");
        vm.assertEq(deployer.computeAddress(bytes32(uint256(2)), keccak256(TINY)), made);

        ICreateX createX = ICreateX(install("CreateX"));
        // CreateX guards a salt that names nobody by hashing it.
        bytes32 salt = bytes32(uint256(3));
        made = createX.deployCreate2(salt, TINY);
        vm.assertEq(made, createX.computeCreate2Address(keccak256(abi.encode(salt)), keccak256(TINY)));
        vm.assertEq(made.code, hex"01");
    }

    function test_safes_are_of_version_1_3_0_and_nobodys() public {
        string[2] memory names = ["SafeV130", "SafeL2V130"];
        for (uint256 i; i < 2; i++) {
            ISafe safe = ISafe(install(names[i]));
            vm.assertEq(safe.VERSION(), "1.3.0");
        }
        address multiSend = install("MultiSendV130");
        // Only by delegate call: it knows its own address.
        (bool done,) = multiSend.call(abi.encodeWithSignature("multiSend(bytes)", ""));
        vm.assertFalse(done);
        (done,) = multiSend.delegatecall(abi.encodeWithSignature("multiSend(bytes)", ""));
        vm.assertTrue(done, "delegated");
        bytes memory send = abi.encodePacked(uint8(0), address(weth), uint256(0), uint256(4), hex"d0e30db0");
        (done,) = install("MultiSendCallOnlyV130").delegatecall(abi.encodeWithSignature("multiSend(bytes)", send));
        vm.assertTrue(done, "call only");
    }
}
