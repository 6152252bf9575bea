// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice A vote for a proposal.
struct Notarize {
    uint64 rollup;
    uint64 term;
    bytes32 genesis;
    uint64 view_;
    uint64 parentView;
    bytes32 blockHash;
}

/// @notice A vote to make a notarised proposal final.
struct Finalize {
    uint64 rollup;
    uint64 term;
    bytes32 genesis;
    uint64 view_;
    uint64 parentView;
    bytes32 blockHash;
}

/// @notice A vote to give a view up.
struct Nullify {
    uint64 rollup;
    uint64 term;
    bytes32 genesis;
    uint64 view_;
}

/// @notice The statement that L1 keeps: which blocks a batch holds and what they end in (protocol §6).
struct Batch {
    /// L2 chain id.
    uint64 rollup;
    /// The term whose committee signs.
    uint64 term;
    /// Hash of the last block before that term.
    bytes32 genesis;
    /// Height of the batch's first block.
    uint64 firstHeight;
    /// Height of its last block.
    uint64 lastHeight;
    /// Id of the claim of the batch before, on which this one stands.
    bytes32 parentClaim;
    /// Hash of the block at `firstHeight − 1`.
    bytes32 prevHash;
    /// Hash of the block at `lastHeight`.
    bytes32 lastHash;
    /// Root over the hashes of all blocks of the batch.
    bytes32 blockHashRoot;
    /// Time of the last block, in seconds.
    uint64 lastBlockTime;
    /// Messages consumed by this batch and all before it.
    uint64 messageCount;
    /// The inbox' accumulator after that many messages.
    bytes32 messageAcc;
    /// Chain of all statements before this one.
    bytes32 inboxTip;
    /// Commitment to the batch's data.
    bytes32 dataHash;
}

/// @notice A leader's word on the place of a transaction.
struct Receipt {
    uint64 rollup;
    uint64 term;
    bytes32 genesis;
    uint64 view_;
    uint64 height;
    uint64 index;
    bytes32 txHash;
}

/// @notice Proof of a seat's vote key.
struct VoteKey {
    address owner;
    bytes32 peerKey;
}

