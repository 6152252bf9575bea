// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice What a fault contract found.
struct Verdict {
    /// Who is guilty.
    uint64 seat;
    /// The term of the fault.
    uint64 term;
    /// The rollup of the fault.
    uint64 rollup;
}

/// @title A kind of fault that can be shown to L1 (protocol §9).
/// @notice It judges evidence by the evidence alone. Whether the term can still be judged, the seat still answers for it and
/// was not punished before is the slasher's business (`ISlasher.report`).
interface IFault {
    /// @notice Judges evidence; reverts with an error that says why when it shows no guilt.
    /// @param evidence In the form that the fault contract documents.
    function judge(bytes calldata evidence) external view returns (Verdict memory);
}
