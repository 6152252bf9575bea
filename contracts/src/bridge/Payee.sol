// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AddressAlias} from "../lib/AddressAlias.sol";
import {Messages} from "../lib/Messages.sol";

/// @notice Where money of an L2 account may go on L1 after the chain has ended (protocol §10). An L2 account without code is
/// one of two things, which L1 cannot tell apart by its address: a key's own account, or the L2 name of an L1 contract
/// (`AddressAlias`). So it is the party itself that says it, or signs it, or shows it by having code: what nobody showed to
/// be theirs is sent nowhere, least of all to a name that nobody has the key of.
library Payee {
    /// Name the recipient.
    error NoRecipient();
    /// Who is paid must call or sign; for a contract anyone may call, if the contract itself is to be paid.
    error NotEntitled(address account, address caller);
    /// The signature is not the account's over these values.
    error SignatureOfAnother(address account);

    /// @notice What an account signs for others to carry: `token` is the L2 token, or zero for ether.
    bytes32 internal constant TYPEHASH = keccak256("Escape(address account,address token,address to)");

    /// @notice Reverts unless what `account` has may be paid to `to` in this call.
    /// @param account The account on L2.
    /// @param token The token on L2; zero for ether.
    /// @param to Who is paid on L1. The account itself, calling or signing, names whom it likes.
    /// @param signature Empty, or 64 bytes (EIP-2098) by the account's key over `Escape(account, token, to)` in the domain
    /// ("Surety", "1", chain id, this contract). It works once because the payment does.
    function check(address account, address token, address to, bytes calldata signature) internal view {
        require(to != address(0), NoRecipient());
        if (speaksFor(msg.sender, account)) return;
        if (signature.length != 0) {
            bytes32 digest = Messages.digest(
                Messages.domainSeparator(address(this)), keccak256(abi.encode(TYPEHASH, account, token, to))
            );
            address signer = Messages.recover(digest, signature);
            require(signer != address(0) && signer == account, SignatureOfAnother(account));
            return;
        }
        address origin = AddressAlias.origin(account);
        require(to == origin && origin.code.length != 0, NotEntitled(account, msg.sender));
    }

    /// @notice Whether a caller on L1 is this account on L2.
    function speaksFor(address caller, address account) internal pure returns (bool) {
        return caller == account || AddressAlias.aliased(caller) == account;
    }
}