/// @notice Everything that a seat signs (protocol §5, §15.9): EIP-712 hashes, and the check of signatures.
/// @dev The domain is name "Surety", version "1", the L1 chain id and the registry's address. `view` is a keyword here,
/// so the Solidity members are called `view_`; the signed type strings say `view`. Golden vectors: `vectors/eip712.json`.
library Messages {
    /// The signature at this place of the committee is not the member's, or not in the one allowed form.
    error SignatureInvalid(uint256 place);
    /// A bit of the bitmap is set beyond the committee's last place.
    error SignerOutsideCommittee(uint64 signers, uint256 members);
    /// There must be 64 bytes of signature for each bit of the bitmap.
    error SignaturesLengthWrong(uint256 length, uint256 expected);

    bytes32 internal constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 internal constant NOTARIZE_TYPEHASH = keccak256(
        "Notarize(uint64 rollup,uint64 term,bytes32 genesis,uint64 view,uint64 parentView,bytes32 blockHash)"
    );
    bytes32 internal constant FINALIZE_TYPEHASH = keccak256(
        "Finalize(uint64 rollup,uint64 term,bytes32 genesis,uint64 view,uint64 parentView,bytes32 blockHash)"
    );
    bytes32 internal constant NULLIFY_TYPEHASH =
        keccak256("Nullify(uint64 rollup,uint64 term,bytes32 genesis,uint64 view)");
    bytes32 internal constant BATCH_TYPEHASH = keccak256(
        "Batch(uint64 rollup,uint64 term,bytes32 genesis,uint64 firstHeight,uint64 lastHeight,bytes32 parentClaim,bytes32 prevHash,bytes32 lastHash,bytes32 blockHashRoot,uint64 lastBlockTime,uint64 messageCount,bytes32 messageAcc,bytes32 inboxTip,bytes32 dataHash)"
    );
    bytes32 internal constant RECEIPT_TYPEHASH = keccak256(
        "Receipt(uint64 rollup,uint64 term,bytes32 genesis,uint64 view,uint64 height,uint64 index,bytes32 txHash)"
    );
    bytes32 internal constant VOTE_KEY_TYPEHASH = keccak256("VoteKey(address owner,bytes32 peerKey)");

    /// @dev Half of secp256k1's order: a larger `s` has a twin below.
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @notice The domain separator of one registry on this chain.
    function domainSeparator(address registry) internal view returns (bytes32) {
        return keccak256(
            abi.encode(DOMAIN_TYPEHASH, keccak256("Surety"), keccak256("1"), block.chainid, registry)
        );
    }

    /// @notice What is signed: `keccak256(0x19 0x01 ‖ separator ‖ structHash)`.
    function digest(bytes32 separator, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    /// @notice Struct hash of a notarisation vote.
    function hash(Notarize memory m) internal pure returns (bytes32) {
        return keccak256(abi.encode(NOTARIZE_TYPEHASH, m));
    }

    /// @notice Struct hash of a finalisation vote.
    function hash(Finalize memory m) internal pure returns (bytes32) {
        return keccak256(abi.encode(FINALIZE_TYPEHASH, m));
    }

    /// @notice Struct hash of a nullification vote.
    function hash(Nullify memory m) internal pure returns (bytes32) {
        return keccak256(abi.encode(NULLIFY_TYPEHASH, m));
    }

    /// @notice Struct hash of a batch statement.
    function hash(Batch memory m) internal pure returns (bytes32) {
        return keccak256(abi.encode(BATCH_TYPEHASH, m));
    }

    /// @notice Struct hash of a receipt.
    function hash(Receipt memory m) internal pure returns (bytes32) {
        return keccak256(abi.encode(RECEIPT_TYPEHASH, m));
    }

    /// @notice Struct hash of a vote key's proof.
    function hash(VoteKey memory m) internal pure returns (bytes32) {
        return keccak256(abi.encode(VOTE_KEY_TYPEHASH, m));
    }

    /// @notice The signer of `digest_`, or zero if the signature is not 64 bytes of EIP-2098 with low `s`.
    function recover(bytes32 digest_, bytes calldata signature) internal view returns (address) {
        if (signature.length != 64) return address(0);
        return _recover(digest_, bytes32(signature[:32]), bytes32(signature[32:]));
    }

    /// @notice Checks that each seat whose bit is set signed `digest_`.
    /// @param digest_ What was signed.
    /// @param members 20-byte addresses of the committee, one behind the other, in order.
    /// @param signers Bit i stands for the member at place i.
    /// @param signatures 64 bytes (EIP-2098) for each set bit, in ascending order of place.
    /// @return count How many signed.
    function checkSignatures(bytes32 digest_, bytes memory members, uint64 signers, bytes calldata signatures)
        internal
        view
        returns (uint256 count)
    {
        uint256 n = members.length / 20;
        require(n >= 64 || signers >> n == 0, SignerOutsideCommittee(signers, n));
        uint256 offset;
        for (uint256 place; place < n; ++place) {
            if (signers >> place & 1 == 0) continue;
            unchecked {
                ++count;
                offset += 64;
            }
            // Not `require`: that would count the bits in every round.
            if (offset > signatures.length) revert SignaturesLengthWrong(signatures.length, _size(signers));
            bytes32 r;
            bytes32 vs;
            address member;
            assembly ("memory-safe") {
                let start := add(signatures.offset, sub(offset, 64))
                r := calldataload(start)
                vs := calldataload(add(start, 32))
                // The address is in the top 20 bytes of the word at its place.
                member := shr(96, mload(add(add(members, 32), mul(place, 20))))
            }
            address signer = _recover(digest_, r, vs);
            require(signer != address(0) && signer == member, SignatureInvalid(place));
        }
        require(offset == signatures.length, SignaturesLengthWrong(signatures.length, offset));
    }

    /// @dev 64 bytes for each set bit.
    function _size(uint64 signers) private pure returns (uint256 size) {
        for (; signers != 0; signers &= signers - 1) size += 64;
    }

    /// @dev `ecrecover` of an EIP-2098 signature; zero if `s` is high or nothing can be recovered.
    function _recover(bytes32 digest_, bytes32 r, bytes32 vs) private view returns (address signer) {
        uint256 s = uint256(vs) & (type(uint256).max >> 1);
        if (s > HALF_ORDER) return address(0);
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, digest_)
            mstore(add(start, 0x20), add(27, shr(255, vs)))
            mstore(add(start, 0x40), r)
            mstore(add(start, 0x60), s)
            mstore(0, 0)
            // The precompile returns nothing for an invalid signature: the zero written before stays.
            if staticcall(gas(), 1, start, 0x80, 0, 0x20) { signer := mload(0) }
        }
    }
}
